"""A run as one HTML file: readable without a network, without a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np

from rag.domain.messages import UiLanguage
from rag.evaluation import plots
from rag.evaluation.intervals import Interval
from rag.evaluation.measures import MAIN, MEASURES
from rag.evaluation.report_texts import about_label, text
from rag.evaluation.run import SEARCH, QuestionResult, Run, Shown, by_group, summary

WORST = 20
_STYLE = """
body{font:15px/1.55 "Noto Sans KR","Apple SD Gothic Neo","Malgun Gothic","NanumGothic",system-ui,sans-serif;color:#1d232b;
margin:2rem auto;max-width:60rem;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin:2rem 0 .6rem;border-bottom:1px solid #d7dbe0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e6e9ed;vertical-align:top}
thead th{background:#f4f6f8}tr.main td,tr.main th{font-weight:600}
.interval,.quiet{color:#6a737d;font-size:.86em;white-space:nowrap}.note{color:#57606a;font-size:.9em}
svg{max-width:100%;height:auto}
article{border:1px solid #d7dbe0;border-radius:6px;padding:.7rem 1rem;margin:.9rem 0}
article h3{margin:.1rem 0 .5rem;font-size:1rem}
ol.found{padding-left:1.4rem;margin:.3rem 0}.found li{margin:.35rem 0}.hit{color:#1a7f37;font-weight:600}
blockquote{margin:.1rem 0 0;color:#444c56;font-size:.9em;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.4rem 0}dt{color:#6a737d}dd{margin:0;
overflow-wrap:anywhere}
@media print{article{break-inside:avoid}}
""".strip()
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page loads nothing, and a browser holds it to that."""


def html_report(run: Run, language: UiLanguage, left_out: Iterable[str] = ()) -> str:
    """The whole page.

    Args:
        left_out: sentences about questions that could not be measured.
    """
    means = summary(run)
    parts = [
        f"<h1>{text('title', language)}</h1>",
        f'<p class="note">{escape(str(run.about.get("questions_from", "")))} · '
        f"{len(run.questions)} {text('questions', language)}</p>",
        _measures(run, means, language),
        plots.means(run, means, tuple(MEASURES)),
        plots.recall(run, text("found_share", language)),
        _groups(run, language),
        _worst(run, language),
        _left_out(list(left_out), language),
        _about(run.about, language),
    ]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><title>{text("title", language)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def worst(run: Run, count: int = WORST, ranking: str = SEARCH) -> list[tuple[QuestionResult, float]]:
    """Questions with less than the full measure, worst first; among equals, those whose answer stands lowest."""
    values = run.values(ranking)[MAIN]
    order = sorted(
        (row for row in range(len(values)) if values[row] < 1.0 - 1e-9),
        key=lambda row: (values[row], -(run.questions[row].rank_of_first(ranking) or np.inf), row),
    )
    return [(run.questions[row], float(values[row])) for row in order[:count]]


def _measures(run: Run, means: Mapping[str, Mapping[str, Interval]], language: UiLanguage) -> str:
    head = "".join(f"<th>{name}</th>" for name in MEASURES)
    rows = "".join(
        f'<tr{_main(ranking)}><th scope="row">{escape(ranking)}{_asked(run, ranking)}</th>'
        + "".join(f"<td>{_value(means[ranking][name])}</td>" for name in MEASURES)
        + "</tr>"
        for ranking in run.rankings
    )
    return (
        f"<h2>{text('measures', language)}</h2><table><thead><tr><th>{text('ranking', language)}</th>{head}</tr></thead>"
        f'<tbody>{rows}</tbody></table><p class="note">{text("interval_note", language)}<br>'
        f"{text('rankings_note', language)}</p>"
    )


def _asked(run: Run, ranking: str) -> str:
    """How many questions reached the ranking, where it was not all."""
    asked = run.asked(ranking)
    return "" if asked == len(run.questions) else f' <span class="interval">{asked}/{len(run.questions)}</span>'


def _main(ranking: str) -> str:
    return ' class="main"' if ranking == SEARCH else ""


def _value(value: Interval) -> str:
    return f'{value.mean:.3f} <span class="interval">[{value.low:.3f}, {value.high:.3f}]</span>'


def _groups(run: Run, language: UiLanguage) -> str:
    parts: list[str] = []
    for kind, found in by_group(run).items():
        title = text("languages" if kind == "language" else "collections", language)
        head = "".join(f"<th>{name}</th>" for name in MEASURES)
        rows = "".join(
            f'<tr><th scope="row">{escape(label)}</th><td>{count}</td>'
            + "".join(f"<td>{_value(values[name])}</td>" for name in MEASURES)
            + "</tr>"
            for label, (count, values) in found.items()
        )
        drawn = plots.groups([(label, values[MAIN]) for label, (_, values) in found.items()], MAIN)
        parts.append(
            f"<h2>{title}</h2><table><thead><tr><th>{text('group', language)}</th>"
            f"<th>{text('questions', language)}</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
            + (drawn if len(found) > 1 else "")
        )
    return "".join(parts)


def _worst(run: Run, language: UiLanguage) -> str:
    found = worst(run)
    body = "".join(_question(run, question, value, language) for question, value in found)
    return f"<h2>{text('worst', language)}</h2>" + (body or f"<p>{text('none_bad', language)}</p>")


def _question(run: Run, question: QuestionResult, value: float, language: UiLanguage) -> str:
    ranks = ", ".join(
        f"{escape(name)} {question.rank_of_first(name) or text('not_found', language)}"
        for name in run.rankings
        if name in question.rankings
    )
    expected = "<br>".join(escape(label) for label in question.expected.values())
    came = "".join(_passage(shown, language) for shown in question.top)
    return (
        f'<article><h3>{escape(question.text)} <span class="quiet">{escape(question.id)} · {escape(question.language)} · '
        f"{MAIN} {value:.3f}</span></h3><dl><dt>{text('expected', language)}</dt><dd>{expected}</dd>"
        f"<dt>{text('rank_of_expected', language)}</dt><dd>{ranks}</dd>"
        f"<dt>{text('instead', language)}</dt><dd>"
        + (f'<ol class="found">{came}</ol>' if came else text("nothing", language))
        + "</dd></dl></article>"
    )


def _passage(shown: Shown, language: UiLanguage) -> str:
    legs = " · ".join(f"{escape(leg)} #{rank} {score:.3f}" for leg, (rank, score) in sorted(shown.legs.items()))
    name = f"{escape(shown.source_key)}, {escape(shown.place)}"
    marked = f'<span class="hit">✓ {name}</span>' if shown.expected else name
    return (
        f'<li>{marked} <span class="quiet">{text("score", language)} {shown.score:.3f} · {legs}</span>'
        f"<blockquote>{escape(shown.excerpt)}</blockquote></li>"
    )


def _left_out(sentences: list[str], language: UiLanguage) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<h2>{text('left_out', language)} ({len(sentences)})</h2><ul>{items}</ul>"


def _about(about: Mapping[str, Any], language: UiLanguage) -> str:
    rows = "".join(
        f"<dt>{escape(about_label(name, language))}</dt><dd>{escape(_plain(value))}</dd>"
        for name, value in about.items()
    )
    return f"<h2>{text('about', language)}</h2><dl>{rows}</dl>"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
