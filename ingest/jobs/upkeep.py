"""Durable jobs beside ingestion: purging, deleting collections, retention, labels.

Each is safe to repeat. `look_around` finds what a crash left behind between the record and the queue; the worker runs it every
minute (`Upkeep`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ParamSpec, Protocol, TypeVar
from uuid import UUID, uuid4

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID
from dbos import error as dbos_error
from sqlalchemy import select

from ingest.jobs.durable import AT_ONCE_S, SOON_S, UNHURRIED_S, durable_step
from ingest.jobs.heap import give_memory_back
from ingest.pipeline import labels, migration, purging, removal, retention
from ingest.pipeline.fault_points import reached
from ingest.pipeline.steps import Pipeline
from rag.domain.retention import rules_from_json
from rag.store import embedding_space, receipt
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.embedding_space import SpaceState

log = logging.getLogger(__name__)

QUEUE = "purge"
LONG_QUEUE = "upkeep"
"""For what takes long: a document that is deleted meanwhile must not wait for it."""
SPACE_QUEUE = "spaces"
"""For building an embedding space, which takes hours: one at a time among all workers."""
P = ParamSpec("P")
R = TypeVar("R")

ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_LOST_AFTER = timedelta(seconds=30)
_MOST_AT_ONCE = 500
_FEW = 20
_RETENTION_EVERY_S = 3600
_PATIENCE_S = 5.0
"""How long the end of the process waits for a chore in work, which may be waiting for somebody else."""


@dataclass(slots=True)
class UpkeepJobs:
    """Registers the workflows and submits them. Submitting one twice does no harm."""

    pipeline: Pipeline
    pace: migration.Pace = field(default_factory=migration.Pace)
    chores: list[Callable[[], object]] = field(default_factory=list)
    """What else is to be done every so often (`Upkeep`); each is safe to repeat and bounded by itself."""
    after_build: Callable[[], object] | None = None
    """What follows when a build of an embedding space has ended, well or not; safe to repeat."""

    def register(self) -> None:
        """Make the workflows known; before the queue is launched."""
        pipeline = self.pipeline

        @DBOS.workflow(name="purge_document")
        def purge_document(document_id: str) -> None:
            durable_step("purge", purging.purge_document, pipeline, UUID(document_id))

        @DBOS.workflow(name="purge_documents")
        def purge_documents(document_ids: list[str]) -> None:
            for start in range(0, len(document_ids), removal.BATCH):
                ids = [UUID(item) for item in document_ids[start : start + removal.BATCH]]
                durable_step("purge", purging.purge_as_far_as_possible, pipeline, ids)

        @DBOS.workflow(name="delete_collection")
        def delete_collection(collection_id: str) -> None:
            identity = UUID(collection_id)
            while durable_step("hide", _count_hidden, pipeline, identity):
                pass
            while durable_step("purge", removal.purge_next, pipeline, identity):
                pass
            durable_step("close", removal.close_collection, pipeline, identity)

        @DBOS.workflow(name="apply_retention")
        def apply_retention(collection_id: str) -> None:
            identity = UUID(collection_id)
            while document_ids := durable_step("retire", _expire_next, pipeline, identity):
                ids = [UUID(item) for item in document_ids]
                durable_step("purge", purging.purge_as_far_as_possible, pipeline, ids)

        self._purge, self._purge_many, self._collection = purge_document, purge_documents, delete_collection
        self._retention = apply_retention
        self._register_relabelling()
        self._register_build()

    def _register_relabelling(self) -> None:
        pipeline = self.pipeline

        @DBOS.workflow(name="relabel_document")
        def relabel_document(document_id: str) -> None:
            durable_step("relabel", labels.relabel_family, pipeline.database, pipeline.index, UUID(document_id))

        @DBOS.workflow(name="relabel_documents")
        def relabel_documents(document_ids: list[str]) -> None:
            for start in range(0, len(document_ids), removal.BATCH):
                ids = [UUID(item) for item in document_ids[start : start + removal.BATCH]]
                durable_step("relabel", labels.relabel_documents, pipeline.database, pipeline.index, ids)

        self._relabel, self._relabel_many = relabel_document, relabel_documents

    def _register_build(self) -> None:
        pipeline, pace = self.pipeline, self.pace

        @DBOS.workflow(name="build_space")
        def build_space(space_id: str) -> None:
            while durable_step("build", migration.build_next, pipeline, space_id, pace):
                pass
            durable_step("after_build", self._after_build)

        self._space = build_space

    _purge: Callable[[str], None] | None = None
    _purge_many: Callable[[list[str]], None] | None = None
    _collection: Callable[[str], None] | None = None
    _relabel: Callable[[str], None] | None = None
    _relabel_many: Callable[[list[str]], None] | None = None
    _retention: Callable[[str], None] | None = None
    _space: Callable[[str], None] | None = None

    def register_queues(self) -> None:
        """Make the queues known; once the queue is launched."""
        # New labels, too, are given to points by it: what a change of rights opens is found when they have them.
        DBOS.register_queue(QUEUE, worker_concurrency=2, polling_interval_sec=AT_ONCE_S)
        DBOS.register_queue(LONG_QUEUE, worker_concurrency=2, polling_interval_sec=SOON_S)
        DBOS.register_queue(SPACE_QUEUE, global_concurrency=1, polling_interval_sec=UNHURRIED_S)

    def purge(self, document_id: UUID) -> None:
        """Queue the removal of what a document left in index, chunks and blobs, unless that is queued already."""
        try:
            with SetEnqueueOptions(deduplication_id=str(document_id)):
                self._submit(self._purge, document_id)
        except dbos_error.DBOSQueueDeduplicatedError:
            log.debug("the purge of document %s is queued already", document_id)

    def purge_many(self, document_ids: Sequence[UUID]) -> None:
        """Queue the purge of what is deleted of several documents: few as urgent ones, many as one long job."""
        if len(document_ids) > _FEW:
            self._submit_many(document_ids)
        else:
            for document_id in document_ids:
                self.purge(document_id)

    def _submit_many(self, document_ids: Sequence[UUID]) -> None:
        if self._purge_many is None:
            raise RuntimeError("the queue is not started")
        DBOS.enqueue_workflow(LONG_QUEUE, self._purge_many, [str(item) for item in document_ids])

    def delete_collection(self, collection_id: UUID) -> None:
        """Queue the deletion of the documents of a deleted collection, unless that is queued or running already."""
        job_id = f"delete-collection-{collection_id}"
        status = DBOS.get_workflow_status(job_id)
        if status is not None and status.status not in ENDED:
            return
        with SetWorkflowID(job_id if status is None else f"{job_id}-{uuid4()}"):
            self._submit(self._collection, collection_id, LONG_QUEUE)

    def build_space(self, space_id: str) -> None:
        """Queue the building of an embedding space, unless that is queued or running already."""
        if self._space is None:
            raise RuntimeError("the queue is not started")
        reached("migrate.begun", space_id)
        try:
            with SetEnqueueOptions(deduplication_id=space_id):
                DBOS.enqueue_workflow(SPACE_QUEUE, self._space, space_id)
        except dbos_error.DBOSQueueDeduplicatedError:
            log.debug("the embedding space %s is being built already", space_id)

    def _after_build(self) -> None:
        if self.after_build is not None:
            self.after_build()

    def relabel(self, document_id: UUID) -> None:
        """Queue the labelling of a document's points."""
        self._submit(self._relabel, document_id)

    def relabel_many(self, document_ids: Sequence[UUID]) -> None:
        """Queue the same for several documents: few as urgent ones, many as one long job."""
        if len(document_ids) <= _FEW:
            for document_id in document_ids:
                self.relabel(document_id)
            return
        if self._relabel_many is None:
            raise RuntimeError("the queue is not started")
        DBOS.enqueue_workflow(LONG_QUEUE, self._relabel_many, [str(item) for item in document_ids])

    def apply_retention(self, collection_id: UUID) -> None:
        """Queue the retention rules of a collection, once an hour whoever asks how often."""
        hour = int(utc_now().timestamp()) // _RETENTION_EVERY_S
        with SetWorkflowID(f"retention-{collection_id}-{hour}"):
            self._submit(self._retention, collection_id, LONG_QUEUE)

    def look_around(self) -> None:
        """Queue again whatever is recorded as unfinished, and the retention rules that are due."""
        before = utc_now() - _LOST_AFTER
        with self.pipeline.database.read() as session:
            documents = receipt.open_documents(session, before, _MOST_AT_ONCE)
            collections = receipt.open_collections(session, before)
            pending = session.scalars(select(Document.id).where(Document.labels_pending).limit(_MOST_AT_ONCE)).all()
            ruled = session.scalars(
                select(Collection).where(Collection.retention.is_not(None), Collection.deleted_at.is_(None))
            ).all()
            building = [row.id for row in embedding_space.in_step(session) if row.state == SpaceState.BUILDING]
        for space_id in building:
            self.build_space(space_id)
        minute = int(utc_now().timestamp()) // 60
        for collection_id in collections:
            self.delete_collection(collection_id)
        # several workers look around at once: the same id in the same minute is the same workflow
        if documents:
            with SetWorkflowID(f"purge-open-{minute}"):
                self._submit_many(list(dict.fromkeys(documents)))
        for identity in pending:
            with SetWorkflowID(f"relabel-{identity}-{minute}"):
                self.relabel(identity)
        for row in ruled:
            if not rules_from_json(row.retention).idle:
                self.apply_retention(row.id)

    def _submit(self, workflow: Callable[[str], None] | None, identity: UUID, queue: str = QUEUE) -> None:
        if workflow is None:
            raise RuntimeError("the queue is not started")
        DBOS.enqueue_workflow(queue, workflow, str(identity))


