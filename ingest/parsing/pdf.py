"""PDF through PDFium: lines with boxes, ruled tables, headings by size and number.

PDFium reads about as well as PyMuPDF (AGPL) and much faster than pypdf or pdfminer (FACTS.md 6).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.ocr_queue import PAGES_WITHOUT_TEXT, OcrQueue, ReadPage
from ingest.parsing.page_numbers import page_ranges
from ingest.parsing.pdf_elements import Page, letters_of, lines_on_sheet, on_sheet, page_elements, unmapped_share
from ingest.parsing.pdf_extras import Extras, attachments, metadata_of, outline_of, page_extras, with_fields
from ingest.parsing.pdf_objects import page_objects
from ingest.parsing.pdf_page import Line, Lying, Turn, page_text, page_transform, turn_of
from ingest.parsing.pdf_seam import Seam
from ingest.parsing.pdf_tables import Rules, page_rules
from ingest.parsing.pdf_unmapped import is_unmapped
from ingest.parsing.scans import is_language, nothing_read, page_picture
from ingest.parsing.titles import document_title
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound

DAMAGED_PAGES = "damaged_pages"
"""Some pages can't be opened."""

UNMAPPED_CHARACTERS = "unmapped_characters"
"""A font does not say which characters its glyphs are; what was read in it is noise."""

HIDDEN_TEXT = "hidden_text"
"""Text that no reader sees was left out: invisible, in the colour of its background, tiny, off the page, or characters
without a width inside words."""

ATTACHMENTS = "attachments_not_read"
"""Files are attached to this one."""

_UNMAPPED_SHARE = 0.02
_NOISE = 0.3
"""A page with more unmapped characters is read from its picture."""

_SCAN_COVERAGE = 0.6
"""A picture over this share of a page is the page."""

_STAMP_LETTERS = 40
"""Page numbers and stamps that archives print on scans have fewer letters."""
_ENCRYPTED = (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY)


@dataclass(frozen=True, slots=True)
class _RawPage:
    """A page as PDFium gives it; `is_picture`: what it shows is not in its text layer."""

    number: int
    height: float
    lines: list[Line]
    rules: Rules
    is_picture: bool
    noise: float
    extras: Extras
    turn: Turn | None


class PdfParser:
    """Digital PDFs and scans, decided page by page."""

    name = "pdf/6"
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
        queue = OcrQueue(source.reader, lambda pages: source.has_read(pages, len(document)))
        pages, next_page = _read_pages(document, queue, warnings, source)
        empty = [page.lines.number for page in pages if not (page.lines.lines or page.tables)]
        if len(empty) == len(pages) and source.first_page == 1 and not next_page:
            raise nothing_read(queue, source.name)
        warnings |= queue.warnings()
        if unread := set(empty) - set(queue.read) - set(queue.left_out):
            warnings.add(f"{PAGES_WITHOUT_TEXT}:{page_ranges(unread)}")
        if unmapped_share(pages) > _UNMAPPED_SHARE:
            warnings.add(UNMAPPED_CHARACTERS)
        if count := attachments(document):
            warnings.add(f"{ATTACHMENTS}:{count}")
        seam = Seam.read(source.seam)
        elements = page_elements(pages, outline_of(document), seam)
        title = document_title(document.get_metadata_value("Title"), elements)
        return ParsedDocument(
            title,
            source.media_type,
            self.name,
            tuple(elements),
            len(document),
            tuple(sorted(warnings)),
            metadata_of(document),
            next_page=next_page,
            seam=seam.written() if next_page else "",
        )


def _open(path: Path, name: str) -> pdfium.PdfDocument:
    try:
        # The bytes, not the path: pypdfium2 resolves paths, and /proc/self/fd/N resolves to what the sandbox can't see.
        document = pdfium.PdfDocument(path.read_bytes())
        if document.get_formtype() != pdfium_c.FORMTYPE_NONE:
            document.init_forms()
        return document
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) in _ENCRYPTED:
            raise FileEncrypted(name=name) from error
        raise FileDamaged(name=name, detail="PDF") from error


