"""PDF through PDFium: lines with boxes, ruled tables, headings by size and number.

PDFium reads about as well as PyMuPDF (AGPL) and much faster than pypdf or pdfminer (FACTS.md 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.pdf_layout import (
    PageLines,
    body_height,
    group_elements,
    heading_sizes,
    marks_word_ends,
    mend_divided_words,
    nested,
    paragraphs,
    vocabulary_of,
    without_running_lines,
)
from ingest.parsing.pdf_page import Line, page_lines, page_transform
from ingest.parsing.pdf_rows import visual_rows
from ingest.parsing.pdf_tables import Rules, find_grids, grid_table, page_rules, without
from ingest.parsing.pdf_unruled import find_unruled
from ingest.parsing.titles import document_title
from rag.domain.anchor import PageAnchor
from rag.domain.document import Element, ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound

PAGES_WITHOUT_TEXT = "pages_without_text"
"""Some pages have no text layer (scans); the others were read."""

DAMAGED_PAGES = "damaged_pages"
"""Some pages can't be opened."""

UNMAPPED_CHARACTERS = "unmapped_characters"
"""A font does not say which characters its glyphs are; what was read in it is noise."""

_UNMAPPED_SHARE = 0.02
_ENCRYPTED = (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY)


@dataclass(frozen=True, slots=True)
class _Page:
    lines: PageLines
    tables: tuple[Element, ...]


class PdfParser:
    """Digital PDFs. Scans have no text layer: `NoTextFound`."""

    name = "pdf/1"
    media_types = (media_types.PDF,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.PDF else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        document = _open(path, source.name)
        if len(document) == 0:
            raise NoTextFound(name=source.name)
        warnings: set[str] = set()
        pages = _read_pages(document, warnings)
        if not any(page.lines.lines or page.tables for page in pages):
            raise NoTextFound(name=source.name)
        if not all(page.lines.lines or page.tables for page in pages):
            warnings.add(PAGES_WITHOUT_TEXT)
        if _unmapped_share(pages) > _UNMAPPED_SHARE:
            warnings.add(UNMAPPED_CHARACTERS)
        elements = nested(_elements(pages))
        title = document_title(document.get_metadata_value("Title"), elements)
        return ParsedDocument(
            title, source.media_type, self.name, tuple(elements), len(document), tuple(sorted(warnings))
        )


def _open(path: Path, name: str) -> pdfium.PdfDocument:
    try:
        # The bytes, not the path: pypdfium2 resolves paths, and /proc/self/fd/N resolves to what the sandbox can't see.
        return pdfium.PdfDocument(path.read_bytes())
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) in _ENCRYPTED:
            raise FileEncrypted(name=name) from error
        raise FileDamaged(name=name, detail="PDF") from error


def _read_pages(document: pdfium.PdfDocument, warnings: set[str]) -> list[_Page]:
    pages = []
    for index in range(len(document)):
        try:
            page = document[index]
        except pdfium.PdfiumError:
            warnings.add(DAMAGED_PAGES)
            continue
        pages.append(_read_page(page, index + 1))
        page.close()  # a long document must not hold all its pages
    return pages


def _read_page(page: pdfium.PdfPage, number: int) -> _Page:
    transform, _, height = page_transform(page)
    text_page = page.get_textpage()
    lines = page_lines(text_page, transform)
    tables = []
    rules = page_rules(page, transform) if lines else Rules()
    for grid in find_grids(rules):
        outside, words = without(lines, grid.box)
        table = grid_table(grid, words, number)
        if table:
            tables.append(table)
            lines = outside
    for found in find_unruled(visual_rows(lines), rules.horizontal, number):
        table = found.element()
        if table:
            tables.append(table)
            lines, _ = without(lines, found.box)
    text_page.close()
    return _Page(PageLines(number, height, tuple(lines)), tuple(tables))


def _elements(pages: Sequence[_Page]) -> list[Element]:
    kept = without_running_lines([page.lines for page in pages])
    every_line = [line for page in kept for line in page.lines]
    body = body_height(every_line)
    spaced, vocabulary = marks_word_ends(every_line), vocabulary_of(every_line)
    groups_of_page: list[list[list[Line]]] = []
    for lines in kept:
        groups = paragraphs(lines.lines, body)
        groups_of_page.append([mend_divided_words(group, spaced, vocabulary) for group in groups])
    sizes = heading_sizes((group for groups in groups_of_page for group in groups), body)
    elements: list[Element] = []
    for page, groups in zip(pages, groups_of_page, strict=True):
        number = page.lines.number
        placed = [(group[0].box[1], group_elements(group, number, sizes, body)) for group in groups if group]
        elements += _with_tables(placed, page.tables)
    return elements


def _with_tables(placed: list[tuple[float, list[Element]]], tables: Sequence[Element]) -> list[Element]:
    """Each table goes before the first paragraph that begins below its top."""
    result: list[Element] = []
    waiting = list(tables)
    for top, found in placed:
        while waiting and _top(waiting[0]) <= top:
            result.append(waiting.pop(0))
        result += found
    return [*result, *waiting]


def _top(table: Element) -> float:
    anchor = table.anchor
    return anchor.boxes[0][1][1] if isinstance(anchor, PageAnchor) and anchor.boxes else 0.0


def _unmapped_share(pages: Sequence[_Page]) -> float:
    text = "".join(word.text for page in pages for line in page.lines.lines for word in line.words)
    unmapped = sum(1 for character in text if character == "\ufffd" or "\ue000" <= character <= "\uf8ff")
    return unmapped / max(len(text), 1)
