from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest

from ingest.parsing import converter, legacy, media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.legacy import LegacyParser
from ingest.parsing.ole import is_encrypted, ole_facts
from ingest.parsing.registry import PARSERS, best, candidates
from ingest.parsing.rtf import RtfParser
from ingest.parsing.xlsb import XlsbParser
from rag.domain.anchor import SheetAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import ConverterMissing, FileDamaged, NoTextFound
from rag.domain.messages import localized
from tests.unit.parsing.documents import check, texts, zip_bytes
from tests.unit.parsing.test_identify import ole

RTF = (
    rb"{\rtf1\ansi\ansicpg949\deff0{\fonttbl{\f0\fnil\fcharset129 \'b9\'d9\'c5\'c1;}}"
    rb"\pard\f0 \'c1\'a61\'c1\'b6(\'b8\'f1\'c0\'fb) \'c0\'cc \'b1\'d4\'c4\'a2\par "
    rb"{\pict\pngblip 89504e47" + b"00" * 100 + rb"}\u44552?\u48516?\par}"
)


@pytest.fixture
def without_libreoffice(monkeypatch):
    monkeypatch.setattr(legacy, "find_converter", lambda: None)


@pytest.fixture
def with_libreoffice(monkeypatch):
    monkeypatch.setattr(legacy, "find_converter", lambda: converter.Converter("/usr/bin/soffice"))


def chosen(media_type: str) -> str:
    identified = Identified(media_type)
    keys = candidates(identified, "f", PARSERS)
    return best(identified, "f", {key: PARSERS[key].factory() for key in keys}).name


def test_a_conversion_is_preferred_where_it_is_possible(with_libreoffice):
    for media_type in converter.CONVERSIONS:
        assert chosen(media_type) == "legacy/1"


def test_without_libreoffice_plainer_readers_take_over(without_libreoffice):
    assert chosen(media_types.RTF) == "rtf/1"
    assert chosen(media_types.XLSB) == "xlsb/2"
    assert chosen(media_types.DOC) == chosen(media_types.PPT) == "legacy/1"


def test_the_message_says_what_to_install(tmp_path, without_libreoffice):
    path = tmp_path / "규정.doc"
    path.write_bytes(ole("WordDocument"))
    with pytest.raises(ConverterMissing) as caught:
        LegacyParser().parse(path, SourceFile("규정.doc", media_types.DOC))
    assert "LibreOffice" in localized(caught.value, "ko") and "Word 97-2003" in localized(caught.value, "ko")
    assert "LibreOffice" in localized(caught.value, "en")
    assert caught.value.params["media_type"] == media_types.DOC


def test_macros_of_the_original_are_told(tmp_path):
    path = tmp_path / "a.doc"
    path.write_bytes(ole("WordDocument", "Macros"))
    data = path.read_bytes()
    # The stream becomes a storage: byte 66 of a directory entry is its type ([MS-CFB] 2.6.1).
    at = data.index("Macros".encode("utf-16-le")) + 66
    path.write_bytes(data[:at] + b"\x01" + data[at + 1 :])
    with pytest.raises(ConverterMissing) as caught:
        LegacyParser().parse(path, SourceFile("a.doc", media_types.DOC))
    assert caught.value.params["warnings"] == "has_macros"


