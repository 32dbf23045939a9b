"""Shapes of a slide in reading order, and the paragraphs and tables in them (ECMA-376 part 1, 19 and 21.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.parsing.characters import squeeze
from ingest.parsing.docx_numbering import integer, number_text
from ingest.parsing.merged import Merge, spread
from ingest.parsing.omml import M, equation_text
from ingest.parsing.ooxml import MC
from ingest.parsing.table_heads import head_depth

P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SHAPES = frozenset(f"{P}{name}" for name in ("sp", "pic", "graphicFrame", "cxnSp", "contentPart"))
_MAX_DEPTH = 50
_MAX_COLUMNS = 1_000
_SAME_LINE = 200_000
"""Shapes whose tops differ by no more than 5.6 mm (in EMU) stand beside each other, and are read from the left."""

_NUMBER_FORMATS = {
    "arabic": "decimal",
    "alphaLc": "lowerLetter",
    "alphaUc": "upperLetter",
    "romanLc": "lowerRoman",
    "romanUc": "upperRoman",
    "circleNum": "decimalEnclosedCircle",
    "ea1Jpn": "decimal",
    "ea1Chs": "decimal",
}
_NUMBER_FORMS = (("ParenBoth", "(", ")"), ("ParenR", "", ")"), ("Period", "", "."), ("Plain", "", ""))
"""ST_TextAutonumberScheme (20.1.10.61) is a name for the digits followed by one for what stands around them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Left and top of a shape on the slide, in EMU."""

    left: float = 0
    top: float = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape, with what is known of it without looking into it.

    Attributes:
        placeholder: its type (`title`, `body`, …), `obj` where none is given, empty for a shape of the slide's own.
    """

    element: Any
    place: Place
    placeholder: str
    index: str
    hidden: bool
    description: str

    @property
    def is_title(self) -> bool:
        """Whether the layout means it as the slide's title."""
        return self.placeholder in ("title", "ctrTitle")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of a shape.

    Attributes:
        listed: it has a bullet or a number of its own.
        size: the largest type, in hundredths of a point; 0 where the layout decides.
        white: all of its text is white.
    """

    text: str
    listed: bool
    size: int
    white: bool


@dataclass(frozen=True, slots=True)
class _Transform:
    """From a group's own coordinates to the slide's."""

    left: float = 0
    top: float = 0
    scale_x: float = 1
    scale_y: float = 1

    def apply(self, x: float, y: float) -> Place:
        return Place(self.left + x * self.scale_x, self.top + y * self.scale_y)


Inherited = dict[tuple[str, str], Place]
"""Places of a layout's placeholders, by `("idx", index)` and `("type", type)`."""


def reading_order(tree: Any, inherited: Inherited) -> list[Shape]:
    """The shapes of a slide: the title first, then from top to bottom and from left to right; groups stay together."""
    shapes = _in_group(tree, _Transform(), inherited, 0)
    return [shape for shape in shapes if shape.is_title] + [shape for shape in shapes if not shape.is_title]


def placeholder_places(tree: Any | None) -> Inherited:
    """Where a layout or a master puts what slides don't place themselves."""
    places: Inherited = {}
    for shape in _in_group(tree, _Transform(), {}, 0) if tree is not None else ():
        if shape.placeholder and _offset(shape.element) is not None:
            places.setdefault(("type", shape.placeholder), shape.place)
            if shape.index:
                places.setdefault(("idx", shape.index), shape.place)
    return places


def _in_group(group: Any, transform: _Transform, inherited: Inherited, nesting: int) -> list[Shape]:
    found: list[tuple[Place, list[Shape]]] = []
    if nesting > _MAX_DEPTH:
        return []
    for child in _members(group):
        if child.tag == f"{P}grpSp":
            inside = _in_group(child, _inner(child, transform), inherited, nesting + 1)
            if _is_hidden(child):
                inside = [replace(shape, hidden=True) for shape in inside]
            if inside:
                found.append((inside[0].place, inside))
        elif child.tag in _SHAPES:
            shape = _shape(child, transform, inherited)
            found.append((shape.place, [shape]))
    return [shape for _, shapes in _lines(found) for shape in shapes]


