"""The hand that feeds the durable queue: a bounded window of the backlog at a time, and what dead processes left.

A thread of each worker. Every tenth of a second it gives waiting versions to new jobs, as many as the workers will begin soon:
a hundred thousand files that wait are rows in the database, not jobs. Now and then it renews this worker's lease and looks for
what nobody will finish: jobs of workers whose lease has run out, versions whose job was never queued, deletions without a purge.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID, uuid4

from ingest.pipeline.fault_points import reached
from rag.domain.errors import StoreDamaged, StoreFull, StoreReadOnly, StoreUnavailable
from rag.store import queue, worker
from rag.store.base import utc_now
from rag.store.queue import BatchLimits
from rag.store.session import Database
from rag.store.version import Priority

log = logging.getLogger(__name__)

_TOLD_EVERY_S = 60.0
"""A cause that keeps the queue waiting is told so often, though the queue looks twice a second."""
_LOOK_S = 0.1
_IDLE_LOOK_S = 0.5
_LANES = tuple(dict.fromkeys(priority.lane for priority in Priority))
_CLEANINGS = 100
_CLEANING_GRACE = timedelta(seconds=30)
"""A batch cleans up behind itself; what is older than this was left behind."""


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """What this worker may have in the queue.

    Attributes:
        version: of the workflows that this release can run.
        slots: jobs at once per lane in this process.
        alone: whether there is no other worker; then whatever is unknown to the queue at the start is lost, not young.
    """

    worker: str
    version: str
    slots: Mapping[Priority, int]
    batch: BatchLimits
    lease: timedelta
    alone: bool


@dataclass(frozen=True, slots=True)
class JobState:
    """What the durable queue knows of a job.

    Attributes:
        begun: whether `worker` has it in work, as far as the queue knows.
    """

    job_id: str
    is_open: bool
    begun: bool
    worker: str
    version: str


class DurableQueue(Protocol):
    """What the dispatcher needs of `IngestJobs`."""

    def submit(self, lane: Priority, job_id: str, version_ids: Sequence[UUID]) -> None:
        """Queue a batch."""

    def submit_purge(self, document_id: UUID) -> None:
        """Queue a purge."""

    def states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """What is known of these jobs."""

    def unfinished(self) -> list[JobState]:
        """Every job that is queued or in work, purges too."""

    def take_over(self, executor_id: str) -> None:
        """Queue a dead worker's jobs again."""

    def drop(self, job_id: str) -> None:
        """Forget a job that nobody can run."""


def _cause(error: StoreUnavailable) -> str:
    """Why the database can't be used, for the operator: the file is in no message that callers are shown."""
    path = error.params.get("path")
    return f"{error.code}: {path}" if path else error.code