def with_content(file: bytes, name: str, content: bytes) -> bytes:
    """A compound file of `ole`, one of its streams filled ([MS-CFB] 2.3 and 2.6)."""
    sectors = max(8, -(-len(content) // 512))  # shorter streams would go into another one
    first = len(file) // 512 - 1
    filled = bytearray(file + content.ljust(512 * sectors, b"\0"))
    for sector in range(first, first + sectors):
        struct.pack_into("<I", filled, 512 + 4 * sector, sector + 1 if sector + 1 < first + sectors else 0xFFFFFFFE)
    struct.pack_into("<IQ", filled, file.index(name.encode("utf-16-le")) + 116, first, 512 * sectors)
    return bytes(filled)


def slides_record(kind: int, content: bytes = b"") -> bytes:
    """A record of a PPT ([MS-PPT] 2.3.1)."""
    return struct.pack("<HHI", 0xF, kind, len(content)) + content


def warnings_of_slides(tmp_path: Path, *records: bytes) -> str:
    path = tmp_path / "a.ppt"
    path.write_bytes(with_content(ole("PowerPoint Document"), "PowerPoint Document", b"".join(records)))
    with pytest.raises(ConverterMissing) as caught:
        LegacyParser().parse(path, SourceFile("a.ppt", media_types.PPT))
    return caught.value.params["warnings"]


def test_objects_on_slides_are_told(tmp_path):
    embedded = slides_record(0x03E8, slides_record(0x0409, slides_record(0x0FCC, slides_record(0x0FCD, bytes(8)))))
    without = slides_record(0x03E8, slides_record(0x0409, slides_record(0x0FD7)))
    assert warnings_of_slides(tmp_path, slides_record(0x03EE), embedded) == "embedded_not_read"
    assert warnings_of_slides(tmp_path, without) == ""
    assert warnings_of_slides(tmp_path, embedded, without) == ""  # the object was taken out before the last save


def test_many_documents_in_a_presentation_take_no_memory(tmp_path):
    path = tmp_path / "a.ppt"
    stream = slides_record(0x03E8) * 7_000
    path.write_bytes(with_content(ole("PowerPoint Document"), "PowerPoint Document", stream))
    ole_facts(path)  # loads what it imports
    tracemalloc.start()
    try:
        ole_facts(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * len(stream)
    finally:
        tracemalloc.stop()


class _TooLarge(type(Path())):
    """A file for which there is no memory."""

    def read_bytes(self) -> bytes:
        raise MemoryError


@pytest.mark.parametrize("read", [ole_facts, is_encrypted])
def test_a_lack_of_memory_is_no_damage(read):
    with pytest.raises(MemoryError):
        read(_TooLarge("a.ppt"))


@pytest.mark.parametrize(("flag", "expected"), [(1, "has_macros"), (0, "")])
def test_macros_of_slides_are_told(tmp_path, flag, expected):
    atom = slides_record(0x0400, struct.pack("<III", 7, flag, 2))
    assert (
        warnings_of_slides(tmp_path, slides_record(0x03E8, slides_record(0x07D0, slides_record(0x03FF, atom))))
        == expected
    )


def test_rtf_in_korean(tmp_path):
    path = tmp_path / "a.rtf"
    path.write_bytes(RTF)
    document = RtfParser().parse(path, SourceFile("a.rtf", media_types.RTF))
    check(document)
    assert texts(document) == ["제1조(목적)", "이 규칙", "금분"]


def test_rtf_without_text(tmp_path):
    path = tmp_path / "a.rtf"
    path.write_bytes(rb"{\rtf1 }")
    with pytest.raises(NoTextFound):
        RtfParser().parse(path, SourceFile("a.rtf", media_types.RTF))


def record(kind: int, payload: bytes = b"") -> bytes:
    """A BIFF12 record ([MS-XLSB] 2.1.4)."""
    number = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    assert len(payload) < 128
    return number + bytes([len(payload)]) + payload


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb() -> bytes:
    sheets = b"".join(
        record(156, struct.pack("<II", state, number) + wide(f"rId{number}") + wide(name))
        for number, (name, state) in enumerate((("한도", 0), ("숨김", 1)), start=1)
    )
    book = record(131) + record(143) + sheets + record(144) + record(132)

    def row(number: int, *cells: bytes) -> bytes:
        return record(0, struct.pack("<IIH", number, 0, 300) + bytes(7)) + b"".join(cells)

    def text(column: int, value: str) -> bytes:
        return record(6, struct.pack("<II", column, 0) + wide(value))

    rows = row(0, text(0, "구분"), text(1, "한도"))
    rows += row(1, text(0, "개인"), record(5, struct.pack("<IId", 1, 0, 1500000.5)))
    sheet = record(129) + record(148, struct.pack("<IIII", 0, 1, 0, 1)) + record(145) + rows + record(146) + record(130)
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{relation}/worksheet" Target="worksheets/sheet{n}.bin"/>' for n in (1, 2)
    )
    types = (
        f'<Types xmlns="{package}/content-types"><Override PartName="/xl/workbook.bin" '
        'ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/></Types>'
    )
    entries = {
        "[Content_Types].xml": types,
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{relation}/officeDocument" Target="xl/workbook.bin"/></Relationships>',
        "xl/_rels/workbook.bin.rels": f'<Relationships xmlns="{package}/relationships">{links}</Relationships>',
    }
    parts = {"xl/workbook.bin": book, "xl/worksheets/sheet1.bin": sheet, "xl/worksheets/sheet2.bin": sheet}
    return zip_bytes({name: text.encode() for name, text in entries.items()} | parts)


def test_xlsb(tmp_path: Path):
    path = tmp_path / "한도.xlsb"
    path.write_bytes(xlsb())
    document = XlsbParser().parse(path, SourceFile("한도.xlsb", media_types.XLSB))
    check(document)
    assert document.elements[1].kind is ElementKind.TABLE
    assert document.elements[1].text.endswith("| 개인 | 1500000.5 |")
    assert document.elements[1].anchor == SheetAnchor("한도", "A1:B2")
    assert document.warnings == ("formats_unknown", "hidden_sheets")


def test_xlsb_that_is_damaged(tmp_path: Path):
    data = xlsb()
    path = tmp_path / "a.xlsb"
    path.write_bytes(data.replace(b"xl/workbook.bin", b"xl/workbook.xxx"))
    with pytest.raises(FileDamaged):
        XlsbParser().parse(path, SourceFile("a.xlsb", media_types.XLSB))
