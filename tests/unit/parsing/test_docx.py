from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor

from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import ElementKind
from tests.unit.parsing.documents import edited, outline, parse, texts, zip_bytes

W = nsdecls("w")
M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


@pytest.fixture
def parsed(tmp_path: Path):
    def write_and_parse(document, name: str = "문서.docx"):
        path = tmp_path / name
        path.write_bytes(document if isinstance(document, bytes) else saved(document))
        return parse(path)

    return write_and_parse


def with_part(package: bytes, part: str, data: str, kind: str, relation: str = "rIdX") -> bytes:
    """A package with one more part, related to the main one."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries[f"word/{part}"] = data.encode()
    link = f'<Relationship Id="{relation}" Type="{RELATION}/{kind}" Target="{part}"/></Relationships>'
    rels = "word/_rels/document.xml.rels"
    entries[rels] = entries[rels].decode().replace("</Relationships>", link).encode()
    return zip_bytes(entries)


def test_the_title_is_what_stands_in_its_style_not_the_first_of_several_headings(parsed):
    document = docx.Document()
    document.core_properties.title = ""
    for text in ("개요", "배경"):
        document.add_heading(text, 1)
        document.add_paragraph("본문이다.")
    assert parsed(document).title == ""
    document.paragraphs[0].insert_paragraph_before("여비 규정", style="Title")
    found = parsed(document)
    assert found.title == "여비 규정"
    assert outline(found)[0] == (1, "여비 규정")


def test_merged_cells_stand_in_every_row_and_column_that_they_cover(parsed):
    document = docx.Document()
    table = document.add_table(4, 4)
    for row, cells in enumerate(("구분,매출,,비고", ",1분기,2분기,", "개인,10,20,가", "합계 없음,,,")):
        for column, text in enumerate(cells.split(",")):
            table.cell(row, column).text = text
    table.cell(0, 0).merge(table.cell(1, 0))
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(0, 3).merge(table.cell(1, 3))
    table.cell(3, 0).merge(table.cell(3, 3))
    (element,) = parsed(document).elements
    assert element.text.split("\n") == [
        "| 구분 | 매출 / 1분기 | 매출 / 2분기 | 비고 |",
        "| --- | --- | --- | --- |",
        "| 개인 | 10 | 20 | 가 |",
        "| 합계 없음 |  |  |  |",  # a row that is one cell is said once
    ]
    assert element.line_anchors[0] == ParagraphAnchor(1, 10)
    assert element.line_anchors[2] == ParagraphAnchor(11, 14)


@pytest.mark.parametrize(
    ("named", "first"),
    [((), "| 2024년 | 계 |"), ((0, 1), "| 2024년 / 상반기 | 계 / 건 |"), ((1,), "| 2024년 | 계 |")],
)
def test_rows_that_word_repeats_on_every_page_are_the_heading(parsed, named, first):
    document = docx.Document()
    table = document.add_table(3, 2)
    for row, cells in enumerate((("2024년", "계"), ("상반기", "건"), ("10", "20"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    for row in named:
        table.rows[row]._tr.get_or_add_trPr().append(parse_xml(f"<w:tblHeader {W}/>"))
    assert parsed(document).elements[0].text.split("\n")[0] == first


def test_a_form_with_a_photograph_in_its_corner_keeps_its_rows(parsed):
    document = docx.Document()
    table = document.add_table(4, 4)
    for row, cells in enumerate(("사진,성명,홍길동,", ",생년월일,1990,", ",주소,서울,", "비고,없음,,")):
        for column, text in enumerate(cells.split(",")):
            table.cell(row, column).text = text
    table.cell(0, 0).merge(table.cell(2, 0))
    for row in range(3):
        table.cell(row, 2).merge(table.cell(row, 3))
    (element,) = parsed(document).elements
    assert element.text.split("\n")[0] == "| 사진 | 성명 | 홍길동 | 홍길동 |"
    assert len(element.text.split("\n")) == 5


def test_cells_that_begin_late_stay_in_their_columns(parsed):
    document = docx.Document()
    table = document.add_table(2, 3)
    for row, cells in enumerate((("가", "나", "다"), ("1", "2", "3"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    second = table.rows[1]._tr
    second.remove(second.tc_lst[0])
    second.insert(0, parse_xml(f'<w:trPr {W}><w:gridBefore w:val="1"/></w:trPr>'))
    assert parsed(document).elements[0].text.endswith("|  | 2 | 3 |")


def test_nested_table_stays_in_its_cell(parsed):
    document = docx.Document()
    outer = document.add_table(1, 2)
    outer.cell(0, 0).text = "바깥"
    inner = outer.cell(0, 1).add_table(2, 2)
    for at, text in enumerate(("ㄱ", "ㄴ", "1", "2")):
        inner.cell(at // 2, at % 2).text = text
    (element,) = parsed(document).elements
    assert element.text.split("\n")[0] == "| 바깥 | ㄱ \\| ㄴ / 1 \\| 2 |"


def test_headers_and_footers_once_without_page_numbers(parsed):
    document = docx.Document()
    document.add_paragraph("본문")
    for section in (document.sections[0], document.add_section()):
        section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
        section.header.paragraphs[0].text = "대외비 문서번호 KR-7"
        section.footer.paragraphs[0].text = "- 3 -"
    document.sections[1].footer.paragraphs[0].text = "한빛은행"
    assert [text for text in texts(parsed(document)) if text] == ["대외비 문서번호 KR-7", "한빛은행", "본문"]


def test_footers_are_no_part_of_the_last_section(parsed):
    document = docx.Document()
    document.add_heading("제1장 총칙", 1)
    document.add_paragraph("본문")
    section = document.sections[0]
    section.different_first_page_header_footer = True
    section.header.paragraphs[0].text = section.first_page_footer.paragraphs[0].text = "한빛은행"
    section.footer.paragraphs[0].text = "대외비"
    result = parsed(document)
    assert texts(result) == ["한빛은행", "대외비", "제1장 총칙", "본문"]
    assert result.elements[1].anchor == ParagraphAnchor(1, 1)


def numbered(levels: str, more: str = "", changed: str = "", number: str = "91"):
    """A document whose paragraphs have these levels of one list, `1.`, `1.1.`, `1.1.1.`.

    Args:
        more: what level 2 (the third) says besides.
        changed: what the list `92`, which shares its counters, overrides.
        number: for each paragraph the second digit of its list.
    """
    document = docx.Document()
    numbering = document.part.numbering_part.element
    shown = ("%1.", "%1.%2.", "%1.%2.%3.")
    formats = ("upperRoman", "decimal", "decimal")
    inner = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{formats[at]}"/>{more if at == 2 else ""}'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
        for at, text in enumerate(shown)
    )
    numbering.insert(0, parse_xml(f'<w:abstractNum {W} w:abstractNumId="90">{inner}</w:abstractNum>'))
    for one, override in ("91", ""), ("92", changed):
        numbering.append(parse_xml(f'<w:num {W} w:numId="{one}"><w:abstractNumId w:val="90"/>{override}</w:num>'))
    for at, level in enumerate(levels):
        properties = document.add_paragraph("글")._p.get_or_add_pPr()
        own = number if number == "91" else f"9{number[at]}"
        properties.append(parse_xml(f'<w:numPr {W}><w:ilvl w:val="{level}"/><w:numId w:val="{own}"/></w:numPr>'))
    return document


@pytest.mark.parametrize(
    ("levels", "more", "expected"),
    [
        ("0121", "", "I. I.1. I.1.1. I.2."),
        ("021", "", "I. I.1.1. I.2."),  # a level that is passed over counts as if it stood there
        ("10", "", "I.1. II."),
        ("01212", '<w:lvlRestart w:val="1"/>', "I. I.1. I.1.1. I.2. I.2.2."),
        ("01202", '<w:lvlRestart w:val="1"/>', "I. I.1. I.1.1. II. II.1.1."),
        ("01202", '<w:lvlRestart w:val="0"/>', "I. I.1. I.1.1. II. II.1.2."),
        ("012", "<w:isLgl/>", "I. I.1. 1.1.1."),
        ("012", '<w:isLgl w:val="0"/>', "I. I.1. I.1.1."),
    ],
)
def test_numbers_of_several_levels(parsed, levels, more, expected):
    assert [text.split()[0] for text in texts(parsed(numbered(levels, more)))] == expected.split()


def test_lists_that_share_their_levels_count_on_unless_one_starts_anew(parsed):
    again = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride>'
    for changed, expected in ("", "I. II. II.1. III."), (again, "I. V. V.1. VI."):
        document = numbered("0010", changed=changed, number="1222")
        assert [text.split()[0] for text in texts(parsed(document))] == expected.split()


COMMENTS = (
    f'<w:comments {W}><w:comment w:id="1" w:author="김감사" w:date="2026-03-01T09:00:00Z"><w:p><w:r>'
    "<w:t>근거가 필요합니다</w:t></w:r></w:p></w:comment></w:comments>"
)


def test_comments_are_marked_and_stand_after_their_paragraph(parsed):
    document = docx.Document()
    reference = f'<w:r {W}><w:commentReference w:id="1"/></w:r>'
    document.add_paragraph("한도는 5억원이다.")._p.append(parse_xml(reference))
    document.add_paragraph("다음 문단")
    result = parsed(with_part(saved(document), "comments.xml", COMMENTS, "comments"))
    assert texts(result) == ["한도는 5억원이다.", "[메모: 김감사, 2026-03-01] 근거가 필요합니다", "다음 문단"]
    assert result.elements[1].anchor == ParagraphAnchor(1, 1)
    assert "comments_left_out" not in result.warnings


def test_comment_in_a_cell_does_not_stand_in_the_table(parsed):
    document = docx.Document()
    table = document.add_table(2, 2)
    for at, text in enumerate(("구분", "한도", "개인", "5억")):
        table.cell(at // 2, at % 2).text = text
    table.cell(1, 1).paragraphs[0]._p.append(parse_xml(f'<w:r {W}><w:commentReference w:id="1"/></w:r>'))
    result = parsed(with_part(saved(document), "comments.xml", COMMENTS, "comments"))
    assert result.elements[0].text.endswith("| 개인 | 5억 |")
    assert texts(result)[1].startswith("[메모: 김감사")


def test_notes_stand_after_their_paragraph(parsed):
    notes = f'<w:footnotes {W}><w:footnote w:id="2"><w:p><w:r><w:t>은행법 제35조</w:t></w:r></w:p></w:footnote></w:footnotes>'
    document = docx.Document()
    document.add_paragraph("동일인 한도")._p.append(parse_xml(f'<w:r {W}><w:footnoteReference w:id="2"/></w:r>'))
    assert texts(parsed(with_part(saved(document), "footnotes.xml", notes, "footnotes"))) == [
        "동일인 한도",
        "은행법 제35조",
    ]


def test_equations(parsed):
    fraction = (
        f"<m:oMath {M}><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f>"
        "<m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr><m:sub><m:r><m:t>k=0</m:t></m:r></m:sub><m:sup/>"
        "<m:e><m:d><m:dPr><m:begChr m:val='{'/><m:endChr m:val='}'/></m:dPr><m:e><m:r><m:t>x</m:t></m:r></m:e></m:d></m:e>"
        "</m:nary></m:oMath>"
    )
    document = docx.Document()
    document.add_paragraph("식:")._p.append(parse_xml(fraction))
    assert texts(parsed(document)) == ["식: (a)/(b)∑_(k=0){x}"]


def test_content_controls_fields_and_deleted_rows(parsed):
    document = docx.Document()
    document.add_paragraph("앞")
    control = f"<w:sdt {W}><w:sdtContent><w:p><w:r><w:t>입력란</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    document.element.body.insert(1, parse_xml(control))
    field = (
        f'<w:p {W}><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>MERGEFIELD 이름</w:instrText></w:r>'
        '<w:r><w:t>코드 안의 글</w:t></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>홍길동</w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r><w:r><w:t> 귀하</w:t></w:r></w:p>'
    )
    document.element.body.insert(2, parse_xml(field))
    table = document.add_table(3, 2)
    for at, text in enumerate(("ㄱ", "ㄴ", "지운", "행", "남은", "행")):
        table.cell(at // 2, at % 2).text = text
    table.rows[1]._tr.get_or_add_trPr().append(parse_xml(f'<w:del {W} w:id="1" w:author="x"/>'))
    result = parsed(document)
    assert texts(result)[:3] == ["앞", "입력란", "홍길동 귀하"]
    assert "지운" not in result.elements[3].text and "남은" in result.elements[3].text


def hidden(document) -> None:
    document.styles.add_style("숨김글", 2).font.hidden = True
    document.add_paragraph("보이는 글")
    for change in ("vanish", "style", "white", "tiny"):
        run = document.add_paragraph("앞 ").add_run(f"비밀-{change}")
        match change:
            case "vanish":
                run.font.hidden = True
            case "style":
                run.style = "숨김글"
            case "white":
                run.font.color.rgb = RGBColor(255, 255, 255)
            case "tiny":
                run.font.size = Pt(1)


def test_hidden_text_is_left_out_and_said(parsed):
    document = docx.Document()
    hidden(document)
    result = parsed(document)
    assert "비밀" not in "".join(texts(result))
    assert texts(result) == ["보이는 글", "앞", "앞", "앞", "앞"]
    assert result.warnings == ("hidden_text",)


def test_white_text_on_a_dark_ground_is_read(parsed):
    document = docx.Document()
    run = document.add_paragraph().add_run("어두운 바탕의 글")
    run.font.color.rgb = RGBColor(255, 255, 255)
    run._r.get_or_add_rPr().append(parse_xml(f'<w:shd {W} w:val="clear" w:fill="1F3864"/>'))
    table = document.add_table(1, 2)
    for column, text in enumerate(("구분", "한도")):
        table.cell(0, column).paragraphs[0].add_run(text).font.color.rgb = RGBColor(255, 255, 255)
    result = parsed(document)
    assert texts(result)[0] == "어두운 바탕의 글"
    assert "한도" in texts(result)[1]
    assert result.warnings == ()


def test_picture_description_and_metadata(parsed):
    drawing = (
        f'<w:r {W} xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"><w:drawing><wp:inline>'
        '<wp:docPr id="1" name="그림 1" descr="조직도: 대표이사 아래 세 본부"/></wp:inline></w:drawing></w:r>'
    )
    document = docx.Document()
    document.add_paragraph("조직")._p.append(parse_xml(drawing))
    properties = document.core_properties
    properties.author, properties.subject, properties.keywords = "김작성", "조직", "본부, 팀"
    properties.created = datetime.datetime(2026, 3, 1, 9, 0)
    result = parsed(document)
    assert texts(result) == ["조직 [그림: 조직도: 대표이사 아래 세 본부]"]
    assert result.metadata.author == "김작성"
    assert result.metadata.created_at == "2026-03-01T09:00:00Z"
    assert ("subject", "조직") in result.metadata.attributes


CHART = (
    '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><c:chart><c:title><c:tx><c:rich><a:p><a:r>'
    "<a:t>분기 매출</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart><c:ser><c:tx><c:strRef><c:strCache>"
    '<c:pt idx="0"><c:v>매출</c:v></c:pt></c:strCache></c:strRef></c:tx><c:cat><c:strRef><c:strCache><c:pt idx="0">'
    '<c:v>1분기</c:v></c:pt></c:strCache></c:strRef></c:cat><c:val><c:numRef><c:numCache><c:pt idx="0"><c:v>120</c:v>'
    "</c:pt></c:numCache></c:numRef></c:val></c:ser></c:barChart></c:plotArea></c:chart></c:chartSpace>"
)
DIAGRAM = (
    '<dgm:dataModel xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><dgm:ptLst><dgm:pt type="doc"/>'
    "<dgm:pt><dgm:t><a:p><a:r><a:t>접수</a:t></a:r></a:p></dgm:t></dgm:pt>"
    "<dgm:pt><dgm:t><a:p><a:r><a:t>심사</a:t></a:r></a:p></dgm:t></dgm:pt>"
    '<dgm:pt type="pres"><dgm:t><a:p><a:r><a:t>표시용</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst></dgm:dataModel>'
)


def test_charts_and_diagrams(parsed):
    graphic = (
        f'<w:r {W} xmlns:r="{RELATION}"><w:drawing>'
        '<c:chart xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" r:id="rIdC"/>'
        '<dgm:relIds xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" r:dm="rIdD"/>'
        "</w:drawing></w:r>"
    )
    document = docx.Document()
    document.add_paragraph("그림")._p.append(parse_xml(graphic))
    package = with_part(saved(document), "chart1.xml", CHART, "chart", "rIdC")
    package = with_part(package, "data1.xml", DIAGRAM, "diagramData", "rIdD")
    assert texts(parsed(package)) == [
        "그림",
        "분기 매출",
        "|  | 매출 |\n| --- | --- |\n| 1분기 | 120 |",
        "접수",
        "심사",
    ]


def test_heading_by_a_style_that_is_based_on_one(parsed):
    document = docx.Document()
    style = document.styles.add_style("부서 표제", 1)
    style.base_style = document.styles["Heading 2"]
    document.add_paragraph("여신 심사", style)
    assert outline(parsed(document)) == [(2, "여신 심사")]


def test_strict_document(parsed):
    document = docx.Document()
    document.add_heading("엄격한 문서", 1)
    package = saved(document)
    for part in ("word/document.xml", "word/styles.xml"):
        package = edited(
            package,
            part,
            "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
            "http://purl.oclc.org/ooxml/wordprocessingml/main",
        )
    assert outline(parsed(package)) == [(1, "엄격한 문서")]


def test_what_is_not_read_is_said(parsed):
    document = docx.Document()
    document.add_paragraph("본문")
    package = saved(document)
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["word/vbaProject.bin"] = b"macro"
    entries["word/embeddings/oleObject1.bin"] = b"\xd0\xcf\x11\xe0"
    entries["word/embeddings/Microsoft_Excel_Sheet.xlsx"] = b"PK"
    entries["word/_rels/settings.xml.rels"] = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        f'Type="{RELATION}/attachedTemplate" Target="http://203.0.113.9/x.dotm" TargetMode="External"/></Relationships>'
    ).encode()
    result = parsed(zip_bytes(entries))
    assert result.warnings == ("embedded_not_read", "external_content", "has_macros")
    assert ("embedded_files", "2") in result.metadata.attributes
    assert texts(result) == ["본문"]


def test_hyperlinks_are_no_external_content(parsed):
    document = docx.Document()
    document.add_paragraph("사내 포털")
    document.part.relate_to("https://portal.example.kr", f"{RELATION}/hyperlink", is_external=True)
    assert parsed(document).warnings == ()


def test_paragraphs_nested_beyond_any_use_end(parsed):
    document = docx.Document()
    document.add_paragraph("끝까지 읽힘")
    deep = "<w:sdt><w:sdtContent>" * 110 + "<w:p/>" + "</w:sdtContent></w:sdt>" * 110
    document.element.body.insert(1, parse_xml(f"<w:customXml {W}>{deep}</w:customXml>"))
    result = parsed(document)
    assert [element.kind for element in result.elements] == [ElementKind.TEXT]
