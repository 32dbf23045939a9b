"""The backlog on record: who is next, and what becomes of what went wrong. On SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from rag.access.policy import Action, Policy
from rag.domain.errors import FileDamaged, IndexUnavailable, ParserCrashed, WorkerLost
from rag.domain.principal import Permit, Principal, Scope
from rag.store import lifecycle, queue, worker
from rag.store import version as versions
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.queue import BatchLimits, RetryRule
from rag.store.session import Database
from rag.store.version import DocumentVersion, Priority, Stage, VersionState
from tests.support.stores import add_collection, add_document, add_version

LIMITS = BatchLimits(documents=3, size=1 << 20)
RULE = RetryRule(tries=3, pause=timedelta(seconds=5), outage=timedelta(seconds=30))


class Backlog:
    """Collections with waiting versions."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.served: dict[UUID, int] = {}
        self.jobs = 0

    def collection(
        self, name: str, waiting: int, tenant: str = "default", priority: Priority = Priority.BULK
    ) -> Collection:
        row = add_collection(self.database, name, tenant)
        with self.database.write() as session:
            for number in range(waiting):
                version = add_version(
                    session, add_document(session, row, f"{number}.md"), 1, VersionState.QUEUED, job_id=""
                )
                session.get_one(DocumentVersion, version).priority = priority
        return row

    def claim(self, lane: Priority = Priority.BULK, limits: BatchLimits = LIMITS) -> tuple[UUID | None, list[UUID]]:
        self.jobs += 1
        with self.database.write() as session:
            found, ids = queue.claim(session, lane, f"job-{self.jobs}", limits, self.served)
        if found is not None:
            self.served[found] = self.jobs
        return found, ids

    def fail(self, version_id: UUID, error: Exception, *, counts: bool = True) -> DocumentVersion:
        with self.database.write() as session:
            row = session.get_one(DocumentVersion, version_id)
            queue.record_failure(session, row.job_id, version_id, error, RULE, counts=counts)  # type: ignore[arg-type]
        return self.row(version_id)

    def row(self, version_id: UUID) -> DocumentVersion:
        with self.database.read() as session:
            return session.get_one(DocumentVersion, version_id)

    def change(self, version_id: UUID, **values: object) -> None:
        with self.database.write() as session:
            row = session.get_one(DocumentVersion, version_id)
            for name, value in values.items():
                setattr(row, name, value)


@pytest.fixture
def backlog(database: Database) -> Iterator[Backlog]:
    yield Backlog(database)


def test_collections_take_turns_whatever_their_length(backlog: Backlog) -> None:
    long, short, third = backlog.collection("긴", 9), backlog.collection("짧은", 1), backlog.collection("셋째", 3)
    order = [backlog.claim()[0] for _ in range(5)]
    assert set(order[:3]) == {long.id, short.id, third.id}
    assert order[3:] == [long.id, long.id]
    assert backlog.claim() == (None, [])


def test_tenants_take_turns_before_collections_do(backlog: Backlog) -> None:
    many = [backlog.collection(f"모음 {n}", 6, "많은") for n in range(4)]
    lone = backlog.collection("하나", 6, "적은")
    order = [backlog.claim()[0] for _ in range(4)]
    assert order.count(lone.id) == 2
    assert {item for item in order if item != lone.id} <= {row.id for row in many}


def test_a_batch_is_of_one_collection_the_oldest_first_and_bounded(backlog: Backlog) -> None:
    backlog.collection("규정", 5)
    _, first = backlog.claim()
    _, rest = backlog.claim()
    assert (len(first), len(rest)) == (3, 2)
    rows = [backlog.row(item) for item in [*first, *rest]]
    assert [row.created_at for row in rows] == sorted(row.created_at for row in rows)
    assert {row.job_id for row in rows} == {"job-1", "job-2"}
    assert all(row.claimed_at is not None for row in rows)


def test_a_batch_is_bounded_in_bytes_but_takes_one_large_document(backlog: Backlog) -> None:
    backlog.collection("규정", 3)
    assert len(backlog.claim(limits=BatchLimits(10, 2))[1]) == 2  # a byte each
    assert len(backlog.claim(limits=BatchLimits(10, 0))[1]) == 1


def test_lanes_do_not_mix_and_pauses_hold(backlog: Backlog) -> None:
    quick = backlog.collection("급한", 1, priority=Priority.INTERACTIVE)
    slow = backlog.collection("느린", 1)
    with backlog.database.write() as session:
        session.get_one(Collection, slow.id).paused_at = utc_now()
    assert backlog.claim()[0] is None
    assert backlog.claim(Priority.INTERACTIVE)[0] == quick.id
    with backlog.database.write() as session:
        session.get_one(Collection, slow.id).paused_at = None
    assert backlog.claim()[0] == slow.id


