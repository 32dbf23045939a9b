"""Pictures as documents: photographs and scans, read by OCR. A TIFF may have many pages.

Pillow decodes, and only the formats named here. Sizes are checked before a pixel is decoded; the parser's child has its
own memory limit besides.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.ocr import MAX_PIXELS, GrayImage
from ingest.parsing.ocr_queue import PAGES_WITHOUT_TEXT, OcrQueue
from ingest.parsing.page_numbers import page_ranges
from ingest.parsing.pdf_elements import Page, page_elements
from ingest.parsing.pdf_seam import Seam
from ingest.parsing.pdf_tables import Rules
from ingest.parsing.scans import nothing_read
from ingest.parsing.titles import document_title
from rag.domain.document import DocumentMetadata, ParsedDocument
from rag.domain.errors import FileDamaged, ParseLimitExceeded

_FORMATS = {
    media_types.PNG: "PNG",
    media_types.JPEG: "JPEG",
    media_types.TIFF: "TIFF",
    media_types.WEBP: "WEBP",
    media_types.BMP: "BMP",
}
_MAX_DECODED = 120_000_000
"""Pixels of one page: an A0 plan at 300 dpi has 139 million, of which a child with 1 GiB could not hold three copies."""

_MAX_FRAMES = 1_000
_USUAL_DPI = 300
_PLAUSIBLE_DPI = (70, 1200)
_SMALL_WIDTH = 1_200
"""A page of fewer pixels across is a photograph or a screenshot: its letters are enlarged for Tesseract."""

_MAX_ENLARGED = 2.5
_DATE_TAG = 306
"""TIFF 6.0 and Exif: DateTime, `YYYY:MM:DD HH:MM:SS`."""

Image.MAX_IMAGE_PIXELS = _MAX_DECODED


class PictureParser:
    """PNG, JPEG, TIFF, WEBP and BMP."""

    name = "picture/4"
    media_types = tuple(_FORMATS)

    def bid(self, identified: Identified) -> int:
        """Made for them."""
        return 100 if identified.media_type in _FORMATS else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`. Anchors are in points at the picture's own resolution."""
        heights: dict[int, float] = {}
        count = pages = next_page = 0
        queue = OcrQueue(source.reader, lambda pages_read: source.has_read(pages_read, count))
        with path.open("rb") as file:
            try:
                with Image.open(file, formats=[_FORMATS[source.media_type]]) as picture:
                    date = _date(picture)
                    count = _count(picture)
                    for pages, frame in enumerate(_frames(picture, source.name), start=1):
                        if pages < source.first_page or next_page:
                            continue
                        if source.may_stop and (queue.left_out or (heights and source.is_spent())):
                            next_page = pages
                            continue
                        gray = _gray(frame)
                        heights[pages] = gray.size[1]
                        queue.add(pages, lambda gray=gray: gray)  # type: ignore[misc]
            except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
                raise FileDamaged(name=source.name, detail=_FORMATS[source.media_type]) from error
            except Image.DecompressionBombError as error:
                raise ParseLimitExceeded(name=source.name, resource="pixels") from error
        return _document(queue, heights, source, date, (pages, next_page))


def _document(
    queue: OcrQueue, heights: Mapping[int, float], source: SourceFile, date: str, counted: tuple[int, int]
) -> ParsedDocument:
    """The document of the pages in `heights`; `counted` is how many there are, and which is the next one if not all were read."""
    read = queue.results()
    count, next_page = counted
    if source.may_stop:
        next_page = queue.stop(source.first_page) or next_page
    if not any(page.lines for page in read.values()) and source.first_page == 1 and not next_page:
        raise nothing_read(queue, source.name)
    warnings = queue.warnings()
    if queue.unread:
        warnings.add(f"{PAGES_WITHOUT_TEXT}:{page_ranges(queue.unread)}")
    pages = [
        Page.laid_out(n, found.height, found.lines, Rules(), turn=found.turn)
        if (found := read.get(n)) is not None
        else Page.laid_out(n, height, [], Rules())
        for n, height in heights.items()
        if not next_page or n < next_page
    ]
    seam = Seam.read(source.seam)
    elements = page_elements(pages, seam=seam)
    return ParsedDocument(
        document_title("", elements),
        source.media_type,
        PictureParser.name,
        tuple(elements),
        count,
        tuple(sorted(warnings)),
        DocumentMetadata(created_at=date),
        next_page=next_page,
        seam=seam.written() if next_page else "",
    )


def _count(picture: Image.Image) -> int:
    """Pages of the file, at most one more than are read. The other formats say it in their head."""
    if picture.format != _FORMATS[media_types.TIFF]:
        return int(getattr(picture, "n_frames", 1))
    count = 1
    with contextlib.suppress(EOFError):
        while count <= _MAX_FRAMES:
            picture.seek(count)
            count += 1
    picture.seek(0)
    return count


def _frames(picture: Image.Image, name: str) -> Iterator[Image.Image]:
    for number, frame in enumerate(ImageSequence.Iterator(picture)):
        if number >= _MAX_FRAMES:
            raise ParseLimitExceeded(name=name, resource="pages")
        if frame.width * frame.height > _MAX_DECODED:
            raise ParseLimitExceeded(name=name, resource="pixels")
        yield frame


def _gray(frame: Image.Image) -> GrayImage:
    """Upright, grey on white, at a size that Tesseract reads well. `dpi` is such that points are those of the original."""
    dpi = _resolution(frame)
    frame.draft("L", frame.size)
    upright = ImageOps.exif_transpose(frame)
    if "A" in upright.getbands() or "transparency" in upright.info:
        layered = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    gray = upright.convert("L")
    scale = min(_MAX_ENLARGED, max(1.0, _SMALL_WIDTH / max(gray.width, 1)))
    scale = min(scale, math.sqrt(MAX_PIXELS / max(gray.width * gray.height, 1)))
    if abs(scale - 1.0) > 0.01:
        size = (max(1, round(gray.width * scale)), max(1, round(gray.height * scale)))
        gray = gray.resize(size, Image.Resampling.LANCZOS)
    return GrayImage(gray.width, gray.height, max(1, round(dpi * scale)), gray.tobytes())


def _resolution(frame: Image.Image) -> float:
    """What the file says, if that can be; screens and cameras write 72 or nothing."""
    try:
        dpi = float(frame.info.get("dpi", (0, 0))[0])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        dpi = 0.0
    low, high = _PLAUSIBLE_DPI
    return dpi if low < dpi <= high else _USUAL_DPI if frame.width >= _SMALL_WIDTH else 96.0


def _date(picture: Image.Image) -> str:
    written = str(picture.getexif().get(_DATE_TAG, ""))
    day, _, hour = written.partition(" ")
    return f"{day.replace(':', '-')}T{hour}" if len(written) == 19 and day[:4].isdigit() and day[:4] != "0000" else ""
