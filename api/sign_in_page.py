"""Pages that people see when a sign-in fails: small, in their language, without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from api.errors import STATUS, language_of
from rag.domain.errors import NotAuthenticated, SeogoError
from rag.domain.messages import UiLanguage, localized

_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem;line-height:1.6;color:#222}"
    "a{color:#0b57d0}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address holds the code of the sign-in
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
_TITLE: dict[UiLanguage, str] = {"ko": "로그인하지 못했습니다", "en": "Sign-in failed"}
_AGAIN: dict[UiLanguage, str] = {"ko": "다시 로그인", "en": "Sign in again"}
_NO_ACCOUNT: dict[UiLanguage, str] = {
    "ko": "로그인은 확인되었지만 이 서비스에 사용할 수 있는 계정이 없습니다. 관리자에게 문의해 주세요.",
    "en": "You could not be let in: there is no account for you here, or it is suspended. Please ask an administrator.",
}
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}</style></head>
<body><h1>{title}</h1><p>{message}</p>{again}</body></html>
"""


def failed(request: Request, error: SeogoError, provider: str | None) -> Response:
    """The page for `error`.

    Args:
        provider: name of a provider of the settings, to begin again with; None where there is none.
    """
    language = language_of(request)
    refused = isinstance(error, NotAuthenticated)
    link = f'<p><a href="/auth/{escape(provider)}/login">{_AGAIN[language]}</a></p>' if provider else ""
    page = _PAGE.format(
        language=language,
        title=_TITLE[language],
        style=_STYLE,
        message=escape(_NO_ACCOUNT[language] if refused else localized(error, language)),
        again=link,
    )
    status = 403 if refused else STATUS[type(error)]
    again = {"Retry-After": str(error.params["retry_after_s"])} if "retry_after_s" in error.params else {}
    return HTMLResponse(page, status, {**HEADERS, **again, "Content-Language": language})
