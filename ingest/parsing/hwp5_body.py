"""The text of HWP 5: from the records of a section to paragraphs with objects in them.

A paragraph's text is UTF-16 with control characters: some stand alone, the others take eight code units and, where they
are objects, have a record of their own below the paragraph, in the same order (specification 1.3, table 6). The
paragraphs of a list (a cell, a note, a text box) do not stand below the list's header but after it, on its level.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator

from ingest.parsing.hwp5_records import (
    CTRL_HEADER,
    EQUATION,
    FORM_OBJECT,
    LIST_HEADER,
    MEMO_LIST,
    PAGE_BORDER_FILL,
    PARA_CHAR_SHAPE,
    PARA_HEADER,
    PARA_RANGE_TAG,
    PARA_TEXT,
    SHAPE_COMPONENT,
    TABLE,
    TEXT_ART,
    Node,
    text_at,
    trees,
    u16,
    u32,
)
from ingest.parsing.hwp5_text import Pieces, merged
from ingest.parsing.hwp_equation import equation_text
from ingest.parsing.hwp_model import (
    MAX_NESTING,
    Aside,
    AsideKind,
    Box,
    Budget,
    Cell,
    CharacterShape,
    Paragraph,
    ParagraphShape,
    Piece,
    SectionStart,
    Shapes,
    Table,
)
from ingest.parsing.hwp_numbering import KINDS, shown
from rag.domain.errors import ParseLimitExceeded

TAGS = frozenset(
    {
        PARA_HEADER, PARA_TEXT, PARA_CHAR_SHAPE, PARA_RANGE_TAG, CTRL_HEADER, LIST_HEADER, PAGE_BORDER_FILL,
        SHAPE_COMPONENT, TABLE, EQUATION, TEXT_ART, FORM_OBJECT, MEMO_LIST,
    }
)  # fmt: skip

_DELETED = 17
"""Kind of the range that change tracking struck out; 16 is an addition."""

_ASIDES = {
    "head": AsideKind.HEADER, "foot": AsideKind.FOOTER, "fn  ": AsideKind.FOOTNOTE, "en  ": AsideKind.ENDNOTE,
    "tcmt": AsideKind.HIDDEN,
}  # fmt: skip
_NOTE_NUMBERS = (1, 2)
"""Automatic numbers of footnotes and endnotes; 0 is the page, 3 a picture, 4 a table, 5 an equation."""

_CELL_PLACE = 8
_CELL_FILL = 32
_DESCRIPTION = 44
_INLINE_OBJECT = 0x1
_BEHIND = 2
_CAPTION_AFTER = (1, 3)
"""Right and below; 0 is left and 2 above."""

_FORM_CAPTION = re.compile(r"\b(?:Caption|Text):wstring:(\d{1,4}):")


class BodyReader:
    """Reads the sections of one document."""

    def __init__(self, shapes: Shapes, name: str) -> None:
        self._shapes = shapes
        self._name = name
        self._budget = Budget()
        self._filled_page = False
        self._drawn = False
        """There is a drawing behind the text of this section, which white letters may stand on."""

    def section(self, data: bytes) -> Iterator[Paragraph]:
        """The paragraphs of a section's stream.

        Raises:
            StreamDamaged, StreamTooLarge: as `records`, after what came before.
            ParseLimitExceeded: nested too deeply, or too many paragraphs.
        """
        self._filled_page = self._drawn = False
        for node in trees(data, TAGS):
            if node.tag == PARA_HEADER:
                yield self._paragraph(node, filled=False, nesting=0)

    def _paragraph(self, node: Node, *, filled: bool, nesting: int) -> Paragraph:
        text = node.first(PARA_TEXT)
        if nesting > MAX_NESTING:
            raise ParseLimitExceeded(name=self._name, resource="nesting")
        if not self._budget.take(len(text) // 2):
            raise ParseLimitExceeded(name=self._name, resource="paragraphs")
        shape = self._shapes.paragraphs.get(u16(node.data, 8), ParagraphShape())
        runs = _runs(node.first(PARA_CHAR_SHAPE))
        paragraph = Paragraph(shape, self._shapes.styles.get(u16(node.data, 10) & 0xFF, ""))
        controls = iter([child for child in node.children if child.tag == CTRL_HEADER])
        self._drawn |= any(map(_behind_text, node.children))
        left_out = self._left_out(
            paragraph, node, runs, filled=filled or shape.filled or self._filled_page or self._drawn
        )
        pieces = Pieces(text, left_out, lambda: self._control(next(controls, None), filled, nesting))
        paragraph.pieces = pieces.read()
        paragraph.look = self._look(runs, pieces.plain)
        paragraph.pieces += [piece for control in controls for piece in self._control(control, filled, nesting)]
        paragraph.pieces += self._loose(node, nesting)
        return paragraph

    def _look(self, runs: list[tuple[int, int]], plain: list[tuple[int, int]]) -> CharacterShape:
        """The shape of most of the characters; `plain` are the ranges that hold some."""
        lengths: Counter[int] = Counter()
        ends = [start for start, _ in runs[1:]] + [1 << 32]
        at = 0
        for (start, shape), end in zip(runs, ends, strict=False):
            while at < len(plain) and plain[at][1] <= start:
                at += 1
            overlapping = at
            while overlapping < len(plain) and plain[overlapping][0] < end:
                low, high = plain[overlapping]
                lengths[shape] += min(high, end) - max(low, start)
                overlapping += 1
        shape, _ = max(lengths.items(), key=lambda item: item[1], default=(-1, 0))
        return self._shapes.characters.get(shape, CharacterShape())

    def _left_out(
        self, paragraph: Paragraph, node: Node, runs: list[tuple[int, int]], *, filled: bool
    ) -> list[tuple[int, int]]:
        """Ranges of code units that change tracking struck out or that nobody can see, in order."""
        tags = node.first(PARA_RANGE_TAG)
        ranges = [
            (start, end)
            for start, end, tag in struct.iter_unpack("<III", tags[: len(tags) // 12 * 12])
            if tag >> 24 == _DELETED and start < end
        ]
        ends = [start for start, _ in runs[1:]] + [1 << 32]
        for (start, shape), end in zip(runs, ends, strict=False):
            look = self._shapes.characters.get(shape)
            if look is not None and look.hidden(filled):
                ranges.append((start, end))
                paragraph.hid |= _has_letters(node.first(PARA_TEXT)[2 * start : 2 * min(end, 1 << 20)])
        return merged(ranges)

    # --- controls --------------------------------------------------------------------------------------------

    def _control(self, node: Node | None, filled: bool, nesting: int) -> list[Piece]:
        """What a control puts into its paragraph."""
        if node is None:
            return []
        name = node.data[3::-1].decode("latin-1")
        if name == "secd":
            return self._section_start(node, nesting)
        if name == "tbl ":
            return [self._table(node, filled, nesting)]
        if name in _ASIDES:
            aside = Aside(_ASIDES[name], [p for _, list_ in self._lists(node, filled, nesting) for p in list_])
            aside.mark = _note_mark(node) if aside.kind in (AsideKind.FOOTNOTE, AsideKind.ENDNOTE) else ""
            return [aside]
        if name == "atno":
            return [_auto_number(node.data)[1]]
        if name == "eqed":
            return [f" {equation_text(text_at(node.first(EQUATION), 4)[0])} "]
        if name == "tdut":
            text, end = text_at(node.data, 4)
            above, _ = text_at(node.data, end)
            return [f"{text}({above})" if above.strip() else text]
        if name == "tcps":
            return [text_at(node.data, 4)[0]]
        if name == "form":
            return [_form_text(node.first(FORM_OBJECT))]
        return self._object(node, filled, nesting)

    def _section_start(self, node: Node, nesting: int) -> list[Piece]:
        borders = [child.data for child in node.children if child.tag == PAGE_BORDER_FILL]
        self._filled_page = any(u16(data, 12) in self._shapes.fills for data in borders)
        pieces: list[Piece] = [SectionStart(u16(node.data, 18))]
        # A list of the section itself is a master page: what stands behind the text of every page.
        for _, paragraphs in self._lists(node, True, nesting):
            pieces.append(Aside(AsideKind.HEADER, paragraphs))
        return pieces

    def _table(self, node: Node, filled: bool, nesting: int) -> Table:
        table = Table()
        _place(table, node.data)
        properties = node.first(TABLE)
        after_rows = 18 + 2 * u16(properties, 4)
        # Zones have backgrounds of their own; which cells they cover matters less than not to miss white text on one.
        table.filled = u16(properties, after_rows) in self._shapes.fills or u16(properties, after_rows + 2) > 0
        before = True
        for header, paragraphs, is_cell in self._table_lists(node, filled or table.filled, nesting):
            if is_cell:
                before = False
                table.cells.append(_cell(header, paragraphs))
            elif before:
                table.caption += paragraphs
                table.caption_after = u32(header, 8) & 0x3 in _CAPTION_AFTER
        return table

    def _table_lists(self, node: Node, filled: bool, nesting: int) -> Iterator[tuple[bytes, list[Paragraph], bool]]:
        """Caption and cells: the lists before and after the table's own record."""
        is_cell = not any(child.tag == TABLE for child in node.children)
        header: bytes | None = None
        paragraphs: list[Paragraph] = []
        for child in node.children:
            if child.tag == TABLE or child.tag == LIST_HEADER:
                if header is not None:
                    yield header, paragraphs, is_cell
                header, paragraphs = (child.data if child.tag == LIST_HEADER else None), []
                is_cell |= child.tag == TABLE
            elif child.tag == PARA_HEADER and header is not None:
                behind = filled or (is_cell and u16(header, _CELL_FILL) in self._shapes.fills)
                paragraphs.append(self._paragraph(child, filled=behind, nesting=nesting + 1))
        if header is not None:
            yield header, paragraphs, is_cell

    def _object(self, node: Node, filled: bool, nesting: int) -> list[Piece]:
        """A drawing, or a control unknown here: its caption stands on its own level, text boxes below."""
        captions = list(self._lists(node, filled, nesting))
        box = Box(caption=[paragraph for _, list_ in captions for paragraph in list_])
        box.caption_after = not captions or u32(captions[0][0], 8, 3) & 0x3 in _CAPTION_AFTER
        if node.data[3::-1] == b"gso ":
            _place(box, node.data)
            box.description = text_at(node.data, _DESCRIPTION)[0]
        waiting = [child for child in reversed(node.children) if child.tag == SHAPE_COMPONENT]
        while waiting:
            part = waiting.pop()
            # Shapes may have any fill, so text in them counts as seen.
            box.paragraphs += [p for _, list_ in self._lists(part, True, nesting) for p in list_]
            if art := part.first(TEXT_ART):
                box.paragraphs.append(Paragraph(pieces=[text_at(art, 32)[0]]))
            waiting += [child for child in reversed(part.children) if child.tag == SHAPE_COMPONENT]
        return [box] if box.paragraphs or box.caption or box.description else []

    def _lists(self, node: Node, filled: bool, nesting: int) -> Iterator[tuple[bytes, list[Paragraph]]]:
        """Each list directly below a node: its header and its paragraphs."""
        header: bytes | None = None
        paragraphs: list[Paragraph] = []
        for child in node.children:
            if child.tag == LIST_HEADER:
                if header is not None:
                    yield header, paragraphs
                header, paragraphs = child.data, []
            elif child.tag == PARA_HEADER and header is not None:
                paragraphs.append(self._paragraph(child, filled=filled, nesting=nesting + 1))
        if header is not None:
            yield header, paragraphs

    def _loose(self, node: Node, nesting: int) -> list[Piece]:
        """Lists below a paragraph itself: memos, which stand after the section's last paragraph, and master pages."""
        pieces: list[Piece] = []
        memos = any(child.tag == MEMO_LIST for child in node.children)
        kind = AsideKind.MEMO if memos else AsideKind.HEADER
        for parent in (node, *(child for child in node.children if child.tag == MEMO_LIST)):
            for _, paragraphs in self._lists(parent, True, nesting):
                pieces.append(Aside(kind, paragraphs))
        return pieces


