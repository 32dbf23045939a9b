"""The dispatcher against a queue in memory: how much it gives out, and what it takes back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from ingest.jobs import dispatcher as dispatcher_module
from ingest.jobs.dispatcher import Dispatcher, DispatchSettings, JobState
from rag.domain.errors import StoreDamaged, StoreReadOnly, StoreUnavailable
from rag.store import lifecycle, worker
from rag.store.base import utc_now
from rag.store.queue import BatchLimits
from rag.store.session import Database
from rag.store.version import DocumentVersion, Priority, VersionState
from tests.support.stores import add_collection, add_document, add_version

LEASE = timedelta(seconds=30)


class MemoryQueue:
    """What the dispatcher needs of the durable queue, in a dict."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobState] = {}
        self.given: list[tuple[Priority, list[UUID]]] = []
        self.purges: list[UUID] = []
        self.taken_over: list[str] = []
        self.dropped: list[str] = []
        self.away = False

    def submit(self, lane: Priority, job_id: str, version_ids: Sequence[UUID]) -> None:
        if self.away:
            raise StoreUnavailable
        self.given.append((lane, list(version_ids)))
        self.jobs[job_id] = JobState(job_id, is_open=True, begun=False, worker="", version="2")

    def submit_purge(self, document_id: UUID) -> None:
        self.purges.append(document_id)

    def states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        return {job_id: self.jobs[job_id] for job_id in job_ids if job_id in self.jobs}

    def unfinished(self) -> list[JobState]:
        return [job for job in self.jobs.values() if job.is_open]

    def take_over(self, executor_id: str) -> None:
        self.taken_over.append(executor_id)

    def drop(self, job_id: str) -> None:
        self.dropped.append(job_id)
        self.end(job_id)

    def hold(self, job_id: str, by: str, version: str = "2") -> None:
        self.jobs[job_id] = JobState(job_id, is_open=True, begun=True, worker=by, version=version)

    def end(self, job_id: str) -> None:
        self.jobs[job_id] = JobState(job_id, is_open=False, begun=False, worker="", version="2")


def dispatcher(database: Database, jobs: MemoryQueue, batch: int = 4) -> Dispatcher:
    settings = DispatchSettings(
        worker="ich",
        version="2",
        slots={lane: 2 if lane is Priority.BULK else 1 for lane in Priority},
        batch=BatchLimits(batch, 1 << 20),
        lease=LEASE,
        alone=False,
    )
    made = Dispatcher(database, jobs, settings)
    made.renew_lease()
    return made


def wait(database: Database, count: int, job_id: str = "", state: VersionState = VersionState.QUEUED) -> list[UUID]:
    collection = add_collection(database)
    with database.write() as session:
        return [
            add_version(session, add_document(session, collection, f"{job_id}{n}.md"), 1, state, job_id=job_id)
            for n in range(count)
        ]


def row(database: Database, version_id: UUID) -> DocumentVersion:
    with database.read() as session:
        return session.get_one(DocumentVersion, version_id)


def test_only_a_window_of_the_backlog_is_queued(database: Database) -> None:
    jobs = MemoryQueue()
    ids = wait(database, 100)
    feeding = dispatcher(database, jobs)
    assert feeding.dispatch() == 3  # two slots, one ahead
    assert feeding.dispatch() == 0
    with database.write() as session:  # a worker begins the first
        for version_id in jobs.given[0][1]:
            session.get_one(DocumentVersion, version_id).state = VersionState.RUNNING
    assert feeding.dispatch() == 1
    given = [item for _, batch in jobs.given for item in batch]
    assert len(given) == len(set(given)) == 16
    assert set(given) <= set(ids)


def test_more_workers_get_a_wider_window(database: Database) -> None:
    jobs = MemoryQueue()
    wait(database, 100)
    feeding = dispatcher(database, jobs)
    with database.write() as session:
        worker.renew(session, "du")
    assert feeding.dispatch() == 5


def test_what_was_given_out_but_never_queued_waits_again(database: Database) -> None:
    jobs = MemoryQueue()
    [version_id] = wait(database, 1)
    feeding = dispatcher(database, jobs)
    jobs.away = True
    with pytest.raises(StoreUnavailable):
        feeding.dispatch()
    assert row(database, version_id).job_id
    feeding.look_after(LEASE)
    assert row(database, version_id).job_id  # it may still be on its way
    feeding.look_after(timedelta(0))
    assert row(database, version_id).job_id == ""
    jobs.away = False
    assert feeding.dispatch() == 1


def test_versions_of_a_job_that_has_ended_wait_again(database: Database) -> None:
    jobs = MemoryQueue()
    [version_id] = wait(database, 1, "zu-ende", VersionState.RUNNING)
    jobs.end("zu-ende")
    dispatcher(database, jobs).look_after(LEASE)
    found = row(database, version_id)
    assert (found.state, found.job_id) == (VersionState.QUEUED, "")


