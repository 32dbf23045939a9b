"""Hangul files that somebody damaged or made to do harm: each ends in a document or in an error with a name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.domain.errors import FileDamaged, ParseLimitExceeded, SeogoError
from tests.support.compound import compound_file
from tests.support.hwp5 import (
    COMPRESSED,
    CTRL_HEADER,
    DISTRIBUTION,
    LIST_HEADER,
    PARA_HEADER,
    PARA_TEXT,
    TABLE,
    control_id,
    document_info,
    file_header,
    hwp5_container,
    hwp5_file,
    record,
    section_stream,
)
from tests.support.hwp_content import (
    Box,
    Cell,
    Deleted,
    Equation,
    Footnote,
    Header,
    Inserted,
    Memo,
    Paragraph,
    Styled,
    Table,
    merged_table,
    nested,
    paragraphs,
)
from tests.support.hwpx import content_hpf, header_xml, hwpx_container, hwpx_file, section_xml
from tests.unit.parsing.documents import check, parse, texts, zip_bytes

CONTENT = [
    Paragraph("총칙", Header("여비 규정"), outline=1),
    Paragraph("일비는 ", Deleted("2만원"), Inserted("2만5천원"), "이다.", Footnote("각주")),
    Paragraph("항목", number=1),
    Paragraph(
        merged_table([(0, 0, 2, 1, "구분"), (0, 1, 1, 2, "일비"), (1, 1, 1, 1, "국내"), (1, 2, 1, 1, "국외")], "표")
    ),
    Paragraph(nested(3)),
    Paragraph(Box((Paragraph("글상자"),), "그림 1"), Equation("a over b"), Memo("글", "메모"), Styled("흰", "white")),
]


def outcome(path: Path, data: bytes):
    """The document or the error; anything else fails the test."""
    path.write_bytes(data)
    try:
        document = parse(path)
    except SeogoError as error:
        return error
    check(document)
    return document


def mutations(data: bytes):
    """The file with a few bytes changed, a piece cut out, or its end cut off."""
    places = st.integers(0, len(data) - 1)
    flips = st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=12)
    return st.one_of(
        flips.map(lambda changes: ("flip", changes)),
        places.map(lambda at: ("cut", at)),
        st.tuples(places, st.integers(1, 4096)).map(lambda hole: ("hole", hole)),
    )


def mutated(data: bytes, change) -> bytes:
    kind, where = change
    if kind == "flip":
        changed = bytearray(data)
        for at, value in where:
            changed[at] = value
        return bytes(changed)
    if kind == "cut":
        return data[:where]
    at, length = where
    return data[:at] + data[at + length :]


STREAM = section_stream(CONTENT)
SECTION = section_xml(CONTENT).encode()
HEAD = header_xml().encode()
INFO = document_info()
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MANY
@given(change=mutations(STREAM))
def test_any_damage_to_the_records_ends_well(tmp_path: Path, change):
    data = hwp5_container({"DocInfo": INFO, "BodyText/Section0": mutated(STREAM, change)})
    outcome(tmp_path / "a.hwp", data)


@MANY
@given(change=mutations(INFO))
def test_any_damage_to_the_shapes_ends_well(tmp_path: Path, change):
    data = hwp5_container({"DocInfo": mutated(INFO, change), "BodyText/Section0": STREAM})
    assert not isinstance(outcome(tmp_path / "a.hwp", data), SeogoError)  # text is never lost for a shape


WHOLE = hwp5_file(CONTENT, CONTENT, title="여비 규정")


@MANY
@given(change=mutations(WHOLE))
def test_any_damage_to_the_compound_file_ends_well(tmp_path: Path, change):
    outcome(tmp_path / "a.hwp", mutated(WHOLE, change))


LOCKED = hwp5_file(CONTENT, flags=COMPRESSED | DISTRIBUTION)


@settings(MANY, max_examples=60)
@given(change=mutations(LOCKED))
def test_any_damage_to_a_distribution_document_ends_well(tmp_path: Path, change):
    outcome(tmp_path / "a.hwp", mutated(LOCKED, change))


@MANY
@given(change=mutations(SECTION))
def test_any_damage_to_the_section_ends_well(tmp_path: Path, change):
    parts = {"Contents/header.xml": HEAD, "Contents/section0.xml": mutated(SECTION, change)}
    outcome(tmp_path / "a.hwpx", hwpx_container(parts))


@MANY
@given(change=mutations(HEAD))
def test_any_damage_to_the_header_ends_well(tmp_path: Path, change):
    parts = {"Contents/header.xml": mutated(HEAD, change), "Contents/section0.xml": SECTION}
    assert not isinstance(outcome(tmp_path / "a.hwpx", hwpx_container(parts)), SeogoError)


PACKAGE = hwpx_file(CONTENT, CONTENT, title="여비 규정")


@MANY
@given(change=mutations(PACKAGE))
def test_any_damage_to_the_archive_ends_well(tmp_path: Path, change):
    outcome(tmp_path / "a.hwpx", mutated(PACKAGE, change))


def test_one_damaged_section_leaves_the_others(tmp_path: Path):
    good, bad = section_stream([Paragraph("온전한 구역")]), section_stream([Paragraph("앞부분"), Paragraph("잘린 뒤")])
    data = hwp5_container({"DocInfo": INFO, "BodyText/Section0": good, "BodyText/Section1": bad[:-9]})
    document = outcome(tmp_path / "a.hwp", data)
    assert texts(document)[:2] == ["온전한 구역", "앞부분"]
    assert document.warnings == ("damaged_parts",)
    parts = {"Contents/section0.xml": section_xml([Paragraph("온전한 구역")]), "Contents/section1.xml": SECTION[:-900]}
    document = outcome(tmp_path / "a.hwpx", hwpx_container({"Contents/header.xml": HEAD, **parts}))
    assert texts(document)[0] == "온전한 구역"
    assert document.warnings == ("damaged_parts",)


def test_no_whole_section_is_an_error(tmp_path: Path):
    error = outcome(tmp_path / "a.hwp", hwp5_container({"DocInfo": INFO, "BodyText/Section0": STREAM[:-9]}))
    assert isinstance(error, FileDamaged)
    error = outcome(tmp_path / "b.hwpx", hwpx_container({"Contents/section0.xml": SECTION[:-9]}))
    assert isinstance(error, FileDamaged)
    error = outcome(tmp_path / "c.hwp", hwp5_container({"DocInfo": INFO}))
    assert isinstance(error, FileDamaged)


def test_a_stream_that_unpacks_to_too_much(tmp_path: Path):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    files = {"FileHeader": file_header(COMPRESSED), "DocInfo": b"", "BodyText/Section0": bomb}
    error = outcome(tmp_path / "a.hwp", compound_file(files))
    assert isinstance(error, ParseLimitExceeded)
    assert error.params["resource"] == "unpacked size"


def test_a_part_that_unpacks_to_too_much(tmp_path: Path):
    part = b"<sec>" + b" " * (70 << 20) + b"</sec>"
    error = outcome(tmp_path / "a.hwpx", hwpx_container({"Contents/section0.xml": part}))
    assert isinstance(error, ParseLimitExceeded)


def test_nested_beyond_reason(tmp_path: Path):
    for name, data in (("a.hwp", hwp5_file([Paragraph(nested(60))])), ("a.hwpx", hwpx_file([Paragraph(nested(60))]))):
        error = outcome(tmp_path / name, data)
        assert isinstance(error, ParseLimitExceeded)
        assert error.params["resource"] == "nesting"


def test_elements_inside_elements(tmp_path: Path):
    part = "<sec>" + "<p>" * 200_000 + "</p>" * 200_000 + "</sec>"
    assert isinstance(outcome(tmp_path / "a.hwpx", hwpx_container({"Contents/section0.xml": part})), SeogoError)


def test_records_on_a_thousand_levels(tmp_path: Path):
    levels = b"".join(
        record(tag, level, struct.pack("<I", 0) + control_id("gso ") if tag == CTRL_HEADER else bytes(32))
        for level, tag in zip(range(1, 1024), [CTRL_HEADER, LIST_HEADER, PARA_HEADER] * 341, strict=True)
    )
    body = record(PARA_HEADER, 0, bytes(24)) + levels + section_stream([Paragraph("끝")])
    outcome(tmp_path / "a.hwp", hwp5_container({"DocInfo": INFO, "BodyText/Section0": body}))


def test_entities_and_other_doctypes_are_refused(tmp_path: Path):
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    for doctype in (
        f'<!DOCTYPE s [<!ENTITY l0 "lol">{lol}]>',
        '<!DOCTYPE s [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
    ):
        part = f"{doctype}<sec><p><run><t>&l9;</t></run></p></sec>"
        error = outcome(tmp_path / "a.hwpx", hwpx_container({"Contents/section0.xml": part}))
        assert isinstance(error, FileDamaged)


@pytest.mark.parametrize("writer", [hwp5_file, hwpx_file])
def test_a_cell_that_claims_the_whole_world(tmp_path: Path, writer):
    cells = tuple(Cell(row, 0, paragraphs("값" * 50), rows=65535, columns=65535) for row in range(300))
    document = outcome(tmp_path / "a", writer([Paragraph(Table(65535, 65535, cells))]))
    assert len(document.elements[0].text.split("\n")) == 301


@pytest.mark.parametrize("writer", [hwp5_file, hwpx_file])
def test_cells_on_a_diagonal(tmp_path: Path, writer):
    cells = tuple(Cell(place, place, paragraphs("값")) for place in range(2500))
    error = outcome(tmp_path / "a", writer([Paragraph(Table(2500, 2500, cells))]))
    assert isinstance(error, ParseLimitExceeded)
    assert error.params["resource"] == "table size"


@pytest.mark.parametrize("writer", [hwp5_file, hwpx_file])
def test_two_cells_in_one_place_lose_nothing(tmp_path: Path, writer):
    cells = (Cell(0, 0, paragraphs("하나")), Cell(0, 0, paragraphs("둘")), Cell(0, 1, paragraphs("셋")))
    document = outcome(tmp_path / "a", writer([Paragraph(Table(1, 2, cells))]))
    assert "하나 둘" in texts(document)[0]


def test_a_record_larger_than_its_stream(tmp_path: Path):
    header = struct.pack("<II", PARA_TEXT | 1 << 10 | 0xFFF << 20, 0xFFFFFFF0)
    body = section_stream([Paragraph("앞")]) + record(PARA_HEADER, 0, bytes(24)) + header + b"abc"
    error = outcome(tmp_path / "a.hwp", hwp5_container({"DocInfo": INFO, "BodyText/Section0": body}))
    assert isinstance(error, FileDamaged)


def test_a_table_without_its_properties(tmp_path: Path):
    body = section_stream([Paragraph(Table(1, 2, (Cell(0, 0, paragraphs("가")), Cell(0, 1, paragraphs("나")))))])
    without = body.replace(struct.pack("<I", TABLE | 2 << 10 | 24 << 20), struct.pack("<I", 0x3FF | 2 << 10 | 24 << 20))
    assert without != body
    document = outcome(tmp_path / "a.hwp", hwp5_container({"DocInfo": INFO, "BodyText/Section0": without}))
    assert {"가", "나"} <= set("".join(texts(document)))


def test_sections_missing_from_the_spine_are_read_after_it(tmp_path: Path):
    parts = {
        "Contents/section0.xml": section_xml([Paragraph("첫째")]),
        "Contents/section1.xml": section_xml([Paragraph("둘째")]),
        "Contents/content.hpf": "<package><spine/></package>",
        "Contents/header.xml": HEAD,
    }
    assert texts(outcome(tmp_path / "a.hwpx", hwpx_container(parts))) == ["첫째", "둘째"]


def test_a_package_without_mimetype_and_with_copies_of_its_sections(tmp_path: Path):
    parts = {
        "Contents/content.hpf": content_hpf(["Contents/section0.xml"]).encode(),
        "Contents/header.xml": HEAD,
        "Contents/section0.xml": section_xml([Paragraph("본문")]).encode(),
        "Backup/section0.xml": section_xml([Paragraph("옛 본문")]).encode(),
    }
    assert texts(outcome(tmp_path / "a.hwpx", zip_bytes(parts))) == ["본문"]
