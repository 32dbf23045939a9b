"""Pages that are pictures: how they are rendered for OCR, and when a text layer over one can be trusted."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pypdfium2 as pdfium

from ingest.parsing.ocr import MAX_PIXELS, GrayImage
from ingest.parsing.ocr_queue import OcrQueue
from ingest.parsing.pdf_page import Line
from rag.domain.errors import NoTextFound, OcrUnavailable, SeogoError

DPI = 300
"""What Tesseract is trained for. Coarser is hardly faster, as it scales lines anyway, and loses Korean syllables."""

_POINTS = 72.0
_EXPECTED = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣA-Za-z0-9\u4e00-\u9fff\u3040-\u30ff]")
_PUNCTUATION = re.compile(r"[\s.,:;()\[\]%/'\"·\-–—~&+=<>!?*₩$○●■□※①-⑳「」『』“”‘’]")
_MIN_EXPECTED = 0.85
_MIN_LETTERS = 0.5
_MAX_LONE = 0.45
"""Share of one-letter words above which a layer is crumbs; Korean prose has below 0.2, English below 0.1."""

_JUDGED_LETTERS = 20


def page_picture(page: pdfium.PdfPage) -> GrayImage:
    """The page as shown, in grey."""
    width, height = page.get_size()
    dpi = max(1, math.floor(min(DPI, _POINTS * math.sqrt(MAX_PIXELS / max(width * height, 1.0)))))
    bitmap = page.render(scale=dpi / _POINTS, grayscale=True)
    pixels = bytes(bitmap.buffer)
    if bitmap.stride != bitmap.width:
        rows = range(0, bitmap.stride * bitmap.height, bitmap.stride)
        pixels = b"".join(pixels[row : row + bitmap.width] for row in rows)
    image = GrayImage(bitmap.width, bitmap.height, dpi, pixels)
    bitmap.close()
    return image


def is_language(lines: Sequence[Line]) -> bool:
    """Whether an OCR layer reads as words: letters that are written here, and not one by one."""
    words = [word.text for line in lines for word in line.words]
    text = "".join(words)
    if len(text) < _JUDGED_LETTERS:
        return False
    letters = len(_EXPECTED.findall(text))
    lone = sum(len(word) == 1 and word.isalpha() for word in words)
    return (
        letters + len(_PUNCTUATION.findall(text)) >= _MIN_EXPECTED * len(text)
        and letters >= _MIN_LETTERS * len(text)
        and lone <= _MAX_LONE * len(words)
    )


def nothing_read(queue: OcrQueue, name: str) -> SeogoError:
    """Why a file of pictures has no text."""
    if queue.unread and queue.reader is not None and not queue.usable:
        return OcrUnavailable(name=name)
    return NoTextFound(name=name)