class LooksAround(Protocol):
    """Jobs that find again what a crash left."""

    def look_around(self) -> None:
        """Queue what is recorded as unfinished."""


class Upkeep:
    """Looks around every `every_s` seconds in a thread of its own, until `stop`; does the chores in another.

    Chores may wait long for others (a directory, an address): lost work is found again meanwhile, and a chore that fails
    keeps none of the rest from being done.
    """

    def __init__(
        self, jobs: LooksAround | Sequence[LooksAround], every_s: float, chores: Sequence[Callable[[], object]] = ()
    ) -> None:
        self._jobs = jobs if isinstance(jobs, Sequence) else [jobs]
        self._every_s = every_s
        self._chores = chores
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, name="upkeep", daemon=True)
        self._chores_thread = threading.Thread(target=self._do_chores, name="chores", daemon=True)

    def start(self) -> None:
        """Begin; the first look is at once, and so are the chores."""
        self._thread.start()
        self._chores_thread.start()

    def stop(self, patience_s: float = _PATIENCE_S) -> None:
        """End after the look in work, and after the chore in work unless that takes longer than `patience_s`."""
        self._stopping.set()
        self._chores_thread.join(patience_s)
        if self._chores_thread.is_alive():
            log.warning("a chore is cut off: it is done again at the next start")
        self._thread.join()

    def _do_chores(self) -> None:
        while not self._stopping.is_set():
            for chore in self._chores:
                if self._stopping.is_set():
                    return
                try:
                    chore()
                except Exception:  # it is safe to repeat: the next time does what this one left
                    if not self._stopping.is_set():
                        log.warning("the chore %s failed", _name_of(chore), exc_info=True)
            self._stopping.wait(self._every_s)

    def _look(self) -> None:
        while not self._stopping.is_set():
            for jobs in self._jobs:
                try:
                    jobs.look_around()
                except Exception:  # such as a database that is away: the next look finds the same
                    log.warning("upkeep could not look around", exc_info=True)
            give_memory_back()
            self._stopping.wait(self._every_s)


def _name_of(chore: Callable[[], object]) -> str:
    return str(getattr(chore, "__qualname__", chore)).rpartition("<locals>.")[2]


def _count_hidden(pipeline: Pipeline, collection_id: UUID) -> int:
    return len(removal.hide_next(pipeline.database, collection_id))


def _expire_next(pipeline: Pipeline, collection_id: UUID) -> list[str]:
    return [str(item) for item in retention.expire_next(pipeline.database, collection_id)]
