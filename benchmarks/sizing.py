"""What a chunk takes on disk beside the sizing sheet: `python -m benchmarks.sizing [chunks] [dimensions]` (20,000 × 384).

Fills an Edge shard, whose files are those of the server, builds its search structures and sorts the files by what they hold.
Pages that are laid out at once are counted by what of them is used. Links inside scopes are left out: 5 scopes of 4,000
points are too small for graphs of their own.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import qdrant_edge as edge

from rag.domain.vectors import SparseVector
from rag.index.base import IndexPoint, IndexSchema
from rag.index.edge import open_edge
from rag.sizing.cluster import (
    BYTES_PER_POSTING,
    BYTES_PER_STORED_TERM,
    IDS_ON_DISK,
    PAYLOAD,
    PAYLOAD_INDEXES,
    dense_bytes,
    link_bytes,
    quantised_bytes,
)

_NAMESPACE = UUID(int=5)
_TERMS = 60
_BATCH = 2000
_PARTS = (
    ("quantized", "quantised copy"),
    ("matrix.dat", "dense vectors"),
    ("links", "search graph"),
    ("inverted_index", "sparse index"),
    ("point_to_values", "payload indexes"),
    ("values_to_points", "payload indexes"),
    ("data.bin", "payload indexes"),
    ("id_tracker", "ids"),
)
"""Which part a file belongs to, by what its name holds."""
_GRIDS = {"payload_storage": "payload", "store": "sparse vectors"}
"""Files of pages, by their folder; a point takes whole blocks of 128 bytes in them, which `bitmask.dat` marks."""
_BLOCK = 128


@dataclass(frozen=True, slots=True)
class Compared:
    """Bytes per chunk."""

    name: str
    measured: float
    computed: float


def compared(chunks: int, dimensions: int, quantisation: str) -> list[Compared]:
    """Every part as Edge writes it and as the sheet computes it."""
    memory = Path("/dev/shm")  # an fsync takes 0.1 s on a slow disk, and nothing here is about speed
    where = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder, _quantised(quantisation):
        index = open_edge(Path(folder), IndexSchema("benchmark", dimensions))
        terms = 0
        for start in range(0, chunks, _BATCH):
            points = list(_points(start, min(chunks, start + _BATCH), dimensions))
            terms += sum(len(point.sparse.indices) for point in points)
            index.upsert(points)
        index.optimize()
        index.close()
        measured = _by_part(Path(folder) / "shard" / "segments", chunks)
    mean = terms / chunks
    computed = {
        "dense vectors": dense_bytes(dimensions),
        "quantised copy": quantised_bytes(dimensions, quantisation),  # type: ignore[arg-type]
        "search graph": link_bytes(16, chunks) / 2,
        "sparse vectors": BYTES_PER_STORED_TERM * mean,
        "sparse index": BYTES_PER_POSTING * mean,
        "payload": PAYLOAD,
        "payload indexes": PAYLOAD_INDEXES,
        "ids": IDS_ON_DISK,
    }
    return [Compared(name, measured[name], size) for name, size in computed.items() if name in measured]


def _by_part(segments: Path, chunks: int) -> dict[str, float]:
    sizes: dict[str, float] = defaultdict(float)
    for file in (item for item in segments.rglob("*") if item.is_file()):
        grid = _GRIDS.get(file.parent.name)
        if grid is not None:
            if file.name == "bitmask.dat":
                sizes[grid] += _BLOCK * int(np.unpackbits(np.fromfile(file, dtype=np.uint8)).sum()) / chunks
            continue
        for mark, part in _PARTS:
            if mark in file.name:
                sizes[part] += file.stat().st_size / chunks
                break
    return sizes


def _points(start: int, stop: int, dimensions: int) -> Iterator[IndexPoint]:
    """Chunks of documents of 20, in 5 collections, with Zipf-like terms."""
    rng = np.random.default_rng(start)
    vectors = rng.standard_normal((stop - start, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for number in range(start, stop):
        terms = np.unique(rng.zipf(1.2, 2 * _TERMS) % 200_000)[:_TERMS]
        yield IndexPoint(
            uuid5(_NAMESPACE, f"c{number}"),
            UUID(int=1),
            UUID(int=2 + number % 5),
            uuid5(_NAMESPACE, f"d{number // 20}"),
            uuid5(_NAMESPACE, f"v{number // 20}"),
            SparseVector(tuple(map(int, terms)), tuple(map(float, rng.uniform(0.2, 2.0, len(terms))))),
            vectors[number - start],
            ("t:부서=인사", "n:연도#c0"),
        )


@contextmanager
def _quantised(kind: str) -> Iterator[None]:
    """The embedded index has a quantisation of its own; for the length of the block its shards are made with this one,
    and with the search graph that a server has."""
    settings: dict[str, Any] = {
        "none": None,
        "scalar": edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, quantile=0.99),
        "turbo": edge.TurboQuantQuantizationConfig(bits=edge.TurboQuantBitSize.Bits4),
    }
    plain, vector = edge.EdgeConfig, edge.EdgeVectorParams
    # built at any size, so that a few thousand points are enough to look at
    optimizers = edge.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1)

    def with_quantisation(**options: Any) -> edge.EdgeConfig:
        return plain(quantization_config=settings[kind], optimizers=optimizers, **options)

    def without_its_own(**options: Any) -> edge.EdgeVectorParams:
        return vector(**{**options, "quantization_config": None, "hnsw_config": None})

    edge.EdgeConfig = with_quantisation  # type: ignore[misc, assignment]
    edge.EdgeVectorParams = without_its_own  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        edge.EdgeConfig, edge.EdgeVectorParams = plain, vector  # type: ignore[misc]


def main() -> None:
    """Print one table for each quantisation."""
    chunks = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    dimensions = int(sys.argv[2]) if len(sys.argv) > 2 else 384
    for quantisation in ("none", "scalar", "turbo"):
        print(f"{chunks:,} × {dimensions}, quantisation {quantisation}: bytes per chunk")
        print(f"  {'':<17}{'measured':>10}{'computed':>10}{'ratio':>8}")
        for part in compared(chunks, dimensions, quantisation):
            ratio = part.computed / part.measured if part.measured else float("nan")
            print(f"  {part.name:<17}{part.measured:>10.1f}{part.computed:>10.1f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
