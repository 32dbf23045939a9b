"""The backlog of ingestion: versions that wait, which of them come next, and what becomes of those that did not work.

A waiting version is a row without a job. Only a bounded window of them is ever given to the durable queue, so a hundred
thousand uploaded files cost rows and no memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, not_, or_, select, true, update
from sqlalchemy.orm import Session

from rag.domain.errors import SeogoError
from rag.domain.principal import Permit
from rag.store import access_rule, family
from rag.store.base import in_groups, utc_now
from rag.store.collection import Collection
from rag.store.document import Document, covered
from rag.store.receipt import DeletionReceipt, is_due
from rag.store.tenant import Tenant
from rag.store.version import IN_LONG, RETRYABLE, UNFINISHED, DocumentVersion, Priority, Stage, VersionState, at_end

_V = DocumentVersion
_DEEPEST = 64
"""Beyond any depth of files inside files that the settings allow."""
_ENDED = (VersionState.ACTIVE, VersionState.RETIRED, *RETRYABLE)
_IS_NEWEST = and_(Document.id == _V.document_id, Document.latest_version_id == _V.id)
"""By the primary key first: `latest_version_id` has no index."""
HELD = "held-"
"""A version under a job of such a name waits for its original, not for a worker. No job is called so."""
_ALONE = (*IN_LONG, Priority.SUSPECT)
"""Of lanes in which a job has one version."""
_LEAVING = 0x5E06_0050
"""Names a lock in PostgreSQL; those of contents and collections are named by long hashes."""
SUSPICIOUS_CRASHES = 2
"""After so many deaths of workers around it, a version is ingested alone."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The largest batch: documents, and bytes of originals (one document may be larger)."""

    documents: int
    size: int


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How a version is tried again.

    Attributes:
        tries: after so many it is set aside.
        pause: before the second try; four times as long before the third, and so on.
        outage: before the next try when a part of the service was away.
    """

    tries: int = 3
    pause: timedelta = timedelta(seconds=5)
    outage: timedelta = timedelta(seconds=30)


def anything_waits(session: Session, lane: Priority) -> bool:
    """Whether a version of this lane waits. Asked before `claim`, which takes the lock for writing."""
    return bool(session.scalar(select(exists().where(*_waiting(*_priorities(lane))))))


def claim(
    session: Session, lane: Priority, job_id: str, limits: BatchLimits, served: Mapping[UUID, int]
) -> tuple[UUID | None, list[UUID]]:
    """Give the next versions of a lane to `job_id`; returns their collection and their ids, nothing when none may begin.

    The next collection is that of the tenant with the least in work, of its collections the one with the least in work,
    then the one served longest ago (`served`: a growing number per collection). A hundred thousand files of one tenant
    so never hold up the single file of another. A version that failed before goes alone: what ails it then ails nobody else.
    In the lane LONG all this holds first among what somebody waits for, then among the others.
    """
    for priority in _priorities(lane):
        collection_id = _next_collection(session, lane, priority, served)
        if collection_id is not None:
            return collection_id, _claim_of(session, collection_id, priority, job_id, limits)
    return None, []


def _priorities(lane: Priority) -> tuple[Priority, ...]:
    """What a lane holds, first things first."""
    return IN_LONG if lane == Priority.LONG else (lane,)


def _claim_of(
    session: Session, collection_id: UUID, priority: Priority, job_id: str, limits: BatchLimits
) -> list[UUID]:
    query = (
        select(_V.id, _V.size, _V.tries)
        .where(*_waiting(priority), _V.collection_id == collection_id)
        .order_by(_V.created_at, _V.id)
        .limit(1 if priority in _ALONE else limits.documents)
        .with_for_update(skip_locked=True)
    )
    chosen: list[UUID] = []
    total = 0
    for version_id, size, tries in session.execute(query):
        if chosen and (tries or total + size > limits.size):
            break
        chosen.append(version_id)
        total += size
        if tries:
            break
    session.execute(update(_V).where(_V.id.in_(chosen)).values(job_id=job_id, claimed_at=utc_now()))
    return chosen


def _waiting(*priorities: Priority) -> tuple[ColumnElement[bool], ...]:
    return (
        _V.state == VersionState.QUEUED,
        _V.job_id == "",
        _V.priority.in_(priorities),
        or_(_V.retry_at.is_(None), _V.retry_at <= utc_now()),
    )


def _next_collection(session: Session, lane: Priority, priority: Priority, served: Mapping[UUID, int]) -> UUID | None:
    query = (
        select(Collection.id, Collection.tenant_id)
        .join(Tenant, Tenant.id == Collection.tenant_id)
        .where(Collection.paused_at.is_(None), Tenant.paused_at.is_(None))
        .where(exists().where(*_waiting(priority), _V.collection_id == Collection.id))
    )
    found = [(row[0], row[1]) for row in session.execute(query)]
    if not found:
        return None
    in_work: dict[UUID, int] = {}
    for tenant_id, collection_id, count in session.execute(
        select(_V.tenant_id, _V.collection_id, func.count())
        .where(_V.state.in_(UNFINISHED), _V.job_id > "", _V.priority.in_(_priorities(lane)))
        .group_by(_V.tenant_id, _V.collection_id)
    ):
        in_work[tenant_id] = in_work.get(tenant_id, 0) + count
        in_work[collection_id] = count
    return min(found, key=lambda c: (in_work.get(c[1], 0), in_work.get(c[0], 0), served.get(c[0], 0), c[0]))[0]


def jobs_not_begun(session: Session, lane: Priority) -> int:
    """Jobs of a lane that are queued and that no worker has begun."""
    query = select(func.count(func.distinct(_V.job_id))).where(
        _V.state == VersionState.QUEUED, _V.job_id > "", _V.priority.in_(_priorities(lane))
    )
    return session.scalar(query) or 0


def stands_still(session: Session, lane: Priority, patience: timedelta) -> bool:
    """Whether a version of a lane was given to a job longer than `patience` ago that no worker has begun: none is free for it.

    What is paused or waits for its next try has no job, and what waits for its original no real one.
    """
    not_begun = (_V.state == VersionState.QUEUED, _V.job_id > "", not_(_V.job_id.startswith(HELD)))
    return bool(
        session.scalar(
            select(exists().where(*not_begun, _V.priority.in_(_priorities(lane)), _V.claimed_at < utc_now() - patience))
        )
    )


def may_leave(session: Session, patience: timedelta) -> bool:
    """Whether no awaited version has gone to the lane of long ones, or begun there, within `patience`: it made room for whoever
    waits. Holds until the end of this transaction: no other one is told so before. SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LEAVING)))
    of_late = (_V.priority == Priority.LONG_AWAITED, _V.claimed_at > utc_now() - patience)
    return not session.scalar(select(exists().where(_V.state.in_(UNFINISHED), *of_late)))


