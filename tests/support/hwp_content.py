"""What a test says is in a Hangul document; `hwp5.py` and `hwpx.py` write it as HWP 5 and as HWPX.

document = [
    Paragraph("제1장 총칙", outline=1),
    Paragraph("여비는 실비로 지급한다.", Footnote("다만, 일비는 정액으로 한다.")),
    Paragraph(table([["구분", "금액"], ["일비", "25,000원"]], caption="여비 지급표")),
]
hwp5_file(document)   # bytes of a compound file
hwpx_file(document)   # bytes of a ZIP archive
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LOOKS = ("plain", "bold", "white", "tiny")
"""Character shapes 0..3 of the written files: 10 pt black, 16 pt bold black, 10 pt white, 0.5 pt black."""


@dataclass(frozen=True)
class Styled:
    """Text in one of `LOOKS`."""

    text: str
    look: str


@dataclass(frozen=True)
class Inserted:
    """Text that change tracking marks as added."""

    text: str


@dataclass(frozen=True)
class Deleted:
    """Text that change tracking marks as struck out."""

    text: str


@dataclass(frozen=True)
class Link:
    """A hyperlink: the text that is shown, and where it leads."""

    text: str
    target: str


@dataclass(frozen=True)
class Memo:
    """Text with a reviewer's note on it."""

    text: str
    note: str


@dataclass(frozen=True)
class Footnote:
    """A note at the page's foot; with a `number` it begins with that, and so does the reference to it."""

    text: str
    number: int = 0


@dataclass(frozen=True)
class Endnote:
    """A note at the document's end; see `Footnote`."""

    text: str
    number: int = 0


@dataclass(frozen=True)
class Header:
    """The head of the section's pages."""

    text: str


@dataclass(frozen=True)
class Footer:
    """The foot of the section's pages."""

    text: str


@dataclass(frozen=True)
class HiddenComment:
    """숨은 설명: kept in the file, shown nowhere."""

    text: str


@dataclass(frozen=True)
class Equation:
    """An equation by its script."""

    script: str


@dataclass(frozen=True)
class Ruby:
    """덧말: small text above or below a word."""

    text: str
    above: str


@dataclass(frozen=True)
class AutoNumber:
    """A number that the program counts: `page`, `footnote`, `endnote`, `picture`, `table` or `equation`."""

    kind: str
    number: int


@dataclass(frozen=True)
class Box:
    """A text box; `behind` the text or beside it."""

    paragraphs: tuple[Paragraph, ...]
    caption: str = ""
    behind: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture with its description and caption; the image itself is left out."""

    description: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell at `row`, `column` (from 0).

    Attributes:
        filled: on a dark background.
    """

    row: int
    column: int
    paragraphs: tuple[Paragraph, ...]
    rows: int = 1
    columns: int = 1
    filled: bool = False


@dataclass(frozen=True)
class Table:
    """A table of `rows` by `columns`, whatever its cells cover.

    Attributes:
        inline: it stands in the line like a character; else it floats, `offset` 1/7200 inch below its paragraph.
    """

    rows: int
    columns: int
    cells: tuple[Cell, ...]
    caption: str = ""
    caption_below: bool = False
    inline: bool = False
    offset: int = 0


Part = (
    str | Styled | Inserted | Deleted | Link | Memo | Footnote | Endnote | Header | Footer | HiddenComment | Equation
    | Ruby | AutoNumber | Box | Picture | Table
)  # fmt: skip


@dataclass(frozen=True, init=False)
class Paragraph:
    """A paragraph of text and what stands in it.

    Attributes:
        outline: 1..7 for a heading with the style 개요 1..7, numbered by the section's outline numbering.
        number: 1..7 for a numbered list item on that level.
        bullet: an item with a bullet.
        style: name of one of `STYLES`.
        look: of the text that is given as plain strings.
    """

    parts: tuple[Part, ...] = ()
    outline: int = 0
    number: int = 0
    bullet: bool = False
    style: str = "바탕글"
    look: str = "plain"

    def __init__(
        self,
        *parts: Part,
        outline: int = 0,
        number: int = 0,
        bullet: bool = False,
        style: str = "바탕글",
        look: str = "plain",
    ) -> None:
        for name, value in {
            "parts": parts,
            "outline": outline,
            "number": number,
            "bullet": bullet,
            "style": style,
            "look": look,
        }.items():
            object.__setattr__(self, name, value)


STYLES = ("바탕글", *(f"개요 {level}" for level in range(1, 8)), "제목", "차례 1")
"""Styles of the written files, in the order of their numbers."""

OUTLINE_FORMATS = ("제^1장", "제^2절", "^3.", "^4)", "(^5)", "(^6)", "^7")
NUMBER_FORMATS = ("^1.", "^2.", "^3)", "^4)", "(^5)", "(^6)", "^7")
NUMBER_KINDS = (0, 8, 0, 8, 0, 8, 1)
"""HWP 5's codes of the digits on each level: 0 is 1, 2, 3; 8 is 가, 나, 다; 1 is ①, ②, ③."""

BULLET = "●"


def paragraphs(text: str) -> tuple[Paragraph, ...]:
    """One paragraph a line."""
    return tuple(Paragraph(line) for line in text.split("\n"))


def note_paragraph(note: Footnote | Endnote) -> Paragraph:
    """The paragraph of a note, with its number."""
    if not note.number:
        return Paragraph(note.text)
    kind = "footnote" if isinstance(note, Footnote) else "endnote"
    return Paragraph(AutoNumber(kind, note.number), f" {note.text}")


def table(rows: Sequence[Sequence[str]], caption: str = "", *, caption_below: bool = False) -> Table:
    """A table without merged cells, from its texts."""
    cells = tuple(
        Cell(row, column, paragraphs(text)) for row, texts in enumerate(rows) for column, text in enumerate(texts)
    )
    return Table(len(rows), max(len(texts) for texts in rows), cells, caption, caption_below)


def merged_table(layout: Sequence[tuple[int, int, int, int, str]], caption: str = "") -> Table:
    """A table from `(row, column, rows, columns, text)` of each cell."""
    cells = tuple(Cell(row, column, paragraphs(text), rows, columns) for row, column, rows, columns, text in layout)
    height = max(cell.row + cell.rows for cell in cells)
    return Table(height, max(cell.column + cell.columns for cell in cells), cells, caption)


def nested(depth: int, text: str = "안쪽") -> Table:
    """A table of two cells, in which there is a table of two cells, and so on."""
    inner: Table = table([["왼쪽", text]])
    for level in range(depth - 1):
        inner = Table(1, 2, (Cell(0, 0, paragraphs(f"{level}층")), Cell(0, 1, (Paragraph(inner),))))
    return inner
