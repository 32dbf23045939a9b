"""Filters on documents: what may be asked for, and the labels by which an index answers without the database.

A label is a short keyword on every point of a document. Equality is one label. A number or a day is written as the
prefixes of its bytes, longest last, so that a range is a handful of prefixes (the trie encoding of Schindler and
Diepenbroek, "Generic XML-based framework for metadata portals", 2008, which Lucene used for its numeric fields): one
keyword field serves every attribute name, and a range costs the same whatever the number of documents.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from rag.domain.composition import composed
from rag.domain.errors import InvalidRequest

MAX_ATTRIBUTES = 16
MAX_VALUE_CHARACTERS = 200
MAX_ALTERNATIVES = 100
"""Values that one condition may name."""
_NAME = re.compile(r"[a-z0-9_]{1,40}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY_BYTES = 3
_NUMBER_BYTES = 8

Kind = Literal["text", "number", "date"]


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """The value of a custom attribute.

    Attributes:
        text: the value as shown; of a date, ISO 8601.
        number: of a number itself, of a date its proleptic Gregorian ordinal; None for text.
    """

    kind: Kind
    text: str
    number: float | None = None

    @property
    def plain(self) -> str | int | float:
        """The value as JSON."""
        if self.kind != "number" or self.number is None:
            return self.text
        return int(self.number) if self.number.is_integer() and abs(self.number) < 2**53 else self.number


def attribute_value(name: str, value: object) -> AttributeValue:
    """A value as a caller gave it: text (kept composed), a number, or a date written `2024-03-01`.

    Raises:
        InvalidRequest: it is none of these, or too long.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidRequest(
            detail=f"attribute {name}: a text, a number or a date (YYYY-MM-DD) is needed",
            detail_ko=f"속성 {name}: 텍스트, 숫자 또는 날짜(YYYY-MM-DD)여야 합니다",
        )
    if not isinstance(value, str):
        return AttributeValue("number", _shown(name, value), _finite(name, value))
    text = composed(value.strip())
    if not 0 < len(text) <= MAX_VALUE_CHARACTERS or "\x00" in text:
        raise InvalidRequest(
            detail=f"attribute {name}: 1 to {MAX_VALUE_CHARACTERS} characters are allowed",
            detail_ko=f"속성 {name}: 1~{MAX_VALUE_CHARACTERS}자까지 됩니다",
        )
    if _DAY.fullmatch(text):
        try:
            return AttributeValue("date", text, float(date.fromisoformat(text).toordinal()))
        except ValueError:
            pass  # such as 2024-13-99: no date, so it is a text like any other
    return AttributeValue("text", text)


