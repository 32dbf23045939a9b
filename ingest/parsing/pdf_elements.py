"""From pages of lines and rules to a document's elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from ingest.parsing.pdf_columns import Columns, find_columns
from ingest.parsing.pdf_extras import Outline, bookmark_key
from ingest.parsing.pdf_hyphens import Hyphens
from ingest.parsing.pdf_layout import (
    PageLines,
    group_elements,
    heading_sizes,
    line_heights,
    nested,
    paragraphs,
    without_running_lines,
)
from ingest.parsing.pdf_page import Line, Lying, rounded
from ingest.parsing.pdf_rows import visual_rows
from ingest.parsing.pdf_seam import Seam
from ingest.parsing.pdf_tables import FoundTable, Rules, beside, find_grids, grid_table, without
from ingest.parsing.pdf_unruled import find_unruled
from ingest.parsing.pdf_words import Spelling
from rag.domain.anchor import Anchor, Box, PageAnchor
from rag.domain.document import Element, ElementKind

_MAX_BOOKMARK = 200


@dataclass(frozen=True, slots=True)
class Page:
    """A page with its tables found and taken out of the lines.

    Attributes:
        columns: the order in which it is read.
        comments: what stands on the page as annotations.
        turn: the sheet was turned to be read.
    """

    lines: PageLines
    tables: tuple[FoundTable, ...]
    columns: Columns = field(default_factory=Columns)
    comments: tuple[Element, ...] = ()
    turn: Lying | None = None

    @classmethod
    def laid_out(
        cls,
        number: int,
        height: float,
        lines: list[Line],
        rules: Rules,
        comments: tuple[Element, ...] = (),
        turn: Lying | None = None,
    ) -> Self:
        """Find the tables: by their rules first, then by their values, in each column."""
        tables: list[FoundTable] = []
        sideways = [line for line in lines if line.turned and not turn]
        lines = [line for line in lines if turn or not line.turned]
        for grid in find_grids(rules) if lines else []:
            _, words = without(lines, grid.box)
            table = grid_table(grid, words, number)
            if table:
                tables.append(table)
                lines = beside(lines, table)
        columns = find_columns(visual_rows(lines))
        kept: list[Line] = []
        for part in columns.parts(lines):
            rest = part
            for table in find_unruled(visual_rows(part), rules.horizontal, number):
                tables.append(table)
                rest = beside(rest, table)
            kept += rest
        tables.sort(key=lambda table: columns.key(table.box))
        return cls(PageLines(number, height, (*kept, *sideways)), tuple(tables), columns, comments, turn)


def letters_of(lines: Sequence[Line]) -> int:
    """Characters of all words."""
    return sum(len(word.text) for line in lines for word in line.words)


def page_elements(pages: Sequence[Page], outline: Outline | None = None, seam: Seam | None = None) -> list[Element]:
    """Elements of a document in reading order: running lines out, paragraphs, headings, tables in their places.

    Args:
        seam: what is known of the pages before, where these are a part of a document; afterwards, what these tell of the next.
    """
    seam = seam or Seam()
    kept = without_running_lines([page.lines for page in pages], seam)
    seam.heights += line_heights(line for page in kept for line in page.lines)
    body = seam.body
    raw_groups = [paragraphs(lines.lines, body) for lines in kept]
    spelling = Spelling.of([group for groups in raw_groups for group in groups])
    groups_of_page = [[spelling.mended(group) for group in groups] for groups in raw_groups]
    seam.levels = heading_sizes((group for groups in groups_of_page for group in groups), body, seam.levels)
    elements: list[Element] = []
    tables = _continued(pages, kept, seam, spelling.hyphens)
    for page, groups in zip(pages, groups_of_page, strict=True):
        number = page.lines.number
        placed = [
            (page.columns.key(group[0].box), group_elements(group, number, seam.levels, body))
            for group in groups
            if group
        ]
        elements += [*_with_tables(placed, tables[number], page.columns), *page.comments]
    turns = {page.lines.number: page.turn for page in pages if page.turn}
    if turns:
        elements = [_turned_back(element, turns) for element in elements]
    return nested(_by_outline(elements, outline or {}, seam), seam.chapters)


def on_sheet(element: Element, page: int, before: Lying | None, after: Lying | None) -> Element:
    """An element of a sheet that lay turned so, on the same page's sheet as it lies now."""
    for turn in (before, after.inverse() if after else None):
        element = _turned_back(element, {page: turn}) if turn else element
    return element