def _place(owner: Table | Box, data: bytes) -> None:
    """Where an object stands, from the properties that all objects have."""
    attributes = u32(data, 4)
    owner.inline = bool(attributes & _INLINE_OBJECT)
    owner.origin = str(attributes >> 3 & 0x3)
    owner.offset = int.from_bytes(data[8:12], "little", signed=True)


def _behind_text(node: Node) -> bool:
    """Whether a control is an object that lies behind the text (글 뒤로)."""
    return node.tag == CTRL_HEADER and node.data[3::-1] == b"gso " and u32(node.data, 4) >> 21 & 0x7 == _BEHIND


def _has_letters(text: bytes) -> bool:
    """Whether code units hold anything that would be read: blank paragraphs are often white, and end marks always are."""
    return any(
        unit > 0x20 and unit not in (0x3000, 0xA0) for (unit,) in struct.iter_unpack("<H", text[: len(text) & ~1])
    )


def _runs(data: bytes) -> list[tuple[int, int]]:
    """Where each run of one character shape starts."""
    return list(struct.iter_unpack("<II", data[: len(data) // 8 * 8]))


def _cell(header: bytes, paragraphs: list[Paragraph]) -> Cell:
    column, row, columns, rows = (u16(header, _CELL_PLACE + 2 * field) for field in range(4))
    return Cell(row, column, max(1, rows), max(1, columns), paragraphs=paragraphs)


def _auto_number(data: bytes) -> tuple[int, str]:
    """Kind and text of an automatic number, with what stands before and after it."""
    properties = u32(data, 4)
    before, after = (chr(code) if code else "" for code in (u16(data, 12), u16(data, 14)))
    kind = properties >> 4 & 0xFF
    digits = shown(u16(data, 8), KINDS[kind] if kind < len(KINDS) else KINDS[0])
    return properties & 0xF, f"{before}{digits}{after}"


def _note_mark(node: Node) -> str:
    """The number that a note begins with, which the text shows too."""
    for child in node.children:
        if child.tag == PARA_HEADER:
            for control in child.children:
                if control.tag == CTRL_HEADER and control.data[3::-1] == b"atno":
                    kind, text = _auto_number(control.data)
                    return text if kind in _NOTE_NUMBERS else ""
    return ""


def _form_text(data: bytes) -> str:
    """Caption of a button or text of a field, from the properties of a form object."""
    properties = data.decode("utf-16-le", errors="replace")
    found = _FORM_CAPTION.search(properties)
    return f" {properties[found.end() : found.end() + int(found[1])]} " if found else ""
