"""The HTTP application."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from anyio.to_thread import current_default_thread_limiter, run_sync
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.adapters import continue_ide, dify
from api.address_limit import sign_in_limit, webhook_limit
from api.audit import Audited, tell_rest
from api.deps import Services
from api.hardening.admission import Admissions, exchanging, open_limiter
from api.hardening.headers import guarded_against_browsers
from api.hardening.shape import RequestShape
from api.known_first import KnownFirst
from api.literal_paths import LiteralPaths
from api.mcp import description, door, tools
from api.mcp.metadata import RESOURCE, WELL_KNOWN, Challenges, ProtectedResource
from api.openai import (
    chat,
    embeddings,
    files,
    models,
    rerank,
    responses,
    vector_store_files,
    vector_stores,
)
from api.openapi import Description
from api.refusals import Refusals
from api.request_ids import RequestIds
from api.routes import (
    access,
    accounts,
    answers,
    audit,
    code,
    collections,
    documents,
    feedback,
    generations,
    glossary,
    grants,
    groups,
    health,
    ingestion,
    keys,
    me,
    receipts,
    replay,
    repositories,
    repository_changes,
    scim,
    search,
    sign_in,
    snapshots,
    sources,
    spaces,
    webhooks,
    widget_tokens,
)
from api.settings import ApiSettings
from api.watching import AccessWatch

NATIVE = "/api/v1"
OPENAI = "/v1"
_UPLOADS = re.compile(rf"{OPENAI}/files|{NATIVE}/collections/[^/]+/documents")
"""The routes that take files."""
_WEBHOOKS = re.compile(rf"{NATIVE}/repositories/[^/]+/webhook")
_JOINED = ("/dify/", "/continue/", "/tools/")
ROUTERS = (
    *(
        (NATIVE, module.router)
        for module in (
            health,
            collections,
            glossary,
            documents,
            ingestion,
            snapshots,
            sources,
            repositories,
            webhooks,
            repository_changes,
            receipts,
            search,
            code,
            answers,
            feedback,
            spaces,
            generations,
            access,
            accounts,
            groups,
            grants,
            keys,
            me,
            widget_tokens,
            audit,
            replay,
        )
    ),
    *(
        (OPENAI, module.router)
        for module in (
            models,
            chat,
            embeddings,
            rerank,
            responses,
            files,
            vector_stores,
            vector_store_files,
        )
    ),
    ("", rerank.bare_router),
    ("", sign_in.router),
    ("", scim.router),
    (NATIVE, sign_in.me_router),
    *(("", module.router) for module in (dify, continue_ide, tools, door)),
)
"""Every route of the application; a test checks that each has a policy."""


class _Application(FastAPI):
    """FastAPI, with what no response may lack around everything, its handler of unexpected errors included."""

    def build_middleware_stack(self) -> ASGIApp:
        """All middleware."""
        return guarded_against_browsers(super().build_middleware_stack(), self.state.browsers)


def distribution_version() -> str:
    """Version of the installed distribution; `0` in a checkout that is not installed."""
    try:
        return version("seogo")
    except PackageNotFoundError:
        return "0"


def create_app(services: Services | None = None, *, tools: bool = True) -> FastAPI:
    """The application. Without services it has routes and schemas only, which is what the OpenAPI check needs.

    Args:
        tools: whether `/mcp` answers. A command on the local folder asks nothing there, and its kit takes half a second of CPU.
    """

    # The interactive documentation pages load scripts from foreign hosts, so they are off.
    app = _Application(
        title="Seogo",
        version=distribution_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    limits = services.settings if services is not None else ApiSettings()
    app.state.services, app.state.browsers = services, limits.browsers
    app.state.tools = tools
    app.state.refusals = Refusals()
    app.state.readiness = health.Readiness()
    app.state.webhooks = webhook_limit()
    app.state.sign_ins = sign_in_limit(None if services is None else services.rag.settings.identity.sessions)
    app.state.limiter = open_limiter(limits.rates, services.rag.database) if services is not None else None
    described = Description(app, ROUTERS)
    setattr(app, "openapi", described.document)  # noqa: B010 (as FastAPI's documentation extends it)
    app.add_route(f"{NATIVE}/openapi.json", described.response, methods=["GET"], include_in_schema=False)
    told = description.ToolDescription(described).response
    app.add_route(description.PATH, told, methods=["GET"], include_in_schema=False)
    for prefix, router in ROUTERS:
        app.include_router(router, prefix=prefix)
    errors.install(app)
    if services is not None:
        _tell_of_tokens(app, services)
    app.add_middleware(Admissions, limiter=lambda: app.state.limiter)
    app.add_middleware(RequestShape, settings=limits.requests)
    app.add_middleware(JsonLimit)
    if services is not None:
        app.add_middleware(KnownFirst, apart=lambda scope: _is_upload(scope) or _is_webhook(scope))
    app.add_middleware(LiteralPaths, routers=ROUTERS)
    app.add_middleware(TidyPath)
    if services is not None:
        app.add_middleware(
            Audited,
            trail=services.rag.audit,
            settings=services.settings,
            subject_attribute=services.rag.settings.audit.subject_attribute,
            refusals=app.state.refusals,
        )
    app.add_middleware(RequestIds)
    return app


def _tell_of_tokens(app: FastAPI, services: Services) -> None:
    """Say where clients of `/mcp` get tokens, where there is such a place."""
    resource = ProtectedResource.of(services.rag.settings.identity.oidc)
    if resource is not None:
        for path in (WELL_KNOWN, WELL_KNOWN + RESOURCE):
            app.add_route(path, resource.response, methods=["GET"], include_in_schema=False)
        app.add_middleware(Challenges)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """What belongs to the event loop: how many threads it may have for blocking calls, and the engines' connections."""
    services = app.state.services
    if services is not None:
        current_default_thread_limiter().total_tokens = services.settings.threads
        app.state.watch = AccessWatch.of(services)
    async with exchanging(app.state.limiter), _conversing(app):
        yield
    if services is not None:
        await app.state.watch.aclose()
        app.state.watch = None
        await run_sync(tell_rest, services.rag.audit, app.state.refusals)
    if services is not None and services.rag.generation is not None:
        await services.rag.generation.aclose()


