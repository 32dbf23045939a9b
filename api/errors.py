"""The one table from errors to HTTP, and the two shapes that they are told in."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.request_ids import HEADER, request_id
from rag.domain import errors as e
from rag.domain.messages import UiLanguage, localized
from rag.domain.refused_values import refused_values

log = logging.getLogger(__name__)

STATUS: dict[type[e.SeogoError], int] = {
    e.SeogoError: 500,
    e.InputError: 400,
    e.InvalidRequest: 422,
    e.PromptTooLong: 422,
    e.ImagesNotTaken: 422,
    e.ModelRefused: 422,
    e.MethodNotAllowed: 405,
    e.HostNotServed: 421,
    e.PayloadTooLarge: 413,
    e.RangeRefused: 416,
    e.EmptyFile: 422,
    e.UnsupportedFormat: 415,
    e.ConverterMissing: 415,
    e.FileEncrypted: 422,
    e.FileDamaged: 422,
    e.PersonalDataBlocked: 422,
    e.NothingToRelease: 409,
    e.NoTextFound: 422,
    e.OcrUnavailable: 422,
    e.QuestionTooLong: 422,
    e.QuestionsInvalid: 422,
    e.NameTaken: 409,
    e.FilterTooWide: 422,
    e.TooManyRules: 422,
    e.WouldLockOut: 409,
    e.LastAdministrator: 409,
    e.NothingToRetry: 409,
    e.NothingToCancel: 409,
    e.SpaceConflict: 409,
    e.SwitchRefused: 409,
    e.GenerationEnded: 409,
    e.GenerationUnfinished: 409,
    e.UnknownModel: 404,
    e.LicenceForbids: 422,
    e.UnsupportedRequest: 400,
    e.RerankerMissing: 404,
    e.GeneratorMissing: 422,
    e.NotAuthenticated: 401,
    e.AccessEnded: 401,
    e.DirectoryStopped: 409,
    e.DirectoryGroupsGone: 409,
    e.SignInFailed: 400,
    e.NotPermitted: 403,
    e.LabelAboveClearance: 403,
    e.NotYoursToOpen: 403,
    e.PathRuleKept: 403,
    e.RateLimited: 429,
    e.PersonalDataHidden: 403,
    e.NotFound: 404,
    e.CollectionNotFound: 404,
    e.DocumentNotFound: 404,
    e.ReceiptNotFound: 404,
    e.SpaceNotFound: 404,
    e.AccountNotFound: 404,
    e.GroupNotFound: 404,
    e.GrantNotFound: 404,
    e.KeyNotFound: 404,
    e.RepositoryNotFound: 404,
    e.SymbolNotFound: 404,
    e.RepositoryRefused: 422,
    e.RepositoryNotRead: 422,
    e.CredentialsRefused: 422,
    e.RefNotFound: 422,
    e.RepositoryTooLarge: 422,
    e.PatternRefused: 422,
    e.RepositoryUnreachable: 503,
    e.ParseLimitExceeded: 422,
    e.TooMuchText: 422,
    e.ParserCrashed: 422,
    e.WorkerLost: 500,
    e.OriginalMissing: 500,
    e.BlobTampered: 500,
    e.KeyAtRestMissing: 500,
    e.Unavailable: 503,
    e.IndexUnavailable: 503,
    e.AccessSettling: 503,
    e.StoreUnavailable: 503,
    e.StoreFull: 507,
    e.StoreDamaged: 500,
    e.StoreReadOnly: 503,
    e.StoreLogKept: 503,
    e.BlobsUnavailable: 503,
    e.IndexWriteMismatch: 503,
    e.PurgeIncomplete: 503,
    e.AuditUnavailable: 503,
    e.ProviderUnavailable: 503,
    e.ModelUnavailable: 503,
    e.ModelBusy: 503,
    e.ModelTimeout: 504,
    e.ModelAway: 503,
    e.ModelUnusable: 502,
    e.ModelBroken: 502,
    e.ModelNotServed: 502,
    e.GenerationStopped: 502,
    e.EgressRefused: 500,
    e.ConfigurationError: 500,
    e.AnchorsUnreadable: 500,
    e.ModelFilesChanged: 500,
    e.StoreInUse: 503,
    e.DataFolderRefused: 500,
    e.SchemaOutdated: 500,
}
MAX_JSON_BYTES = 2 << 20
"""Largest JSON body; uploads have a limit of their own."""
MAX_MODEL_JSON_BYTES = 16 << 20
"""Largest JSON body for what goes to models: images lie in it, and thousands of texts to embed."""
OPENAI_PATHS = ("/v1/", "/rerank", "/score")
"""What begins so answers in OpenAI's error shape."""

_RETRY_AFTER_S = 5
_QUALITY = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")
_FOR_MODELS = frozenset({"/v1/chat/completions", "/v1/embeddings", "/v1/rerank", "/rerank", "/v1/score", "/score"})
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TYPE_NAMES = frozenset({"str", "int", "float", "bool", "dict", "list", "none"})
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}

_DIFY_NO_BEARER = 1001
_DIFY_CODES: dict[type[e.SeogoError], int] = {e.NotAuthenticated: 1002, e.CollectionNotFound: 2001}


def preferred_language(header: str | None) -> UiLanguage:
    """Korean or English by `Accept-Language`; Korean when the header names neither, since most users read it."""
    return named_language(header) or "ko"


def named_language(header: str | None) -> UiLanguage | None:
    """Korean or English by `Accept-Language`; None when the header names neither."""
    best: tuple[float, UiLanguage | None] = (0.0, None)
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


