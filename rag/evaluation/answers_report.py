"""A measurement of answers as JSON, as text for a terminal, as one HTML page, and the risk-coverage curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from rag.domain.messages import UiLanguage
from rag.evaluation.answers import MEASURES, AnswerResult, Trial
from rag.evaluation.answers_curves import COVERAGE, Point, Refusals, refusals
from rag.evaluation.intervals import Interval, bootstrap

FORMAT = "seogo-eval-answers/1"
_TEXTS: dict[str, tuple[str, str]] = {
    "title": ("답변 평가", "Answers measured"),
    "precision": ("인용 정밀도 (인용문이 문장을 뒷받침)", "Citation precision (the quoted words hold up the sentence)"),
    "right": ("정답 문단을 인용한 비율", "Citations that are of an expected passage"),
    "recall": ("인용 재현율 (정답 문단 중 인용된 것)", "Citation recall (expected passages that are cited)"),
    "first": ("첫 인용이 정답 문단", "First citation is of an expected passage"),
    "unsupported": ("근거 없는 문장의 비율", "Sentences marked as unsupported"),
    "numbers": ("정답의 숫자를 말한 비율", "Numbers of the expected answer that are stated"),
    "contained": ("짧은 정답이 답변에 그대로 있음", "Short expected answer stands in the answer"),
    "overlap": ("정답의 내용어 중 답변에 있는 것", "Content words of the expected answer in the answer"),
    "answered_first": ("답한 문항 중 첫 인용이 정답", "First citation right, of the questions answered"),
    "questions": ("문항", "questions"),
    "measure": ("지표", "Measure"),
    "forced": (
        "아래 지표는 거절 없이 찾은 것으로 모두 답하게 하여 쟀습니다.",
        "Measured with nothing refused: whatever was found is answered from.",
    ),
    "refusing": ("거절", "Refusing"),
    "auroc": ("AUROC (정답 문단이 있을 때와 뺐을 때)", "AUROC (expected passages in the store, and hidden)"),
    "bar": ("기준 신뢰도", "Bar"),
    "coverage": ("답한 비율", "Coverage"),
    "risk": ("오인용 위험", "Risk"),
    "false": ("오답률 (정답 문단 없음)", "False answers (expected hidden)"),
    "foreign": ("오답률 (다른 주제)", "False answers (other subject)"),
    "in_force": ("지금 기준", "Bar in force"),
    "false_refusal": ("잘못 거절한 비율", "False refusals"),
    "held_out": (
        "한쪽 절반에서 답한 비율 {coverage:.0%}가 되도록 기준을 정해 다른 절반에서 쟀습니다 ({a}→{b}문항).",
        "Bar chosen on one half for a coverage of {coverage:.0%}, measured on the other ({a} → {b} questions).",
    ),
    "both": ("두 절반을 합쳐", "both halves"),
    "curve": ("위험-답변율 곡선", "Risk and coverage"),
    "about": ("평가 조건", "Conditions"),
    "worst": ("정답 문단을 먼저 인용하지 못한 문항", "Questions whose first citation is of no expected passage"),
    "left_out": ("빠진 문항", "Questions left out"),
}
_SHOWN = 30
_STYLE = """body{font:15px/1.55 "Noto Sans KR","Malgun Gothic",system-ui,sans-serif;color:#1d232b;margin:2rem auto;
max-width:60rem;padding:0 1rem}h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #d7dbe0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.3rem .6rem;
border-bottom:1px solid #e6e9ed}.quiet{color:#6a737d;font-size:.86em}img{max-width:100%}"""


@dataclass(frozen=True, slots=True)
class AnswersRun:
    """Everything that was measured.

    Attributes:
        foreign: trials of questions about something else.
        bar: confidence that users' answers need.
        about: the conditions.
    """

    results: tuple[AnswerResult, ...]
    foreign: tuple[Trial, ...]
    bar: float
    about: Mapping[str, Any]

    @property
    def refusals(self) -> Refusals:
        """What the confidence is worth."""
        return refusals(self.results, self.foreign, self.bar)

    def measures(self) -> dict[str, tuple[int, Interval]]:
        """Number of questions and mean by measure, over the questions that allow it."""
        found: dict[str, tuple[int, Interval]] = {}
        for name in MEASURES:
            values = [value for item in self.results if (value := getattr(item, name)) is not None]
            if values:
                found[name] = (len(values), bootstrap(np.array(values, dtype=np.float64)))
        answered = [item.first for item in self.results if not item.asked.refused]
        if answered:
            found["answered_first"] = (len(answered), bootstrap(np.array(answered)))
        return found


def label(name: str, language: UiLanguage) -> str:
    """A measure's name for a reader."""
    return _TEXTS[name][0 if language == "ko" else 1]


def as_json(run: AnswersRun) -> dict[str, Any]:
    """All of it."""
    found = run.refusals
    held_out = found.held_out
    return {
        "format": FORMAT,
        "about": dict(run.about),
        "measures": {name: {"questions": count, **value._asdict()} for name, (count, value) in run.measures().items()},
        "refusing": {
            "auroc": found.auroc._asdict(),
            "calibrated_for_coverage": COVERAGE,
            "held_out": held_out and held_out._asdict(),
            "halves": [
                {"chosen_on": half.chosen_on, "measured_on": half.measured_on, **half.point._asdict()}
                for half in found.halves or ()
            ],
            "bar_in_force": found.at_bar._asdict(),
            "false_refusal": found.false_refusal._asdict(),
            "curve": [point._asdict() for point in found.curve],
        },
        "questions": [asdict(item) for item in run.results],
        "foreign": [asdict(item) for item in run.foreign],
    }


