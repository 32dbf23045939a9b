"""A document that several processes read is the document that one would have read, wherever the parts end."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import pypdf
import pytest
from PIL import Image, ImageDraw, ImageFont

from ingest.parsing import media_types
from ingest.parsing.base import SourceFile
from ingest.parsing.ocr import find_tesseract
from ingest.parsing.parts import joined
from ingest.parsing.pdf import PdfParser
from ingest.parsing.pdf_seam import Seam
from ingest.parsing.sandbox import _SEAM_BYTES, _Wish
from ingest.parsing.wire import decode_result, encode_result
from rag.domain.document import ElementKind, ParsedDocument
from tests.unit.parsing.documents import PdfPage, pdf_bytes

COLUMNS = (60, 160, 260, 360)


def ledger(page: PdfPage, top: float, rows: Sequence[Sequence[str]]) -> PdfPage:
    page.grid(COLUMNS, [top + 20 * row for row in range(len(rows) + 1)])
    for number, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            page.text(COLUMNS[column] + 5, top + 4 + 20 * number, cell)
    return page


def prose(page: PdfPage, top: float, word: str) -> PdfPage:
    for line in range(4):
        page.text(60, top + 14 * line, f"Whoever {word}s in the bank shall say so before it is done, line {line},")
    return page


def policy() -> bytes:
    """Nine pages: headings of three sizes and with numbers, running lines, a table over three pages, bookmarks."""
    pages = [PdfPage().text(60, 30, "Hanbit Bank Policy", 8).text(280, 800, f"- {n} -", 8) for n in range(1, 10)]
    prose(pages[0].text(60, 60, "Policy of Payments", 24).text(60, 110, "1. Scope", 18), 150, "pay")
    prose(pages[1].text(60, 60, "Exceptions to it", 14), 100, "except")
    prose(pages[2].text(60, 60, "1.1 People", 10, bold=True), 100, "work")
    rows = [(f"Grade {n}", f"{n},000", f"{n}0,000") for n in range(1, 9)]
    ledger(pages[3].text(60, 60, "Limits", 18), 120, [("Grade", "Daily", "Monthly"), *rows[:3]])
    ledger(pages[4], 60, rows[3:5])
    ledger(pages[5], 60, rows[5:])
    prose(pages[6].text(60, 60, "Penalties of it", 14), 100, "fail")
    prose(pages[7].text(60, 60, "In small matters", bold=True), 100, "err")
    prose(pages[8].text(60, 60, "2. Final rules", 18).text(60, 100, "2.1 Effect", 10, bold=True), 130, "rule")
    writer = pypdf.PdfWriter(io.BytesIO(pdf_bytes(pages)))
    writer.add_outline_item(title="Policy of Payments", page_number=0)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def in_parts(path: Path, ends: Sequence[int], monkeypatch: pytest.MonkeyPatch, **named: object) -> ParsedDocument:
    """The document read by a process for each of the parts, of which one ends behind each of these pages."""
    parts: list[ParsedDocument] = []
    first, seam = 1, ""
    for end in [*ends, 10_000]:
        looked_at = itertools.count(first)
        monkeypatch.setattr(SourceFile, "is_spent", lambda _, end=end, looked_at=looked_at: next(looked_at) >= end)
        source = SourceFile("a.pdf", media_types.PDF, first_page=first, may_stop=True, seam=seam, **named)  # type: ignore[arg-type]
        parts.append(PdfParser().parse(path, source))
        again = decode_result(memoryview(encode_result(parts[-1])))
        first, seam = again.next_page, again.seam
    assert first == 0
    return joined(parts, "a.pdf")


@pytest.mark.parametrize("ends", [(3,), (4,), (5,), (6,), (3, 6), (4, 5, 6), (5, 8)], ids=str)
def test_it_does_not_matter_where_a_part_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: tuple[int, ...]
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(policy())
    whole = PdfParser().parse(path, SourceFile("a.pdf", media_types.PDF))
    assert len({element.level for element in whole.elements if element.kind is ElementKind.HEADING}) == 4
    found = in_parts(path, ends, monkeypatch)
    assert [(e.kind, e.level, e.text) for e in found.elements] == [(e.kind, e.level, e.text) for e in whole.elements]
    assert found == whole


def scanned_ledger() -> bytes:
    """Pictures of two pages: a heading, a table without rules that goes on at the top of the second page, and text."""
    font, large = ImageFont.load_default(size=36), ImageFont.load_default(size=72)

    def write(draw: ImageDraw.ImageDraw, top: int, lines: Sequence[str]) -> None:
        for number, line in enumerate(lines):
            draw.text((100, top + 55 * number), line, font=font, fill=0)

    pages: list[Image.Image] = []
    rows = [
        ("Branch", "2023", "2022"),
        *((f"{place} office", f"{n},150", f"{n},120") for n, place in enumerate(PLACES, 1)),
    ]
    for shown in (rows[:5], rows[5:]):
        image = Image.new("L", (1240, 1000), 255)
        draw = ImageDraw.Draw(image)
        top = 80
        if not pages:
            draw.text((100, 80), "Loans of all branches", font=large, fill=0)
            write(
                draw,
                220,
                (
                    "The bank lends what it has been lent itself, and not",
                    "more than that. What each branch lends is shown here.",
                ),
            )
            top = 400
        for number, cells in enumerate(shown):
            for right, cell in zip((None, 800, 1080), cells, strict=True):
                left = 100 if right is None else right - draw.textlength(cell, font=font)
                draw.text((left, top + 70 * number), cell, font=font, fill=0)
        if pages:
            lines = (
                "The amounts are those of the end of each year.",
                "Whoever finds another one shall say so at once.",
            )
            for number, line in enumerate(lines):
                draw.text((100, 600 + 55 * number), line, font=font, fill=0)
        pages.append(image)
    out = io.BytesIO()
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:], resolution=150)
    return out.getvalue()


PLACES = ("Seoul", "Busan", "Jeju", "Daegu", "Ulsan", "Suwon", "Jeonju", "Sokcho")


@pytest.mark.skipif(find_tesseract() is None, reason="no Tesseract here: apt-get install tesseract-ocr")
def test_a_table_of_a_scan_that_goes_on_in_another_part_has_its_head_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(scanned_ledger())
    whole = PdfParser().parse(path, SourceFile("a.pdf", media_types.PDF, reader=find_tesseract()))
    found = in_parts(path, (1,), monkeypatch, reader=find_tesseract())
    assert found == whole
    first, second = (e.text.split("\n") for e in found.elements if e.kind is ElementKind.TABLE)
    assert "2023" in first[0] and second[0] == first[0]
    assert "Ulsan" in second[2]


NONSENSE = [
    "",
    "x",
    "[]",
    "{}",
    "null",
    "7",
    '{"heights":[[1]]}',
    '{"heights":[["a",1]]}',
    "[" * 100_000,
    '{"heights":{"a":1}}',
    *(
        f'{{"heights":[[{height},9]],"levels":[],"chapters":[],"below_bookmark":false,"running":[],"numbering":{number},'
        '"table":null,"table_page":0}'
        for height, number in [("10.0", "Infinity"), ("NaN", "1"), ("1e999", "1"), ("9" * 400, "1")]
    ),
]


@pytest.mark.parametrize("text", NONSENSE, ids=range(len(NONSENSE)))
def test_what_another_child_says_may_be_anything(text: str) -> None:
    assert Seam.read(text) == Seam()


def test_a_seam_fits_into_a_message() -> None:
    seam = Seam(running={f"머리글 {n} " + "가" * 100 for n in range(1000)}, chapters={str(n): 1 for n in range(5000)})
    seam.heights.update({n / 2: n + 1 for n in range(1000)})
    part = ParsedDocument("", media_types.PDF, "pdf/3", (), 9, next_page=5, seam=seam.written())
    assert _Wish().after(part, last=False).seam == seam.written()
    assert len(Seam.read(seam.written()).running) >= 10
    long = ParsedDocument("", media_types.PDF, "pdf/3", (), 9, next_page=5, seam="\x01" * _SEAM_BYTES)
    assert _Wish().after(long, last=False).seam == ""