def _lines(found: list[tuple[Place, list[Shape]]]) -> list[tuple[Place, list[Shape]]]:
    """Sorted from top to bottom; what begins at about the same height from left to right."""
    found.sort(key=lambda item: item[0].top)
    ordered: list[tuple[Place, list[Shape]]] = []
    line: list[tuple[Place, list[Shape]]] = []
    for item in found:
        if line and item[0].top - line[0][0].top > _SAME_LINE:
            ordered += sorted(line, key=lambda member: member[0].left)
            line = []
        line.append(item)
    return ordered + sorted(line, key=lambda member: member[0].left)


def _members(group: Any) -> Iterator[Any]:
    for child in group:
        if child.tag == f"{MC}AlternateContent":
            choice = child.find(f"{MC}Choice")
            chosen = choice if choice is not None else child.find(f"{MC}Fallback")
            yield from chosen if chosen is not None else ()
        elif isinstance(child.tag, str):
            yield child


def _shape(element: Any, transform: _Transform, inherited: Inherited) -> Shape:
    placeholder = element.find(f"./*/{P}nvPr/{P}ph")
    kind = index = ""
    if placeholder is not None:
        kind, index = placeholder.get("type", "obj"), placeholder.get("idx", "")
    offset = _offset(element)
    if offset is not None:
        place = transform.apply(*offset)
    else:
        alike = "title" if kind == "ctrTitle" else kind
        place = (
            inherited.get(("idx", index)) or inherited.get(("type", kind)) or inherited.get(("type", alike)) or Place()
        )
    properties = element.find(f"./*/{P}cNvPr")
    description = properties.get("descr", "") if properties is not None else ""
    return Shape(element, place, kind, index, _is_hidden(element), description)


def _is_hidden(element: Any) -> bool:
    properties = element.find(f"./*/{P}cNvPr")
    return properties is not None and properties.get("hidden") in ("1", "true")


def _offset(element: Any) -> tuple[float, float] | None:
    frame = element.find(f"{P}xfrm")
    frame = frame if frame is not None else element.find(f"{P}spPr/{A}xfrm")
    offset = frame.find(f"{A}off") if frame is not None else None
    return (_number(offset, "x"), _number(offset, "y")) if offset is not None else None


def _inner(group: Any, outer: _Transform) -> _Transform:
    frame = group.find(f"{P}grpSpPr/{A}xfrm")
    if frame is None:
        return outer
    off, ext, child_off, child_ext = (frame.find(f"{A}{name}") for name in ("off", "ext", "chOff", "chExt"))
    scale_x = _number(ext, "cx") / (_number(child_ext, "cx") or 1) or 1
    scale_y = _number(ext, "cy") / (_number(child_ext, "cy") or 1) or 1
    start = outer.apply(_number(off, "x"), _number(off, "y"))
    scale_x, scale_y = scale_x * outer.scale_x, scale_y * outer.scale_y
    return _Transform(
        start.left - _number(child_off, "x") * scale_x, start.top - _number(child_off, "y") * scale_y, scale_x, scale_y
    )


def _number(element: Any | None, name: str) -> float:
    text = element.get(name, "0") if element is not None else "0"
    return float(text) if text.lstrip("-").isdecimal() and len(text) < 16 else 0.0


@dataclass
class _Counter:
    """Automatic numbers of one text body, by level."""

    at: dict[int, tuple[str, int]] = field(default_factory=dict)

    def label(self, level: int, scheme: Any | None) -> str:
        for deeper in [known for known in self.at if known > level]:
            del self.at[deeper]
        if scheme is None:
            self.at.pop(level, None)
            return ""
        name, start = scheme.get("type", "arabicPeriod"), integer(scheme.get("startAt"), 1)
        before, number = self.at.get(level, (name, start - 1))
        number = number + 1 if before == name else start
        self.at[level] = (name, number)
        for form, left, right in _NUMBER_FORMS:
            if form in name:
                digits = _NUMBER_FORMATS.get(name.partition(form)[0].removesuffix("Db").removesuffix("Wd"), "decimal")
                return f"{left}{number_text(number, digits)}{right}"
        return f"{number}."


