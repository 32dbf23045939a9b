"""Repositories as durable jobs: a workflow for each look at a remote, a step per stage, one at a time per repository.

Who may work on a repository is decided in its row (`job_id`), not in the queue: the row is given to a job in one transaction and
given back in another, and every step looks whether it is still its own. A wish that comes while a job is at work stays on the
row and leads to one more look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID, uuid4

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID
from dbos import error as dbos_error

from ingest.jobs.durable import AT_ONCE_S, SOON_S, durable_step, step_options
from ingest.jobs.upkeep import ENDED
from ingest.pipeline import repository_removal as removal
from ingest.pipeline.code_filling import waiting_versions
from ingest.pipeline.fault_points import reached
from ingest.pipeline.repository_sync import RepositorySync, Superseded, SyncJob
from rag.domain.errors import SeogoError, Unavailable
from rag.domain.principal import Permit
from rag.store import repository_work as work
from rag.store.base import utc_now
from rag.store.receipt import DeletionReceipt
from rag.store.repository import Repository
from rag.store.session import Database

log = logging.getLogger(__name__)

QUEUE = "repositories"
FILL_QUEUE = "code_vectors"
"""For filling in vectors: one at a time among all workers."""
RULES_QUEUE = "repository_rules"
"""For changes of who may read what: never behind a fetch."""
_AT_ONCE = 2
_MOST = 100
P = ParamSpec("P")
R = TypeVar("R")


def apart(function: Callable[P, None]) -> Callable[P, None]:
    """The function in a thread of its own: the queue takes nothing new from inside a step."""

    def called(*args: P.args, **kwargs: P.kwargs) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="submit") as pool:
            pool.submit(function, *args, **kwargs).result()

    return called


class RepositoryJobs:
    """Takes wishes for a look at a remote, and carries them out in turn."""

    def __init__(self, sync: RepositorySync) -> None:
        self._sync = sync
        self._workflow: Callable[[str], None] | None = None
        self._deletion: Callable[[str], None] | None = None
        self._filling: Callable[[], None] | None = None
        self._rules: Callable[[str], None] | None = None

    @property
    def sync(self) -> RepositorySync:
        """What does the work."""
        return self._sync

    @property
    def _database(self) -> Database:
        return self._sync.pipeline.database

    def wish(self, repository_id: UUID) -> bool:
        """Ask for a look at the remote; one that is at work is followed by another. False when there is no such repository."""
        with self._database.write() as session:
            row = work.locked(session, repository_id)
            if row is None or row.deleted_at is not None:
                return False
            row.wanted_at = utc_now()
        reached("repository.wanted", repository_id)
        self.submit(repository_id)
        return True

    def submit(self, repository_id: UUID) -> bool:
        """Give a repository that is due to a new job; False when a job has it, or it is gone."""
        if self._workflow is None:
            raise RuntimeError("the queue is not started")
        job_id = f"repository-{repository_id}-{uuid4().hex[:12]}"
        with self._database.write() as session:
            row = work.locked(session, repository_id)
            if row is None or row.deleted_at is not None or row.job_id:
                return False
            row.job_id = job_id
        reached("repository.given", job_id)
        with SetWorkflowID(job_id):
            DBOS.enqueue_workflow(QUEUE, self._workflow, str(repository_id))
        return True

    def change_rules(self, repository_id: UUID) -> None:
        """Give the files that are indexed the rules of the options as they are now, in the background."""
        if self._rules is None:
            raise RuntimeError("the queue is not started")
        DBOS.enqueue_workflow(RULES_QUEUE, self._rules, str(repository_id))

    def delete(self, permit: Permit, repository_id: UUID) -> DeletionReceipt:
        """Delete a repository: hidden at once with its documents, purged in the background. Returns the receipt, still open.

        Raises:
            RepositoryNotFound: the permit does not cover it.
        """
        receipt = removal.hide_repository(self._database, permit, repository_id)
        reached("repository.hidden", repository_id)
        self._submit_deletion(repository_id)
        return receipt

    def register(self) -> None:
        """Make the workflows known; before the queue is launched."""
        sync = self._sync

        @DBOS.workflow(name="sync_repository")
        def sync_repository(repository_id: str) -> None:
            job = SyncJob(UUID(repository_id), str(DBOS.workflow_id))
            if self._run(job):
                DBOS.run_step(step_options("repository_fill"), apart(self.submit_filling))
            DBOS.run_step(step_options("repository_follow"), apart(self._follow), job.repository_id)

        @DBOS.workflow(name="delete_repository")
        def delete_repository(repository_id: str) -> None:
            identity = UUID(repository_id)
            durable_step("repository_hide", removal.hide_rest, self._database, identity)
            while durable_step("repository_purge", removal.purge_some, sync.pipeline, identity):
                pass
            durable_step("repository_forget", self._forget, identity)

        @DBOS.workflow(name="fill_code_vectors")
        def fill_code_vectors() -> None:
            while durable_step("repository_vectors", sync.fill):
                pass

        @DBOS.workflow(name="rule_repository")
        def rule_repository(repository_id: str) -> None:
            durable_step("repository_rules", sync.apply_rules, UUID(repository_id))

        self._workflow, self._deletion = sync_repository, delete_repository
        self._filling, self._rules = fill_code_vectors, rule_repository

    def register_queues(self) -> None:
        """Make the queues known; once they are launched."""
        # A commit of ten files takes two seconds.
        DBOS.register_queue(QUEUE, worker_concurrency=_AT_ONCE, polling_interval_sec=2 * AT_ONCE_S)
        DBOS.register_queue(RULES_QUEUE, worker_concurrency=1, polling_interval_sec=SOON_S)
        DBOS.register_queue(FILL_QUEUE, global_concurrency=1, polling_interval_sec=SOON_S)

    def look_around(self) -> None:
        """Look at the remotes that are due, and do again what nobody will finish."""
        with self._database.read() as session:
            held = work.held(session)
            left = work.filling(session) or waiting_versions(session)
        for item in held:
            if item.job_id and self._is_open(item.job_id):
                continue
            if item.deleted:
                self._submit_deletion(item.id)
            else:
                self._release(item.id, item.job_id)
        with self._database.read() as session:
            due = work.due(session, utc_now(), _MOST)
        for repository_id in due:
            self.submit(repository_id)
        if left:
            self.submit_filling()

    def submit_filling(self) -> None:
        """Queue the filling in of vectors, unless that is queued or running already."""
        if self._filling is None:
            raise RuntimeError("the queue is not started")
        try:
            with SetEnqueueOptions(deduplication_id=FILL_QUEUE):
                DBOS.enqueue_workflow(FILL_QUEUE, self._filling)
        except dbos_error.DBOSQueueDeduplicatedError:
            log.debug("vectors are being filled in already")

    def _run(self, job: SyncJob) -> bool:
        """One look; returns whether vectors are to be filled in. Ends quietly where the repository is not its own any more."""
        sync, seen = self._sync, ""
        try:
            seen, same = _own_step("repository_begin", sync.begin, job)
            commit = _own_step("repository_fetch", sync.fetch, job, tries=1)
            batches = _own_step("repository_plan", sync.plan, job, commit, seen, same)
            if batches > 0:
                while _own_step("repository_take", sync.take, job, commit, same):
                    pass
            if batches >= 0:
                _own_step("repository_remove", sync.remove, job, commit, same)
            return _own_step("repository_finish", sync.finish, job, commit, seen)
        except _Over:
            sync.forget(job)
            return False
        except _Failed as failure:
            with suppress(_Over):
                _own_step("repository_fail", sync.fail, job, failure.code, failure.params, seen)
            return False

    def _follow(self, repository_id: UUID) -> None:
        """Serve the wish that came meanwhile; finish the deletion that waited for this job."""
        with self._database.read() as session:
            row = session.get(Repository, repository_id)
            wanted = row is not None and row.deleted_at is None and row.wanted_at is not None
            deleted = row is not None and row.deleted_at is not None
        if wanted:
            self.submit(repository_id)
        if deleted:
            with self._database.write() as session:
                row = work.locked(session, repository_id)
                if row is not None:
                    row.job_id = ""
            self._submit_deletion(repository_id)

    def _forget(self, repository_id: UUID) -> None:
        """Remove the mirror and the record of a deleted repository. While a job is at work on it, that job sees to it."""
        with self._database.read() as session:
            row = session.get(Repository, repository_id)
        if row is None or (row.job_id and self._is_open(row.job_id)):
            return
        self._sync.remove_mirror(repository_id)
        reached("repository.mirror_removed", repository_id)
        if not removal.forget_repository(self._database, repository_id):
            raise Unavailable
        reached("repository.forgotten", repository_id)

    def _submit_deletion(self, repository_id: UUID) -> None:
        if self._deletion is None:
            raise RuntimeError("the queue is not started")
        try:
            with SetEnqueueOptions(deduplication_id=f"delete-{repository_id}"):
                DBOS.enqueue_workflow(RULES_QUEUE, self._deletion, str(repository_id))
        except dbos_error.DBOSQueueDeduplicatedError:
            log.debug("the deletion of repository %s is queued already", repository_id)

    def _release(self, repository_id: UUID, job_id: str) -> None:
        """Take a repository from a job that nobody will finish, and have it looked at anew."""
        with self._database.write() as session:
            row = work.locked(session, repository_id)
            if row is not None and row.job_id == job_id:
                row.job_id, row.wanted_at = "", row.wanted_at or utc_now()

    def _is_open(self, job_id: str) -> bool:
        status = DBOS.get_workflow_status(job_id)
        return status is not None and status.status not in ENDED


class _Over(Exception):
    """The job has nothing to do any more."""


class _Failed(Exception):
    """A step failed for good."""

    def __init__(self, code: str, params: dict[str, Any]) -> None:
        super().__init__(code)
        self.code, self.params = code, params


def _own_step(name: str, function: Callable[..., R], *args: Any, tries: int = 5) -> R:
    """A step of a job.

    Raises:
        _Over: the repository is not its own any more.
        _Failed: it failed for good.
    """
    try:
        outcome = DBOS.run_step(step_options(name, tries), _outcome, function, args, tries == 1)
    except dbos_error.DBOSMaxStepRetriesExceeded as error:
        found = next((item for item in reversed(error.errors) if isinstance(item, SeogoError)), Unavailable())
        raise _Failed(found.code, dict(found.params)) from error
    match outcome:
        case ["failed", code, params]:
            raise _Failed(code, params)
        case ["done", value]:
            return cast("R", value)
    raise _Over


def _outcome(function: Callable[..., object], args: Sequence[Any], last: bool) -> list[Any]:
    """What a step came to, as the queue stores it; what another try may help is raised unless this is the last."""
    try:
        return ["done", function(*args)]
    except Superseded:
        return ["over"]
    except SeogoError as error:
        if isinstance(error, Unavailable) and not last:
            raise
        return ["failed", error.code, dict(error.params)]
    except Exception as error:
        log.exception("a step of a repository failed unexpectedly")
        if not last:
            raise Unavailable from error
        return ["failed", Unavailable.code, {}]
