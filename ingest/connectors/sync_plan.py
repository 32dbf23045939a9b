"""What a synchronisation has to do: the items of a source beside what is known of them. Pure; nothing is read or written here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from rag.domain.access import GivenRule
from rag.domain.findings import MASK

_PIECE = 1 << 20
_RULED = ";access="
"""In a fingerprint, before the digest of the rule."""
WHOLE = "/"
"""The key of a problem that may hide anything of the source."""
MOST_DELETED = 0.5
"""Share of the known items that may go without being forced: a share that is not mounted looks like an empty folder."""


@dataclass(frozen=True, slots=True)
class FoundItem:
    """A file as the source lists it.

    Attributes:
        key: name under which its document is kept.
        place: by which the source opens it.
        fingerprint: changes when the content may have, or the rule; cheap.
        access: who may read it, where the source says so.
    """

    key: str
    place: str
    size: int
    fingerprint: str
    access: GivenRule | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of the source that could not be read; `key` is a file, or a folder that ends in a slash."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds now."""

    items: tuple[FoundItem, ...]
    problems: tuple[Problem, ...] = ()


def ruled_fingerprint(fingerprint: str, access: GivenRule | None) -> str:
    """The fingerprint of an item with a rule: the item is looked at again when either changes."""
    if access is None:
        return fingerprint
    text = json.dumps(access.to_json(), ensure_ascii=True, sort_keys=True)
    return f"{fingerprint}{_RULED}{hashlib.sha256(text.encode()).hexdigest()[:16]}"


class ItemSource(Protocol):
    """Where files come from: a folder, a bucket."""

    @property
    def kind(self) -> str:
        """`folder` or `bucket`."""
        ...

    @property
    def location(self) -> str:
        """Its name, the same at every synchronisation."""
        ...

    def listing(self) -> Listing:
        """Everything that it holds.

        Raises:
            InvalidRequest: it is not there as a whole.
        """
        ...

    def open(self, item: FoundItem) -> BinaryIO:
        """The content of an item, to be closed by the caller.

        Raises:
            OSError: it went away or can't be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class KnownItem:
    """What was noted when an item was last taken.

    Attributes:
        hidden: whether its key is not shown whole, and nothing in the source has the one that is.
        failed: whether the ingestion of its document's newest version failed.
    """

    key: str
    fingerprint: str
    content_hash: str
    document_id: str
    hidden: bool = False
    failed: bool = False

    @property
    def ruled(self) -> bool:
        """Whether the source said then who may read it."""
        return _RULED in self.fingerprint


@dataclass(frozen=True, slots=True)
class Plan:
    """What differs.

    Attributes:
        suspects: items that are new, or whose fingerprint changed; their content decides.
        missing: known items that the source has no longer. Those in a part that could not be read are not among them.
    """

    suspects: tuple[FoundItem, ...]
    unchanged: int
    missing: tuple[KnownItem, ...]
    known: Mapping[str, KnownItem] = field(default_factory=dict)

    def is_same(self, item: FoundItem, content_hash: str) -> bool:
        """Whether only the fingerprint of a known item changed."""
        known = self.known.get(item.key)
        return known is not None and known.content_hash == content_hash

    def too_many_missing(self, renamed: Collection[str]) -> bool:
        """Whether more than half of what is known would go; what turned up under another name (`renamed`) is not lost."""
        lost = sum(item.key not in renamed for item in self.missing)
        return lost > MOST_DELETED * len(self.known)

    def renamed(self, taken_hashes: Collection[str]) -> set[str]:
        """Keys of missing items whose content is among what was taken now."""
        return {item.key for item in self.missing if item.content_hash in taken_hashes}


def plan_for(known: Sequence[KnownItem], listing: Listing) -> Plan:
    """Compare."""
    by_key = {item.key: item for item in known}
    found = {item.key for item in listing.items}
    suspects = tuple(
        item for item in listing.items if item.key not in by_key or by_key[item.key].fingerprint != item.fingerprint
    )
    missing = tuple(item for item in known if item.key not in found and not _is_in_the_dark(item, listing.problems))
    return Plan(suspects, len(found) - len(suspects), missing, by_key)


def _is_in_the_dark(known: KnownItem, problems: Sequence[Problem]) -> bool:
    return any(
        item.key == WHOLE or (_begins(known, item.key) and (item.key.endswith("/") or len(known.key) == len(item.key)))
        for item in problems
    )


def _begins(known: KnownItem, start: str) -> bool:
    """Whether the key of an item begins so, or may: any character can stand where one is hidden."""
    if not known.hidden:
        return known.key.startswith(start)
    fits = (told in (wanted, MASK) for told, wanted in zip(known.key, start, strict=False))
    return len(known.key) >= len(start) and all(fits)


def content_hash(content: BinaryIO) -> str:
    """SHA-256 of an open file, in hex; the file stands at its beginning again afterwards."""
    digest = hashlib.sha256()
    for piece in _pieces(content):
        digest.update(piece)
    content.seek(0)
    return digest.hexdigest()


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    while piece := content.read(_PIECE):
        yield piece