def open_jobs(session: Session) -> dict[str, datetime | None]:
    """Jobs with versions that are queued or running, and when they were given out."""
    query = select(_V.job_id, func.min(_V.claimed_at)).where(_V.state.in_(UNFINISHED), _V.job_id > "")
    return {row[0]: row[1] for row in session.execute(query.group_by(_V.job_id))}


def release(session: Session, job_id: str) -> int:
    """Let the unfinished versions of a job wait again, for another job; returns how many."""
    change = (
        update(_V)
        .where(_V.job_id == job_id, _V.state.in_(UNFINISHED))
        .values(state=VersionState.QUEUED, job_id="")
        .returning(_V.id)
    )
    return len(session.execute(change).all())


def begun_before(session: Session, job_id: str, ids: Sequence[UUID], stage: Stage) -> Sequence[UUID]:
    """Versions of this job that are in the middle of `stage` already: whoever was at it has died.

    A worker that ends in good order leaves no start time behind (`interrupted`).
    """
    query = select(_V.id).where(
        _V.id.in_(ids),
        _V.job_id == job_id,
        _V.state == VersionState.RUNNING,
        _V.stage == stage,
        _V.stage_started_at.is_not(None),
    )
    return session.scalars(query).all()


def interrupted(session: Session, job_ids: Sequence[str]) -> None:
    """Note that the work on these jobs was laid down in good order."""
    change = update(_V).where(_V.job_id.in_(job_ids), _V.state == VersionState.RUNNING)
    session.execute(change.values(stage_started_at=None))


def count_crash(session: Session, ids: Sequence[UUID]) -> None:
    """Note that a worker died while these versions were in work."""
    session.execute(update(_V).where(_V.id.in_(ids)).values(crashes=_V.crashes + 1, stage_started_at=None))


