"""When does an answer get refused? The signals of the evidence, what each bar would do, and the fit of their table.

    python -m benchmarks.abstention [--fit] [--keep FOLDER]

Asks every question twice, with the passages that answer it in the store and with these hidden: the questions of `ko_finlaw`,
the same joined in pairs of one statute, the two-step questions of `en_hotpotqa200`. Besides, Korean and English questions
against the handbook, which has nothing on them. With `--fit`: the logistic regression over all three sets, anew, and what
cross-validation says, by statute or, in the English set, by question.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.answer_stores import HANDBOOK, STATUTES, TWO_STEP, Store, store
from benchmarks.data import DataMissing, EvaluationSet, load
from rag.answering.evidence import INTERCEPT, TABLE, Evidence, weigh
from rag.answering.signals import RIVALS, QuestionTerms, Signals
from rag.text.question import QuestionReader

BARS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
COVERAGE = 0.7
JOINED = f"{STATUTES}, two in one"
_PASSAGES = 8
_FOLDS = 10
_SHRINKAGE = 3.0
"""Ridge penalty on standardised weights: four of them on 435 pairs hardly need one."""


@dataclass
class Pairs:
    """The evidence of a set's questions, with and without what answers them.

    Attributes:
        groups: what must not stand in two folds: the statute, or the question itself.
    """

    given: list[Evidence] = field(default_factory=list)
    hidden: list[Evidence] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def evidence(place: Store, question: str, gold: Sequence[str] = (), *, hide: bool = False) -> Evidence:
    """The evidence for a question, as the answerer weighs it; with `hide`, as if the documents `gold` were not there."""
    reader, retriever = QuestionReader(place.rag.analyzer), place.rag.retriever
    result = retriever.search(place.permit, question, limit=2 * RIVALS if hide else RIVALS)
    passages = [item for item in result.passages if not hide or item.source.source_key not in gold][:RIVALS]
    weights = retriever.rarities(place.permit, reader.content_terms(question))
    bigrams = retriever.rarities(place.permit, reader.bigrams_of(question))
    return weigh(QuestionTerms(question, weights, bigrams, reader.terms_of), passages, _PASSAGES)


def pairs_of(place: Store, data: EvaluationSet, *, by_statute: bool) -> Pairs:
    """Every question of a set, twice."""
    found = Pairs()
    for query, text in data.queries.items():
        gold = list(data.qrels[query])
        found.given.append(evidence(place, text, gold))
        found.hidden.append(evidence(place, text, gold, hide=True))
        found.groups.append(statute_of(gold[0]) if by_statute else query)
    return found


def joined(data: EvaluationSet) -> EvaluationSet:
    """Each question and the next of the same statute in one, as people ask who want to know two things."""
    by_statute: dict[str, list[str]] = {}
    for query in sorted(data.queries):
        by_statute.setdefault(statute_of(next(iter(data.qrels[query]))), []).append(query)
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for members in by_statute.values():
        for first, second in zip(members, members[1:] + members[:1], strict=True):
            if first != second:
                name = f"{first}+{second}"
                queries[name] = f"{data.queries[first].rstrip('?.')}, 그리고 {data.queries[second]}"
                qrels[name] = data.qrels[first] | data.qrels[second]
    return EvaluationSet(JOINED, data.corpus, queries, qrels)


def statute_of(document: str) -> str:
    """The statute with its decrees, by a document's id in `ko_finlaw`."""
    return document.partition("/")[0]


def measure(keep: Path | None) -> tuple[dict[str, Pairs], dict[str, list[Evidence]]]:
    """The pairs by set, and the evidence of questions about something else by language."""
    statutes, two_step = load(STATUTES), load(TWO_STEP)
    pairs: dict[str, Pairs] = {}
    with store(STATUTES, keep) as place:
        pairs[STATUTES] = pairs_of(place, statutes, by_statute=True)
        pairs[JOINED] = pairs_of(place, joined(statutes), by_statute=True)
    with store(TWO_STEP, keep) as place:
        pairs[TWO_STEP] = pairs_of(place, two_step, by_statute=False)
    with store(HANDBOOK, keep) as place:
        foreign = {
            data.name: [evidence(place, text) for text in data.queries.values()] for data in (statutes, two_step)
        }
    return pairs, foreign


