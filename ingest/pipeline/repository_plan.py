"""What has to be done so that the index equals a commit: its files against those on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ingest.connectors.git_selection import NAME_UNUSABLE, SAME_NAME
from ingest.pipeline.records import clean_source_key
from rag.domain.errors import InvalidRequest
from rag.mirrors.mirror import TreeEntry
from rag.store.repository import WAITING
from rag.store.repository_work import KnownFile

NAME_TAKEN = "name_taken"
"""Reason of a file whose place in the collection a document has that was uploaded."""
_TRIED_AGAIN = frozenset({WAITING, NAME_TAKEN})
_LONGEST = 1800
"""Characters of a path on record."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between a commit and the record.

    Attributes:
        take: files whose content has to be indexed, with their names in the collection.
        skip: files that are not indexed and not on record as such, and why.
        gone: paths on record that the commit has no more.
        kept: files that stay as they are.
    """

    take: tuple[tuple[TreeEntry, str], ...]
    skip: tuple[tuple[TreeEntry, str], ...]
    gone: tuple[str, ...]
    kept: int

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.take or self.skip or self.gone)


def planned(
    name: str,
    taken: Sequence[TreeEntry],
    skipped: Iterable[tuple[TreeEntry, str]],
    known: Mapping[str, KnownFile],
    own_reasons: frozenset[str],
) -> Plan:
    """The plan for a commit.

    What failed before is not tried again while its content is the same; a file without a document is.

    Args:
        name: of the repository.
        taken, skipped: the files of the commit, as `git_selection.select` gives them.
        known: what is on record, by path.
        own_reasons: why a file may be skipped by its path or content: such a file, taken now, was never tried.
    """
    named, unusable = _named(name, taken)
    skip = [*skipped, *unusable]
    fresh = [(entry, key) for entry, key in named if not _settled(entry, known.get(entry.path), own_reasons)]
    paths = {entry.path for entry, _ in named} | {entry.path for entry, _ in skip}
    return Plan(
        take=tuple(fresh),
        skip=tuple((entry, reason) for entry, reason in skip if not _noted(entry, reason, known.get(entry.path))),
        gone=tuple(sorted(known.keys() - paths)),
        kept=len(named) - len(fresh),
    )


def _settled(entry: TreeEntry, known: KnownFile | None, own_reasons: frozenset[str]) -> bool:
    """Whether the content of a file is in the index, or failed to get there."""
    if known is None or known.blob != entry.blob:
        return False
    if not known.reason:
        return known.standing
    return known.reason not in own_reasons and known.reason not in _TRIED_AGAIN


def _noted(entry: TreeEntry, reason: str, known: KnownFile | None) -> bool:
    return known is not None and (known.blob, known.reason, known.document_id) == (entry.blob, reason, None)


def _named(name: str, taken: Sequence[TreeEntry]) -> tuple[list[tuple[TreeEntry, str]], list[tuple[TreeEntry, str]]]:
    """Files with their names in the collection, each of which only one has; and the others with the reason."""
    named: dict[str, TreeEntry] = {}
    left: list[tuple[TreeEntry, str]] = []
    for entry in sorted(taken, key=lambda item: item.path):
        try:
            key = clean_source_key(f"{name}/{entry.path}")
        except InvalidRequest:
            key = ""
        if not key or len(entry.path) > _LONGEST:
            left.append((entry, NAME_UNUSABLE))
        elif key in named:
            left.append((entry, SAME_NAME))
        else:
            named[key] = entry
    return [(entry, key) for key, entry in named.items()], left
