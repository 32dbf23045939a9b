"""Bodies of the glossary routes."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.domain.glossary import (
    MAX_EXPANSIONS,
    MAX_NOTE_CHARACTERS,
    MAX_TERM_CHARACTERS,
    MAX_TERMS,
    GlossaryEntry,
    checked_entries,
)


class GlossaryItem(Body):
    """A term and what it is called elsewhere."""

    term: str = Field(min_length=1, max_length=MAX_TERM_CHARACTERS, examples=["자보법"])
    expansions: list[str] = Field(min_length=1, max_length=MAX_EXPANSIONS, examples=[["자동차손해배상 보장법"]])
    note: str = Field("", max_length=MAX_NOTE_CHARACTERS, description="for those who keep the glossary")


class GlossaryIn(Body):
    """A whole glossary, in place of the one before."""

    terms: list[GlossaryItem] = Field(max_length=MAX_TERMS)

    def entries(self) -> list[GlossaryEntry]:
        """The entries.

        Raises:
            InvalidRequest: a term is given twice, or is not long enough.
        """
        return checked_entries(GlossaryEntry(item.term, tuple(item.expansions), item.note) for item in self.terms)


class GlossaryOut(BaseModel):
    """The glossary of a collection, by term."""

    terms: list[GlossaryItem]

    @classmethod
    def of(cls, entries: Iterable[GlossaryEntry]) -> GlossaryOut:
        """The glossary as JSON."""
        return cls(
            terms=[
                GlossaryItem(term=item.term, expansions=list(item.expansions), note=item.note)
                for item in sorted(entries, key=lambda entry: entry.term)
            ]
        )
