from __future__ import annotations

import datetime
import io
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from openpyxl.comments import Comment
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from rag.domain.anchor import ParagraphAnchor, SheetAnchor, SlideAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import FileDamaged, NoTextFound
from tests.unit.parsing.documents import edited, outline, parse, texts

W = nsdecls("w")


def saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


@pytest.fixture
def parse_bytes(tmp_path: Path):
    def write_and_parse(data: bytes, name: str = "a.docx"):
        path = tmp_path / name
        path.write_bytes(data)
        return parse(path)

    return write_and_parse


def test_docx_headings_and_paragraph_numbers(parse_bytes):
    document = docx.Document()
    document.core_properties.title = "취업규칙"
    document.add_heading("취업규칙", 0)
    document.add_heading("제1장 총칙", 1)
    document.add_paragraph("")
    document.add_paragraph("제1조(목적) 이 규칙은 근로조건을 정한다.")
    document.add_heading("세부", 2)
    document.add_paragraph("본문입니다.")
    parsed = parse_bytes(saved(document))
    assert parsed.title == "취업규칙"
    assert outline(parsed) == [(1, "취업규칙"), (1, "제1장 총칙"), (5, "제1조(목적)"), (2, "세부")]
    assert [element.anchor for element in parsed.elements] == [ParagraphAnchor(n, n) for n in (1, 2, 4, 4, 5, 6)]