def report(pairs: Mapping[str, Pairs], foreign: Mapping[str, Sequence[Evidence]]) -> None:
    """What the signals and the table in force are worth."""
    print("AUROC of each signal, and of the confidence")
    for name, found in pairs.items():
        values = {signal: (_signal(found.given, signal), _signal(found.hidden, signal)) for signal in Signals._fields}
        values["confidence"] = (confidences(found.given), confidences(found.hidden))
        print(f"  {name:24} " + "  ".join(f"{key} {auroc(*both):.3f}" for key, both in values.items()))
    print("share answered at a confidence of     " + "".join(f"{bar:>7}" for bar in BARS))
    rows = {f"{name}, {kind}": getattr(found, kind) for name, found in pairs.items() for kind in ("given", "hidden")}
    rows |= {f"{name} on {HANDBOOK}": list(found) for name, found in foreign.items()}
    for name, values in rows.items():
        shares = (float((confidences(values) >= bar).mean()) for bar in BARS)
        print(f"  {name:36} " + "".join(f"{share:7.2f}" for share in shares))


def fit_report(pairs: Mapping[str, Pairs]) -> None:
    """The table fitted anew, and its cross-validation."""
    names = list(TABLE)
    rows = {name: (_matrix(found.given, names), _matrix(found.hidden, names)) for name, found in pairs.items()}
    weights, intercept = fit(rows)
    print(f"INTERCEPT = {intercept:.2f} (in force {INTERCEPT})")
    typical = np.concatenate([given for given, _ in rows.values()]).mean(axis=0)
    for name, weight, mean in zip(names, weights, typical, strict=True):
        print(
            f"  {name:10} weight {weight:6.2f} typical {mean:5.2f}   (in force {TABLE[name].weight}, {TABLE[name].typical})"
        )
    for name, (given, hidden) in cross_validated(pairs, rows).items():
        bar = np.quantile(given, 1 - COVERAGE)
        print(
            f"  cross-validated {name:24} AUROC {auroc(given, hidden):.3f}  at 70 % answered: {(hidden >= bar).mean():.3f} false"
        )


Rows = Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def fit(rows: Rows) -> tuple[NDArray[np.float64], float]:
    """Logistic regression by Newton's method: weights of the raw signals, and the intercept."""
    features = np.concatenate([part for both in rows.values() for part in both])
    labels = np.concatenate([np.r_[np.ones(len(given)), np.zeros(len(hidden))] for given, hidden in rows.values()])
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    design = np.c_[(features - mean) / spread, np.ones(len(features))]
    penalty = np.diag([_SHRINKAGE] * features.shape[1] + [0.0])
    found = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ found))
        slope = design.T @ (chance - labels) + penalty @ found
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + penalty
        step = np.linalg.solve(curve, slope)
        found -= step
        if float(np.abs(step).max()) < 1e-8:
            break
    weights = found[:-1] / spread
    return weights, float(found[-1] - weights @ mean)


def cross_validated(
    pairs: Mapping[str, Pairs], rows: Rows
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Log-odds of each set's questions by tables that never saw their statute: given, hidden."""
    groups = sorted({group for found in pairs.values() for group in found.groups})
    order = np.random.default_rng(0).permutation(len(groups))
    fold = {groups[place]: number % _FOLDS for number, place in enumerate(order)}
    folds = {name: np.array([fold[group] for group in found.groups]) for name, found in pairs.items()}
    odds = {name: (np.zeros(len(given)), np.zeros(len(hidden))) for name, (given, hidden) in rows.items()}
    for number in range(_FOLDS):
        kept = {
            name: (given[folds[name] != number], hidden[folds[name] != number])
            for name, (given, hidden) in rows.items()
        }
        weights, intercept = fit(kept)
        for name, both in rows.items():
            for target, values in zip(odds[name], both, strict=True):
                out = folds[name] == number
                target[out] = values[out] @ weights + intercept
    return odds


def auroc(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Chance that one of `first` is above one of `second`, ties counting half."""
    wins = (first[:, None] > second[None, :]) + 0.5 * (first[:, None] == second[None, :])
    return float(wins.mean())


def confidences(found: Sequence[Evidence]) -> NDArray[np.float64]:
    """As an array."""
    return np.array([item.confidence for item in found])


def _signal(found: Sequence[Evidence], name: str) -> NDArray[np.float64]:
    return np.array([getattr(item.signals, name) for item in found], dtype=np.float64)


def _matrix(found: Sequence[Evidence], names: Sequence[str]) -> NDArray[np.float64]:
    return np.stack([_signal(found, name) for name in names], axis=1)


def main() -> int:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for the filled stores, used again by the next run")
    arguments = parser.parse_args()
    try:
        pairs, foreign = measure(arguments.keep)
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2
    report(pairs, foreign)
    if arguments.fit:
        fit_report(pairs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
