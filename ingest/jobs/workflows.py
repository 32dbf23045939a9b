"""Durable ingestion on DBOS: a workflow per batch of documents, a step per stage.

A killed process resumes each batch at the step it was in (DBOS keeps which steps are done); the steps themselves are safe to
repeat. Inputs and outputs are lists of ids in JSON: no pickle, and the queue's tables stay small. What is queued when, and what
becomes of a dead worker's jobs, is in `dispatcher.py`.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID, uuid4

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, StepOptions
from dbos import error as dbos_error

from ingest.jobs.dispatcher import Dispatcher, DispatchSettings, JobState
from ingest.jobs.durable import AT_ONCE_S, UNHURRIED_S
from ingest.jobs.heap import tidy_after
from ingest.jobs.programs import ProgramJobs
from ingest.jobs.queue_looks import make_looks_cheap
from ingest.jobs.upkeep import UpkeepJobs
from ingest.pipeline.fault_points import reached
from ingest.pipeline.migration import SHARE, Pace
from ingest.pipeline.steps import Batch, Pipeline
from rag.domain.errors import ModelAway, SeogoError, Unavailable
from rag.store import queue
from rag.store.queue import BatchLimits
from rag.store.version import Priority

log = logging.getLogger(__name__)

QUEUES = {
    Priority.INTERACTIVE: "ingest_interactive",
    Priority.BULK: "ingest",
    Priority.LONG: "ingest_long",
    Priority.SUSPECT: "ingest_suspect",
}
"""A queue per lane, each with workers of its own: a few files never wait behind a thousand, nor anything behind a long scan."""
_LOOK_S = {
    Priority.INTERACTIVE: AT_ONCE_S,
    Priority.BULK: AT_ONCE_S,  # a batch takes about a second: a slot that waits for the next one is lost time
    Priority.LONG: UNHURRIED_S,
    Priority.SUSPECT: UNHURRIED_S,
}
WORKFLOW_VERSION = "3"
"""Raise when the order or the meaning of steps changes: DBOS recovers a workflow only under the version it began with."""

_INTERACTIVE_JOBS = 2
"""At least: with one, a scan of somebody's would hold up whoever else waits for a file."""
_GRACE_S = 5
_OPEN = ("ENQUEUED", "PENDING", "DELAYED")
_INGEST = "ingest_batch"
_LOOKED_AT = 5000


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How this process takes part in the queue.

    Attributes:
        database_url: SQLAlchemy URL of the queue's own tables.
        executor_id: name of this process among the workers; None makes a new one.
        concurrency: batches of the bulk lane at once in this process.
        listen: whether this process runs jobs, or only submits them.
        lease: a worker that was not seen for so long is dead, and its jobs are taken over.
        build_share: see `Pace`.
    """

    database_url: str
    executor_id: str | None
    concurrency: int
    batch: BatchLimits
    listen: bool = True
    lease: timedelta = timedelta(seconds=30)
    build_share: float = SHARE

    @property
    def alone(self) -> bool:
        """Whether no other process can work on this queue: it lies in a file that the embedded shape owns."""
        return self.database_url.startswith("sqlite")

    def name_of_worker(self) -> str:
        """The executor id. A process that is alone always has the same, so that it resumes what it left at once."""
        return self.executor_id or ("local" if self.alone else f"{socket.gethostname()}-{uuid4().hex[:12]}")


class FurtherJobs(Protocol):
    """Jobs of another kind on the same queue; named before `start`."""

    def register(self) -> None:
        """Make the workflows known; before the queue is launched."""

    def register_queues(self) -> None:
        """Make the queues known; once it is launched."""


class IngestJobs:
    """The queue of one process. DBOS allows one per process; `stop` makes room for the next."""

    def __init__(self, pipeline: Pipeline, settings: JobSettings, programs: ProgramJobs | None = None) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._executor_id = settings.name_of_worker()
        self._ingest: Callable[[list[str]], None] | None = None
        self.upkeep = UpkeepJobs(pipeline, Pace(settings.build_share))
        self.programs = programs
        self.further: list[FurtherJobs] = []
        self._running: set[str] = set()
        self._guard = threading.Lock()
        self._dispatcher: Dispatcher | None = None

    def start(self) -> None:
        """Connect, recover what an earlier process left, and begin to work when listening."""
        config: DBOSConfig = {
            "name": "seogo",
            "system_database_url": self._settings.database_url,
            "enable_otlp": False,
            "log_level": "ERROR",
            "application_version": WORKFLOW_VERSION,
            "executor_id": self._executor_id,
            "serializer": DBOSPortableJSONSerializer(),
            # A connection to a file is alive, and a dozen queues look into it all the time.
            "db_engine_kwargs": {"pool_pre_ping": not self._settings.alone},
        }
        instance = DBOS(config=config)
        self._register()
        if not self._settings.listen:
            DBOS.listen_queues([])
        if self._settings.listen:
            # Before the queue begins: another worker must see this one alive when it sees its first job.
            self._dispatcher = Dispatcher(self._pipeline.database, self, self._dispatch_settings())
            self._dispatcher.renew_lease()
        DBOS.launch()
        make_looks_cheap(instance._sys_db)
        for lane, slots in self._dispatch_settings().slots.items():
            DBOS.register_queue(QUEUES[lane], worker_concurrency=slots, polling_interval_sec=_LOOK_S[lane])
        self.upkeep.register_queues()
        if self.programs is not None:
            self.programs.register_queue()
        for jobs in self.further:
            jobs.register_queues()
        if self._dispatcher is not None:
            self._dispatcher.start()

    def wake(self) -> None:
        """Say that something new waits, so that it need not wait for the next look."""
        if self._dispatcher is not None:
            self._dispatcher.wake()

    def submit(self, lane: Priority, job_id: str, version_ids: Sequence[UUID]) -> None:
        """Queue the ingestion of a batch. The same job id is never run twice."""
        if self._ingest is None:
            raise RuntimeError("the queue is not started")
        with SetWorkflowID(job_id):
            DBOS.enqueue_workflow(QUEUES[lane], self._ingest, [str(item) for item in version_ids])

    def submit_purge(self, document_id: UUID) -> None:
        """Queue the removal of what a document left in index, chunks and blobs, unless that is queued already."""
        self.upkeep.purge(document_id)

    def states(self, job_ids: Iterable[str]) -> dict[str, JobState]:
        """What the queue knows of these jobs; one that it does not know is left out."""
        wanted = list(job_ids)
        if not wanted:
            return {}
        found = DBOS.list_workflows(workflow_ids=wanted, load_input=False, load_output=False)
        return {item.workflow_id: _job_state(item) for item in found}

    def unfinished(self) -> list[JobState]:
        """The oldest jobs that are queued or in work, purges too; of batches there is only a window anyway."""
        return [_job_state(item) for item in _open_workflows(_LOOKED_AT)]

    def take_over(self, executor_id: str) -> None:
        """Queue the jobs of a dead worker again. DBOS lets each be taken over only once."""
        DBOS._recover_pending_workflows([executor_id])

    def drop(self, job_id: str) -> None:
        """Take a job out of the queue that nobody can run: an earlier release queued it."""
        DBOS.cancel_workflow(job_id)

    def stop(self) -> None:
        """Disconnect. A batch in work is given a moment; what is left resumes at the next start."""
        if self._dispatcher is not None:
            self._dispatcher.stop()
        self._pipeline.stopping.set()
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=_GRACE_S if self._has_work() else 0)
        with self._guard:
            left = sorted(self._running)
        if left:
            with self._pipeline.database.write() as session:
                queue.interrupted(session, left)

    def _has_work(self) -> bool:
        """Whether any job is queued or in work. With a time for completion DBOS sleeps a second before its first look; without
        one it does not wait for a job that a queue has just claimed."""
        try:
            return bool(_open_workflows(1))
        except Exception:  # the store is away: whatever the reason, the end is not held up
            log.warning("whether anything is in work could not be looked up", exc_info=True)
            return True

    def _dispatch_settings(self) -> DispatchSettings:
        at_once = self._settings.concurrency
        # Half of the children, so that bulk has the other half. With one child for what nobody waits for, a long document and
        # bulk take turns, a part of some pages each (`ParseSandbox.parse`).
        slots = {
            Priority.INTERACTIVE: max(_INTERACTIVE_JOBS, at_once),
            Priority.BULK: at_once,
            Priority.LONG: max(1, self._pipeline.parse_concurrency // 2),
            Priority.SUSPECT: 1,
        }
        return DispatchSettings(
            worker=self._executor_id,
            version=WORKFLOW_VERSION,
            slots=slots,
            batch=self._settings.batch,
            lease=self._settings.lease,
            alone=self._settings.alone,
        )

    def _register(self) -> None:
        pipeline = self._pipeline

        @DBOS.workflow(name=_INGEST)
        def ingest_batch(version_ids: list[str]) -> None:
            job_id = str(DBOS.workflow_id)
            with self._guard:
                self._running.add(job_id)
            reached("batch.begin", job_id)
            tidy_after(partial(_run_batch, pipeline, job_id, version_ids))
            reached("batch.end", job_id)
            # Not in a `finally`: a job that is torn off by the end of the process was not ended.
            with self._guard:
                self._running.discard(job_id)
            self.wake()

        self._ingest = ingest_batch
        self.upkeep.register()
        if self.programs is not None:
            self.programs.register()
        for jobs in self.further:
            jobs.register()


def _open_workflows(most: int) -> list[Any]:
    """The oldest that are queued or in work."""
    return DBOS.list_workflows(status=list(_OPEN), limit=most, load_input=False, load_output=False)


def _job_state(status: Any) -> JobState:
    return JobState(
        job_id=status.workflow_id,
        is_open=status.status in _OPEN,
        begun=status.status == "PENDING",
        worker=status.executor_id or "",
        version=status.app_version or "",
    )


def _run_batch(pipeline: Pipeline, job_id: str, version_ids: list[str]) -> None:
    steps: tuple[tuple[str, Callable[[Batch], list[UUID]]], ...] = (
        ("identify", pipeline.identify),
        ("parse", pipeline.parse),
        ("chunk", pipeline.chunk),
        ("embed", pipeline.embed),
        ("index", pipeline.index_points),
        ("activate", pipeline.activate),
    )
    remaining = version_ids
    for name, step in steps:
        if not remaining:
            break
        try:
            remaining = DBOS.run_step(_options(name), _run_step, name, step, job_id, remaining)
        except dbos_error.DBOSMaxStepRetriesExceeded as error:
            log.error("step %s failed for good on a batch of %d documents", name, len(remaining))
            DBOS.run_step(_options("fail"), _record_failure, pipeline, job_id, remaining, _reason(error))
            break
        reached(f"{name}.recorded", job_id)
    try:
        DBOS.run_step(_options("tidy"), _run_step, "tidy", pipeline.tidy, job_id, version_ids)
    except dbos_error.DBOSMaxStepRetriesExceeded:
        log.error("what %d documents left behind is removed later", len(version_ids))
    reached("tidy.recorded", job_id)


def _run_step(name: str, step: Callable[[Batch], list[UUID]], job_id: str, ids: list[str]) -> list[str]:
    """One step on ids as the queue stores them. A defect of ours must not leave documents running for ever."""
    status = DBOS.step_status
    again = bool(status is not None and status.current_attempt)
    reached(f"{name}.begin", job_id)
    try:
        done = [str(item) for item in step(Batch(job_id, [UUID(item) for item in ids], again))]
    except SeogoError:
        raise
    except Exception as error:
        log.exception("a step failed unexpectedly on a batch of %d documents", len(ids))
        raise Unavailable from error
    reached(f"{name}.end", job_id)
    return done


def _reason(error: dbos_error.DBOSMaxStepRetriesExceeded) -> SeogoError:
    """What the last try of a step said; of those to a server that is away, what an earlier one said that was taken: the text
    that brings a server down finds it away from then on, and is not to be tried for ever. What was on its way when a server
    went down for another reason looks the same from here, and loses a try."""
    said = [item for item in reversed(error.errors) if isinstance(item, SeogoError)]
    return next((item for item in said if not isinstance(item, ModelAway)), said[0] if said else Unavailable())


def _record_failure(pipeline: Pipeline, job_id: str, ids: list[str], error: SeogoError) -> None:
    pipeline.fail(Batch(job_id, [UUID(item) for item in ids]), error)


def _options(name: str) -> StepOptions:
    return StepOptions(
        name=name,
        retries_allowed=True,
        max_attempts=3,
        interval_seconds=1.0,
        backoff_rate=4.0,
        should_retry=lambda error: isinstance(error, Unavailable),
    )