def test_docx_heading_by_own_outline_level_and_by_korean_style(parse_bytes):
    document = docx.Document()
    style = document.styles.add_style("제목 2", WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("우리말 이름의 양식", style)
    paragraph = document.add_paragraph("개요 수준")
    paragraph._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {W} w:val="2"/>'))
    assert outline(parse_bytes(saved(document))) == [(2, "우리말 이름의 양식"), (3, "개요 수준")]


def test_docx_table(parse_bytes):
    document = docx.Document()
    document.add_paragraph("앞")
    table = document.add_table(3, 3)
    for row, cells in enumerate((("구분", "한도", "비고"), ("개인", "1|000", "가"), ("", "2000", "나"))):
        for column, cell in enumerate(cells):
            table.cell(row, column).text = cell
    table.cell(1, 0).merge(table.cell(2, 0))
    document.add_paragraph("뒤")
    parsed = parse_bytes(saved(document))
    element = parsed.elements[1]
    assert element.text == "| 구분 | 한도 | 비고 |\n| --- | --- | --- |\n| 개인 | 1\\|000 | 가 |\n| 개인 | 2000 | 나 |"
    assert element.line_anchors[2].first == 5  # one paragraph before the table, three in its header
    assert parsed.elements[2].anchor.first > element.anchor.last


def test_docx_frame_of_one_cell_is_text(parse_bytes):
    document = docx.Document()
    cell = document.add_table(1, 1).cell(0, 0)
    cell.text = "제2조(정의) 용어"
    cell.add_paragraph("둘째 문단")
    parsed = parse_bytes(saved(document))
    assert texts(parsed) == ["제2조(정의)", "용어", "둘째 문단"]


NUMBERING = (
    f'<w:abstractNum {W} w:abstractNumId="90"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/>'
    '<w:lvlText w:val="제%1조"/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="ganada"/>'
    '<w:lvlText w:val="%2."/></w:lvl><w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="bullet"/>'
    '<w:lvlText w:val="-"/></w:lvl></w:abstractNum>'
)


def test_docx_automatic_numbers(parse_bytes):
    document = docx.Document()
    numbering = document.part.numbering_part.element
    numbering.insert(0, parse_xml(NUMBERING))
    numbering.append(parse_xml(f'<w:num {W} w:numId="91"><w:abstractNumId w:val="90"/></w:num>'))
    for text, level in (("(목적)", 0), ("첫째", 1), ("둘째", 1), ("점", 2), ("(정의)", 0), ("다시", 1)):
        properties = document.add_paragraph(text)._p.get_or_add_pPr()
        properties.append(parse_xml(f'<w:numPr {W}><w:ilvl w:val="{level}"/><w:numId w:val="91"/></w:numPr>'))
    parsed = parse_bytes(saved(document))
    assert texts(parsed) == ["제3조 (목적)", "가. 첫째", "나. 둘째", "점", "제4조 (정의)", "가. 다시"]
    assert [element.kind for element in parsed.elements[:4]] == [ElementKind.HEADING] + [ElementKind.LIST_ITEM] * 3


BOX = (
    f'<w:r {W} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:AlternateContent>'
    "<mc:Choice Requires='wps'><w:txbxContent><w:p><w:r><w:t>글상자</w:t></w:r></w:p></w:txbxContent></mc:Choice>"
    "<mc:Fallback><w:txbxContent><w:p><w:r><w:t>글상자</w:t></w:r></w:p></w:txbxContent></mc:Fallback>"
    "</mc:AlternateContent></w:r>"
)
CHANGES = (
    f"<w:p {W}><w:r><w:t>남은 </w:t></w:r><w:del><w:r><w:delText>지운 </w:delText></w:r></w:del>"
    "<w:ins><w:r><w:t>넣은</w:t><w:tab/><w:t>글</w:t><w:br/><w:t>줄</w:t></w:r></w:ins></w:p>"
)


def test_docx_text_boxes_and_tracked_changes(parse_bytes):
    document = docx.Document()
    document.add_paragraph("상자 앞")._p.append(parse_xml(BOX))
    document.element.body.insert(1, parse_xml(CHANGES))
    assert texts(parse_bytes(saved(document))) == ["상자 앞", "글상자", "남은 넣은 글\n줄"]


def test_docx_with_macros(parse_bytes):
    document = docx.Document()
    document.add_paragraph("매크로 문서")
    data = edited(
        saved(document),
        "[Content_Types].xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        "application/vnd.ms-word.document.macroEnabled.main+xml",
    )
    assert texts(parse_bytes(data)) == ["매크로 문서"]


def test_docx_entities_are_not_resolved(parse_bytes):
    document = docx.Document()
    document.add_paragraph("본문 MARK")
    data = edited(saved(document), "word/document.xml", "MARK", "&x;")
    data = edited(
        data, "word/document.xml", "<w:document", '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]><w:document'
    )
    assert texts(parse_bytes(data)) == ["본문"]


def test_docx_without_text_or_without_a_part(parse_bytes):
    with pytest.raises(NoTextFound):
        parse_bytes(saved(docx.Document()))
    data = edited(saved(docx.Document()), "word/document.xml", "</w:document>", "")
    with pytest.raises(FileDamaged):
        parse_bytes(data)


def workbook() -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "한도"
    sheet["B2"] = "거래 한도표"
    for row, values in enumerate(
        (("구분", "금액", "시행일", "비율"), ("개인", 1500000, datetime.date(2026, 3, 1), 0.035)), 4
    ):
        for column, value in enumerate(values, 2):
            sheet.cell(row, column, value)
    sheet["C5"].number_format, sheet["D5"].number_format = '#,##0"원"', 'yyyy"년" m"월" d"일"'
    sheet["E5"].number_format = "0.0%"
    return book


def test_xlsx_ranges_and_displayed_values(parse_bytes):
    parsed = parse_bytes(saved(workbook()), "a.xlsx")
    assert [(element.kind, element.text) for element in parsed.elements] == [
        (ElementKind.HEADING, "한도"),
        (ElementKind.TEXT, "거래 한도표"),
        (
            ElementKind.TABLE,
            "| 구분 | 금액 | 시행일 | 비율 |\n| --- | --- | --- | --- |\n| 개인 | 1,500,000원 | 2026년 3월 1일 | 3.5% |",
        ),
    ]
    table = parsed.elements[2]
    assert table.anchor == SheetAnchor("한도", "B4:E5")
    assert table.line_anchors[2] == SheetAnchor("한도", "B5:E5")
    assert parsed.elements[1].anchor == SheetAnchor("한도", "B2")


def test_xlsx_long_table_repeats_its_header(parse_bytes):
    book = openpyxl.Workbook()
    book.active.append(["번호", "값"])
    for number in range(1100):
        book.active.append([number, f"v{number}"])
    tables = [element for element in parse_bytes(saved(book), "a.xlsx").elements if element.kind is ElementKind.TABLE]
    assert [table.anchor.cells for table in tables] == ["A1:B501", "A502:B1001", "A1002:B1101"]
    assert all(table.text.startswith("| 번호 | 값 |") for table in tables)


def test_xlsx_says_what_it_left_out(parse_bytes):
    book = workbook()
    hidden = book.create_sheet("숨김")
    hidden["A1"] = "비밀"
    hidden.sheet_state = "hidden"
    book["한도"]["F5"] = "=C5*2"
    book["한도"]["B5"].comment = Comment("검토 의견", "감사")
    parsed = parse_bytes(saved(book), "a.xlsx")
    assert parsed.warnings == ("formulas_without_values", "hidden_sheets")
    assert "비밀" not in "".join(texts(parsed))


def test_xlsx_empty(parse_bytes):
    with pytest.raises(NoTextFound):
        parse_bytes(saved(openpyxl.Workbook()), "a.xlsx")


def deck() -> pptx.presentation.Presentation:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "분기 실적"
    slide.placeholders[1].text = "매출 증가\n비용 감소"
    slide.notes_slide.notes_text_frame.text = "발표자 메모"
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "표와 차트"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for row, cells in enumerate((("분기", "매출"), ("1분기", "120억"))):
        for column, cell in enumerate(cells):
            table.cell(row, column).text = cell
    data = CategoryChartData()
    data.categories = ["1분기", "2분기"]
    data.add_series("매출", (120, 150))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(4), Inches(4), Inches(2), data)
    return presentation


def test_pptx(parse_bytes):
    parsed = parse_bytes(saved(deck()), "a.pptx")
    assert parsed.pages == 2
    assert outline(parsed) == [(1, "분기 실적"), (1, "표와 차트")]
    found = {element.text: element.anchor for element in parsed.elements}
    assert found["매출 증가"] == found["발표자 메모"] == SlideAnchor(1, 1)
    assert found["| 분기 | 매출 |\n| --- | --- |\n| 1분기 | 120억 |"] == SlideAnchor(2, 2)
    assert found["|  | 매출 |\n| --- | --- |\n| 1분기 | 120 |\n| 2분기 | 150 |"] == SlideAnchor(2, 2)


def test_pptx_without_slides(parse_bytes):
    with pytest.raises(NoTextFound):
        parse_bytes(saved(pptx.Presentation()), "a.pptx")
