"""Durable ingestion on DBOS: a workflow per batch of documents, a step per stage.

A killed process resumes each batch at the step it was in (DBOS keeps which steps are done); the steps themselves are safe to
repeat. Inputs and outputs are lists of ids in JSON: no pickle, and the queue's tables stay small.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, StepOptions
from dbos import error as dbos_error

from ingest.pipeline import maintenance
from ingest.pipeline.children import waiting
from ingest.pipeline.steps import Pipeline
from rag.domain.errors import SeogoError, Unavailable
from rag.store import lifecycle
from rag.store.base import utc_now

log = logging.getLogger(__name__)

INGEST_QUEUE = "ingest"
PURGE_QUEUE = "purge"
WORKFLOW_VERSION = "1"
"""Raise when the order or the meaning of steps changes: DBOS recovers a workflow only under the version it began with."""

_POLL_S = 0.1
_GRACE_S = 5
_LOST_AFTER = timedelta(seconds=60)
_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How this process takes part in the queue.

    Attributes:
        database_url: SQLAlchemy URL of the queue's own tables.
        listen: whether this process runs jobs, or only submits them.
    """

    database_url: str
    executor_id: str
    concurrency: int
    listen: bool = True


class IngestJobs:
    """The queue of one process. DBOS allows one per process; `stop` makes room for the next."""

    def __init__(self, pipeline: Pipeline, settings: JobSettings) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._ingest: Callable[[list[str]], None] | None = None
        self._purge: Callable[[str], None] | None = None

    def start(self) -> None:
        """Connect, recover what an earlier process left, and begin to work when listening."""
        config: DBOSConfig = {
            "name": "seogo",
            "system_database_url": self._settings.database_url,
            "enable_otlp": False,
            "log_level": "ERROR",
            "application_version": WORKFLOW_VERSION,
            "executor_id": self._settings.executor_id,
            "serializer": DBOSPortableJSONSerializer(),
        }
        DBOS(config=config)
        self._register()
        if not self._settings.listen:
            DBOS.listen_queues([])
        DBOS.launch()
        DBOS.register_queue(INGEST_QUEUE, worker_concurrency=self._settings.concurrency, polling_interval_sec=_POLL_S)
        DBOS.register_queue(PURGE_QUEUE, worker_concurrency=1, polling_interval_sec=_POLL_S)
        if self._settings.listen:
            self._resubmit_lost()

    def submit(self, job_id: str, version_ids: Sequence[UUID]) -> None:
        """Queue the ingestion of a batch. The same job id is never run twice."""
        if self._ingest is None:
            raise RuntimeError("the queue is not started")
        with SetWorkflowID(job_id):
            DBOS.enqueue_workflow(INGEST_QUEUE, self._ingest, [str(item) for item in version_ids])

    def submit_purge(self, document_id: UUID) -> None:
        """Queue the removal of a deleted document from index, chunks and blobs."""
        if self._purge is None:
            raise RuntimeError("the queue is not started")
        DBOS.enqueue_workflow(PURGE_QUEUE, self._purge, str(document_id))

    def stop(self) -> None:
        """Disconnect. A batch in work is given a moment; what is left resumes at the next start."""
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=_GRACE_S)

    def _register(self) -> None:
        pipeline = self._pipeline

        @DBOS.workflow(name="ingest_batch")
        def ingest_batch(version_ids: list[str]) -> None:
            _run_batch(pipeline, version_ids, self.submit)

        @DBOS.workflow(name="purge_document")
        def purge_document(document_id: str) -> None:
            DBOS.run_step(_options("purge"), maintenance.purge_document, pipeline, UUID(document_id))

        self._ingest, self._purge = ingest_batch, purge_document

    def _resubmit_lost(self) -> None:
        """Queue again what was recorded but never queued (a crash in between), or whose job ended without a result."""
        with self._pipeline.database.read() as session:
            waiting = lifecycle.unfinished_jobs(session, created_before=utc_now() - _LOST_AFTER)
        for job_id, version_ids in waiting.items():
            status = DBOS.get_workflow_status(job_id)
            if status is None:
                self.submit(job_id, version_ids)
            elif status.status in _ENDED:
                again = new_job_id()
                with self._pipeline.database.write() as session:
                    lifecycle.assign_job(session, version_ids, again)
                self.submit(again, version_ids)


def new_job_id() -> str:
    """Id of a job that has not been queued before."""
    return f"ingest-{uuid4()}"


def _run_batch(pipeline: Pipeline, version_ids: list[str], submit: Callable[[str, Sequence[UUID]], None]) -> None:
    steps: tuple[tuple[str, Callable[[Sequence[UUID]], list[UUID]]], ...] = (
        ("identify", pipeline.identify),
        ("parse", pipeline.parse),
        ("chunk", pipeline.chunk),
        ("embed", pipeline.embed),
        ("index", pipeline.index_points),
        ("activate", pipeline.activate),
    )
    remaining = version_ids
    for name, step in steps:
        try:
            remaining = DBOS.run_step(_options(name), _run_step, step, remaining)
        except dbos_error.DBOSMaxStepRetriesExceeded:
            log.error("step %s failed for good on a batch of %d documents", name, len(remaining))
            DBOS.run_step(_options("fail"), _record_failure, pipeline, remaining)
            return
        if name == "parse":
            # Here and not in a step: DBOS queues only from a workflow. The ids are fixed, so a replay queues nothing twice.
            for job_id, children in DBOS.run_step(_options("children"), _children, pipeline, version_ids):
                submit(job_id, [UUID(item) for item in children])


def _children(pipeline: Pipeline, ids: list[str]) -> list[tuple[str, list[str]]]:
    jobs = waiting(pipeline.database, [UUID(item) for item in ids])
    return [(job_id, [str(item) for item in found]) for job_id, found in jobs]


def _run_step(step: Callable[[Sequence[UUID]], list[UUID]], ids: list[str]) -> list[str]:
    """One step on ids as the queue stores them. A defect of ours must not leave documents running for ever."""
    try:
        return [str(item) for item in step([UUID(item) for item in ids])]
    except SeogoError:
        raise
    except Exception as error:
        log.exception("a step failed unexpectedly on a batch of %d documents", len(ids))
        raise Unavailable from error


def _record_failure(pipeline: Pipeline, ids: list[str]) -> None:
    pipeline.fail([UUID(item) for item in ids], Unavailable())


def _options(name: str) -> StepOptions:
    return StepOptions(
        name=name,
        retries_allowed=True,
        max_attempts=3,
        interval_seconds=1.0,
        backoff_rate=4.0,
        should_retry=lambda error: isinstance(error, Unavailable),
    )
