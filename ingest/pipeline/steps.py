"""The steps of ingestion. Each takes version ids, is safe to repeat, and returns the ids that may go on.

What one step hands to the next lies in the database or in a derived blob, never in memory or in the queue's own tables, so a
step can run in another process than the one before it. A document that fails is recorded and left out; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

from ingest.chunking.base import Chunker
from ingest.parsing.identify import identify
from ingest.parsing.sandbox import ParseSandbox
from ingest.parsing.wire import decode_document, encode_document
from ingest.pipeline import vectors as vector_file
from ingest.pipeline.children import ChildLimits, Expansion
from rag.blobs.store import BlobStore
from rag.domain.document import Chunk, ParsedDocument
from rag.domain.errors import IndexUnavailable, IndexWriteMismatch, NoTextFound, ParserCrashed, SeogoError, Unavailable
from rag.embedding.space import EmbeddingSpace, TextVectors
from rag.index.base import IndexPoint, VectorIndex
from rag.store import chunk as chunks_table
from rag.store import family
from rag.store import lifecycle as versions_lifecycle
from rag.store import version as versions_table
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import DocumentVersion, Stage, VersionState

log = logging.getLogger(__name__)

_PARSED = "parsed.json"
_EMBED_CHUNKS = 512
"""Chunks embedded between two progress reports; large enough that token-budget batches across documents stay full."""
_UPSERT_POINTS = 512


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps and what they work with."""

    database: Database
    blobs: BlobStore
    index: VectorIndex
    space: EmbeddingSpace
    sandbox: ParseSandbox
    chunker: Chunker
    parse_concurrency: int = 2
    child_limits: ChildLimits = field(default_factory=ChildLimits)

    def identify(self, ids: Sequence[UUID]) -> list[UUID]:
        """Note what each file is, by content."""
        versions = self._enter(ids, Stage.IDENTIFY)
        return self._each(versions, self._identify_one)

    def parse(self, ids: Sequence[UUID]) -> list[UUID]:
        """Parse each file in a sandboxed child; the result becomes a derived blob."""
        versions = self._enter(ids, Stage.PARSE)
        with ThreadPoolExecutor(self.parse_concurrency, thread_name_prefix="parse") as pool:
            outcomes = list(pool.map(lambda version: self._went_well(version, self._parse_one), versions))
        return [version.id for version, went_well in zip(versions, outcomes, strict=True) if went_well]

    def chunk(self, ids: Sequence[UUID]) -> list[UUID]:
        """Cut each parsed document into chunks and store them."""
        return self._each(self._enter(ids, Stage.CHUNK), self._chunk_one)

    def embed(self, ids: Sequence[UUID]) -> list[UUID]:
        """Embed the chunks of all documents together, so that token-budget batches fill across documents."""
        pending = [v for v in self._enter(ids, Stage.EMBED) if self._stored_vectors(v.id) is None]
        group: list[tuple[DocumentVersion, list[Chunk]]] = []
        for version in pending:
            with self.database.read() as session:
                group.append((version, chunks_table.of_version(session, version.id)))
            if sum(len(chunks) for _, chunks in group) >= _EMBED_CHUNKS:
                self._embed_group(group)
                group = []
        self._embed_group(group)
        return list(ids)

    def index_points(self, ids: Sequence[UUID]) -> list[UUID]:
        """Upsert each version's points, wait, and read back the count."""
        return self._each(self._enter(ids, Stage.INDEX), self._index_one)

    def activate(self, ids: Sequence[UUID]) -> list[UUID]:
        """Let each version answer questions, retire the one before it, and take that one's points from the index.

        What has to leave the index is read from the record, not remembered: a crash between the two is made good by
        the replay.
        """
        for version in self._enter(ids, Stage.ACTIVATE):
            with self.database.write() as session:
                versions_lifecycle.activate(session, version.id)
            self.blobs.delete_derived(version.id, _PARSED)
        with self.database.read() as session:
            superseded = versions_lifecycle.not_active_siblings(session, ids)
        if superseded:
            self.index.delete_versions(superseded)
        return list(ids)

    def fail(self, ids: Sequence[UUID], error: SeogoError) -> None:
        """Record on every unfinished version of a batch that a step failed for good."""
        with self.database.write() as session:
            for version_id in ids:
                versions_table.mark_failed(session, version_id, error)
        try:
            self.index.delete_versions(ids)
        except IndexUnavailable:
            # Nobody can read them (the record says failed); they leave with the document's next activation.
            log.warning("points of %d failed versions stay in the index for now", len(ids))

    def _enter(self, ids: Sequence[UUID], stage: Stage) -> list[DocumentVersion]:
        """The versions that still have to run, marked as being in `stage`. Replaying a finished one is no work."""
        with self.database.write() as session:
            versions_table.enter_stage(session, ids, stage)
        with self.database.read() as session:
            found = versions_table.by_ids(session, ids)
        return [version for version in found if version.state == VersionState.RUNNING]

    def _each(self, versions: Sequence[DocumentVersion], step: Callable[[DocumentVersion], None]) -> list[UUID]:
        return [version.id for version in versions if self._went_well(version, step)]

    def _went_well(self, version: DocumentVersion, step: Callable[[DocumentVersion], None]) -> bool:
        """Run `step` for one document. A part of the service being away goes up to the retry of the whole step;
        everything else is that document's own failure and is recorded on it, so that no poison file blocks a batch."""
        try:
            step(version)
        except Unavailable:
            raise
        except SeogoError as error:
            log.info("ingestion of version %s failed: %s", version.id, error.code)
            self.fail([version.id], error)
        except Exception:  # a defect of ours in one document must not stop the others; the trace is the operator's
            log.exception("ingestion of version %s failed unexpectedly", version.id)
            self.fail([version.id], SeogoError())
        else:
            return True
        return False

    def _identify_one(self, version: DocumentVersion) -> None:
        with self.blobs.local_copy(version.content_hash) as path:
            media_type = identify(path, version.filename).media_type
        with self.database.write() as session:
            session.get_one(DocumentVersion, version.id).media_type = media_type

    def _parse_one(self, version: DocumentVersion) -> None:
        with self.blobs.local_copy(version.content_hash) as path:
            parsed = self._parse_twice(path, version.filename)
            more = partial(self.sandbox.parse, path, version.filename)
            warnings = Expansion(self.database, self.blobs, self.child_limits, version, more).run(parsed)
        self.blobs.put_derived(version.id, _PARSED, encode_document(parsed))
        with self.database.write() as session:
            row = session.get_one(DocumentVersion, version.id)
            row.parser, row.pages, row.warnings = parsed.parser, parsed.pages, warnings

    def _parse_twice(self, path: Path, name: str) -> ParsedDocument:
        """A crash may be the machine's fault (memory pressure), so it gets one more try before it is the file's."""
        try:
            return self.sandbox.parse(path, name)
        except ParserCrashed:
            return self.sandbox.parse(path, name)

    def _chunk_one(self, version: DocumentVersion) -> None:
        parsed = self._parsed(version.id)
        with self.database.read() as session:
            source_key = session.get_one(Document, version.document_id).source_key
        chunks = self.chunker.chunk(parsed, version.id, source_key)
        with self.database.read() as session:
            holds_files = family.has_children(session, version.id)
        if not chunks and not holds_files:
            raise NoTextFound(name=version.filename)
        with self.database.write() as session:
            chunks_table.replace_chunks(session, version.id, chunks)
            session.get_one(DocumentVersion, version.id).chunk_count = len(chunks)
            session.get_one(Document, version.document_id).title = (parsed.title or source_key)[:500]

    def _parsed(self, version_id: UUID) -> ParsedDocument:
        data = self.blobs.get_derived(version_id, _PARSED)
        if data is None:
            raise FileNotFoundError(f"parse result of version {version_id}")
        return decode_document(data)

    def _embed_group(self, group: Sequence[tuple[DocumentVersion, list[Chunk]]]) -> None:
        chunks = [chunk for _, own in group for chunk in own]
        made: list[TextVectors] = []
        for start in range(0, len(chunks), _EMBED_CHUNKS):
            part = chunks[start : start + _EMBED_CHUNKS]
            made += self.space.embed_chunks(part)
            if len(group) == 1:
                self._report(group[0][0].id, len(made), len(chunks))
        start = 0
        for version, own in group:
            data = vector_file.pack(self.space.name, made[start : start + len(own)])
            self.blobs.put_derived(version.id, vector_file.FILE, data)
            self._report(version.id, len(own), len(own))
            start += len(own)

    def _stored_vectors(self, version_id: UUID) -> list[TextVectors] | None:
        data = self.blobs.get_derived(version_id, vector_file.FILE)
        return None if data is None else vector_file.unpack(self.space.name, data)

    def _index_one(self, version: DocumentVersion) -> None:
        with self.database.read() as session:
            chunks = chunks_table.of_version(session, version.id)
        for points in self.points(version, chunks):
            self.index.upsert(points)
        found = self.index.count(version.id)
        if found != len(chunks):
            raise IndexWriteMismatch(found=found, expected=len(chunks))

    def points(self, version: DocumentVersion, chunks: Sequence[Chunk]) -> Iterator[list[IndexPoint]]:
        """A version's points in groups, from its stored vectors; embedded again only where those don't fit."""
        stored = self._stored_vectors(version.id)
        if stored is None or len(stored) != len(chunks):
            stored = self.space.embed_chunks(chunks)
            self.blobs.put_derived(version.id, vector_file.FILE, vector_file.pack(self.space.name, stored))
        for start in range(0, len(chunks), _UPSERT_POINTS):
            end = start + _UPSERT_POINTS
            yield [_point(version, c, v) for c, v in zip(chunks[start:end], stored[start:end], strict=True)]

    def _report(self, version_id: UUID, done: int, total: int) -> None:
        with self.database.write() as session:
            versions_table.report_progress(session, version_id, done, total)


def _point(version: DocumentVersion, chunk: Chunk, vectors: TextVectors) -> IndexPoint:
    return IndexPoint(
        chunk_id=chunk.id,
        tenant_id=version.tenant_id,
        collection_id=version.collection_id,
        document_id=version.document_id,
        version_id=version.id,
        sparse=vectors.sparse,
        dense=vectors.dense,
    )