@asynccontextmanager
async def _conversing(app: FastAPI) -> AsyncGenerator[None, None]:
    """What answers at `/mcp`. Its kit takes a second to load, which only a process that serves has to spend."""
    services = app.state.services
    if services is None or not app.state.tools:
        yield
        return
    from api.mcp.server import conversing

    async with conversing(services.settings.public_url, services.settings.browsers) as app.state.mcp:
        yield
    app.state.mcp = None


class TidyPath:
    """Tolerates `//` and a trailing slash where clients join a base address: the OpenAI surface and the adapters."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its path tidied."""
        if scope["type"] == "http":
            tidy = "/" + "/".join(part for part in scope["path"].split("/") if part)
            if tidy != scope["path"] and (errors.speaks_openai(tidy) or tidy == RESOURCE or tidy.startswith(_JOINED)):
                scope = {**scope, "path": tidy, "raw_path": tidy.encode()}
        await self._app(scope, receive, send)


class JsonLimit:
    """Refuses JSON bodies over their path's limit while they arrive; uploads have a limit of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body counted."""
        if scope["type"] != "http" or _is_upload(scope):
            await self._app(scope, receive, send)
            return
        seen, limit = 0, errors.json_limit(scope["path"])

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


def _is_webhook(scope: Scope) -> bool:
    """Whether the body proves who sent it; its route counts calls, and takes little."""
    return scope["method"] == "POST" and _WEBHOOKS.fullmatch(scope["path"]) is not None


def _is_upload(scope: Scope) -> bool:
    """Whether the body is read as a stream by a route that has a limit of its own. Any other body is read before its route is."""
    kind = dict(scope["headers"]).get(b"content-type", b"")
    takes_files = scope["method"] == "POST" and _UPLOADS.fullmatch(scope["path"]) is not None
    return takes_files and bytes(kind).startswith(b"multipart/form-data")