def openai_error(error: e.SeogoError, language: UiLanguage, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """OpenAI's error body of `error`; `param` names the field, where one is to blame; `more` are further members of the error."""
    status = STATUS[type(error)]
    fallback = "server_error" if status >= 500 else "invalid_request_error"
    kind = _OPENAI_TYPES.get(status, fallback)
    param = error.params.get("param", "model" if isinstance(error, e.UnknownModel) else None)
    told = {"message": localized(error, language), "type": kind, "param": param, "code": error.code}
    return {"error": told | dict(more or {})}


def json_limit(path: str) -> int:
    """Largest JSON body that a path takes, in bytes."""
    return MAX_MODEL_JSON_BYTES if path in _FOR_MODELS else MAX_JSON_BYTES


def speaks_openai(path: str) -> bool:
    """Whether a path belongs to the OpenAI surface."""
    return path == "/v1" or path.startswith(OPENAI_PATHS)


def dify_error(request: Request, error: e.SeogoError, language: UiLanguage) -> dict[str, Any]:
    """Dify's error body: its own three codes, and for the rest the HTTP status."""
    status = STATUS[type(error)]
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    code = _DIFY_CODES.get(type(error), status)
    if status == 401 and (scheme.lower() != "bearer" or not token.strip()):
        code = _DIFY_NO_BEARER
    return {"error_code": code, "error_msg": f"{localized(error, language)} ({error.code})"}


def scim_error(error: e.SeogoError, language: UiLanguage) -> dict[str, Any]:
    """SCIM's error body (RFC 7644, 3.12)."""
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": str(STATUS[type(error)]),
        "detail": localized(error, language),
    }
    return body | ({"scimType": "invalidValue"} if isinstance(error, e.InvalidRequest) else {})


def respond(request: Request, error: e.SeogoError, more: Mapping[str, Any] | None = None) -> JSONResponse:
    """`error` in the shape of the surface that it came by; `more` are extension members of the native one and of OpenAI's."""
    status = STATUS[type(error)]
    headers = {"Retry-After": str(error.params.get("retry_after_s", _RETRY_AFTER_S))} if error.retryable else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    language = language_of(request)
    headers["Content-Language"] = language
    if speaks_openai(request.url.path):
        if not error.retryable:
            headers["X-Should-Retry"] = "false"  # OpenAI's clients would ask again after any 409 and 5xx
        return JSONResponse(openai_error(error, language, more), status, headers)
    if request.url.path.startswith("/dify/"):
        return JSONResponse(dify_error(request, error, language), status, headers)
    if request.url.path.startswith("/scim/"):
        return JSONResponse(scim_error(error, language), status, headers, media_type="application/scim+json")
    body = problem(error, language) | dict(more or {})
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def may_tell(error: e.SeogoError) -> bool:
    """Whether what was found may stand beside an error: not where it says that the caller may read nothing, or no more."""
    return STATUS[type(error)] not in (401, 403, 404)


def _from_http(request: Request, error: HTTPException) -> e.SeogoError:
    """What the framework itself refuses, as an error of ours; where it wrapped one of ours, such as of too deep a JSON, that."""
    if isinstance(error.__cause__, e.SeogoError):
        return error.__cause__
    match error.status_code:
        case 404:
            return e.NotFound()
        case 405:
            return e.MethodNotAllowed(method=request.method)
        case 413:
            return e.PayloadTooLarge(limit_mb=json_limit(request.url.path) >> 20)
        case _:
            return e.InvalidRequest(detail=str(error.detail), detail_ko="본문을 읽을 수 없습니다")


def _methods_of(request: Request) -> list[str]:
    """What this address does take (RFC 9110, 15.5.6): of all its routes, where the framework knows of the first alone."""
    routes = request.app.router.routes
    scopes = ((method, dict(request.scope) | {"method": method}) for method in _METHODS)
    return [name for name, scope in scopes if any(route.matches(scope)[0] is Match.FULL for route in routes)]


def _field(location: Sequence[str | int]) -> str:
    """A place in the body as OpenAI writes it: `messages[0].content`, without the names of the types that were tried there."""
    parts = [part for part in location if isinstance(part, int) or (part.islower() and part.isidentifier())]
    named = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts if part not in _TYPE_NAMES)
    return named.removeprefix(".body").removeprefix(".")


def _log_for_the_operator(error: e.SeogoError) -> None:
    """What a caller can't mend and isn't told: which file it is about."""
    if isinstance(error, e.StoreDamaged | e.StoreReadOnly):
        log.error("%s: %s", error.code, error.params.get("path"), exc_info=error)


def install(app: FastAPI) -> None:
    """Register the handlers: typed errors, request validation, unknown routes, and the unexpected."""

    async def on_seogo_error(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, e.SeogoError):
            raise error
        _log_for_the_operator(error)
        return respond(request, error)

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise error
        # Only where and what, never the value: it may be personal data.
        problems = error.errors()
        named = bool(problems) and problems[0]["type"] != "json_invalid"
        param = _field(problems[0]["loc"]) if named else ""
        return respond(request, e.InvalidRequest(**refused_values(problems), param=param))

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise error
        response = respond(request, _from_http(request, error))
        if error.status_code == 405:
            response.headers["Allow"] = ", ".join(_methods_of(request))
        return response

    async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
        name = request_id(request.scope)
        log.error("unexpected error on %s %s (%s)", request.method, request.url.path, name, exc_info=error)
        response = respond(request, e.SeogoError())
        if name:
            response.headers[HEADER] = name
        return response

    app.add_exception_handler(e.SeogoError, on_seogo_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_unexpected)
