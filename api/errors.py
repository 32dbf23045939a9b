"""The one table from errors to HTTP, and the two shapes that they are told in."""

from __future__ import annotations

import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rag.domain import errors as e
from rag.domain.messages import UiLanguage, localized

log = logging.getLogger(__name__)

STATUS: dict[type[e.SeogoError], int] = {
    e.SeogoError: 500,
    e.InputError: 400,
    e.InvalidRequest: 422,
    e.MethodNotAllowed: 405,
    e.PayloadTooLarge: 413,
    e.EmptyFile: 422,
    e.UnsupportedFormat: 415,
    e.ConverterMissing: 415,
    e.FileEncrypted: 422,
    e.FileDamaged: 422,
    e.NoTextFound: 422,
    e.OcrUnavailable: 422,
    e.QuestionTooLong: 422,
    e.QuestionsInvalid: 422,
    e.NameTaken: 409,
    e.FilterTooWide: 422,
    e.NothingToRetry: 409,
    e.NothingToCancel: 409,
    e.SpaceConflict: 409,
    e.SwitchRefused: 409,
    e.GenerationEnded: 409,
    e.GenerationUnfinished: 409,
    e.UnknownModel: 404,
    e.NotAuthenticated: 401,
    e.NotPermitted: 403,
    e.NotFound: 404,
    e.CollectionNotFound: 404,
    e.DocumentNotFound: 404,
    e.ReceiptNotFound: 404,
    e.SpaceNotFound: 404,
    e.ParseLimitExceeded: 422,
    e.ParserCrashed: 422,
    e.WorkerLost: 500,
    e.OriginalMissing: 500,
    e.Unavailable: 503,
    e.IndexUnavailable: 503,
    e.StoreUnavailable: 503,
    e.IndexWriteMismatch: 503,
    e.PurgeIncomplete: 503,
    e.ModelUnavailable: 503,
    e.ModelBusy: 503,
    e.ModelTimeout: 504,
    e.ModelBroken: 502,
    e.ModelNotServed: 502,
    e.GenerationStopped: 502,
    e.ConfigurationError: 500,
    e.StoreInUse: 503,
    e.SchemaOutdated: 500,
}
MAX_JSON_BYTES = 2 << 20
"""Largest JSON body; uploads have a limit of their own."""

_RETRY_AFTER_S = 5
_QUALITY = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def preferred_language(header: str | None) -> UiLanguage:
    """Korean or English by `Accept-Language`; Korean when the header names neither, since most users read it."""
    best: tuple[float, UiLanguage] = (0.0, "ko")
    for part in (header or "").split(","):
        tag, _, parameters = part.partition(";")
        name = tag.strip().lower().split("-")[0]
        quality = _quality(parameters)
        if quality > best[0] and name in ("ko", "en"):
            best = (quality, "ko" if name == "ko" else "en")
    return best[1]


def _quality(parameters: str) -> float:
    """The weight of a language, 0 (refused, or not valid) to 1 (RFC 9110, 12.4.2)."""
    name, _, value = parameters.partition("=")
    if not name.strip() or not value.strip():
        return 1.0
    if name.strip().lower() != "q" or not _QUALITY.fullmatch(value.strip()):
        return 0.0
    return float(value)


def language_of(request: Request) -> UiLanguage:
    """The language that the caller reads."""
    return preferred_language(request.headers.get("accept-language"))


def problem(error: e.SeogoError, language: UiLanguage) -> dict[str, Any]:
    """RFC 9457 body of `error`."""
    return {
        "type": f"urn:seogo:error:{error.code}",
        "title": localized(error, language),
        "status": STATUS[type(error)],
        "code": error.code,
        "retryable": error.retryable,
    }


def openai_error(error: e.SeogoError, language: UiLanguage) -> dict[str, Any]:
    """OpenAI's error body of `error`."""
    status = STATUS[type(error)]
    fallback = "server_error" if status >= 500 else "invalid_request_error"
    kind = _OPENAI_TYPES.get(status, fallback)
    return {"error": {"message": localized(error, language), "type": kind, "param": None, "code": error.code}}


def respond(request: Request, error: e.SeogoError) -> JSONResponse:
    """`error` in the shape of the surface that the request came by."""
    status = STATUS[type(error)]
    headers = {"Retry-After": str(_RETRY_AFTER_S)} if error.retryable else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    language = language_of(request)
    headers["Content-Language"] = language
    if request.url.path.startswith("/v1"):
        return JSONResponse(openai_error(error, language), status, headers)
    return JSONResponse(problem(error, language), status, headers, media_type="application/problem+json")


def _from_http(request: Request, error: HTTPException) -> e.SeogoError:
    """What the framework itself refuses, as an error of ours."""
    match error.status_code:
        case 404:
            return e.NotFound()
        case 405:
            return e.MethodNotAllowed(method=request.method)
        case 413:
            return e.PayloadTooLarge(limit_mb=MAX_JSON_BYTES >> 20)
        case _:
            return e.InvalidRequest(detail=str(error.detail))


def install(app: FastAPI) -> None:
    """Register the handlers: typed errors, request validation, unknown routes, and the unexpected."""

    async def on_seogo_error(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, e.SeogoError):
            raise error
        return respond(request, error)

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise error
        # Only where and what, never the value: it may be personal data.
        found = "; ".join(f"{'.'.join(str(p) for p in item['loc'])}: {item['msg']}" for item in error.errors()[:5])
        return respond(request, e.InvalidRequest(detail=found))

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise error
        return respond(request, _from_http(request, error))

    async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected error on %s %s", request.method, request.url.path, exc_info=error)
        return respond(request, e.SeogoError())

    app.add_exception_handler(e.SeogoError, on_seogo_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_unexpected)