def test_jobs_of_the_dead_are_taken_over_and_those_of_the_living_are_not(database: Database) -> None:
    jobs = MemoryQueue()
    feeding = dispatcher(database, jobs)
    with database.write() as session:
        worker.renew(session, "lebt")
        worker.renew(session, "tot")
        session.get_one(worker.Worker, "tot").seen_at = utc_now() - 2 * LEASE
    for job_id, by in (("a", "ich"), ("b", "lebt"), ("c", "tot"), ("d", "vergessen")):
        jobs.hold(job_id, by)
    feeding.look_after(LEASE)
    assert jobs.taken_over == ["tot", "vergessen"]
    with database.read() as session:
        assert list(worker.living(session, LEASE)) == ["ich", "lebt"]
        assert list(worker.expired(session, LEASE)) == []


def test_a_job_of_an_earlier_release_is_dropped_once_nobody_runs_it(database: Database) -> None:
    jobs = MemoryQueue()
    feeding = dispatcher(database, jobs)
    with database.write() as session:
        worker.renew(session, "alt")
    [old] = wait(database, 1, "alt-1", VersionState.RUNNING)
    jobs.hold("alt-1", "alt", version="1")
    feeding.look_after(LEASE)
    assert (row(database, old).state, jobs.dropped) == (VersionState.RUNNING, [])
    with database.write() as session:
        worker.forget(session, ["alt"])
    feeding.look_after(LEASE)
    assert (row(database, old).state, jobs.dropped) == (VersionState.QUEUED, ["alt-1"])


def test_a_job_of_an_earlier_release_under_our_own_name_is_dropped_at_once(database: Database) -> None:
    jobs = MemoryQueue()
    feeding = dispatcher(database, jobs)
    with database.write() as session:
        worker.renew(session, "ich")
    [old] = wait(database, 1, "ich-1", VersionState.RUNNING)
    jobs.hold("ich-1", "ich", version="1")
    jobs.hold("ich-2", "ich", version="2")
    feeding.look_after(LEASE)
    assert (row(database, old).state, jobs.dropped) == (VersionState.QUEUED, ["ich-1"])


def test_a_deletion_without_a_purge_gets_one(database: Database) -> None:
    jobs = MemoryQueue()
    feeding = dispatcher(database, jobs)
    [version_id] = wait(database, 1, state=VersionState.ACTIVE)
    document_id = row(database, version_id).document_id
    with database.write() as session:
        lifecycle.hide(session, [document_id])
    feeding.look_after(LEASE)
    assert jobs.purges == [document_id]


def test_a_worker_that_ends_gives_its_lease_back(database: Database) -> None:
    feeding = dispatcher(database, MemoryQueue())
    feeding.start()
    feeding.stop()
    with database.read() as session:
        assert list(worker.living(session, LEASE)) == []


class Unusable(Database):
    """A database that nobody can read or write."""

    def __init__(self, url: str, error: StoreUnavailable) -> None:
        super().__init__(url)
        self.error = error
        self.asked = threading.Semaphore(0)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        self.asked.release()
        raise self.error
        yield


@pytest.mark.parametrize(
    ("error", "level", "told"),
    [
        (StoreDamaged(path="/srv/seogo/seogo.db"), logging.ERROR, "store_damaged: /srv/seogo/seogo.db"),
        (StoreReadOnly(path="/srv/seogo/seogo.db"), logging.ERROR, "store_read_only: /srv/seogo/seogo.db"),
        (StoreUnavailable(), logging.WARNING, "store_unavailable"),
    ],
    ids=["damaged", "read-only", "away"],
)
def test_why_the_database_can_not_be_used_is_told_once_a_minute(
    error: StoreUnavailable,
    level: int,
    told: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unusable = Unusable(f"sqlite:///{tmp_path / 'seogo.db'}", error)
    settings = DispatchSettings("ich", "2", dict.fromkeys(Priority, 1), BatchLimits(4, 1 << 20), LEASE, alone=False)
    feeding = Dispatcher(unusable, MemoryQueue(), settings)

    def look(times: int) -> None:
        for _ in range(times):
            assert unusable.asked.acquire(timeout=20)
            feeding.wake()

    with caplog.at_level(logging.WARNING, "ingest.jobs.dispatcher"):
        feeding.start()
        look(5)
        monkeypatch.setattr(dispatcher_module, "_TOLD_EVERY_S", 0.0, raising=False)
        look(3)
        monkeypatch.setattr(dispatcher_module, "_TOLD_EVERY_S", 60.0, raising=False)
        look(1)
        first = [record for record in caplog.records if "queue waits" in record.getMessage()]
        feeding.stop()
    unusable.close()
    assert 3 <= len(first) <= 5
    assert {record.levelno for record in first} == {level}
    assert {record.getMessage() for record in first} == {f"the database can't be used ({told}); the queue waits"}
    assert told in caplog.messages[-1], "the lease could not be given back"
