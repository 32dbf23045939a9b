"""Pages whose text is glyph numbers: a font of its own glyphs, without a table that says which characters they are.

PDFium then takes the numbers for characters (`"7+%-` for a word of five letters) and reports no error.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.pdf_page import Line

_SYMBOLIC = 4
"""Of the font's flags, PDF 1.7, table 123: its glyphs are not those of a Latin alphabet."""

_LETTERS = 0.5
"""A page of language has more letters and digits than this share of its characters, a page of figures too."""

_MOST = 0.8
"""So many of a page's characters stand in such fonts."""

_MIN_CHARACTERS = 4
_SPACE = 32


def is_unmapped(text_page: pdfium.PdfTextPage, lines: Sequence[Line]) -> bool:
    """Most of what the page says is marks, in fonts of which only the page's picture tells what they show."""
    text = "".join(word.text for line in lines for word in line.words)
    if len(text) < _MIN_CHARACTERS or sum(map(str.isalnum, text)) >= _LETTERS * len(text):
        return False
    raw, flags = text_page.raw, ctypes.c_int()
    symbolic = characters = 0
    for index in range(text_page.count_chars()):
        if pdfium_c.FPDFText_GetUnicode(raw, index) <= _SPACE:
            continue
        characters += 1
        pdfium_c.FPDFText_GetFontInfo(raw, index, None, 0, flags)
        symbolic += bool(flags.value & _SYMBOLIC)
    return symbolic >= _MOST * characters
