"""When does the extractive answer refuse? Coverage of the question by the best passage, and what a threshold would do.

    python -m benchmarks.abstention

Answerable: the questions of `ko_finlaw` against their own statutes. Off the subject: the same questions against the handbook
set, which has nothing on them. Without gold: each question with its own articles taken out of the result, the
hard case. Prints the share that would be answered at each threshold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from benchmarks.data import DataMissing, EvaluationSet, handbook_pages, load
from benchmarks.retrieval import fill
from benchmarks.workbench import Workbench, workbench
from rag.answering.evidence import Evidence, weigh
from rag.domain.language import CollectionKind
from rag.text.question import QuestionReader

THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8)
_PASSAGES = 8


def coverages(bench: Workbench, questions: dict[str, str], hidden: Callable[[str, str], bool]) -> list[Evidence]:
    """Coverage of each question by the best of the first passages whose chunk is not hidden from it."""
    reader = QuestionReader(bench.rag.analyzer)
    permit = bench.permit()
    found = []
    for query, text in questions.items():
        result = bench.rag.retriever.search(permit, text, limit=3 * _PASSAGES)
        shown = [p for p in result.passages if not hidden(query, str(p.chunk.id))][:_PASSAGES]
        weights = bench.rag.retriever.rarities(permit, reader.content_terms(text))
        found.append(weigh(shown, weights, reader.terms_of))
    return found


def handbook() -> EvaluationSet:
    """The handbook pages as a corpus without questions."""
    return EvaluationSet("en_18f", {name: ("", text) for name, text in handbook_pages()}, {}, {})


def measure() -> dict[str, list[Evidence]]:
    """Coverages per situation."""
    statutes = load("ko_finlaw")
    rows: dict[str, list[Evidence]] = {}
    with workbench("documents") as bench:
        owner = fill(bench, statutes, CollectionKind.DOCUMENTS)
        rows["answerable"] = coverages(bench, statutes.queries, lambda query, chunk: False)
        rows["without gold"] = coverages(
            bench, statutes.queries, lambda query, chunk: owner[chunk] in statutes.qrels[query]
        )
    with workbench("documents") as bench:
        fill(bench, handbook(), CollectionKind.DOCUMENTS)
        rows["off the subject"] = coverages(bench, statutes.queries, lambda query, chunk: False)
    return rows


def main() -> int:
    """Print the shares."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        rows = measure()
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2
    print("share answered at a threshold of   " + "".join(f"{value:>7}" for value in THRESHOLDS))
    for name, values in rows.items():
        shares = (sum(value.coverage >= threshold for value in values) / len(values) for threshold in THRESHOLDS)
        print(f"  {name:32} " + "".join(f"{share:7.2f}" for share in shares))
    return 0


if __name__ == "__main__":
    sys.exit(main())
