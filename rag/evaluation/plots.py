"""Figures of a report as SVG text: no script, no address to load anything from, no font to embed."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from rag.evaluation.intervals import Interval
from rag.evaluation.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#4c6a92", "#8a6d3b", "#5b7f5b", "#7a5c86", "#20639b")
_LAST = "#c0392b"
_CUTS = (1, 2, 3, 5, 10, 20, 50, 100)


def means(run: Run, found: dict[str, dict[str, Interval]], names: Sequence[str]) -> str:
    """Bars of each measure by ranking, with their intervals."""
    axes, figure = _axes(7.6, 3.2)
    rankings = run.rankings
    width = 0.8 / len(rankings)
    for number, ranking in enumerate(rankings):
        values = [found[ranking][name] for name in names]
        middles = np.arange(len(names)) + (number - (len(rankings) - 1) / 2) * width
        errors = np.array([[v.mean - v.low for v in values], [v.high - v.mean for v in values]]).clip(min=0.0)
        heights = [v.mean for v in values]
        axes.bar(
            middles, heights, width * 0.92, yerr=errors, capsize=2, color=_colour(number, rankings), label=ranking,
            error_kw={"lw": 0.9, "ecolor": "#333333"},
        )  # fmt: skip
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, ncols=len(rankings), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(figure)


def recall(run: Run, label: str) -> str:
    """Share of the questions with something expected among the first k, by ranking."""
    axes, figure = _axes(7.6, 2.9)
    for number, ranking in enumerate(run.rankings):
        ranks = np.array([question.rank_of_first(ranking) or np.inf for question in run.questions])
        shares = [float((ranks <= cut).mean()) for cut in _CUTS]
        style = "-" if number == len(run.rankings) - 1 else "--"
        axes.plot(_CUTS, shares, style, marker="o", ms=3.5, color=_colour(number, run.rankings), label=ranking)
    axes.set_xscale("log")
    axes.set_xticks(_CUTS, [str(cut) for cut in _CUTS])
    axes.minorticks_off()
    axes.set_xlabel("k")
    axes.set_ylabel(label)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, loc="lower right")
    return _svg(figure)


def groups(rows: Sequence[tuple[str, Interval]], label: str) -> str:
    """One mean with its interval a line."""
    axes, figure = _axes(7.6, 0.9 + 0.34 * len(rows))
    for number, (_, value) in enumerate(rows):
        axes.plot([value.low, value.high], [number, number], color=_COLOURS[0], lw=2)
        axes.plot([value.mean], [number], "o", color=_LAST, ms=5)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel(label)
    return _svg(figure)


def _colour(number: int, rankings: Sequence[str]) -> str:
    return _LAST if number == len(rankings) - 1 else _COLOURS[number % len(_COLOURS)]


def _axes(width: float, height: float) -> tuple[Axes, Figure]:
    from matplotlib.figure import Figure

    with _style():
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
    axes.grid(axis="both", color="#e4e4e4", lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return axes, figure


def _style() -> AbstractContextManager[None]:
    """Text stays text, drawn by the browser in its own fonts: Hangul needs none here."""
    from matplotlib import rc_context

    return rc_context({"svg.fonttype": "none", "svg.hashsalt": "seogo", "font.size": 10, "axes.edgecolor": "#888888"})


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    with _style(), warnings.catch_warnings():
        # Widths are measured in matplotlib's own font, which has no Hangul; the browser's font has.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    drawn = out.getvalue()
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    return re.sub(r'font: (\S+) [^;"]*', r"font: \1 sans-serif", drawn)
