"""What a model writes into a program by itself: identifiers and secrets that nothing it was shown holds are hidden in it.

What it was shown was masked before, so what stands there may be said. A program is read by others than whoever asked for it, so
the specification's own words count as little here as those of a question do in an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.access.personal_data.reading import written_filter
from rag.domain.principal import Permit
from rag.generation.program_format import Rejected, WrittenFile
from rag.store.session import Database

NAME_HIDDEN = "personal_data"
"""Reason of a file whose very name holds what is hidden."""


@dataclass(frozen=True, slots=True)
class LookedThrough:
    """Files as they may be kept.

    Attributes:
        files: with stars where something was hidden, of the same length.
        masked: paths of those of them in which something was.
        rejected: files that can't be kept under their name.
    """

    files: tuple[WrittenFile, ...]
    masked: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()


def looked_through(
    database: Database, permit: Permit, shown: Sequence[str], files: Sequence[WrittenFile]
) -> LookedThrough:
    """`files` without what is hidden from anybody who may read the permit's collections; `shown`: what the model has read."""
    hidden = written_filter(database, permit.masked(), shown)
    if hidden is None:
        return LookedThrough(tuple(files))
    kept, masked, rejected = list[WrittenFile](), list[str](), list[Rejected]()
    for item in files:
        if (name := hidden(item.path)) != item.path:
            rejected.append(Rejected(name, NAME_HIDDEN))
            continue
        if (text := hidden(item.text)) != item.text:
            masked.append(item.path)
        kept.append(WrittenFile(item.path, text))
    return LookedThrough(tuple(kept), tuple(masked), tuple(rejected))