def test_a_version_that_failed_before_goes_alone_and_not_before_its_time(backlog: Backlog) -> None:
    backlog.collection("규정", 3)
    [first, second, third] = backlog.claim()[1]
    row = backlog.fail(second, ParserCrashed(name="x"))
    assert (row.state, row.job_id, row.tries, row.error_code) == (VersionState.QUEUED, "", 1, "parser_crashed")
    assert backlog.claim()[1] == []
    backlog.change(second, retry_at=utc_now())
    with backlog.database.write() as session:
        assert queue.release(session, backlog.row(first).job_id) == 2
    assert backlog.claim()[1] == [first]  # created before `second`, which would have to share
    assert backlog.claim()[1] == [second]
    assert backlog.claim()[1] == [third]


def test_three_tries_and_longer_pauses_then_quarantine(backlog: Backlog) -> None:
    backlog.collection("규정", 1)
    pauses = []
    for _ in range(2):
        [version] = backlog.claim()[1]
        row = backlog.fail(version, ParserCrashed(name="x"))
        assert row.retry_at is not None
        pauses.append(round((row.retry_at - utc_now()).total_seconds()))
        backlog.change(version, retry_at=None)
    [version] = backlog.claim()[1]
    row = backlog.fail(version, ParserCrashed(name="x"))
    assert pauses == [5, 20]
    assert (row.state, row.tries, row.retryable) == (VersionState.QUARANTINED, 3, True)


def test_what_no_retry_can_mend_fails_at_once_and_an_outage_uses_up_no_try(backlog: Backlog) -> None:
    backlog.collection("규정", 2)
    bad, unlucky = backlog.claim()[1]
    assert backlog.fail(bad, FileDamaged(name="x", detail="y")).state == VersionState.FAILED
    row = backlog.fail(unlucky, IndexUnavailable(), counts=False)
    assert (row.state, row.tries) == (VersionState.QUEUED, 0)
    assert row.retry_at is not None and row.retry_at > utc_now() + timedelta(seconds=20)


def test_a_job_that_lost_a_version_can_not_fail_it(backlog: Backlog) -> None:
    backlog.collection("규정", 1)
    [version] = backlog.claim()[1]
    backlog.change(version, job_id="another")
    with backlog.database.write() as session:
        queue.record_failure(session, "job-1", version, FileDamaged(name="x", detail="y"), RULE)
        queue.quarantine(session, "job-1", version, ParserCrashed(name="x"))
    assert backlog.row(version).state == VersionState.QUEUED


def test_only_whoever_was_alone_when_a_worker_died_is_blamed(backlog: Backlog) -> None:
    backlog.collection("규정", 2)
    ids = backlog.claim()[1]
    with backlog.database.write() as session:
        versions.enter_stage(session, ids, Stage.PARSE, "job-1")
        assert set(queue.begun_before(session, "job-1", ids, Stage.PARSE)) == set(ids)
        assert list(queue.begun_before(session, "job-1", ids, Stage.CHUNK)) == []
        queue.count_crash(session, ids)
        assert list(queue.isolate(session, ids)) == []  # once is chance
        queue.count_crash(session, ids)
        assert list(queue.crashed_out(session, ids, 2)) == []  # two were in work: it may be either
        assert set(queue.isolate(session, ids)) == set(ids)
    _, alone = backlog.claim(Priority.SUSPECT)
    assert len(alone) == 1
    with backlog.database.write() as session:
        queue.count_crash(session, alone)
        assert [row.id for row in queue.crashed_out(session, alone, 3)] == alone


def test_what_takes_long_goes_on_alone_and_says_how_far_it_is(backlog: Backlog) -> None:
    backlog.collection("규정", 3, priority=Priority.INTERACTIVE)
    first, second, third = backlog.claim(Priority.INTERACTIVE)[1]
    with backlog.database.write() as session:
        versions.enter_stage(session, [first, second, third], Stage.PARSE, "job-1")
        versions.report_progress(session, first, 3, 900)
        assert queue.set_apart(session, "job-1", first)
        assert queue.set_apart(session, "job-1", second)
        assert not queue.set_apart(session, "job-1", second)  # it is gone already
        assert not queue.set_apart(session, "job-2", third)  # it is another job's
    row = backlog.row(first)
    assert (row.state, row.job_id, row.priority) == (VersionState.QUEUED, "", Priority.LONG_AWAITED)
    assert (row.stage, row.done, row.total, row.stage_started_at) == (Stage.PARSE, 3, 900, None)
    assert backlog.row(third).state == VersionState.RUNNING
    assert backlog.claim(Priority.BULK)[1] == []
    [alone] = backlog.claim(Priority.LONG)[1]
    with backlog.database.write() as session:
        versions.enter_stage(session, [alone], Stage.PARSE, "job-3")
        assert not queue.set_apart(session, "job-3", alone)  # there is nowhere else to go
    assert backlog.row(alone).state == VersionState.RUNNING
    assert len(backlog.claim(Priority.LONG)[1]) == 1


