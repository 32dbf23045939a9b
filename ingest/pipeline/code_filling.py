"""The vectors of a model, for versions that are searched by words already: behind the code lane, the newest commit first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ingest.pipeline import code_rows
from ingest.pipeline import points as points_of
from ingest.pipeline.chunks_to_index import ChunksToIndex, Counted
from ingest.pipeline.embedding_pieces import chunks_in_memory, embedded
from ingest.pipeline.fault_points import reached
from ingest.pipeline.labels import write_settled
from ingest.pipeline.reuse import known_vectors
from ingest.pipeline.steps import Pipeline
from rag.retrieval.spaces import LiveSpace
from rag.store import repository_work
from rag.store.collection import Collection
from rag.store.version import DocumentVersion, VersionState, in_index

Progress = Callable[[int, int], None]
_GROUP_CHUNKS = 512
"""Chunks of several files that are embedded together; what a killed process has to do again."""
_GROUP_VERSIONS = 128
_LOOK_S = 0.5
"""Between two looks whether a repository is still being indexed."""


def fill(
    pipeline: Pipeline, stop: threading.Event, progress: Progress, collections: Sequence[UUID] | None = None
) -> int:
    """Embed what waits (of these collections), until nothing does or `stop` is set; returns how many versions are done.

    Stands aside while files of a repository are being indexed: words and symbols of all of them come before any file's vectors.
    Those that answer go before those that once did, later ones before earlier ones. `progress` gets versions done, and those
    in all. Repeating it is safe; two processes at once do the same work twice and no harm.

    Raises:
        ModelUnavailable, IndexUnavailable, StoreUnavailable: a part of the service is away; the rest waits.
        Interrupted: this process is about to end.
    """
    done = 0
    while not stop.is_set():
        _stand_aside(pipeline, stop)
        most = min(_GROUP_CHUNKS, *(chunks_in_memory(target.space) for target in pipeline.targets()))
        with pipeline.database.read() as session:
            waiting = waiting_versions(session, collections)
            group = _next_versions(session, collections, most)
        progress(done, done + waiting)
        if not group:
            break
        _fill_group(pipeline, group)
        done += len(group)
    return done


def _stand_aside(pipeline: Pipeline, stop: threading.Event) -> None:
    while not stop.is_set():
        with pipeline.database.read() as session:
            if not repository_work.is_indexing(session):
                return
        stop.wait(_LOOK_S)


def waiting_versions(session: Session, collections: Sequence[UUID] | None = None) -> int:
    """How many versions wait for a model's vectors."""
    query = select(func.count()).where(*_waiting(collections))
    return session.scalar(query) or 0


def _waiting(collections: Sequence[UUID] | None) -> tuple[ColumnElement[bool] | InstrumentedAttribute[bool], ...]:
    """Those of deleted collections wait for nothing any more, though their documents may not be hidden yet."""
    mine = () if collections is None else (DocumentVersion.collection_id.in_(collections),)
    deleted = select(Collection.id).where(Collection.deleted_at.is_not(None))
    return (DocumentVersion.dense_pending, in_index(), DocumentVersion.collection_id.not_in(deleted), *mine)


def _next_versions(session: Session, collections: Sequence[UUID] | None, chunks: int) -> list[DocumentVersion]:
    answering = case((DocumentVersion.state == VersionState.ACTIVE, 0), else_=1)
    order = (answering, DocumentVersion.created_at.desc(), DocumentVersion.id)
    query = select(DocumentVersion).where(*_waiting(collections)).order_by(*order).limit(_GROUP_VERSIONS)
    return points_of.first_group(session.scalars(query), chunks)


def _fill_group(pipeline: Pipeline, group: Sequence[DocumentVersion]) -> None:
    """Embed what is not embedded yet, in every space that is kept in step; then write all points anew."""
    chunks = [ChunksToIndex(pipeline.database, version.id) for version in group]
    for target in pipeline.targets():
        _embed(pipeline, target, group, chunks)
        reached("code.filled", group[0].id)
        for version in group:
            write_settled(pipeline.database, target, version, pipeline.write)
            reached("code.fill_written", version.id)
    ids = [version.id for version in group]
    with pipeline.database.write() as session:
        code_rows.clear_pending(session, ids)
        kept = set(session.scalars(select(DocumentVersion.id).where(DocumentVersion.id.in_(ids), in_index())))
    for version_id in set(ids) - kept:
        pipeline.blobs.delete_derived(version_id)  # a purge that was faster has looked for them before they were there


def _embed(
    pipeline: Pipeline, target: LiveSpace, group: Sequence[DocumentVersion], chunks: Sequence[ChunksToIndex]
) -> None:
    new = [
        (version, own)
        for version, own in zip(group, chunks, strict=True)
        if points_of.fitting(target, own, points_of.stored_vectors(pipeline.blobs, target, version.id)) is None
    ]
    most = chunks_in_memory(target.space)
    versions = [item for item, _ in new]
    known = known_vectors(pipeline.database, pipeline.blobs, target.vectors_name, versions, target.id, most)
    counted = Counted([own for _, own in new])
    made = embedded(counted, target.space, known, partial(pipeline.pause, target.space))
    for (version, _), vectors in zip(new, made.split(counted.found), strict=True):
        points_of.store_vectors(pipeline.blobs, target, version.id, vectors)
