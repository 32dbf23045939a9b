"""What the OpenAPI document says of every operation alike: who may call it, and the shapes that refusals have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from api.deps import Guard
from api.errors import speaks_openai
from api.schemas.common import Problem

SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "api-key": {"type": "apiKey", "in": "header", "name": "Api-Key"},
}
"""The headers in which a key is taken; any one of them will do."""

_SCHEMA = "#/components/schemas/{model}"
_ANY = {"4XX": "refused; the error's code says why", "5XX": "failed; the error's code says why, and a retry may help"}


class OpenAiFault(BaseModel):
    """What went wrong, as OpenAI's clients read it."""

    message: str = Field(description="what happened, in the language of Accept-Language")
    type: str
    param: str | None = Field(description="the field to blame, where there is one")
    code: str = Field(description="stable name of the error")


class OpenAiProblem(BaseModel):
    """An error of the OpenAI surface."""

    error: OpenAiFault


class DifyProblem(BaseModel):
    """An error of Dify's external knowledge API."""

    error_code: int
    error_msg: str


class ScimProblem(BaseModel):
    """An error of the SCIM surface (RFC 7644, 3.12)."""

    schemas: list[str]
    status: str = Field(description="the HTTP status, as a text")
    detail: str | None = None
    scimType: str | None = None


@dataclass(frozen=True, slots=True)
class Surface:
    """How errors look to one kind of client."""

    model: type[BaseModel]
    media_type: str

    @property
    def content(self) -> dict[str, Any]:
        """The body of an error, as OpenAPI describes it."""
        return {self.media_type: {"schema": {"$ref": _SCHEMA.format(model=self.model.__name__)}}}

    def response(self, description: str) -> dict[str, Any]:
        """An error, as OpenAPI describes it."""
        return {"description": description, "content": self.content}


NATIVE = Surface(Problem, "application/problem+json")
OPENAI = Surface(OpenAiProblem, "application/json")
DIFY = Surface(DifyProblem, "application/json")
SCIM = Surface(ScimProblem, "application/scim+json")
SURFACES = (NATIVE, OPENAI, DIFY, SCIM)
_PAGE = {"text/html": {"schema": {"type": "string"}}}


def document_of(app: FastAPI, routers: Sequence[tuple[str, APIRouter]]) -> dict[str, Any]:
    """The OpenAPI document of the application, made once; `routers` are all that it serves, with their prefixes."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes)
        components = made.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):  # the framework's own idea, which is not what is sent
            schemas.pop(unused, None)
        components["securitySchemes"] = SECURITY_SCHEMES
        components["responses"] = {}
        for surface in SURFACES:
            described = surface.model.model_json_schema(ref_template=_SCHEMA)
            schemas |= described.pop("$defs", {}) | {surface.model.__name__: described}
            for status, description in _ANY.items():
                components["responses"][f"{surface.model.__name__}{status}"] = surface.response(description)
        made["security"] = [{name: []} for name in SECURITY_SCHEMES]
        guarded = set(_guarded(routers))
        for path, operations in made["paths"].items():
            for method, operation in operations.items():
                _describe(operation, _surface_of(path), open_to_all=(path, method) not in guarded)
                _share_refusals(operation["responses"], components["responses"], _surface_of(path))
        app.openapi_schema = made
    return app.openapi_schema


def _guarded(routers: Sequence[tuple[str, APIRouter]]) -> Iterator[tuple[str, str]]:
    for prefix, router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and any(isinstance(d.call, Guard) for d in route.dependant.dependencies):
                yield from ((prefix + route.path_format, method.lower()) for method in route.methods or ())


def _describe(operation: dict[str, Any], surface: Surface, *, open_to_all: bool) -> None:
    """Security and refusals of one operation: any 4xx and 5xx has the shape of its surface, whichever it is."""
    if open_to_all:
        operation["security"] = []
    responses = operation["responses"]
    # An address that a browser is sent to tells a person what went wrong on a small page.
    shown = _PAGE if any("text/html" in response.get("content", {}) for response in responses.values()) else {}
    for status, response in list(responses.items()):
        content = response.get("content", {})
        if "HTTPValidationError" in str(response):
            del responses[status]
        elif status[0] in "45":
            response["content"] = _refusal(content, surface) | shown
        elif surface is SCIM and "application/json" in content:
            response["content"] = {surface.media_type: content["application/json"]}
    for status, description in _ANY.items():
        named = {"$ref": f"#/components/responses/{surface.model.__name__}{status}"}
        responses[status] = {"description": description, "content": surface.content | shown} if shown else named


def _share_refusals(responses: dict[str, Any], shared: dict[str, Any], surface: Surface) -> None:
    """Say a refusal that many operations have once: it stands among the components, and here is a reference to it."""
    for status, response in responses.items():
        if status[0] in "45" and "$ref" not in response:
            name = f"{surface.model.__name__}{status}"
            if shared.setdefault(name, response) == response:
                responses[status] = {"$ref": f"#/components/responses/{name}"}


def _refusal(content: dict[str, Any], surface: Surface) -> dict[str, Any]:
    """The body of a refusal that a route describes: a model stands there as plain JSON, and is sent with the surface's type."""
    written = content.get("application/json", {})
    if surface.media_type in content or not set(content) - {"text/html"}:
        return {surface.media_type: written} if written.get("schema") else surface.content
    return content


def _surface_of(path: str) -> Surface:
    if speaks_openai(path):
        return OPENAI
    return next((one for start, one in (("/dify/", DIFY), ("/scim/", SCIM)) if path.startswith(start)), NATIVE)
