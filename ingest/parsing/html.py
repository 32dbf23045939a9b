"""HTML through lxml: headings, paragraphs, list items, tables and code, numbered in document order.

`unstructured` is not used: it neither numbers the blocks (the anchor) nor keeps cells that span rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import clean, one_line, squeeze
from ingest.parsing.charset import decode, detect_charset
from ingest.parsing.docx_numbering import number_text
from ingest.parsing.headings import numbered_heading
from ingest.parsing.tables import Row, table_element
from ingest.parsing.text import CHARSET_WARNING
from ingest.parsing.titles import document_title
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_.:-]+)", re.I)
_META_WITHIN = 4096
_KOREAN_NAMES = frozenset(
    {"euc-kr", "euckr", "ks_c_5601-1987", "ksc5601", "ks_c_5601", "ms949", "cp949", "windows-949"}
)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def _names(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


_SKIPPED = _names(
    "script style noscript template head nav iframe object embed svg canvas audio video select datalist map"
)
_BLOCKS = _names(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure",
    "footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu ol p pre section summary table",
    "tbody td tfoot th thead tr ul",
)
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_LIST_TYPES = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_HEADING = re.compile(r"h([1-6])$")
_MAX_DEPTH = 200
_MAX_SPAN = 200
_LAYOUT_CELL_CHARACTERS = 3_000
"""A cell this long is a column of a page laid out by a table, as Korean groupware still sends them."""


class HtmlParser:
    """Web pages saved to a file. What a browser hides and what leads elsewhere (`nav`) is left out."""

    name = "html/1"
    media_types = (media_types.HTML,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.HTML else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        data = path.read_bytes()
        text, replaced = decode(data, _charset(data, source))
        text = _XML_DECLARATION.sub("", clean(text))
        if not text.strip():
            raise NoTextFound(name=source.name)
        try:
            root = lxml_html.document_fromstring(text, parser=lxml_html.HTMLParser(huge_tree=True))
        except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
            raise FileDamaged(name=source.name, detail="HTML") from error
        elements = tuple(_Walker().blocks(root))
        if not elements:
            raise NoTextFound(name=source.name)
        title = document_title(root.findtext(".//title") or "", elements)
        warnings = (CHARSET_WARNING,) if replaced else ()
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings)


def _charset(data: bytes, source: SourceFile) -> str:
    """What the page declares, if the bytes agree; else what they look like."""
    detected = source.charset or detect_charset(data) or "utf-8"
    found = _META_CHARSET.search(data[:_META_WITHIN])
    if found is None or detected.startswith("utf"):
        return detected
    declared = found[1].decode("ascii").lower()
    if declared in _KOREAN_NAMES:
        return "cp949"
    try:
        data[:65536].decode(declared, errors="ignore")
    except LookupError:
        return detected
    return declared


class _Walker:
    """Collects inline text until a block begins or ends."""

    def __init__(self) -> None:
        self._count = 0
        self._inline: list[str] = []

    def blocks(self, root: Any) -> Iterator[Element]:
        """Elements of everything below `root`."""
        yield from self._walk(root, ElementKind.TEXT, 0)
        yield from self._flush(ElementKind.TEXT)

    def _walk(self, node: Any, kind: ElementKind, depth: int) -> Iterator[Element]:
        """Children of `node`, with the text between them."""
        self._inline.append(node.text or "")
        for child in node:
            if isinstance(child.tag, str) and not _is_hidden(child):
                yield from self._child(child, kind, depth + 1)
            self._inline.append(child.tail or "")

    def _child(self, node: Any, kind: ElementKind, depth: int) -> Iterator[Element]:
        tag = node.tag.lower()
        if tag == "br":
            self._inline.append("\n")
        elif tag == "img":
            self._inline.append(f" {node.get('alt', '')} ")
        elif depth > _MAX_DEPTH:
            self._inline.append(" ".join(node.itertext()))
        elif tag not in _BLOCKS:
            yield from self._walk(node, kind, depth)
        else:
            yield from self._flush(kind)
            yield from self._block(node, tag, kind, depth)

    def _block(self, node: Any, tag: str, kind: ElementKind, depth: int) -> Iterator[Element]:
        if found := _HEADING.match(tag):
            text = one_line(" ".join(_visible_text(node)))
            if text:
                yield Element(ElementKind.HEADING, text, self._next(), level=int(found[1]))
        elif tag in ("pre", "listing"):
            text = clean("".join(node.itertext())).strip("\n")
            if text.strip():
                yield Element(ElementKind.CODE, text, self._next())
        elif tag == "table" and not _is_layout(node):
            yield from self._table(node, kind, depth)
        else:
            inner = ElementKind.LIST_ITEM if tag in ("li", "dd", "dt") else kind
            if tag == "li" and (number := _list_number(node)):
                self._inline.append(number + " ")
            yield from self._walk(node, inner, depth)
            yield from self._flush(inner)

    def _table(self, node: Any, kind: ElementKind, depth: int) -> Iterator[Element]:
        for caption in node.iterchildren("caption"):
            yield from self._walk(caption, kind, depth + 1)
            yield from self._flush(kind)
        first = self._count + 1
        rows: list[Row] = [(cells, self._next()) for cells in _rows(node)]
        element = table_element(rows, ParagraphAnchor(first, max(first, self._count)))
        if element:
            yield element

    def _flush(self, kind: ElementKind) -> Iterator[Element]:
        """The inline text so far, as one element; a line break tag is a line end, white space in the source is not."""
        text = "\n".join(line for part in _split_breaks(self._inline) if (line := one_line(part)))
        self._inline = []
        if not text:
            return
        anchor = self._next()
        heading = numbered_heading(text) if kind is ElementKind.TEXT else None
        if heading:
            yield Element(ElementKind.HEADING, heading.title, anchor, level=heading.level)
            text = heading.rest
        if text and not (heading and not heading.rest):
            yield Element(kind, text, anchor)

    def _next(self) -> ParagraphAnchor:
        self._count += 1
        return ParagraphAnchor(self._count, self._count)


def _list_number(item: Any) -> str:
    """What a browser shows before an item of a numbered list."""
    ordered = item.getparent()
    if ordered is None or ordered.tag != "ol":
        return ""
    start = ordered.get("start", "1")
    place = sum(1 for _ in item.itersiblings("li", preceding=True))
    return (
        number_text(place + (int(start) if start.isdecimal() else 1), _LIST_TYPES.get(ordered.get("type", ""), ""))
        + "."
    )


def _split_breaks(parts: list[str]) -> list[str]:
    """Text between `br` tags, which stand in `parts` as a line feed alone."""
    lines = [""]
    for part in parts:
        if part == "\n":
            lines.append("")
        else:
            lines[-1] += part
    return lines


def _is_hidden(node: Any) -> bool:
    return (
        node.tag.lower() in _SKIPPED
        or node.get("hidden") is not None
        or node.get("aria-hidden") == "true"
        or _HIDDEN_STYLE.search(node.get("style", "")) is not None
    )


def _visible_text(node: Any) -> Iterator[str]:
    if node.text:
        yield node.text
    for child in node:
        if isinstance(child.tag, str) and not _is_hidden(child):
            if child.tag in _BLOCKS or child.tag == "br":
                yield " "
            yield from _visible_text(child)
        if child.tail:
            yield child.tail


def _is_layout(table: Any) -> bool:
    """A table that only places things: it says so, it holds tables or headings, or one cell is a page of text."""
    if table.get("role") in ("presentation", "none"):
        return True
    if next(table.iterdescendants("table", "h1", "h2", "h3"), None) is not None:
        return True
    cells = list(table.iterdescendants("td", "th"))
    return len(cells) < 2 or any(len(cell.text_content()) > _LAYOUT_CELL_CHARACTERS for cell in cells)


def _rows(table: Any) -> Iterator[tuple[str, ...]]:
    """Texts by column. A cell that spans rows is repeated in each, so that every row can be understood alone."""
    pending: dict[int, tuple[int, str]] = {}
    for row in table.iterdescendants("tr"):
        texts: list[str] = []
        cells = [cell for cell in row if isinstance(cell.tag, str) and cell.tag in ("td", "th")]
        for cell in cells:
            _take_pending(texts, pending)
            text = squeeze(" ".join(_visible_text(cell)))
            column, columns = len(texts), _span(cell, "colspan")
            texts += [text, *[""] * (columns - 1)]
            rows = _span(cell, "rowspan")
            if rows > 1:
                for offset in range(columns):
                    pending[column + offset] = (rows - 1, text if offset == 0 else "")
        _take_pending(texts, pending)
        yield tuple(texts)


def _take_pending(texts: list[str], pending: dict[int, tuple[int, str]]) -> None:
    """Fill the columns that cells from above still cover."""
    while len(texts) in pending:
        column = len(texts)
        left, text = pending[column]
        texts.append(text)
        if left > 1:
            pending[column] = (left - 1, text)
        else:
            del pending[column]


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(max(int(value), 1), _MAX_SPAN) if value.isdecimal() and len(value) < 6 else 1
