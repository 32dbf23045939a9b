"""The embedded index: one Qdrant Edge shard in one folder, inside this process.

What its engine (qdrant-edge-py 0.9) is like, and what follows:

- It holds Python's global lock during every call, so calls never overlap; one lock of ours costs nothing and makes a
  sequence of calls atomic.
- An update is in its write-ahead log when the call returns: a killed process loses nothing, but the next start replays
  what was not flushed. `flush` cuts the log.
- Without a corpus its idf counts every tenant's points and goes on counting deleted ones. Every search names the
  permitted points as the corpus: scores then tell nothing about what the asker may not read, and are right after
  deletions.

Folder: `lock`, `index.json` (the schema), `shard/` (the engine's own files).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING
from uuid import UUID

from rag.domain.errors import ConfigurationError, IndexUnavailable
from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.index.base import (
    DENSE,
    LEARNED,
    MULTI,
    SPARSE,
    HybridQuery,
    IndexPoint,
    IndexSchema,
    LegHit,
    LegQuery,
    Placement,
    Retirement,
)
from rag.index.edge_requests import (
    engine_query,
    field_is_any_of,
    filter_of,
    hybrid_requests,
    inserts_of,
    upsert_of,
    uuid,
)
from rag.index.folder_lock import locked
from rag.index.hybrid import Legs, answered_hybrid
from rag.index.layout import (
    COLLECTION,
    DOCUMENT,
    LABELS,
    SCOPE,
    TENANT,
    VALID_FROM,
    VALID_TO,
    VERSION,
    Conditions,
    EngineQuery,
    answered,
    checked_points,
    conditions_of,
    impossible,
    placed_payload,
    require_schema,
    retired_payload,
    schema_record,
)

if TYPE_CHECKING:
    import qdrant_edge

BATCH = 256
"""Points in one engine call: about 20 ms, during which no other thread runs (measured at 384 dimensions)."""
FLUSH_EVERY = 10_000
"""Points written between two flushes: a flush takes 0.1 to 0.3 s, replaying 10,000 points at a start 1 s (measured)."""
QUANTISED_FROM = 64
"""Dimensions from which a scan reads a copy of four bits a number, and the full vectors of the best alone: 100,000 points of 384
dimensions take 12 ms instead of 24, with the same best ten. Shards from before have no such copy and are searched as they are."""
GRAPH_LINKS = 0
"""Links per point in a search graph: none, the dense leg is a scan. At 200,000 chunks the engine's HNSW graph found .96 of the
exact best ten without a filter and .02 under one that a tenth of the chunks match; the scan finds all (`benchmarks/scale.py`)."""
PAGE = 1000
"""Points in one page of a scroll."""


class EdgeIndex:
    """`VectorIndex` on an open shard; `open_edge` makes one."""

    def __init__(self, folder: Path, schema: IndexSchema, shard: qdrant_edge.EdgeShard, lock: int) -> None:
        self._folder = folder
        self._schema = schema
        self._shard: qdrant_edge.EdgeShard | None = shard
        self._lock = lock
        self._guard = RLock()
        self._unflushed = 0

    @property
    def schema(self) -> IndexSchema:
        """The schema that the index was opened with."""
        return self._schema

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Insert or replace by chunk id.

        Raises:
            IndexUnavailable: the engine refused, or the index is closed.
            ValueError: a vector doesn't fit the schema. Nothing was written.
        """
        for batch in self._batches(points):
            self._write(upsert_of(batch), points=len(batch))

    def insert(self, points: Sequence[IndexPoint]) -> None:
        """`upsert` at half the price where chunks share a version; see `VectorIndex.insert`.

        Raises:
            IndexUnavailable, ValueError: as `upsert`.
        """
        for batch in self._batches(points):
            self._write(*inserts_of(batch), points=len(batch))

    def _batches(self, points: Sequence[IndexPoint]) -> Iterator[list[IndexPoint]]:
        checked = checked_points(self._schema, points)
        return (checked[start : start + BATCH] for start in range(0, len(checked), BATCH))

    def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        """Remove every point of these versions; unknown ids are no error."""
        import qdrant_edge

        if version_ids:
            condition = field_is_any_of(VERSION, [str(version) for version in version_ids])
            self._write(qdrant_edge.UpdateOperation.delete_points_by_filter(condition), points=len(version_ids))

    def retire(self, retirements: Sequence[Retirement]) -> None:
        """Move the points of these versions into the archive; see `VectorIndex.retire`."""
        import qdrant_edge

        for item in retirements:
            of_version = field_is_any_of(VERSION, [str(item.version_id)])
            self._write(qdrant_edge.UpdateOperation.set_payload_by_filter(of_version, retired_payload(item)))

    def place(self, placement: Placement) -> None:
        """Move the points of a version under another rule; see `VectorIndex.place`."""
        import qdrant_edge

        of_version = field_is_any_of(VERSION, [str(placement.version_id)])
        self._write(qdrant_edge.UpdateOperation.set_payload_by_filter(of_version, placed_payload(placement)))

    def relabel(self, version_id: UUID, labels: Sequence[str]) -> None:
        """Put `labels` on every point of a version."""
        import qdrant_edge

        of_version = field_is_any_of(VERSION, [str(version_id)])
        self._write(qdrant_edge.UpdateOperation.set_payload_by_filter(of_version, {LABELS: list(labels)}))

    def count(self, *version_ids: UUID) -> int:
        """Exact number of points of these versions; of all where none is named."""
        import qdrant_edge

        condition = field_is_any_of(VERSION, list(map(str, version_ids))) if version_ids else None
        with self._engine() as shard:
            return shard.count(qdrant_edge.CountRequest(exact=True, filter=condition))

    def search(
        self, permit: Permit, legs: Mapping[str, LegQuery], selection: Selection | None = None
    ) -> dict[str, list[LegHit]]:
        """The best hits per leg; see `VectorIndex.search`."""
        return self.search_batch(permit, [legs], selection)[0]

    def search_batch(
        self, permit: Permit, queries: Sequence[Mapping[str, LegQuery]], selection: Selection | None = None
    ) -> list[dict[str, list[LegHit]]]:
        """`search` for several queries: all legs of all queries in one engine call."""
        conditions = conditions_of(permit, selection)
        nothing = impossible(permit, selection)
        return answered(self._schema, queries, lambda asked: self._ask(conditions, asked), nothing=nothing)

    def hybrid(self, permit: Permit, query: HybridQuery, selection: Selection | None = None) -> list[LegHit]:
        """The best hits of all legs together; see `VectorIndex.hybrid`."""
        import qdrant_edge

        conditions = conditions_of(permit, selection)

        def ask(legs: Legs) -> tuple[list[LegHit], list[LegHit]]:
            permitted, wanted = filter_of(conditions.permitted), filter_of(conditions.wanted)
            requests = hybrid_requests(query, legs, permitted, wanted)
            with self._engine() as shard:
                found = shard.query_batch(qdrant_edge.QueryBatchRequest(requests))
            fused, *rescored = [[LegHit(uuid(point.id), point.score) for point in points] for points in found]
            return fused, rescored[0] if rescored else []

        return answered_hybrid(self._schema, query, ask, nothing=impossible(permit, selection))

    def versions_of(self) -> Iterator[tuple[UUID, UUID]]:
        """Every (chunk id, version id), a page in memory at a time."""
        import qdrant_edge

        offset: qdrant_edge.PointId | None = None
        while True:
            request = qdrant_edge.ScrollRequest(offset=offset, limit=PAGE, with_payload=[VERSION], with_vector=False)
            with self._engine() as shard:
                records, offset = shard.scroll(request)
            for record in records:
                yield uuid(record.id), UUID((record.payload or {})[VERSION])
            if offset is None:
                return

    def optimize(self) -> None:
        """Put the segments together and drop deleted points. Blocks the whole process, for some seconds at 100,000 points."""
        with self._engine() as shard:
            shard.optimize()
            shard.flush()
            self._unflushed = 0

    def clear(self) -> None:
        """Put an empty shard in the place of this one, which also gives the disk space back."""
        with self._guard:
            with self._engine() as shard:
                shard.close()
            with _engine_errors():
                _replace_shard(self._folder, self._schema)
                self._shard = _loaded(self._folder)
            self._unflushed = 0

    def close(self) -> None:
        """Flush and release the folder. Closing twice is allowed."""
        with self._guard:
            shard, self._shard = self._shard, None
            if shard is None:
                return
            try:
                with _engine_errors():
                    shard.flush()
                    shard.close()
            finally:
                os.close(self._lock)

    @contextmanager
    def _engine(self) -> Iterator[qdrant_edge.EdgeShard]:
        with self._guard, _engine_errors():
            if self._shard is None:
                raise IndexUnavailable
            yield self._shard

    def _write(self, *operations: qdrant_edge.UpdateOperation, points: int = 1) -> None:
        """Apply these operations; no search comes in between."""
        with self._engine() as shard:
            for operation in operations:
                shard.update(operation)
            self._unflushed += points
            if self._unflushed >= FLUSH_EVERY:
                shard.flush()
                self._unflushed = 0

    def _ask(self, conditions: Conditions, asked: Sequence[EngineQuery]) -> list[list[LegHit]]:
        import qdrant_edge

        permitted, wanted = filter_of(conditions.permitted), filter_of(conditions.wanted)
        requests = qdrant_edge.QueryBatchRequest([engine_query(query, permitted, wanted) for query in asked])
        with self._engine() as shard:
            found = shard.query_batch(requests)
        return [[LegHit(uuid(point.id), point.score) for point in points] for points in found]


