"""The text of HWPX: from the events of a section's XML to paragraphs with objects in them (KS X 6101, OWPML).

Whatever holds paragraphs opens a list; what opened last is closed first, so stacks take the place of recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
from ingest.parsing.hwp_numbering import shown
from ingest.parsing.hwpx_shapes import integer
from rag.domain.errors import ParseLimitExceeded

_ASIDES = {
    "footNote": AsideKind.FOOTNOTE, "endNote": AsideKind.ENDNOTE, "header": AsideKind.HEADER,
    "footer": AsideKind.FOOTER, "hiddenComment": AsideKind.HIDDEN, "masterPage": AsideKind.HEADER,
}  # fmt: skip
_OBJECTS = frozenset(
    {
        "rect", "ellipse", "arc", "polygon", "curve", "line", "connectLine", "container", "pic", "ole", "chart",
        "textart", "video", "unknownObject",
    }
)  # fmt: skip
_FORMS = frozenset({"btn", "radioBtn", "checkBtn", "comboBox", "edit", "listBox", "scrollBar"})
_STRANGERS = _FORMS | {"equation"}
"""Objects in the line that are kept as text: what they say of their own place is not the table's or box's around them."""

_MARKS = {"tab": "\t", "lineBreak": "\n", "hyphen": "-", "nbSpace": " ", "fwSpace": " "}
_KEPT = frozenset({"script", "shapeComment", "mainText", "subText", "text"})
"""Elements other than `t` whose characters are kept."""

_NOTES = ("FOOTNOTE", "ENDNOTE")
_CAPTION_AFTER = ("RIGHT", "BOTTOM")
_LARGEST_ROW = 0xFFFF


class BodyHandler:
    """Builds the paragraphs of one document's sections; `take` hands over those that are complete."""

    def __init__(self, shapes: Shapes, name: str) -> None:
        self._shapes = shapes
        self._name = name
        self._budget = Budget()
        self._ready: list[Paragraph] = []
        self.begin()

    def begin(self) -> None:
        """Start a part: nothing that the one before left open counts."""
        self._lists: list[list[Paragraph]] = [self._ready]
        self._open: list[Paragraph] = []
        self._owners: list[Table | Box] = []
        self._strangers = 0
        self._cells: list[Cell] = []
        self._asides: list[Aside] = []
        self._filled: list[bool] = [False]
        self._runs: list[tuple[bool, CharacterShape]] = []
        self._lengths: list[dict[CharacterShape, int]] = []
        self._in_text = False
        self._deleted = False
        self._kept: list[str] | None = None
        self._ruby = ""
        self._number: dict[str, str] | None = None

    def take(self) -> list[Paragraph]:
        """Complete top-level paragraphs since the last call."""
        taken, self._ready[:] = list(self._ready), []
        return taken

    # --- events ----------------------------------------------------------------------------------------------

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """See `Handler`."""
        self._strangers += name in _STRANGERS
        if handle := _STARTS.get(name):
            handle(self, attributes)
        elif name in _MARKS:
            if self._in_text:
                self._add(_MARKS[name])
        elif name in _ASIDES:
            self._start_aside(_ASIDES[name])
        elif name in _KEPT:
            self._kept = []
        elif name in _OBJECTS:
            self._start_box(attributes)
        elif name in _FORMS:
            self._add(f" {attributes.get('caption', '')} ")

    def end(self, name: str) -> None:
        """See `Handler`."""
        self._strangers -= name in _STRANGERS
        if handle := _ENDS.get(name):
            handle(self)
        elif name in _ASIDES:
            self._end_aside()
        elif name in _KEPT:
            self._end_kept(name)
        elif name in _OBJECTS:
            self._end_object()

    def text(self, text: str) -> None:
        """See `Handler`."""
        if self._kept is not None:
            self._kept.append(text)
        elif self._in_text:
            self._add(text)

    def _start_text(self, _: Mapping[str, str]) -> None:
        self._in_text = True

    def _end_text(self) -> None:
        self._in_text = False

    def _start_deleted(self, _: Mapping[str, str]) -> None:
        self._deleted = True

    def _end_deleted(self, _: Mapping[str, str]) -> None:
        self._deleted = False

    def _cell_address(self, attributes: Mapping[str, str]) -> None:
        if self._cells:
            self._cells[-1].row = _within(attributes.get("rowAddr"), 0)
            self._cells[-1].column = _within(attributes.get("colAddr"), 0)

    def _cell_span(self, attributes: Mapping[str, str]) -> None:
        if self._cells:
            self._cells[-1].rows = max(1, _within(attributes.get("rowSpan"), 1))
            self._cells[-1].columns = max(1, _within(attributes.get("colSpan"), 1))

    def _position(self, attributes: Mapping[str, str]) -> None:
        if self._owners and not self._strangers:
            self._owners[-1].inline = attributes.get("treatAsChar") == "1"
            self._owners[-1].origin = attributes.get("vertRelTo", "")
            self._owners[-1].offset = _signed(attributes.get("vertOffset"))

    def _start_caption(self, attributes: Mapping[str, str]) -> None:
        if self._owners and not self._strangers:
            self._owners[-1].caption_after = attributes.get("side") in _CAPTION_AFTER
            self._push(self._owners[-1].caption, self._filled[-1])

    def _start_drawn_text(self, _: Mapping[str, str]) -> None:
        if self._owners and not self._strangers:
            owner = self._owners[-1]
            # Shapes may have any fill, so text in them counts as seen.
            self._push(owner.paragraphs if isinstance(owner, Box) else owner.caption, True)

    def _end_owned(self) -> None:
        if self._owners and not self._strangers:
            self._pop()

    def _start_field(self, attributes: Mapping[str, str]) -> None:
        if attributes.get("type") == "MEMO":
            self._start_aside(AsideKind.MEMO)

    def _end_field(self) -> None:
        if self._asides and self._asides[-1].kind is AsideKind.MEMO:
            self._end_aside()

    def _start_number(self, attributes: Mapping[str, str]) -> None:
        self._number = dict(attributes)

    def _number_format(self, attributes: Mapping[str, str]) -> None:
        if self._number is not None:
            self._number.update(attributes)

    def _section(self, attributes: Mapping[str, str]) -> None:
        self._put(SectionStart(integer(attributes.get("outlineShapeIDRef"))))

    def _page_fill(self, attributes: Mapping[str, str]) -> None:
        self._filled[0] |= integer(attributes.get("borderFillIDRef")) in self._shapes.fills

    def _compose(self, attributes: Mapping[str, str]) -> None:
        self._add(attributes.get("composeText", ""))

    # --- paragraphs ------------------------------------------------------------------------------------------

    def _start_paragraph(self, attributes: Mapping[str, str]) -> None:
        if not self._budget.take(0):
            raise ParseLimitExceeded(name=self._name, resource="paragraphs")
        shape = self._shapes.paragraphs.get(integer(attributes.get("paraPrIDRef")), ParagraphShape())
        style = self._shapes.styles.get(integer(attributes.get("styleIDRef")), "")
        self._open.append(Paragraph(shape, style))
        self._lengths.append({})
        self._in_text = self._deleted = False

    def _end_paragraph(self) -> None:
        if not self._open:
            return
        paragraph = self._open.pop()
        lengths = self._lengths.pop()
        if lengths:
            paragraph.look = max(lengths, key=lambda look: lengths[look])
        self._lists[-1].append(paragraph)
        self._in_text = self._deleted = False

    def _start_run(self, attributes: Mapping[str, str]) -> None:
        look = self._shapes.characters.get(integer(attributes.get("charPrIDRef")), CharacterShape())
        filled = self._filled[-1] or self._filled[0] or bool(self._open and self._open[-1].shape.filled)
        self._runs.append((look.hidden(filled), look))

    def _end_run(self) -> None:
        if self._runs:
            self._runs.pop()

    def _add(self, text: str) -> None:
        """Text of the paragraph that is open, unless nobody sees it."""
        if not self._open or self._deleted or not text:
            return
        self._budget.characters -= len(text)
        if self._budget.characters < 0:
            raise ParseLimitExceeded(name=self._name, resource="text size")
        if self._runs:
            hidden, look = self._runs[-1]
            if hidden:
                self._open[-1].hid |= not text.isspace()
                return
            self._lengths[-1][look] = self._lengths[-1].get(look, 0) + len(text)
        self._put(text)

    def _put(self, piece: Piece) -> None:
        if self._open and not self._deleted:
            self._open[-1].pieces.append(piece)

    # --- what holds paragraphs -------------------------------------------------------------------------------

    def _push(self, paragraphs: list[Paragraph], filled: bool) -> None:
        if len(self._lists) > MAX_NESTING:
            raise ParseLimitExceeded(name=self._name, resource="nesting")
        self._lists.append(paragraphs)
        self._filled.append(filled)

    def _pop(self) -> None:
        if len(self._lists) > 1:
            self._lists.pop()
            self._filled.pop()

    def _start_table(self, attributes: Mapping[str, str]) -> None:
        self._owners.append(Table(filled=integer(attributes.get("borderFillIDRef")) in self._shapes.fills))

    def _start_box(self, attributes: Mapping[str, str]) -> None:
        if attributes.get("textWrap") == "BEHIND_TEXT":
            self._filled[0] = True  # white letters may stand on it
        box = Box()
        if art := attributes.get("text", ""):
            box.paragraphs.append(Paragraph(pieces=[art]))
        self._owners.append(box)

    def _end_object(self) -> None:
        if not self._owners:
            return
        owner = self._owners.pop()
        if isinstance(owner, Table) or owner.paragraphs or owner.caption or owner.description:
            self._put(owner)

    def _start_cell(self, attributes: Mapping[str, str]) -> None:
        table = self._owners[-1] if self._owners else None
        cell = Cell(filled=integer(attributes.get("borderFillIDRef")) in self._shapes.fills)
        if isinstance(table, Table):
            table.cells.append(cell)
            cell.filled |= table.filled
        self._cells.append(cell)
        self._push(cell.paragraphs, cell.filled or self._filled[-1])

    def _end_cell(self) -> None:
        if self._cells:
            self._pop()
            self._cells.pop()

    def _start_aside(self, kind: AsideKind) -> None:
        aside = Aside(kind)
        self._asides.append(aside)
        self._push(aside.paragraphs, self._filled[-1])

    def _end_aside(self) -> None:
        if not self._asides:
            return
        self._pop()
        aside = self._asides.pop()
        if self._open:
            self._put(aside)
        else:
            # A master page is a part of its own, without a paragraph around it.
            self._lists[-1].append(Paragraph(pieces=[aside]))

    # --- small things ----------------------------------------------------------------------------------------

    def _end_kept(self, name: str) -> None:
        text, self._kept = "".join(self._kept or ()), None
        if name == "script":
            self._add(f" {equation_text(text)} ")
        elif name == "mainText":
            self._ruby = text
        elif name == "subText":
            self._add(f"{self._ruby}({text})" if text.strip() else self._ruby)
        elif name == "text":
            self._add(f" {text} ")
        elif self._owners and isinstance(self._owners[-1], Box) and not self._strangers:
            self._owners[-1].description = text

    def _end_number(self) -> None:
        """An automatic number; the first in a note is the mark that the text refers to it by."""
        number, self._number = self._number or {}, None
        digits = shown(integer(number.get("num")), number.get("type", "DIGIT"))
        written = f"{number.get('prefixChar', '')}{digits}{number.get('suffixChar', '')}"
        if self._asides and number.get("numType") in _NOTES and not self._asides[-1].mark:
            self._asides[-1].mark = written
        self._add(written)


