"""What a PDF holds besides its pages' content: form values, comments, bookmarks, attachments, metadata."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.pdf_objects import Transform
from ingest.parsing.pdf_page import Line, Word, joined, rounded, same_row
from rag.domain.anchor import Box, PageAnchor
from rag.domain.document import DocumentMetadata, Element, ElementKind

_MAX_ANNOTATIONS = 2_000
_MAX_BOOKMARKS = 5_000
_MAX_DEPTH = 10
_MAX_CHARACTERS = 20_000
_FIELD_HEIGHT = 10.0
"""Points: what a form's text is at most high; a field for several lines is higher."""

_COMMENTS = frozenset({
    pdfium_c.FPDF_ANNOT_TEXT, pdfium_c.FPDF_ANNOT_FREETEXT, pdfium_c.FPDF_ANNOT_HIGHLIGHT, pdfium_c.FPDF_ANNOT_UNDERLINE,
    pdfium_c.FPDF_ANNOT_STRIKEOUT, pdfium_c.FPDF_ANNOT_SQUIGGLY, pdfium_c.FPDF_ANNOT_STAMP, pdfium_c.FPDF_ANNOT_CARET,
    pdfium_c.FPDF_ANNOT_SQUARE, pdfium_c.FPDF_ANNOT_CIRCLE, pdfium_c.FPDF_ANNOT_LINE, pdfium_c.FPDF_ANNOT_INK,
})  # fmt: skip
_WRITTEN = frozenset({
    pdfium_c.FPDF_FORMFIELD_TEXTFIELD, pdfium_c.FPDF_FORMFIELD_COMBOBOX, pdfium_c.FPDF_FORMFIELD_LISTBOX,
})  # fmt: skip
_TICKED = frozenset({pdfium_c.FPDF_FORMFIELD_CHECKBOX, pdfium_c.FPDF_FORMFIELD_RADIOBUTTON})
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(Z|[+-]\d\d)?'?(\d\d)?")
"""PDF 1.7, 7.9.4."""

Outline = dict[int, dict[str, int]]
"""Page to the titles that bookmarks have there (`bookmark_key`), with their levels from 1."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What annotations add to a page: form values as lines where they stand, comments as elements."""

    lines: tuple[Line, ...] = ()
    comments: tuple[Element, ...] = ()


def page_extras(page: pdfium.PdfPage, number: int, transform: Transform) -> Extras:
    """Form values need `PdfDocument.init_forms` before; without forms there are only comments."""
    lines: list[Line] = []
    comments: list[Element] = []
    form = page.formenv
    for annotation in _annotations(page):
        kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
        box = _box(annotation, transform)
        if kind == pdfium_c.FPDF_ANNOT_WIDGET and form and box:
            lines += _field_lines(form, annotation, box)
        elif kind in _COMMENTS and box:
            text = squeeze(_string(annotation, b"Contents"))
            if text:
                anchor = PageAnchor(number, number, ((number, rounded(box)),))
                comments.append(Element(ElementKind.TEXT, text, anchor))
    return Extras(tuple(lines), tuple(comments))


def with_fields(lines: Sequence[Line], fields: Sequence[Line]) -> list[Line]:
    """Form values put behind what stands to their left, or between the lines above and below."""
    result = list(lines)
    for field in fields:
        row = [index for index, line in enumerate(result) if not line.turned and same_row(line.box, field.box)]
        if row:
            index = min(row, key=lambda index: abs(result[index].box[2] - field.box[0]))
            result[index] = joined(result[index], field)
            continue
        below = (index for index, line in enumerate(result) if line.box[1] >= field.box[3] and not line.turned)
        result.insert(next(below, len(result)), field)
    return result


def _annotations(page: pdfium.PdfPage) -> Iterator[Any]:
    for index in range(min(pdfium_c.FPDFPage_GetAnnotCount(page), _MAX_ANNOTATIONS)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page, index)
        if annotation:
            try:
                yield annotation
            finally:
                pdfium_c.FPDFPage_CloseAnnot(annotation)


