"""Markdown through markdown-it-py, which knows the source lines of every block: anchors are exact.

`unstructured` turns Markdown into HTML first and has no line left to tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.iso_dates import iso_date
from ingest.parsing.tables import Row, table_element
from ingest.parsing.text import read_lines
from ingest.parsing.titles import document_title
from rag.domain.anchor import LineAnchor
from rag.domain.document import DocumentMetadata, Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

_BREAK_TAG = re.compile(r"<br\s*/?>", re.I)
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.S)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_FRONT_MATTER_LINES = 200
_FRONT_VALUE = re.compile(r"([^\W\d][\w-]{0,60})\s*:(?:\s+(.*))?$")
_FRONT_ITEM = re.compile(r"\s*-\s+(\S.*)$")
_FRONT_CHARACTERS = 300
_FRONT_ATTRIBUTES = 16
_AUTHOR = ("author", "authors", "작성자")
_CREATED = ("date", "created", "created_at", "published", "작성일")
_MODIFIED = ("updated", "modified", "lastmod", "last_modified", "updated_at", "수정일")


class MarkdownParser:
    """CommonMark with tables. Text is what a reader sees: link targets and emphasis marks are left out."""

    name = "markdown/1"
    media_types = (media_types.MARKDOWN,)

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.MARKDOWN else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        front = _front_matter(lines)
        # Blank lines keep the count: what follows still stands on its own lines.
        body = [""] * front + lines[front:]
        elements = [] if front < 3 else [_code(lines[1 : front - 1], 2)]
        elements += _Walker(self._markdown.parse("\n".join(body))).elements()
        if not elements:
            raise NoTextFound(name=source.name)
        said = _front_values(lines[1:front])
        title = document_title(said.get("title", ""), elements)
        return ParsedDocument(
            title, source.media_type, self.name, tuple(elements), warnings=warnings, metadata=_metadata(said)
        )


def _front_matter(lines: Sequence[str]) -> int:
    """How many lines a YAML head takes at the start of the file, its `---` lines included; 0 if there is none."""
    if lines[0].strip() != "---":
        return 0
    for number, line in enumerate(lines[1:_FRONT_MATTER_LINES], start=2):
        if line.strip() in ("---", "..."):
            return number
    return 0


def _front_values(lines: Sequence[str]) -> dict[str, str]:
    """The plain values of a YAML head, names in lower case; lists are joined, nested values are left where they stand.

    YAML itself is not asked: a head is a handful of lines, and its anchors and tags are a risk without a use.
    """
    said: dict[str, str] = {}
    name = ""
    for line in lines:
        if found := _FRONT_VALUE.match(line):
            name = found[1].lower()
            value = (found[2] or "").strip()
            if value.startswith("[") and value.endswith("]"):
                value = ", ".join(item.strip().strip("\"'") for item in value[1:-1].split(","))
            said.setdefault(name, one_line(value.strip("\"'"))[:_FRONT_CHARACTERS])
        elif name and (item := _FRONT_ITEM.match(line)):
            joined = ", ".join(filter(None, (said[name], one_line(item[1].strip("\"'")))))
            said[name] = joined[:_FRONT_CHARACTERS]
    return said


def _metadata(said: dict[str, str]) -> DocumentMetadata:
    named = ("title", *_AUTHOR, *_CREATED, *_MODIFIED)
    attributes = [(name, value) for name, value in said.items() if value and name not in named]
    return DocumentMetadata(
        author=next((said[name] for name in _AUTHOR if said.get(name)), ""),
        created_at=next((found for name in _CREATED if (found := iso_date(said.get(name, "")))), ""),
        modified_at=next((found for name in _MODIFIED if (found := iso_date(said.get(name, "")))), ""),
        attributes=tuple(attributes[:_FRONT_ATTRIBUTES]),
    )


def _code(lines: Sequence[str], first: int) -> Element:
    anchors = tuple(LineAnchor(number, number) for number in range(first, first + len(lines)))
    return Element(ElementKind.CODE, "\n".join(lines), LineAnchor(first, first + len(lines) - 1), line_anchors=anchors)


class _Walker:
    """Goes through the block tokens once."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._in_lists = 0
        self._heading = 0
        self._number = ""
        self._table: list[Row] | None = None
        self._cells: list[str] = []
        self._row_lines = (1, 1)

    def elements(self) -> list[Element]:
        """Elements in source order."""
        return [element for token in self._tokens for element in self._element(token)]

    def _element(self, token: Token) -> Iterator[Element]:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                self._in_lists += 1
            case "bullet_list_close" | "ordered_list_close":
                self._in_lists -= 1
            case "list_item_open":
                self._number = token.info and token.info + token.markup + " "
            case "heading_open":
                self._heading = int(token.tag[1])
            case "heading_close":
                self._heading = 0
            case "fence" | "code_block":
                yield from self._code_block(token)
            case "html_block":
                yield from self._html_block(token)
            case "inline" if self._table is None:
                yield from self._inline(token)
            case _:
                yield from self._table_part(token)

    def _code_block(self, token: Token) -> Iterator[Element]:
        first, _ = _lines(token)
        content = token.content.removesuffix("\n")
        if content.strip():
            yield _code(content.split("\n"), first + (token.type == "fence"))

    def _html_block(self, token: Token) -> Iterator[Element]:
        first, last = _lines(token)
        text = squeeze(_TAG.sub(" ", _BREAK_TAG.sub("\n", _COMMENT.sub("", token.content))))
        if text:
            yield Element(ElementKind.TEXT, re.sub(r"\n\s*\n+", "\n", text), LineAnchor(first, last))

    def _inline(self, token: Token) -> Iterator[Element]:
        first, last = _lines(token)
        text = inline_text(token)
        if not text.strip():
            return
        if self._heading:
            yield Element(ElementKind.HEADING, one_line(text), LineAnchor(first, last), level=self._heading)
            return
        kind = ElementKind.LIST_ITEM if self._in_lists else ElementKind.TEXT
        text, self._number = self._number + text, ""
        lines = text.split("\n")
        anchors: tuple[LineAnchor, ...] = ()
        if len(lines) == last - first + 1:  # a break tag makes one source line two
            anchors = tuple(LineAnchor(number, number) for number in range(first, last + 1))
        yield Element(kind, text, LineAnchor(first, last), line_anchors=anchors)

    def _table_part(self, token: Token) -> Iterator[Element]:
        match token.type:
            case "table_open":
                self._table = []
            case "tr_open":
                self._cells = []
                self._row_lines = _lines(token)
            case "inline":
                self._cells.append(inline_text(token))
            case "tr_close" if self._table is not None:
                self._table.append((tuple(self._cells), LineAnchor(*self._row_lines)))
            case "table_close" if self._table:
                anchors = [anchor for _, anchor in self._table if isinstance(anchor, LineAnchor)]
                element = table_element(self._table, LineAnchor(anchors[0].first, anchors[-1].last))
                self._table = None
                if element:
                    yield element


def _lines(token: Token) -> tuple[int, int]:
    """First and last source line, from 1; `map` counts from 0 and ends after the last line."""
    start, end = token.map or (0, 1)
    return start + 1, max(start + 1, end)


def inline_text(token: Token) -> str:
    """What a reader sees of an inline token; a line break in the source stays one."""
    parts: list[str] = []
    for child in token.children or ():
        match child.type:
            case "softbreak" | "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(inline_text(child) or child.content)
            case "html_inline":
                parts.append("\n" if _BREAK_TAG.fullmatch(child.content) else "")
            case _:
                parts.append(child.content)
    return squeeze("".join(parts))
