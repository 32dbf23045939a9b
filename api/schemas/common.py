"""Bodies that several routes share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rag.domain.anchor import Anchor, anchor_to_json
from rag.domain.messages import UiLanguage


def without_nul(value: Any) -> Any:
    """`value`, which PostgreSQL can keep.

    Raises:
        ValueError: it is a text with a NUL in it.
    """
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a text can't hold the character NUL")
    return value


class Body(BaseModel):
    """A request body: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    _storable = field_validator("*")(without_nul)


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
