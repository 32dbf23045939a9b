"""What the OpenAPI document says of every operation alike: who may call it, and the shapes that refusals have."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from anyio import to_thread
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.deps import Guard
from api.errors import speaks_openai
from api.schemas.common import Problem

SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "api-key": {"type": "apiKey", "in": "header", "name": "Api-Key"},
}
"""The headers in which a key is taken; any one of them will do."""

_PIECE_BYTES = 32 * 1024
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


class Description:
    """The OpenAPI document of an application. Making it takes a second of one core, and anybody may ask for it: it is made once,
    beside the event loop, and a thousand who ask meanwhile hold neither a thread each nor a copy each.
    """

    def __init__(self, app: FastAPI, routers: Sequence[tuple[str, APIRouter]]) -> None:
        """`routers` are all that it serves, with their prefixes."""
        self._app, self._routers = app, routers
        self._making = threading.Lock()
        self._asking = anyio.Lock()
        self._sent = b""

    def document(self) -> dict[str, Any]:
        """The document."""
        with self._making:
            return _document_of(self._app, self._routers)

    async def awaited(self) -> dict[str, Any]:
        """The document, for callers on the event loop."""
        if self._app.openapi_schema is not None:
            return self._app.openapi_schema
        async with self._asking:
            return await to_thread.run_sync(self.document)

    async def response(self, request: Request) -> Response:
        """The document as it is sent."""
        document = await self.awaited()
        self._sent = self._sent or json.dumps(document, ensure_ascii=False).encode()
        return PublicPieces(self._sent, "application/json")


class PublicPieces(StreamingResponse):
    """What anybody may read, handed to the connection as its reader takes it: as one it would be copied for each."""

    def __init__(self, body: bytes, media_type: str) -> None:
        headers = {"Content-Length": str(len(body))}
        super().__init__(_pieces(body), media_type=media_type, headers=headers)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(body), _PIECE_BYTES):
        yield body[begin : begin + _PIECE_BYTES]


def _document_of(app: FastAPI, routers: Sequence[tuple[str, APIRouter]]) -> dict[str, Any]:
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