def _field_lines(form: Any, annotation: Any, box: Box) -> list[Line]:
    """A field's value, a line for each of its lines; a ticked box as what it is called."""
    kind = pdfium_c.FPDFAnnot_GetFormFieldType(form, annotation)
    text = ""
    if kind in _WRITTEN:
        text = _read(pdfium_c.FPDFAnnot_GetFormFieldValue, form, annotation)
    elif kind in _TICKED and pdfium_c.FPDFAnnot_IsChecked(form, annotation):
        text = "☑"
    rows = [row for row in squeeze(text).split("\n") if row]
    height = min(_FIELD_HEIGHT, (box[3] - box[1]) / max(len(rows), 1))
    top = (box[1] + box[3]) / 2 - height * len(rows) / 2
    return [_line(row, box, top + height * number, height) for number, row in enumerate(rows)]


def _line(text: str, box: Box, top: float, height: float) -> Line:
    """Words side by side from the field's left edge."""
    wide = (box[2] - box[0]) / max(len(text), 1)
    wide = min(wide, 0.6 * height)
    words = []
    at = box[0]
    for word in text.split():
        words.append(Word(word, (at, top, at + wide * len(word), top + height)))
        at += wide * (len(word) + 1)
    return Line(tuple(words), (box[0], top, max(at - wide, box[0] + 1), top + height), height, bold=False)


def _box(annotation: Any, transform: Transform) -> Box | None:
    rectangle = pdfium_c.FS_RECTF()
    if not pdfium_c.FPDFAnnot_GetRect(annotation, rectangle):
        return None
    x1, y1 = transform(rectangle.left, rectangle.top)
    x2, y2 = transform(rectangle.right, rectangle.bottom)
    return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def _string(annotation: Any, key: bytes) -> str:
    return _read(lambda buffer, length: pdfium_c.FPDFAnnot_GetStringValue(annotation, key, buffer, length))


def _read(function: Any, *arguments: Any) -> str:
    """A string in UTF-16, as PDFium gives them: its length first."""
    length = function(*arguments, None, 0)
    if length <= 2:
        return ""
    buffer = ctypes.create_string_buffer(length)
    function(*arguments, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), length)
    return buffer.raw[: min(length - 2, 2 * _MAX_CHARACTERS)].decode("utf-16-le", "replace")


def outline_of(document: pdfium.PdfDocument) -> Outline:
    """Titles of the bookmarks by page."""
    outline: Outline = {}
    for count, bookmark in enumerate(document.get_toc(max_depth=_MAX_DEPTH)):
        if count >= _MAX_BOOKMARKS:
            break
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        key = bookmark_key(bookmark.get_title())
        if page is not None and page >= 0 and key:
            outline.setdefault(page + 1, {}).setdefault(key, bookmark.level + 1)
    return outline


def bookmark_key(text: str) -> str:
    """Letters and digits alone: bookmarks and headings differ in spaces and dots."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).lower() if letter.isalnum())


def attachments(document: pdfium.PdfDocument) -> int:
    """How many files are attached."""
    return max(0, int(pdfium_c.FPDFDoc_GetAttachmentCount(document)))


def metadata_of(document: pdfium.PdfDocument) -> DocumentMetadata:
    """Author and dates."""
    return DocumentMetadata(
        author=one_line(document.get_metadata_value("Author")),
        created_at=_iso(document.get_metadata_value("CreationDate")),
        modified_at=_iso(document.get_metadata_value("ModDate")),
    )


def _iso(date: str) -> str:
    """`D:20260301093000+09'00'` as `2026-03-01T09:30:00+09:00`; empty for what is no date."""
    found = _DATE.match(date.strip())
    if not found:
        return ""
    year, month, day, hour, minute, second, zone, zone_minutes = found.groups()
    if not (1 <= int(month or 1) <= 12 and 1 <= int(day or 1) <= 31 and int(hour or 0) < 24 and int(minute or 0) < 60):
        return ""
    offset = "" if zone is None else "+00:00" if zone == "Z" else f"{zone}:{zone_minutes or '00'}"
    return f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}{offset}"
