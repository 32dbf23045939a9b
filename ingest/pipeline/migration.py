"""Building an embedding space beside the one that answers, from the record and the blobs alone.

The build goes through the versions in order of (created_at, id) and keeps its place on record, so a killed process goes on
where it was. What is uploaded, deleted or relabelled meanwhile reaches the new index by itself (`Pipeline.targets`). At the end
the index is compared with the record, version by version.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from ingest.pipeline import points as points_of
from ingest.pipeline import vectors as vector_file
from ingest.pipeline.chunks_to_index import ChunksToIndex, Counted
from ingest.pipeline.embedding_pieces import chunks_in_memory, pieces_of
from ingest.pipeline.fault_points import reached
from ingest.pipeline.labels import write_settled
from ingest.pipeline.steps import Pipeline
from ingest.pipeline.vectors import GrowingVectors
from rag.domain.document import Chunk
from rag.domain.errors import SeogoError, SpaceNotFound, StoreUnavailable, Unavailable
from rag.domain.space_failure import SpaceFailure
from rag.index import spaces as places
from rag.retrieval import space_changes
from rag.retrieval.space_conflicts import conflict
from rag.retrieval.spaces import LOOK_S, LiveSpace, Spaces
from rag.store import chunk as chunks_table
from rag.store import embedding_space as record
from rag.store.base import utc_now
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState
from rag.store.session import Database
from rag.store.version import UNFINISHED, DocumentVersion, in_index

log = logging.getLogger(__name__)

SHARE = 0.5
"""Share of its thread's time that a build takes where nothing else is configured."""
_GROUP_CHUNKS = 256
"""Chunks embedded and put on record together: what a killed process has to do again."""
_GROUP_VERSIONS = 64
_ROUNDS = 5
_LONGEST_SEARCH_S = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard a build works.

    Attributes:
        share: of its thread's time; the rest it sleeps.
        step_s: seconds after which it lets its caller look around.
    """

    share: float = SHARE
    step_s: float = 10.0


class Difference(NamedTuple):
    """Versions whose points in an index are not those of the record, and versions that have none to be there."""

    missing: list[UUID]
    unwanted: list[UUID]


def build_next(pipeline: Pipeline, space_id: str, pace: Pace) -> bool:
    """Build for some seconds; returns whether something is left to do.

    Raises:
        Unavailable: a part of the service is away, which the record says; the build goes on from where it was.
    """
    try:
        return _build_next(pipeline, space_id, pace)
    except StoreUnavailable:
        raise
    except Unavailable as error:
        with pipeline.database.write() as session:
            record.wait_for(session, space_id, SpaceFailure(error.code, error.params))
        raise
    except SeogoError as error:
        _fail(pipeline.database, space_id, error)
    except Exception:
        log.exception("building the embedding space %s failed unexpectedly", space_id)
        _fail(pipeline.database, space_id, SeogoError())
    return False


def _build_next(pipeline: Pipeline, space_id: str, pace: Pace) -> bool:
    target = next((live for live in pipeline.targets() if live.id == space_id), None)
    ends_at = time.monotonic() + pace.step_s
    while target is not None and time.monotonic() < ends_at:
        began = time.monotonic()
        with pipeline.database.read() as session:
            row = session.get_one(EmbeddingSpaceRow, space_id)
            if row.state != SpaceState.BUILDING:
                return False
            group = _next_versions(session, row, min(_GROUP_CHUNKS, chunks_in_memory(target.space)))
        if not group:
            return not _finish(pipeline, target)
        _build_group(pipeline, target, group, pace)
        last = group[-1]
        with pipeline.database.write() as session:
            chunks = sum(version.chunk_count for version in group)
            record.advance(session, space_id, (last.created_at, last.id), chunks, time.monotonic() - began)
            _note_total(session, space_id)
        reached("migrate.cursor_committed", space_id)
    return target is not None


def _note_total(session: Session, space_id: str) -> None:
    """What is to be done in all grows with uploads; those reach the new space by themselves, so `done` catches up at the end."""
    row = session.get_one(EmbeddingSpaceRow, space_id, populate_existing=True)
    row.total = max(chunks_table.count_active(session), row.done)


def _next_versions(session: Session, row: EmbeddingSpaceRow, chunks: int) -> list[DocumentVersion]:
    query = select(DocumentVersion).where(in_index())
    if row.cursor_at is not None:
        later = DocumentVersion.created_at > row.cursor_at
        same = and_(DocumentVersion.created_at == row.cursor_at, DocumentVersion.id > row.cursor_id)
        query = query.where(or_(later, same))
    query = query.order_by(DocumentVersion.created_at, DocumentVersion.id).limit(_GROUP_VERSIONS)
    return points_of.first_group(session.scalars(query), chunks)


def _build_group(pipeline: Pipeline, target: LiveSpace, group: Sequence[DocumentVersion], pace: Pace) -> None:
    """Embed what is not embedded in this space, then write."""
    new: list[tuple[DocumentVersion, ChunksToIndex]] = []
    for version in group:
        chunks = ChunksToIndex(pipeline.database, version.id)
        stored = points_of.stored_vectors(pipeline.blobs, target, version.id)
        if points_of.fitting(target, chunks, stored) is None:
            new.append((version, chunks))
    counted = Counted([own for _, own in new])
    made = _embedded(pipeline, target, counted, pace)
    for (version, _), vectors in zip(new, made.split(counted.found), strict=True):
        points_of.store_vectors(pipeline.blobs, target, version.id, vectors)
    reached("migrate.vectors_stored", target.id)
    for version in group:
        write_settled(pipeline.database, target, version, pipeline.write)
        _drop_vectors_of_deleted(pipeline, target, version.id)
        reached("migrate.upserted", version.id)


def _embedded(pipeline: Pipeline, target: LiveSpace, chunks: Iterable[Chunk], pace: Pace) -> GrowingVectors:
    """In small pieces: somebody's question waits for one of them at most, and the rest of the time is slept."""
    made = GrowingVectors()
    for part in pieces_of(chunks, target.space):
        pipeline.pause(target.space)
        began = time.monotonic()
        made.add(target.space.embed_chunks(part))
        pipeline.stopping.wait((time.monotonic() - began) * (1 / pace.share - 1))
    return made


