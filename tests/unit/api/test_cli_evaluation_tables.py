"""Tables of `seogo eval` in a terminal of 80 columns: no figure is cut off."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from api.cli.evaluation import _means_table, _tuned_table
from rag.domain.language import CollectionKind, Language
from rag.evaluation.intervals import Interval
from rag.evaluation.measures import MEASURES
from rag.evaluation.run import QuestionResult, Run
from rag.evaluation.tuning import Tuned
from rag.retrieval.fusion import LearnedWeights


def printed(table: Table) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_measures_of_a_run() -> None:
    rankings = {"dense": ["a"], "search": ["a"]}
    asked = QuestionResult("1", "?", "ko", (), (), {}, {"a": 1}, rankings)
    run = Run((asked, QuestionResult("2", "?", "ko", (), (), {}, {"a": 1}, {"search": ["a"]})))
    row = {name: Interval(0.1234, 0.0567, 0.3571) for name in MEASURES}
    shown = printed(_means_table({"dense": row, "search": row}, run))
    assert "…" not in shown, shown
    assert shown.count("0.06–0.36") == 2 * len(MEASURES), shown


def test_what_was_learned() -> None:
    gain = Interval(0.0123, -0.0045, 0.0289)
    learned = LearnedWeights(5.0, 2.0), LearnedWeights(3.0, 1.0)
    tuned = Tuned(Language.KOREAN, CollectionKind.DOCUMENTS, 240, "", *learned, 0.9123, 0.9246, gain)
    assert "…" not in printed(_tuned_table([tuned]))
