from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE
from pptx.oxml import parse_xml
from pptx.util import Inches, Pt

from rag.domain.anchor import SlideAnchor
from rag.domain.document import ElementKind
from tests.unit.parsing.documents import edited, outline, parse, texts, zip_bytes

A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def saved(presentation) -> bytes:
    out = io.BytesIO()
    presentation.save(out)
    return out.getvalue()


@pytest.fixture
def parsed(tmp_path: Path):
    def write_and_parse(presentation, name: str = "발표.pptx"):
        path = tmp_path / name
        path.write_bytes(presentation if isinstance(presentation, bytes) else saved(presentation))
        return parse(path)

    return write_and_parse


@pytest.fixture
def deck():
    return pptx.Presentation()


def shown(document) -> list[str]:
    """Texts without the numbers that head slides without a title."""
    return [text for text in texts(document) if not text.startswith("슬라이드 ")]


def blank(deck):
    return deck.slides.add_slide(deck.slide_layouts[6])


def box(slide, text: str, left: float, top: float, size: int | None = None):
    shape = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(0.5))
    run = shape.text_frame.paragraphs[0].add_run()
    run.text = text
    if size:
        run.font.size = Pt(size)
    return shape


def with_parts(package: bytes, slide: str, parts: dict[str, tuple[str, str]]) -> bytes:
    """A package with more parts, each (kind, content), related to the slide."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    links = ""
    for number, (part, (kind, content)) in enumerate(parts.items()):
        entries[f"ppt/{part}"] = content.encode()
        links += f'<Relationship Id="rIdX{number}" Type="{kind}" Target="../{part}"/>'
    rels = f"ppt/slides/_rels/{slide}.xml.rels"
    entries[rels] = entries[rels].decode().replace("</Relationships>", f"{links}</Relationships>").encode()
    return zip_bytes(entries)


def test_shapes_are_read_from_top_to_bottom_and_from_left_to_right(parsed, deck):
    slide = blank(deck)
    for text, left, top in (("넷", 5, 3), ("셋", 1, 3.1), ("둘", 5, 1.1), ("하나", 1, 1)):
        box(slide, text, left, top)
    assert shown(parsed(deck)) == ["하나", "둘", "셋", "넷"]


def test_a_group_is_read_where_it_stands_and_stays_together(parsed, deck):
    slide = blank(deck)
    box(slide, "아래", 1, 5)
    group = slide.shapes.add_group_shape()
    for text, left, top in (("무리 둘", 3, 3), ("무리 하나", 3, 2)):
        group.shapes.add_textbox(Inches(left), Inches(top), Inches(1), Inches(1)).text_frame.text = text
    box(slide, "위", 1, 1)
    assert shown(parsed(deck)) == ["위", "무리 하나", "무리 둘", "아래"]


def test_a_slide_without_a_title_takes_the_large_line_on_top(parsed, deck):
    slide = blank(deck)
    box(slide, "추진 배경", 1, 0.5, 32)
    box(slide, "예금 금리가 올랐다.", 1, 2, 14)
    slide = blank(deck)
    box(slide, "작은 글", 1, 0.5, 14)
    result = parsed(deck)
    assert outline(result) == [(1, "추진 배경"), (1, "슬라이드 2")]
    assert texts(result)[-1] == "작은 글"
    assert result.pages == 2


def test_the_number_of_a_slide_is_no_title(parsed, deck):
    box(blank(deck), "a first slide without a title", 1, 1)
    box(blank(deck), "Outlook", 1, 0.5, 32)
    result = parsed(deck)
    assert outline(result) == [(1, "Slide 1"), (1, "Outlook")]
    assert result.title == "Outlook"


def test_automatic_numbers_and_bullets(parsed, deck):
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "절차"
    frame = slide.placeholders[1].text_frame
    frame.text = "접수"
    for text in ("심사", "승인"):
        frame.add_paragraph().text = text
    for paragraph, scheme in zip(frame.paragraphs, ("arabicPeriod", "arabicPeriod", "circleNumDbPlain"), strict=True):
        paragraph._p.get_or_add_pPr().append(parse_xml(f'<a:buAutoNum {A} type="{scheme}" startAt="3"/>'))
    result = parsed(deck)
    assert shown(result) == ["절차", "3. 접수", "4. 심사", "③ 승인"]
    assert result.elements[1].kind is ElementKind.LIST_ITEM


def test_merged_cells(parsed, deck):
    table = blank(deck).shapes.add_table(3, 3, Inches(1), Inches(1), Inches(6), Inches(2)).table
    for row, cells in enumerate(("구분,매출,", ",1분기,2분기", "개인,10,20")):
        for column, text in enumerate(cells.split(",")):
            table.cell(row, column).text = text
    table.cell(0, 0).merge(table.cell(1, 0))
    table.cell(0, 1).merge(table.cell(0, 2))
    assert shown(parsed(deck))[0].split("\n") == [
        "| 구분 | 매출 / 1분기 | 매출 / 2분기 |",
        "| --- | --- | --- |",
        "| 개인 | 10 | 20 |",
    ]


def test_hidden_slides_are_read_and_said(parsed, deck):
    box(blank(deck), "보이는 장", 1, 1)
    slide = blank(deck)
    slide._element.set("show", "0")
    box(slide, "건너뛰는 장", 1, 1)
    result = parsed(deck)
    assert shown(result) == ["보이는 장", "건너뛰는 장"]
    assert result.warnings == ("hidden_slides",)


def test_hidden_shapes_and_white_text_on_a_white_slide(parsed, deck):
    slide = blank(deck)
    box(slide, "보임", 1, 1)
    box(slide, "숨긴 도형", 1, 2)._element.nvSpPr.cNvPr.set("hidden", "1")
    box(slide, "흰 글", 1, 3).text_frame.paragraphs[0].runs[0].font.color.rgb = RGBColor(255, 255, 255)
    result = parsed(deck)
    assert shown(result) == ["보임"]
    assert result.warnings == ("hidden_text",)


def test_white_text_where_something_dark_may_lie_behind_it(parsed, deck):
    slide = blank(deck)
    shape = box(slide, "진한 바탕의 흰 글", 1, 1)
    shape.text_frame.paragraphs[0].runs[0].font.color.rgb = RGBColor(255, 255, 255)
    shape.fill.solid()
    shape.fill.fore_color.rgb = RGBColor(31, 56, 100)
    result = parsed(deck)
    assert shown(result) == ["진한 바탕의 흰 글"]
    assert result.warnings == ()


DIAGRAM = (
    f'<dgm:dataModel xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" {A}><dgm:ptLst>'
    "<dgm:pt><dgm:t><a:p><a:r><a:t>접수</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst></dgm:dataModel>"
)
FRAME = (
    f'<p:graphicFrame {P} {A} xmlns:r="{RELATION}"><p:nvGraphicFramePr><p:cNvPr id="9" name="d"/><p:cNvGraphicFramePr/>'
    '<p:nvPr/></p:nvGraphicFramePr><p:xfrm><a:off x="0" y="900000"/><a:ext cx="1" cy="1"/></p:xfrm><a:graphic>'
    '<a:graphicData uri="d"><dgm:relIds xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    'r:dm="rIdX0"/></a:graphicData></a:graphic></p:graphicFrame>'
)
OLD_COMMENTS = (
    f'<p:cmLst {P}><p:cm authorId="0" dt="2026-03-02T10:00:00"><p:text>근거가 필요합니다</p:text></p:cm></p:cmLst>'
)
NEW_COMMENTS = (
    f'<p188:cmLst xmlns:p188="http://schemas.microsoft.com/office/powerpoint/2018/8/main" {A}>'
    '<p188:cm authorId="{1}" created="2026-03-03T10:00:00.000"><p188:replyLst><p188:reply authorId="{1}" '
    'created="2026-03-04T10:00:00.000"><p188:txBody><a:p><a:r><a:t>반영했습니다</a:t></a:r></a:p></p188:txBody></p188:reply>'
    "</p188:replyLst><p188:txBody><a:p><a:r><a:t>출처는?</a:t></a:r></a:p></p188:txBody></p188:cm></p188:cmLst>"
)


def test_diagrams_and_both_kinds_of_comments(parsed, deck):
    slide = blank(deck)
    slide.shapes._spTree.append(parse_xml(FRAME))
    parts = {
        "diagrams/data1.xml": (f"{RELATION}/diagramData", DIAGRAM),
        "comments/comment1.xml": (f"{RELATION}/comments", OLD_COMMENTS),
        "comments/modern1.xml": ("http://schemas.microsoft.com/office/2018/10/relationships/comments", NEW_COMMENTS),
    }
    result = parsed(with_parts(saved(deck), "slide1", parts))
    assert shown(result) == [
        "접수",
        "[메모: 2026-03-02] 근거가 필요합니다",
        "[메모: 2026-03-03] 출처는?",
        "[메모: 2026-03-04] 반영했습니다",
    ]
    assert {element.anchor for element in result.elements} == {SlideAnchor(1, 1)}


def test_footers_once_and_no_slide_numbers(parsed, deck):
    for text in ("첫 장", "둘째 장"):
        slide = blank(deck)
        box(slide, text, 1, 1)
        for kind, inner in (
            ("ftr", "<a:r><a:t>한빛은행</a:t></a:r>"),
            ("sldNum", '<a:fld id="{1}" type="slidenum"><a:t>7</a:t></a:fld>'),
        ):
            shape = (
                f'<p:sp {P} {A}><p:nvSpPr><p:cNvPr id="7" name="f"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/></p:nvPr>'
                f'</p:nvSpPr><p:spPr><a:xfrm><a:off x="0" y="9000000"/><a:ext cx="1" cy="1"/></a:xfrm></p:spPr>'
                f"<p:txBody><a:bodyPr/><a:p>{inner}</a:p></p:txBody></p:sp>"
            )
            slide.shapes._spTree.append(parse_xml(shape))
    assert shown(parsed(deck)) == ["첫 장", "한빛은행", "둘째 장"]


def test_charts_with_axes_and_no_embedded_workbook_counted(parsed, deck):
    data = CategoryChartData()
    data.categories = ["1분기"]
    data.add_series("매출", (120,))
    place = (Inches(1), Inches(1), Inches(4), Inches(2))
    chart = blank(deck).shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "분기 매출"
    chart.value_axis.has_title = True
    chart.value_axis.axis_title.text_frame.text = "억원"
    result = parsed(deck)
    assert shown(result) == ["분기 매출", "억원", "|  | 매출 |\n| --- | --- |\n| 1분기 | 120 |"]
    assert result.warnings == ()


def test_a_presentation_with_macros(parsed, deck):
    box(blank(deck), "매크로 발표", 1, 1)
    data = edited(
        saved(deck),
        "[Content_Types].xml",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
        "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
    )
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    result = parsed(zip_bytes(entries | {"ppt/vbaProject.bin": b"macro"}))
    assert (shown(result), result.warnings) == (["매크로 발표"], ("has_macros",))