def _drop_vectors_of_deleted(pipeline: Pipeline, target: LiveSpace, version_id: UUID) -> None:
    """A purge that was faster than this build has looked for the file before it was there."""
    with pipeline.database.read() as session:
        gone = not session.scalar(select(func.count()).where(DocumentVersion.id == version_id, in_index()))
    if gone:
        pipeline.blobs.delete_derived(version_id, vector_file.file_of(target.id))


def _finish(pipeline: Pipeline, target: LiveSpace) -> bool:
    """Make the index equal to the record and say that it is ready; False when it changes too fast to tell."""
    for _ in range(_ROUNDS):
        found = difference(pipeline.database, target)
        if not found.missing and not found.unwanted:
            break
        target.index.delete_versions([item for item in found.unwanted if _is_unwanted(pipeline.database, item)])
        with pipeline.database.read() as session:
            query = select(DocumentVersion).where(DocumentVersion.id.in_(found.missing[:_GROUP_VERSIONS]), in_index())
            missing = session.scalars(query).all()
        _build_group(pipeline, target, missing, Pace(share=1.0))
    else:
        return False
    reached("migrate.compared", target.id)
    with pipeline.database.write() as session:
        row = record.locked(session, target.id)
        if row is not None and row.state == SpaceState.BUILDING:
            row.state, row.ready_at, row.error = SpaceState.READY, utc_now(), ""
            row.total = row.done = chunks_table.count_active(session)
    reached("migrate.ready", target.id)
    return True


def difference(database: Database, target: LiveSpace) -> Difference:
    """Where an index differs from the record, by the number of points of each version. What is in work may be in it."""
    with database.read() as session:
        in_work = set(session.scalars(select(DocumentVersion.id).where(DocumentVersion.state.in_(UNFINISHED))))
        rows = session.execute(select(DocumentVersion.id, DocumentVersion.chunk_count).where(in_index()))
        wanted = {row[0]: row[1] for row in rows if row[1]}
    found = Counter(version for _, version in target.index.versions_of())
    missing = [version for version, chunks in wanted.items() if found[version] != chunks]
    return Difference(missing, [version for version in found if version not in wanted and version not in in_work])


def _is_unwanted(database: Database, version_id: UUID) -> bool:
    """Asked again: it may have been uploaded, and finished, after the record was read."""
    with database.read() as session:
        wanted = or_(DocumentVersion.state.in_(UNFINISHED), in_index())
        return not session.scalar(select(func.count()).where(DocumentVersion.id == version_id, wanted))


def _fail(database: Database, space_id: str, error: SeogoError) -> None:
    with database.write() as session:
        record.fail(session, space_id, SpaceFailure(error.code, error.params), (SpaceState.BUILDING,))


def drop_space(pipeline: Pipeline, spaces: Spaces, space_id: str) -> EmbeddingSpaceRow:
    """Give up a space that does not answer, and remove its index and vectors.

    Raises:
        SpaceNotFound, SpaceConflict: there is none, or it answers.
    """
    row = space_changes.give_up(spaces, space_id)
    if spaces.config.backend == "qdrant":
        time.sleep(2 * LOOK_S)  # other processes may still ask it, and look at the record by then
    if not spaces.is_left(space_id, _LONGEST_SEARCH_S):
        raise conflict(row.name, "read")
    places.drop(spaces.config, row.place)
    spaces.announce()
    own = vector_file.file_of(space_id)
    for version_id, name in pipeline.blobs.derived_files():
        if name == own or (name == vector_file.FILE and not row.place):
            pipeline.blobs.delete_derived(version_id, name)
    return row


def require_complete(pipeline: Pipeline, space_id: str) -> None:
    """Raise SpaceConflict when the index of this space holds fewer points than the record wants.

    A count, not the comparison that made the space ready: a switch must not take minutes. An upload that is just becoming
    active may be missing for a moment, so it is asked again.
    """
    for left in reversed(range(_ROUNDS)):
        target = next((live for live in pipeline.targets() if live.id == space_id), None)
        if target is None:
            raise SpaceNotFound(name=space_id)
        with pipeline.database.read() as session:
            wanted = chunks_table.count_active(session)
        held = target.index.count()
        if held >= wanted:
            return
        if not left:
            raise conflict(target.space.name, "incomplete", held=held, wanted=wanted)
        time.sleep(LOOK_S)
