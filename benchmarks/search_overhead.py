"""Hybrid search through the service against the raw engine call, at 100,000 chunks.

    python -m benchmarks.search_overhead [--chunks N] [--queries N]

Raw: analysis of the question and one hybrid query of the Qdrant Edge binding as it is by itself (prefetch of both legs under the
tenant's filter, full vectors, fused in the engine). Ours: `Retriever.search` with all it adds: policy-filtered idf, the scan of a
quantised copy, score fusion, the re-check against the record and the passages' text. Both in turn, question by question, in one
process. Bar: median ratio <= 1.5.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_edge import (
    EdgeShard,
    FieldCondition,
    Filter,
    Fusion,
    MatchValue,
    Prefetch,
    QuantizationSearchParams,
    Query,
    QueryRequest,
    SearchParams,
)
from qdrant_edge import SparseVector as EdgeSparse

from benchmarks.data import DataMissing, load
from benchmarks.workbench import Workbench, workbench
from rag.domain.anchor import LineAnchor
from rag.domain.document import Chunk, chunk_id, document_id
from rag.domain.language import Language
from rag.embedding.base import Role
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.index.base import DENSE, SPARSE, IndexPoint
from rag.index.edge import EdgeIndex
from rag.index.layout import SCOPE, permitted_scopes

LIMIT = 10
BAR = 1.5
_GROUP = 1000


def random_directions(rng: np.random.Generator, count: int, width: int) -> NDArray[np.float32]:
    """Unit vectors of shape (count, width): without an approximate graph, time does not depend on where they point."""
    drawn = rng.standard_normal((count, width)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def fill(
    bench: Workbench,
    texts: Sequence[str],
    chunks: int,
    directions: Callable[[np.random.Generator, int, int], NDArray[np.float32]] = random_directions,
    labels: Callable[[int], tuple[str, ...]] = lambda number: (),
) -> None:
    """`chunks` chunks of real words, a thousand in a document.

    Args:
        directions: the dense vectors, from a generator, their number and their width.
        labels: of the chunk with this number.
    """
    rng = np.random.default_rng(7)
    lexical = KiwiBm25Embedder(bench.rag.analyzer)
    width = bench.rag.space.dimensions or 384
    words = [word for text in texts for word in text.split()]
    for start in range(0, chunks, _GROUP):
        key = f"d{start}"
        version, doc = bench.version_for(key), document_id(bench.collection_id, key)
        count = min(_GROUP, chunks - start)
        picks = rng.integers(0, len(words) - 80, count)
        bodies = [" ".join(words[i : i + 80]) for i in picks]
        made = [
            Chunk(chunk_id(version, "bench", n), n, body, LineAnchor(n + 1, n + 1), ("d",), Language.ENGLISH)
            for n, body in enumerate(bodies)
        ]
        bench.record([(key, made)])
        sparse = lexical.embed(bodies, Role.PASSAGE).sparse or ()
        dense = directions(rng, count, width)
        bench.rag.index.upsert(
            [
                IndexPoint(chunk.id, bench.tenant_id, bench.collection_id, doc, version, s, d, labels(start + n))
                for n, (chunk, s, d) in enumerate(zip(made, sparse, dense, strict=True))
            ]
        )
        print(f"\r{start + count}/{chunks} chunks", end="", file=sys.stderr)
    print(file=sys.stderr)


def raw_search(bench: Workbench, shard: EdgeShard, within: Filter, question: str) -> list[UUID]:
    """The engine alone: both legs prefetched and fused by it."""
    vectors = bench.rag.space.embed_query(question, Language.ENGLISH)
    depth = bench.settings.rag.retrieval.candidates
    sparse = EdgeSparse(list(vectors.sparse.indices), list(vectors.sparse.values))
    legs = [Prefetch(limit=depth, query=Query.Nearest(sparse, using=SPARSE), filter=within)]
    if vectors.dense is not None:
        full = SearchParams(quantization=QuantizationSearchParams(ignore=True))
        nearest = Query.Nearest(vectors.dense.tolist(), using=DENSE)
        legs.append(Prefetch(limit=depth, query=nearest, filter=within, params=full))
    found = shard.query(QueryRequest(limit=LIMIT, prefetches=legs, query=cast(Fusion, Fusion.Rrf(k=61))))
    return [UUID(str(point.id)) for point in found]


def measure(bench: Workbench, questions: Sequence[str]) -> tuple[list[float], list[float]]:
    """Seconds per question, raw and ours, in turn."""
    index = bench.rag.index
    if not isinstance(index, EdgeIndex):
        raise TypeError("the benchmark needs the embedded index")
    shard = index._shard  # the binding itself is what is measured against
    if shard is None:
        raise RuntimeError("the index is closed")
    permit = bench.permit()
    [scope] = permitted_scopes(permit)
    within = Filter(must=[FieldCondition(key=SCOPE, match=MatchValue(scope))])  # the form that costs least
    raw: list[float] = []
    ours: list[float] = []
    for question in questions:
        start = time.perf_counter()
        raw_search(bench, shard, within, question)
        middle = time.perf_counter()
        bench.rag.retriever.search(permit, question, limit=LIMIT)
        raw.append(middle - start)
        ours.append(time.perf_counter() - middle)
    return raw, ours


def main() -> int:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    arguments = parser.parse_args()
    try:
        data = load("en_scifact_train")
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2
    with workbench("documents") as bench:
        fill(bench, [text for _, text in data.corpus.values()], arguments.chunks)
        questions = list(data.queries.values())[: arguments.queries + 10]
        measure(bench, questions[:10])
        raw, ours = measure(bench, questions[10:])
    ratios = [b / a for a, b in zip(raw, ours, strict=True)]
    ratio = statistics.median(ratios)
    print(f"{arguments.chunks} chunks, {len(ours)} questions, limit {LIMIT}")
    for name, values in (("raw engine + analysis", raw), ("service", ours)):
        p95 = statistics.quantiles(values, n=20)[-1]
        print(f"  {name:22} median {statistics.median(values) * 1000:7.1f} ms   p95 {p95 * 1000:7.1f} ms")
    print(
        f"  ratio of medians {statistics.median(ours) / statistics.median(raw):.2f}, median of paired ratios {ratio:.2f}"
    )
    print(f"  bar: <= {BAR}: {'reached' if ratio <= BAR else 'MISSED'}")
    return 0 if ratio <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
