"""Filters that a question states in so many words: `2024년에 등록된 문서에서`, `pdf 파일 중`, `in the collection "rules"`.

Only fixed wordings count, and each must name what it chooses: a year, a format, a collection in quotation marks. A question
that is merely about a year or a format is left alone. What is applied is taken out of the words that are searched, and said
in the trace. A filter only ever narrows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from rag.domain.filters import DocumentFilter, Period

_FILES_KO = r"(?:문서|파일|자료)(?:들)?\s?(?:에서만|에서|중에서|중에|중|만|가운데)(?![가-힣])"
_DATED_KO = re.compile(
    r"(?P<y>(?:19|20)\d{2})\s?년(?:\s?(?P<m>1[0-2]|0?[1-9])\s?월)?(?:\s?도)?\s?(?:에|에만|중에)?\s?"
    rf"(?P<how>등록|업로드|작성|수정)(?:된|한|했던|되었던)\s{_FILES_KO}"
)
_DATED_EN = re.compile(
    r"\b(?:(?:in|from|among|only)\s)?(?:(?:the|all)\s)?(?:documents|files)\s(?:that\swere\s)?"
    r"(?P<how>registered|uploaded|added|created|written|modified|changed)\sin\s(?P<y>(?:19|20)\d{2})\b",
    re.IGNORECASE,
)
_FORMATS = (
    ("pdf", "pdf", ("application/pdf",)),
    ("hwpx", "hwpx", ("application/hwp+zip",)),
    ("hwp|한글", "hwp", ("application/x-hwp", "application/x-hwp-v3", "application/hwp+zip")),
    ("docx", "docx", ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",)),
    (
        "워드|word",
        "word",
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/msword",
            "application/msword+xml",
        ),
    ),
    (
        "엑셀|excel",
        "excel",
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.ms-excel",
            "application/vnd.ms-excel+xml",
        ),
    ),
    ("xlsx", "xlsx", ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",)),
    (
        "파워포인트|powerpoint",
        "powerpoint",
        ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/vnd.ms-powerpoint"),
    ),
    ("pptx", "pptx", ("application/vnd.openxmlformats-officedocument.presentationml.presentation",)),
)
_FORMAT_NAMES = "|".join(names for names, _, _ in _FORMATS)
_FORMAT_KO = re.compile(rf"(?<![A-Za-z0-9가-힣])(?P<f>{_FORMAT_NAMES})\s?{_FILES_KO}", re.IGNORECASE)
_FORMAT_EN = re.compile(
    rf"\b(?:in|from|among|only)\s(?:(?:the|all)\s)?(?P<f>{_FORMAT_NAMES})\s(?:documents|files)\b(?!\s(?:format|type))",
    re.IGNORECASE,
)
_QUOTED = "[\"'“‘「『]\\s?(?P<c>[^\"'”’」』]{1,100}?)\\s?[\"'”’」』]"
_COLLECTION_KO = re.compile(rf"{_QUOTED}\s?컬렉션\s?(?:에서만|에서|중에서|안에서|만)(?![가-힣])")
_COLLECTION_EN = re.compile(rf"\bin\s(?:the\s)?collection\s{_QUOTED}", re.IGNORECASE)
_FIELDS = {
    "등록": "uploaded", "업로드": "uploaded", "registered": "uploaded", "uploaded": "uploaded", "added": "uploaded",
    "작성": "created", "created": "created", "written": "created",
    "수정": "modified", "modified": "modified", "changed": "modified",
}  # fmt: skip
_EDGES = " ,:;–-"


@dataclass(frozen=True, slots=True)
class StatedFilters:
    """What a question states, and what is left of it.

    Attributes:
        where: conditions; None where there are none.
        collection: the one to be searched; None where none is named.
        notes: (words of the question, condition) of each.
    """

    question: str
    where: DocumentFilter | None = None
    collection: UUID | None = None
    notes: tuple[tuple[str, str], ...] = ()


def stated_filters(question: str, given: DocumentFilter | None, collections: Mapping[str, UUID]) -> StatedFilters:
    """The filters that `question` states.

    A condition that the request gives itself is not touched, one that is stated twice is ambiguous, and a question of nothing
    but filters keeps its words: then nothing of that kind is applied.

    Args:
        given: the filter of the request.
        collections: those of the permit, by name; another name is as if it were not said.
    """
    found = StatedFilters(question)
    for step in (_dated, _formatted, _collected):
        found = step(found, given or DocumentFilter(), collections)
    return found


def _only(patterns: Collection[re.Pattern[str]], question: str) -> re.Match[str] | None:
    matches = [match for pattern in patterns for match in pattern.finditer(question)]
    return matches[0] if len(matches) == 1 else None


def _without(question: str, match: re.Match[str]) -> str:
    left = f"{question[: match.start()].rstrip()} {question[match.end() :].lstrip()}"
    return left.strip().strip(_EDGES).strip()


def _apply(
    state: StatedFilters, match: re.Match[str], condition: str, change: Callable[[StatedFilters], StatedFilters]
) -> StatedFilters:
    left = _without(state.question, match)
    if not re.search(r"\w", left):
        return state
    note = (match[0].strip(), condition)
    return change(replace(state, question=left, notes=(*state.notes, note)))


def _dated(state: StatedFilters, given: DocumentFilter, _: Mapping[str, UUID]) -> StatedFilters:
    match = _only((_DATED_KO, _DATED_EN), state.question)
    if match is None:
        return state
    field = _FIELDS[match["how"].lower()]
    if getattr(given, field) is not None:
        return state
    month = match.groupdict().get("m")
    year, first = int(match["y"]), int(month or 1)
    after = (year, first + 1) if month and first < 12 else (year + 1, 1)
    period = Period(datetime(year, first, 1, tzinfo=UTC), datetime(*after, 1, tzinfo=UTC))
    condition = f"{field} {year}" + (f"-{first:02d}" if month else "")
    dated = {name: period if name == field else None for name in ("uploaded", "created", "modified")}

    def limited(item: StatedFilters) -> StatedFilters:
        before = item.where or DocumentFilter()
        return replace(
            item,
            where=replace(
                before,
                uploaded=dated["uploaded"] or before.uploaded,
                created=dated["created"] or before.created,
                modified=dated["modified"] or before.modified,
            ),
        )

    return _apply(state, match, condition, limited)


def _formatted(state: StatedFilters, given: DocumentFilter, _: Mapping[str, UUID]) -> StatedFilters:
    match = _only((_FORMAT_KO, _FORMAT_EN), state.question)
    if match is None or given.media_types:
        return state
    name, types = next((name, types) for names, name, types in _FORMATS if match["f"].lower() in names.split("|"))
    return _apply(
        state,
        match,
        f"media_type {name}",
        lambda item: replace(item, where=replace(item.where or DocumentFilter(), media_types=types)),
    )


def _collected(state: StatedFilters, _: DocumentFilter, collections: Mapping[str, UUID]) -> StatedFilters:
    match = _only((_COLLECTION_KO, _COLLECTION_EN), state.question)
    if match is None or match["c"] not in collections:
        return state
    wanted = collections[match["c"]]
    return _apply(state, match, f"collection {match['c']}", lambda item: replace(item, collection=wanted))