def isolate(session: Session, ids: Sequence[UUID]) -> Sequence[UUID]:
    """Let those of `ids` wait again, to be ingested alone, around which workers have died too often; returns them."""
    change = (
        update(_V)
        .where(_V.id.in_(ids), _V.crashes >= SUSPICIOUS_CRASHES, _V.priority != Priority.SUSPECT)
        .values(state=VersionState.QUEUED, job_id="", priority=Priority.SUSPECT)
        .returning(_V.id)
    )
    return session.scalars(change).all()


def set_apart(session: Session, job_id: str, version_id: UUID) -> bool:
    """Let a version of this job, which is found to take long, wait for a job of its own in the lane of such; False when it was
    alone in such a lane already, or is not in work any more. What is known of its progress stays, and whether somebody waits.
    As with a job, it is on record since when it waits there (`may_leave`)."""
    priority = case((_V.priority == Priority.INTERACTIVE, Priority.LONG_AWAITED), else_=Priority.LONG)
    change = (
        update(_V)
        .where(_V.id == version_id, _V.job_id == job_id, _V.state == VersionState.RUNNING, _V.priority.not_in(_ALONE))
        .values(state=VersionState.QUEUED, job_id="", priority=priority, stage_started_at=None, claimed_at=utc_now())
        .returning(_V.id)
    )
    return session.execute(change).first() is not None


def crashed_out(session: Session, ids: Sequence[UUID], crashes: int) -> Sequence[DocumentVersion]:
    """Those of `ids` that were alone in work when a worker died, for at least the `crashes`-th time."""
    query = select(_V).where(_V.id.in_(ids), _V.crashes >= crashes, _V.priority == Priority.SUSPECT)
    return session.scalars(query).all()


def record_failure(
    session: Session, job_id: str, version_id: UUID, error: SeogoError, rule: RetryRule, *, counts: bool = True
) -> None:
    """Record why a version of this job failed: for good, or until its next try.

    Args:
        counts: False when a part of the service is away: that is not the document's fault and uses up no try.
    """
    version = _in_work(session, job_id, version_id)
    if version is None:
        return
    version.error_code, version.error_params, version.retryable = error.code, dict(error.params), error.retryable
    version.tries += counts
    if not error.retryable:
        _end(version, VersionState.FAILED)
    elif version.tries >= rule.tries:
        _end(version, VersionState.QUARANTINED)
    else:
        version.state, version.job_id = VersionState.QUEUED, ""
        version.retry_at = utc_now() + (rule.pause * 4 ** (version.tries - 1) if counts else rule.outage)


def quarantine(session: Session, job_id: str, version_id: UUID, error: SeogoError) -> None:
    """Set a version of this job aside at once."""
    version = _in_work(session, job_id, version_id)
    if version is not None:
        version.error_code, version.error_params, version.retryable = error.code, dict(error.params), error.retryable
        _end(version, VersionState.QUARANTINED)


def _end(version: DocumentVersion, state: VersionState) -> None:
    """Without answering, at least until somebody retries it."""
    version.state, version.finished_at, version.priority = state, utc_now(), version.priority_at_end


def _in_work(session: Session, job_id: str, version_id: UUID) -> DocumentVersion | None:
    """The version, if this job still has it: after a replay another one may."""
    query = select(_V).where(_V.id == version_id, _V.job_id == job_id, _V.state.in_(UNFINISHED))
    return session.scalar(query.with_for_update())


def _lock(session: Session, version: DocumentVersion) -> None:
    """Read the row as it is now and keep others from changing it. What was not written yet would be lost otherwise."""
    session.flush()
    session.refresh(version, with_for_update=True)


def retry(session: Session, version: DocumentVersion, priority: Priority) -> bool:
    """Let a version that ended without answering wait again; False when it did not."""
    _lock(session, version)
    if version.state not in RETRYABLE:
        return False
    version.state, version.stage, version.job_id, version.priority = VersionState.QUEUED, Stage.IDENTIFY, "", priority
    version.error_code, version.error_params, version.retryable = None, None, False
    version.tries, version.crashes, version.retry_at = 0, 0, None
    version.finished_at, version.cleaned_at, version.stage_started_at = None, None, None
    return True


