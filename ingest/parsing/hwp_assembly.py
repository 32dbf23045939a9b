"""From the model of a Hangul document to elements, in reading order.

- Paragraphs are counted in the order of the file: all of them, empty ones and those in cells, boxes and notes too.
- Page headers and footers stand once, before the text of the section that defines them; one that repeats is left out.
- Notes and memos follow the paragraph that they hang on. What a reader does not see is left out and flagged.
- A table is Markdown. A cell that covers several rows is repeated in each of them, so that every row can stand alone; of
  several columns it fills the first, in the heading all. A heading of several rows becomes one. A table inside a cell is written
  on one line. One cell alone is a frame around text.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.headings import may_be_heading, numbered_heading
from ingest.parsing.hwp_model import (
    Aside,
    AsideKind,
    Box,
    Cell,
    Head,
    Paragraph,
    Piece,
    SectionStart,
    Shapes,
    Table,
)
from ingest.parsing.hwp_numbering import Counters, bullet_text
from ingest.parsing.merged import MAX_SPREAD, Merge
from ingest.parsing.table_heads import MAX_HEAD_ROWS, head_depth, one_heading
from ingest.parsing.tables import Row, table_element
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import Element, ElementKind
from rag.domain.errors import ParseLimitExceeded

HIDDEN_TEXT = "hidden_text"

_OUTLINE_STYLE = re.compile(r"(?:개요|제목|heading|outline)\s*([1-9]|10)$", re.I)
_TITLE_STYLE = re.compile(r"(?:문서\s?)?제목$|title$", re.I)
_CONTENTS_STYLE = re.compile(r"(?:차례|목차|toc|contents)", re.I)
_OWN_DESCRIPTION = re.compile(
    r"(?:그림|사각형|표|수식|선|타원|호|다각형|곡선|글맵시|(?:묶음|그리기|OLE|양식) ?개체|개체 ?묶음|차트|동영상|연결선)"
    r"(?:입니다|로 묶음).*",
    re.S,
)
"""What Hangul writes into the description by itself: 그림입니다. 원본 그림의 이름: …"""

_ZERO_WIDTH = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff]{4}|[\U000e0000-\U000e007f]")
"""Four in a row separate nothing any more; tag characters are never seen."""

_TAGS = re.compile("[\U000e0000-\U000e007f]+")
_ZERO_WIDTH_PIECE = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff]{4,}")
_HEADING_NUMBER = re.compile(r"(?:제\s?\d{1,2}\s?장|[Ⅰ-Ⅻ]|[IVX]{1,4}|(?P<small>\d{1,2}|[가-하]))\.?")
_REPEATED_CHARACTERS = 200
"""A longer text is no column's heading."""

_HAN = "\uf53a"
"""How Hangul writes the first syllable of its own name, in the private area."""

_RULED_LINE = re.compile("([\U000f0000-\U0010fffd])\\1{3,}")
"""A line drawn of one character, which Hangul keeps beyond the basic plane, where nobody else has it."""

_LARGER = 1.15
"""A heading by its look is larger than the text by this much."""

_DEEPEST_LEVEL = 7
_MAX_GRID = 4_000_000
"""Rows by columns of one table; a file can name a million cells, each in a row and a column of its own."""

_MAX_REPEATED = 2_000_000
"""Characters that merged cells may add to a document by being repeated."""


