"""PPTX through `unstructured`, which orders shapes as they stand on the slide; charts are added here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.charts import chart_elements
from ingest.parsing.containers import UNREADABLE, open_zip
from ingest.parsing.ooxml import COMMENTS_LEFT_OUT, Package
from ingest.parsing.tables import table_element
from ingest.parsing.titles import document_title
from ingest.parsing.unstructured_adapter import Piece, UnstructuredPptx
from rag.domain.anchor import SlideAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound


class PptxParser:
    """PowerPoint presentations."""

    name = "pptx/1"
    media_types = (media_types.PPTX,)

    def __init__(self) -> None:
        self._partition = UnstructuredPptx()

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.PPTX else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_zip(path, source.name) as archive:
            package = Package(archive, source.name)
            title, charts = package.title(), chart_elements(package)
            warnings = (COMMENTS_LEFT_OUT,) if package.has_comments() else ()
        try:
            pieces = self._partition.pieces(path)
        except UNREADABLE as error:
            raise FileDamaged(name=source.name, detail="PPTX") from error
        elements = tuple(_with_charts(list(_elements(pieces)), charts))
        if not elements:
            raise NoTextFound(name=source.name)
        title = document_title(title, elements)
        slides = max(anchor.last_slide for element in elements if isinstance(anchor := element.anchor, SlideAnchor))
        return ParsedDocument(title, source.media_type, self.name, elements, slides, warnings)


def _with_charts(elements: Sequence[Element], charts: dict[int, list[Element]]) -> Iterator[Element]:
    """The charts of a slide after its text."""
    waiting = dict(charts)
    for element in elements:
        slide = element.anchor.slide if isinstance(element.anchor, SlideAnchor) else 0
        for number in sorted(number for number in waiting if number < slide):
            yield from waiting.pop(number)
        yield element
    for number in sorted(waiting):
        yield from waiting[number]


def _elements(pieces: Sequence[Piece]) -> Iterator[Element]:
    for piece in pieces:
        anchor = SlideAnchor(piece.page, piece.page)
        if piece.rows:
            table = table_element([(row, anchor) for row in piece.rows], anchor)
            if table:
                yield table
            continue
        text = squeeze(piece.text)
        if not text:
            continue
        if piece.category == "Title" and piece.depth == 0:
            yield Element(ElementKind.HEADING, one_line(text), anchor, level=1)
        else:
            kind = ElementKind.LIST_ITEM if piece.category == "ListItem" else ElementKind.TEXT
            yield Element(kind, text, anchor)
