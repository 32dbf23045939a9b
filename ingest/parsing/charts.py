"""Charts as tables: one row a category, one column a series, from the values kept with the chart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.parsing.characters import one_line
from ingest.parsing.tables import Row, table_element
from rag.domain.anchor import Anchor
from rag.domain.document import Element, ElementKind

_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MAX_POINTS = 1_000
_MAX_SERIES = 200


def chart_elements(root: Any, anchor: Anchor) -> Iterator[Element]:
    """Title and table of the chart part `root`, and the titles of its axes."""
    chart_title = root.find(f"{_C}chart/{_C}title")
    if text := _text(chart_title):
        yield Element(ElementKind.TEXT, text, anchor)
    axes = [_text(title) for title in root.iter(f"{_C}title") if title is not chart_title]
    if shown := " / ".join(dict.fromkeys(filter(None, axes))):
        yield Element(ElementKind.TEXT, shown, anchor)
    series = list(root.iter(f"{_C}ser"))[:_MAX_SERIES]
    categories: dict[int, str] = {}
    for item in series:
        categories |= _points(_first(item, "cat", "xVal"))
    values = [_points(_first(item, "val", "yVal")) for item in series]
    names = [_points(item.find(f"{_C}tx")).get(0, "") for item in series]
    places = sorted(set(categories).union(*values))[:_MAX_POINTS]
    rows: list[Row] = [(("", *names), anchor)]
    rows += [((categories.get(place, ""), *(column.get(place, "") for column in values)), anchor) for place in places]
    table = table_element(rows, anchor) if len(rows) > 1 else None
    if table:
        yield table


def _text(title: Any | None) -> str:
    return one_line("".join(run.text or "" for run in title.iter(f"{_A}t"))) if title is not None else ""


def _first(item: Any, *names: str) -> Any | None:
    return next((found for name in names if (found := item.find(f"{_C}{name}")) is not None), None)


def _points(holder: Any | None) -> dict[int, str]:
    """Cached values by index; of categories on several levels the innermost."""
    if holder is None:
        return {}
    levels = holder.find(f".//{_C}lvl")
    points = {}
    for point in (levels if levels is not None else holder).iter(f"{_C}pt"):
        value, index = point.findtext(f"{_C}v"), point.get("idx", "")
        if value and index.isdecimal() and len(index) < 7:
            points[int(index)] = value
    return points
