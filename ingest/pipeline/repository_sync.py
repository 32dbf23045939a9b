"""Keeping a repository's documents equal to a commit, in steps that can be repeated.

A step reads all that it needs from the record and the mirror, so it can run in another process than the one before it. What a
killed step has done is seen by the plan of the next try: it is made of the commit's files and those on record, not of what was
to be done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from ingest.connectors.git_selection import Seen, select
from ingest.connectors.history_commits import COMMITS
from ingest.connectors.history_store import KeptHistory, kept_history, refresh, rule_of
from ingest.connectors.repository_options import HISTORY, RepositoryOptions
from ingest.pipeline.code_filling import waiting_versions
from ingest.pipeline.code_lane import CodeLane, Taken
from ingest.pipeline.code_rows import FileTask
from ingest.pipeline.fault_points import reached
from ingest.pipeline.hiding import hide_many
from ingest.pipeline.repository_plan import NAME_TAKEN, Plan, planned
from ingest.pipeline.repository_return import follow_rules, ruled_and_gone, taken_back
from ingest.pipeline.repository_rules_given import given_since, made_with, newer_than, with_given
from ingest.pipeline.steps import Interrupted, Pipeline
from rag.access import rules
from rag.domain.document import document_id
from rag.domain.errors import RefNotFound, SeogoError
from rag.domain.messages import SKIPPED
from rag.mirrors.fetching import fetch, remote_of
from rag.mirrors.keeping import keep, keep_only
from rag.mirrors.mirror import Mirror, TreeEntry, mirror_at
from rag.settings_repositories import RepositorySettings
from rag.store import repository_commits, tenant
from rag.store import repository_work as work
from rag.store.base import utc_now
from rag.store.document import Document
from rag.store.receipt import Actor, DeletionReason
from rag.store.repository import WAITING, Repository, RepositoryState, forget_files
from rag.store.repository_work import KnownFile, NotedFile

log = logging.getLogger(__name__)

BATCH = 20_000
"""Files that go through the lane in one step. Each begins with nothing cut and ends with nothing left to cut, which costs some
two seconds; a killed process looks at so many again, and finds those that answer already."""
_RULED_TOGETHER = 100
"""Documents that get their rule in one transaction: others wait to write meanwhile."""
_TELL_EVERY_S = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 60, 21_600
HISTORY_NOT_READ = "history_not_read"
"""Note: the documents of the history are those of an earlier look."""
HISTORY_UNFINISHED = "history_unfinished"
"""Note: the time for issues and requests was over before all were read; the next look goes on."""
_HISTORY_NOTES = (HISTORY_NOT_READ, HISTORY_UNFINISHED)
HISTORY_REWRITTEN = "history_rewritten"
"""Note: the commit is no successor of the one before, as after a forced push. What is indexed is that of the new one."""
EMPTY, NO_FILES = "empty_repository", "no_files"
"""Notes: there is no commit yet, or none of its files is for the index."""


class Superseded(Exception):
    """The repository is deleted, or another job has it."""


@dataclass(frozen=True, slots=True)
class SyncJob:
    """One try: the repository, and the durable job that it is given to."""

    repository_id: UUID
    job_id: str


@dataclass(slots=True)
class _Work:
    """A plan and how far it is carried out: what a step would otherwise work out again."""

    commit: str
    plan: Plan
    known: dict[str, KnownFile]
    left: list[tuple[TreeEntry, str]]
    done: int = 0


def _nothing(ids: Sequence[UUID]) -> None:
    """Nobody to tell."""


@dataclass(slots=True)
class RepositorySync:
    """The steps.

    Attributes:
        folder: of all mirrors.
        purge, relabel: told of documents that were hidden, and of those whose points have to follow a rule.
    """

    pipeline: Pipeline
    lane: CodeLane
    settings: RepositorySettings
    folder: Path
    purge: Callable[[Sequence[UUID]], None] = _nothing
    relabel: Callable[[Sequence[UUID]], None] = _nothing
    _works: dict[str, _Work] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, job: SyncJob) -> tuple[str, bool]:
        """Take the repository up, with the options of this moment. Returns the wish that is served, as `finish` takes it, and
        whether all that is on record of its files was found under the same options.

        Whoever may read what counts before anything is fetched: a remote that is away keeps no rule back.
        """
        with self.pipeline.database.write() as session:
            row = self._own(session, job)
            row.state, row.done, row.total = RepositoryState.FETCHING, 0, 0
            seen = "" if row.wanted_at is None else row.wanted_at.isoformat()
            before, now, failures = row.applied, dict(row.options), row.failures
        reached("repository.begin", job.job_id)
        if before is not None and before != now:
            self._rule(row.id, given_since(before), RepositoryOptions.of(now))
        with self.pipeline.database.write() as session:
            row = self._own(session, job)
            row.applied = with_given(now, newer_than(before, row.applied))
        reached("repository.ruled", job.job_id)
        return seen, before == now and not failures

    def apply_rules(self, repository_id: UUID) -> None:
        """Give every file that is indexed the rule of the options as they are now, which goes on record before that: who changes
        them again before the next look takes back what was given here, not only what the index was made with."""
        with self.pipeline.database.write() as session:
            row = session.get(Repository, repository_id, with_for_update=True)
            if row is None or row.deleted_at is not None or row.applied is None:
                return
            before, now = given_since(row.applied), RepositoryOptions.of(row.options)
            row.applied = with_given(row.applied, [row.options.get("path_rules", [])])
        self._rule(repository_id, before, now)

    def _rule(self, repository_id: UUID, before: Sequence[RepositoryOptions], now: RepositoryOptions) -> None:
        """Let files follow the options of now.

        Args:
            before: all that files may have their rules of.
        """
        with self.pipeline.database.read() as session:
            known = work.known_files(session, repository_id)
        if any(options.path_rules != now.path_rules for options in before):
            self._withdraw_messages(repository_id, known)
        wanted = [
            (item.document_id, now.rule_of(path))
            for path, item in known.items()
            if item.document_id is not None
            and not path.startswith(COMMITS)
            and any(options.rule_of(path) != now.rule_of(path) for options in before)
        ]
        for start in range(0, len(wanted), _RULED_TOGETHER):
            with self.pipeline.database.write() as session:
                moved: list[UUID] = []
                for identity, given in wanted[start : start + _RULED_TOGETHER]:
                    row = session.get(Document, identity, with_for_update=True)
                    if row is not None and row.deleted_at is None:
                        moved += rules.set_by_repository(session, row, given)
            if moved:
                self.relabel(moved)
        if lifted := taken_back(before, now):
            self._rule_gone(repository_id, lifted, now)

    def _rule_gone(self, repository_id: UUID, before: Sequence[RepositoryOptions], now: RepositoryOptions) -> None:
        """The same for files that are gone and may come back; after the others, some of which may have gone meanwhile."""
        with self.pipeline.database.read() as session:
            row = session.get(Repository, repository_id)
            gone = [] if row is None else ruled_and_gone(session, row)
        for start in range(0, len(gone), _RULED_TOGETHER):
            with self.pipeline.database.write() as session:
                row = session.get(Repository, repository_id)
                if row is None or row.deleted_at is not None:
                    return
                follow_rules(session, row, gone[start : start + _RULED_TOGETHER], before, now)

    def _withdraw_messages(self, repository_id: UUID, known: Mapping[str, KnownFile]) -> None:
        """Delete the documents of commits: who may read which message is known once they are written anew, by the next look."""
        found = {
            path: item.document_id for path, item in known.items() if path.startswith(COMMITS) and item.document_id
        }
        if not found:
            return
        with self.pipeline.database.write() as session:
            row = work.locked(session, repository_id)
            if row is None:
                return
            hidden = hide_many(session, list(found.values()), _actor(row), DeletionReason.SOURCE).documents
            forget_files(session, repository_id, found)
        if hidden:
            self.purge(hidden)

    def fetch(self, job: SyncJob) -> str:
        """Bring the mirror to the state of the remote; returns the commit to index, empty while there is none.

        Raises:
            SeogoError: see `rag.mirrors.fetching.fetch` and `Mirror.resolve`.
        """
        with self.pipeline.database.read() as session:
            row = self._own(session, job, lock=False)
        mirror = self._mirror(row)
        self._fetch(row, mirror)
        reached("repository.fetched", job.job_id)
        commit = self._resolved(row, mirror)
        note = self._read_history(row, mirror, commit)
        with self.pipeline.database.write() as session:
            row = self._own(session, job)
            row.head, row.fetched_at = commit, utc_now()
            if note or row.note in _HISTORY_NOTES:
                row.note = note
        return commit

    def _read_history(self, row: Repository, mirror: Mirror, commit: str) -> str:
        """Why messages, issues and requests are not up to date, as a note; files are indexed also where they can't be read."""
        options = made_with(row.applied or row.options)
        if not commit or not options.history.wanted:
            return ""
        try:
            kept = self._refresh(row, mirror, commit, options)
        except SeogoError as error:
            log.warning("repository %s: its history could not be read (%s)", row.name, error.code)
            return HISTORY_NOT_READ
        return HISTORY_UNFINISHED if kept.unfinished else ""

    def _history(self, row: Repository, options: RepositoryOptions, mirror: Mirror, commit: str) -> KeptHistory | None:
        """The history in the mirror, read anew where this machine has none; None where none is wanted.

        Raises:
            SeogoError: it can't be read, and what is in the index must not be taken for gone.
        """
        if not options.history.wanted:
            return None
        found = kept_history(mirror)
        if found is None:
            with self.pipeline.database.read() as session:
                some = any(path.startswith(f"{HISTORY}/") for path in work.known_files(session, row.id))
            if some:
                return self._refresh(row, mirror, commit, options)
        return found

    def _refresh(self, row: Repository, mirror: Mirror, commit: str, options: RepositoryOptions) -> KeptHistory:
        allowed = self._allowed(row)
        return refresh(mirror, commit, remote_of(allowed, row.url, row.credential), options, allowed)

    def _allowed(self, row: Repository) -> RepositorySettings:
        """The settings as they are for the tenant that a repository belongs to."""
        with self.pipeline.database.read() as session:
            return self.settings.of_tenant(tenant.name_of(session, row.tenant_id))

    def _fetch(self, row: Repository, mirror: Mirror) -> None:
        remote = remote_of(self._allowed(row), row.url, row.credential, name=row.name)
        fetch(mirror, remote, timeout_s=self.settings.fetch_timeout_s, mirror_mb=self.settings.mirror_mb)

    def _resolved(self, row: Repository, mirror: Mirror) -> str:
        try:
            return mirror.resolve(row.ref)
        except RefNotFound:
            if row.commit or mirror.refs():
                raise
            return ""  # nobody has committed anything yet

    def plan(self, job: SyncJob, commit: str, seen: str, same: bool) -> int:
        """Compare the commit with the record; returns how many batches of files are to be taken, -1 for nothing to do at all.

        Nobody having asked, a commit that is indexed already is not looked at again.
        """
        with self.pipeline.database.read() as session:
            row = self._own(session, job, lock=False)
        wanted = RepositoryOptions.of(row.options).history.wanted
        if not seen and commit == row.commit and row.options == row.applied and not row.error_code and not wanted:
            return -1
        if commit != row.commit:
            self.lane.get_ready()
        found = self._planned(row, job, commit, same)
        if found.left:
            keep(self._mirror(row), commit)
        with self.pipeline.database.write() as session:
            row = self._own(session, job)
            row.state, row.done = RepositoryState.INDEXING, found.plan.kept
            row.total = found.plan.kept + len(found.plan.take)
        reached("repository.planned", job.job_id)
        return -(-len(found.left) // BATCH)

    def _planned(self, row: Repository, job: SyncJob, commit: str, same: bool) -> _Work:
        """The plan of this job, worked out anew where another process has made it."""
        with self._guard:
            if (found := self._works.get(job.job_id)) is not None and found.commit == commit:
                return found
        options = made_with(row.applied or row.options)
        taken: Sequence[TreeEntry] = ()
        skipped: Sequence[tuple[TreeEntry, str]] = ()
        with self.pipeline.database.read() as session:
            known = work.known_files(session, row.id)
        if commit:
            before = {path: _seen(item) for path, item in known.items()} if same else None
            mirror = self._ready(row, commit)
            selected = select(mirror, commit, options, self.settings, seen=before)
            history = self._history(row, options, mirror, commit)
            taken = [*selected.taken, *(() if history is None else history.files)]
            skipped = selected.skipped
        plan = planned(row.name, taken, skipped, known, frozenset(SKIPPED))
        made = _Work(commit, plan, known, list(plan.take), plan.kept)
        with self._guard:
            self._works[job.job_id] = made
        return made

    def take(self, job: SyncJob, commit: str, same: bool) -> int:
        """Index the next batch of files; returns how many files are left."""
        with self.pipeline.database.read() as session:
            row = self._own(session, job, lock=False)
        found = self._planned(row, job, commit, same)
        batch = found.left[:BATCH]
        ours = self._claimed(job, row, found, batch)
        reached("repository.claimed", job.job_id)
        options = made_with(row.applied or row.options)
        mirror = self._ready(row, commit)
        history = kept_history(mirror) if options.history.wanted else None
        tasks = [
            FileTask(entry.path, entry.blob, entry.size, rule_of(options, history, entry.path)) for entry, _ in ours
        ]
        taken = self.lane.take(row, mirror, commit, tasks, self._teller(job, found.done))
        reached("repository.taken", job.job_id)
        self._note(job, found, [entry for entry, _ in ours], taken)
        reached("repository.noted", job.job_id)
        del found.left[: len(batch)]
        found.done += len(batch)
        return len(found.left)

    def _claimed(
        self, job: SyncJob, row: Repository, found: _Work, batch: Sequence[tuple[TreeEntry, str]]
    ) -> list[tuple[TreeEntry, str]]:
        """Those of a batch whose place in the collection is free or ours already. A new one is on record before it is made, so
        that a document which a killed process has made is never taken for somebody's upload."""
        fresh = [(entry, key) for entry, key in batch if not _is_ours(found.known.get(entry.path))]
        ids = {entry.path: document_id(row.collection_id, key) for entry, key in fresh}
        with self.pipeline.database.write() as session:
            self._own(session, job)
            foreign = work.documents_at(session, ids.values())
            refused = {entry.path for entry, _ in fresh if ids[entry.path] in foreign}
            noted = [
                NotedFile(entry.path, entry.blob, entry.size, NAME_TAKEN)
                if entry.path in refused
                else NotedFile(entry.path, "", entry.size, WAITING, ids[entry.path])
                for entry, _ in fresh
            ]
            work.note_files(session, row.id, noted)
        return [(entry, key) for entry, key in batch if entry.path not in refused]

    def _note(self, job: SyncJob, found: _Work, entries: Sequence[TreeEntry], taken: Sequence[Taken]) -> None:
        """Put on record what became of a batch. What answered under a path before, and does not any more, is hidden."""
        sizes = {entry.path: entry.size for entry in entries}
        stale = {
            item.path: known.document_id
            for item in taken
            if item.reason and (known := found.known.get(item.path)) is not None and known.document_id is not None
        }
        noted = [
            NotedFile(
                item.path, item.blob, sizes[item.path], item.reason, None if item.path in stale else item.document_id
            )
            for item in taken
        ]
        with self.pipeline.database.write() as session:
            row = self._own(session, job)
            work.note_files(session, row.id, noted)
            row.done = found.done + len(entries)
            hidden = hide_many(session, list(stale.values()), _actor(row), DeletionReason.SOURCE).documents
        if hidden:
            self.purge(hidden)

    def remove(self, job: SyncJob, commit: str, same: bool) -> int:
        """Delete the documents of files that the commit has no more or that are not taken; returns how many documents."""
        with self.pipeline.database.read() as session:
            row = self._own(session, job, lock=False)
        found = self._planned(row, job, commit, same)
        paths = [*found.plan.gone, *(entry.path for entry, _ in found.plan.skip)]
        ids = [known.document_id for path in paths if (known := found.known.get(path)) and known.document_id]
        with self.pipeline.database.write() as session:
            row = self._own(session, job)
            hidden = hide_many(session, ids, _actor(row), DeletionReason.SOURCE).documents
            forget_files(session, row.id, found.plan.gone)
            skipped = [NotedFile(entry.path, entry.blob, entry.size, why) for entry, why in found.plan.skip]
            work.note_files(session, row.id, skipped)
        reached("repository.removed", job.job_id)
        if hidden:
            self.purge(hidden)
        return len(hidden)

    def finish(self, job: SyncJob, commit: str, seen: str) -> bool:
        """Note that the index holds the commit, and give the repository back; returns whether vectors wait to be filled in."""
        with self.pipeline.database.read() as session:
            row = self._own(session, job, lock=False)
            waiting = work.waiting_for_vectors(session, row.id) > 0
            held, _ = work.counts(session, [row.id]).get(row.id, (0, 0))
        note = self._note_on(row, commit, found=row.total or held)  # nothing is counted where the commit is the same
        self._keep_named(row, commit)
        with self.pipeline.database.write() as session:
            row = self._own(session, job)
            now, unfinished = utc_now(), row.note == HISTORY_UNFINISHED
            row.state = RepositoryState.FILLING if waiting else RepositoryState.READY
            row.note = note if commit != row.commit or note or row.note != HISTORY_REWRITTEN else row.note
            row.commit, row.indexed_at, row.done = commit, now, row.total
            row.error_code = row.error_params = None
            row.failures = 0
            row.due_at = None if not row.poll_s else now + _spread(row.id, row.poll_s)
            if unfinished:  # nobody has to ask for the rest
                row.due_at = now + _spread(row.id, min(row.poll_s or _FIRST_PAUSE_S, _FIRST_PAUSE_S))
            _give_back(row, seen)
        self.forget(job)
        reached("repository.finished", job.job_id)
        return waiting

    def _keep_named(self, row: Repository, commit: str) -> None:
        """Let go of what no version names any more, such as files that a forced push took away."""
        mirror = self._mirror(row)
        if not mirror.exists:
            return

        def paths_of(named: str) -> frozenset[str]:
            with self.pipeline.database.read() as session:
                return repository_commits.paths_of(session, row.id, named)

        with self.pipeline.database.read() as session:
            commits = repository_commits.of_repository(session, row.id)
        try:
            keep_only(mirror, commits, paths_of, indexed=commit, timeout_s=self.settings.fetch_timeout_s)
        except SeogoError as error:
            # Closed to readers it is already (`rag.answering.changes`); the next look tries again.
            log.warning("repository %s: what a forced push took could not be cleared away (%s)", row.name, error.code)

    def _note_on(self, row: Repository, commit: str, found: int) -> str:
        if not commit:
            return EMPTY
        if not found:
            return NO_FILES
        if row.commit and row.commit != commit and not self._mirror(row).is_ancestor(row.commit, commit):
            return HISTORY_REWRITTEN
        return row.note if row.note in _HISTORY_NOTES else ""

    def fail(self, job: SyncJob, code: str, params: Mapping[str, Any], seen: str) -> None:
        """Record why a try failed, and give the repository back. What is indexed stays; the next try is after a pause."""
        with self.pipeline.database.write() as session:
            row = self._own(session, job)
            row.state, row.failures = RepositoryState.FAILED, row.failures + 1
            row.error_code, row.error_params = code, dict(params)
            pause = min(_FIRST_PAUSE_S * 2 ** min(row.failures - 1, 20), _LONGEST_PAUSE_S)
            row.due_at = utc_now() + _spread(row.id, pause)
            _give_back(row, seen)
        self.forget(job)
        reached("repository.failed", job.job_id)

    def fill(self) -> bool:
        """Fill in vectors that wait, of any repository; returns whether some are left.

        Raises:
            Interrupted: this process is about to end.
        """
        self.lane.fill(self.pipeline.stopping, lambda done, total: None)
        if self.pipeline.stopping.is_set():
            raise Interrupted
        return self.settle_filled()

    def settle_filled(self) -> bool:
        """Note which repositories have all their vectors; returns whether any vector is missing."""
        with self.pipeline.database.read() as session:
            settled = [item for item in work.filling(session) if not work.waiting_for_vectors(session, item)]
        for repository_id in settled:
            with self.pipeline.database.write() as session:
                row = work.locked(session, repository_id)
                if row is not None and row.state == RepositoryState.FILLING and not row.job_id:
                    row.state = RepositoryState.READY
        with self.pipeline.database.read() as session:
            return waiting_versions(session) > 0

    def remove_mirror(self, repository_id: UUID) -> None:
        """Delete the mirror of a repository that is gone."""
        mirror = mirror_at(self.folder, repository_id, str(repository_id))
        mirror.remove()
        for left in self.folder.glob(f"{repository_id}.git.*"):
            left.unlink(missing_ok=True)

    def _mirror(self, row: Repository) -> Mirror:
        return mirror_at(self.folder, row.id, row.name)

    def _ready(self, row: Repository, commit: str) -> Mirror:
        """The mirror with this commit in it, fetched where another machine has fetched it before."""
        mirror = self._mirror(row)
        try:
            mirror.resolve(commit)
        except RefNotFound:
            self._fetch(row, mirror)
            mirror.resolve(commit)
        return mirror

    def _own(self, session: Session, job: SyncJob, *, lock: bool = True) -> Repository:
        """The row; locked until commit by what writes.

        Raises:
            Superseded: it is not this job's any more.
        """
        row = session.get(Repository, job.repository_id, with_for_update=lock, populate_existing=True)
        if row is None or row.deleted_at is not None or row.job_id != job.job_id:
            raise Superseded
        return row

    def _teller(self, job: SyncJob, before: int) -> Callable[[int, int], None]:
        """Notes progress on record now and then, and ends the work of a repository that is gone."""
        told = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told < _TELL_EVERY_S:
                return
            told = time.monotonic()
            with self.pipeline.database.write() as session:
                if not work.set_progress(session, job.repository_id, job.job_id, before + done):
                    raise Superseded

        return tell

    def forget(self, job: SyncJob) -> None:
        """Give up what is kept in memory of a job that is over."""
        with self._guard:
            self._works.pop(job.job_id, None)


def _seen(known: KnownFile) -> Seen:
    """What the choice said of a file; what failed later had been chosen."""
    return Seen(known.blob, known.size, known.reason if known.reason in SKIPPED else "")


def _is_ours(known: KnownFile | None) -> bool:
    """Whether the document at a path is, or will be, this repository's."""
    return known is not None and known.document_id is not None


def _actor(row: Repository) -> Actor:
    """A commit deletes in nobody's name."""
    return Actor(None, f"repository {row.name}"[:200])


def _give_back(row: Repository, seen: str) -> None:
    """End the job; a wish that came after it began stays."""
    row.job_id = ""
    if row.wanted_at is not None and seen and row.wanted_at <= datetime.fromisoformat(seen):
        row.wanted_at = None


def _spread(repository_id: UUID, pause_s: float) -> timedelta:
    """A pause that differs by up to a tenth between repositories, so that many do not go to one server at once."""
    return timedelta(seconds=pause_s * (0.9 + 0.2 * (repository_id.int % 1000) / 1000))
