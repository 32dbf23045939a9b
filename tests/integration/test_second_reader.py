"""Files that their own parser fails on get a second reader; nothing else does."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment

from ingest.parsing.sandbox import ParseLimits, ParseSandbox
from rag.domain.anchor import ParagraphAnchor, SheetAnchor, SlideAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import (
    FileDamaged,
    FileEncrypted,
    NoTextFound,
    ParseLimitExceeded,
    ParserCrashed,
    SeogoError,
    UnsupportedFormat,
)
from rag.domain.messages import warning_for
from tests.unit.parsing.documents import texts, zip_bytes

FOOTNOTES = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
FOOTNOTES_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"


def with_parts(package, **changed: bytes) -> bytes:
    """The saved file with parts whose names end so replaced."""
    out = io.BytesIO()
    package.save(out)
    with zipfile.ZipFile(out) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    for end, data in changed.items():
        name = next(name for name in entries if name.endswith(f"{end}.xml"))
        entries[name] = data
    return zip_bytes(entries)


def letter() -> docx.document.Document:
    document = docx.Document()
    document.add_heading("제1장 총칙", 1)
    document.add_paragraph("회사는 개인정보를 보호한다.")
    table = document.add_table(2, 2)
    for at, text in enumerate(("구분", "한도", "개인", "1억원")):
        table.cell(at // 2, at % 2).text = text
    document.add_paragraph("부칙은 따로 둔다.")
    return document


def letter_with_damaged_footnotes(document: docx.document.Document | None = None) -> bytes:
    """The text refers to a part that Word would offer to repair."""
    document = document or letter()
    part = docx.opc.part.Part(docx.opc.packuri.PackURI("/word/footnotes.xml"), FOOTNOTES, b"<w:footnotes", None)
    document.part.relate_to(part, FOOTNOTES_KIND)
    return with_parts(document)


def deck() -> bytes:
    slides = pptx.Presentation()
    for title, text in (("분기 실적", "매출이 늘었다."), ("계획", "한도를 올린다.")):
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, text
    return with_parts(slides, theme1=b"<a:theme")


def book() -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "한도"
    for cell, value in {"B3": "구분", "C3": "한도", "B4": "개인", "C4": 1500000, "B7": "법인", "C7": 0.35}.items():
        sheet[cell] = value
    sheet["B3"].comment = Comment("메모", "감사")
    hidden = workbook.create_sheet("숨김")
    hidden["A1"], hidden.sheet_state = "비밀", "hidden"
    return with_parts(workbook, comment1=b"<comments")


@pytest.fixture(scope="module")
def sandbox():
    with ParseSandbox(concurrency=2) as sandbox:
        yield sandbox


def read(sandbox: ParseSandbox, folder: Path, name: str, data: bytes):
    path = folder / "blob"
    path.write_bytes(data)
    return sandbox.parse(path, name)


def loaded(sandbox: ParseSandbox) -> set[str]:
    return set(sandbox._zygote().ask({"op": "load", "load": []}, 60)["loaded"])


def test_files_that_are_whole_or_beyond_repair(tmp_path):
    """The first are read by their own parser, which alone is loaded; the others keep its error."""
    whole, broken = letter(), letter()
    with ParseSandbox() as sandbox:
        assert read(sandbox, tmp_path, "규정.docx", with_parts(whole)).parser.startswith("docx/")
        assert loaded(sandbox) == {"docx"}
        with pytest.raises(FileDamaged) as caught:
            read(sandbox, tmp_path, "규정.docx", with_parts(broken, document=b"<w:document"))
        assert caught.value.params == {"name": "규정.docx", "detail": "word/document.xml"}
        assert loaded(sandbox) == {"docx", "unstructured"}


def test_a_letter_with_damaged_footnotes(sandbox, tmp_path):
    document = read(sandbox, tmp_path, "규정.docx", letter_with_damaged_footnotes())
    assert document.parser.startswith("unstructured/")
    assert document.warnings == ("second_reader",)
    assert document.title == "제1장 총칙"
    assert [(element.kind, element.text, element.anchor) for element in document.elements] == [
        (ElementKind.HEADING, "제1장 총칙", ParagraphAnchor(1, 1)),
        (ElementKind.TEXT, "회사는 개인정보를 보호한다.", ParagraphAnchor(2, 2)),
        (ElementKind.TABLE, "| 구분 | 한도 |\n| --- | --- |\n| 개인 | 1억원 |", ParagraphAnchor(3, 6)),
        (ElementKind.TEXT, "부칙은 따로 둔다.", ParagraphAnchor(7, 7)),
    ]
    assert document.elements[2].line_anchors[2] == ParagraphAnchor(5, 6)


def test_slides_with_a_damaged_theme(sandbox, tmp_path):
    document = read(sandbox, tmp_path, "실적.pptx", deck())
    assert (document.parser, document.pages) == ("unstructured/1", 2)
    assert "second_reader" in document.warnings
    assert [(element.kind, element.text, element.anchor) for element in document.elements] == [
        (ElementKind.HEADING, "분기 실적", SlideAnchor(1, 1)),
        (ElementKind.TEXT, "매출이 늘었다.", SlideAnchor(1, 1)),
        (ElementKind.HEADING, "계획", SlideAnchor(2, 2)),
        (ElementKind.TEXT, "한도를 올린다.", SlideAnchor(2, 2)),
    ]


def test_a_workbook_with_damaged_comments(sandbox, tmp_path):
    document = read(sandbox, tmp_path, "한도.xlsx", book())
    assert document.parser == "unstructured/1"
    assert document.warnings == ("formats_unknown", "hidden_sheets", "second_reader")
    (table,) = document.elements
    assert table.text == "| 구분 | 한도 |\n| --- | --- |\n| 개인 | 1500000 |\n| 법인 | 0.35 |"
    assert table.anchor == SheetAnchor("한도", "B3:C7")
    assert table.line_anchors[2:] == (SheetAnchor("한도", "B4:C4"), SheetAnchor("한도", "B7:C7"))


def test_hidden_text_is_left_out_and_flagged(sandbox, tmp_path):
    hiding = letter()
    hiding.add_paragraph("앞").add_run("비밀 지시").font.hidden = True
    document = read(sandbox, tmp_path, "규정.docx", letter_with_damaged_footnotes(hiding))
    assert document.warnings == ("hidden_text", "second_reader")
    assert texts(document)[-1] == "앞"
    slides = pptx.Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "계획", "비밀 지시"
    slide.placeholders[1]._element.nvSpPr.cNvPr.set("hidden", "1")
    document = read(sandbox, tmp_path, "계획.pptx", with_parts(slides, theme1=b"<a:theme"))
    assert "hidden_text" in document.warnings
    assert texts(document) == ["계획"]


def test_what_hides_in_it_is_flagged(sandbox, tmp_path):
    data = letter_with_damaged_footnotes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["word/document.xml"] = entries["word/document.xml"].replace("회사".encode(), "회\u200b사".encode())
    document = read(sandbox, tmp_path, "규정.docx", zip_bytes(entries))
    assert document.warnings == ("hidden_text", "second_reader", "unseen_characters:zero_width=1")
    assert "회사는 개인정보를 보호한다." in texts(document)


@pytest.mark.parametrize("part", ["charts/chart1", "drawings/drawing1"])
def test_a_workbook_with_a_damaged_drawing(sandbox, tmp_path, part):
    workbook = openpyxl.Workbook()
    for row in (["구분", "한도"], ["개인", 1]):
        workbook.active.append(row)
    chart = BarChart()
    chart.add_data(Reference(workbook.active, min_col=2, min_row=1, max_row=2))
    workbook.active.add_chart(chart, "D4")
    document = read(sandbox, tmp_path, "한도.xlsx", with_parts(workbook, **{part: b"<xdr"}))
    assert document.warnings == ("formats_unknown", "second_reader")
    assert texts(document) == ["| 구분 | 한도 |\n| --- | --- |\n| 개인 | 1 |"]


def test_the_reader_of_a_document_is_told():
    assert "간이 판독기" in warning_for("second_reader", "ko")
    assert "simpler reader" in warning_for("second_reader", "en")


@pytest.fixture(scope="module")
def two_readers():
    with ParseSandbox(ParseLimits(256 << 20, cpu_s=1), registry="tests.unit.parsing.two_readers") as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", ["damaged", "bug"])
def test_a_failure_is_given_to_the_second_reader(two_readers, tmp_path, name):
    assert texts(read(two_readers, tmp_path, f"{name}.txt", b"text")) == ["second/1"]


def test_the_log_keeps_what_the_first_one_died_of(two_readers, tmp_path, caplog):
    read(two_readers, tmp_path, "bug.txt", b"text")
    assert "KeyError: 'missing'" in caplog.text


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("encrypted", FileEncrypted),
        ("empty", NoTextFound),
        ("limit", ParseLimitExceeded),
        ("memory", ParseLimitExceeded),
    ],
)
def test_other_errors_stand(two_readers, tmp_path, name, error):
    with pytest.raises(error):
        read(two_readers, tmp_path, f"{name}.txt", b"text")


@pytest.mark.parametrize("then", ["damaged", "empty", "limit", "bug", "dies", "spins", "allocates"])
@pytest.mark.parametrize(("name", "error"), [("damaged", FileDamaged), ("bug", ParserCrashed)])
def test_when_both_fail_the_first_error_counts(two_readers, tmp_path, name, error, then):
    with pytest.raises(SeogoError) as caught:
        read(two_readers, tmp_path, f"{name}-{then}.txt", b"text")
    assert type(caught.value) is error
    assert caught.value.params.get("detail", "first") == "first"


def test_a_format_without_a_first_reader_has_no_second(two_readers, tmp_path):
    with pytest.raises(UnsupportedFormat):
        read(two_readers, tmp_path, "a.pdf", b"%PDF-1.4\n")