def open_edge(folder: Path, schema: IndexSchema, *, recreate: bool = False) -> EdgeIndex:
    """Open the index in `folder`, or make an empty one there.

    Args:
        folder: belongs to one process at a time. A process forked while it is open keeps it locked: spawn, don't fork.
        recreate: drop what is there, whatever it was built for; the first step of a rebuild.

    Raises:
        StoreInUse: another process, or this one, has the folder open.
        ConfigurationError: the folder was built for another schema, or can't be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = locked(folder)
    try:
        if recreate:
            _discard(folder)
        _check_record(folder, schema)
        if not (folder / "shard").exists():
            _replace_shard(folder, schema)
        return EdgeIndex(folder, schema, _opened(folder), lock)
    except BaseException:
        os.close(lock)
        raise


def _check_record(folder: Path, schema: IndexSchema) -> None:
    record = folder / "index.json"
    if record.exists():
        require_schema(_read_json(record), schema, str(folder))
    elif (folder / "shard").exists():
        # the record is written before the shard appears, so it was lost: the vectors could be of any model
        require_schema(None, schema, str(folder))
    else:
        _write_json(record, schema_record(schema))


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _write_json(path: Path, content: dict[str, object]) -> None:
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _discard(folder: Path) -> None:
    current, old = folder / "shard", folder / "shard.old"
    shutil.rmtree(old, ignore_errors=True)
    if current.exists():
        current.rename(old)  # half a deleted shard must never stand under this name
    (folder / "index.json").unlink(missing_ok=True)


def _replace_shard(folder: Path, schema: IndexSchema) -> None:
    """Build an empty shard aside and rename it into place, so that a `shard` folder is always complete."""
    new, old, current = folder / "shard.new", folder / "shard.old", folder / "shard"
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir()
    _create(new, schema)
    if current.exists():
        current.rename(old)
    new.rename(current)
    shutil.rmtree(old, ignore_errors=True)


def _create(path: Path, schema: IndexSchema) -> None:
    import qdrant_edge as edge

    vectors = {}
    if schema.dimensions is not None:
        turbo = edge.TurboQuantQuantizationConfig(bits=edge.TurboQuantBitSize.Bits4)
        vectors[DENSE] = edge.EdgeVectorParams(
            size=schema.dimensions,
            distance=edge.Distance.Cosine,
            quantization_config=turbo if schema.dimensions >= QUANTISED_FROM else None,
            hnsw_config=edge.HnswIndexConfig(m=GRAPH_LINKS, ef_construct=4, full_scan_threshold=0),
        )
    if schema.multi is not None:
        vectors[MULTI] = edge.EdgeVectorParams(
            size=schema.multi,
            distance=edge.Distance.Cosine,
            multivector_config=edge.MultiVectorConfig(comparator=edge.MultiVectorComparator.MaxSim),
        )
    sparse_vectors = {SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}
    if schema.learned:
        sparse_vectors[LEARNED] = edge.EdgeSparseVectorParams()
    config = edge.EdgeConfig(vectors=vectors or None, sparse_vectors=sparse_vectors)
    fields: dict[str, edge.KeywordIndexParams | edge.IntegerIndexParams] = {
        SCOPE: edge.KeywordIndexParams(is_tenant=True),
        TENANT: edge.KeywordIndexParams(enable_hnsw=False),
        COLLECTION: edge.KeywordIndexParams(enable_hnsw=False),
        VERSION: edge.KeywordIndexParams(enable_hnsw=False),
        DOCUMENT: edge.KeywordIndexParams(enable_hnsw=False),
        LABELS: edge.KeywordIndexParams(enable_hnsw=False),
        VALID_FROM: edge.IntegerIndexParams(lookup=False, range=True, enable_hnsw=False),
        VALID_TO: edge.IntegerIndexParams(lookup=False, range=True, enable_hnsw=False),
    }
    shard = edge.EdgeShard.create(str(path), config)
    for field, params in fields.items():
        shard.update(edge.UpdateOperation.create_field_index(field, params))
    shard.close()


def _loaded(folder: Path) -> qdrant_edge.EdgeShard:
    import qdrant_edge

    return qdrant_edge.EdgeShard.load(str(folder / "shard"))


def _opened(folder: Path) -> qdrant_edge.EdgeShard:
    try:
        with _engine_errors():
            return _loaded(folder)
    except IndexUnavailable as error:
        detail = f"the index in {folder} can't be read ({error.__cause__}). Run `seogo index rebuild`."
        raise ConfigurationError(
            detail=detail,
            detail_ko=f"{folder}의 색인을 읽을 수 없습니다({error.__cause__}). `seogo index rebuild`를 실행하세요.",
        ) from error


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Turn what the engine raises (plain `Exception`, and Rust's panics, which are no `Exception`) into ours."""
    try:
        yield
    except IndexUnavailable:
        raise
    except Exception as error:
        raise IndexUnavailable from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise IndexUnavailable from error
