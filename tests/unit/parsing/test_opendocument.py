from __future__ import annotations

from pathlib import Path

import pytest

from rag.domain.anchor import ParagraphAnchor, SheetAnchor, SlideAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound, ParseLimitExceeded
from tests.unit.parsing.documents import outline, parse, texts, zip_bytes
from tests.unit.parsing.opendocument import NAMESPACES, odf_bytes

LISTS = (
    '<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-prefix="제" style:num-suffix="조" '
    'style:num-format="1" text:start-value="3"/><text:list-level-style-number text:level="2" style:num-suffix="." '
    'style:num-format="가, 나, 다"/></text:list-style>'
)


@pytest.fixture
def parsed(tmp_path: Path):
    def write_and_parse(data: bytes, name: str = "문서.odt"):
        path = tmp_path / name
        path.write_bytes(data)
        return parse(path)

    return write_and_parse


def cells(*rows: str) -> str:
    """Rows of a table, cells separated by commas."""
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    return "".join(
        "<table:table-row>" + "".join(cell.format(text) for text in row.split(",")) + "</table:table-row>"
        for row in rows
    )


def test_headings_paragraphs_and_blanks(parsed):
    body = (
        '<text:p text:style-name="P1">취업규칙</text:p><text:h text:outline-level="2">제1장 총칙</text:h><text:p/>'
        '<text:p>제1조(목적) 이 규칙은<text:s text:c="3"/>근로조건을<text:line-break/>정한다.<text:tab/>끝</text:p>'
    )
    title = '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>'
    result = parsed(odf_bytes("text", body, automatic=title))
    assert outline(result) == [(1, "취업규칙"), (2, "제1장 총칙"), (5, "제1조(목적)")]
    assert texts(result)[-1] == "이 규칙은 근로조건을\n정한다. 끝"
    assert [element.anchor for element in result.elements][-1] == ParagraphAnchor(4, 4)


def test_title_style(parsed):
    title = '<style:style style:name="Title" style:family="paragraph" style:display-name="Title"/>'
    chapters = '<text:h text:outline-level="1">총칙</text:h><text:h text:outline-level="1">복무</text:h>'
    result = parsed(odf_bytes("text", f'<text:p text:style-name="Title">취업규칙</text:p>{chapters}', styles=title))
    assert outline(result) == [(1, "취업규칙"), (1, "총칙"), (1, "복무")]
    assert result.title == "취업규칙"
    assert parsed(odf_bytes("text", chapters, styles=title)).title == ""


def test_lists_are_numbered_as_shown(parsed):
    body = (
        '<text:list text:style-name="L1"><text:list-item><text:p>(목적)</text:p><text:list><text:list-item>'
        "<text:p>첫째</text:p></text:list-item><text:list-item><text:p>둘째</text:p>"
        "<text:p>이어지는 문단</text:p></text:list-item>"
        "</text:list></text:list-item><text:list-item><text:p>(정의)</text:p></text:list-item></text:list>"
        '<text:list text:style-name="L1" text:continue-numbering="true"><text:list-item><text:p>(적용)</text:p></text:list-item>'
        "</text:list>"
    )
    result = parsed(odf_bytes("text", body, automatic=LISTS))
    assert texts(result) == ["제3조 (목적)", "가. 첫째", "나. 둘째", "이어지는 문단", "제4조 (정의)", "제5조 (적용)"]


def test_a_level_that_is_passed_over_counts_as_if_it_stood_there(parsed):
    body = (
        '<text:list text:style-name="L1"><text:list-item><text:list><text:list-item><text:p>첫째</text:p></text:list-item>'
        "</text:list></text:list-item><text:list-item><text:p>(정의)</text:p></text:list-item></text:list>"
    )
    assert texts(parsed(odf_bytes("text", body, automatic=LISTS))) == ["가. 첫째", "제4조 (정의)"]


def test_tables_with_merged_and_repeated_cells(parsed):
    body = (
        "<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>구분</text:p></table:table-cell>"
        '<table:table-cell table:number-columns-spanned="2"><text:p>매출</text:p></table:table-cell>'
        "<table:covered-table-cell/></table:table-row></table:table-header-rows><table:table-row>"
        '<table:table-cell table:number-rows-spanned="2"><text:p>개인</text:p></table:table-cell>'
        '<table:table-cell table:number-columns-repeated="2"><text:p>10</text:p></table:table-cell></table:table-row>'
        "<table:table-row><table:covered-table-cell/><table:table-cell><text:p>20</text:p></table:table-cell>"
        "<table:table-cell><text:p>30</text:p></table:table-cell></table:table-row></table:table><text:p>뒤</text:p>"
    )
    result = parsed(odf_bytes("text", body))
    assert texts(result)[0].split("\n") == [
        "| 구분 | 매출 | 매출 |",
        "| --- | --- | --- |",
        "| 개인 | 10 | 10 |",
        "| 개인 | 20 | 30 |",
    ]
    assert result.elements[1].anchor.first > result.elements[0].anchor.last


