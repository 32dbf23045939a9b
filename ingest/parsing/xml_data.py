"""XML that is neither a page nor a program: its text in document order, records as lines of `name: value`.

Read by expat, which streams and knows every line. Entities of the file are never expanded and nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import clean, one_line, squeeze
from ingest.parsing.code import code_element
from ingest.parsing.text import read_lines
from ingest.parsing.titles import document_title
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

_PROSE_SHARE = 0.3
"""Prose and statutes in XML are well above; build files, layouts and settings are below 0.2 (their words are names)."""

_PROSE_WORDS = 30
_WORD = re.compile(r"[^\W\d_]{2,}")
_HEADINGS = frozenset({"title", "head", "heading", "headline", "subject"})
_KOREAN_HEADING = re.compile(r"(?:제목|장명|절명|편명|조제목|조문제목|법령명\w{0,4}|표제)$")
_SHORT = 200
_LINES_TOGETHER = 200
_MAX_DEPTH = 200
_PIECE_CHARACTERS = 1 << 20


def is_prose(text: str) -> bool:
    """Whether the XML that begins with `text` is written for readers: much of it stands between the tags.

    No regular expression: this looks at untrusted text, and has to be linear.
    """
    sections = text.replace("<![CDATA[", " ").replace("]]>", " ").split("<")
    content = " ".join([sections[0], *(section.partition(">")[2] for section in sections[1:])])
    letters = sum(map(len, content.split()))
    return letters >= _PROSE_SHARE * sum(map(len, text.split())) and len(_WORD.findall(content)) >= _PROSE_WORDS


@dataclass
class _Open:
    """An element that has not ended yet.

    Attributes:
        parts: its text so far; that of elements inside its text included.
        mixed: whether text stands beside its children, which makes them parts of a sentence.
    """

    name: str
    line: int
    attributes: dict[str, str]
    parts: list[str] = field(default_factory=list)
    children: int = 0
    mixed: bool = False


class XmlParser:
    """Headings are elements called so; other text keeps the name of its element. What is no XML is read as code."""

    name = "xml/1"
    media_types = (media_types.XML,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.XML else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        try:
            elements = tuple(_Reader().read("\n".join(lines).lstrip()))
        except expat.ExpatError:
            return ParsedDocument(source.name, source.media_type, self.name, (code_element(lines),), warnings=warnings)
        if not elements:
            raise NoTextFound(name=source.name)
        title = document_title("", elements)
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings)


class _Reader:
    """Collects what expat reports."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._done: list[Element] = []
        self._group: list[tuple[str, LineAnchor]] = []
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        # With a default handler expat leaves the file's own entities alone: they come here as `&name;` and are shown so.
        self._parser.DefaultHandler = self._other

    def read(self, text: str) -> Iterator[Element]:
        """Elements in document order.

        Raises:
            expat.ExpatError: no well-formed XML, or nested deeper than any real file.
        """
        for start in range(0, len(text), _PIECE_CHARACTERS):
            self._parser.Parse(text[start : start + _PIECE_CHARACTERS].encode(), False)
            yield from self._taken()
        self._parser.Parse(b"", True)
        self._close_group()
        yield from self._taken()

    def _taken(self) -> list[Element]:
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise expat.ExpatError("nested too deeply")
        if self._open:
            parent = self._open[-1]
            parent.children += 1
            parent.mixed = parent.mixed or any(part.strip() for part in parent.parts)
        local = name.rpartition(":")[2]
        self._open.append(_Open(local, self._parser.CurrentLineNumber, attributes))

    def _text(self, data: str) -> None:
        if self._open:
            self._open[-1].parts.append(data)

    def _other(self, data: str) -> None:
        if self._open and data.startswith("&"):
            self._open[-1].parts.append(data)

    def _end(self, name: str) -> None:
        item = self._open.pop()
        text = squeeze(clean("".join(item.parts)))
        if self._open and self._open[-1].mixed and text:
            self._open[-1].parts.append(f" {text} " if item.children else text)
            return
        anchor = LineAnchor(item.line, max(item.line, self._parser.CurrentLineNumber))
        if text:
            self._add(item, text, anchor)
        elif not item.children and item.attributes:
            said = ", ".join(f"{key}={one_line(value)}" for key, value in item.attributes.items() if value.strip())
            if said:
                self._group.append((f"{item.name}: {said}", anchor))
        if item.children and not item.mixed:
            self._close_group()

    def _add(self, item: _Open, text: str, anchor: LineAnchor) -> None:
        if item.name.lower() in _HEADINGS or _KOREAN_HEADING.search(item.name):
            self._close_group()
            level = min(max(len(self._open) - 1, 1), 6)
            self._done.append(Element(ElementKind.HEADING, one_line(text), anchor, level=level))
        elif len(text) > _SHORT or "\n" in text:
            self._close_group()
            self._done.append(Element(ElementKind.TEXT, text, anchor))
        else:
            self._group.append((f"{item.name}: {text}", anchor))
            if len(self._group) >= _LINES_TOGETHER:
                self._close_group()

    def _close_group(self) -> None:
        """The short texts so far as one element, a line each."""
        if self._group:
            anchors = tuple(anchor for _, anchor in self._group)
            text = "\n".join(line for line, _ in self._group)
            whole = LineAnchor(min(a.first for a in anchors), max(a.last for a in anchors))
            self._done.append(Element(ElementKind.TEXT, text, whole, line_anchors=anchors))
            self._group = []
