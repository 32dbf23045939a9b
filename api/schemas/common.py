"""Bodies that several routes share."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import PydanticCustomError

from rag.domain.anchor import Anchor, anchor_to_json
from rag.domain.composition import composed
from rag.domain.messages import UiLanguage


def without_nul(value: Any) -> Any:
    """`value`, which PostgreSQL can keep.

    Raises:
        ValueError: it is a text with a NUL in it.
    """
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a text can't hold the character NUL")
    return value


def in_one_form(value: Any) -> Any:
    """`value`, a text of it in NFC: what looks the same is the same."""
    return composed(value) if isinstance(value, str) else value


def one_value(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """The value of an attribute; of another type it is refused once, and not once for each type that it might have.

    Raises:
        PydanticCustomError: it is no text and no number.
    """
    try:
        return read(value)
    except ValidationError:
        raise PydanticCustomError("attribute_type", "a text, a number or a date (YYYY-MM-DD) is needed") from None


def as_written(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """A field's value if JSON has it in the type that the document says: `0` is no boolean, `"5"` no number, `7` no date.

    Pydantic would read them all, and a request that means something else would be taken.

    Raises:
        ValueError: it stands there in another type.
    """
    found = read(value)
    _require_same_kind(value, found)
    return found


def _require_same_kind(value: Any, found: Any) -> None:
    if isinstance(found, list) and isinstance(value, list):
        for one, read_one in zip(value, found, strict=True):
            _require_same_kind(one, read_one)
    elif isinstance(found, BaseModel) and isinstance(value, dict):
        for name in value.keys() & type(found).model_fields.keys():
            _require_same_kind(value[name], getattr(found, name))
    elif isinstance(found, bool):
        if not isinstance(value, bool):
            raise PydanticCustomError("bool_type", "Input should be a valid boolean")
    elif isinstance(found, int | float) and isinstance(value, bool | str):
        if isinstance(found, int):
            raise PydanticCustomError("int_type", "Input should be a valid integer")
        raise PydanticCustomError("float_type", "Input should be a valid number")
    elif isinstance(found, date) and isinstance(value, int | float):
        raise PydanticCustomError("date_parsing", "a date is written as in ISO 8601")


def _is_number(value: Any) -> bool:
    """Whether `value` would be read as seconds since 1970."""
    return isinstance(value, int | float) or (
        isinstance(value, str) and value.strip().replace(".", "", 1).lstrip("+-").isdigit()
    )


def _an_instant(value: Any) -> Any:
    """`value`, unless it is a number.

    Raises:
        PydanticCustomError: it is one.
    """
    if _is_number(value):
        raise PydanticCustomError("datetime_parsing", "an instant is written as in ISO 8601")
    return value


def _in_utc(value: datetime) -> datetime:
    """`value`, which is a date in UTC too: so it is stored and compared.

    Raises:
        PydanticCustomError: there it lies before the first year, or after the last.
    """
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant_range", "an instant between the years 1 and 9999 (UTC) is needed") from None
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_an_instant), AfterValidator(_in_utc), Tag("datetime")]
"""A date with time and zone. The tag is what a refusal calls it where a day may stand too, instead of these functions."""


def _a_day(value: Any) -> Any:
    """`value`, unless it is a number, or a day with a time: midnight with an offset is an instant, and no day of UTC.

    Raises:
        PydanticCustomError: it is.
    """
    if _is_number(value) or (isinstance(value, str) and len(value.strip()) > len("2024-03-01")):
        raise PydanticCustomError("date_parsing", "a day is written as in ISO 8601")
    return value


Day = Annotated[date, BeforeValidator(_a_day), Tag("date")]
"""A date alone."""


class Body(BaseModel):
    """A request body: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    _storable = field_validator("*")(without_nul)
    _as_written = field_validator("*", mode="wrap")(as_written)


class Problem(BaseModel):
    """An error of the native API (RFC 9457)."""

    type: str = Field(examples=["urn:seogo:error:collection_not_found"])
    title: str = Field(description="what happened, in the language of Accept-Language")
    status: int
    code: str = Field(description="stable name of the error")
    retryable: bool = Field(description="whether the same request can succeed later")


class AnchorOut(BaseModel):
    """Where a text stands in its document."""

    kind: str = Field(examples=["page", "paragraph", "sheet", "slide", "lines", "message"])
    label: str = Field(description="for people, in their language", examples=["3쪽", "lines 10-24"])
    position: dict[str, Any] = Field(description="the fields of this kind of anchor")

    @classmethod
    def of(cls, anchor: Anchor, language: UiLanguage) -> AnchorOut:
        """The anchor as JSON."""
        position = anchor_to_json(anchor)
        return cls(kind=position.pop("kind"), label=anchor.label(language), position=position)


CollectionNames = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]] | None,
    Field(max_length=100, description="names or ids; all that the key may see when left out"),
]