def _finite(name: str, value: int | float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidRequest(
            detail=f"attribute {name}: the number is too large", detail_ko=f"속성 {name}: 수가 너무 큽니다"
        )
    return number + 0.0  # -0.0 becomes 0.0: the two are equal, so their labels must be


def _shown(name: str, value: int | float) -> str:
    number = _finite(name, value)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def checked_name(name: str) -> str:
    """`name`, if an attribute can be called that.

    Raises:
        InvalidRequest: it can't.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            detail=f"attribute name {name[:50]!r}: 1 to 40 of a-z, 0-9 and _ are allowed",
            detail_ko=f"속성 이름 {name[:50]!r}: a-z, 0-9, _로 1~40자여야 합니다",
        )
    return name


def checked_attributes(given: object) -> dict[str, AttributeValue]:
    """The custom attributes of a document, as a caller gave them in JSON.

    Raises:
        InvalidRequest: not an object, too many, a bad name or a bad value.
    """
    if not isinstance(given, Mapping):
        raise InvalidRequest(
            detail="attributes: an object of names and values is needed",
            detail_ko="attributes: 이름과 값을 담은 JSON 객체여야 합니다",
        )
    if len(given) > MAX_ATTRIBUTES:
        raise InvalidRequest(
            detail=f"attributes: {len(given)} given, {MAX_ATTRIBUTES} allowed",
            detail_ko=f"attributes: {len(given)}개입니다. {MAX_ATTRIBUTES}개까지 됩니다",
        )
    return {checked_name(str(name)): attribute_value(str(name), value) for name, value in given.items()}


@dataclass(frozen=True, slots=True)
class Span:
    """A closed range of numbers; an end that is None is open."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class AttributeCondition:
    """One custom attribute is one of `any_of`, or lies in `span`."""

    name: str
    kind: Kind
    any_of: tuple[AttributeValue, ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` (included) to `end` (excluded); None is open."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents a question is about. Every condition must hold; an empty filter holds for all.

    Attributes:
        title, author, source_key: prefixes, compared exactly.
        created, modified: the dates that the file claims; `uploaded`: when its first version arrived.
        media_types: of the version that is read.
        document_ids: None when not limited.
    """

    attributes: tuple[AttributeCondition, ...] = ()
    title: str = ""
    author: str = ""
    source_key: str = ""
    created: Period | None = None
    modified: Period | None = None
    uploaded: Period | None = None
    media_types: tuple[str, ...] = ()
    document_ids: tuple[UUID, ...] | None = None

    def narrowed(self, other: DocumentFilter) -> DocumentFilter:
        """The filter of both: attributes add up, any other condition may stand in one of them only.

        Raises:
            ValueError: it stands in both.
        """
        changes: dict[str, Any] = {"attributes": self.attributes + other.attributes}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            if item.name == "attributes" or theirs in ("", (), None):
                continue
            if mine not in ("", (), None):
                raise ValueError(f"{item.name} is limited already")
            changes[item.name] = theirs
        return replace(self, **changes)

    @property
    def needs_record(self) -> bool:
        """Whether only the database can say which documents match: labels know no prefixes of text."""
        return bool(self.title or self.author or self.source_key)


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter as an index understands it.

    Attributes:
        label_groups: of each group, a point must have one label.
        documents: the documents to look into; None means not limited, an empty set finds nothing.
        excluded: documents to look past.
    """

    label_groups: tuple[tuple[str, ...], ...] = ()
    documents: frozenset[UUID] | None = None
    excluded: frozenset[UUID] = frozenset()


def document_labels(
    attributes: Mapping[str, AttributeValue],
    media_type: str,
    uploaded: datetime,
    created: datetime | None,
    modified: datetime | None,
) -> tuple[str, ...]:
    """Every label of a document's points, sorted."""
    labels = {f"m={media_type}"} if media_type else set()
    for mark, instant in (("u", uploaded), ("c", created), ("r", modified)):
        if instant is not None:
            labels.update(_prefixes(mark, instant.toordinal(), _DAY_BYTES))
    for name, value in attributes.items():
        if value.number is None:
            labels.add(_text_label(name, value.text))
        else:
            labels.update(_prefixes(_number_mark(name, value.kind), _sortable(value.number), _NUMBER_BYTES))
    return tuple(sorted(labels))


def label_groups(where: DocumentFilter) -> tuple[tuple[str, ...], ...]:
    """The groups of labels that `where` asks for. Periods are asked for by whole days: the record has the last word."""
    groups = [tuple(f"m={item}" for item in where.media_types)] if where.media_types else []
    for mark, period in (("u", where.uploaded), ("c", where.created), ("r", where.modified)):
        if period is not None:
            low = period.start.toordinal() if period.start is not None else 0
            high = period.end.toordinal() if period.end is not None else 256**_DAY_BYTES - 1
            groups.append(tuple(f"{mark}#{item}" for item in covering(low, high, _DAY_BYTES)))
    groups += [_group(condition) for condition in where.attributes]
    return tuple(groups)


def _group(condition: AttributeCondition) -> tuple[str, ...]:
    mark = _number_mark(condition.name, condition.kind)
    if condition.span is not None:
        low = 0 if condition.span.low is None else _sortable(condition.span.low)
        high = 256**_NUMBER_BYTES - 1 if condition.span.high is None else _sortable(condition.span.high)
        return tuple(f"{mark}#{item}" for item in covering(low, high, _NUMBER_BYTES))
    return tuple(
        _text_label(condition.name, value.text)
        if value.number is None
        else f"{_number_mark(condition.name, value.kind)}#{_sortable(value.number):0{2 * _NUMBER_BYTES}x}"
        for value in condition.any_of
    )


def _text_label(name: str, text: str) -> str:
    return f"t:{name}={text}"


def _number_mark(name: str, kind: Kind) -> str:
    return f"{'d' if kind == 'date' else 'n'}:{name}"


def _prefixes(mark: str, number: int, width: int) -> Iterable[str]:
    digits = f"{number:0{2 * width}x}"
    return (f"{mark}#{digits[:end]}" for end in range(2, 2 * width + 1, 2))


def _sortable(number: float) -> int:
    """An unsigned 64-bit integer in the order of the floats (IEEE 754 bits, negative ones turned round)."""
    bits = int.from_bytes(struct.pack(">d", number + 0.0))
    return (bits ^ (2**64 - 1)) if bits >> 63 else bits | 1 << 63


def covering(low: int, high: int, width: int) -> list[str]:
    """The fewest byte prefixes, in hex, of unsigned integers of `width` bytes that cover exactly `low`..`high`.

    At most 2 · 255 · width of them.
    """
    if low > high:
        return []
    found: list[str] = []
    open_nodes = [("", low, high, width)]
    while open_nodes:
        prefix, first, last, left = open_nodes.pop()
        unit = 256 ** (left - 1)
        for byte in range(first // unit, last // unit + 1):
            start = max(first - byte * unit, 0)
            end = min(last - byte * unit, unit - 1)
            name = f"{prefix}{byte:02x}"
            if start == 0 and end == unit - 1:
                found.append(name)
            else:
                open_nodes.append((name, start, end, left - 1))
    return sorted(found)
