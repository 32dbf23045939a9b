"""OpenAI's filters on attributes: comparisons, and compounds of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from api.schemas.filters import Condition, FilterIn, RangeIn
from rag.domain.attribute_logic import AllOf, AnyOf, AttributeLogic, Not
from rag.domain.errors import InvalidRequest
from rag.domain.filters import MAX_ALTERNATIVES, AttributeValue, checked_attributes

Value = StrictBool | StrictStr | StrictInt | StrictFloat
Attributes = Annotated[dict[str, Value], Field(max_length=16)]
_MAX_DEPTH = 8
_MAX_PARTS = 50


class Comparison(BaseModel):
    """One attribute compared with a value, or with several."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str = Field(min_length=1, max_length=64)
    value: Value | Annotated[list[Value], Field(min_length=1, max_length=MAX_ALTERNATIVES, fail_fast=True)]


class Compound(BaseModel):
    """Several filters of which all (`and`) or one (`or`) must hold."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["and", "or"]
    filters: list[Comparison | Compound] = Field(min_length=1, max_length=_MAX_PARTS, fail_fast=True)


Filters = Comparison | Compound


def logic_of(given: Filters, depth: int = 0) -> AttributeLogic:
    """What the filter says.

    Raises:
        InvalidRequest: a name or a value is not valid, or the filter is nested too deep.
    """
    if isinstance(given, Comparison):
        return _comparison(given)
    if depth >= _MAX_DEPTH:
        raise InvalidRequest(
            detail=f"filters: more than {_MAX_DEPTH} levels", detail_ko=f"filters: {_MAX_DEPTH}단계보다 깊습니다"
        )
    parts = tuple(logic_of(item, depth + 1) for item in given.filters)
    return AllOf(parts) if given.type == "and" else AnyOf(parts)


def _comparison(given: Comparison) -> AttributeLogic:
    several = isinstance(given.value, list)
    if several != (given.type in ("in", "nin")):
        raise InvalidRequest(
            detail=f"filters: {given.type} takes {'one value' if several else 'a list of values'}",
            detail_ko=f"filters: {given.type}에는 {'값 하나가' if several else '값의 목록이'} 필요합니다",
        )
    if given.type in ("ne", "nin"):
        return Not(_condition(given.key, _plain(given.value)))
    if given.type in ("eq", "in"):
        return _condition(given.key, _plain(given.value))
    if isinstance(given.value, bool | list):
        raise InvalidRequest(
            detail=f"filters: {given.type} needs a number or a date (YYYY-MM-DD)",
            detail_ko=f"filters: {given.type}에는 숫자나 날짜(YYYY-MM-DD)가 필요합니다",
        )
    return _condition(given.key, RangeIn.model_validate({given.type: given.value}))


def _condition(key: str, wanted: Condition) -> AttributeLogic:
    [found] = FilterIn(attributes={key: wanted}).to_domain().attributes
    return found


def _plain(value: Value | list[Value]) -> Condition:
    return [_text(item) for item in value] if isinstance(value, list) else _text(value)


def _text(value: Value) -> str | int | float:
    """A truth value becomes the text `true` or `false`: attributes are texts, numbers and dates."""
    return str(value).lower() if isinstance(value, bool) else value


def attributes_of(given: dict[str, Value] | None) -> dict[str, AttributeValue] | None:
    """Attributes that a client gave to a file; None where it gave none.

    Raises:
        InvalidRequest: a name or a value is not valid.
    """
    return None if given is None else checked_attributes({name: _text(value) for name, value in given.items()})


Compound.model_rebuild()
