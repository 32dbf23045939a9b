"""From pages of lines and rules to a document's elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ingest.parsing.pdf_layout import (
    PageLines,
    body_height,
    group_elements,
    heading_sizes,
    marks_word_ends,
    mend_divided_words,
    nested,
    paragraphs,
    vocabulary_of,
    without_running_lines,
)
from ingest.parsing.pdf_page import Line
from ingest.parsing.pdf_rows import visual_rows
from ingest.parsing.pdf_tables import FoundTable, Rules, find_grids, grid_table, without
from ingest.parsing.pdf_unruled import find_unruled
from rag.domain.anchor import PageAnchor
from rag.domain.document import Element


@dataclass(frozen=True, slots=True)
class Page:
    """A page with its tables found and taken out of the lines."""

    lines: PageLines
    tables: tuple[FoundTable, ...]

    @classmethod
    def laid_out(cls, number: int, height: float, lines: list[Line], rules: Rules) -> Self:
        """Find the tables: by their rules first, then by their values."""
        tables: list[FoundTable] = []
        for grid in find_grids(rules) if lines else []:
            outside, words = without(lines, grid.box)
            table = grid_table(grid, words, number)
            if table:
                tables.append(table)
                lines = outside
        for table in find_unruled(visual_rows(lines), rules.horizontal, number):
            tables.append(table)
            lines, _ = without(lines, table.box)
        return cls(PageLines(number, height, tuple(lines)), tuple(sorted(tables, key=lambda table: table.box[1])))


def letters_of(lines: Sequence[Line]) -> int:
    """Characters of all words."""
    return sum(len(word.text) for line in lines for word in line.words)


def page_elements(pages: Sequence[Page]) -> list[Element]:
    """Elements of a document in reading order: running lines out, paragraphs, headings, tables in their places."""
    kept = without_running_lines([page.lines for page in pages])
    every_line = [line for page in kept for line in page.lines]
    body = body_height(every_line)
    spaced, vocabulary = marks_word_ends(every_line), vocabulary_of(every_line)
    groups_of_page: list[list[list[Line]]] = []
    for lines in kept:
        groups = paragraphs(lines.lines, body)
        groups_of_page.append([mend_divided_words(group, spaced, vocabulary) for group in groups])
    sizes = heading_sizes((group for groups in groups_of_page for group in groups), body)
    elements: list[Element] = []
    tables = _continued(pages, kept)
    for page, groups in zip(pages, groups_of_page, strict=True):
        number = page.lines.number
        placed = [(group[0].box[1], group_elements(group, number, sizes, body)) for group in groups if group]
        elements += _with_tables(placed, tables[number])
    return nested(elements)


def _continued(pages: Sequence[Page], kept: Sequence[PageLines]) -> dict[int, list[Element]]:
    """Tables by page. One that begins a page goes on with the one that ended the page before."""
    result: dict[int, list[Element]] = {}
    last: FoundTable | None = None
    for page, lines in zip(pages, kept, strict=True):
        found: list[Element] = []
        for position, table in enumerate(page.tables):
            above = any(line.box[3] <= table.box[1] for line in lines.lines)
            if position == 0 and last and last.page == page.lines.number - 1 and not above:
                table = table.continued(last)
            element = table.element()
            found += [item for item in (table.caption, element) if item]
            ends_page = not any(line.box[1] >= table.box[3] for line in lines.lines)
            last = table if ends_page and position == len(page.tables) - 1 else None
        if not page.tables and lines.lines:
            last = None
        result[page.lines.number] = found
    return result


def _with_tables(placed: list[tuple[float, list[Element]]], tables: Sequence[Element]) -> list[Element]:
    """Each table goes before the first paragraph that begins below its top."""
    result: list[Element] = []
    waiting = list(tables)
    for top, found in placed:
        while waiting and _top(waiting[0]) <= top:
            result.append(waiting.pop(0))
        result += found
    return [*result, *waiting]


def _top(table: Element) -> float:
    anchor = table.anchor
    return anchor.boxes[0][1][1] if isinstance(anchor, PageAnchor) and anchor.boxes else 0.0


def unmapped_share(pages: Sequence[Page]) -> float:
    """Share of characters that no font maps."""
    text = "".join(word.text for page in pages for line in page.lines.lines for word in line.words)
    unmapped = sum(1 for character in text if character == "\ufffd" or "\ue000" <= character <= "\uf8ff")
    return unmapped / max(len(text), 1)
