"""Why a value was refused by its schema, in Korean and English. What was given is never told: it may be personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MANY = 5
"""So many refusals are told of one request; more help nobody."""

_TEXTS: dict[str, tuple[str, str]] = {
    "missing": ("필요한 항목인데 없습니다", ""),
    "extra_forbidden": ("이런 항목은 없습니다", "there is no such field"),
    "json_invalid": ("JSON이 아닙니다", "this is no JSON"),
    "object": (
        "JSON 객체여야 합니다(본문이면 Content-Type: application/json 헤더도 필요합니다)",
        "a JSON object is needed (of a body, with the header Content-Type: application/json)",
    ),
    "string_type": ("문자열이어야 합니다", ""),
    "string_too_short": ("{min_length}자 이상이어야 합니다", ""),
    "string_too_long": ("{max_length}자 이하여야 합니다", ""),
    "string_pattern_mismatch": (
        "쓸 수 없는 글자가 있거나 형식이 다릅니다({pattern})",
        "it holds characters that can't stand there, or has another form ({pattern})",
    ),
    "integer": ("정수여야 합니다", ""),
    "number": ("숫자여야 합니다", ""),
    "boolean": ("true 또는 false여야 합니다", ""),
    "attribute_type": ("텍스트, 숫자 또는 날짜(YYYY-MM-DD)여야 합니다", ""),
    "list": ("목록이어야 합니다", ""),
    "too_short": ("{min_length}개 이상이어야 합니다", "at least {min_length} are needed"),
    "too_long": ("{max_length}개 이하여야 합니다", "no more than {max_length} are taken"),
    "greater_than": ("{gt}보다 커야 합니다", ""),
    "greater_than_equal": ("{ge} 이상이어야 합니다", ""),
    "less_than": ("{lt}보다 작아야 합니다", ""),
    "less_than_equal": ("{le} 이하여야 합니다", ""),
    "choice": ("{expected} 가운데 하나여야 합니다", ""),
    "uuid": ("ID(UUID)가 아닙니다", "this is no id (a UUID)"),
    "datetime": ("시각이 아닙니다(ISO 8601, 예: 2026-07-25T09:00:00+09:00)", ""),
    "instant_range": ("UTC로 1년부터 9999년 사이의 시각이어야 합니다", ""),
    "date": ("날짜가 아닙니다(ISO 8601, 예: 2026-07-25)", ""),
}
_KINDS = {
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "dataclass_type", "mapping_type"), "object"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "integer"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "boolean"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "list"),
    **dict.fromkeys(("literal_error", "enum"), "choice"),
    **dict.fromkeys(("uuid_type", "uuid_parsing"), "uuid"),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "timezone_aware"), "datetime"),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), "date"),
}
"""Pydantic's kinds that are one to a reader (https://docs.pydantic.dev/latest/errors/validation_errors/)."""


def refused_values(problems: Sequence[Mapping[str, Any]], where: str = "") -> dict[str, str]:
    """`detail` and `detail_ko` of an error for what Pydantic found, at most five of it; `where` is said first.

    A kind without a sentence here is told in Pydantic's own words in both languages.
    """
    told = [(_place(item), _sentences(item)) for item in problems[:_MANY]]
    parts = [
        ("; ".join(f"{place}: {said[index]}" if place else said[index] for place, said in told)) for index in (0, 1)
    ]
    korean, english = (f"{where}: {part}" if where else part for part in parts)
    return {"detail": english, "detail_ko": korean}


def _place(problem: Mapping[str, Any]) -> str:
    """Where it stands; of what is no JSON there are no fields, and the number is that of a character."""
    parts = [part for part in problem["loc"] if problem["type"] != "json_invalid" or not isinstance(part, int)]
    return ".".join(map(str, parts))


def _sentences(problem: Mapping[str, Any]) -> tuple[str, str]:
    own, kind, values = str(problem["msg"]), str(problem["type"]), dict(problem.get("ctx") or {})
    korean, english = _TEXTS.get(_KINDS.get(kind, kind), ("", ""))
    if "expected" in values:
        values["expected"] = str(values["expected"]).replace(" or ", ", ")
    try:
        return korean.format(**values) or own, english.format(**values) or own
    except (KeyError, IndexError):  # a kind that comes without its bounds
        return own, own
