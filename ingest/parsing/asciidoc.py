"""AsciiDoc, read line by line: what a reader of the rendered page sees, with the lines it stands on.

Left out as not shown: comments, block attributes such as `[cols="1,2"]`, and anchors. Includes are not
followed (a document must not name files to read); a warning says so.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.asciidoc_inline import shown, substituted
from ingest.parsing.asciidoc_tables import table
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line
from ingest.parsing.iso_dates import iso_date
from ingest.parsing.plain_structure import underlines
from ingest.parsing.text import read_lines
from ingest.parsing.titles import document_title
from rag.domain.anchor import LineAnchor
from rag.domain.document import DocumentMetadata, Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

INCLUDES_NOT_FOLLOWED = "includes_not_followed"
"""The document includes other files, whose text is not part of it here."""

_SECTION = re.compile(r"(={1,6}|#{1,6})\s+(\S.*?)(?:\s+\1)?\s*$")
_UNDERLINE = re.compile(r"(=+|-+|~+|\^+|\++)\s*$")
_UNDERLINE_LEVELS = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
_ATTRIBUTE_ENTRY = re.compile(r":(!?)([a-zA-Z0-9_][\w-]{0,100})(!?):(?:\s+(.*))?$")
_BLOCK_ATTRIBUTES = re.compile(r"\[(?:\[[^\[\]]*\]|[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]\s*$")
_BLOCK_TITLE = re.compile(r"\.(?![\s.])(.+)$")
_DIRECTIVE = re.compile(r"(include|ifdef|ifndef|ifeval|endif)::([^\[\]]*)\[(.*)\]\s*$")
_BLOCK_MACRO = re.compile(r"(image|video|audio|toc|icon|link)::?([^\s\[\]]*)\[(.*)\]\s*$")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|```+\w*|[|,:!]={3,})\s*$")
_ITEM = re.compile(r"\s*(\*{1,6}|-|\.{1,6}|\d{1,4}\.|[a-zA-Z]\.|<(?:\d{1,3}|\.)>|[•▪◦])\s+(\S.*)$")
_TERM = re.compile(r"\s*(\S.{0,300}?)(?:::{1,3}|;;)(?:\s+(\S.*))?$")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION):\s+\S")
_ADMONITIONS = frozenset({"NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION"})
_CODE_STYLES = frozenset({"source", "listing", "literal"})
_NAMED = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^,\s]*))")
_AUTHOR = re.compile(r"([^\W\d_][\w .'-]{1,80}?)(?:\s+<([^<>\s]{1,200})>)?$")
_REVISION = re.compile(r"(?:v?(\d[\w.]*),?\s*)?([\d.년월일/ -]{8,20})(?::\s*.*)?$")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")
_MAX_ATTRIBUTES = 1_000
_MAX_NESTING = 20


class AsciiDocParser:
    """Sections, paragraphs, lists, tables and code."""

    name = "asciidoc/1"
    media_types = (media_types.ASCIIDOC,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.ASCIIDOC else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        reader = _Reader()
        elements = tuple(reader.elements(lines))
        if not elements:
            raise NoTextFound(name=source.name)
        warnings += (INCLUDES_NOT_FOLLOWED,) * reader.includes
        title = document_title(shown(reader.attributes.get("doctitle", ""), reader.attributes), elements)
        return ParsedDocument(
            title, source.media_type, self.name, elements, warnings=warnings, metadata=_metadata(reader.attributes)
        )


def _metadata(attributes: dict[str, str]) -> DocumentMetadata:
    kept = (("version", "revnumber"), ("description", "description"), ("keywords", "keywords"), ("language", "lang"))
    return DocumentMetadata(
        author=one_line(attributes.get("author", ""))[:300],
        modified_at=iso_date(attributes.get("revdate", "")),
        attributes=tuple((key, one_line(attributes[name])[:300]) for key, name in kept if attributes.get(name)),
    )


@dataclass
class _Block:
    """What the lines before a block said about it."""

    style: str = ""
    options: dict[str, str] = field(default_factory=dict)
    label: str = ""


class _Reader:
    """Goes through the lines once; blocks within blocks are read by calling itself on their lines."""

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self.includes = False
        self._counters: dict[str, int] = {}
        self._lists: list[str] = []
        self._depth = 0
        self._block = _Block()

    def elements(self, lines: Sequence[str]) -> Iterator[Element]:
        """Elements in source order."""
        start = self._header(lines)
        # Like the front matter of Markdown: not shown, and yet what a search for a version or product must find.
        entries = [(line, n) for n, line in enumerate(lines[:start], start=1) if _ATTRIBUTE_ENTRY.match(line)]
        if entries:
            anchors = tuple(LineAnchor(n, n) for _, n in entries)
            text = "\n".join(line.rstrip() for line, _ in entries)
            yield Element(ElementKind.CODE, text, LineAnchor(anchors[0].first, anchors[-1].last), line_anchors=anchors)
        if start and (title := self.attributes.get("doctitle")):
            number = next(n for n, line in enumerate(lines, start=1) if line.strip().endswith(title))
            yield Element(ElementKind.HEADING, self._shown(title) or title, LineAnchor(number, number), level=1)
        yield from self._body(lines[start:], start + 1)

    def _shown(self, text: str) -> str:
        return shown(text, self.attributes)

    def _header(self, lines: Sequence[str]) -> int:
        """Read title, author, revision and attributes at the top; returns the number of lines taken."""
        number = 0
        while number < len(lines) and (not lines[number].strip() or self._is_preamble(lines[number])):
            number += 1
        if number == len(lines) or not re.match(r"[=#]\s+\S", lines[number]):
            return 0
        self.attributes["doctitle"] = lines[number][1:].strip()
        number += 1
        names = [("author", _AUTHOR), ("revision", _REVISION)]
        while number < len(lines) and lines[number].strip():
            line = lines[number].strip()
            if self._is_preamble(line):
                number += 1
                continue
            if not names or not self._header_line(line, names):
                break
            number += 1
        return number

    def _header_line(self, line: str, names: list[tuple[str, re.Pattern[str]]]) -> bool:
        """An author or revision line, which stand in this order."""
        while names:
            name, pattern = names.pop(0)
            found = pattern.match(line)
            if found is None:
                continue
            if name == "author":
                self.attributes.setdefault("author", found[1])
                self.attributes.setdefault("email", found[2] or "")
            else:
                self.attributes.setdefault("revnumber", found[1] or "")
                self.attributes.setdefault("revdate", found[2].strip())
            return True
        return False

    def _is_preamble(self, line: str) -> bool:
        """An attribute entry (which is noted), a comment, or block attributes."""
        if self._attribute_entry(line):
            return True
        return (line.startswith("//") and not line.startswith("////")) or _BLOCK_ATTRIBUTES.match(line) is not None

    def _attribute_entry(self, line: str) -> bool:
        found = _ATTRIBUTE_ENTRY.match(line)
        if found is None:
            return False
        name = found[2].lower()
        if found[1] or found[3]:
            self.attributes.pop(name, None)
        elif len(self.attributes) < _MAX_ATTRIBUTES:
            self.attributes[name] = substituted((found[4] or "").rstrip(" \\"), self.attributes)[:2000]
        return True

    def _body(self, lines: Sequence[str], first: int) -> Iterator[Element]:
        """Elements of `lines`, which begin at line `first` of the file."""
        number = 0
        while number < len(lines):
            line = lines[number].rstrip()
            if not line.strip() or line.strip() == "+":
                number += 1
                continue
            if self._is_markup(line):
                number += 1
                continue
            taken = yield from self._one(lines, number, first)
            number += max(taken, 1)

    def _is_markup(self, line: str) -> bool:
        """Lines that say something about the next block, or are not shown."""
        if line.startswith("//") and not line.startswith("////"):
            return True
        if self._attribute_entry(line):
            return True
        if found := _DIRECTIVE.match(line):
            self.includes = self.includes or found[1] == "include"
            return found[1] in ("include", "ifeval", "endif") or not found[3]
        if line in ("'''", "<<<", "---", "***") or line.startswith("toc::"):
            return True
        if _BLOCK_ATTRIBUTES.match(line):
            self._note_attributes(line.strip()[1:-1])
            return True
        return False

    def _note_attributes(self, text: str) -> None:
        positional = re.split(r"[,.#%]", text, maxsplit=1)[0].strip().strip('"')
        if positional and "=" not in positional and not positional.startswith("["):
            self._block.style = positional
        for found in _NAMED.finditer(text):
            self._block.options[found[1]] = next((value for value in found.groups()[1:] if value is not None), "")

    def _one(self, lines: Sequence[str], number: int, first: int) -> Generator[Element, None, int]:
        """The block that begins at `lines[number]`; returns how many lines it took."""
        line, anchor = lines[number].rstrip(), LineAnchor(first + number, first + number)
        if found := _DIRECTIVE.match(line):  # ifdef::name[text]
            yield Element(ElementKind.TEXT, self._shown(found[3]) or line, anchor)
            return 1
        if found := _DELIMITER.match(line):
            return (yield from self._delimited(lines, number, first, found[1]))
        if heading := self._heading(lines, number):
            level, text, taken = heading
            self._block = _Block()
            self._end_lists()
            if text:
                yield Element(
                    ElementKind.HEADING, text, LineAnchor(anchor.first, anchor.first + taken - 1), level=level
                )
            return taken
        if (found := _BLOCK_TITLE.match(line)) and not _ITEM.match(line):
            if text := self._shown(found[1]):
                yield Element(ElementKind.TEXT, text, anchor)
            return 1
        if found := _BLOCK_MACRO.match(line):
            if text := self._shown(_alternative_text(found[3])) if found[1] != "toc" else "":
                yield Element(ElementKind.TEXT, text, anchor)
            return 1
        if self._block.style in _CODE_STYLES:
            return (yield from self._code_paragraph(lines, number, first))
        return (yield from self._prose(lines, number, first))

    def _heading(self, lines: Sequence[str], number: int) -> tuple[int, str, int] | None:
        """Level, text and lines of the section title at `number`."""
        line = lines[number].rstrip()
        if found := _SECTION.match(line):
            return len(found[1]), self._shown(found[2]), 1
        if number + 1 < len(lines) and len(line) > 1 and line[0] not in " .*-=|":
            under = _UNDERLINE.match(lines[number + 1])
            if under and underlines(under[1], line):
                return _UNDERLINE_LEVELS[under[1][0]], self._shown(line), 2
        return None

    def _delimited(
        self, lines: Sequence[str], number: int, first: int, delimiter: str
    ) -> Generator[Element, None, int]:
        """A block between two lines alike; one that is never closed ends with its text."""
        closing = "```" if delimiter.startswith("```") else delimiter
        end = number + 1
        while end < len(lines) and lines[end].rstrip() != closing:
            end += 1
        inner, start = lines[number + 1 : end], first + number + 1
        block, self._block = self._block, _Block()
        if delimiter[1:4] == "===" and delimiter[0] in "|,:!":
            element = table(inner, start, delimiter, block.options, self._shown)
            if element:
                yield element
        elif delimiter.startswith("////"):
            pass
        elif delimiter.startswith("++++"):
            yield from _text_lines([_TAG.sub(" ", line) for line in inner], start)
        elif (delimiter[0] in "-.`" and delimiter != "--") or block.style in _CODE_STYLES:
            yield from _code(inner, start)
        else:
            yield from self._nested(inner, start, block)
        return end + 1 - number

    def _nested(self, inner: Sequence[str], start: int, block: _Block) -> Iterator[Element]:
        """A block of blocks; an admonition's name goes before its first text."""
        if self._depth >= _MAX_NESTING:
            yield from _text_lines(inner, start)
            return
        self._depth += 1
        if block.style in _ADMONITIONS:
            self._block.label = block.style
        yield from self._body(inner, start)
        self._depth -= 1

    def _code_paragraph(self, lines: Sequence[str], number: int, first: int) -> Generator[Element, None, int]:
        end = number
        while end < len(lines) and lines[end].strip():
            end += 1
        self._block = _Block()
        yield from _code(lines[number:end], first + number)
        return end - number

    def _prose(self, lines: Sequence[str], number: int, first: int) -> Generator[Element, None, int]:
        """A paragraph or a list item, up to the next blank line or the next block."""
        item = _ITEM.match(lines[number])
        term = None if item else _TERM.match(lines[number])
        end = number + 1
        while end < len(lines) and not self._interrupts(lines[end], within_list=item is not None or term is not None):
            end += 1
        texts = [line.rstrip() for line in lines[number:end]]
        kind = ElementKind.LIST_ITEM if item or term else ElementKind.TEXT
        label = ""
        if item:
            label, texts[0] = self._item_label(item[1]), item[2].removeprefix("[*] ").removeprefix("[x] ")
            texts[0] = texts[0].removeprefix("[ ] ")
        elif term:
            texts[0] = term[1] + (f": {term[2]}" if term[2] else "")
        else:
            self._end_lists()
        block, self._block = self._block, _Block()
        if name := block.label or (block.style if block.style in _ADMONITIONS else ""):
            label = f"{name}: {label}"
        yield from self._lines_element(kind, texts, first + number, label)
        return end - number

    def _lines_element(self, kind: ElementKind, texts: Sequence[str], first: int, label: str) -> Iterator[Element]:
        pairs = [
            (text, LineAnchor(first + offset, first + offset))
            for offset, line in enumerate(texts)
            if (text := self._shown(line.removesuffix(" +")))
        ]
        if pairs:
            text = label + "\n".join(text for text, _ in pairs)
            anchors = tuple(anchor for _, anchor in pairs)
            yield Element(kind, text, LineAnchor(anchors[0].first, anchors[-1].last), line_anchors=anchors)

    def _interrupts(self, line: str, *, within_list: bool) -> bool:
        if not line.strip() or line.strip() == "+":
            return True
        if _DELIMITER.match(line.rstrip()) or _BLOCK_ATTRIBUTES.match(line) or _BLOCK_MACRO.match(line):
            return True
        if line.startswith("//") or _DIRECTIVE.match(line):
            return True
        return _ITEM.match(line) is not None or (within_list and _TERM.match(line) is not None)

    def _item_label(self, marker: str) -> str:
        """What is shown before an item: its number in an ordered list, nothing before a bullet."""
        kind = marker if marker[0] in "*." else marker[-1]
        if kind in self._lists:
            for ended in self._lists[self._lists.index(kind) + 1 :]:
                self._counters.pop(ended, None)
            del self._lists[self._lists.index(kind) + 1 :]
        else:
            self._lists.append(kind)
        if marker[0] == ".":
            self._counters[kind] = self._counters.get(kind, 0) + 1
            return f"{self._counters[kind]}. "
        return f"{marker} " if marker[0].isalnum() or marker[1:2].isdecimal() else ""

    def _end_lists(self) -> None:
        self._lists, self._counters = [], {}


