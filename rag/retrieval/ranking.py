"""From permitted hits, best first, to the passages shown: boosts, copies, neighbours, diversity.

Nothing disappears without a word: what is left out is listed with its reason and the passage that stands for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from uuid import UUID

from rag.domain.anchor import Anchor, merge_anchors, mergeable
from rag.domain.document import Chunk, ElementKind
from rag.domain.passage import Dropped, DropReason, Passage
from rag.domain.provision import ProvisionMark

SHINGLE = 9
"""Characters of a shingle, white space left out: two Korean words, or one and a half English ones (Broder 1997 counts words,
but those of Korean differ by their endings)."""
COPY = 0.9
"""Jaccard similarity of shingles from which two passages are copies of one text. With one word in 30 exchanged, texts of
ko_finlaw stand at .83 and of en_scifact_train at .86, in the median: what reaches .9 differs in a word or two. Of 245,000 pairs
of statutes' articles 7 reach even .8, and 4 of these state other numbers, which is why numbers must agree."""
LONGEST_RUN = 3
"""Chunks that are shown as one: what a reader takes in at once, and what the page of a citation shows around the cited chunk."""
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Boosts:
    """What may lift a passage besides the question. All off by default.

    Attributes:
        half_life_days: age at which half of the recency boost is left; 0 leaves age out.
        recency: a document of today counts this much more; .1 is ten per cent.
        authority: a document whose attribute says 1 counts this much more; 0 leaves it out.
    """

    half_life_days: float = 0.0
    recency: float = 0.1
    authority: float = 0.0

    @property
    def active(self) -> bool:
        """Whether anything is lifted at all."""
        return self.half_life_days > 0.0 or self.authority > 0.0

    def of(self, passage: Passage, now: datetime, authority: float | None) -> dict[str, float]:
        """The boosts of a passage by name; a factor of 1 plus their sum multiplies its score.

        Args:
            authority: what its document's attribute says, 0 to 1; None where it has none.
        """
        found: dict[str, float] = {}
        date = passage.source.valid_from
        if self.half_life_days > 0.0 and date is not None:
            days = max(0.0, (now - date).total_seconds() / 86_400)
            found["recency"] = self.recency * 0.5 ** (days / self.half_life_days)
        if self.authority > 0.0 and authority is not None:
            found["authority"] = self.authority * min(max(authority, 0.0), 1.0)
        return found


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Passages as they are shown, best first, and what they stand for."""

    passages: tuple[Passage, ...]
    dropped: tuple[Dropped, ...]


def boosted(
    passages: Sequence[Passage], boosts: Boosts, now: datetime, authority: Mapping[UUID, float]
) -> list[Passage]:
    """The passages with their boosts applied, best first; ties keep their order.

    Args:
        authority: what documents' attributes say, by document; those without one are left out.
    """
    if not boosts.active:
        return list(passages)
    lifted = []
    for passage in passages:
        found = boosts.of(passage, now, authority.get(passage.source.document_id))
        lifted.append(
            replace(passage, score=passage.score * (1.0 + sum(found.values())), boosts={**passage.boosts, **found})
        )
    return sorted(lifted, key=lambda passage: -passage.score)


def arranged(passages: Sequence[Passage], *, limit: int, merge: bool = True, max_per_document: int = 0) -> Arrangement:
    """The best `limit` passages, each text once, neighbours as one, documents mixed.

    Args:
        passages: best first; all of them permitted.
        max_per_document: passages of one document before those of others; more of it only fill a result that would be
            short. 0 is no limit.
    """
    dropped: list[Dropped] = []
    kept = _without_copies(passages, dropped)
    if merge:
        kept = _merged(kept, dropped)
    if max_per_document:
        kept = _mixed(kept, max_per_document)
    shown = tuple(replace(passage, rank=rank) for rank, passage in enumerate(kept[:limit], start=1))
    return Arrangement(shown, tuple(dropped))


def _without_copies(passages: Sequence[Passage], dropped: list[Dropped]) -> list[Passage]:
    """Each text once: the best passage stands for its copies, word for word or lightly edited."""
    kept: list[tuple[Passage, _Print]] = []
    for passage in passages:
        own = _Print(passage.chunk.text)
        original = next(((other, theirs) for other, theirs in kept if own.is_copy_of(theirs)), None)
        if original is None:
            kept.append((passage, own))
        else:
            reason = DropReason.COPY if own.digest == original[1].digest else DropReason.NEAR_COPY
            dropped.append(Dropped(passage.chunk.id, passage.source.document_id, reason, original[0].chunk.id))
    return [passage for passage, _ in kept]


class _Print:
    """What tells whether two texts are copies. The numbers must agree: 12 days and 15 days are two rules, however alike."""

    def __init__(self, text: str) -> None:
        words = text.split()
        self._dense = "".join(words)
        self._words = frozenset(words)
        self._numbers = _NUMBERS.findall(self._dense)
        self.digest = hashlib.sha256(self._dense.encode()).digest()

    def is_copy_of(self, other: _Print) -> bool:
        """Whether the texts are the same but for white space or a few words."""
        if self.digest == other.digest:
            return True
        # words first: that takes a twentieth of the time, and nearly all pairs end there
        return (
            self._numbers == other._numbers
            and _alike(self._words, other._words, COPY - 0.1)
            and _alike(self._shingles, other._shingles, COPY)
        )

    @cached_property
    def _shingles(self) -> frozenset[str]:
        return frozenset(self._dense[i : i + SHINGLE] for i in range(max(1, len(self._dense) - SHINGLE + 1)))


def _alike(one: frozenset[str], other: frozenset[str], least: float) -> bool:
    """Whether the Jaccard similarity of two sets reaches `least`."""
    together = len(one & other)
    return together >= least * (len(one) + len(other) - together)


def _merged(passages: Sequence[Passage], dropped: list[Dropped]) -> list[Passage]:
    """Chunks of one section that follow each other become one passage, at the place of the better one."""
    kept: list[Passage] = []
    for passage in passages:
        place = next((i for i, other in enumerate(kept) if _adjoin(other, passage)), None)
        if place is None:
            kept.append(passage)
            continue
        dropped.append(Dropped(passage.chunk.id, passage.source.document_id, DropReason.MERGED, kept[place].chunk.id))
        kept[place] = _joined(kept[place], passage)
    return kept


def _adjoin(one: Passage, other: Passage) -> bool:
    """Whether two passages are prose of the same section, one right before the other."""
    ours, theirs = one.chunk, other.chunk
    if one.source.version_id != other.source.version_id or ours.heading_path != theirs.heading_path:
        return False
    if ours.kind is not ElementKind.TEXT or theirs.kind is not ElementKind.TEXT or ours.language != theirs.language:
        return False
    if _article(ours) != _article(theirs) or not mergeable(ours.anchor, theirs.anchor):
        return False
    first, last = one.ordinals
    near = other.ordinals[1] == first - 1 or other.ordinals[0] == last + 1
    return near and last - first + 1 + len(other.members or (theirs.id,)) <= LONGEST_RUN


def _joined(best: Passage, other: Passage) -> Passage:
    """Both in one, in reading order, under the better one's id, score and legs. Line anchors stay exact."""
    first, second = (best, other) if best.ordinals[0] < other.ordinals[0] else (other, best)
    members = (*(first.members or (first.chunk.id,)), *(second.members or (second.chunk.id,)))
    chunk = _joined_chunk(first.chunk, second.chunk, best.chunk.id)
    return replace(best, chunk=chunk, members=members, span=(first.ordinals[0], second.ordinals[1]))


