"""The HTTP application."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.adapters import continue_ide, dify
from api.deps import Services
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
from api.request_ids import RequestIds
from api.routes import (
    accounts,
    answers,
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
    scim,
    search,
    sign_in,
    snapshots,
    sources,
    spaces,
)

NATIVE = "/api/v1"
OPENAI = "/v1"
_UPLOADS = re.compile(rf"{OPENAI}/files|{NATIVE}/collections/[^/]+/documents")
"""The routes that take files."""
_JOINED = ("/dify/", "/continue/")
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
            receipts,
            search,
            answers,
            feedback,
            spaces,
            generations,
            accounts,
            groups,
            grants,
            keys,
            me,
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
    *(("", module.router) for module in (dify, continue_ide)),
)
"""Every route of the application; a test checks that each has a policy."""


def distribution_version() -> str:
    """Version of the installed distribution; `0` in a checkout that is not installed."""
    try:
        return version("seogo")
    except PackageNotFoundError:
        return "0"


def create_app(services: Services | None = None) -> FastAPI:
    """The application. Without services it has routes and schemas only, which is what the OpenAPI check needs."""

    # The interactive documentation pages load scripts from foreign hosts, so they are off.
    app = FastAPI(
        title="Seogo",
        version=distribution_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{NATIVE}/openapi.json",
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.services = services
    for prefix, router in ROUTERS:
        app.include_router(router, prefix=prefix)
    errors.install(app)
    app.add_middleware(JsonLimit)
    app.add_middleware(TidyPath)
    app.add_middleware(RequestIds)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """What belongs to the event loop: how many threads it may have for blocking calls, and the engines' connections."""
    services = app.state.services
    if services is not None:
        current_default_thread_limiter().total_tokens = services.settings.threads
    yield
    if services is not None and services.rag.generation is not None:
        await services.rag.generation.aclose()


class TidyPath:
    """Tolerates `//` and a trailing slash where clients join a base address: the OpenAI surface and the adapters."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its path tidied."""
        if scope["type"] == "http":
            tidy = "/" + "/".join(part for part in scope["path"].split("/") if part)
            if tidy != scope["path"] and (errors.speaks_openai(tidy) or tidy.startswith(_JOINED)):
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


def _is_upload(scope: Scope) -> bool:
    """Whether the body is read as a stream by a route that has a limit of its own. Any other body is read before its route is."""
    kind = dict(scope["headers"]).get(b"content-type", b"")
    takes_files = scope["method"] == "POST" and _UPLOADS.fullmatch(scope["path"]) is not None
    return takes_files and bytes(kind).startswith(b"multipart/form-data")