def test_notes_comments_changes_and_hidden_text(parsed):
    body = (
        '<text:tracked-changes><text:changed-region text:id="c1"><text:deletion><text:p>지운 글</text:p></text:deletion>'
        "</text:changed-region></text:tracked-changes>"
        "<text:p>한도는<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>은행법 제35조</text:p>"
        "</text:note-body></text:note> 5억원<office:annotation><dc:creator>김감사</dc:creator><dc:date>2026-03-01T09:00:00"
        "</dc:date><text:p>근거?</text:p></office:annotation>이다."
        '<text:span text:style-name="H">숨김</text:span><text:span text:style-name="W">흰 글</text:span></text:p>'
        '<text:section text:display="none"><text:p>감춘 절</text:p></text:section>'
        "<text:p>영<text:ruby><text:ruby-base>大韓</text:ruby-base><text:ruby-text>대한</text:ruby-text></text:ruby></text:p>"
    )
    styles = (
        '<style:style style:name="H" style:family="text"><style:text-properties text:display="none"/></style:style>'
        '<style:style style:name="W" style:family="text"><style:text-properties fo:color="#ffffff"/></style:style>'
    )
    result = parsed(odf_bytes("text", body, automatic=styles))
    assert texts(result) == ["한도는 5억원이다.", "은행법 제35조", "[메모: 김감사, 2026-03-01] 근거?", "영大韓"]
    assert result.warnings == ("hidden_text",)


CHART = (
    f"<office:document-content {NAMESPACES}><office:body><office:chart><chart:chart><chart:title><text:p>분기 매출</text:p>"
    "</chart:title><table:table>" + cells("분기,매출", "1분기,120") + "</table:table></chart:chart></office:chart>"
    "</office:body></office:document-content>"
).encode()
FORMULA = (
    b'<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mrow><mi>E</mi><mo>=</mo><mi>m</mi></mrow>'
    b"<annotation>E = m</annotation></semantics></math>"
)


def test_text_boxes_pictures_charts_and_formulas(parsed):
    body = (
        "<text:p>앞<draw:frame><draw:text-box><text:p>글상자</text:p></draw:text-box></draw:frame>"
        "<draw:frame><draw:image/><svg:desc>조직도</svg:desc></draw:frame>"
        '<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame>'
        '<draw:frame><draw:object xlink:href="./Object 2"/></draw:frame></text:p>'
    )
    more = {"Object 1/content.xml": CHART, "Object 2/content.xml": FORMULA}
    result = parsed(odf_bytes("text", body, more=more))
    table = "| 분기 | 매출 |\n| --- | --- |\n| 1분기 | 120 |"
    assert texts(result) == ["앞", "글상자", "[그림: 조직도]", "분기 매출", table, "E=m"]


