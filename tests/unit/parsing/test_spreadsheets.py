from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
import xlwt
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.table import Table

from ingest.parsing import media_types
from ingest.parsing.base import SourceFile
from ingest.parsing.sheets import MAX_COLUMNS
from ingest.parsing.spreadsheet_xml import SpreadsheetXmlParser
from rag.domain.anchor import SheetAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import FileDamaged, FileEncrypted, ParseLimitExceeded
from tests.unit.parsing.documents import edited, parse, texts, zip_bytes


def saved(book) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.fixture
def parsed(tmp_path: Path):
    def write_and_parse(book, name: str = "한도.xlsx"):
        path = tmp_path / name
        path.write_bytes(book if isinstance(book, bytes) else saved(book))
        return parse(path)

    return write_and_parse


def with_shared_strings(rows) -> bytes:
    """A workbook as Excel writes it: texts stand in a part of their own."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("한도")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return out.getvalue()


def tables(document) -> list[str]:
    return [element.text for element in document.elements if element.kind is ElementKind.TABLE]


@pytest.fixture
def book():
    book = openpyxl.Workbook()
    book.active.title = "한도"
    return book


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (datetime.date(2026, 3, 1), "yyyy-mm-dd", "2026-03-01"),
        (datetime.datetime(2026, 3, 1), "yyyy-mm-dd", "2026-03-01"),
        (datetime.datetime(2026, 3, 1), "mm-dd-yy", "2026-03-01"),  # built-in 14, which follows the reader's system
        (datetime.datetime(2026, 3, 1), "yyyy-mm-dd hh:mm:ss", "2026-03-01 00:00:00"),
        (datetime.datetime(2026, 3, 1, 9, 5), 'm"월" d"일" h:mm', "3월 1일 9:05"),
        (datetime.datetime(2026, 3, 2), '[$-412]yyyy"년" m"월" d"일" dddd;@', "2026년 3월 2일 월요일"),
        (datetime.datetime(2026, 3, 2, 15, 5), "[$-412]m/d (ddd) AM/PM h:mm", "3/2 (월) 오후 3:05"),
        (datetime.datetime(2026, 3, 2), "dddd", "Monday"),
        (datetime.time(9, 30), "h:mm", "9:30"),
        (datetime.timedelta(hours=30, minutes=15), "[h]:mm", "30:15"),
        (1234567, "#,##0", "1,234,567"),
        (-1234.5, "#,##0.00;[Red]-#,##0.00", "-1,234.50"),
        (0.1234, "0.0%", "12.3%"),
        (1500000, "[$₩-412]#,##0", "₩1,500,000"),
        (0.1 + 0.2, "General", "0.3"),
        (15000, 'General"원"', "15000원"),
        (2, '[=1]"남";[=2]"여"', "여"),
        (1234567890, "000-00-00000", "123-45-67890"),
        (True, "General", "TRUE"),
        ("00123", "@", "00123"),
        ("줄\n바꿈", "General", "줄 바꿈"),
    ],
)
def test_values_as_shown(parsed, book, value, code, expected):
    book.active.append(["머리", "값"])
    book.active.append(["가", value])
    book.active["B2"].number_format = code
    assert tables(parsed(book))[0].endswith(f"| 가 | {expected} |")


def test_dates_counted_from_1904(parsed, book):
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active.append(["이름", "날짜"])
    book.active.append(["가", datetime.date(2026, 3, 1)])
    assert "2026-03-01" in tables(parsed(book))[0]


def test_merged_header_rows_become_one(parsed, book):
    sheet = book.active
    sheet.append(["거래 한도표", None, None, None])
    sheet.merge_cells("A1:D1")
    sheet.append(["구분", "매출", None, "비고"])
    sheet.append([None, "1분기", "2분기", None])
    for area in ("A2:A3", "B2:C2", "D2:D3"):
        sheet.merge_cells(area)
    sheet.append(["개인", 10, 20, "가"])
    result = parsed(book)
    assert texts(result)[1] == "거래 한도표"
    assert tables(result)[0].split("\n") == [
        "| 구분 | 매출 / 1분기 | 매출 / 2분기 | 비고 |",
        "| --- | --- | --- | --- |",
        "| 개인 | 10 | 20 | 가 |",
    ]
    assert result.elements[2].line_anchors[0] == SheetAnchor("한도", "A2:D3")
    assert result.elements[2].line_anchors[2] == SheetAnchor("한도", "A4:D4")


def test_merged_body_cells_stand_in_every_row(parsed, book):
    for row in (["구분", "항목", "한도"], ["개인", "이체", 100], [None, "출금", 200]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    assert tables(parsed(book))[0].endswith("| 개인 | 이체 | 100 |\n| 개인 | 출금 | 200 |")


@pytest.mark.parametrize("how", ["filter", "table", "frozen"])
def test_the_header_that_the_sheet_names(parsed, book, how):
    sheet = book.active
    for row in (["작성", "2026"], ["구분", "한도", "비고"], ["개인", 100, "가"]):
        sheet.append(row)
    match how:
        case "filter":
            sheet.auto_filter.ref = "A2:C3"
        case "table":
            sheet.add_table(Table(displayName="T", ref="A2:C3"))
        case "frozen":
            sheet.freeze_panes = "A3"
    result = parsed(book)
    if how == "frozen":  # both rows stay in view, so both are its heading
        assert tables(result)[0].startswith("| 작성 / 구분 | 2026 / 한도 | 비고 |")
    else:
        assert texts(result)[1] == "작성\n2026"
        assert tables(result)[0].startswith("| 구분 | 한도 | 비고 |")


@pytest.mark.parametrize(
    ("rows", "headed"),
    [
        ([["1.01", "정격 전압", "130kV"], ["1.02", "주파수", "60Hz"], ["시공"], ["1.03", "상수", "3"]], False),
        ([["2026-03-01", "이체", 100], ["2026-03-02", "출금", 200]], False),
        ([["번호", "항목", "값"], [1, "정격 전압", 130], [2, "주파수", 60]], True),
        ([[2024, 2025, 2026], [100, 200, 300], [400, 500, 600]], True),  # years
        ([[1, 2, 3, 4], [5, 1, 7, 2], [8, 0, 9, 3]], True),  # months, say
        ([["1분기", "2분기"], [100, 200]], True),
        ([[1, "정격 전압"], ["가", 130], ["나", 60]], True),  # below it is something else
        ([["1.01", "Rated system voltage", "kV", 130], ["1.02", "Frequency", "Hz", 60]], False),
        ([["1.9", "정격 전압", "교류"], ["1.10", "주파수", 60], ["1.11", "냉각", "ONAN"]], False),
        ([[2023, 2024, 2025, "합계"], [100, 200, 100, 400], [300, 500, 200, 1000]], True),
        ([[2023, 2024, "증감"], [100, 200, 100], [300, 500, 200]], True),
        ([[2023, 2024, "증감"], [3000, "없음", "-5%"], [4000, "없음", "△3"]], True),
        ([[2023, 2024, "비고"], [3000, 200, "추정"], [4000, 500, "확정"]], True),  # years beside a word
        ([[1, 2, 3, "평균"], [4, 5, 6, 5], [7, 8, 9, 8]], True),
        ([[1, 2, 3, 4, 5, "비고"], [4, 5, 6, 5, 1, "가"], [7, 8, 9, 8, 1, "나"]], True),
        ([[2026, "1월", "2월"], [1, 100, 200], [2, 110, 210], [3, 120, 230]], True),
        ([[2026, "1월", "2월"], [1, "휴무", "근무"], [2, "근무", "휴무"]], True),  # days below a year
        ([[0.5, 1, 2], [4, 5, 6], [7, 8, 9]], True),
        ([[100, "경비", "금액"], [101, "교통", 5], [102, "식대", 7]], True),  # a word above numbers
    ],
)
def test_a_row_of_data_is_no_header(parsed, book, rows, headed):
    for row in rows:
        book.active.append(row)
    (table,) = tables(parsed(book))
    first = "| " + " | ".join(map(str, rows[0])) + " |"
    lines = table.split("\n")
    assert (lines[0] == first) == headed
    assert headed or (set(lines[0]) == set("| ") and lines[2] == first)


def test_a_row_of_data_that_the_sheet_calls_its_header_is_one(parsed, book):
    for row in ([1, "가"], [2, "나"]):
        book.active.append(row)
    book.active.freeze_panes = "A2"
    assert tables(parsed(book)) == ["| 1 | 가 |\n| --- | --- |\n| 2 | 나 |"]


def test_long_tables_without_a_header(parsed, book):
    for number in range(700):
        book.active.append([number + 1, f"v{number}"])
    first, second = (element for element in parsed(book).elements if element.kind is ElementKind.TABLE)
    assert (first.anchor.cells, second.anchor.cells) == ("A1:B500", "A501:B700")
    assert second.text.startswith("|  |  |\n| --- | --- |\n| 501 | v500 |")
    assert second.line_anchors[2] == SheetAnchor("한도", "A501:B501")


def test_tables_side_by_side(parsed, book):
    for row in (["구분", "한도", None, "지점", "인원"], ["개인", 1, None, "서울", 5], ["법인", 2, None, "부산", 7]):
        book.active.append(row)
    result = parsed(book)
    assert [element.anchor.cells for element in result.elements[1:]] == ["A1:B3", "D1:E3"]
    assert tables(result)[1].startswith("| 지점 | 인원 |")


def test_an_empty_column_in_a_form_is_spacing(parsed, book):
    for row in (["성명", None, "홍길동"], ["부서", None, "여신"]):
        book.active.append(row)
    assert tables(parsed(book)) == ["| 성명 | 홍길동 |\n| --- | --- |\n| 부서 | 여신 |"]


def test_comments_stand_at_their_cells(parsed, book):
    book.active.append(["구분", "한도"])
    book.active.append(["개인", 100])
    book.active["B2"].comment = Comment("김감사:근거가 필요합니다", "김감사")
    result = parsed(book)
    assert texts(result)[-1] == "[메모: 김감사] 근거가 필요합니다"
    assert result.elements[-1].anchor == SheetAnchor("한도", "B2")


PERSONS = (
    '<personList xmlns="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments">'
    '<person displayName="이검토" id="{1}"/></personList>'
)
THREAD = (
    '<ThreadedComments xmlns="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments">'
    '<threadedComment ref="B2" dT="2026-03-02T10:00:00.00" personId="{1}" id="{2}"><text>왜 100인가?</text></threadedComment>'
    '<threadedComment ref="B2" dT="2026-03-03T10:00:00.00" personId="{1}" id="{3}" parentId="{2}"><text>규정 제3조</text>'
    "</threadedComment></ThreadedComments>"
)
MICROSOFT = "http://schemas.microsoft.com/office/2017/10/relationships"


def test_threads_replace_their_old_copy(parsed, book):
    book.active.append(["구분", "한도"])
    book.active.append(["개인", 100])
    book.active["B2"].comment = Comment("[Threaded comment] 옛 사본", "tc={2}")
    with zipfile.ZipFile(io.BytesIO(saved(book))) as archive:
        entries = {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}
    entries |= {"xl/persons/person.xml": PERSONS, "xl/threadedComments/threadedComment1.xml": THREAD}
    for rels, kind, target in (
        ("xl/_rels/workbook.xml.rels", "person", "persons/person.xml"),
        ("xl/worksheets/_rels/sheet1.xml.rels", "threadedComment", "../threadedComments/threadedComment1.xml"),
    ):
        link = f'<Relationship Id="rIdT" Type="{MICROSOFT}/{kind}" Target="{target}"/></Relationships>'
        entries[rels] = entries[rels].replace("</Relationships>", link)
    result = parsed(zip_bytes({name: text.encode() for name, text in entries.items()}))
    assert texts(result)[2:] == ["[메모: 이검토, 2026-03-02] 왜 100인가?", "[메모: 이검토, 2026-03-03] 규정 제3조"]


def test_charts_and_chart_sheets(parsed, book):
    sheet = book.active
    for row in (["분기", "매출"], ["1분기", 120]):
        sheet.append(row)
    chart = BarChart()
    chart.title = "분기 매출"
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=2), titles_from_data=True)
    sheet.add_chart(chart, "D2")
    result = parsed(book)
    assert "분기 매출" in texts(result)
    assert result.elements[-1].anchor.cells.startswith("D2")


def test_hidden_rows_columns_and_text(parsed, book):
    sheet = book.active
    for row in (["구분", "한도"], ["개인", 100], ["법인", 200]):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    sheet["E9"], sheet["F9"] = "흰 글", 7
    sheet["E9"].font = Font(color="FFFFFFFF")
    sheet["F9"].number_format = ";;;"
    result = parsed(book)
    assert "| 법인 | 200 |" in tables(result)[0]
    assert "흰 글" not in "".join(texts(result))
    assert result.warnings == ("hidden_rows", "hidden_text")


def test_white_headings_on_a_dark_ground_are_read(parsed, book):
    book.active.append(["구분", "한도"])
    book.active.append(["개인", 100])
    for cell in book.active[1]:
        cell.font, cell.fill = Font(color="FFFFFFFF"), PatternFill("solid", fgColor="FF1F3864")
    result = parsed(book)
    assert tables(result)[0].startswith("| 구분 | 한도 |")
    assert result.warnings == ()


def test_white_text_that_a_rule_may_paint_behind_is_read_and_said(parsed, book):
    book.active.append(["구분", "한도"])
    book.active.append(["개인", 100])
    book.active["A1"].font = Font(color="FFFFFFFF")
    book.active.add_table(Table(displayName="T", ref="A1:B2"))
    result = parsed(book)
    assert tables(result)[0].startswith("| 구분 | 한도 |")
    assert result.warnings == ("hidden_text",)


def test_strict_workbook(parsed):
    package = with_shared_strings((["구분", "한도"], ["개인", 100]))
    old = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    for part in ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"):
        package = edited(package, part, old, "http://purl.oclc.org/ooxml/spreadsheetml/main")
    assert tables(parsed(package)) == ["| 구분 | 한도 |\n| --- | --- |\n| 개인 | 100 |"]


def test_phonetic_guides_and_escapes_in_strings(parsed):
    package = with_shared_strings((["구분", "大韓"], ["개인", "첫 줄\r둘째"]))
    guide = '<t>大韓</t><rPh sb="0" eb="2"><t>대한</t></rPh>'
    package = edited(package, "xl/sharedStrings.xml", "<t>大韓</t>", guide)
    assert tables(parsed(package)) == ["| 구분 | 大韓 |\n| --- | --- |\n| 개인 | 첫 줄 둘째 |"]


def test_sheets_wider_than_anybody_reads(parsed, book):
    book.active.cell(1, 1, "처음")
    book.active.cell(1, MAX_COLUMNS + 5, "끝")
    result = parsed(book)
    assert result.warnings == ("cells_left_out",)
    assert "끝" not in "".join(texts(result))


def test_a_merged_cell_over_the_whole_sheet_fills_nothing_up(parsed, book):
    book.active["A1"] = "제목"
    book.active["A3"] = "본문"
    package = edited(
        saved(book),
        "xl/worksheets/sheet1.xml",
        "</sheetData>",
        '</sheetData><mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>',
    )
    assert texts(parsed(package)) == ["한도", "제목", "본문"]


def test_one_long_text_shown_thousands_of_times(parsed):
    row = '<row r="{0}"><c r="A{0}" t="s"><v>0</v></c></row>'
    rows = "".join(row.format(number) for number in range(2, 4000))
    with pytest.raises(ParseLimitExceeded):
        package = with_shared_strings((["가" * 30_000],))
        parsed(edited(package, "xl/worksheets/sheet1.xml", "</sheetData>", f"{rows}</sheetData>"))


def test_a_sheet_cut_off(parsed, book):
    book.active.append(["구분"])
    with pytest.raises(FileDamaged):
        parsed(edited(saved(book), "xl/worksheets/sheet1.xml", "</sheetData>", ""))


def old_book() -> xlwt.Workbook:
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("한도")
    sheet.write_merge(0, 0, 0, 3, "거래 한도표")
    for column, text in enumerate(("구분", "금액", "시행일", "비율")):
        sheet.write(2, column, text)
    sheet.write(3, 0, "개인")
    sheet.write(3, 1, 1500000, xlwt.easyxf(num_format_str='#,##0"원"'))
    sheet.write(3, 2, datetime.date(2026, 3, 1), xlwt.easyxf(num_format_str='yyyy"년" m"월" d"일"'))
    sheet.write(3, 3, 0.035, xlwt.easyxf(num_format_str="0.0%"))
    sheet.write(9, 0, "흰 글", xlwt.easyxf("font: color white"))
    sheet.row(3).hidden = True
    hidden = book.add_sheet("숨김")
    hidden.write(0, 0, "비밀")
    hidden.visibility = 1
    return book


def test_xls(parsed):
    result = parsed(old_book(), "한도.xls")
    assert texts(result) == [
        "한도",
        "거래 한도표",
        "| 구분 | 금액 | 시행일 | 비율 |\n| --- | --- | --- | --- |\n| 개인 | 1,500,000원 | 2026년 3월 1일 | 3.5% |",
    ]
    assert result.elements[2].anchor == SheetAnchor("한도", "A3:D4")
    assert result.warnings == ("hidden_rows", "hidden_sheets", "hidden_text")


def test_xls_with_a_date_of_the_system(parsed):
    book = xlwt.Workbook()
    sheet = book.add_sheet("s")
    sheet.write(0, 0, "a")
    sheet.write(0, 1, datetime.date(2026, 3, 1), xlwt.easyxf(num_format_str="M/D/YY"))
    assert "2026-03-01" in texts(parsed(book, "a.xls"))[1]


def test_xls_protected_by_a_password(parsed):
    data = saved(old_book())
    start = data.index(b"\x09\x08")  # BOF; a FILEPASS record ([MS-XLS] 2.4.117) takes the place of the next one
    length = int.from_bytes(data[start + 2 : start + 4], "little")
    at = start + 4 + length
    with pytest.raises(FileEncrypted):
        parsed(data[:at] + b"\x2f\x00" + data[at + 2 :], "a.xls")


def test_xls_that_is_damaged(parsed):
    data = saved(old_book())
    start = data.index(b"\x09\x08")
    with pytest.raises(FileDamaged):
        parsed(data[: start + 4] + bytes(400) + data[start + 404 :], "a.xls")


SPREADSHEET_XML = """<?xml version="1.0" encoding="utf-8"?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:o="urn:schemas-microsoft-com:office:office"
 xmlns:x="urn:schemas-microsoft-com:office:excel" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:html="http://www.w3.org/TR/REC-html40">