class Assembler:
    """Takes sections in order, then gives the elements."""

    def __init__(self, shapes: Shapes, name: str) -> None:
        self._name = name
        self._shapes = shapes
        self._counters = Counters(shapes.numberings)
        self._outline = 1
        self._count = 0
        self._repeated = 0
        self._elements: list[Element] = []
        self._heads: list[Element] = []
        self._seen_heads: set[str] = set()
        self._looks: dict[int, tuple[int, bool]] = {}
        self._sizes: Counter[int] = Counter()
        self.hidden = False
        self.title = ""
        """The first text in the style for titles."""
        self.apart: list[Element] = []
        """Notes, captions, page headers and what stands in boxes: text beside the flow, in the order of the file."""

    def section(self, paragraphs: Iterable[Paragraph]) -> None:
        """Read one section."""
        first = len(self._elements)
        for paragraph in paragraphs:
            own = self._count + 1
            for element in self._paragraph(paragraph):
                if element.kind is ElementKind.TEXT and element.anchor == ParagraphAnchor(own, own):
                    self._sizes[paragraph.look.size] += len(element.text)
                    self._looks[len(self._elements)] = (paragraph.look.size, paragraph.look.bold)
                    own = 0  # what else has this anchor are notes
                self._elements.append(element)
        heads, self._heads = self._heads, []
        if heads:
            self._elements[first:first] = heads
            self._looks = {at + len(heads) * (at >= first): look for at, look in self._looks.items()}

    def elements(self) -> tuple[Element, ...]:
        """Everything read, headings found by their look where the document names none."""
        if not any(element.kind is ElementKind.HEADING for element in self._elements):
            self._promote()
        return tuple(self._elements)

    def _promote(self) -> None:
        """Short paragraphs in larger type become headings, the largest on level 1."""
        body = self._sizes.most_common(1)[0][0] if self._sizes else 0
        chosen = {
            at: size
            for at, (size, bold) in self._looks.items()
            if size >= body * _LARGER
            and (bold or size >= body * _LARGER**2)
            and may_be_heading(self._elements[at].text)
        }
        levels = {size: level for level, size in enumerate(sorted(set(chosen.values()), reverse=True), 1)}
        for at, size in chosen.items():
            text = one_line(self._elements[at].text)
            level = min(levels[size], 6)
            self._elements[at] = replace(self._elements[at], kind=ElementKind.HEADING, text=text, level=level)

    # --- paragraphs ------------------------------------------------------------------------------------------

    def _paragraph(self, paragraph: Paragraph) -> Iterator[Element]:
        self._count += 1
        anchor = ParagraphAnchor(self._count, self._count)
        self.hidden |= paragraph.hid
        first = True
        for part in self._parts(paragraph.pieces):
            if isinstance(part, str):
                text = squeeze(self._revealed(part))
                if text:
                    yield from self._text(paragraph, text, anchor, self._label(paragraph) if first else "")
                    first = False
            else:
                yield from self._block(part, anchor)

    def _parts(self, pieces: Sequence[Piece]) -> Iterator[str | Table | Box | Aside]:
        """The paragraph's text and objects in reading order.

        Objects that float come before the text when none precedes them, else after, from the top down; notes always
        come after. One that stands in the line comes where it stands.
        """
        text = ""
        before: list[Table | Box] = []
        after: list[Table | Box] = []
        notes: list[Aside] = []
        for piece in pieces:
            if isinstance(piece, str):
                text += piece
            elif isinstance(piece, SectionStart):
                self._outline = piece.outline or self._outline
            elif isinstance(piece, Aside):
                text += f" {piece.mark} " if piece.mark else ""
                notes.append(piece)
            elif not piece.inline:
                (after if text.strip() else before).append(piece)
            elif isinstance(piece, Table) or piece.paragraphs or not text.strip():
                yield from (*_from_the_top(before), text, piece)
                before, text = [], ""
            else:
                after.append(piece)
        yield from (*_from_the_top(before), text, *_from_the_top(after), *notes)

    def _revealed(self, text: str) -> str:
        """The text without characters that only a machine sees."""
        text = _RULED_LINE.sub(" ", text.replace(_HAN, "한"))
        if text.isascii() or not _ZERO_WIDTH.search(text):
            return text
        self.hidden = True
        return _ZERO_WIDTH_PIECE.sub("", _TAGS.sub("", text))

    def _text(self, paragraph: Paragraph, text: str, anchor: ParagraphAnchor, label: str) -> Iterator[Element]:
        shape = paragraph.shape
        shown = f"{label} {text}" if label else text
        if _CONTENTS_STYLE.match(paragraph.style):
            yield Element(ElementKind.TEXT, shown, anchor)
            return
        level = self._level(paragraph)
        if level and may_be_heading(text):
            self.title = self.title or (one_line(text) if _TITLE_STYLE.match(paragraph.style) else "")
            yield Element(ElementKind.HEADING, one_line(shown), anchor, level=level)
        elif shape.head in (Head.NONE, Head.OUTLINE) and (heading := numbered_heading(shown)):
            yield Element(ElementKind.HEADING, heading.title, anchor, level=heading.level)
            if heading.rest:
                yield Element(ElementKind.TEXT, heading.rest, anchor)
        else:
            yield Element(ElementKind.LIST_ITEM if label else ElementKind.TEXT, shown, anchor)

    def _label(self, paragraph: Paragraph) -> str:
        shape = paragraph.shape
        if shape.head is Head.OUTLINE:
            return self._counters.label(self._outline, self._level(paragraph) - 1)
        if shape.head is Head.BULLET:
            return bullet_text(self._shapes.bullets.get(shape.reference, "•"))
        return self._counters.label(shape.reference, shape.level) if shape.head is Head.NUMBER else ""

    def _level(self, paragraph: Paragraph) -> int:
        """Depth of a heading by its outline level or style; 0 for other paragraphs."""
        if paragraph.shape.head not in (Head.NONE, Head.OUTLINE):
            return 0
        named = _OUTLINE_STYLE.match(paragraph.style)
        if paragraph.shape.head is Head.OUTLINE:
            # HWP 5 has three bits for the level; what is deeper only the style tells.
            deeper = named is not None and paragraph.shape.level + 1 >= _DEEPEST_LEVEL
            return max(int(named[1]), _DEEPEST_LEVEL) if named and deeper else paragraph.shape.level + 1
        if named:
            return int(named[1])
        return 1 if _TITLE_STYLE.match(paragraph.style) else 0

    # --- what hangs on paragraphs ----------------------------------------------------------------------------

    def _block(self, block: Table | Box | Aside, anchor: ParagraphAnchor) -> Iterator[Element]:
        match block:
            case Table():
                yield from self._table(block)
            case Box():
                yield from self._box(block, anchor)
            case Aside():
                yield from self._aside(block, anchor)

    def _aside(self, aside: Aside, anchor: ParagraphAnchor) -> Iterator[Element]:
        elements = list(self._list(aside.paragraphs))
        text = "\n".join(element.text for element in elements)
        if not text:
            return
        if aside.kind is AsideKind.HIDDEN:
            self.hidden = True
        elif aside.kind in (AsideKind.HEADER, AsideKind.FOOTER):
            if text not in self._seen_heads:
                self._seen_heads.add(text)
                self._heads.append(self._beside(Element(ElementKind.TEXT, text, anchor)))
        else:
            text = f"[메모] {text}" if aside.kind is AsideKind.MEMO else text
            yield self._beside(Element(ElementKind.TEXT, text, anchor))

    def _box(self, box: Box, anchor: ParagraphAnchor) -> Iterator[Element]:
        if not box.caption_after:
            yield from self._caption(box.caption)
        description = one_line(box.description)
        if description and not _OWN_DESCRIPTION.fullmatch(description):
            yield self._beside(Element(ElementKind.TEXT, description, anchor))
        yield from map(self._beside, self._list(box.paragraphs))
        if box.caption_after:
            yield from self._caption(box.caption)

    def _caption(self, paragraphs: Sequence[Paragraph]) -> Iterator[Element]:
        """A caption is one text, never a heading."""
        first = self._count + 1
        text = " ".join(one_line(element.text) for element in self._list(paragraphs))
        if text:
            yield self._beside(Element(ElementKind.TEXT, text, ParagraphAnchor(first, max(first, self._count))))

    def _beside(self, element: Element) -> Element:
        self.apart.append(element)
        return element

    def _list(self, paragraphs: Sequence[Paragraph]) -> Iterator[Element]:
        for paragraph in paragraphs:
            yield from self._paragraph(paragraph)

    # --- tables ----------------------------------------------------------------------------------------------

    def _table(self, table: Table) -> Iterator[Element]:
        if not table.caption_after:
            yield from self._caption(table.caption)
        if len(table.cells) == 1:
            yield from self._list(table.cells[0].paragraphs)
        else:
            first = self._count + 1
            rows = one_heading(list(self._rows(table.cells)), _heading_rows(table.cells))
            anchor = ParagraphAnchor(first, max(first, self._count))
            if heading := _heading_in_a_table(rows, anchor):
                yield heading
            elif element := table_element(rows, anchor):
                yield element
        if table.caption_after:
            yield from self._caption(table.caption)

    def _rows(self, cells: Sequence[Cell]) -> Iterator[Row]:
        """Texts by row and column, with the paragraphs of each row; columns in which nothing stands are left out."""
        texts: dict[int, dict[int, str]] = {}
        spans: dict[int, list[int]] = {}
        below: list[tuple[Cell, str]] = []
        for cell in cells:
            first = self._count + 1
            text = " ".join(self._cell_texts(cell))
            row = texts.setdefault(cell.row, {})
            # Two cells in one place, which only a damaged file has: both texts are kept.
            row[cell.column] = f"{row[cell.column]} {text}" if row.get(cell.column) else text
            spans.setdefault(cell.row, []).extend((first, max(first, self._count)))
            if cell.rows > 1 and text:
                below.append((cell, text))
        last_row = max(texts, default=0)
        for cell, text in below:
            self._repeat(cell, text, texts, last_row)
        columns = sorted({column for row in texts.values() for column, text in row.items() if text})
        _name_columns(cells, texts, columns)
        if len(columns) * len(texts) > _MAX_GRID:
            raise ParseLimitExceeded(name=self._name, resource="table size")
        for number in sorted(texts):
            anchor = ParagraphAnchor(min(spans[number]), max(spans[number]))
            yield tuple(texts[number].get(column, "") for column in columns), anchor

    def _repeat(self, cell: Cell, text: str, texts: dict[int, dict[int, str]], last_row: int) -> None:
        """Put a cell's text into the rows that it covers, where these have cells of their own."""
        for row in range(cell.row + 1, min(cell.row + cell.rows, last_row + 1)):
            self._repeated += 1
            if self._repeated > _MAX_REPEATED:
                return
            if row in texts and cell.column not in texts[row]:
                texts[row][cell.column] = text
                self._repeated += len(text)

    def _cell_texts(self, cell: Cell) -> Iterator[str]:
        for element in self._list(cell.paragraphs):
            if element.kind is ElementKind.TABLE:
                rows = element.text.split("\n")
                yield " / ".join(row.strip("| ").replace("\\|", "|") for row in (rows[0], *rows[2:]))
            else:
                yield one_line(element.text)