def as_text(run: AnswersRun, language: UiLanguage) -> str:
    """For a terminal."""
    found = run.refusals
    lines = [
        f"{label('title', language)}: {len(run.results)} {label('questions', language)}",
        label("forced", language),
        "",
    ]
    lines += [
        f"  {value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]  n={count:<4} {label(name, language)}"
        for name, (count, value) in run.measures().items()
    ]
    auroc, refused = found.auroc, found.false_refusal
    lines += ["", f"{label('refusing', language)}"]
    lines += [f"  {auroc.mean:.3f} [{auroc.low:.3f}, {auroc.high:.3f}]  {label('auroc', language)}"]
    lines += [f"  {refused.mean:.3f} [{refused.low:.3f}, {refused.high:.3f}]  {label('false_refusal', language)}"]
    lines += [f"  {_point(found.at_bar, language)}  ({label('in_force', language)})"]
    for half in found.halves or ():
        lines.append("  " + _held_out(half.chosen_on, half.measured_on, language))
        lines.append(f"    {_point(half.point, language)}")
    if found.held_out is not None:
        lines.append(f"    {_point(found.held_out, language)}  ({label('both', language)})")
    lines += ["", label("curve", language)]
    lines += [f"  {_point(point, language)}" for point in found.curve]
    return "\n".join(lines)


def save(run: AnswersRun, folder: Path, language: UiLanguage, left_out: Sequence[str] = ()) -> None:
    """`answers.json`, `answers.html`, `risk-coverage.png`."""
    import json

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "answers.json").write_text(json.dumps(as_json(run), ensure_ascii=False), encoding="utf-8")
    draw_curve(run.refusals, folder / "risk-coverage.png")
    (folder / "answers.html").write_text(as_html(run, language, left_out), encoding="utf-8")


def draw_curve(found: Refusals, path: Path) -> None:
    """Risk and false answers by coverage. Its words are English: the picture must not need a Korean font."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    coverages = [point.coverage for point in found.curve]
    axes.plot(coverages, [point.risk for point in found.curve], marker="o", ms=3.5, label="first citation wrong")
    axes.plot(coverages, [point.false for point in found.curve], marker="s", ms=3.5, label="answered, expected hidden")
    if any(point.foreign is not None for point in found.curve):
        foreign = [point.foreign or 0.0 for point in found.curve]
        axes.plot(coverages, foreign, marker="^", ms=3.5, label="answered, other subject")
    axes.plot([found.at_bar.coverage], [found.at_bar.false], "k*", ms=9, label="bar in force")
    axes.set_xlabel("share of the answerable questions that are answered")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def as_html(run: AnswersRun, language: UiLanguage, left_out: Sequence[str] = ()) -> str:
    """One page without a script; the picture lies beside it."""
    found = run.refusals
    measures = "".join(
        f"<tr><td>{label(name, language)}</td><td>{value.mean:.3f} "
        f'<span class="quiet">[{value.low:.3f}, {value.high:.3f}]</span></td><td>{count}</td></tr>'
        for name, (count, value) in run.measures().items()
    )
    rows = [(label("in_force", language), found.at_bar)]
    rows += [(_held_out(h.chosen_on, h.measured_on, language), h.point) for h in found.halves or ()]
    rows += [(label("both", language), found.held_out)] if found.held_out is not None else []
    parts = [
        f"<h1>{label('title', language)}</h1>",
        f"<table><tr><th>{label('measure', language)}</th><th></th><th>n</th></tr>{measures}</table>"
        f'<p class="quiet">{label("forced", language)}</p>',
        f"<h2>{label('refusing', language)}</h2><p>{label('auroc', language)}: {_interval(found.auroc)}<br>"
        f"{label('false_refusal', language)}: {_interval(found.false_refusal)}</p>{_table(rows, language)}",
        f"<h2>{label('curve', language)}</h2>"
        '<img src="risk-coverage.png" alt="">' + _table([("", point) for point in found.curve], language),
        _worst(run, language),
        _list(label("left_out", language), left_out),
        _list(label("about", language), [f"{name}: {value}" for name, value in run.about.items()]),
    ]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:\">"
        f"<title>{label('title', language)}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _worst(run: AnswersRun, language: UiLanguage) -> str:
    missed = sorted((item for item in run.results if not item.first), key=lambda item: -item.asked.confidence)
    rows = [
        f"{item.id} · {item.asked.confidence:.2f} · {item.text} → {', '.join(item.cited) or '–'}" for item in missed
    ]
    return _list(label("worst", language), rows[:_SHOWN])


def _list(title: str, rows: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(row)}</li>" for row in rows)
    return f"<h2>{title}</h2><ul>{items}</ul>" if rows else ""


def _table(rows: Sequence[tuple[str, Point]], language: UiLanguage) -> str:
    names = ("bar", "coverage", "risk", "false", "foreign")
    head = "".join(f"<th>{label(name, language)}</th>" for name in names)
    body = "".join(
        f"<tr><td>{title}</td>" + "".join(f"<td>{_share(getattr(point, name))}</td>" for name in names) + "</tr>"
        for title, point in rows
    )
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _point(point: Point, language: UiLanguage) -> str:
    names = ("bar", "coverage", "risk", "false", "foreign")
    return "  ".join(f"{label(name, language)} {_share(getattr(point, name))}" for name in names)


def _held_out(chosen: int, measured: int, language: UiLanguage) -> str:
    return label("held_out", language).format(coverage=COVERAGE, a=chosen, b=measured)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(value: Interval) -> str:
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"
