"""reStructuredText through docutils: files are not included, raw blocks are not taken, unknown directives keep their text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.asciidoc import INCLUDES_NOT_FOLLOWED
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import clean, one_line, squeeze
from ingest.parsing.iso_dates import iso_date
from ingest.parsing.tables import Row, table_element
from ingest.parsing.text import read_lines
from ingest.parsing.titles import document_title
from rag.domain.anchor import LineAnchor
from rag.domain.document import DocumentMetadata, Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound, ParseLimitExceeded

_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 6,
    "syntax_highlight": "none",
    "line_length_limit": 100_000,
    "_disable_config": True,
    "warning_stream": False,
    "input_encoding": "unicode",
}
_ROLE = re.compile(r":[\w:+-]{1,60}:`([^`]{1,1000})`")
_TARGET = re.compile(r"\s*<[^<>]{1,500}>$")
_OPTION = re.compile(r"\s*:[\w-]+:")
_DIRECTIVE = re.compile(r"\.\.\s+([\w:+-]+)::\s*(.*)$")
_LISTS_OF_FILES = frozenset({"toctree", "include", "literalinclude", "highlight", "index", "raw", "contents"})
_CODE = frozenset({"code-block", "sourcecode", "code", "parsed-literal", "doctest", "prompt", "ipython"})
_MAX_DEPTH = 100
_ADMONITIONS = frozenset(["attention", "caution", "danger", "error", "hint", "important", "note", "tip", "warning"])
_ATTRIBUTES = ("version", "status", "organization", "contact", "copyright")


class RstParser:
    """Sections, paragraphs, lists, tables and code, with the lines that docutils knows them by."""

    name = "rst/1"
    media_types = (media_types.RST,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.RST else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        tree = _tree("\n".join(lines), source.name)
        walker = _Walker(lines)
        elements = tuple(walker.elements(tree))
        if not elements:
            raise NoTextFound(name=source.name)
        warnings += (INCLUDES_NOT_FOLLOWED,) * walker.includes
        title = document_title("", elements)
        return ParsedDocument(
            title, source.media_type, self.name, elements, warnings=warnings, metadata=_metadata(tree)
        )


def _tree(text: str, name: str) -> Any:
    from docutils.core import publish_doctree

    try:
        return publish_doctree(text, settings_overrides=_SETTINGS)
    except RecursionError as error:
        raise ParseLimitExceeded(name=name, resource="nesting") from error
    except Exception as error:  # docutils lets AttributeError, IndexError and others through on nonsense
        raise FileDamaged(name=name, detail="reStructuredText") from error


def _metadata(tree: Any) -> DocumentMetadata:
    from docutils import nodes

    said: dict[str, str] = {}
    for info in list(tree.findall(nodes.docinfo))[:1]:
        for item in info.children:
            if isinstance(item, nodes.field) and len(item.children) == 2:
                said.setdefault(one_line(item.children[0].astext()).lower(), one_line(item.children[1].astext()))
            else:
                said.setdefault(item.tagname, one_line(item.astext()))
    author = said.get("author") or said.get("authors", "")
    attributes = tuple((key, said[key][:300]) for key in _ATTRIBUTES if said.get(key))
    return DocumentMetadata(author[:300], "", iso_date(said.get("date", "")), attributes)


class _Walker:
    """Goes through the tree once; `includes` once a file was named that is not followed."""

    def __init__(self, lines: Sequence[str]) -> None:
        from docutils import nodes

        self.includes = False
        self._nodes = nodes
        self._lines = lines
        self._at = 1
        """The line reached so far: what docutils gives no line for stands here."""

    def elements(self, tree: Any) -> Iterator[Element]:
        """Elements in document order."""
        yield from self._children(tree, ElementKind.TEXT, 1, 0)

    def _children(self, node: Any, kind: ElementKind, level: int, depth: int) -> Iterator[Element]:
        if depth > _MAX_DEPTH:
            yield from self._text(node, kind)
            return
        for child in node.children:
            yield from self._one(child, kind, level, depth + 1)

    def _one(self, node: Any, kind: ElementKind, level: int, depth: int) -> Iterator[Element]:
        nodes = self._nodes
        if isinstance(node, (nodes.title, nodes.subtitle, nodes.rubric)):
            yield from self._heading(node, level + isinstance(node, nodes.subtitle))
        elif isinstance(node, nodes.section):
            deeper = level + any(isinstance(part, nodes.title) for part in node.parent.children)
            yield from self._children(node, kind, min(deeper, 6), depth)
        elif isinstance(node, nodes.list_item):
            yield from self._item(node, level, depth)
        elif isinstance(node, nodes.Admonition) and node.tagname in _ADMONITIONS:
            yield from self._labelled(node, node.tagname.upper() + ": ", kind, level, depth)
        elif (leaf := self._leaf(node, kind)) is not None:
            yield from leaf
        else:
            inner = ElementKind.LIST_ITEM if isinstance(node, (nodes.definition_list_item, nodes.footnote)) else kind
            yield from self._children(node, inner, level, depth)

    def _leaf(self, node: Any, kind: ElementKind) -> Iterator[Element] | None:
        """Elements of a node that is read as a whole; None for one that holds others."""
        nodes = self._nodes
        if isinstance(node, _unseen(nodes)):
            return iter(())
        if isinstance(node, nodes.system_message):
            return self._unknown(node)
        if isinstance(node, nodes.table):
            return self._table(node)
        if isinstance(node, (nodes.literal_block, nodes.doctest_block, nodes.math_block)):
            return self._code(node)
        if isinstance(node, (nodes.paragraph, nodes.line_block, nodes.term, nodes.caption, nodes.attribution)):
            return self._text(node, kind)
        if isinstance(node, nodes.image):
            text = one_line(node.get("alt", ""))
            return iter([Element(kind, text, self._anchor(node, 1))] if text else ())
        if isinstance(node, (nodes.field, nodes.option_list_item)):
            return self._text(node, ElementKind.LIST_ITEM, ": ")
        return None

    def _heading(self, node: Any, level: int) -> Iterator[Element]:
        if text := one_line(self._shown(node)):
            anchor = self._anchor(node, 1)
            # docutils counts the underline as the title's line.
            first = next((n for n in (anchor.first - 1, anchor.first) if n > 0 and self._begins(n, text)), anchor.first)
            yield Element(ElementKind.HEADING, text, LineAnchor(first, first), level=min(level, 6))

    def _begins(self, number: int, text: str) -> bool:
        return text[:8] in one_line(self._lines[number - 1]) if number <= len(self._lines) else False

    def _item(self, node: Any, level: int, depth: int) -> Iterator[Element]:
        """A list item, with its number where the list is an ordered one."""
        parent = node.parent
        label = ""
        if isinstance(parent, self._nodes.enumerated_list):
            number = parent.index(node) + int(parent.get("start", 1))
            label = f"{parent.get('prefix', '')}{number}{parent.get('suffix', '.')} "
        yield from self._labelled(node, label, ElementKind.LIST_ITEM, level, depth)

    def _labelled(self, node: Any, label: str, kind: ElementKind, level: int, depth: int) -> Iterator[Element]:
        for element in self._children(node, kind, level, depth):
            if label and element.kind is kind:
                yield Element(kind, label + element.text, element.anchor, line_anchors=element.line_anchors)
                label = ""
            else:
                yield element

    def _text(self, node: Any, kind: ElementKind, separator: str = "") -> Iterator[Element]:
        if separator:
            text = separator.join(one_line(self._shown(child)) for child in node.children)
        else:
            text = squeeze(self._shown(node))
        if text.strip(" :"):
            lines = text.split("\n")
            anchor = self._anchor(node, len(lines))
            anchors = tuple(LineAnchor(n, n) for n in range(anchor.first, anchor.last + 1))
            yield Element(kind, text, anchor, line_anchors=anchors if len(anchors) == len(lines) else ())

    def _code(self, node: Any) -> Iterator[Element]:
        text = clean(node.astext()).strip("\n")
        if text.strip():
            lines = text.split("\n")
            first = self._found(lines[0], self._line(node))
            last = min(first + len(lines) - 1, len(self._lines))
            anchors = tuple(LineAnchor(n, n) for n in range(first, last + 1))
            kept = anchors if len(anchors) == len(lines) else ()
            self._at = last
            yield Element(ElementKind.CODE, text, LineAnchor(first, last), line_anchors=kept)

    def _table(self, node: Any) -> Iterator[Element]:
        nodes = self._nodes
        for title in node.children:
            if isinstance(title, nodes.title):
                yield from self._text(title, ElementKind.TEXT)
        rows: list[Row] = []
        for row in node.findall(nodes.row):
            cells: list[str] = []
            lines = [part.line for part in row.findall() if getattr(part, "line", None)]
            first = min(max(min(lines, default=self._at), 1), len(self._lines))
            for entry in row.children:
                text = one_line(self._shown(entry))
                cells += [text, *[text] * min(int(entry.get("morecols", 0)), 50)]
            rows.append((tuple(cells), LineAnchor(first, min(max(max(lines, default=first), first), len(self._lines)))))
        anchors = [anchor for _, anchor in rows if isinstance(anchor, LineAnchor)]
        if anchors:
            whole = LineAnchor(min(a.first for a in anchors), max(a.last for a in anchors))
            self._at = whole.last
            element = table_element(rows, whole)
            if element:
                yield element

    def _unknown(self, node: Any) -> Iterator[Element]:
        """A directive that docutils does not know, such as Sphinx's: its text without its options."""
        for block in node.children:
            if not isinstance(block, self._nodes.literal_block):
                continue
            head, *body = clean(block.astext()).split("\n")
            found = _DIRECTIVE.match(head)
            name = found[1] if found else ""
            if name in _LISTS_OF_FILES:
                self.includes = self.includes or "include" in name
                continue
            while body and (not body[0].strip() or _OPTION.match(body[0])):
                body.pop(0)
            code = name in _CODE
            texts = [line for line in body if code or line.strip()]
            if not code:
                texts = [text for line in [found[2] if found else head, *texts] if (text := _without_roles(line))]
            if any(text.strip() for text in texts):
                kind = ElementKind.CODE if code else ElementKind.TEXT
                text = "\n".join(_dedented(texts) if code else texts).strip("\n")
                first = self._found(text.split("\n")[0].strip(), self._line(node))
                last = min(first + text.count("\n"), len(self._lines))
                yield Element(kind, text, LineAnchor(first, last))

    def _shown(self, node: Any) -> str:
        """Text without the system messages in it; unknown roles give the text that they would show."""
        nodes = self._nodes
        parts: list[str] = []
        for child in node.children:
            if isinstance(child, nodes.Text):
                parts.append(child.astext())
            elif isinstance(child, nodes.problematic):
                parts.append(_without_roles(child.astext()))
            elif isinstance(child, nodes.image):
                parts.append(f" {child.get('alt', '')} ")
            elif isinstance(child, (nodes.footnote_reference, nodes.citation_reference)):
                parts.append(f"[{child.astext()}]")
            elif not isinstance(child, nodes.system_message):
                apart = "" if isinstance(child, nodes.Inline) else "\n"
                parts.append(self._shown(child) + apart)
        return "".join(parts)

    def _line(self, node: Any) -> int:
        line = node.line
        while line is None and node.parent is not None:
            node = node.parent
            line = node.line
        return min(max(int(line or self._at), 1), len(self._lines))

    def _anchor(self, node: Any, lines: int) -> LineAnchor:
        first = self._line(node)
        self._at = min(first + lines - 1, len(self._lines))
        return LineAnchor(first, self._at)

    def _found(self, text: str, near: int) -> int:
        """The line that holds `text`, near line `near`; docutils gives blocks the line they begin or end at."""
        for distance in range(200):
            for number in (near + distance, near - distance):
                if 0 < number <= len(self._lines) and text.strip() and text.strip() in self._lines[number - 1]:
                    return number
        return near


def _unseen(nodes: Any) -> tuple[type, ...]:
    return (nodes.comment, nodes.substitution_definition, nodes.target, nodes.docinfo, nodes.decoration)


def _without_roles(text: str) -> str:
    return one_line(_ROLE.sub(lambda found: _TARGET.sub("", found[1]).lstrip("~!"), text))


def _dedented(lines: Sequence[str]) -> list[str]:
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[indent:] for line in lines]