def _from_the_top(objects: list[Table | Box]) -> list[Table | Box]:
    """Objects of one paragraph that float, by their height on the page; as they come where that can't be compared."""
    if len({piece.origin for piece in objects}) != 1:
        return objects
    return sorted(objects, key=lambda piece: piece.offset)


def _heading_rows(cells: Sequence[Cell]) -> int:
    """How many of a table's rows are its heading."""
    numbers = sorted({cell.row for cell in cells})
    # Rows that cells from above cover whole have no cell of their own; there is no such row in a heading.
    if numbers[:MAX_HEAD_ROWS] != list(range(min(len(numbers), MAX_HEAD_ROWS))):
        return 1
    above = (Merge(c.row, c.column, c.rows, c.columns) for c in cells if c.row < MAX_HEAD_ROWS)
    return head_depth(above, len(numbers))


def _name_columns(cells: Sequence[Cell], texts: dict[int, dict[int, str]], columns: Sequence[int]) -> None:
    """Put a heading over several columns above each of them, unless it is one over the whole table."""
    depth = _heading_rows(cells)
    left = MAX_SPREAD
    for cell in cells:
        text = texts[cell.row].get(cell.column, "") if cell.row < depth and cell.columns > 1 else ""
        covered = (
            columns[bisect_right(columns, cell.column) : bisect_left(columns, cell.column + cell.columns)]
            if text
            else ()
        )
        left -= len(covered)
        if left < 0:
            return
        if len(covered) + 1 < len(columns) and len(text) <= _REPEATED_CHARACTERS:
            for column in covered:
                texts[cell.row].setdefault(column, text)


def _heading_in_a_table(rows: Sequence[Row], anchor: ParagraphAnchor) -> Element | None:
    """A heading set as a bar of two or three cells, `Ⅱ | 추진 배경`, as ministries do; None for any other table."""
    filled = [cells for cells, _ in rows if any(cells)]
    texts = [one_line(text) for text in filled[0] if text] if len(filled) == 1 else []
    number = _HEADING_NUMBER.fullmatch(texts[0]) if 2 <= len(texts) <= 3 else None
    text = " ".join(texts)
    if number is None or not may_be_heading(text):
        return None
    return Element(ElementKind.HEADING, text, anchor, level=2 if number["small"] else 1)
