"""What a question about code found beside, or in place of, an ordinary search."""

from __future__ import annotations

from dataclasses import dataclass

from rag.answering.evidence import Evidence
from rag.answering.signals import NOTHING
from rag.domain.answer import Note
from rag.domain.passage import SearchResult
from rag.generation.base import Draft

FOUND = Evidence(1.0, NOTHING)
"""The evidence of what the syntax says: it is there, and nobody has to guess whether it answers."""
CHANGES, SYMBOLS = "changes", "symbols"
"""Kinds of the notes that say what was compared, and what was looked up."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Passages for a question, and how it is answered.

    Attributes:
        drafts: quotations that answer it, of these passages.
        evidence: how well the passages answer it.
        listing: whether the quotations are the answer even where a model could write one: a list of places is not to be retold.
        notes: what was done; names and counts of what the permit covers alone.
    """

    search: SearchResult
    drafts: tuple[Draft, ...]
    evidence: Evidence
    listing: bool
    notes: tuple[Note, ...] = ()
