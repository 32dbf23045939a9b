"""Answers of the embedded shape against the project's bars: citations, numbers, false answers and refusals.

    python -m benchmarks.answers [--keep FOLDER] [--out FOLDER]

Statutes and two-step questions with and without the passages that answer them; the statutes' questions also against the
handbook and the bundled samples, which have nothing on them. Exit code 1 when a bar is missed. The same report comes from
`seogo eval answers` for any questions, generator and reranker.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from benchmarks.answer_stores import HANDBOOK, SAMPLES, STATUTES, TWO_STEP, Store, store
from benchmarks.data import DataMissing
from rag.evaluation.answers import Progress, Trial, ask_all, ask_foreign
from rag.evaluation.answers_curves import COVERAGE, point_at
from rag.evaluation.answers_report import AnswersRun, as_text, save
from rag.text.question import QuestionReader

PRECISION, FIRST, AUROC, FALSE, FOREIGN = 0.99, 0.76, 0.78, 0.30, 0.03


def measured(place: Store, name: str) -> AnswersRun:
    """One set in its own store."""
    rag, settings = place.rag, place.rag.settings.answers
    terms = QuestionReader(rag.analyzer).content_terms
    found = asyncio.run(ask_all(rag.answerer, place.judged(name), terms, settings.passages, progress=_progress(name)))
    about = {
        "questions_from": name,
        "generator": rag.answerer.generator_name,
        "reranker": rag.settings.reranking.backend,
    }
    return AnswersRun(tuple(found), (), settings.min_confidence, about)


def foreign(place: Store, questions: list[str], label: str) -> list[Trial]:
    """Questions in a store that has nothing on them."""
    passages = place.rag.settings.answers.passages
    return asyncio.run(ask_foreign(place.rag.answerer, place.permit, questions, passages, progress=_progress(label)))


def bars(run: AnswersRun, others: dict[str, list[Trial]]) -> bool:
    """Print what the statutes' bars are and what was reached; whether all were."""
    means, refusals = run.measures(), run.refusals
    held = refusals.held_out
    if held is None:
        raise ValueError("too few questions for halves")
    rows = [
        ("citation precision", means["precision"][1].mean, PRECISION, True),
        ("right article cited first", means["first"][1].mean, FIRST, True),
        ("AUROC, gold article hidden", refusals.auroc.mean, AUROC, True),
        (f"false answers at {COVERAGE:.0%}, gold article hidden", held.false, FALSE, False),
    ]
    for name, trials in others.items():
        found = [point_at(run.results, trials, half.point.bar).foreign or 0.0 for half in refusals.halves or ()]
        rows.append((f"false answers at {COVERAGE:.0%}, asked of {name}", sum(found) / len(found), FOREIGN, False))
    print(
        f"\nbars ({COVERAGE:.0%}: chosen on one half, measured on the other, both ways; answered there {held.coverage:.3f})"
    )
    reached = True
    for label, value, bar, least in rows:
        good = value >= bar if least else value <= bar
        reached = reached and good
        print(
            f"  {label:52} {value:.3f}  {'>=' if least else '<='} {bar}  {'reached' if good else 'MISSED'}", flush=True
        )
    return reached


def run_all(keep: Path | None, out: Path | None) -> bool:
    """Measure everything."""
    with store(STATUTES, keep) as place:
        statutes = measured(place, STATUTES)
    _show(statutes, STATUTES, out)
    questions = [item.text for item in statutes.results]
    others: dict[str, list[Trial]] = {}
    for name in (HANDBOOK, SAMPLES):
        with store(name, keep) as place:
            others[name] = foreign(place, questions, name)
    reached = bars(statutes, others)
    with store(TWO_STEP, keep) as place:
        _show(measured(place, TWO_STEP), TWO_STEP, out)
    return reached


def _show(run: AnswersRun, name: str, out: Path | None) -> None:
    print(f"\n{name}\n{as_text(run, 'en')}", flush=True)
    if out is not None:
        save(run, out / name, "en")


def _progress(name: str) -> Progress:
    def shown(done: int, total: int) -> None:
        print(f"\r{name}: {done}/{total}", end="" if done < total else "\n", file=sys.stderr)

    return shown


def main() -> int:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the filled stores, used again by the next run")
    parser.add_argument("--out", type=Path, help="folder for reports")
    arguments = parser.parse_args()
    try:
        return 0 if run_all(arguments.keep, arguments.out) else 1
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