def lines_on_sheet(lines: Sequence[Line], before: Lying | None, after: Lying | None) -> tuple[Line, ...]:
    """As `on_sheet`, for lines."""
    turns = [turn for turn in (before, after.inverse() if after else None) if turn]

    def box_of(box: Box) -> Box:
        for turn in turns:
            box = turn.back(box)
        return box

    return tuple(
        replace(line, words=tuple(replace(word, box=box_of(word.box)) for word in line.words), box=box_of(line.box))
        for line in lines
    )


def _turned_back(element: Element, turns: Mapping[int, Lying]) -> Element:
    """Anchors on the pages as they are shown."""
    anchors = tuple(_shown(anchor, turns) for anchor in element.line_anchors)
    return replace(element, anchor=_shown(element.anchor, turns), line_anchors=anchors)


def _shown(anchor: Anchor, turns: Mapping[int, Lying]) -> Anchor:
    if not isinstance(anchor, PageAnchor):
        return anchor
    boxes = tuple((page, rounded(turns[page].back(box)) if page in turns else box) for page, box in anchor.boxes)
    return replace(anchor, boxes=boxes)


def _by_outline(elements: Sequence[Element], outline: Outline, seam: Seam) -> list[Element]:
    """Headings that have a bookmark get its level, the others stand below the last of them."""
    result: list[Element] = []
    deepest = max((level for titles in outline.values() for level in titles.values()), default=0)
    for element in elements:
        anchor = element.anchor
        page = anchor.page if isinstance(anchor, PageAnchor) else 0
        level = outline.get(page, {}).get(bookmark_key(element.text)) if _may_be_heading(element) else None
        if level is not None:
            seam.below_bookmark = True
            result.append(Element(ElementKind.HEADING, " ".join(element.text.split()), anchor, level=level))
        elif seam.below_bookmark and element.kind is ElementKind.HEADING:
            result.append(replace(element, level=element.level + deepest))
        else:
            result.append(element)
    return result


def _may_be_heading(element: Element) -> bool:
    return element.kind is not ElementKind.TABLE and len(element.text) <= _MAX_BOOKMARK


def _continued(
    pages: Sequence[Page], kept: Sequence[PageLines], seam: Seam, hyphens: Hyphens
) -> dict[int, list[Element]]:
    """Tables by page. One that begins a page goes on with the one that ended the page before."""
    result: dict[int, list[Element]] = {}
    for page, lines in zip(pages, kept, strict=True):
        number = page.lines.number
        found: list[Element] = []
        for position, table in enumerate(table.mended(hyphens) for table in page.tables):
            above = any(line.box[3] <= table.box[1] for line in lines.lines)
            if position == 0 and seam.table and seam.table_page == number - 1 and not above:
                table = table.continued(seam.table)
            element = table.element()
            found += [item for item in (table.caption, element) if item]
            ends_page = not any(line.box[1] >= table.box[3] for line in lines.lines)
            seam.table = table if ends_page and position == len(page.tables) - 1 else None
            seam.table_page = number
        if not page.tables and lines.lines:
            seam.table = None
        result[number] = found
    return result


def _with_tables(
    placed: list[tuple[tuple[int, int, float], list[Element]]], tables: Sequence[Element], columns: Columns
) -> list[Element]:
    """Each table goes before the first paragraph that begins below its top, in its column."""
    result: list[Element] = []
    waiting = list(tables)
    for key, found in placed:
        while waiting and columns.key(_box(waiting[0])) <= key:
            result.append(waiting.pop(0))
        result += found
    return [*result, *waiting]


def _box(table: Element) -> Box:
    anchor = table.anchor
    return anchor.boxes[0][1] if isinstance(anchor, PageAnchor) and anchor.boxes else (0.0, 0.0, 0.0, 0.0)


def unmapped_share(pages: Sequence[Page]) -> float:
    """Share of characters that no font maps."""
    text = "".join(word.text for page in pages for line in page.lines.lines for word in line.words)
    unmapped = sum(1 for character in text if character == "\ufffd" or "\ue000" <= character <= "\uf8ff")
    return unmapped / max(len(text), 1)