_STARTS: dict[str, Callable[[BodyHandler, Mapping[str, str]], None]] = {
    "p": BodyHandler._start_paragraph,
    "run": BodyHandler._start_run,
    "t": BodyHandler._start_text,
    "deleteBegin": BodyHandler._start_deleted,
    "deleteEnd": BodyHandler._end_deleted,
    "tbl": BodyHandler._start_table,
    "tc": BodyHandler._start_cell,
    "cellAddr": BodyHandler._cell_address,
    "cellSpan": BodyHandler._cell_span,
    "pos": BodyHandler._position,
    "caption": BodyHandler._start_caption,
    "drawText": BodyHandler._start_drawn_text,
    "fieldBegin": BodyHandler._start_field,
    "autoNum": BodyHandler._start_number,
    "autoNumFormat": BodyHandler._number_format,
    "secPr": BodyHandler._section,
    "pageBorderFill": BodyHandler._page_fill,
    "compose": BodyHandler._compose,
}
_ENDS: dict[str, Callable[[BodyHandler], None]] = {
    "p": BodyHandler._end_paragraph,
    "run": BodyHandler._end_run,
    "t": BodyHandler._end_text,
    "tbl": BodyHandler._end_object,
    "tc": BodyHandler._end_cell,
    "caption": BodyHandler._end_owned,
    "drawText": BodyHandler._end_owned,
    "fieldBegin": BodyHandler._end_field,
    "autoNum": BodyHandler._end_number,
}


def _signed(text: str | None) -> int:
    """A length that Hangul writes without its sign: 4294944089 is 23207 upwards."""
    digits = (text or "").lstrip("-")
    number = int(text or "") if digits.isascii() and digits.isdigit() and len(digits) <= 10 else 0
    return number - (1 << 32) if number >= 1 << 31 else number


def _within(text: str | None, default: int) -> int:
    number = integer(text, default)
    return number if 0 <= number <= _LARGEST_ROW else default
