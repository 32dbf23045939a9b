"""Filters and dates of a question, as JSON."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from api.schemas.common import Body, Day, Instant, in_one_form, one_value
from rag.domain.errors import InvalidRequest
from rag.domain.filters import (
    MAX_ALTERNATIVES,
    MAX_ATTRIBUTES,
    AttributeCondition,
    AttributeValue,
    DocumentFilter,
    Kind,
    Period,
    Span,
    attribute_value,
    checked_name,
)

Scalar = StrictStr | StrictInt | StrictFloat
AsOf = Annotated[
    Instant | None,
    Field(description="read the versions that were valid at this instant (with an offset); now when left out"),
]


class RangeIn(Body):
    """A range of numbers, or of dates written `2024-03-01`."""

    gte: Scalar | None = None
    gt: Scalar | None = None
    lte: Scalar | None = None
    lt: Scalar | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> RangeIn:
        if self.gte is None and self.gt is None and self.lte is None and self.lt is None:
            raise ValueError("one of gte, gt, lte, lt is needed")
        return self


class PeriodIn(Body):
    """A range of dates (whole days, UTC) or instants."""

    gte: Day | Instant | None = None
    gt: Day | Instant | None = None
    lte: Day | Instant | None = None
    lt: Day | Instant | None = None

    def to_domain(self) -> Period:
        """The period; a day counts from its beginning to its end, and up to the last day that a calendar has is without an end.

        Raises:
            InvalidRequest: it begins after that day.
        """
        starts = [_begin(self.gte), _after(self.gt)]
        if self.gt is not None and starts[-1] is None:
            raise InvalidRequest(
                detail=f"filter: gt: nothing comes after {self.gt.isoformat()}",
                detail_ko=f"filter: gt: {self.gt.isoformat()}보다 늦은 때는 없습니다",
            )
        ends = [_begin(self.lt), _after(self.lte)]
        return Period(
            max((item for item in starts if item is not None), default=None),
            min((item for item in ends if item is not None), default=None),
        )


def _told_once(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """A condition; of what is no list and no range, one refusal and not one for each form that it might have."""
    return read(value) if isinstance(value, list | dict | RangeIn) else one_value(value, read)


Condition = Annotated[
    Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=MAX_ALTERNATIVES)] | RangeIn,
    WrapValidator(_told_once),
]


class FilterIn(Body):
    """Which documents are looked into. Every condition must hold."""

    attributes: dict[str, Condition] = Field(
        default_factory=dict,
        max_length=MAX_ATTRIBUTES,
        description="custom attributes: a value, a list of which one must fit, or a range",
        examples=[{"dept": "인사", "year": {"gte": 2024}}],
    )
    title: str = Field("", max_length=500, description="beginning of the title")
    author: str = Field("", max_length=500, description="beginning of the author's name")
    source_key: str = Field("", max_length=2000, description="beginning of the name, such as a folder `규정/인사/`")
    created: PeriodIn | None = Field(None, description="when the file says that it was made")
    modified: PeriodIn | None = Field(None, description="when the file says that it was last changed")
    uploaded: PeriodIn | None = Field(None, description="when it was first uploaded")
    media_type: str | Annotated[list[str], Field(min_length=1, max_length=50)] | None = None
    document_ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)] | None = None
    _in_one_form = field_validator("title", "author", "source_key", mode="before")(in_one_form)

    def to_domain(self) -> DocumentFilter:
        """The filter.

        Raises:
            InvalidRequest: a value does not fit its condition.
        """
        media_types = [self.media_type] if isinstance(self.media_type, str) else self.media_type or []
        return DocumentFilter(
            attributes=tuple(_condition(name, item) for name, item in self.attributes.items()),
            title=self.title,
            author=self.author,
            source_key=self.source_key,
            created=None if self.created is None else self.created.to_domain(),
            modified=None if self.modified is None else self.modified.to_domain(),
            uploaded=None if self.uploaded is None else self.uploaded.to_domain(),
            media_types=tuple(media_types),
            document_ids=None if self.document_ids is None else tuple(self.document_ids),
        )


def filter_of(given: FilterIn | None) -> DocumentFilter | None:
    """The filter of a request; None where there is none."""
    return None if given is None else given.to_domain()


def _condition(name: str, given: Condition) -> AttributeCondition:
    checked_name(name)
    if isinstance(given, RangeIn):
        return _range(name, given)
    values = tuple(attribute_value(name, item) for item in (given if isinstance(given, list) else [given]))
    return AttributeCondition(name, _one_kind(name, values), any_of=values)


def _range(name: str, given: RangeIn) -> AttributeCondition:
    bounds = {
        bound: attribute_value(name, value)
        for bound, value in (("gte", given.gte), ("gt", given.gt), ("lte", given.lte), ("lt", given.lt))
        if value is not None
    }
    kind = _one_kind(name, tuple(bounds.values()))
    if kind == "text":
        raise InvalidRequest(
            detail=f"filter.attributes.{name}: a range needs numbers or dates (YYYY-MM-DD)",
            detail_ko=f"filter.attributes.{name}: 범위에는 숫자나 날짜(YYYY-MM-DD)가 필요합니다",
        )
    step: Literal["day", "float"] = "day" if kind == "date" else "float"
    lows = [_bound(bounds.get("gte"), 0, step), _bound(bounds.get("gt"), 1, step)]
    highs = [_bound(bounds.get("lte"), 0, step), _bound(bounds.get("lt"), -1, step)]
    low = max((item for item in lows if item is not None), default=None)
    high = min((item for item in highs if item is not None), default=None)
    return AttributeCondition(name, kind, span=Span(low, high))


def _bound(value: AttributeValue | None, direction: int, step: Literal["day", "float"]) -> float | None:
    """The closed end of a range: an open one ends at the next day, or at the next number there is."""
    if value is None or value.number is None:
        return None
    if direction == 0:
        return value.number
    return value.number + direction if step == "day" else math.nextafter(value.number, direction * math.inf)


def _one_kind(name: str, values: tuple[AttributeValue, ...]) -> Kind:
    kinds = {value.kind for value in values}
    if kinds == {"text", "date"}:
        return "text"  # a list of texts, one of which happens to look like a date
    if len(kinds) != 1:
        raise InvalidRequest(
            detail=f"filter.attributes.{name}: texts and numbers can't be mixed",
            detail_ko=f"filter.attributes.{name}: 텍스트와 숫자를 함께 쓸 수 없습니다",
        )
    return kinds.pop()


def _begin(given: date | datetime | None) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    return datetime(given.year, given.month, given.day, tzinfo=UTC)


def _after(given: date | datetime | None) -> datetime | None:
    """The first instant beyond `given`; None where time ends with it."""
    begin, step = _begin(given), timedelta(microseconds=1) if isinstance(given, datetime) else timedelta(days=1)
    try:
        return None if begin is None else begin.astimezone(UTC) + step
    except OverflowError:
        return None
