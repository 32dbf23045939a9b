"""From a file to chunks: what parsers give and chunkers cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID, uuid5

from rag.domain.anchor import Anchor, LineAnchor, merge_anchors
from rag.domain.code import CodeContext, CodeOutline
from rag.domain.findings import IN_TEXT, ChunkFindings, masked
from rag.domain.language import Language
from rag.domain.provision import ProvisionMark, covering_label, marks_between

NAMESPACE = UUID("5e060000-5e06-5e06-8e06-5e065e065e06")
"""Root of every deterministic id (uuid5) in Seogo; changing it orphans all stored ids."""


class ElementKind(StrEnum):
    """Role of an element in its document."""

    HEADING = "heading"
    TEXT = "text"
    LIST_ITEM = "list_item"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Element:
    """One block of a parsed document, in reading order.

    Attributes:
        text: NFC text. A table is Markdown, one line a row, header first, so that rows can be told apart.
        anchor: where the whole element stands.
        level: depth of a heading, from 1; 0 for everything else.
        line_anchors: one per line of `text`, where lines have anchors of their own (PDF, tables, code).
    """

    kind: ElementKind
    text: str
    anchor: Anchor
    level: int = 0
    line_anchors: tuple[Anchor, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentMetadata:
    """What a file says about itself. Everything here is the author's claim, none of it is checked.

    Attributes:
        created_at, modified_at: ISO 8601, with the offset where the file has one; empty when unknown.
        attributes: further names and values, such as a mail's `message_id`; each name once.
    """

    author: str = ""
    created_at: str = ""
    modified_at: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ChildFile:
    """A file that was found in another: an attachment of a mail, a member of an archive.

    Attributes:
        name: as its container calls it, folders included; a label, never a path to open.
    """

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser made of one file.

    Attributes:
        title: from the document's own metadata or first heading; empty when there is none.
        parser: name and version, such as `pdf/1`; part of every chunk id.
        warnings: codes of what was read only in part, shown to the user; `code:detail` names what it is about.
        children: files found inside, which become documents of their own.
        next_child: number of the first file inside that did not fit into this result; 0 when all are here.
        outline: what is defined and used in source code; None for everything else.
        next_page: number of the first page that was not looked at, for want of time; 0 when all were.
        seam: what whoever reads on from there has to know of the pages before, in the parser's own words; empty for nothing.
    """

    title: str
    media_type: str
    parser: str
    elements: Sequence[Element]
    pages: int = 0
    warnings: tuple[str, ...] = ()
    metadata: DocumentMetadata = DocumentMetadata()
    children: tuple[ChildFile, ...] = ()
    next_child: int = 0
    outline: CodeOutline | None = None
    next_page: int = 0
    seam: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A citable piece of one document version.

    Attributes:
        text: verbatim text of the piece; what is quoted.
        heading_path: headings above it, outermost first; searched together with the text, never quoted.
        language: what the piece is written in; the language gate reads it.
        provisions: which article, paragraph and item of a statute or rule each part of `text` is, by where it begins.
        references: provisions that the text refers to, resolved where its own place decides: `제5조제1항`, `근로기준법 제50조`.
        code: what a piece of source code knows of itself; None for everything else.
    """

    id: UUID
    ordinal: int
    text: str
    anchor: Anchor
    heading_path: tuple[str, ...] = ()
    language: Language = Language.OTHER
    kind: ElementKind = ElementKind.TEXT
    tokens: int = 0
    line_anchors: tuple[Anchor, ...] = field(default=(), repr=False)
    provisions: tuple[ProvisionMark, ...] = ()
    references: tuple[str, ...] = ()
    code: CodeContext | None = None

    @property
    def provision(self) -> str:
        """The provision that the whole text belongs to, such as `제24조제1항–제3항`; empty outside statutes and rules."""
        return covering_label([mark.path for mark in self.provisions]) if self.provisions else ""

    def masked(self, findings: ChunkFindings) -> Chunk:
        """The same with what was found in it hidden; offsets and anchors stay right, as no text gets longer or shorter."""
        if not findings.found:
            return self
        headings = tuple(masked(text, findings.of(place)) for place, text in enumerate(self.heading_path))
        return replace(self.without_prose(), text=masked(self.text, findings.of(IN_TEXT)), heading_path=headings)

    def without_prose(self) -> Chunk:
        """The same without the words of the definition around it, which stand in another piece and are masked there alone."""
        return self if self.code is None else replace(self, code=self.code.without_prose())

    def identified(self, identity: UUID) -> Chunk:
        """The same under another id."""
        # Not `replace`, which takes ten times as long: this is done for every chunk of a code base.
        return Chunk(
            identity,
            self.ordinal,
            self.text,
            self.anchor,
            self.heading_path,
            self.language,
            self.kind,
            self.tokens,
            self.line_anchors,
            self.provisions,
            self.references,
            self.code,
        )

    @property
    def search_text(self) -> str:
        """What embedders see: heading path, then the text."""
        return "\n".join((*self.heading_path, self.text))

    def anchor_of(self, start: int, end: int) -> Anchor:
        """The anchor of the characters `start`..`end` of `text`: their lines' where known, else the chunk's own.

        A text that has just the lines of its anchor needs no anchor for each of them.
        """
        first = self.text.count("\n", 0, start)
        last = first + self.text.count("\n", start, max(start, end - 1))
        if not self.line_anchors:
            whole = self.anchor
            if isinstance(whole, LineAnchor) and whole.last - whole.first == self.text.count("\n"):
                return LineAnchor(whole.first + first, whole.first + last)
            return whole
        return merge_anchors(self.line_anchors[first : last + 1])

    def provision_of(self, start: int, end: int) -> str:
        """The provision of the characters `start`..`end` of `text`, as narrow as it is known: `제24조제1항`."""
        return covering_label([mark.path for mark in marks_between(self.provisions, start, end)])


def recipe_of(parser: str, chunker: str) -> str:
    """What the ids of chunks are made from beside their version and place: names and versions of who made them."""
    return f"{parser}+{chunker}"


def chunk_id(version_id: UUID, recipe: str, ordinal: int) -> UUID:
    """Deterministic id: the same version cut by the same parser and chunker (`recipe`) gives the same ids."""
    return uuid5(version_id, f"{recipe}#{ordinal}")


def document_id(collection_id: UUID, source_key: str) -> UUID:
    """Deterministic id of the document at `source_key` (its path) in a collection."""
    return uuid5(collection_id, source_key)


def version_id(document: UUID, number: int, content_hash: str) -> UUID:
    """Deterministic id of a document's `number`-th version with this content."""
    return uuid5(document, f"{number}:{content_hash}")
