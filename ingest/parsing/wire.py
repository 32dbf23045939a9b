"""`ParsedDocument` as JSON: how a result leaves the sandbox. No pickle: the bytes come from a process nobody trusts.

Files found inside the file follow the JSON as they are: base64 would cost a third of the output cap.

Anchors are short lists, not objects with names: a long PDF has one for every line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, overload

from rag.domain.anchor import (
    Anchor,
    Box,
    LineAnchor,
    MessageAnchor,
    PageAnchor,
    ParagraphAnchor,
    SheetAnchor,
    SlideAnchor,
)
from rag.domain.code import CodeOutline, Import, Reference, ReferenceRole, Symbol, SymbolKind
from rag.domain.document import ChildFile, DocumentMetadata, Element, ElementKind, ParsedDocument

_LENGTH_BYTES = 4
_WRONG = (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError)
"""What reading anything else than a document raises."""


class WireError(ValueError):
    """The bytes are not a document as `encode_document` writes it."""


class WrittenElements(Sequence[Element]):
    """Elements of a parse result as they are written: each is read when it is asked for, and none is held.

    What 300,000 rows take as objects keeps the service's heap from ever being as small again, and all that is done with most of
    them is to write them down. They have been read once, so that nothing is wrong with them.
    """

    def __init__(self, payload: bytes, start: int, count: int) -> None:
        self._payload = payload
        self._start = start
        self._count = count

    @property
    def lines(self) -> bytes:
        """What stands after the first line of `encode_document`, with the line end before it; empty for no elements."""
        return self._payload[self._start :]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Element]:
        if self._count:
            yield from map(_element_from_list, map(json.loads, _lines(self._payload, self._start + 1)))

    @overload
    def __getitem__(self, place: int) -> Element: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Element]: ...
    def __getitem__(self, place: int | slice) -> Element | Sequence[Element]:
        if isinstance(place, slice):
            return tuple(self)[place]
        if not -self._count <= place < self._count:
            raise IndexError(place)
        return next(islice(self, place % self._count, None))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sequence)
            and len(self) == len(other)
            and all(a == b for a, b in zip(self, other, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]


def encode_result(document: ParsedDocument) -> bytes:
    """The document and its children: lines of JSON, then JSON, each block after its length, then the children's bytes."""
    names = {
        "children": [[item.name, len(item.content)] for item in document.children],
        "next": document.next_child,
        "next_page": document.next_page,
        "seam": document.seam,
    }
    blocks = (encode_document(document), json.dumps(names).encode())
    lengths = [len(block).to_bytes(_LENGTH_BYTES, "big") for block in blocks]
    contents = (child.content for child in document.children)
    return b"".join([lengths[0], blocks[0], lengths[1], blocks[1], *contents])


def decode_result(payload: memoryview) -> ParsedDocument:
    """The inverse of `encode_result`.

    Raises:
        WireError: whatever is wrong with the payload.
    """
    head, rest = _block(payload)
    document = decode_head(head)
    names, contents = _block(rest)
    try:
        data = json.loads(names)
        sizes = [(_text(name), _integer(size)) for name, size in data["children"]]
        next_child, next_page, seam = _integer(data["next"]), _integer(data["next_page"]), _text(data["seam"])
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise WireError(f"not a list of children: {type(error).__name__}") from error
    if sum(size for _, size in sizes) != len(contents):
        raise WireError("the children's sizes are wrong")
    children, start = [], 0
    for name, size in sizes:
        children.append(ChildFile(name, bytes(contents[start : start + size])))
        start += size
    return replace(document, children=tuple(children), next_child=next_child, next_page=next_page, seam=seam)


def _block(payload: memoryview) -> tuple[bytes, memoryview]:
    """The first block of the payload, and what follows it."""
    end = _LENGTH_BYTES + int.from_bytes(payload[:_LENGTH_BYTES], "big")
    if len(payload) < end:
        raise WireError("cut off")
    return bytes(payload[_LENGTH_BYTES:end]), payload[end:]