def _read_pages(
    document: pdfium.PdfDocument, queue: OcrQueue, warnings: set[str], source: SourceFile
) -> tuple[list[Page], int]:
    """The pages from `source.first_page` on, and the number of the first that was left to another process; 0 for none."""
    pages: list[_RawPage] = []
    next_page = 0
    for index in range(source.first_page - 1, len(document)):
        if source.may_stop and (queue.left_out or (pages and source.is_spent())):
            next_page = index + 1
            break
        try:
            page = document[index]
        except pdfium.PdfiumError:
            warnings.add(DAMAGED_PAGES)
            continue
        pages.append(_read_text(page, index + 1, warnings))
        if pages[-1].is_picture:
            queue.add(index + 1, functools.partial(page_picture, page))
        else:
            queue.pass_by(index + 1)
        page.close()  # a long document must not hold all its pages
    read = queue.results()
    if source.may_stop:
        next_page = queue.stop(source.first_page) or next_page
    looked_at = [page for page in pages if not next_page or page.number < next_page]
    if any(page.lines and page.noise > _NOISE and page.number not in read for page in looked_at):
        warnings.add(UNMAPPED_CHARACTERS)
    taken = {
        page.number: read[page.number]
        for page in looked_at
        if page.number in read and _is_better(read[page.number], page)
    }
    queue.left_aside(read.keys() - taken.keys())
    return [_laid_out(page, taken.get(page.number)) for page in looked_at], next_page


def _is_better(read: ReadPage, page: _RawPage) -> bool:
    """Whether what OCR read says more than the page's text layer."""
    return page.noise > _NOISE or letters_of(read.lines) >= letters_of(page.lines)


def _laid_out(page: _RawPage, read: ReadPage | None) -> Page:
    """With what OCR read in place of a text layer that is worse."""
    lines, rules, height = page.lines, page.rules, page.height
    turn: Lying | None = page.turn
    comments, fields = page.extras.comments, page.extras.lines
    if read is not None:
        comments = tuple(on_sheet(item, page.number, turn, read.turn) for item in comments)
        fields = lines_on_sheet(fields, turn, read.turn)
        lines, rules, height = read.lines, Rules() if turn or read.turn else rules, read.height
        turn = read.turn
    lines = with_fields(lines, fields)
    return Page.laid_out(page.number, height, lines, rules, comments, turn)


def _read_text(page: pdfium.PdfPage, number: int, warnings: set[str], turn: Turn | None = None) -> _RawPage:
    """The text layer, and whether it is what a reader sees."""
    transform, width, height = page_transform(page)
    if turn:
        transform, width, height = turn.applied(transform), height, width
    objects = page_objects(page, transform)
    covered = objects.coverage(width, height) >= _SCAN_COVERAGE
    text_page = page.get_textpage()
    text = page_text(text_page, transform, (width, height), objects, keep_unseen=covered)
    unmapped = is_unmapped(text_page, text.lines)
    text_page.close()
    if turn is None and (needed := turn_of(text.lines, width, height)):
        return _read_text(page, number, warnings, needed)
    if turn:
        text.lines.sort(key=lambda line: line.box[1])  # PDFium orders such a sheet as if it were upright
    if text.hidden or text.masked:
        warnings.add(HIDDEN_TEXT)
    letters = letters_of(text.lines)
    noise = 1.0 if unmapped else text.noise
    noisy = noise > _NOISE or (covered and text.unseen > 0 and not is_language(text.lines))
    is_picture = (letters == 0 and objects.count > 0) or noisy or (covered and letters < _STAMP_LETTERS)
    extras = page_extras(page, number, transform)
    rules = page_rules(objects.paths)
    return _RawPage(number, height, text.lines, rules, is_picture, noise, extras, turn)
