"""Charts of a presentation as tables: one row a category, one column a series, from the values kept with the chart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.parsing.characters import one_line
from ingest.parsing.ooxml import Package
from ingest.parsing.tables import Row, table_element
from rag.domain.anchor import SlideAnchor
from rag.domain.document import Element, ElementKind

_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MAX_POINTS = 1_000


def chart_elements(package: Package) -> dict[int, list[Element]]:
    """Titles and tables of charts, by slide (from 1)."""
    found: dict[int, list[Element]] = {}
    for number, slide in enumerate(_slides(package), start=1):
        for part in package.all_related(slide, "chart"):
            root = package.optional_xml(part)
            if root is not None:
                found.setdefault(number, []).extend(_elements(root, SlideAnchor(number, number)))
    return found


def _slides(package: Package) -> Iterator[str]:
    """Slide parts in the order of the presentation."""
    main = package.related("", "officeDocument") or "ppt/presentation.xml"
    targets = package.relationships(main)
    for slide in package.xml(main).iter(f"{_P}sldId"):
        target = targets.get(slide.get(f"{_R}id", ""))
        if target:
            yield target


def _elements(root: Any, anchor: SlideAnchor) -> Iterator[Element]:
    title = root.find(f".//{_C}title")
    text = one_line("".join(run.text or "" for run in title.iter(f"{_A}t"))) if title is not None else ""
    if text:
        yield Element(ElementKind.TEXT, text, anchor)
    series = list(root.iter(f"{_C}ser"))
    categories: dict[int, str] = {}
    for item in series:
        categories |= _points(item.find(f"{_C}cat"))
    values = [_points(_first(item, "val", "yVal")) for item in series]
    names = [_points(item.find(f"{_C}tx")).get(0, "") for item in series]
    places = sorted(set(categories).union(*values))[:_MAX_POINTS]
    rows: list[Row] = [(("", *names), anchor)]
    rows += [((categories.get(place, ""), *(column.get(place, "") for column in values)), anchor) for place in places]
    table = table_element(rows, anchor) if len(rows) > 1 else None
    if table:
        yield table


def _first(item: Any, *names: str) -> Any | None:
    return next((found for name in names if (found := item.find(f"{_C}{name}")) is not None), None)


def _points(holder: Any | None) -> dict[int, str]:
    """Cached values by index."""
    if holder is None:
        return {}
    points = {}
    for point in holder.iter(f"{_C}pt"):
        value, index = point.findtext(f"{_C}v"), point.get("idx", "")
        if value and index.isdecimal():
            points[int(index)] = value
    return points
