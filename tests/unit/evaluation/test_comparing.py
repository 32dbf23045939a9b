from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.domain.errors import InvalidRequest
from rag.evaluation.comparing import baseline_of, compare, gate, load_baseline
from rag.evaluation.report import html_report, worst
from rag.evaluation.run import QuestionResult, Run, Shown

SHOWN = Shown(
    1, 0.5, "<규정>.docx", "규정", "제1조 <1행>", "<script>alert('본문')</script>", {"sparse": (1, 7.5)}, False
)


def result(number: int, rank: int | None, *, ranking: str = "search", language: str = "ko") -> QuestionResult:
    """A question whose one answer stands at this rank."""
    units = [f"x{place}" for place in range(1, 12)]
    if rank is not None:
        units.insert(rank - 1, "expected-1")
    return QuestionResult(
        f"q{number}", f"질문 {number}?", language, ("documents",), ("규정",), {"expected-1": "취업규칙.docx"}, {"expected-1": 1},
        {ranking: units}, (SHOWN,),
    )  # fmt: skip


def run(*ranks: int | None, ranking: str = "search") -> Run:
    return Run(tuple(result(number, rank, ranking=ranking) for number, rank in enumerate(ranks)), {"space": "<공간>"})


def test_a_comparison_is_paired_and_names_the_worst_regression() -> None:
    found = compare(run(1, 2, 1, 5, None), run(1, 1, None, 6, None))
    assert found.questions == 5
    change = found.changes["P@1"]
    assert (change.wins, change.losses, change.ties) == (1, 1, 3)
    assert change.difference.mean == pytest.approx(0.0)
    assert change.difference.low < 0 < change.difference.high
    assert [item.first.id for item in found.moved] == ["q2", "q3", "q1"]
    assert (found.moved[0].before, found.moved[0].after) == (1.0, 0.0)


def test_a_run_does_not_differ_from_itself() -> None:
    found = compare(run(1, 3, None), run(1, 3, None))
    assert all(change.difference == (0.0, 0.0, 0.0) and change.ties == 3 for change in found.changes.values())
    assert found.moved == ()


def test_only_questions_that_ask_for_the_same_are_compared() -> None:
    second = Run((result(0, 1), result(7, 1)))
    found = compare(run(2, 2, 2), second)
    assert (found.questions, found.only_first, found.only_second) == (1, 2, 1)
    with pytest.raises(InvalidRequest, match="no question in common"):
        compare(run(1), Run((result(9, 1),)))


def test_one_ranking_against_another() -> None:
    assert compare(run(2, ranking="sparse"), run(1), "sparse", "search").changes["P@1"].wins == 1
    with pytest.raises(InvalidRequest, match="ranking dense: one of sparse"):
        compare(run(2, ranking="sparse"), run(1), "dense")


def test_a_gate_stays_open_within_the_bound_and_closes_beyond_it() -> None:
    baseline = baseline_of(run(*[1] * 99, 2), bound=0.02)
    assert gate(run(*[1] * 98, 2, 2), baseline) == []
    fallen = gate(run(*[1] * 90, *[None] * 10), baseline)
    assert {item.measure for item in fallen} == {"nDCG@10", "R@10", "R@100", "RR@10", "P@1"}
    assert all(item.found < item.baseline - item.bound for item in fallen)


def test_a_gate_may_be_narrower_for_one_measure() -> None:
    baseline = {**baseline_of(run(*[1] * 100), bound=0.5), "bounds": {"P@1": 0.0}}
    assert [item.measure for item in gate(run(*[1] * 99, 2), baseline)] == ["P@1"]


def test_a_gate_refuses_what_it_can_not_compare() -> None:
    with pytest.raises(InvalidRequest, match="made on 2 questions, the run has 1"):
        gate(run(1), baseline_of(run(1, 1)))
    with pytest.raises(InvalidRequest, match="no ranking sparse"):
        gate(run(1), baseline_of(run(1, ranking="sparse")))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "x"},
        {"measures": {}},
        {"measures": {"search": {"nDCG": 1.0}}},
        {"bound": "wide"},
        {"measures": {"search": {"P@1": None}}},
        {"measures": [1]},
    ],
)
def test_a_baseline_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    good = baseline_of(run(1))
    (tmp_path / "good.json").write_text(json.dumps(good))
    assert load_baseline(tmp_path / "good.json") == good
    (tmp_path / "bad.json").write_text(json.dumps({**good, **change}))
    with pytest.raises(InvalidRequest, match="not a baseline"):
        load_baseline(tmp_path / "bad.json")


def test_the_worst_come_first_and_full_marks_not_at_all() -> None:
    found = worst(run(1, 11, 3, None, 2))
    assert [(item.id, round(value, 2)) for item, value in found] == [
        ("q3", 0.0),
        ("q1", 0.0),
        ("q2", 0.5),
        ("q4", 0.63),
    ]


@pytest.mark.parametrize(("language", "words"), [("ko", "가장 나쁜 문항"), ("en", "Worst questions")])
def test_a_report_loads_nothing_runs_nothing_and_shows_text_as_text(language: Any, words: str) -> None:
    page = html_report(run(1, None, 2), language, ["3행: <없음>"])
    assert words in page and "질문 1?" in page and "3행: &lt;없음&gt;" in page
    assert page.count("<svg") == 2
    assert "<script" not in page and "&lt;script&gt;alert" in page
    for address in ('href="http', "src=", "url(http", "@import"):
        assert address not in page
    assert "default-src 'none'" in page


def test_groups_of_a_report_are_measured_alone() -> None:
    mixed = Run((result(0, 1, language="ko"), result(1, None, language="en"), result(2, 1, language="ko")))
    page = html_report(mixed, "en")
    assert page.count("<svg") == 3, "languages are drawn, the one collection is not"
    assert '<th scope="row">en</th><td>1</td><td>0.000' in page
    assert '<th scope="row">ko</th><td>2</td><td>1.000' in page
