"""Rebuilding and verifying: keeping the index equal to the record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select

from ingest.pipeline import migration
from ingest.pipeline.chunks_to_index import ChunksToIndex
from ingest.pipeline.fault_points import reached
from ingest.pipeline.labels import settle_written, tags_of
from ingest.pipeline.steps import PARSED, Pipeline
from rag.blobs.store import BlobStore
from rag.store import chunk as chunks_table
from rag.store import client_file, embedding_space, lifecycle, queue
from rag.store import version as versions_table
from rag.store.base import utc_now
from rag.store.embedding_space import SpaceState
from rag.store.session import Database
from rag.store.version import UNFINISHED, DocumentVersion, VersionState

Progress = Callable[[int, int], None]
_VERIFIED_DOCUMENTS = 1000
_LOCKED_TOGETHER = 100
"""Originals whose locks one transaction holds: PostgreSQL's table of locks has some thousand places for all."""
_TIDIED_AFTER = timedelta(seconds=60)


def drop_original(
    database: Database, blobs: BlobStore, content_hash: str, *, stored_before: float | None = None
) -> None:
    """`drop_originals` for one."""
    drop_originals(database, blobs, [content_hash], stored_before=stored_before)


def drop_originals(
    database: Database, blobs: BlobStore, content_hashes: Collection[str], *, stored_before: float | None = None
) -> None:
    """Remove originals unless a version needs them; an upload of the same content waits meanwhile.

    Args:
        stored_before: seconds since the epoch; one that was stored again since then stays.
    """
    ordered = sorted(set(content_hashes))
    for start in range(0, len(ordered), _LOCKED_TOGETHER):
        group = ordered[start : start + _LOCKED_TOGETHER]
        with database.write() as session:
            lifecycle.lock_contents(session, group)
            for content_hash in sorted(set(group) - lifecycle.needed_among(session, group)):
                stored_at = None if stored_before is None else blobs.stored_at(content_hash)
                if stored_before is None or stored_at is None or stored_at < stored_before:
                    blobs.delete_original(content_hash)
                    reached("purge.original_dropped", content_hash)


def sweep_originals(pipeline: Pipeline, stored_before: float) -> int:
    """Remove originals that no version needs: an upload was cut off between its last byte and its row.

    Args:
        stored_before: seconds since the epoch; younger ones may belong to an upload that is still going on.
    """
    removed = 0
    for content_hash in pipeline.blobs.original_hashes(stored_before):
        with pipeline.database.read() as session:
            needed = lifecycle.is_needed(session, content_hash)
        if not needed:
            drop_original(pipeline.database, pipeline.blobs, content_hash, stored_before=stored_before)
            removed += 1
    return removed


def rebuild_index(pipeline: Pipeline, progress: Progress) -> int:
    """Empty the index and fill it from the database and the blobs alone; returns the number of points.

    `progress` gets versions done and versions in all.
    """
    with pipeline.database.read() as session:
        versions = list(versions_table.of_index(session))
    pipeline.index.clear()
    written = 0
    for done, version in enumerate(versions, start=1):
        with pipeline.database.read() as session:
            tags = tags_of(session, version)
        for points in pipeline.points(version, ChunksToIndex(pipeline.database, version.id), tags):
            pipeline.index.upsert(points)
            written += len(points)
        settle_written(pipeline.database, pipeline.index, version, tags)
        progress(done, len(versions))
    return written


