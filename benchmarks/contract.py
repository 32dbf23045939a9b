"""Does the contract tell sentences that hold from those that don't? Labelled sentences about the bundled samples.

    python -m benchmarks.contract [--each 16] [--show]

Verbatim and reworded sentences hold; those with another number, the contrary, a limit from the other side, another row's value,
an invented clause, or the mark of another passage do not. Prints, by kind and language, the share that is judged rightly, then
precision and recall of "does not hold", and what other word thresholds would do. `--reranker FOLDER` lets a model judge too
(bge-reranker's kind).
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.answering.contract import DEFAULT_RULES, Examiner, Finding
from rag.answering.contract_support import MIN_WORDS, SupportChecker
from rag.reranking.registry import open_reranker
from rag.settings import RerankingSettings
from rag.text.analysis import Analyzer
from rag.text.question import QuestionReader
from tests.support.contract_cases import Case, cases, held_out

THRESHOLDS = (0.2, 0.3, 0.4, MIN_WORDS, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class Judged:
    """A case and what was found of it."""

    case: Case
    finding: Finding

    @property
    def right(self) -> bool:
        """Whether the judgement is the label."""
        return self.finding.stands == self.case.holds


def judged(chosen: Iterable[Case], checker: SupportChecker) -> list[Judged]:
    """The cases, each examined by itself."""
    return [Judged(case, Examiner(case.passages, checker, DEFAULT_RULES).examine(case.draft)) for case in chosen]


def scores(found: Sequence[Judged]) -> tuple[float, float, float]:
    """Precision and recall of `does not hold`, and the share of reworded sentences that are kept."""
    flagged = [item for item in found if not item.finding.stands]
    spoiled = [item for item in found if not item.case.holds]
    reworded = [item for item in found if item.case.kind == "paraphrase"]
    caught = sum(not item.case.holds for item in flagged)
    kept = sum(item.finding.stands for item in reworded)
    return caught / max(1, len(flagged)), caught / max(1, len(spoiled)), kept / max(1, len(reworded))


def _print(found: Sequence[Judged]) -> None:
    groups: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for item in found:
        groups[item.case.kind, item.case.language.value].append(item)
    for (kind, language), items in sorted(groups.items()):
        print(f"  {kind:15}{language:4}{sum(item.right for item in items):5} of {len(items)} judged rightly")
    precision, recall, kept = scores(found)
    print(f"does not hold: precision {precision:.3f}, recall {recall:.3f}; reworded sentences kept {kept:.3f}")
    print(
        "share of sentences with this much of their words in the cited passage" + "".join(f"{t:>7}" for t in THRESHOLDS)
    )
    for name, kinds in (("hold", ("verbatim", "paraphrase")), ("wrong passage", ("wrong_passage",))):
        words = [item.finding.words for item in found if item.case.kind in kinds]
        print(f"  {name:66} " + "".join(f"{sum(w >= t for w in words) / len(words):7.2f}" for t in THRESHOLDS))


def main() -> int:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=16, help="sentences of every kind and language")
    parser.add_argument("--reranker", type=Path, help="folder of a reranker")
    parser.add_argument("--show", action="store_true", help="print the sentences that are judged wrongly")
    arguments = parser.parse_args()
    reranker = (
        open_reranker(RerankingSettings(backend="flag", folder=arguments.reranker)) if arguments.reranker else None
    )
    checker = SupportChecker(QuestionReader(Analyzer()), reranker)
    found = judged(cases(arguments.each), checker)
    _print(found)
    unseen = judged(held_out(), checker)
    kept = [item.right for item in unseen if item.case.holds]
    caught = [item.right for item in unseen if not item.case.holds]
    print(f"held out: {sum(kept)} of {len(kept)} that hold kept, {sum(caught)} of {len(caught)} that don't caught")
    for item in (*found, *unseen):
        if arguments.show and not item.right:
            print(item.case.kind, item.case.text, [problem.kind.value for problem in item.finding.problems], sep=" | ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