def _article(chunk: Chunk) -> str:
    """The article that all of a chunk belongs to; neighbouring articles are rules of their own."""
    first = {mark.path[0] for mark in chunk.provisions if mark.path}
    return first.pop() if len(first) == 1 else ", ".join(sorted(first))


def _joined_chunk(first: Chunk, second: Chunk, chunk_id: UUID) -> Chunk:
    shift = len(first.text) + 1
    moved = tuple(ProvisionMark(mark.start + shift, mark.path) for mark in second.provisions)
    lines: tuple[Anchor, ...] = ()
    if first.line_anchors and second.line_anchors:
        lines = (*first.line_anchors, *second.line_anchors)
    return replace(
        first,
        id=chunk_id,
        text=f"{first.text}\n{second.text}",
        anchor=merge_anchors((first.anchor, second.anchor)),
        tokens=first.tokens + second.tokens,
        line_anchors=lines,
        provisions=(*first.provisions, *moved),
        references=tuple(dict.fromkeys((*first.references, *second.references))),
    )


def _mixed(passages: Sequence[Passage], most: int) -> list[Passage]:
    """At most `most` passages of a document, then the rest, both in their order."""
    count: dict[UUID, int] = {}
    ahead: list[Passage] = []
    behind: list[Passage] = []
    for passage in passages:
        document = passage.source.document_id
        count[document] = count.get(document, 0) + 1
        (ahead if count[document] <= most else behind).append(passage)
    return ahead + behind
