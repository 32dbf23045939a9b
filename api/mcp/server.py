"""The protocol: its kit is used here and nowhere else. What it serves are the routes of `api.mcp.tools`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
    Tool,
    ToolAnnotations,
)
from starlette.requests import Request
from starlette.types import ASGIApp

from api.errors import MAX_JSON_BYTES
from api.hardening.settings import BrowserSettings
from api.mcp.door import Reply, sent_on
from api.mcp.tools import NAMES, TOOLS
from rag.retrieval.opening import DOC, REPO

_INSTRUCTIONS = (
    "Company knowledge under the user's own rights. Search first, then fetch what you cite; "
    "give the user the url of each source. "
    "사내 지식입니다. 먼저 검색하고, 인용할 것은 fetch로 읽고, 출처의 url을 함께 제시하세요."
)
_TEXT = "text/plain"
_FRESH_MS = 3_600_000
"""An hour: names of tools change with a release alone."""
_READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@asynccontextmanager
async def conversing(public_url: str | None, browsers: BrowserSettings) -> AsyncGenerator[ASGIApp, None]:
    """What answers messages, for the length of the block; inside the lifespan of the application, for mounted ones have none.

    Args:
        public_url: address under which users reach the service; None: no other than this machine itself.
    """
    manager = StreamableHTTPSessionManager(
        _server(),
        stateless=True,
        security_settings=TransportSecuritySettings(
            allowed_hosts=_hosts(public_url, browsers), allowed_origins=_origins(public_url, browsers)
        ),
        max_request_body_size=MAX_JSON_BYTES,
    )
    async with manager.run():
        yield StreamableHTTPASGIApp(manager)


def _server() -> Server[Any]:
    public = CacheHint(_FRESH_MS, "public")
    return Server(
        "seogo",
        title="Seogo (서고)",
        version=version("seogo"),
        instructions=_INSTRUCTIONS,
        cache_hints={"tools/list": public, "resources/list": public, "resources/templates/list": public},
        get_tool_input_schema={tool.name: tool.input_schema for tool in _LISTED}.get,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        on_list_resources=_list_resources,
        on_list_resource_templates=_list_templates,
        on_read_resource=_read_resource,
    )


def _hosts(public_url: str | None, browsers: BrowserSettings) -> list[str]:
    """Names that requests may ask for (DNS rebinding), with any port; names with a wildcard are not among them."""
    named = [urlsplit(public_url).hostname or ""] if public_url else []
    named += [host for host in browsers.hosts if not host.startswith("*.")]
    return [form for host in (*named, *_LOOPBACK) for form in (host, f"{host}:*")]


def _origins(public_url: str | None, browsers: BrowserSettings) -> list[str]:
    """Pages that may send messages: our own, those of this machine, and those of the portals in the settings."""
    parts = urlsplit(public_url or "")
    own = [f"{parts.scheme}://{parts.netloc}"] if public_url else []
    local = [f"{scheme}://{host}{port}" for scheme in ("http", "https") for host in _LOOPBACK for port in ("", ":*")]
    return [*own, *browsers.cors_origins, *local]


_LISTED = [
    Tool(
        name=item.name,
        title=item.title,
        description=item.description,
        input_schema=item.takes.model_json_schema(),
        output_schema=item.gives.model_json_schema(mode="serialization"),
        annotations=_READ_ONLY,
    )
    for item in TOOLS
]
_TEMPLATES = [
    ResourceTemplate(
        name="repository-file",
        title="File of a repository (저장소의 파일)",
        uri_template=f"{REPO}{{repository}}/{{+path}}",
        description="A file as it was indexed; with #L10-L20 these lines of it. 색인된 파일, #L10-L20이면 그 행들",
    ),
    ResourceTemplate(
        name="document",
        title="Document (문서)",
        uri_template=f"{DOC}{{id}}",
        description="The text of a document, by its id. 문서의 본문",
        mime_type=_TEXT,
    ),
]


async def _list_tools(ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
    return ListToolsResult(tools=_LISTED)


async def _list_resources(ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListResourcesResult:
    """None by name: there may be millions, and which they are depends on the reader. `search` finds them."""
    return ListResourcesResult(resources=[])


async def _list_templates(
    ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(resource_templates=_TEMPLATES)


async def _call_tool(ctx: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
    if params.name not in NAMES:
        raise MCPError(INVALID_PARAMS, f"There is no tool {params.name[:100]!r}.")
    reply = await sent_on(_request_of(ctx), f"/tools/{params.name}", params.arguments or {})
    if reply.status >= 400:
        said = [_sentence(reply), *(f"{item['id']} {item['title']}" for item in reply.body.get("results", ()))]
        return CallToolResult(content=[TextContent(text="\n".join(said))], is_error=True)
    text = json.dumps(reply.body, ensure_ascii=False)
    return CallToolResult(content=[TextContent(text=text)], structured_content=reply.body)


async def _read_resource(ctx: ServerRequestContext[Any], params: ReadResourceRequestParams) -> ReadResourceResult:
    uri = str(params.uri)
    if not uri.startswith((DOC, REPO)):
        raise MCPError(INVALID_PARAMS, f"A resource here begins with {DOC} or {REPO}.")
    reply = await sent_on(_request_of(ctx), "/tools/fetch", {"id": uri})
    if reply.status >= 400:
        code = INVALID_PARAMS if reply.status < 500 else INTERNAL_ERROR
        raise MCPError(code, _sentence(reply), {"code": reply.body.get("code"), "status": reply.status})
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=_TEXT, text=reply.body["text"])])


def _request_of(ctx: ServerRequestContext[Any]) -> Request:
    """The request that a message came with."""
    if not isinstance(ctx.request, Request):
        raise AssertionError("messages come over HTTP alone")
    return ctx.request


def _sentence(reply: Reply) -> str:
    """The error's code and its sentence, in the language of the caller."""
    return f"{reply.body.get('code', 'error')}: {reply.body.get('title', reply.status)}"