@dataclass(slots=True)
class Verification:
    """What `verify` found; every list is empty in a healthy store.

    Attributes:
        missing: chunks that the record holds and the index does not.
        orphaned: points in the index that the record does not want there.
        lost_originals: versions, and clients' files, whose original is gone.
        stray_originals: originals that no version and no client's file needs.
        stray_derived: derived files of versions that do not exist, or that need no such file.
        unfinished: versions that are queued or running; normal during ingestion, a finding when nothing runs.
        uncleaned: documents of which something deleted or failed is still to be removed; normal for a minute.
        endless_jobs: jobs that the durable queue holds open and that have nothing left to do.
        spaces_behind: embedding spaces beside the current one whose index does not hold what the record wants.
        dead_leases: workers that hold a job and have not been seen for longer than their lease.
    """

    chunks: int = 0
    points: int = 0
    missing: list[UUID] = field(default_factory=list)
    orphaned: list[UUID] = field(default_factory=list)
    lost_originals: list[UUID] = field(default_factory=list)
    stray_originals: list[str] = field(default_factory=list)
    stray_derived: list[str] = field(default_factory=list)
    spaces_behind: list[str] = field(default_factory=list)
    unfinished: list[UUID] = field(default_factory=list)
    uncleaned: list[UUID] = field(default_factory=list)
    endless_jobs: list[str] = field(default_factory=list)
    dead_leases: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether record, index and blobs agree."""
        points = self.missing or self.orphaned or self.spaces_behind
        return not (points or self.lost_originals or self.stray_originals or self.stray_derived)

    @property
    def settled(self) -> bool:
        """Whether, besides, nothing is left to be done."""
        left = self.unfinished or self.uncleaned or self.endless_jobs or self.dead_leases
        return self.healthy and not left


class _Tally(NamedTuple):
    """The chunks of a version without a list of them: how many, and their ids in one number that no order changes."""

    chunks: int = 0
    digest: int = 0


def _tallied(pairs: Iterable[tuple[UUID, UUID]]) -> dict[UUID, _Tally]:
    """Tallies by version, of pairs of chunk and version."""
    found: dict[UUID, _Tally] = {}
    for chunk, version in pairs:
        chunks, digest = found.get(version, _Tally())
        found[version] = _Tally(chunks + 1, digest ^ chunk.int)
    return found


def _differences(
    pipeline: Pipeline, wanted: dict[UUID, _Tally], found: dict[UUID, _Tally], in_work: set[UUID]
) -> tuple[list[UUID], list[UUID]]:
    """Chunks that are missing, and those that are there for no reason: read one by one for versions that differ alone."""
    differing = {version for version in wanted.keys() | found.keys() if wanted.get(version) != found.get(version)}
    differing -= in_work - wanted.keys()
    if not differing:
        return [], []
    with pipeline.database.read() as session:
        meant = set(chunks_table.active_ids_of(session, differing))
    there = {chunk: version for chunk, version in pipeline.index.versions_of() if version in differing}
    orphaned = [chunk for chunk, version in there.items() if chunk not in meant and version not in in_work]
    return sorted(meant - there.keys()), sorted(orphaned)


def verify(pipeline: Pipeline, tidied_after: timedelta = _TIDIED_AFTER) -> Verification:
    """Compare record, index and blobs as sets. What the durable queue holds, `ingest.jobs.audit` adds.

    Args:
        tidied_after: a version that ended more recently may still have derived files that its job is about to remove.
    """
    with pipeline.database.read() as session:
        wanted = _tallied(chunks_table.active_ids(session))
        query = select(
            DocumentVersion.id, DocumentVersion.content_hash, DocumentVersion.state, DocumentVersion.finished_at
        )
        versions = {row[0]: (row[1], row[2]) for row in session.execute(query)}
        recent = utc_now() - tidied_after
        in_tidying = {row[0] for row in session.execute(query.where(DocumentVersion.finished_at > recent))}
        unfinished = list(lifecycle.unfinished(session))
        uncleaned = list(queue.uncleaned(session, utc_now(), _VERIFIED_DOCUMENTS, waiting=True))
        kept = client_file.originals(session)
    found = _tallied(pipeline.index.versions_of())
    stored = set(pipeline.blobs.original_hashes())
    originals = {key: digest for key, (digest, state) in versions.items() if state != VersionState.DELETED}
    missing, orphaned = _differences(pipeline, wanted, found, set(unfinished))
    originals |= kept
    return Verification(
        chunks=sum(item.chunks for item in wanted.values()),
        points=sum(item.chunks for item in found.values()),
        missing=missing,
        orphaned=orphaned,
        lost_originals=sorted(one for one, digest in originals.items() if digest not in stored),
        stray_originals=sorted(stored - set(originals.values())),
        stray_derived=sorted(
            f"{version}/{name}"
            for version, name in pipeline.blobs.derived_files()
            if version not in in_tidying and not _wants(versions.get(version, ("", ""))[1], name)
        ),
        spaces_behind=_spaces_behind(pipeline),
        unfinished=unfinished,
        uncleaned=uncleaned,
    )


def _spaces_behind(pipeline: Pipeline) -> list[str]:
    """Spaces that are built, beside the current one, whose index differs from the record."""
    with pipeline.database.read() as session:
        built = {row.id for row in embedding_space.in_step(session) if row.state != SpaceState.BUILDING}
    targets = [target for target in pipeline.targets()[1:] if target.id in built]
    return [target.id for target in targets if any(migration.difference(pipeline.database, target))]


def _wants(state: str, name: str) -> bool:
    """Whether a version in `state` has use for the derived file `name`."""
    if state in UNFINISHED:
        return True
    return state in (VersionState.ACTIVE, VersionState.RETIRED) and name != PARSED