def test_while_one_leaves_no_other_may(backlog: Backlog) -> None:
    backlog.collection("규정", 1, priority=Priority.INTERACTIVE)
    [version] = backlog.claim(Priority.INTERACTIVE)[1]
    second: list[bool] = []

    def ask() -> None:
        with backlog.database.write() as session:
            second.append(queue.may_leave(session, timedelta(minutes=1)))

    with backlog.database.write() as session:
        versions.enter_stage(session, [version], Stage.PARSE, "job-1")
        assert queue.may_leave(session, timedelta(minutes=1))
        assert queue.set_apart(session, "job-1", version)
        other = threading.Thread(target=ask)
        other.start()
        other.join(0.5)
        assert not second, "it is not known yet whether the first one leaves"
    other.join(20)
    assert second == [False]
    with backlog.database.read() as session:
        assert queue.may_leave(session, timedelta(0)), "that was long ago"


def test_of_what_takes_long_that_goes_first_which_somebody_waits_for(backlog: Backlog) -> None:
    backlog.collection("보관", 4, priority=Priority.LONG)
    awaited = backlog.collection("규정", 1, priority=Priority.LONG_AWAITED)
    with backlog.database.read() as session:
        assert queue.anything_waits(session, Priority.LONG)
    assert backlog.claim(Priority.LONG)[0] == awaited.id
    same = backlog.collection("함께", 2, priority=Priority.LONG)
    with backlog.database.write() as session:
        late = add_version(session, add_document(session, same, "늦게.pdf"), 1, VersionState.QUEUED, job_id="")
        session.get_one(DocumentVersion, late).priority = Priority.LONG_AWAITED
    assert backlog.claim(Priority.LONG) == (same.id, [late])
    with backlog.database.read() as session:
        assert queue.jobs_not_begun(session, Priority.LONG) == 2
    assert len(backlog.claim(Priority.LONG)[1]) == 1
    with backlog.database.read() as session:
        assert not queue.anything_waits(session, Priority.INTERACTIVE)
        assert not queue.anything_waits(session, Priority.BULK)


def end_by_activation(session: Session, version: DocumentVersion, permit: Permit) -> None:
    version.state = VersionState.RUNNING
    session.flush()
    lifecycle.activate(session, version.id)


def end_by_failure(session: Session, version: DocumentVersion, permit: Permit) -> None:
    queue.record_failure(session, version.job_id, version.id, FileDamaged(name="a", detail="PDF"), RULE)


def end_by_tries(session: Session, version: DocumentVersion, permit: Permit) -> None:
    version.tries = RULE.tries
    queue.record_failure(session, version.job_id, version.id, ParserCrashed(name="a"), RULE)


def end_by_quarantine(session: Session, version: DocumentVersion, permit: Permit) -> None:
    queue.quarantine(session, version.job_id, version.id, WorkerLost(name="a"))


def end_by_cancel(session: Session, version: DocumentVersion, permit: Permit) -> None:
    queue.cancel(session, version)


def end_with_the_others(session: Session, version: DocumentVersion, permit: Permit) -> None:
    version.job_id = ""
    session.flush()
    queue.cancel_waiting(session, permit)


def end_by_deletion(session: Session, version: DocumentVersion, permit: Permit) -> None:
    lifecycle.hide(session, [version.document_id])


ENDINGS = [
    end_by_activation,
    end_by_failure,
    end_by_tries,
    end_by_quarantine,
    end_by_cancel,
    end_with_the_others,
    end_by_deletion,
]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
@pytest.mark.parametrize(
    "priority", [Priority.LONG_AWAITED, Priority.LONG, Priority.SUSPECT], ids=lambda item: item.name
)
def test_a_release_that_knows_no_long_documents_can_read_what_has_ended(
    backlog: Backlog, end: Callable[[Session, DocumentVersion, Permit], None], priority: Priority
) -> None:
    tenant = backlog.collection("규정", 1, priority=priority).tenant_id
    principal = Principal(tenant, "운영자", tenant, frozenset({Scope.WRITE}))
    permit = Policy(backlog.database).authorize(principal, Action.CONTROL_INGESTION)
    [version] = backlog.claim(Priority.SUSPECT if priority == Priority.SUSPECT else Priority.LONG)[1]
    with backlog.database.write() as session:
        end(session, session.get_one(DocumentVersion, version), permit)
    row = backlog.row(version)
    assert row.state not in (VersionState.QUEUED, VersionState.RUNNING)
    came_with = {Priority.LONG_AWAITED: Priority.INTERACTIVE, Priority.LONG: Priority.BULK}
    assert row.priority == came_with.get(priority, priority)