def encode_document(document: ParsedDocument) -> bytes:
    """Lines of UTF-8 JSON: the document without its elements, then each of them; the children are left out.

    A line at a time, in both directions: what JSON holds of 300,000 rows while it reads or writes them together takes more than
    the rows themselves.
    """
    head = {
        "title": document.title,
        "media_type": document.media_type,
        "parser": document.parser,
        "pages": document.pages,
        "warnings": document.warnings,
        "metadata": _metadata_to_list(document.metadata),
        "outline": None if document.outline is None else outline_to_list(document.outline),
        "lines": len(document.elements),
    }
    if isinstance(document.elements, WrittenElements):
        return _json(head) + document.elements.lines
    return b"\n".join((_json(head), *(_json(_element_to_list(element)) for element in document.elements)))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def decode_document(payload: bytes) -> ParsedDocument:
    """The inverse of `encode_document`; also of what earlier releases wrote, which had the elements in the first line.

    Raises:
        WireError: whatever is wrong with the payload.
    """
    document = decode_head(payload, checked=False)
    if not isinstance(document.elements, WrittenElements):
        return document
    try:
        return replace(document, elements=tuple(document.elements))
    except _WRONG as error:
        raise WireError(f"not a document: {type(error).__name__}") from error


def decode_head(payload: bytes, *, checked: bool = True) -> ParsedDocument:
    """The document with `WrittenElements`.

    Args:
        checked: whether each element is read and let go; without that, reading one later may raise what is wrong with it.

    Raises:
        WireError: whatever is wrong with the payload.
    """
    try:
        end = payload.find(b"\n")
        start = end if end >= 0 else len(payload)
        data = json.loads(payload[:start])
        elements = _written(payload, start, data)
        document = ParsedDocument(
            title=_text(data["title"]),
            media_type=_text(data["media_type"]),
            parser=_text(data["parser"]),
            elements=elements,
            pages=_integer(data["pages"]),
            warnings=tuple(_text(warning) for warning in data["warnings"]),
            metadata=_metadata_from_list(data["metadata"]),
            outline=None if data["outline"] is None else outline_from_list(data["outline"]),
        )
        if checked:
            for _ in elements:
                pass
    except _WRONG as error:
        raise WireError(f"not a document: {type(error).__name__}") from error
    return document


def _written(payload: bytes, start: int, data: dict[str, Any]) -> Sequence[Element]:
    """The elements behind the first line, or those in it (earlier releases)."""
    behind = payload.count(b"\n", start)
    first = tuple(map(_element_from_list, _taken_out(data.pop("elements", []))))
    if len(first) + behind != data.get("lines", len(first) + behind):
        raise ValueError("cut off")
    if not first:
        return WrittenElements(payload, start, behind)
    return (*first, *WrittenElements(payload, start, behind))


def _lines(payload: bytes, start: int) -> Iterator[bytes]:
    """One after the other, from an offset on; in JSON no line end stands as it is."""
    while (end := payload.find(b"\n", start)) >= 0:
        yield payload[start:end]
        start = end + 1
    yield payload[start:]


def _taken_out(items: Any) -> Iterator[Any]:
    """Each of a list, in order, which then is no longer held: what is made of it need not lie beside all that it is made of."""
    if not isinstance(items, list):
        raise TypeError("not a list")
    for place, item in enumerate(items):
        items[place] = None
        yield item


def _metadata_to_list(metadata: DocumentMetadata) -> list[Any]:
    return [metadata.author, metadata.created_at, metadata.modified_at, metadata.attributes]


def _metadata_from_list(item: Any) -> DocumentMetadata:
    author, created_at, modified_at, attributes = item
    pairs = tuple((_text(name), _text(value)) for name, value in attributes)
    return DocumentMetadata(_text(author), _text(created_at), _text(modified_at), pairs)


def _element_to_list(element: Element) -> list[Any]:
    lines = [anchor_to_list(anchor) for anchor in element.line_anchors]
    return [element.kind.value, element.text, element.level, anchor_to_list(element.anchor), lines]


