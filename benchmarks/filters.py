"""What filters and dates cost in a search: `python -m benchmarks.filters [chunks]` (default 100,000, Edge, 10 chunks a document).

Prints milliseconds of CPU time per search (sparse and dense leg, 200 hits each, median of 20) without a filter, with filters
that few, many and most documents match, with ids as a prefix filter sends them, and as of a date with and without an archive.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np

from rag.domain.filters import (
    AttributeCondition,
    DocumentFilter,
    Period,
    Selection,
    Span,
    attribute_value,
    checked_attributes,
    document_labels,
    label_groups,
)
from rag.domain.principal import Permit, Principal, Scope
from rag.domain.vectors import SparseVector
from rag.index.base import DENSE, SPARSE, IndexPoint, IndexSchema, LegQuery, Retirement
from rag.index.edge import EdgeIndex, open_edge

_DIMENSIONS = 384
_PER_DOCUMENT = 10
_RUNS = 20
_START = datetime(2024, 1, 1, tzinfo=UTC)
_TENANT, _COLLECTION = UUID(int=1), UUID(int=2)


def _points(rng: np.random.Generator, first: int, count: int) -> Iterator[IndexPoint]:
    for number in range(first, first + count):
        document = number // _PER_DOCUMENT
        terms = np.unique(rng.zipf(1.3, 60) % 200_000)
        vector = rng.standard_normal(_DIMENSIONS).astype(np.float32)
        attributes = checked_attributes(
            {"dept": f"부서{document % 20}", "year": 2000 + document % 25, "case": document}
        )
        yield IndexPoint(
            UUID(int=10**9 + number),
            _TENANT,
            _COLLECTION,
            UUID(int=2 * 10**9 + document),
            UUID(int=3 * 10**9 + document),
            SparseVector(tuple(int(term) for term in terms), tuple(rng.uniform(0.5, 2.0, len(terms)).tolist())),
            vector / np.linalg.norm(vector),
            document_labels(attributes, "application/pdf", _START + timedelta(days=document % 700), None, None),
            _START,
        )


def _fill(index: EdgeIndex, chunks: int) -> None:
    rng = np.random.default_rng(1)
    start = time.perf_counter()
    for first in range(0, chunks, 2000):
        index.upsert(list(_points(rng, first, min(2000, chunks - first))))
    print(f"{chunks} points written in {time.perf_counter() - start:.0f} s")


def _median_ms(index: EdgeIndex, permit: Permit, selection: Selection | None) -> float:
    rng = np.random.default_rng(2)
    spent = []
    for _ in range(_RUNS):
        terms = tuple(int(term) for term in np.unique(rng.zipf(1.3, 8) % 200_000))
        vector = rng.standard_normal(_DIMENSIONS).astype(np.float32)
        legs = {SPARSE: LegQuery(SparseVector(terms, (1.0,) * len(terms)), 200), DENSE: LegQuery(vector, 200)}
        start = time.process_time()
        index.search(permit, legs, selection)
        spent.append((time.process_time() - start) * 1000)
    return statistics.median(spent)


def _equal(name: str, value: str | int) -> AttributeCondition:
    found = attribute_value(name, value)
    return AttributeCondition(name, found.kind, any_of=(found,))


def _selections(documents: int) -> Iterator[tuple[str, Selection | None]]:
    yield "no filter", None
    wheres = {
        "dept = one of 20": DocumentFilter(attributes=(_equal("dept", "부서3"),)),
        "case = one document": DocumentFilter(attributes=(_equal("case", 77),)),
        "year >= 2010 (60 %)": DocumentFilter(attributes=(AttributeCondition("year", "number", span=Span(2010.0)),)),
        "case in 1000..1999": DocumentFilter(
            attributes=(AttributeCondition("case", "number", span=Span(1000.0, 1999.0)),)
        ),
        "uploaded in 2025": DocumentFilter(
            uploaded=Period(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
        ),
        "dept and year": DocumentFilter(
            attributes=(_equal("dept", "부서3"), AttributeCondition("year", "number", span=Span(2010.0)))
        ),
    }
    for name, where in wheres.items():
        yield name, Selection(label_groups(where))
    for count in (100, 1000, 5000, 10_000):
        if count <= documents:
            yield f"{count} ids", Selection(documents=frozenset(UUID(int=2 * 10**9 + i) for i in range(count)))


def main() -> None:
    """Fill, measure, print."""
    chunks = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    principal = Principal(UUID(int=9), "benchmark", _TENANT, frozenset({Scope.READ}))
    now = Permit(principal, frozenset({_COLLECTION}))
    with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
        index = open_edge(Path(folder), IndexSchema("benchmark", _DIMENSIONS))
        _fill(index, chunks)
        for name, selection in _selections(chunks // _PER_DOCUMENT):
            print(f"{name:24} {_median_ms(index, now, selection):8.1f} ms")
        then = Permit(principal, frozenset({_COLLECTION}), _START + timedelta(days=5))
        print(f"{'as of, no archive':24} {_median_ms(index, then, None):8.1f} ms")
        start = time.perf_counter()
        half = range(0, chunks // _PER_DOCUMENT, 2)
        index.retire(
            [
                Retirement(UUID(int=3 * 10**9 + i), _TENANT, _COLLECTION, _START, _START + timedelta(days=9))
                for i in half
            ]
        )
        print(f"{len(half)} versions retired in {time.perf_counter() - start:.1f} s")
        print(f"{'as of, half archived':24} {_median_ms(index, then, None):8.1f} ms")
        print(f"{'now, half archived':24} {_median_ms(index, now, None):8.1f} ms")
        index.close()


if __name__ == "__main__":
    main()