def test_headers_contents_metadata_and_what_is_not_read(parsed):
    meta = (
        f"<office:document-meta {NAMESPACES}><office:meta><dc:title>여신 규정</dc:title><meta:initial-creator>김작성"
        "</meta:initial-creator><meta:creation-date>2026-03-01T09:00:00.123456789</meta:creation-date>"
        "<meta:keyword>여신</meta:keyword></office:meta></office:document-meta>"
    )
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry m:full-path="Obj" '
        'm:media-type="application/vnd.sun.star.oleobject"/></m:manifest>'
    )
    master = (
        "<office:master-styles><style:master-page><style:header><text:p>대외비</text:p><text:p>쪽 <text:page-number/></text:p>"
        "</style:header><style:footer><text:p>한빛은행</text:p></style:footer></style:master-page></office:master-styles>"
    )
    body = (
        "<text:table-of-content><text:index-body><text:p>제1장 총칙 1</text:p></text:index-body></text:table-of-content>"
        '<text:p>본문<draw:frame><draw:image xlink:href="http://203.0.113.9/p.png"/></draw:frame></text:p>'
    )
    more = {
        "meta.xml": meta.encode(),
        "META-INF/manifest.xml": manifest.encode(),
        "Basic/Standard/Module1.xml": b"<x/>",
        "Basic/script-lc.xml": b"<x/>",
    }
    result = parsed(odf_bytes("text", body, styles=master, more=more))
    assert texts(result) == ["대외비", "한빛은행", "제1장 총칙 1", "본문"]
    assert outline(result) == []
    assert result.title == "여신 규정"
    assert (result.metadata.author, result.metadata.created_at) == ("김작성", "2026-03-01T09:00:00")
    assert result.warnings == ("embedded_not_read", "external_content", "has_macros")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text", "<text:p>본문</text:p>"),
        ("spreadsheet", '<table:table table:name="가"><table:table-row><table:table-cell><text:p>본문</text:p>'
         "</table:table-cell></table:table-row></table:table>"),
        ("presentation", "<draw:page><draw:frame><draw:text-box><text:p>본문</text:p></draw:text-box></draw:frame></draw:page>"),
    ],
)  # fmt: skip
def test_files_inside_are_told_whatever_the_manifest_calls_them(parsed, kind, body):
    more = {
        "META-INF/manifest.xml": (
            b'<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            b'<m:file-entry m:full-path="Object 1" m:media-type="application/octet-stream"/></m:manifest>'
        ),
        "Object 1": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "ObjectReplacements/Object 1": b"\x01\0\0\0",
    }
    result = parsed(odf_bytes(kind, body, more=more))
    assert result.warnings == ("embedded_not_read",)
    assert result.metadata.attributes == (("embedded_files", "1"),)
    pictures = {"Pictures/1.pdf": b"%PDF-1.4", "Object 2/content.xml": CHART, "layout-cache": b"\x03\0"}
    assert parsed(odf_bytes(kind, body, more=pictures)).warnings == ()


