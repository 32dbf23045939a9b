"""Tables as Markdown: one line a row, the header and its separator first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingest.parsing.characters import one_line
from rag.domain.anchor import Anchor
from rag.domain.document import Element, ElementKind

Row = tuple[tuple[str, ...], Anchor]
"""Cell texts and where the row stands."""


def table_element(rows: Iterable[Row], anchor: Anchor, *, headed: bool = True) -> Element | None:
    """A TABLE element; None when every cell is empty.

    Empty rows and empty columns are left out. The separator line carries the header's anchor, so that
    `line_anchors` has one entry for every line of the text. A table that is not `headed` has an empty header, which
    Markdown can't do without.
    """
    kept = [(tuple(map(cell_text, cells)), where) for cells, where in rows]
    kept = [(cells, where) for cells, where in kept if any(cells)]
    if not kept:
        return None
    columns = used_columns([cells for cells, _ in kept])
    if not headed:
        kept.insert(0, ((), kept[0][1]))
    lines: list[str] = []
    anchors: list[Anchor] = []
    for cells, where in kept:
        lines.append(markdown_row([cells[column] if column < len(cells) else "" for column in columns]))
        anchors.append(where)
        if len(lines) == 1:
            lines.append(separator_row(len(columns)))
            anchors.append(where)
    return Element(ElementKind.TABLE, "\n".join(lines), anchor, line_anchors=tuple(anchors))


def used_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """Columns that hold something in some row."""
    width = max((len(cells) for cells in rows), default=0)
    return [column for column in range(width) if any(column < len(cells) and cells[column] for cells in rows)]


def cell_text(text: str) -> str:
    """A cell on one line; a pipe inside it is escaped, so that columns can still be told apart."""
    return one_line(text).replace("|", "\\|")


def markdown_row(cells: Sequence[str]) -> str:
    """`| a | b |`."""
    return "| " + " | ".join(cells) + " |"


def separator_row(columns: int) -> str:
    """`| --- | --- |`."""
    return markdown_row(["---"] * columns)
