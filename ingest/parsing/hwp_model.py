"""What HWP 5 and HWPX have in common: paragraphs with objects in them. The two readers build it, `hwp_assembly` reads it.

Objects own lists of paragraphs, and those may hold objects again; a reader stops at `MAX_NESTING` such lists, so that
whoever walks the model may recurse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

MAX_NESTING = 40
"""Lists inside lists. Hangul itself gets unusable long before; public documents stay below 6."""

MAX_PARAGRAPHS = 1_000_000
MAX_CHARACTERS = 50_000_000
"""Of one document: more than 20,000 full pages, and what the sandbox lets out."""

HIDDEN_SIZE = 200
"""Characters below 2 pt (in 1/100 pt) can't be read on any printout."""


class Head(StrEnum):
    """What stands at the head of a paragraph."""

    NONE = "none"
    OUTLINE = "outline"
    NUMBER = "number"
    BULLET = "bullet"


@dataclass(frozen=True, slots=True)
class ParagraphShape:
    """Of the paragraph's form, what tells its role.

    Attributes:
        level: of an outline or a numbered list, from 0.
        reference: id of the numbering or bullet; for an outline the section names the numbering.
        filled: it has a background of its own.
    """

    head: Head = Head.NONE
    level: int = 0
    reference: int = 0
    filled: bool = False


@dataclass(frozen=True, slots=True)
class CharacterShape:
    """Of the characters' form, what tells a heading from text, and text that nobody can see.

    Attributes:
        size: in 1/100 pt; 0 when unknown.
        pale: white, or nearly so, and without a background of its own.
    """

    size: int = 0
    bold: bool = False
    pale: bool = False

    def hidden(self, filled: bool) -> bool:
        """Whether a reader can't see it, `filled` being whether there is a background behind it."""
        return 0 < self.size < HIDDEN_SIZE or (self.pale and not filled)


@dataclass(frozen=True, slots=True)
class NumberLevel:
    """How one level of a numbering is shown: `제^1장` with digits of some `kind`, counted from `start`."""

    format: str
    kind: str
    start: int = 1


@dataclass(frozen=True, slots=True)
class Shapes:
    """What a document's head defines and its paragraphs refer to by id."""

    paragraphs: dict[int, ParagraphShape] = field(default_factory=dict)
    characters: dict[int, CharacterShape] = field(default_factory=dict)
    numberings: dict[int, tuple[NumberLevel, ...]] = field(default_factory=dict)
    bullets: dict[int, str] = field(default_factory=dict)
    styles: dict[int, str] = field(default_factory=dict)
    fills: frozenset[int] = frozenset()


@dataclass(slots=True)
class Cell:
    """A cell at `row`, `column` (from 0) that covers `rows` by `columns`."""

    row: int = 0
    column: int = 0
    rows: int = 1
    columns: int = 1
    filled: bool = False
    paragraphs: list[Paragraph] = field(default_factory=list)


@dataclass(slots=True)
class Table:
    """A table, its cells in the order of the file.

    Attributes:
        inline: it stands in the line like a character (글자처럼 취급) and parts the text around it.
        origin, offset: of one that floats, what its height on the page is measured from, and how far below that it is.
    """

    inline: bool = False
    origin: str = ""
    offset: int = 0
    cells: list[Cell] = field(default_factory=list)
    caption: list[Paragraph] = field(default_factory=list)
    caption_after: bool = False
    filled: bool = False


@dataclass(slots=True)
class Box:
    """A text box, a picture or another object: its text, its caption, what its author wrote about it; see `Table`."""

    inline: bool = False
    origin: str = ""
    offset: int = 0
    paragraphs: list[Paragraph] = field(default_factory=list)
    caption: list[Paragraph] = field(default_factory=list)
    caption_after: bool = True
    description: str = ""


class AsideKind(StrEnum):
    """Text that stands apart from the paragraph that it hangs on."""

    FOOTNOTE = "footnote"
    ENDNOTE = "endnote"
    HEADER = "header"
    FOOTER = "footer"
    MEMO = "memo"
    HIDDEN = "hidden"


@dataclass(slots=True)
class Aside:
    """A note, a page header or footer, a memo.

    Attributes:
        mark: of a note, as the text refers to it: `1)`.
    """

    kind: AsideKind
    paragraphs: list[Paragraph] = field(default_factory=list)
    mark: str = ""


@dataclass(frozen=True, slots=True)
class SectionStart:
    """The definition of a section: which numbering its outline has."""

    outline: int


Piece = str | Table | Box | Aside | SectionStart


@dataclass(slots=True)
class Paragraph:
    """Text and objects in order.

    Attributes:
        look: of most of its characters.
        hid: characters were left out because a reader can't see them.
    """

    shape: ParagraphShape = field(default_factory=ParagraphShape)
    style: str = ""
    look: CharacterShape = field(default_factory=CharacterShape)
    pieces: list[Piece] = field(default_factory=list)
    hid: bool = False


@dataclass(slots=True)
class Budget:
    """What one document may still bring."""

    paragraphs: int = MAX_PARAGRAPHS
    characters: int = MAX_CHARACTERS

    def take(self, characters: int) -> bool:
        """Whether one more paragraph with so many characters is allowed."""
        self.paragraphs -= 1
        self.characters -= characters
        return self.paragraphs >= 0 and self.characters >= 0