class Dispatcher:
    """One worker's thread. `start` looks after what was left first, so that a restart loses no time."""

    def __init__(self, database: Database, jobs: DurableQueue, settings: DispatchSettings) -> None:
        self._database = database
        self._jobs = jobs
        self._settings = settings
        self._served: dict[UUID, int] = {}
        self._told: dict[str, float] = {}
        """Causes for which the queue waited, and when that was last told, by `time.monotonic`."""
        self._turn = itertools.count(1)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """End, and give the lease back."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        try:
            with self._database.write() as session:
                worker.forget(session, [self._settings.worker])
        except StoreUnavailable as error:
            log.warning("the lease of this worker could not be given back (%s); it runs out by itself", _cause(error))

    def renew_lease(self) -> None:
        """Say that this worker lives."""
        with self._database.write() as session:
            worker.renew(session, self._settings.worker)

    def _run(self) -> None:
        lease_s = self._settings.lease.total_seconds()
        young = timedelta(0) if self._settings.alone else self._settings.lease
        renewed_at = time.monotonic()
        look_after_at = renewed_at + (0 if self._settings.alone else lease_s / 2)
        while not self._stopping.is_set():
            queued = False
            now = time.monotonic()
            try:
                if now >= renewed_at + lease_s / 4:
                    self.renew_lease()
                    if now > renewed_at + lease_s:
                        # The database was away, or this machine slept: the other workers are not dead, they renew next.
                        look_after_at = now + lease_s
                    renewed_at = now
                if now >= look_after_at:
                    self.look_after(young)
                    young = self._settings.lease
                    look_after_at = now + lease_s / 3
                queued = self.dispatch() > 0
            except StoreUnavailable as error:
                self._tell(error)
            except Exception:  # a thread that dies would stop ingestion without a word
                log.exception("the dispatcher failed; it tries again")
            self._wake.wait(_LOOK_S if queued else _IDLE_LOOK_S)
            self._wake.clear()

    def _tell(self, error: StoreUnavailable) -> None:
        """Say why the queue waits. What does not pass by itself is an error: somebody has to do something."""
        cause, now = _cause(error), time.monotonic()
        if now < self._told.get(cause, -math.inf) + _TOLD_EVERY_S:
            return
        self._told[cause] = now
        level = logging.ERROR if isinstance(error, (StoreDamaged, StoreFull, StoreReadOnly)) else logging.WARNING
        log.log(level, "the database can't be used (%s); the queue waits", cause)

    def dispatch(self) -> int:
        """Queue the batches that the workers can begin soon; returns how many."""
        with self._database.read() as session:
            workers = len(worker.living(session, self._settings.lease)) or 1
            waiting = {lane: queue.jobs_not_begun(session, lane) for lane in _LANES}
        queued = 0
        for lane in _LANES:
            for _ in range(self._settings.slots[lane] * workers + 1 - waiting[lane]):
                if not self._queue_one(lane):
                    break
                queued += 1
        return queued

    def _queue_one(self, lane: Priority) -> bool:
        job_id = f"ingest-{uuid4()}"
        with self._database.read() as session:
            if not queue.anything_waits(session, lane):
                return False
        with self._database.write() as session:
            collection_id, version_ids = queue.claim(session, lane, job_id, self._settings.batch, self._served)
            reached("dispatch.claimed", job_id)
        if collection_id is None or not version_ids:
            return False
        self._served[collection_id] = next(self._turn)
        reached("dispatch.committed", job_id)
        self._jobs.submit(lane, job_id, version_ids)
        reached("dispatch.queued", job_id)
        return True

    def look_after(self, young: timedelta) -> None:
        """Give everything that nobody will finish to somebody who will.

        Args:
            young: what was given out more recently than this may still be on its way into the queue.
        """
        with self._database.read() as session:
            living = {self._settings.worker, *worker.living(session, self._settings.lease)}
            expired = worker.expired(session, self._settings.lease)
        unfinished = self._jobs.unfinished()
        self._take_over_the_dead(unfinished, living)
        if expired:
            with self._database.write() as session:
                worker.forget(session, expired)
        self._drop_the_outdated(unfinished, living)
        self._release_the_lost(young)
        with self._database.read() as session:
            grace = timedelta(0) if young == timedelta(0) else _CLEANING_GRACE
            left = queue.uncleaned(session, utc_now() - grace, _CLEANINGS)
        for document_id in left:
            self._jobs.submit_purge(document_id)

    def _take_over_the_dead(self, unfinished: Sequence[JobState], living: Container[str]) -> None:
        for executor_id in sorted({job.worker for job in unfinished if job.begun and job.worker not in living}):
            log.warning("worker %s is dead; its jobs are taken over", executor_id)
            self._jobs.take_over(executor_id)

    def _drop_the_outdated(self, unfinished: Sequence[JobState], living: Container[str]) -> None:
        """Jobs that an earlier release queued, whose steps were others: their versions get new jobs. One that was begun under our
        own name was begun by the process before us: the name stays the same over an upgrade, and nobody runs it any more."""
        for job in unfinished:
            runs = job.begun and job.worker in living and job.worker != self._settings.worker
            if job.version != self._settings.version and not runs:
                log.warning("job %s of release %s is replaced", job.job_id, job.version)
                self._jobs.drop(job.job_id)

    def _release_the_lost(self, young: timedelta) -> None:
        """Versions whose job the queue does not know, or that has ended without them."""
        with self._database.read() as session:
            jobs = queue.open_jobs(session)
        limit = utc_now() - young
        old = [job_id for job_id, claimed_at in jobs.items() if claimed_at is None or claimed_at <= limit]
        known = self._jobs.states(old)
        for job_id in old:
            if job_id in known and known[job_id].is_open:
                continue
            with self._database.write() as session:
                released = queue.release(session, job_id)
            if released:
                log.warning("%d versions of job %s wait again: nobody would have finished it", released, job_id)