def retry_all(
    session: Session,
    collection_id: UUID,
    states: Sequence[VersionState],
    limit: int,
    permit: Permit | None = None,
) -> int:
    """`retry` for the newest versions of a collection's documents in one of `states`, at most `limit`; returns how many.

    With a permit only of those that it covers.
    """
    shown = () if permit is None else covered(permit)
    query = (
        select(_V)
        .join(Document, _IS_NEWEST)
        .where(_V.collection_id == collection_id, _V.state.in_(states), Document.deleted_at.is_(None), *shown)
        .order_by(_V.created_at)
        .limit(limit)
    )
    return sum(retry(session, version, Priority.BULK) for version in session.scalars(query).all())


def cancel(session: Session, version: DocumentVersion) -> bool:
    """Stop the ingestion of a version: at once where it waits, at its next step where it is in work.

    Returns False when there is nothing to stop.
    """
    _lock(session, version)
    if version.state not in UNFINISHED:
        return False
    _end(version, VersionState.CANCELLED)
    version.error_code, version.error_params = None, None
    if version.started_at is None:
        version.cleaned_at = version.finished_at  # it left nothing; what was begun, its job cleans up or a purge
    return True


def cancel_brought(session: Session, version: DocumentVersion) -> int:
    """`cancel` for the files that a version brought, at any depth; returns how many. Its own row is locked already.

    While an earlier version of its document answers, what that one brought goes on: it still holds it.
    """
    bringer = session.get_one(Document, version.document_id)
    since = _V.created_at >= version.created_at if bringer.current_version_id is not None else true()
    inside = Document.parent_document_id == bringer.id
    level = session.scalars(select(Document.id).where(inside, Document.parent_version_id == version.id)).all()
    cancelled = 0
    # A level at a time: who is unpacking one of these files now has written its rows, or will find it cancelled.
    for _ in range(_DEEPEST):
        for ids in in_groups(level):
            cancelled += _cancel_where(session, _V.document_id.in_(ids), _V.state.in_(UNFINISHED), since)
        level = [
            child
            for ids in in_groups(level)
            for child in session.scalars(select(Document.id).where(Document.parent_document_id.in_(ids)))
        ]
        if not level:
            break
    return cancelled


def cancel_waiting(session: Session, permit: Permit) -> int:
    """`cancel` for everything that the permit covers and that no job has taken up; returns how many."""
    waits = or_(_V.job_id == "", _V.job_id.startswith(HELD))
    return _cancel_where(session, _inside(session, permit), _V.state == VersionState.QUEUED, waits)


def _cancel_where(session: Session, *conditions: ColumnElement[bool]) -> int:
    now = utc_now()
    change = (
        update(_V)
        .where(*conditions)
        .values(
            state=VersionState.CANCELLED,
            finished_at=now,
            priority=at_end(),
            error_code=None,
            error_params=None,
            cleaned_at=case((_V.started_at.is_(None), now), else_=None),
        )
        .returning(_V.id)
    )
    return len(session.execute(change).all())


def uncleaned(session: Session, finished_before: datetime, limit: int, *, waiting: bool = False) -> Sequence[UUID]:
    """Documents with versions that ended without answering and that may have left something behind.

    Those whose deletion failed and waits for its next try are left out, with what lies in them, so that they take nobody's
    place; unless `waiting`.
    """
    failed = select(DeletionReceipt.document_id).where(
        DeletionReceipt.document_id.is_not(None), DeletionReceipt.purged_at.is_(None), not_(is_due())
    )
    query = (
        select(_V.document_id)
        .where(
            _V.state.in_([*RETRYABLE, VersionState.DELETED]),
            _V.cleaned_at.is_(None),
            or_(_V.finished_at.is_(None), _V.finished_at < finished_before),
            true() if waiting else _V.document_id.not_in(family.with_below(failed)),
        )
        .distinct()
        .limit(limit)
    )
    return session.scalars(query).all()


