"""`/tools/openapi.json`: the tools as an OpenAPI tool server, as Open WebUI and others read one.

A part of the application's own description: paths are relative to `/tools`, which clients are given as the server's address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.deps import base_url
from api.mcp.tools import TOOLS
from api.openapi import Description, PublicPieces

PATH = "/tools/openapi.json"
_PREFIX = "/tools"
_SCHEMAS = "#/components/schemas/"


class ToolDescription:
    """The document, made once for each address that it is asked for by."""

    def __init__(self, whole: Description) -> None:
        self._whole = whole
        self._document: dict[str, Any] | None = None

    async def response(self, request: Request) -> Response:
        """It, as JSON."""
        if self._document is None:
            self._document = tools_document(await self._whole.awaited())
        told = self._document | {"servers": [{"url": base_url(request) + _PREFIX}]}
        return PublicPieces(json.dumps(told, ensure_ascii=False).encode(), "application/json")


def tools_document(whole: dict[str, Any]) -> dict[str, Any]:
    """The operations of the tools out of the whole description, with the schemas that they need and the bearer key alone."""
    paths = {path: {"post": dict(whole["paths"][f"{_PREFIX}{path}"]["post"])} for path in (f"/{t.name}" for t in TOOLS)}
    for tool in TOOLS:
        operation = paths[f"/{tool.name}"]["post"]
        operation["description"] = tool.description  # what a model reads to choose
        operation["summary"] = tool.title
        operation["responses"] = {"200": operation["responses"]["200"]}
    schemas = whole["components"]["schemas"]
    needed: dict[str, Any] = {}
    waiting = [paths]
    while waiting:
        for name in _named(waiting.pop()):
            if name not in needed:
                needed[name] = schemas[name]
                waiting.append(schemas[name])
    return {
        "openapi": whole["openapi"],
        "info": {
            "title": "Seogo (서고)",
            "version": whole["info"]["version"],
            "description": "Company knowledge under the caller's own rights. 사용자 권한 안의 사내 지식",
        },
        "paths": paths,
        "components": {
            "schemas": needed,
            "securitySchemes": {"bearer": whole["components"]["securitySchemes"]["bearer"]},
        },
        "security": [{"bearer": []}],
    }


def _named(part: Any) -> Iterator[str]:
    """Names of the schemas that a part of the document refers to."""
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith(_SCHEMAS):
            yield reference.removeprefix(_SCHEMAS)
        for value in part.values():
            yield from _named(value)
    elif isinstance(part, list):
        for value in part:
            yield from _named(value)
