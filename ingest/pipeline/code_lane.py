"""The bulk way of a repository's files: searchable by words and symbols at once, vectors of a model later.

git's blobs → cut in children, a batch to each (`code_sandbox.py`) → rows of some hundred files in one transaction
(`code_rows.py`) → originals → points with lexical vectors → one activation. What is in work stands on record before anything of
it is in the index or the blobs, so a process that dies leaves nothing that the next call, or upkeep, does not find.

What is no source code goes the ordinary way.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from ingest.connectors.upload import Details
from ingest.parsing.identify import is_source_code
from ingest.pipeline import code_rows
from ingest.pipeline import points as points_of
from ingest.pipeline.code_batch import BatchFile
from ingest.pipeline.code_cutting import CutFile, Screening, shown
from ingest.pipeline.code_filling import fill
from ingest.pipeline.code_rows import Drafted, FileTask, Frame, Known, Refusal, Written
from ingest.pipeline.embedding_pieces import chunks_in_memory
from ingest.pipeline.fault_points import reached
from ingest.pipeline.labels import settle_siblings, tags_of_many
from ingest.pipeline.leftovers import remove_leftovers
from ingest.pipeline.records import accept, clean_source_key
from ingest.pipeline.reuse import known_vectors
from ingest.pipeline.steps import Pipeline
from rag.access.audit import Deed, ServiceTrail, whose
from rag.access.personal_data.scanning import scan_key
from rag.access.subjects import resolved
from rag.blobs.store import BlobRef
from rag.domain.access import AccessRule, GivenRule, user
from rag.domain.audit import AuditKind
from rag.domain.document import Chunk, document_id
from rag.domain.errors import (
    CollectionNotFound,
    EmptyFile,
    IndexWriteMismatch,
    InputError,
    NameTaken,
    NotPermitted,
    OriginalMissing,
    SeogoError,
)
from rag.domain.language import CollectionKind
from rag.domain.personal_data import policy_from_json
from rag.domain.vectors import SparseVector, TextVectors
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.known import KnownVectors, text_key
from rag.embedding.passage_text import dense_text
from rag.index.base import IndexPoint
from rag.mirrors.mirror import Mirror
from rag.retrieval.spaces import LiveSpace
from rag.store import version as versions_table
from rag.store.collection import Collection
from rag.store.repository import Repository

__all__ = ["CodeLane", "Cutting", "FileTask", "Taken"]

log = logging.getLogger(__name__)

BATCH_BYTES = 1 << 20
BATCH_FILES = 256
"""Of source files that one child cuts: long enough that forking is nothing, short enough that a poison file costs little."""
LEAST_BATCH_BYTES = BATCH_BYTES // 8
"""Of the last ones."""
GROUP_FILES = 256
GROUP_CHUNKS = 4000
"""Of files that are put on record, indexed and activated together."""
_AHEAD = 2
"""Batches that are cut while others are written, beside those in work: what is held in memory."""
_BLOB_THREADS = 4
_NOTHING = SparseVector((), ())

_InWork = deque[tuple[list[Drafted], Future[list[CutFile | SeogoError]]]]
"""Batches whose files are being cut, or are cut, in their order."""

Progress = Callable[[int, int], None]


class Taken(NamedTuple):
    """What became of a file.

    Attributes:
        document_id: its document; None when there is none.
        reason: code of the error for which it is not searchable as it is at this commit; empty when it is, or is on its way
            in the ordinary way. A document beside a reason tells its reader why.
    """

    path: str
    blob: str
    document_id: UUID | None
    reason: str = ""


class Cutting(Protocol):
    """Cuts source files; `ingest.pipeline.code_sandbox.CodeSandbox` in a service.

    Attributes:
        concurrency: calls of `cut` that are worked on at once.
    """

    concurrency: int

    def cut(self, screening: Screening, files: Sequence[BatchFile]) -> list[CutFile | SeogoError]:
        """What was made of each file, or why nothing was."""

    def get_ready(self) -> None:
        """Files will come soon."""

    def close(self) -> None:
        """End every child."""


@dataclass(slots=True)
class _Call:
    """One call of `take`."""

    frame: Frame
    collection: Collection
    screening: Screening
    rules: Mapping[GivenRule, AccessRule]
    total: int
    progress: Progress
    taken: list[Taken] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    def end(self, task: FileTask, document: UUID | None, reason: str = "") -> None:
        """Note what became of a file."""
        self.taken.append(Taken(task.path, task.blob, document, reason))

    def rule_of(self, task: FileTask) -> AccessRule | None:
        """Its own rule, with subjects by id."""
        return None if task.access is None else self.rules[task.access]


class CodeLane:
    """Takes files of repositories in bulk.

    Args:
        wake: tells the queue that something waits in the ordinary way.
    """

    def __init__(self, pipeline: Pipeline, cutting: Cutting, wake: Callable[[], None]) -> None:
        self._pipeline = pipeline
        self._cutting = cutting
        self._wake = wake
        self._lexical_name = KiwiBm25Embedder().name

    def close(self) -> None:
        """End every child."""
        self._cutting.close()

    def get_ready(self) -> None:
        """Files will come soon: what takes a second to start is started behind."""
        self._cutting.get_ready()

    def fill(self, stop: threading.Event, progress: Progress, collections: Sequence[UUID] | None = None) -> int:
        """See `ingest.pipeline.code_filling.fill`."""
        return fill(self._pipeline, stop, progress, collections)

    def take(
        self, repository: Repository, mirror: Mirror, commit: str, files: Sequence[FileTask], progress: Progress
    ) -> list[Taken]:
        """Bring these files of a commit into the repository's collection; what is there already as it is, is left alone.

        To be repeated after a crash, with the same files or with those of a later commit. What answers comes back in no order.

        Raises:
            CollectionNotFound: it was deleted meanwhile.
            InvalidRequest, TooManyRules: a rule of `files` is refused.
            Unavailable: a part of the service is away.
            Interrupted: this process is about to end.
        """
        call = self._opened(repository, commit, files, progress)
        with closing(self._cut_ahead(call, mirror, files)) as groups:
            for group in groups:
                self._pipeline.pause()
                self._write(call, group)
                progress(len(call.taken), call.total)
        return call.taken

    def _opened(self, repository: Repository, commit: str, files: Sequence[FileTask], progress: Progress) -> _Call:
        with self._pipeline.database.read() as session:
            collection = session.get(Collection, repository.collection_id)
            if collection is None or collection.deleted_at is not None:
                raise CollectionNotFound(name=str(repository.collection_id))
            rules = _rules(session, repository, files)
        policy, kind = policy_from_json(collection.privacy), CollectionKind(collection.kind)
        frame = Frame(repository, commit, policy, scan_key(policy, kind), self._pipeline.flag_from)
        return _Call(frame, collection, Screening(policy, kind), rules, len(files), progress)

    def _cut_ahead(
        self, call: _Call, mirror: Mirror, files: Sequence[FileTask]
    ) -> Generator[list[Drafted], None, None]:
        """Files cut, in groups that are written together; the next ones are cut meanwhile."""
        in_work: _InWork = deque()
        group: list[Drafted] = []
        lanes = self._cutting.concurrency
        # One more than children: it reads what one of them has made while the next batch is cut.
        with ThreadPoolExecutor(lanes + 1, thread_name_prefix="cut") as pool:
            try:
                for batch in self._batches(call, mirror, files):
                    sent = [BatchFile(item.source_key, item.content) for item in batch]
                    in_work.append((batch, pool.submit(self._cutting.cut, call.screening, sent)))
                    while not _is_full(group) and (len(in_work) > lanes + _AHEAD or _is_next_done(in_work)):
                        group += _drafted(*in_work.popleft())
                    if _is_full(group):
                        yield group
                        group = []
                while in_work:
                    group += _drafted(*in_work.popleft())
                    if _is_full(group) or not _is_next_done(in_work):  # at the end nobody waits for a group to be full
                        yield group
                        group = []
                if group:
                    yield group
            finally:
                for _, future in in_work:
                    future.cancel()

    def _batches(self, call: _Call, mirror: Mirror, files: Sequence[FileTask]) -> Iterator[list[Drafted]]:
        """Source files that have to be cut, in batches of one rule: a file that takes over its parser gets to see others, and
        could tell what is in them where it is searched itself."""
        left = sum(task.size for task in files)
        open_batches: dict[AccessRule | None, list[Drafted]] = {}
        sizes: dict[AccessRule | None, int] = {}
        for loaded in self._new_ones(call, mirror, files):
            rule = loaded.rule
            batch = open_batches.setdefault(rule, [])
            batch.append(loaded)
            sizes[rule] = sizes.get(rule, 0) + len(loaded.content)
            left -= len(loaded.content)
            if sizes[rule] >= self._batch_bytes(left) or len(batch) >= BATCH_FILES:
                yield open_batches.pop(rule)
                sizes[rule] = 0
        yield from (batch for batch in open_batches.values() if batch)

    def _batch_bytes(self, left: int) -> int:
        """How much goes into a batch when so many bytes come after it: less and less towards the end, so that no child is
        still at a long one when the others have nothing left, and little is left to be written after the last of them."""
        return min(BATCH_BYTES, max(LEAST_BATCH_BYTES, left // (2 * self._cutting.concurrency)))

    def _new_ones(self, call: _Call, mirror: Mirror, files: Sequence[FileTask]) -> Iterator[Drafted]:
        """Source files that do not answer yet as they are; the others are dealt with on the way."""
        for tasks in _groups(files):
            contents = dict(mirror.read(dict.fromkeys(task.blob for task in tasks)))
            loaded = [item for task in tasks if (item := self._loaded(call, task, contents)) is not None]
            with self._pipeline.database.read() as session:
                known = code_rows.known_documents(session, [item.document_id for item in loaded])
            same = [item for item in loaded if _answers(known, item)]
            self._leave(call, known, same)
            for item in loaded:
                if _answers(known, item):
                    continue
                if is_source_code(item.content, item.source_key):
                    yield item
                else:
                    self._take_ordinarily(call, item)

    def _leave(self, call: _Call, known: Mapping[UUID, Known], same: Sequence[Drafted]) -> None:
        """Files that answer as they are: only who may read them can have changed."""
        changed = [item for item in same if item.rule is not None and not _has_rule(known[item.document_id], item.rule)]
        if changed:
            with self._pipeline.database.write() as session:
                _require_open(session, call.collection.id)
                code_rows.draft_documents(session, call.collection, call.frame, changed)
        # Also where the process that made them answer died before the index had followed.
        versions = [latest.id for item in same if (latest := known[item.document_id].latest) is not None]
        settle_siblings(self._pipeline.database, self._pipeline.index, versions)
        for item in same:
            call.end(item.task, item.document_id)

    def _loaded(self, call: _Call, task: FileTask, contents: Mapping[str, bytes]) -> Drafted | None:
        content = contents.get(task.blob)
        try:
            if content is None:
                raise OriginalMissing(name=task.path)
            if not content:
                raise EmptyFile(name=task.path)
            key = clean_source_key(f"{call.frame.repository.name}/{task.path}")
            if key in call.keys:
                raise NameTaken(name=key)  # two names that look alike: the first has it
        except SeogoError as error:
            call.end(task, None, error.code)
            return None
        call.keys.add(key)
        blob = BlobRef(hashlib.sha256(content).hexdigest(), len(content))
        return Drafted(task, key, document_id(call.collection.id, key), blob, call.rule_of(task), content)

    def _take_ordinarily(self, call: _Call, item: Drafted) -> None:
        """A file that is no source code: the queue takes it up."""
        pipeline, collection = self._pipeline, call.collection
        try:
            with pipeline.database.write() as session:
                _require_open(session, collection.id)
                code_rows.draft_documents(session, collection, call.frame, [item])
            pipeline.blobs.put_original(item.content)
            details = Details(commit=call.frame.commit)
            accept(
                pipeline.database,
                pipeline.blobs,
                collection.tenant_id,
                collection.id,
                item.source_key,
                item.blob,
                details=details,
            )
        except (InputError, NotPermitted) as error:
            call.end(item.task, None, error.code)
            return
        self._wake()
        call.end(item.task, item.document_id)

    def _write(self, call: _Call, drafts: Sequence[Drafted]) -> None:
        """Put a group on record, then into blobs and index, then let it answer."""
        pipeline = self._pipeline
        subject = call.frame.repository.id
        with pipeline.database.write(bulk=True) as session:
            _require_open(session, call.collection.id)
            made = code_rows.write_drafts(session, call.collection, call.frame, drafts)
            reached("code.rows_written", subject)
        reached("code.rows_committed", subject)
        written = [item for item in made if isinstance(item, Written)]
        searchable = [item for item in written if item.failed is None]
        self._store_originals(drafts)
        reached("code.originals_stored", subject)
        pending = self._index(call, searchable)
        reached("code.points_written", subject)
        with pipeline.database.write(bulk=True) as session:
            code_rows.activate_all(session, call.frame, searchable, pending)
            reached("code.activated", subject)
        reached("code.activation_committed", subject)
        self._settle(call, [item.version_id for item in searchable])
        self._tell_flagged(call, searchable)
        for draft, result in zip(drafts, made, strict=True):
            call.end(draft.task, *_outcome(draft, result))

    def _store_originals(self, drafts: Sequence[Drafted]) -> None:
        """After their rows: from then on nobody removes them as strays."""
        with ThreadPoolExecutor(_BLOB_THREADS, thread_name_prefix="originals") as pool:
            list(pool.map(lambda draft: self._pipeline.blobs.put_original(draft.content), drafts))

    def _index(self, call: _Call, written: Sequence[Written]) -> set[UUID]:
        """Write the points of all versions to every space; returns the versions that wait for a model's vectors there."""
        pipeline = self._pipeline
        with pipeline.database.read() as session:
            versions = {row.id: row for row in versions_table.by_ids(session, [item.version_id for item in written])}
            tags = tags_of_many(session, list(versions.values()))
        pending: set[UUID] = set()
        for target in pipeline.targets():
            most = chunks_in_memory(target.space)
            known = known_vectors(
                pipeline.database, pipeline.blobs, target.vectors_name, list(versions.values()), target.id, most
            )
            points: list[IndexPoint] = []
            for item in written:
                vectors, whole = self._vectors(target, item, known)
                if not whole:
                    pending.add(item.version_id)
                elif any(one.model is not None for one in vectors):
                    points_of.store_vectors(pipeline.blobs, target, item.version_id, vectors)
                version, own = versions[item.version_id], tags[item.version_id]
                points += [points_of.point(version, c, v, own) for c, v in zip(item.chunks, vectors, strict=True)]
            self._insert(target, points, written)
        return pending

    def _vectors(self, target: LiveSpace, item: Written, known: KnownVectors) -> tuple[list[TextVectors], bool]:
        """The vectors of a version, and whether all are there: a model's are taken over from where the same text was read."""
        cut = item.draft.cut
        if not isinstance(cut, CutFile):
            raise TypeError("nothing was cut")
        visible = shown(item.chunks, cut.found, cut.record)
        sparse = self._lexical(target, visible, cut.sparse)
        read = [target.space.knows(chunk.language) for chunk in visible]
        if not any(read):
            return [TextVectors(vector) for vector in sparse], True
        if not known.model:
            return [TextVectors(vector) for vector in sparse], False
        models = [
            known.model.get(text_key(dense_text(c))) if reads else None for c, reads in zip(visible, read, strict=True)
        ]
        whole = all(model is not None or not reads for model, reads in zip(models, read, strict=True))
        return [TextVectors(*pair) for pair in zip(sparse, models, strict=True)], whole

    def _lexical(
        self, target: LiveSpace, chunks: Sequence[Chunk], made: Sequence[SparseVector | None]
    ) -> Sequence[SparseVector]:
        """The child's lexical vectors, and those that it had to leave to us."""
        foreign = target.space.lexical_name != self._lexical_name
        ours = [place for place, vector in enumerate(made) if vector is None or foreign]
        new = target.space.embed_lexical([chunks[place] for place in ours]) if ours else []
        by_place = {place: vectors.sparse for place, vectors in zip(ours, new, strict=True)}
        return [by_place.get(place) or vector or _NOTHING for place, vector in enumerate(made)]

    def _insert(self, target: LiveSpace, points: Sequence[IndexPoint], written: Sequence[Written]) -> None:
        """Write the points of these versions; what another cut of them has left in the index goes, as where a release that cuts
        differently takes up what the one before had in work."""
        if not written:
            return
        versions = [item.version_id for item in written]
        for last in (False, True):
            for start in range(0, len(points), points_of.UPSERT_POINTS):
                target.index.insert(points[start : start + points_of.UPSERT_POINTS])
                self._pipeline.pause()
            found = target.index.count(*versions)
            if found == len(points):
                return
            if last or found < len(points):  # fewer: deleted and purged meanwhile, and not to be written again
                raise IndexWriteMismatch(found=found, expected=len(points))
            target.index.delete_versions(versions)

    def _settle(self, call: _Call, version_ids: Sequence[UUID]) -> None:
        """Make good what changed on record while points were written, and take from the index what answers no longer."""
        pipeline = self._pipeline
        with pipeline.database.read() as session:
            deleted = versions_table.deleted_among(session, version_ids)
        remove_leftovers(pipeline.database, pipeline.blobs, pipeline.index, deleted)
        settle_siblings(pipeline.database, pipeline.index, version_ids)
        reached("code.settled", call.frame.repository.id)

    def _tell_flagged(self, call: _Call, written: Sequence[Written]) -> None:
        audit = self._pipeline.audit
        if audit is None:
            return
        for item in written:
            cut = item.draft.cut
            if isinstance(cut, CutFile) and cut.suspect.value >= call.frame.flag_from:
                told = {"version": str(item.version_id), "signs": list(cut.suspect.signs)}
                named = whose([call.collection.id], [item.draft.document_id])
                deed = Deed(AuditKind.DOCUMENT_FLAGGED, "flag a document for review", told, named)
                ServiceTrail(audit, call.collection.tenant_id, "ingestion", "ingestion").record([deed])