def paragraphs(body: Any, *, listed: bool) -> Iterator[Paragraph]:
    """The paragraphs of a text body (`p:txBody` or `a:txBody`) that hold something, with their automatic numbers.

    Args:
        listed: the layout gives this body's paragraphs bullets.
    """
    counter = _Counter()
    for paragraph in body.iterfind(f"{A}p"):
        properties = paragraph.find(f"{A}pPr")
        text = squeeze("".join(_texts(paragraph, 0)))
        if not text:
            continue
        level = integer(properties.get("lvl"), 0) if properties is not None else 0
        scheme = properties.find(f"{A}buAutoNum") if properties is not None else None
        label = counter.label(level, scheme)
        own = listed or scheme is not None
        if properties is not None and scheme is None:
            own = properties.find(f"{A}buChar") is not None or (own and properties.find(f"{A}buNone") is None)
        runs = [run for run in paragraph.iterfind(f"{A}r") if (run.findtext(f"{A}t") or "").strip()]
        sizes = [integer(found.get("sz")) for run in runs if (found := run.find(f"{A}rPr")) is not None]
        white = bool(runs) and all(_is_white(run.find(f"{A}rPr")) for run in runs)
        yield Paragraph(f"{label} {text}" if label else text, own, max(sizes, default=0), white)


def _texts(element: Any, nesting: int) -> Iterator[str]:
    """Runs, line breaks and equations; the number of the slide is no text of the author's."""
    if nesting > _MAX_DEPTH:
        return
    for child in element:
        if child.tag == f"{A}t":
            yield child.text or ""
        elif child.tag == f"{A}br":
            yield "\n"
        elif child.tag == f"{A}fld" and child.get("type") == "slidenum":
            continue
        elif child.tag == f"{M}oMath":
            yield f" {equation_text(child)} "
        elif child.tag == f"{MC}AlternateContent":
            choice = child.find(f"{MC}Choice")
            yield from _texts(choice if choice is not None else (), nesting + 1)
        elif isinstance(child.tag, str) and not child.tag.endswith("Pr"):
            yield from _texts(child, nesting + 1)


def _is_white(properties: Any | None) -> bool:
    if properties is None:
        return False
    fill = properties.find(f"{A}solidFill")
    if fill is None or properties.find(f"{A}highlight") is not None:
        return False
    color = fill.find("*")
    return color is not None and color.get("val", "") in ("FFFFFF", "ffffff", "bg1", "lt1") and not len(color)


def table_rows(table: Any) -> tuple[list[tuple[str, ...]], int]:
    """Cell texts of an `a:tbl`, merged cells repeated over all that they cover, and how many rows are its heading."""
    rows: list[list[str]] = []
    cells: list[Merge] = []
    for number, row in enumerate(table.iterfind(f"{A}tr")):
        line: list[str] = []
        for cell in list(row.iterfind(f"{A}tc"))[:_MAX_COLUMNS]:
            body = cell.find(f"{A}txBody")
            covered = cell.get("hMerge") in ("1", "true") or cell.get("vMerge") in ("1", "true")
            text = "" if covered or body is None else " ".join(item.text for item in paragraphs(body, listed=False))
            height, width = integer(cell.get("rowSpan"), 1), integer(cell.get("gridSpan"), 1)
            if not covered:
                cells.append(Merge(number, len(line), max(height, 1), max(width, 1)))
            line.append(text)
        rows.append(line)
    width = max(map(len, rows), default=0)
    for line in rows:
        line += [""] * (width - len(line))
    spread(rows, (cell for cell in cells if max(cell.height, cell.width) > 1))
    return [tuple(line) for line in rows], head_depth(cells, len(rows))