def flat_bytes(kind: str, body: str, *, before: str = "") -> bytes:
    """A flat file: what packages have in several parts stands below one root."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document {NAMESPACES} '
        f'office:mimetype="application/vnd.oasis.opendocument.{kind}">{before}'
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document>"
    ).encode()


def test_flat_texts(parsed):
    before = (
        "<office:meta><dc:title>여신 규정</dc:title><meta:initial-creator>김작성</meta:initial-creator></office:meta>"
        f"<office:automatic-styles>{LISTS}</office:automatic-styles><office:master-styles><style:master-page><style:header>"
        "<text:p>대외비</text:p></style:header></style:master-page></office:master-styles>"
    )
    body = '<text:list text:style-name="L1"><text:list-item><text:p>(목적)</text:p></text:list-item></text:list>'
    result = parsed(flat_bytes("text", body, before=before), "규정.fodt")
    assert texts(result) == ["대외비", "제3조 (목적)"]
    assert (result.title, result.metadata.author, result.warnings) == ("여신 규정", "김작성", ())


def test_flat_sheets_and_slides(parsed):
    cells = "".join(f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in ("구분", "한도"))
    sheet = f'<table:table table:name="한도"><table:table-row>{cells}</table:table-row></table:table>'
    assert texts(parsed(flat_bytes("spreadsheet", sheet), "a.fods")) == ["한도", "| 구분 | 한도 |\n| --- | --- |"]
    slide = "<draw:page><draw:frame><draw:text-box><text:p>본문</text:p></draw:text-box></draw:frame></draw:page>"
    assert "본문" in texts(parsed(flat_bytes("presentation", slide), "a.fodp"))


def test_what_is_not_read_of_a_flat_file_is_told(parsed):
    chart = "<draw:frame><draw:object><office:document/></draw:object></draw:frame>"
    outside = '<draw:frame><draw:image xlink:href="http://203.0.113.9/p.png"/></draw:frame>'
    macros = '<office:scripts><s:module xmlns:s="urn:x"/></office:scripts>'
    result = parsed(flat_bytes("text", f"<text:p>글{chart}{outside}</text:p>", before=macros), "a.fodt")
    assert result.warnings == ("embedded_not_read", "external_content", "has_macros")
    assert result.metadata.attributes == (("embedded_files", "1"),)


PHOTOGRAPH = (
    f"<draw:frame><draw:image><office:binary-data>\n{'QUJD/+Aa' * 1_500_000}==</office:binary-data>"
    "</draw:image></draw:frame>"
)
"""Longer than any text that libxml2 takes."""


def test_a_photograph_in_a_flat_file(parsed):
    assert texts(parsed(flat_bytes("text", f"<text:p>앞{PHOTOGRAPH}뒤</text:p>"), "a.fodt")) == ["앞뒤"]
    row = "<table:table-row><table:table-cell><text:p>구분</text:p></table:table-cell></table:table-row>"
    sheet = f'<table:table table:name="한도"><table:shapes>{PHOTOGRAPH}</table:shapes>{row}</table:table>'
    assert texts(parsed(flat_bytes("spreadsheet", sheet), "a.fods")) == ["한도", "구분"]
    with pytest.raises(FileDamaged):  # the limits hold for all else
        parsed(flat_bytes("text", f"<text:p>{'가' * 5_000_000}</text:p>"), "a.fodt")


def test_a_chart_in_a_flat_sheet_is_not_read(parsed):
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    data = f"<table:table><table:table-row>{cell.format('안쪽')}</table:table-row></table:table>"
    picture = "<draw:frame><svg:desc>그림</svg:desc></draw:frame>"
    chart = (
        f"<draw:frame><svg:desc>실적 차트</svg:desc><draw:object><office:document><office:body><office:chart>{picture}{data}"
        "</office:chart></office:body></office:document></draw:object></draw:frame>"
    )
    rows = f"<table:table-row>{cell.format('구분')}<table:table-cell>{chart}</table:table-cell></table:table-row>"
    sheet = f'<table:table table:name="한도"><table:shapes>{chart}</table:shapes>{rows}</table:table>'
    flat = parsed(flat_bytes("spreadsheet", sheet), "a.fods")
    assert [text for text in texts(flat) if "안쪽" in text or text.endswith("그림]")] == []
    assert sum("실적 차트" in text for text in texts(flat)) == 2
    assert flat.warnings == parsed(odf_bytes("spreadsheet", sheet)).warnings == ("embedded_not_read",)


@pytest.mark.parametrize(("kind", "name"), [("text", "a.fodt"), ("spreadsheet", "a.fods"), ("presentation", "a.fodp")])
def test_a_flat_file_that_is_cut_off(parsed, kind, name):
    with pytest.raises(FileDamaged):
        parsed(flat_bytes(kind, "<text:p>글</text:p>")[:-20], name)


def test_encrypted(parsed):
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry m:full-path="content.xml">'
        "<m:encryption-data/></m:file-entry></m:manifest>"
    )
    with pytest.raises(FileEncrypted):
        parsed(odf_bytes("text", "<text:p>x</text:p>", more={"META-INF/manifest.xml": manifest.encode()}))


def test_without_content(parsed):
    with pytest.raises(NoTextFound):
        parsed(odf_bytes("text", ""))
    for kind in ("text", "spreadsheet", "presentation"):
        with pytest.raises(FileDamaged):
            parsed(zip_bytes({"mimetype": f"application/vnd.oasis.opendocument.{kind}".encode()}))


def test_entities_are_not_resolved(parsed):
    data = (
        b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
        + f"<office:document-content {NAMESPACES}><office:body><office:text><text:p>본문 &x;</text:p></office:text>"
        "</office:body></office:document-content>".encode()
    )
    assert texts(parsed(odf_bytes("text", "", more={"content.xml": data}))) == ["본문"]


def test_spreadsheet(parsed):
    body = (
        '<table:table table:name="한도"><table:table-row><table:table-cell/><table:table-cell><text:p>거래 한도표</text:p>'
        '</table:table-cell></table:table-row><table:table-row table:number-rows-repeated="2"><table:table-cell '
        'table:number-columns-repeated="16384"/></table:table-row>'
        + cells("구분,금액").replace("<table:table-row>", "<table:table-row><table:table-cell/>")
        + '<table:table-row table:visibility="filter"><table:table-cell/><table:table-cell><text:p>개인</text:p>'
        "</table:table-cell><table:table-cell><office:annotation><text:p>근거?</text:p></office:annotation>"
        "<text:p>1,500,000원</text:p></table:table-cell></table:table-row><table:table-row "
        'table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
        '</table:table><table:table table:name="숨김" table:style-name="ta"><table:table-row><table:table-cell>'
        "<text:p>비밀</text:p></table:table-cell></table:table-row></table:table>"
    )
    style = '<style:style style:name="ta" style:family="table"><style:table-properties table:display="false"/></style:style>'
    result = parsed(odf_bytes("spreadsheet", body, automatic=style), "한도.ods")
    assert [(element.text, element.anchor) for element in result.elements] == [
        ("한도", SheetAnchor("한도", "B1:C5")),
        ("거래 한도표", SheetAnchor("한도", "B1")),
        ("| 구분 | 금액 |\n| --- | --- |\n| 개인 | 1,500,000원 |", SheetAnchor("한도", "B4:C5")),
        ("[메모] 근거?", SheetAnchor("한도", "C5")),
    ]
    assert result.warnings == ("hidden_rows", "hidden_sheets")


def test_spreadsheet_with_chart_and_filter(parsed):
    body = (
        '<table:table table:name="s">'
        + cells("작성,2026,", "구분,한도,비고", "개인,100,가").replace("<text:p></text:p>", "")
        + '<table:shapes><draw:frame><draw:object xlink:href="./Object 1"/></draw:frame></table:shapes></table:table>'
        '<table:database-ranges><table:database-range table:target-range-address="s.A2:s.C3" '
        'table:display-filter-buttons="true"/></table:database-ranges>'
    )
    result = parsed(odf_bytes("spreadsheet", body, more={"Object 1/content.xml": CHART}), "a.ods")
    assert texts(result)[1] == "작성\n2026"
    assert texts(result)[2].startswith("| 구분 | 한도 | 비고 |")
    assert texts(result)[3] == "분기 매출"


@pytest.mark.parametrize(
    ("rows", "columns"), [("1048576", "1"), ("1", "16384"), ("1048576", "16384"), ("999999999999", "99999999999999")]
)
def test_repetition_bombs_are_bounded(parsed, rows, columns):
    body = (
        f'<table:table table:name="s"><table:table-row table:number-rows-repeated="{rows}"><table:table-cell '
        f'table:number-columns-repeated="{columns}"><text:p>가</text:p></table:table-cell></table:table-row></table:table>'
    )
    result = parsed(odf_bytes("spreadsheet", body), "a.ods")
    assert sum(map(len, texts(result))) < 10_000_000


def test_many_repeated_rows_end(parsed):
    row = (
        '<table:table-row table:number-rows-repeated="1000"><table:table-cell table:number-columns-repeated="1000">'
        "<text:p>가</text:p></table:table-cell></table:table-row>"
    )
    with pytest.raises(ParseLimitExceeded):
        parsed(odf_bytes("spreadsheet", f'<table:table table:name="s">{row * 3}</table:table>'), "a.ods")


def test_presentation(parsed):
    body = (
        '<draw:page draw:name="p1"><draw:frame svg:x="1cm" svg:y="5cm"><draw:text-box><text:list text:style-name="L1">'
        "<text:list-item><text:p>매출 증가</text:p></text:list-item></text:list></draw:text-box></draw:frame>"
        '<draw:frame presentation:class="title" svg:y="9cm"><draw:text-box><text:p>분기 실적</text:p></draw:text-box>'
        '</draw:frame><draw:g><draw:custom-shape svg:x="1cm" svg:y="2cm"><text:p>도형</text:p></draw:custom-shape></draw:g>'
        '<draw:frame svg:y="12cm"><table:table>' + cells("분기,매출", "1분기,120") + "</table:table></draw:frame>"
        '<presentation:notes><draw:frame presentation:class="notes"><draw:text-box><text:p>발표자 메모</text:p>'
        "</draw:text-box></draw:frame></presentation:notes>"
        "<office:annotation><dc:creator>이검토</dc:creator><text:p>출처?</text:p></office:annotation></draw:page>"
        '<draw:page draw:style-name="dp"><draw:frame svg:y="1cm"><draw:text-box><text:p>건너뛰는 장</text:p></draw:text-box>'
        "</draw:frame></draw:page>"
    )
    style = LISTS + (
        '<style:style style:name="dp" style:family="drawing-page"><style:drawing-page-properties '
        'presentation:visibility="hidden"/></style:style>'
    )
    result = parsed(odf_bytes("presentation", body, automatic=style), "발표.odp")
    assert texts(result) == [
        "분기 실적",
        "도형",
        "제3조 매출 증가",
        "| 분기 | 매출 |\n| --- | --- |\n| 1분기 | 120 |",
        "발표자 메모",
        "[메모: 이검토] 출처?",
        "슬라이드 2",
        "건너뛰는 장",
    ]
    assert outline(result) == [(1, "분기 실적"), (1, "슬라이드 2")]
    assert result.elements[2].kind is ElementKind.LIST_ITEM
    assert [element.anchor for element in result.elements[-3:]] == [
        SlideAnchor(1, 1),
        SlideAnchor(2, 2),
        SlideAnchor(2, 2),
    ]
    assert (result.pages, result.warnings) == (2, ("hidden_slides",))