@dataclass(frozen=True, slots=True)
class Workload:
    """What goes on in the collections of a permit.

    Attributes:
        states: number of versions by state; of those that went wrong only the newest of their documents.
        stages: of those in work, by stage.
        pages_read: of those whose pages are being read, as far as their parsers have said.
        pages: that those have.
        finished: versions that ended in the last `window_s` seconds.
        elsewhere: collections of the tenant beside these in which versions wait or are in work; none for a key that
            is limited to some collections.
        finished_elsewhere: versions that ended there in the same time, likewise.
    """

    states: Mapping[str, int]
    stages: Mapping[str, int]
    finished: int
    window_s: float
    elsewhere: int
    finished_elsewhere: int
    paused: bool
    pages_read: int = 0
    pages: int = 0

    @property
    def unfinished(self) -> int:
        """Versions that wait or are in work."""
        return sum(self.states.get(state, 0) for state in UNFINISHED)

    @property
    def idle(self) -> bool:
        """Whether nothing is in work and nothing will be taken up."""
        waiting = 0 if self.paused else self.states.get(VersionState.QUEUED, 0)
        return not waiting and not self.states.get(VersionState.RUNNING, 0)

    @property
    def per_minute(self) -> float:
        """Versions that ended per minute, of late."""
        return self.finished * 60 / self.window_s

    @property
    def eta_s(self) -> float | None:
        """Seconds until nothing is left; None while nobody can know, or when it is paused.

        At the pace of late. A collection that was not served yet is promised an equal share of the pace of the others.
        """
        left = self.unfinished
        if not left:
            return 0.0
        pace = self.finished / self.window_s or self.finished_elsewhere / self.window_s / (self.elsewhere + 1)
        return None if self.paused or not pace else round(left / pace, 1)


def _inside(session: Session, permit: Permit) -> ColumnElement[bool]:
    """That a version is of a document that the permit covers; only the collection is asked for where no rule holds it back."""
    inside = _V.collection_id.in_(permit.collections)
    if not access_rule.holds_back(session, permit):
        return inside
    return and_(inside, _V.document_id.in_(select(Document.id).where(*covered(permit))))


def workload(session: Session, permit: Permit, window: timedelta = timedelta(seconds=60)) -> Workload:
    """The workload of the permit's collections, as far as it covers their documents."""
    inside = _inside(session, permit)
    # Two queries, each from an index alone; only of the few that went wrong it matters whether a newer upload followed.
    good = select(_V.state, func.count()).where(inside, _V.state.in_([*UNFINISHED, VersionState.ACTIVE]))
    bad = (
        select(_V.state, func.count())
        .join(Document, _IS_NEWEST)
        .where(inside, _V.state.in_(RETRYABLE), Document.deleted_at.is_(None))
    )
    counted = [*session.execute(good.group_by(_V.state)), *session.execute(bad.group_by(_V.state))]
    states = {row[0]: row[1] for row in counted}
    counted_pages = (func.sum(_V.done), func.sum(case((_V.done > 0, _V.total), else_=0)))
    running = select(_V.stage, func.count(), *counted_pages).where(inside, _V.state == VersionState.RUNNING)
    stages = {row[0]: row for row in session.execute(running.group_by(_V.stage))}
    _, _, pages_read, pages = stages.get(Stage.PARSE, (Stage.PARSE, 0, 0, 0))
    recent = select(func.count()).where(_V.state.in_(_ENDED), _V.finished_at > utc_now() - window)
    finished = session.scalar(recent.where(inside)) or 0
    elsewhere = finished_elsewhere = 0
    whole_tenant = permit.principal.whole_tenant
    if whole_tenant and not finished and any(state in states for state in UNFINISHED):
        beside = (_V.collection_id.not_in(permit.collections), _V.tenant_id == permit.tenant_id)
        others = select(func.count(func.distinct(_V.collection_id))).where(*beside, _V.state.in_(UNFINISHED))
        elsewhere = session.scalar(others) or 0
        finished_elsewhere = session.scalar(recent.where(*beside)) or 0
    unpaused = (
        select(func.count())
        .select_from(Collection)
        .join(Tenant, Tenant.id == Collection.tenant_id)
        .where(Collection.id.in_(permit.collections), Collection.paused_at.is_(None), Tenant.paused_at.is_(None))
    )
    return Workload(
        states=states,
        stages={stage: row[1] for stage, row in stages.items()},
        finished=finished,
        window_s=window.total_seconds(),
        elsewhere=elsewhere,
        finished_elsewhere=finished_elsewhere,
        paused=bool(permit.collections) and not session.scalar(unpaused),
        pages_read=int(pages_read),
        pages=int(pages),
    )