def _element_from_list(item: Any) -> Element:
    kind, text, level, anchor, lines = item
    return Element(
        kind=ElementKind(kind),
        text=_text(text),
        anchor=anchor_from_list(anchor),
        level=_integer(level),
        line_anchors=tuple(map(anchor_from_list, _taken_out(lines))),
    )


def outline_to_list(outline: CodeOutline) -> list[Any]:
    """The outline as short lists."""
    symbols = [[s.name, s.path, s.kind.value, s.signature, s.first, s.last, s.doc, s.test] for s in outline.symbols]
    references = [[r.name, r.role.value, r.lines, r.enclosing, r.qualifier] for r in outline.references]
    imports = [[i.module, i.line, i.names] for i in outline.imports]
    return [outline.language, symbols, references, imports, outline.broken]


def outline_from_list(item: Any) -> CodeOutline:
    """The inverse of `outline_to_list`.

    Raises:
        KeyError, IndexError, TypeError, ValueError: it is not one.
    """
    language, symbols, references, imports, broken = item
    return CodeOutline(
        _text(language),
        tuple(_symbol(row) for row in symbols),
        tuple(_reference(row) for row in references),
        tuple(Import(_text(m), _integer(line), tuple(_text(n) for n in names)) for m, line, names in imports),
        broken is True,
    )


def _symbol(row: Any) -> Symbol:
    name, path, kind, signature, first, last, doc, test = row
    lines = (_integer(first), _integer(last))
    return Symbol(_text(name), _text(path), SymbolKind(kind), _text(signature), *lines, _text(doc), test is True)


def _reference(row: Any) -> Reference:
    name, role, lines, enclosing, qualifier = row
    places = tuple(_integer(line) for line in lines)
    return Reference(_text(name), ReferenceRole(role), places, _text(enclosing), _text(qualifier))


def anchor_to_list(anchor: Anchor) -> list[Any]:
    """The anchor as a short list."""
    match anchor:
        case PageAnchor(page, last_page, boxes):
            return ["page", page, last_page, boxes]
        case ParagraphAnchor(first, last):
            return ["paragraph", first, last]
        case SheetAnchor(sheet, cells):
            return ["sheet", sheet, cells]
        case SlideAnchor(slide, last_slide):
            return ["slide", slide, last_slide]
        case LineAnchor(first, last):
            return ["lines", first, last]
        case MessageAnchor(part, first, last):
            return ["message", part, first, last]


def anchor_from_list(item: Any) -> Anchor:
    """The inverse of `anchor_to_list`.

    Raises:
        TypeError, ValueError: it is not one.
    """
    match item:
        case ["page", page, last_page, boxes]:
            return PageAnchor(_integer(page), _integer(last_page), tuple(_page_box(box) for box in boxes))
        case ["paragraph", first, last]:
            return ParagraphAnchor(_integer(first), _integer(last))
        case ["sheet", sheet, cells]:
            return SheetAnchor(_text(sheet), _text(cells))
        case ["slide", slide, last_slide]:
            return SlideAnchor(_integer(slide), _integer(last_slide))
        case ["lines", first, last]:
            return LineAnchor(_integer(first), _integer(last))
        case ["message", part, first, last]:
            return MessageAnchor(_text(part), _integer(first), _integer(last))
        case _:
            raise ValueError("not an anchor")


def _page_box(item: Any) -> tuple[int, Box]:
    page, (left, top, right, bottom) = item
    return _integer(page), (_number(left), _number(top), _number(right), _number(bottom))


def _text(value: Any) -> str:
    """A string that can be stored: JSON escapes can smuggle in lone surrogates and NUL, which no database takes."""
    if not isinstance(value, str) or "\0" in value:
        raise TypeError("not a text")
    value.encode()
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise TypeError("not a count that a database takes")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError("not a number")
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("not a finite number")
    return float(value)
