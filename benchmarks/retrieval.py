"""Retrieval quality through the product's own chunker, embedders, index and fusion.

    python -m benchmarks.retrieval [SET ...] [--json FILE]

Prints nDCG@10 and recall@10 of each leg and of the fused result with 95 % bootstrap intervals over the questions, and the
paired interval of fused minus best leg. Exit code 1 when a bar of the project is missed. A document's score is that of its best
chunk.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data import DataMissing, EvaluationSet, load
from benchmarks.workbench import Workbench, workbench
from ingest.bootstrap import budgets_for
from ingest.chunking.structure import StructureChunker
from rag.domain.anchor import LineAnchor
from rag.domain.document import Chunk, Element, ElementKind, ParsedDocument
from rag.domain.language import CollectionKind
from rag.evaluation.intervals import bootstrap
from rag.evaluation.measures import per_question
from rag.index.base import DENSE, SPARSE, LegQuery
from rag.retrieval.service import question_language

DEPTH = 100
Run = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Bar:
    """What a set must reach."""

    kind: CollectionKind
    ndcg: float
    recall: float = 0.0
    loss: float = 0.01


BARS = {
    "ko_finlaw": Bar(CollectionKind.DOCUMENTS, 0.87, 0.96),
    "en_scifact_train": Bar(CollectionKind.DOCUMENTS, 0.72),
    "code_cosqa_dev": Bar(CollectionKind.CODE, 0.61),
}


def parsed(title: str, text: str, kind: CollectionKind) -> ParsedDocument:
    """A corpus record as a parser would give it."""
    role = ElementKind.CODE if kind is CollectionKind.CODE else ElementKind.TEXT
    lines = tuple(LineAnchor(i, i) for i in range(1, text.count("\n") + 2))
    element = Element(role, text, LineAnchor(1, len(lines)), line_anchors=lines)
    return ParsedDocument(title, "text/plain", "corpus/1", (element,))


def fill(bench: Workbench, data: EvaluationSet, kind: CollectionKind) -> dict[str, str]:
    """Index the corpus; returns the document id by chunk id."""
    chunker = StructureChunker(budgets_for(bench.settings.ingest, bench.rag.space))
    owner: dict[str, str] = {}
    batch: list[tuple[str, list[Chunk]]] = []
    for number, (doc, (title, text)) in enumerate(data.corpus.items(), start=1):
        key = f"{doc}.py" if kind is CollectionKind.CODE else doc
        chunks = chunker.chunk(parsed(title, text, kind), bench.version_for(key), key)
        owner.update({str(chunk.id): doc for chunk in chunks})
        batch.append((key, chunks))
        if len(batch) == 256 or number == len(data.corpus):
            bench.add(batch)
            batch = []
            print(f"\r{data.name}: {number}/{len(data.corpus)} documents", end="", file=sys.stderr)
    print(file=sys.stderr)
    return owner


def by_document(hits: Sequence[tuple[str, float]], owner: Mapping[str, str]) -> dict[str, float]:
    """Best chunk's score by document."""
    scores: dict[str, float] = {}
    for chunk, score in hits:
        scores[owner[chunk]] = max(score, scores.get(owner[chunk], -np.inf))
    return scores


def answer(bench: Workbench, data: EvaluationSet, owner: Mapping[str, str]) -> dict[str, Run]:
    """Runs by name: each leg alone, and `fused` as the service gives it."""
    permit = bench.permit()
    runs: dict[str, Run] = {}
    for query, text in data.queries.items():
        language = question_language(text)
        vectors = bench.rag.space.embed_query(text, language)
        legs = {SPARSE: LegQuery(vectors.sparse, 3 * DEPTH)}
        if vectors.dense is not None:
            legs[DENSE] = LegQuery(vectors.dense, 3 * DEPTH)
        for name, hits in bench.rag.index.search(permit, legs).items():
            found = [(str(hit.chunk_id), hit.score) for hit in hits]
            runs.setdefault(name, {})[query] = by_document(found, owner)
        result = bench.rag.retriever.search(permit, text, limit=DEPTH)
        fused = [(str(passage.chunk.id), passage.score) for passage in result.passages]
        runs.setdefault("fused", {})[query] = by_document(fused, owner)
    return runs


def evaluate(name: str, bar: Bar) -> dict[str, object]:
    """Measure one set and print its rows."""
    data = load(name)
    with workbench(bar.kind) as bench:
        runs = answer(bench, data, fill(bench, data, bar.kind))
    print(f"\n{name}: {len(data.corpus)} documents, {len(data.queries)} questions")
    values = {leg: per_question(data.qrels, run, list(data.queries), ("nDCG@10", "R@10")) for leg, run in runs.items()}
    ndcg, recall = ({leg: found[name] for leg, found in values.items()} for name in ("nDCG@10", "R@10"))
    for leg in sorted(runs):
        (mean, low, high), (rmean, rlow, rhigh) = bootstrap(ndcg[leg]), bootstrap(recall[leg])
        print(f"  {leg:8} nDCG@10 {mean:.3f} [{low:.3f}, {high:.3f}]   recall@10 {rmean:.3f} [{rlow:.3f}, {rhigh:.3f}]")
    best = max((leg for leg in runs if leg != "fused"), key=lambda leg: float(ndcg[leg].mean()))
    gain = ndcg["fused"] - ndcg[best]
    mean, low, high = bootstrap(gain)
    print(f"  fused - best leg ({best}): {mean:+.4f} [{low:+.4f}, {high:+.4f}]")
    fused = (float(ndcg["fused"].mean()), float(recall["fused"].mean()))
    reached = fused[0] >= bar.ndcg and fused[1] >= bar.recall and mean >= -bar.loss
    print(
        f"  bar: nDCG@10 >= {bar.ndcg}, recall@10 >= {bar.recall}, loss <= {bar.loss}: {'reached' if reached else 'MISSED'}"
    )
    return {"set": name, "ndcg@10": fused[0], "recall@10": fused[1], "gain": mean, "reached": reached}


def main() -> int:
    """Run the sets asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(BARS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    try:
        rows = [evaluate(name, BARS[name]) for name in arguments.sets]
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return 0 if all(row["reached"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
