"""Whether a chain is whole: every entry as it was written, none missing, none moved, none added, its end the one that the
outside was told of.

What each kind of evidence shows: the hashes, that nothing before an entry was changed; the seal, that the end was written by a
holder of the key and not from the database alone; the anchors, that an end that was once told was not taken back. Of what left
by a cut only they are there to speak: the key vouches for the cut, and what was told later than it reaches was not old enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.audit_anchors import Anchor, anchors_in
from rag.domain.audit import AuditKind, genesis, link, seal_holds, vouched
from rag.store import audit_event
from rag.store.audit_event import AuditCut, AuditHead, AuditRow, Unreadable, fields_of

LEAST_KEPT = timedelta(days=365)
"""No cut takes what is younger."""
_LATE = timedelta(hours=1)
"""How much later than it happened an event may be added to its chain."""


class Problem(StrEnum):
    """What is wrong with a chain."""

    CHANGED = "changed"
    MISSING = "missing"
    MOVED = "moved"
    UNREADABLE = "unreadable"
    REFERENCES = "references"
    """Which documents an entry is found by is not what it says."""
    HEAD = "head"
    """The end on record is not the last entry."""
    SEAL = "seal"
    ANCHOR = "anchor"
    CUT = "cut"
    """Entries left without a cut that the chain tells of, or before their time."""
    CUT_UNSEALED = "cut_unsealed"
    """Entries left by a cut that no holder of a key of seals vouches for."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in one chain.

    Attributes:
        entries: how many hold, up to the first that does not.
        first, last: numbers of the first and last of those; 0 where there are none.
        cut_through: entries up to this one left when their time had come; 0 for none.
        anchors: how many told ends were compared; `anchored` is the last of them.
        sealed: whether the end bears a seal that was checked.
        lost: the last end that was told, as the record says, where what should be all that was told ends before; else 0.
        problem, at: what is wrong, and with which entry; None where all holds.
    """

    tenant_id: UUID
    entries: int
    first: int
    last: int
    cut_through: int
    last_hash: str
    anchors: int
    anchored: int
    sealed: bool
    problem: Problem | None = None
    at: int = 0
    lost: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None

    @property
    def proven(self) -> bool:
        """Whether something outside the database speaks for the chain, and nothing that did is lost: else who holds that can have
        written it anew."""
        return self.whole and (self.sealed or self.anchors > 0) and not self.lost


class _Broken(Exception):
    """The first thing that is wrong."""

    def __init__(self, problem: Problem, at: int) -> None:
        super().__init__(problem, at)
        self.problem, self.at = problem, at


@dataclass(slots=True)
class Walk:
    """A look at one chain, which can be taken up again where it ended: what was added meanwhile is then all that is read.

    Attributes:
        told: what the outside was told, of any tenant.
        all_told: whether that is meant to be all that was told.
        keys: of the seals, the one of today first; without any they are not looked at.
    """

    tenant_id: UUID
    told: Sequence[Anchor] = ()
    keys: tuple[bytes, ...] = ()
    all_told: bool = False
    anchors: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    told_at: Sequence[tuple[int, datetime]] = ()
    cut: AuditCut | None = None
    head: AuditHead | None = None
    begun: bool = False
    entries: int = 0
    first: int = 0
    last: int = 0
    compared: int = 0
    anchored: int = 0
    last_hash: str = ""
    cut_told: bool = False
    cut_vouched: bool = False

    def to_end(self, session: Session) -> Verification:
        """Follow the chain to its end: from its beginning or its cut, at another time from behind the entry that this came to.

        What was read before is not read again. It can't have been replaced unseen: the next entry, or the end on record where
        there is none, bears the hash that this came to. After another cut it begins anew.

        Args:
            session: sees the chain as it stands (`Database.snapshot`), or holds it.
        """
        try:
            self._follow(session)
        except _Broken as broken:
            return self._result(broken.problem, broken.at)
        return self._result()

    def _follow(self, session: Session) -> None:
        cut = audit_event.last_cut(session, self.tenant_id)
        self.head = audit_event.head_of(session, self.tenant_id)
        behind = self.last if self.begun and _same(cut, self.cut) else None
        if behind is None:
            self._begin(cut)
        try:
            for row, documents in audit_event.walk(session, self.tenant_id, behind):
                self._step(row, documents)
        except Unreadable as error:
            raise _Broken(Problem.UNREADABLE, error.seq) from error
        self._check_end(session, behind)

    def _begin(self, cut: AuditCut | None) -> None:
        """Stand before the first entry."""
        own = [item for item in self.told if item.tenant_id == self.tenant_id]
        there = [item for item in own if cut is None or item.seq >= cut.through_seq]
        told: dict[int, tuple[str, ...]] = {}
        for item in there:
            told[item.seq] = (*told.get(item.seq, ()), item.hash)
        self.anchors, self.told_at = told, [(item.seq, item.at) for item in own]
        self.begun, self.cut, self.cut_told, self.cut_vouched = True, cut, False, False
        self.entries = self.first = self.compared = self.anchored = 0
        self.last = cut.through_seq if cut is not None else 0
        self.last_hash = cut.hash if cut is not None else genesis(self.tenant_id)
        self._compare(self.last)

    def _step(self, row: AuditRow, documents: frozenset[UUID]) -> None:
        if row.seq != self.last + 1:
            raise _Broken(Problem.MISSING if row.seq > self.last + 1 else Problem.MOVED, self.last + 1)
        if row.prev_hash != self.last_hash:
            raise _Broken(Problem.MOVED, row.seq)
        if not _holds(row):
            raise _Broken(Problem.CHANGED, row.seq)
        if {str(item) for item in documents} != set(row.documents):
            raise _Broken(Problem.REFERENCES, row.seq)
        self.last, self.last_hash = row.seq, row.hash
        self._compare(row.seq)
        if row.kind == AuditKind.AUDIT_CUT:
            self._check_cut(row)
        elif row.kind == AuditKind.RESEALED:  # whoever sealed it looked at what was before
            self.cut_vouched |= self._vouched(row, "resealed", row.seq, row.prev_hash)
        self.entries += 1
        self.first = self.first or row.seq

    def _compare(self, seq: int) -> None:
        told = self.anchors.get(seq, ())
        if any(item != self.last_hash for item in told):
            raise _Broken(Problem.ANCHOR, seq)
        self.compared += len(told)
        self.anchored = seq if told else self.anchored

    def _check_cut(self, row: AuditRow) -> None:
        told: dict[str, Any] = row.detail
        if _time_not_come(row, self.told_at):
            raise _Broken(Problem.CUT, row.seq)
        if self.cut is not None and row.seq == self.cut.event_seq:
            self.cut_told = (told.get("through"), told.get("hash")) == (self.cut.through_seq, self.cut.hash)
            self.cut_vouched = self._vouched(row, "cut", told["through"], told.get("hash"), told["before"])

    def _vouched(self, row: AuditRow, *told: object) -> bool:
        given: dict[str, Any] = row.detail if isinstance(row.detail, dict) else {}
        return any(vouched(key, given.get("seal"), self.tenant_id, *told) for key in self.keys)

    def _check_end(self, session: Session, behind: int | None) -> None:
        later = [seq for seq in self.anchors if seq > self.last]
        if later:
            raise _Broken(Problem.ANCHOR, min(later))
        if self.cut is not None and not self.cut_told:
            raise _Broken(Problem.CUT, self.cut.through_seq)
        found = (self.head.seq, self.head.hash) if self.head is not None else (0, genesis(self.tenant_id))
        beyond = self.head is not None and self.head.anchored_seq > self.last  # nobody tells what is not there
        if found != (self.last, self.last_hash) or beyond:
            raise _Broken(Problem.HEAD, self.last + 1)
        if audit_event.named_beside(session, self.tenant_id, behind):
            raise _Broken(Problem.REFERENCES, self.last + 1)
        if not self.keys or self.head is None:
            return
        given = self.head.seal
        if not any(seal_holds(key, self.tenant_id, self.last, self.last_hash, given) for key in self.keys):
            raise _Broken(Problem.SEAL, self.last)
        if self.cut is not None and not self.cut_vouched:
            raise _Broken(Problem.CUT_UNSEALED, self.cut.through_seq)

    def _result(self, problem: Problem | None = None, at: int = 0) -> Verification:
        """What was found."""
        return Verification(
            self.tenant_id,
            self.entries,
            self.first,
            self.first + self.entries - 1 if self.entries else 0,
            self.cut.through_seq if self.cut is not None else 0,
            self.last_hash,
            self.compared,
            self.anchored,
            problem is None and bool(self.keys) and self.head is not None,
            problem,
            at,
            self._lost(),
        )

    def _lost(self) -> int:
        last = 0 if self.head is None else self.head.anchored_seq
        there = any(item.tenant_id == self.tenant_id and item.seq >= last for item in self.told)
        return last if self.all_told and not there else 0


def verify(
    session: Session,
    tenant_id: UUID,
    *,
    key: bytes | None = None,
    older_keys: tuple[bytes, ...] = (),
    anchors: Iterable[Anchor] = (),
    all_told: bool = False,
) -> Verification:
    """Follow a chain from its beginning, or from its cut, to its end; memory is bounded by a batch.

    Args:
        session: of one snapshot (`Database.snapshot`), since entries are added meanwhile.
        key: of the seals; without it they are not looked at. `older_keys` are those whose seals count too.
        anchors: what the outside was told, of any tenant.
        all_told: whether these are meant to be all that was told, so that one that is lost is missed.
    """
    return Walk(tenant_id, tuple(anchors), () if key is None else (key, *older_keys), all_told).to_end(session)


def told_meanwhile(found: Verification, path: Path | None) -> Verification:
    """`found`, without an end that seemed lost since it was told while the chain was looked at."""
    if not found.lost:
        return found
    there = any(item.tenant_id == found.tenant_id and item.seq >= found.lost for item in anchors_in(path))
    return replace(found, lost=0) if there else found


def _same(one: AuditCut | None, other: AuditCut | None) -> bool:
    """Whether a chain begins with the same cut."""
    if one is None or other is None:
        return one is other
    return (one.through_seq, one.hash, one.event_seq) == (other.through_seq, other.hash, other.event_seq)


def _holds(row: AuditRow) -> bool:
    try:
        return link(row.tenant_id, row.seq, fields_of(row), row.prev_hash) == row.hash
    except (ValueError, TypeError):  # what was never clean was never written
        return False


def _time_not_come(row: AuditRow, told_at: Iterable[tuple[int, datetime]]) -> bool:
    """Whether a cut took what was younger than the least that is kept, or does not say.

    It says itself how far it reaches, and may lie. What was told to the outside does not: entries behind an end that was told are
    no older than that, and the cut itself is no younger than an end that was told with it.
    """
    try:
        before, through = datetime.fromisoformat(row.detail["before"]), int(row.detail["through"])
        young = any(seq < through and at > before + _LATE for seq, at in told_at)
        ahead = any(seq >= row.seq and at < row.at - _LATE for seq, at in told_at)
        return row.at - before < LEAST_KEPT or young or ahead
    except (ValueError, KeyError, TypeError):
        return True
