"""Small real files for parser tests: a PDF writer of a few dozen lines, and Office files by their own libraries."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ingest.parsing.base import SourceFile
from ingest.parsing.identify import identify
from ingest.parsing.registry import PARSERS, best, candidates
from rag.domain.document import ElementKind, ParsedDocument

PAGE = (595.0, 842.0)

_FONTS = (
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
    b"<< /Type /Font /Subtype /Type0 /BaseFont /HYSMyeongJo-Medium /Encoding /UniKS-UCS2-H /DescendantFonts ["
    b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /HYSMyeongJo-Medium /DW 1000 "
    b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Korea1) /Supplement 1 >> >>] >>",
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Italic >>",
    b"<< /Type /Font /Subtype /TrueType /BaseFont /ABCDEF+Own /FirstChar 32 /LastChar 63 /Widths ["
    + b"600 " * 32
    + b"]"
    b"/FontDescriptor << /Type /FontDescriptor /FontName /ABCDEF+Own /Flags 4 /FontBBox [0 -200 800 800] /ItalicAngle 0 "
    b"/Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >> >>",
)
_TIMES_ITALIC = {
    "a": 500,
    "c": 444,
    "d": 500,
    "e": 444,
    "f": 278,
    "i": 278,
    "m": 722,
    "n": 500,
    "o": 500,
    "r": 389,
    "t": 278,
    " ": 250,
    "-": 333,
}
"""Widths in thousandths, Adobe's metrics of the font."""


class PdfPage:
    """Content of one page; positions are points from the top left corner."""

    def __init__(self, rotate: int = 0) -> None:
        self.content: list[bytes] = []
        self.rotate = rotate

    def text(self, x: float, top: float, text: str, size: float = 10, *, bold: bool = False) -> PdfPage:
        if text.isascii():
            font, shown = (
                ("/F2" if bold else "/F1"),
                b"(" + text.replace("(", r"\(").replace(")", r"\)").encode() + b")",
            )
        else:
            font, shown = "/F3", b"<" + text.encode("utf-16-be").hex().encode() + b">"
        self.content.append(f"BT {font} {size} Tf {x} {PAGE[1] - top - size} Td ".encode() + shown + b" Tj ET")
        return self

    def glyphs(self, x: float, top: float, numbers: bytes, size: float = 10) -> PdfPage:
        """In a font of its own glyphs that does not say which characters they are."""
        shown = b"<" + numbers.hex().encode() + b">"
        self.content.append(f"BT /F5 {size} Tf {x} {PAGE[1] - top - size} Td ".encode() + shown + b" Tj ET")
        return self

    def blanks_first(self, x: float, top: float, text: str, end: str = "") -> PdfPage:
        """A Korean line of 10 points as LibreOffice writes it: all blanks, then the syllables, then the full stop. At `|` it
        changes to another font, as one of 255 glyphs has not all syllables."""
        wide, y, at = 2.78, PAGE[1] - top - 10, x
        blanks: list[float] = []
        lefts, pieces = [x], [""]
        for letter in text:
            if letter == "|":
                lefts.append(at)
                pieces.append("")
            elif letter == " ":
                blanks.append(at)
                pieces[-1] += f"> {-100 * wide:.0f} <"
            else:
                pieces[-1] += letter.encode("utf-16-be").hex()
            at += {"|": 0.0, " ": wide}.get(letter, 10.0)
        gaps = " ".join(f"{-100 * (one - other - wide):.0f} ( )" for other, one in itertools.pairwise(blanks))
        shown = f"BT /F1 10 Tf 1 0 0 1 {blanks[0]} {y} Tm [( ) {gaps}]TJ /F3 10 Tf "
        shown += " ".join(f"1 0 0 1 {left} {y} Tm [<{letters}>]TJ" for left, letters in zip(lefts, pieces, strict=True))
        self.content.append(f"{shown} ET".encode())
        return self.text(at, top, end) if end else self

    def letters(self, x: float, top: float, text: str, size: float = 10) -> PdfPage:
        """Italic, each letter an object of its own, on a page drawn in pixels, as browsers and writers of web pages have it."""
        pixel = 0.75
        self.content.append(f"q {pixel} 0 0 {pixel} 0 0 cm".encode())
        for letter in text:
            place = f"{x / pixel:.2f} {(PAGE[1] - top - size) / pixel:.2f}"
            self.content.append(f"BT /F4 {size / pixel:.2f} Tf {place} Td ({letter}) Tj ET".encode())
            x += size * _TIMES_ITALIC[letter] / 1000
        self.content.append(b"Q")
        return self

    def line(self, x1: float, top1: float, x2: float, top2: float) -> PdfPage:
        self.content.append(f"0.5 w {x1} {PAGE[1] - top1} m {x2} {PAGE[1] - top2} l S".encode())
        return self

    def shade(self, x: float, top: float, width: float, height: float) -> PdfPage:
        self.content.append(f"0.9 g {x} {PAGE[1] - top - height} {width} {height} re f 0 g".encode())
        return self

    def grid(self, xs: Sequence[float], tops: Sequence[float]) -> PdfPage:
        for x in xs:
            self.line(x, tops[0], x, tops[-1])
        for top in tops:
            self.line(xs[0], top, xs[-1], top)
        return self


def pdf_bytes(pages: Sequence[PdfPage], title: str = "") -> bytes:
    """A valid PDF 1.4 with a cross-reference table."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", *_FONTS]
    kids = []
    for page in pages:
        content = b"\n".join(page.content)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Rotate %d /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R /F4 6 0 R /F5 7 0 R >> >> >>"
            % (PAGE[0], PAGE[1], page.rotate, len(objects))
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    objects.append(b"<< /Title <feff%s> >>" % title.encode("utf-16-be").hex().encode())
    out = io.BytesIO(b"")
    out.write(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    xref = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    out.write(trailer % (len(objects) + 1, len(objects), xref))
    return out.getvalue()


def zip_bytes(entries: dict[str, bytes]) -> bytes:
    """A ZIP archive of these entries."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def edited(package: bytes, part: str, old: str, new: str) -> bytes:
    """An Office file with a text in one of its parts replaced; fails when it is not there."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    text = entries[part].decode()
    assert old in text, f"{old!r} is not in {part}"
    entries[part] = text.replace(old, new).encode()
    return zip_bytes(entries)


def parse(path: Path, name: str | None = None) -> ParsedDocument:
    """Identify and parse in this process, as the sandbox's child does."""
    name = name or path.name
    identified = identify(path, name)
    keys = candidates(identified, name, PARSERS)
    parser = best(identified, name, {key: PARSERS[key].factory() for key in keys})
    document = parser.parse(path, SourceFile(name, identified.media_type, identified.charset))
    check(document)
    return document


def check(document: ParsedDocument) -> None:
    """What holds for the output of every parser."""
    for element in document.elements:
        assert element.text.strip()
        assert element.text == element.text.replace("\r", "")
        assert (element.level > 0) == (element.kind is ElementKind.HEADING)
        if element.line_anchors:
            assert len(element.line_anchors) == len(element.text.split("\n"))


def outline(document: ParsedDocument) -> list[tuple[int, str]]:
    """Headings with their levels."""
    return [(element.level, element.text) for element in document.elements if element.kind is ElementKind.HEADING]


def texts(document: ParsedDocument) -> list[str]:
    """Texts of all elements."""
    return [element.text for element in document.elements]
