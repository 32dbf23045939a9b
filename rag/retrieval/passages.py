"""What happens to passages after ranking: neighbours are merged, repeated text is shown once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from rag.domain.passage import Passage


def without_repeats(passages: Sequence[Passage]) -> list[Passage]:
    """Drop passages whose text, white space aside, stands higher in the list already."""
    seen: set[bytes] = set()
    kept: list[Passage] = []
    for passage in passages:
        digest = hashlib.sha256("".join(passage.chunk.text.split()).encode()).digest()
        if digest not in seen:
            seen.add(digest)
            kept.append(passage)
    return kept


def renumbered(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """The passages with ranks from 1."""
    return tuple(replace(passage, rank=rank) for rank, passage in enumerate(passages, start=1))