def _alternative_text(attributes: str) -> str:
    """The first positional attribute of a picture, or its `alt`."""
    named = {found[1]: found[2] or found[3] or found[4] or "" for found in _NAMED.finditer(attributes)}
    first = attributes.split(",", 1)[0].strip().strip('"')
    return named.get("alt", "" if "=" in first else first)


def _code(lines: Sequence[str], first: int) -> Iterator[Element]:
    filled = [offset for offset, line in enumerate(lines) if line.strip()]
    if filled:
        begin, end = filled[0], filled[-1] + 1
        anchors = tuple(LineAnchor(first + offset, first + offset) for offset in range(begin, end))
        text = "\n".join(lines[begin:end])
        yield Element(ElementKind.CODE, text, LineAnchor(first + begin, first + end - 1), line_anchors=anchors)


def _text_lines(lines: Sequence[str], first: int) -> Iterator[Element]:
    pairs = [(text, LineAnchor(first + n, first + n)) for n, line in enumerate(lines) if (text := one_line(line))]
    if pairs:
        anchors = tuple(anchor for _, anchor in pairs)
        text = "\n".join(text for text, _ in pairs)
        yield Element(ElementKind.TEXT, text, LineAnchor(anchors[0].first, anchors[-1].last), line_anchors=anchors)