def _rules(session: Session, repository: Repository, files: Sequence[FileTask]) -> dict[GivenRule, AccessRule]:
    """Every rule among the tasks, with subjects by id. A list of readers holds whoever added the repository."""
    owner = frozenset() if repository.owner_id is None else frozenset({user(repository.owner_id)})
    found: dict[GivenRule, AccessRule] = {}
    for given in {task.access for task in files if task.access is not None}:
        rule = resolved(session, repository.tenant_id, given, owner)
        found[given] = AccessRule(rule.allow | owner, rule.deny, rule.label) if rule.allow else rule
    return found


def _require_open(session: Session, collection_id: UUID) -> None:
    """As an upload does: until commit a deletion of the collection waits, and then sees these documents."""
    row = session.get(Collection, collection_id, with_for_update={"read": True}, populate_existing=True)
    if row is None or row.deleted_at is not None:
        raise CollectionNotFound(name=str(collection_id))


def _groups(files: Sequence[FileTask]) -> Iterator[list[FileTask]]:
    """Files whose contents are read from git together."""
    group: list[FileTask] = []
    size = 0
    for task in files:
        group.append(task)
        size += task.size
        if len(group) >= 2 * BATCH_FILES or size >= 4 * BATCH_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _is_full(group: Sequence[Drafted]) -> bool:
    chunks = sum(len(item.cut.chunks) for item in group if isinstance(item.cut, CutFile))
    return len(group) >= GROUP_FILES or chunks >= GROUP_CHUNKS


def _answers(known: Mapping[UUID, Known], item: Drafted) -> bool:
    found = known.get(item.document_id)
    return found is not None and found.holds(item.blob.content_hash)


def _has_rule(found: Known, rule: AccessRule) -> bool:
    return AccessRule.from_json(found.document.own_rule) == rule


def _is_next_done(in_work: _InWork) -> bool:
    return bool(in_work) and in_work[0][1].done()


def _drafted(batch: Sequence[Drafted], future: Future[list[CutFile | SeogoError]]) -> list[Drafted]:
    return [item.as_cut(cut) for item, cut in zip(batch, future.result(), strict=True)]


def _outcome(draft: Drafted, result: Written | Refusal | None) -> tuple[UUID | None, str]:
    if isinstance(result, Refusal):
        return None, result.error.code
    failed = None if result is None else result.failed
    return draft.document_id, "" if failed is None else failed.code