<DocumentProperties xmlns="urn:schemas-microsoft-com:office:office"><Title>부서별 매출 현황</Title></DocumentProperties>
<Styles><Style ss:ID="Default" ss:Name="Normal"><NumberFormat/></Style>
<Style ss:ID="s1"><NumberFormat ss:Format="#,##0&quot;원&quot;"/></Style>
<Style ss:ID="s2"><NumberFormat ss:Format="Short Date"/></Style>
<Style ss:ID="s3"><NumberFormat ss:Format="Percent"/></Style></Styles>
<Worksheet ss:Name="매출"><Table>
<Row><Cell ss:MergeDown="1"><Data ss:Type="String">구분</Data></Cell>
<Cell ss:MergeAcross="1"><Data ss:Type="String">매출</Data></Cell><Cell><Data ss:Type="String">비율</Data></Cell></Row>
<Row><Cell ss:Index="2"><Data ss:Type="String">1분기</Data></Cell><Cell><Data ss:Type="String">2분기</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">여신 &amp; 수신</Data></Cell><Cell ss:StyleID="s1"><Data ss:Type="Number">1200000</Data></Cell>
<Cell ss:StyleID="s2"><Data ss:Type="DateTime">2026-03-01T00:00:00.000</Data></Cell>
<Cell ss:StyleID="s3"><Data ss:Type="Number">0.125</Data></Cell></Row>
<Row ss:Index="6"><Cell><ss:Data ss:Type="String" xmlns="http://www.w3.org/TR/REC-html40"><B>작성</B>: 김과장</ss:Data>
<Comment ss:Author="감사"><ss:Data>근거 확인</ss:Data></Comment></Cell></Row>
</Table><WorksheetOptions xmlns="urn:schemas-microsoft-com:office:excel"/></Worksheet>
<Worksheet ss:Name="숨김"><Table><Row><Cell><Data ss:Type="String">비밀</Data></Cell></Row></Table>
<WorksheetOptions xmlns="urn:schemas-microsoft-com:office:excel"><Visible>SheetHidden</Visible></WorksheetOptions></Worksheet>
</Workbook>"""


@pytest.mark.parametrize("charset", ["utf-8", "cp949"])
@pytest.mark.parametrize("name", ["매출.xls", "매출.xml"])
def test_xml_spreadsheet_2003(parsed, name, charset):
    document = parsed(SPREADSHEET_XML.replace("utf-8", charset).encode(charset), name)
    assert (document.title, document.warnings) == ("부서별 매출 현황", ("hidden_sheets",))
    [table] = [element for element in document.elements if element.kind is ElementKind.TABLE]
    assert table.text.splitlines() == [
        "| 구분 | 매출 / 1분기 | 매출 / 2분기 | 비율 |",
        "| --- | --- | --- | --- |",
        "| 여신 & 수신 | 1,200,000원 | 2026-03-01 | 12.50% |",
    ]
    assert table.line_anchors[2] == SheetAnchor("매출", "A3:D3")
    assert [(element.text, element.anchor) for element in document.elements[-2:]] == [
        ("작성: 김과장", SheetAnchor("매출", "A6")),
        ("[메모: 감사] 근거 확인", SheetAnchor("매출", "A6")),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [("</Workbook>", ""), ('ss:Index="6"', 'ss:Index="x"'), ('ss:Index="6"', 'ss:Index="-1"'), ("<Table>", "</Table>")],
)
def test_xml_spreadsheet_2003_that_is_damaged(parsed, old, new):
    with pytest.raises(FileDamaged):
        parsed(SPREADSHEET_XML.replace(old, new).encode(), "매출.xls")


def test_entities_of_an_xml_spreadsheet_are_not_expanded(tmp_path):
    path = tmp_path / "매출.xls"
    path.write_text('<!DOCTYPE x [<!ENTITY a "펼침">]>' + SPREADSHEET_XML.partition("?>")[2].replace("김과장", "&a;"))
    document = SpreadsheetXmlParser().parse(path, SourceFile(path.name, media_types.XLS_XML))
    assert document.elements[-2].text == "작성:"
