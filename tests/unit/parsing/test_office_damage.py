"""Damaged and hostile Office files: whatever is done to one, it ends in a document or in an error with a message."""

from __future__ import annotations

import functools
import io
import random
import zipfile
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.comments import Comment

from rag.domain.errors import SeogoError
from tests.unit.parsing.documents import check, parse, zip_bytes
from tests.unit.parsing.opendocument import odf_bytes
from tests.unit.parsing.test_legacy import RTF, xlsb
from tests.unit.parsing.test_opendocument import LISTS, cells
from tests.unit.parsing.test_spreadsheets import old_book, with_shared_strings


def saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


@functools.cache
def sample(kind: str) -> bytes:
    """A small file with something of everything."""
    table = "<table:table>" + cells("구분,한도", "개인,100") + "</table:table>"
    match kind:
        case "docx":
            document = docx.Document()
            document.add_heading("제1장 총칙", 1)
            document.add_paragraph("첫째", "List Number")
            document.add_table(2, 2).cell(0, 0).text = "구분"
            document.sections[0].header.paragraphs[0].text = "대외비"
            return saved(document)
        case "pptx":
            deck = pptx.Presentation()
            slide = deck.slides.add_slide(deck.slide_layouts[1])
            slide.shapes.title.text, slide.placeholders[1].text = "분기 실적", "매출"
            slide.shapes.add_table(2, 2, 0, 0, 900, 900).table.cell(0, 0).text = "구분"
            slide.notes_slide.notes_text_frame.text = "메모"
            return saved(deck)
        case "xlsx":
            book = openpyxl.Workbook()
            for row in (["구분", "한도"], ["개인", 0.5]):
                book.active.append(row)
            book.active.merge_cells("A2:A3")
            book.active["B2"].number_format = "0.0%"
            book.active["A1"].comment = Comment("메모", "감사")
            return saved(book)
        case "strings.xlsx":
            return with_shared_strings((["구분", "한도"], ["개인", 1]))
        case "xls":
            return saved(old_book())
        case "xlsb":
            return xlsb()
        case "rtf":
            return RTF
        case "odt":
            body = '<text:list text:style-name="L1"><text:list-item><text:p>첫째</text:p></text:list-item></text:list>'
            return odf_bytes("text", "<text:h>제1장</text:h>" + body + table, automatic=LISTS)
        case "ods":
            named = table.replace("<table:table>", '<table:table table:name="s">')
            return odf_bytes("spreadsheet", named)
        case _:
            frame = f'<draw:frame svg:y="1cm">{table}</draw:frame>'
            return odf_bytes("presentation", f"<draw:page>{frame}</draw:page>", automatic=LISTS)


KINDS = ("docx", "pptx", "xlsx", "strings.xlsx", "xls", "xlsb", "rtf", "odt", "ods", "odp")
ZIPPED = tuple(kind for kind in KINDS if kind not in ("xls", "rtf"))
patiently = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def ends_well(folder: Path, data: bytes, kind: str) -> None:
    path = folder / f"문서.{kind}"
    path.write_bytes(data)
    try:
        check(parse(path))
    except SeogoError:
        return


@pytest.mark.parametrize("kind", KINDS)
@patiently
@given(share=st.floats(0, 1), seed=st.integers(0, 1 << 32))
def test_cut_off_or_flipped(tmp_path, kind, share, seed):
    data = bytearray(sample(kind))
    chance = random.Random(seed)
    ends_well(tmp_path, bytes(data[: int(len(data) * share)]), kind)
    for _ in range(chance.randint(1, 12)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    ends_well(tmp_path, bytes(data), kind)


WORDS = (b"0", b"-1", b"99999999999999999999", b"", b"rId1", b"A1:XFD1048576", "가".encode(), b"1e309", b"nan")


@pytest.mark.parametrize("kind", ZIPPED)
@patiently
@given(seed=st.integers(0, 1 << 32))
def test_parts_that_say_what_no_program_writes(tmp_path, kind, seed):
    """Inside the archive, where a checksum keeps plain bit flips out: attributes and texts exchanged, parts emptied."""
    chance = random.Random(seed)
    with zipfile.ZipFile(io.BytesIO(sample(kind))) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    wanted = [name for name in entries if "theme" not in name and entries[name]]
    for name in chance.sample(wanted, min(3, len(wanted))):
        data = entries[name]
        quotes = [at for at in range(len(data)) if data[at : at + 1] == b'"']
        if chance.random() < 0.15 or len(quotes) < 4:
            entries[name] = data[: chance.randrange(len(data))]
            continue
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(quotes) - 1)
            data = data[: quotes[at] + 1] + chance.choice(WORDS) + data[quotes[at + 1] :]
            quotes = [at for at in range(len(data)) if data[at : at + 1] == b'"']
        entries[name] = data
    ends_well(tmp_path, zip_bytes(entries), kind)


LAUGHS = (
    b'<!DOCTYPE d [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    + b"".join(b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(ord("c"), ord("k")))
    + b"]>"
)
MAIN_PARTS = {
    "docx": "word/document.xml",
    "pptx": "ppt/slides/slide1.xml",
    "strings.xlsx": "xl/sharedStrings.xml",
    "odt": "content.xml",
    "ods": "content.xml",
    "odp": "content.xml",
}


@pytest.mark.parametrize("kind", MAIN_PARTS)
def test_entities_that_multiply(tmp_path, kind):
    with zipfile.ZipFile(io.BytesIO(sample(kind))) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    part = entries[MAIN_PARTS[kind]]
    declaration, _, rest = part.partition(b"?>") if part.startswith(b"<?xml") else (b"", b"", part)
    body = rest.replace("구분".encode(), b"&j;")
    entries[MAIN_PARTS[kind]] = (declaration + b"?>" if declaration else b"") + LAUGHS + body
    assert b"&j;" in entries[MAIN_PARTS[kind]]
    ends_well(tmp_path, zip_bytes(entries), kind)


@pytest.mark.parametrize("kind", MAIN_PARTS)
def test_elements_nested_without_end(tmp_path, kind):
    with zipfile.ZipFile(io.BytesIO(sample(kind))) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    part = entries[MAIN_PARTS[kind]]
    word = "구분".encode()
    assert word in part
    entries[MAIN_PARTS[kind]] = part.replace(word, b"<x>" * 100_000 + b"</x>" * 100_000)
    ends_well(tmp_path, zip_bytes(entries), kind)
