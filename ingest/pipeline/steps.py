"""The steps of ingestion. Each takes a job's version ids, is safe to repeat, and returns the ids that may go on.

What one step hands to the next lies in the database or in a derived blob, never in memory or in the queue's own tables, so a
step can run in another process than the one before it. A document that fails is recorded and left out; the others go on.
A version that was cancelled, deleted or given to another job meanwhile is left alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import cast
from uuid import UUID

from sqlalchemy.orm import Session

from ingest.chunking.base import Chunker, go_on
from ingest.parsing.read_so_far import ReadSoFar, is_long
from ingest.parsing.sandbox import ParseSandbox
from ingest.parsing.wire import WireError, encode_document
from ingest.pipeline import points as points_of
from ingest.pipeline.children import ChildLimits, Expansion
from ingest.pipeline.chunks_to_index import ChunksToIndex, Counted
from ingest.pipeline.cutting import Cut, Cutting
from ingest.pipeline.embedding_pieces import chunks_in_memory, pieces_of
from ingest.pipeline.fault_points import reached
from ingest.pipeline.labels import settle_siblings, settle_written, tags_of, write_settled
from ingest.pipeline.leftovers import remove_leftovers
from ingest.pipeline.long_sandbox import LongSandbox
from ingest.pipeline.metadata import note_metadata, speak_for_document
from ingest.pipeline.reuse import known_vectors
from ingest.pipeline.vectors import GrowingVectors
from ingest.settings import IngestSettings
from rag.access.audit import AuditTrail, Deed, ServiceTrail, whose
from rag.blobs.store import BlobStore
from rag.domain.audit import AuditKind
from rag.domain.errors import (
    BlobsUnavailable,
    DocumentNotFound,
    IndexUnavailable,
    IndexWriteMismatch,
    ModelAway,
    NoTextFound,
    OriginalMissing,
    ParserCrashed,
    SeogoError,
    StoreUnavailable,
    Unavailable,
    WorkerLost,
)
from rag.embedding.space import EmbeddingSpace
from rag.index.base import IndexPoint, PointTags, VectorIndex
from rag.index.in_step import IndexWriter
from rag.retrieval.spaces import LiveSpace
from rag.store import chunk as chunks_table
from rag.store import code_symbol, family, queue, review
from rag.store import lifecycle as versions_lifecycle
from rag.store import version as versions_table
from rag.store.document import Document
from rag.store.queue import RetryRule
from rag.store.session import Database
from rag.store.version import RETRYABLE, DocumentVersion, Priority, Stage, VersionState

log = logging.getLogger(__name__)

PARSED = "parsed.json"
"""Derived file of a parse result; gone when its version answers."""
_GROUP_CHUNKS = 512
"""Chunks of documents that are embedded together, so that token-budget batches fill across documents."""

_PATIENCE = timedelta(seconds=3)
"""A job that is given out begins in a tenth of a second where a worker is free, and a child looks at its files in a second."""

_SOON_S = 120.0
"""Seconds for which others may be kept waiting by what has been read for longer than that: as long as a part may take at most."""

ENDED_BADLY = (*RETRYABLE, VersionState.DELETED)


@dataclass(frozen=True, slots=True)
class Batch:
    """Versions that one job ingests together.

    Attributes:
        again: whether this process is repeating the step by itself, so that finding it begun tells of no crash.
    """

    job_id: str
    version_ids: Sequence[UUID]
    again: bool = False


class _SetApart(Exception):
    """A document takes so long that it goes on in a job of its own. No failure: nothing is recorded but that."""


def _require_running(session: Session, version: DocumentVersion) -> None:
    """Raise unless `version` is still in work for its job: of one that was cancelled or deleted meanwhile nothing is to come on
    record, for its purge has been there.

    Raises:
        DocumentNotFound: it is not.
    """
    row = session.get(DocumentVersion, version.id, populate_existing=True)
    if row is None or row.state != VersionState.RUNNING or row.job_id != version.job_id:
        raise DocumentNotFound(name=version.filename)


class Interrupted(BaseException):
    """This process is about to end. No error: what is in work is resumed by the next one."""


def _is_urgent(version: DocumentVersion) -> bool:
    """Whether somebody waits for it."""
    return version.priority == Priority.INTERACTIVE


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps and what they work with.

    Attributes:
        index, space: what is written where there is no more than one space.
        long: cuts long documents; None: they are cut in this process.
        in_step: gives the spaces that every write must reach, the current one first; `index` then spreads over them what
            concerns versions as a whole.
        give_way: called between two pieces of work; waits a moment while somebody's question is being answered.
        stopping: set when this process is about to end; a step then stops between two pieces of work.
    """

    database: Database
    blobs: BlobStore
    index: IndexWriter
    space: EmbeddingSpace
    sandbox: ParseSandbox
    chunker: Chunker
    parse_concurrency: int = 2
    child_limits: ChildLimits = field(default_factory=ChildLimits)
    retries: RetryRule = field(default_factory=RetryRule)
    give_way: Callable[[], None] = go_on
    stopping: threading.Event = field(default_factory=threading.Event)
    in_step: Callable[[], Sequence[LiveSpace]] | None = None
    flag_from: float = IngestSettings().injection_flag_from
    audit: AuditTrail | None = None
    long: LongSandbox | None = None

    def targets(self) -> Sequence[LiveSpace]:
        """The spaces that a version must be in, by the record of this moment; the current one first."""
        if self.in_step is not None:
            return self.in_step()
        return [LiveSpace("", self.space, cast("VectorIndex", self.index))]

    def identify(self, batch: Batch) -> list[UUID]:
        """Note what each file is, by content, which a sandboxed child looks at."""
        return self._side_by_side(batch, Stage.IDENTIFY, self._identify_one)

    def parse(self, batch: Batch) -> list[UUID]:
        """Parse each file in a sandboxed child; the result becomes a derived blob."""
        return self._side_by_side(batch, Stage.PARSE, partial(self._parse_one, batch))

    def _side_by_side(self, batch: Batch, stage: Stage, step: Callable[[DocumentVersion], None]) -> list[UUID]:
        """What a child of the sandbox does for each file."""
        versions = self._enter(batch, stage)
        with ThreadPoolExecutor(self.parse_concurrency, thread_name_prefix=str(stage)) as pool:
            outcomes = list(pool.map(lambda version: self._went_well(batch, version, step), versions))
        return [version.id for version, went_well in zip(versions, outcomes, strict=True) if went_well]

    def chunk(self, batch: Batch) -> list[UUID]:
        """Cut each parsed document into chunks and store them."""
        return self._each(batch, self._enter(batch, Stage.CHUNK), self._chunk_one)

    def embed(self, batch: Batch) -> list[UUID]:
        """Embed the chunks of all documents together, so that token-budget batches fill across documents."""
        versions = self._enter(batch, Stage.EMBED)
        for target in self.targets():
            self._embed_in(target, versions)
        return [version.id for version in versions]

    def _embed_in(self, target: LiveSpace, versions: Sequence[DocumentVersion]) -> None:
        group: list[tuple[DocumentVersion, ChunksToIndex]] = []
        for version in versions:
            if points_of.stored_vectors(self.blobs, target, version.id) is not None:
                continue
            self.pause()
            group.append((version, ChunksToIndex(self.database, version.id)))
            if sum(len(chunks) for _, chunks in group) >= min(_GROUP_CHUNKS, chunks_in_memory(target.space)):
                self._embed_group(target, group)
                group = []
        self._embed_group(target, group)

    def index_points(self, batch: Batch) -> list[UUID]:
        """Upsert each version's points, wait, and read back the count."""
        return self._each(batch, self._enter(batch, Stage.INDEX), self._index_one)

    def activate(self, batch: Batch) -> list[UUID]:
        """Let each version answer questions, retire the one before it, and move that one's points to the archive.

        What has to leave the index is read from the record, not remembered: a crash between the two is made good by
        the replay.
        """
        for version in self._enter(batch, Stage.ACTIVATE):
            self.pause()
            with self.database.write() as session:
                versions_lifecycle.activate(session, version.id)
                speak_for_document(session, version.id)
                reached("activate.row_written", version.id)
            reached("activate.row_committed", version.id)
        self._write_to_new_spaces(batch.version_ids)
        settle_siblings(self.database, self.index, batch.version_ids)
        reached("activate.old_points_removed", batch.job_id)
        return list(batch.version_ids)

    def tidy(self, batch: Batch) -> list[UUID]:
        """Remove what nobody needs once a batch is through: parse results, and all that a failed version left."""
        with self.database.read() as session:
            mine = [v for v in versions_table.by_ids(session, batch.version_ids) if v.job_id == batch.job_id]
        for version in mine:
            self.pause()
            if version.state in (VersionState.ACTIVE, VersionState.RETIRED):
                self.blobs.delete_derived(version.id, PARSED)
        # Retired while it was in work: who did that found no points to move away, or not all.
        retired = [version.id for version in mine if version.state == VersionState.RETIRED]
        if retired:
            settle_siblings(self.database, self.index, retired)
        self.clean([version for version in mine if version.state in ENDED_BADLY])
        return list(batch.version_ids)

    def clean(self, versions: Sequence[DocumentVersion]) -> None:
        """Take versions that ended without answering out of index, chunks and derived files. Originals stay."""
        ids = [version.id for version in versions]
        if not ids:
            return
        remove_leftovers(self.database, self.blobs, self.index, ids, "tidy")
        with self.database.write() as session:
            versions_table.mark_cleaned(session, ids)

    def fail(self, batch: Batch, error: SeogoError) -> None:
        """Record why these versions failed: for good, or until their next try."""
        outage = isinstance(error, (IndexUnavailable, StoreUnavailable, BlobsUnavailable, ModelAway))
        with self.database.write() as session:
            for version_id in batch.version_ids:
                queue.record_failure(session, batch.job_id, version_id, error, self.retries, counts=not outage)
                reached("fail.row_written", version_id)
        reached("fail.row_committed", batch.job_id)

    def _enter(self, batch: Batch, stage: Stage) -> list[DocumentVersion]:
        """The versions that still have to run, marked as being in `stage`. Replaying a finished one is no work."""
        self.pause()
        with self.database.write() as session:
            if not batch.again:
                self._count_crashes(session, batch, stage)
            versions_table.enter_stage(session, batch.version_ids, stage, batch.job_id)
        with self.database.read() as session:
            found = versions_table.by_ids(session, batch.version_ids)
        deleted = [version.id for version in found if version.state == VersionState.DELETED]
        remove_leftovers(self.database, self.blobs, self.index, deleted)
        return [v for v in found if v.state == VersionState.RUNNING and v.job_id == batch.job_id]

    def _count_crashes(self, session: Session, batch: Batch, stage: Stage) -> None:
        """Where a worker died in the middle of this stage: count it, then ingest alone, then set aside (`Priority`)."""
        died = queue.begun_before(session, batch.job_id, batch.version_ids, stage)
        if not died:
            return
        queue.count_crash(session, died)
        for version in queue.crashed_out(session, died, self.retries.tries):
            log.error("version %s is set aside: workers died while it was in work", version.id)
            queue.quarantine(session, batch.job_id, version.id, WorkerLost(name=version.filename))
        queue.isolate(session, died)

    def _each(
        self, batch: Batch, versions: Sequence[DocumentVersion], step: Callable[[DocumentVersion], None]
    ) -> list[UUID]:
        return [version.id for version in versions if self._went_well(batch, version, step)]

    def _went_well(self, batch: Batch, version: DocumentVersion, step: Callable[[DocumentVersion], None]) -> bool:
        """Run `step` for one document. A part of the service being away goes up to the retry of the whole step;
        everything else is that document's own failure and is recorded on it, so that no poison file blocks a batch."""
        self.pause()
        alone = Batch(batch.job_id, (version.id,))
        try:
            step(version)
        except Unavailable:
            raise
        except _SetApart:
            log.info("version %s takes long to read; it goes on in a job of its own", version.id)
        except SeogoError as error:
            self._stop_if_told()
            log.info("ingestion of version %s failed: %s", version.id, error.code)
            self.fail(alone, error)
        except Exception:  # a defect of ours in one document must not stop the others; the trace is the operator's
            self._stop_if_told()
            log.exception("ingestion of version %s failed unexpectedly", version.id)
            self.fail(alone, SeogoError())
        else:
            return True
        return False

    def pause(self, space: EmbeddingSpace | None = None) -> None:
        """Between two pieces of work: end where the process does, and give way to questions.

        Args:
            space: whose model does the next piece; no question waits for one that runs elsewhere.
        """
        self._stop_if_told()
        if space is None or not space.piece.elsewhere:
            self.give_way()

    def _stop_if_told(self) -> None:
        """Nothing that goes wrong while the service shuts down around it is the document's fault."""
        if self.stopping.is_set():
            raise Interrupted

    def _identify_one(self, version: DocumentVersion) -> None:
        try:
            with self.blobs.local_copy(version.content_hash) as path:
                media_type = self.sandbox.identify(path, version.filename, urgent=_is_urgent(version))
        except FileNotFoundError:  # not yet there, or lost: three tries, then the file is set aside
            raise OriginalMissing(name=version.filename) from None
        with self.database.write() as session:
            session.get_one(DocumentVersion, version.id).media_type = media_type
            reached("identify.row_written", version.id)
        reached("identify.row_committed", version.id)

    def _parse_one(self, batch: Batch, version: DocumentVersion) -> None:
        with self.blobs.local_copy(version.content_hash) as path:
            parse = partial(self.sandbox.parse, path, version.filename, urgent=_is_urgent(version))
            parsed = parse(told=partial(self._read_so_far, batch, version))
            reached("parse.answered", version.id)
            warnings = Expansion(self.database, self.blobs, self.child_limits, version, parse).run(parsed)
        self.blobs.put_derived(version.id, PARSED, encode_document(parsed))
        reached("parse.blob_written", version.id)
        with self.database.write() as session:
            row = session.get_one(DocumentVersion, version.id)
            row.parser, row.pages, row.warnings = parsed.parser, parsed.pages, warnings
        reached("parse.row_committed", version.id)

    def _read_so_far(self, batch: Batch, version: DocumentVersion, read: ReadSoFar) -> None:
        """While the pages of a document are read. One that turns out to be long leaves its batch, which goes on without it.

        Raises:
            DocumentNotFound: it is not in work any more, and nobody waits for the rest.
            _SetApart: it waits for a job of its own.
        """
        self._stop_if_told()
        try:
            goes_on = self._report(version.id, read.pages, read.total)
            if goes_on and is_long(read):
                self._set_apart(batch, version, read)
        except StoreUnavailable:  # what was read so far is worth more than that somebody sees how much
            return
        if not goes_on:
            raise DocumentNotFound(name=str(version.document_id))

    def _is_in_the_way(self, session: Session, batch: Batch, version: DocumentVersion, read: ReadSoFar) -> bool:
        """Whether anything else has to wait for this document. One that somebody waits for, and that is alone in its job, stays
        there until another one finds no job of its own, or no child of this worker: it would only be read anew, behind other long
        ones. Then one such leaves that has more before it than is thrown away: asked where it is written, so that no two do."""
        if len(batch.version_ids) > 1 or not _is_urgent(version):
            return True
        if read.left_s < min(read.seconds, _SOON_S):
            return False
        no_child = self.sandbox.urgent_waits_s() >= _PATIENCE.total_seconds()
        no_job = no_child or queue.stands_still(session, Priority.INTERACTIVE, _PATIENCE)
        return no_job and queue.may_leave(session, _PATIENCE)

    def _set_apart(self, batch: Batch, version: DocumentVersion, read: ReadSoFar) -> None:
        with self.database.write() as session:
            in_the_way = self._is_in_the_way(session, batch, version, read)
            is_apart = in_the_way and queue.set_apart(session, batch.job_id, version.id)
            reached("parse.row_set_apart", version.id)
        if is_apart:
            reached("parse.set_apart", version.id)
            raise _SetApart

    def _chunk_one(self, version: DocumentVersion) -> None:
        with self.database.read() as session:
            source_key = session.get_one(Document, version.document_id).source_key
        cutting = Cutting(self.database, self.chunker, self.long)
        in_work = partial(self._require_in_work, version)
        try:
            cut = cutting.cut(self._parsed(version.id), version, source_key, self.pause, in_work)
            if not cut.count and not self._holds_files(version):
                raise NoTextFound(name=version.filename)
            reached("chunk.cut", version.id)
            flagged = self._write_chunks(version, cut)
        except WireError as wrong:
            log.warning("the chunks of version %s are malformed: %s", version.id, wrong)
            raise ParserCrashed(name=version.filename) from wrong
        reached("chunk.rows_committed", version.id)
        if flagged and self.audit is not None:
            self._tell_flagged(self.audit, version, cut.suspect.signs)
        cut.examined.require_searchable(version)

    def _require_in_work(self, version: DocumentVersion) -> None:
        """While another process works for it; of one that was cancelled or deleted meanwhile nobody waits for the rest."""
        self._stop_if_told()
        with suppress(StoreUnavailable), self.database.read() as session:
            _require_running(session, version)

    def _write_chunks(self, version: DocumentVersion, cut: Cut) -> bool:
        """Put chunks and what is known of them on record; whether the document is to be looked at by somebody."""
        with self.database.write() as session:
            # The document before its version, as an upload of it does: chunks hold their version, and could wait crosswise.
            session.get_one(Document, version.document_id, with_for_update=True)
            _require_running(session, version)
            chunks_table.replace_chunks(session, version.id, cut.chunks, cut.examined.found)
            if cut.outline is not None:
                code_symbol.put_outlines(session, [(version.id, version.collection_id, cut.outline)])
            row = session.get_one(DocumentVersion, version.id)
            row.chunk_count = cut.count
            note_metadata(session, row, cut.parsed)
            cut.examined.note(row)
            suspect = cut.suspect
            flagged = review.note_score(session, version.id, suspect.value, suspect.signs, flag_from=self.flag_from)
            reached("chunk.rows_written", version.id)
        return flagged

    def _tell_flagged(self, audit: AuditTrail, version: DocumentVersion, signs: Sequence[str]) -> None:
        """Put on the trail that a document seems to speak to a model; told again where it is cut again."""
        told = {"version": str(version.id), "signs": list(signs)}
        named = whose([version.collection_id], [version.document_id])
        deed = Deed(AuditKind.DOCUMENT_FLAGGED, "flag a document for review", told, named)
        ServiceTrail(audit, version.tenant_id, "ingestion", "ingestion").record([deed])

    def _holds_files(self, version: DocumentVersion) -> bool:
        """Whether files inside it became documents, or would have, had a newer version not been faster."""
        with self.database.read() as session:
            return family.has_children(session, version) or family.is_overtaken(session, version)

    def _parsed(self, version_id: UUID) -> bytes:
        data = self.blobs.get_derived(version_id, PARSED)
        if data is None:
            raise FileNotFoundError(f"parse result of version {version_id}")
        return data

    def _embed_group(self, target: LiveSpace, group: Sequence[tuple[DocumentVersion, ChunksToIndex]]) -> None:
        chunks = Counted([own for _, own in group])
        versions = [version for version, _ in group]
        most = chunks_in_memory(target.space)
        known = known_vectors(self.database, self.blobs, target.vectors_name, versions, target.id, most)
        made = GrowingVectors()
        for part in pieces_of(chunks, target.space):
            self.pause(target.space)
            made.add(target.space.embed_chunks(part, known))
            if len(group) == 1 and not self._report(group[0][0].id, len(made), len(group[0][1])):
                return  # cancelled or deleted meanwhile
        if group:
            reached("embed.computed", group[0][0].id)
        for (version, own), vectors in zip(group, made.split(chunks.found), strict=True):
            self.pause()
            points_of.store_vectors(self.blobs, target, version.id, vectors)
            reached("embed.blob_written", version.id)
            if not self._report(version.id, len(own), len(own)):
                self._drop_if_deleted(version)

    def _index_one(self, version: DocumentVersion) -> None:
        with self.database.read() as session:
            tags = tags_of(session, version)
        chunks = ChunksToIndex(self.database, version.id)
        self.pause()
        for target in self.targets():
            self.write(target, version, chunks, tags)
        reached("index.counted", version.id)
        settle_written(self.database, self.index, version, tags)
        self._drop_if_deleted(version)  # vectors that a purge took away between two looks were made anew

    def write(self, target: LiveSpace, version: DocumentVersion, chunks: ChunksToIndex, tags: PointTags) -> None:
        """Upsert a version's points into one space, wait, and read back the count.

        Raises:
            IndexWriteMismatch: the engine holds fewer or more.
        """
        for points in self.points(version, chunks, tags, target):
            target.index.upsert(points)
            reached("index.upserted", version.id)
            self.pause()
        found = target.index.count(version.id)
        if found != len(chunks):
            raise IndexWriteMismatch(found=found, expected=len(chunks))

    def _write_to_new_spaces(self, version_ids: Sequence[UUID]) -> None:
        """A space that came on record while these versions were in work may have missed them: its builder looks for
        active versions, and they were not active yet. What comes on record after this look finds them active."""
        for target in self.targets()[1:]:
            with self.database.read() as session:
                versions = [v for v in versions_table.by_ids(session, version_ids) if v.state == VersionState.ACTIVE]
            for version in versions:
                if target.index.count(version.id) != version.chunk_count:
                    write_settled(self.database, target, version, self.write)

    def points(
        self,
        version: DocumentVersion,
        chunks: ChunksToIndex,
        tags: PointTags,
        target: LiveSpace | None = None,
    ) -> Iterator[list[IndexPoint]]:
        """A version's points in groups, in the current space when no other is named."""
        return points_of.version_points(self.blobs, target or self.targets()[0], version, chunks, tags)

    def _drop_if_deleted(self, version: DocumentVersion) -> None:
        """Remove what was made of a version that was deleted meanwhile: its purge may have been here before. What was cancelled
        is its own job's to clear away, and may be another's by now."""
        with self.database.read() as session:
            is_deleted = bool(versions_table.deleted_among(session, [version.id]))
        if is_deleted:
            self.blobs.delete_derived(version.id)

    def _report(self, version_id: UUID, done: int, total: int) -> bool:
        with self.database.write() as session:
            return versions_table.report_progress(session, version_id, done, total)