def test_what_was_cancelled_is_not_set_apart(backlog: Backlog) -> None:
    backlog.collection("규정", 1)
    [version] = backlog.claim()[1]
    with backlog.database.write() as session:
        versions.enter_stage(session, [version], Stage.PARSE, "job-1")
        assert queue.cancel(session, session.get_one(DocumentVersion, version))
        assert not queue.set_apart(session, "job-1", version)
    assert backlog.row(version).state == VersionState.CANCELLED


def test_work_that_was_laid_down_in_good_order_is_no_crash(backlog: Backlog) -> None:
    backlog.collection("규정", 1)
    ids = backlog.claim()[1]
    with backlog.database.write() as session:
        versions.enter_stage(session, ids, Stage.PARSE, "job-1")
        queue.interrupted(session, ["job-1"])
        assert list(queue.begun_before(session, "job-1", ids, Stage.PARSE)) == []


def test_retry_begins_anew_and_cancel_ends(backlog: Backlog) -> None:
    backlog.collection("규정", 1)
    [version] = backlog.claim()[1]
    with backlog.database.write() as session:
        row = session.get_one(DocumentVersion, version)
        assert not queue.retry(session, row, Priority.INTERACTIVE)
        assert queue.cancel(session, row)
        assert row.cleaned_at is not None  # never begun: nothing to clean
        assert not queue.cancel(session, row)
        assert queue.retry(session, row, Priority.INTERACTIVE)
    row = backlog.row(version)
    assert (row.state, row.job_id, row.priority, row.tries) == (VersionState.QUEUED, "", Priority.INTERACTIVE, 0)
    assert (row.error_code, row.finished_at, row.cleaned_at) == (None, None, None)


def test_a_worker_lives_as_long_as_its_lease(database: Database) -> None:
    with database.write() as session:
        worker.renew(session, "a")
        worker.renew(session, "b")
        session.get_one(worker.Worker, "b").seen_at = utc_now() - timedelta(minutes=2)
    lease = timedelta(minutes=1)
    with database.read() as session:
        assert list(worker.living(session, lease)) == ["a"]
        assert list(worker.expired(session, lease)) == ["b"]
    with database.write() as session:
        worker.renew(session, "b")
        worker.forget(session, ["a"])
        assert list(worker.living(session, lease)) == ["b"]


def test_the_pace_elsewhere_is_that_of_the_tenant_and_nothing_for_a_limited_key(backlog: Backlog) -> None:
    own, beside = backlog.collection("own", 2), backlog.collection("beside", 1)
    foreign = backlog.collection("foreign", 1, tenant="stranger")

    def seen(collections: frozenset[UUID] | None = None) -> tuple[int, int]:
        principal = Principal(own.tenant_id, "담당자", own.tenant_id, frozenset({Scope.READ}), collections)
        permit = Policy(backlog.database).authorize(principal, Action.READ_DOCUMENTS, ["own"])
        with backlog.database.read() as session:
            found = queue.workload(session, permit)
        return found.elsewhere, found.finished_elsewhere

    with backlog.database.write() as session:
        for row in (beside, foreign):
            ended = add_version(session, add_document(session, row, "ended.md"), 1, VersionState.ACTIVE)
            session.get_one(DocumentVersion, ended).finished_at = utc_now()
    assert seen() == (1, 1)
    assert seen(frozenset({own.id})) == (0, 0)


def test_the_workload_says_how_many_pages_of_those_in_work_were_read(backlog: Backlog) -> None:
    row = backlog.collection("규정", 3)
    first, second, third = backlog.claim()[1]
    principal = Principal(row.tenant_id, "담당자", row.tenant_id, frozenset({Scope.READ}))
    permit = Policy(backlog.database).authorize(principal, Action.READ_DOCUMENTS, ["규정"])
    with backlog.database.write() as session:
        versions.enter_stage(session, [first, second, third], Stage.PARSE, "job-1")
        session.get_one(DocumentVersion, third).total = 70  # of its stage before
        versions.report_progress(session, first, 3, 900)
        versions.report_progress(session, second, 8, 40)
        found = queue.workload(session, permit)
        assert (found.pages_read, found.pages, found.stages) == (11, 940, {"parse": 3})
        versions.enter_stage(session, [first, second, third], Stage.EMBED, "job-1")
        versions.report_progress(session, first, 3, 900)
        found = queue.workload(session, permit)
        assert (found.pages_read, found.pages, found.stages) == (0, 0, {"embed": 3})
