"""Errors of SCIM (RFC 7644, 3.12): `scimType` and status for programs, `detail` in the language of whoever reads it."""

from __future__ import annotations

from scim2_models import Error

from rag.domain.messages import UiLanguage

_OWN = {
    "there is no such user": "그런 사용자가 없습니다.",
    "there is no such group": "그런 그룹이 없습니다.",
    "there is no such description": "그런 설명이 없습니다.",
    "userName or externalId is taken": "userName이나 externalId를 다른 사용자가 이미 쓰고 있습니다.",
    "displayName or externalId is taken": "displayName이나 externalId를 다른 그룹이 이미 쓰고 있습니다.",
    "attributes and excludedAttributes exclude each other": "attributes와 excludedAttributes는 함께 쓸 수 없습니다.",
}
"""What this service says itself; of the library's texts, which name attributes and values, those of `_KINDS` tell the gist."""
_KINDS = {
    "invalidFilter": "필터를 이해할 수 없거나 지원하지 않습니다.",
    "tooMany": "필터에 맞는 결과가 너무 많습니다.",
    "uniqueness": "이미 쓰이고 있는 값입니다.",
    "mutability": "바꿀 수 없는 속성입니다.",
    "invalidSyntax": "요청의 구조가 올바르지 않습니다.",
    "invalidPath": "속성 경로가 올바르지 않습니다.",
    "noTarget": "경로가 가리키는 속성이나 값이 없습니다.",
    "invalidValue": "값이 없거나 올바르지 않습니다.",
    "invalidVers": "지원하지 않는 SCIM 버전입니다.",
    "invalidCursor": "이어서 볼 자리가 올바르지 않습니다.",
    "expiredCursor": "이어서 볼 자리의 기한이 지났습니다.",
    "invalidCount": "한 번에 볼 수가 올바르지 않습니다.",
    "sensitive": "개인정보가 들어갈 수 있어 주소로는 받지 않습니다.",
}
_STATUSES = {
    401: "인증 정보가 없거나 올바르지 않습니다.",
    403: "이 작업을 할 권한이 없습니다.",
    404: "그런 자원이 없습니다.",
    409: "자원의 지금 상태와 맞지 않는 요청입니다.",
    412: "그 사이에 자원이 바뀌었습니다.",
    413: "요청이 너무 큽니다.",
    501: "지원하지 않는 작업입니다.",
}
_ELSE = "요청을 처리할 수 없습니다."


def told_in(error: Error, language: UiLanguage) -> Error:
    """`error` with its detail in this language; what the library adds stays behind the sentence, as it names what was wrong."""
    detail = error.detail or ""
    if language == "en":
        return error
    korean = _OWN.get(detail)
    if korean is None:
        gist = _KINDS.get(error.scim_type or "") or _STATUSES.get(error.status or 0) or _ELSE
        korean = f"{gist} ({detail})" if detail else gist
    return error.model_copy(update={"detail": korean})
