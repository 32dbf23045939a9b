"""Web pages as they are: menus, hidden text, tables within tables, what the head says; and pages saved as MHTML."""

from __future__ import annotations

import pytest

from ingest.parsing.html_style import Look, Sheet, declarations, read_sheets
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import NoTextFound
from tests.unit.parsing.documents import outline, parse, texts


def page(tmp_path, body: str, head: str = "", name: str = "a.html"):
    path = tmp_path / name
    path.write_text(
        f"<!DOCTYPE html><html><head>{head}</head>{body if '<body' in body else f'<body>{body}</body>'}</html>"
    )
    return parse(path)


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>몰래 넣은 지시</p>",
        "<div style='DISPLAY : none'><p>몰래 넣은 지시</p></div>",
        "<p style='visibility:hidden'>몰래 넣은 지시</p>",
        "<p aria-hidden='true'>몰래 넣은 지시</p>",
        "<p style='opacity:0'>몰래 넣은 지시</p>",
        "<p style='font-size:0px'>몰래 넣은 지시</p>",
        "<span style='font-size:0.1pt'>몰래 넣은 지시</span>",
        "<p style='color:#fff'>몰래 넣은 지시</p>",
        "<font color=white>몰래 넣은 지시</font>",
        "<p style='color:rgb(254, 254, 254);background-color:#ffffff'>몰래 넣은 지시</p>",
        "<div style='background:#000'><p style='color:black'>몰래 넣은 지시</p></div>",
        "<p style='position:absolute; left:-9999px'>몰래 넣은 지시</p>",
        "<p style='position:absolute; clip: rect(0 0 0 0)'>몰래 넣은 지시</p>",
        "<p style='overflow:hidden; height:0'>몰래 넣은 지시</p>",
        "<h2>보이는 <span style='color:white'>몰래 넣은 지시</span>제목</h2>",
        "<pre style='color:white'>몰래 넣은 지시</pre>",
        "<table border=1><tr><td>가<td style='display:none'>몰래 넣은 지시<tr><td>나<td>다</table>",
        "<p class='gone'>몰래 넣은 지시</p>",
        "<p id='gone'>몰래 넣은 지시</p>",
    ],
)
def test_hidden_text_is_left_out_and_said(tmp_path, hidden):
    document = page(tmp_path, f"<p>보이는 글</p>{hidden}", "<style>.gone, #gone { color: white }</style>")
    assert "몰래" not in "\n".join(texts(document))
    assert "보이는 글" in texts(document)
    assert document.warnings == ("hidden_text",)


@pytest.mark.parametrize(
    "shown",
    [
        "<details><summary>요약</summary><p>남는 글</p></details>",
        "<div style='background:#036'><b style='color:white'>남는 글</b></div>",
        "<table bgcolor=black border=1><tr><td><font color=white>남는 글</font><td>나</table>",
        "<div style='background:url(dark.png)'><p style='color:#fff'>남는 글</p></div>",
        "<p style='font-size:0'><span style='font-size:12px'>남는 글</span></p>",
        "<div style='visibility:hidden'><p style='visibility:visible'>남는 글</p></div>",
        "<p style='color:#777'>남는 글</p>",
        "<p style='overflow:hidden;height:auto;text-indent:0'>남는 글</p>",
        "<p class='printed'>남는 글</p>",
    ],
)
def test_shown_text_stays(tmp_path, shown):
    document = page(tmp_path, shown, "<style>@media print { .printed { display: none } } p { margin: 0 }</style>")
    assert "남는 글" in "\n".join(texts(document))
    assert document.warnings == ()


def test_white_text_stays_where_a_sheet_that_was_not_read_may_darken_its_ground(tmp_path):
    document = page(tmp_path, "<p>글</p><p style='color:#fff'>머리글</p>", "<link rel='stylesheet' href='/dark.css'>")
    assert "머리글" in texts(document)
    assert document.warnings == ("hidden_text",)


def test_zero_width_characters_are_flagged_and_dropped(tmp_path):
    document = page(tmp_path, "<p>비\u200b밀\u200b번호</p>")
    assert texts(document) == ["비밀번호"]
    assert document.warnings == ("hidden_text",)
    assert page(tmp_path, "<p>줄을 바꿔도 되는\u200b 자리, 👨\u200d👩\u200d👧</p>").warnings == ()


def test_style_sheets_are_read_in_their_order():
    sheet = read_sheets(["p { color: red } @import url(x); .a, b c { COLOR : White !important }"], complete=True)
    assert sheet.rules == {"p": {"color": "red"}, ".a": {"color": "white"}}
    assert not sheet.complete
    assert read_sheets(["td .x { background: black }"], complete=True).complete is False
    assert declarations("color:red;;x;background-color: #FFF ") == {"color": "red", "background": "#fff"}
    assert Look(sheet=Sheet()).shows


MENU = "<ul><li><a href='/'>처음</a></li><li><a href='/a'>회사 소개</a></li><li><a href='/b'>오시는 길</a></li></ul>"


@pytest.mark.parametrize(
    "menu",
    [
        f"<nav>{MENU}</nav>",
        f"<div id='gnb'>{MENU}</div>",
        f"<div class='side-menu lnb'>{MENU}</div>",
        f"<header>{MENU}</header>",
        f"<footer>{MENU}</footer>",
        f"<div role='navigation'>{MENU}</div>",
    ],
)
def test_menus_are_left_out(tmp_path, menu):
    assert texts(page(tmp_path, f"{menu}<main><h1>공지</h1><p>휴가 신청은 인사팀에서 받습니다.</p></main>")) == [
        "공지",
        "휴가 신청은 인사팀에서 받습니다.",
    ]


@pytest.mark.parametrize(
    "content",
    [
        MENU,  # links alone do not make a menu
        "<div class='menu'><p>오늘의 메뉴: 비빔밥</p></div>",
        "<header><h1>제목</h1><p>부제</p></header>",
        "<footer>문의: 인사팀 02-000-0000</footer>",
    ],
)
def test_what_is_no_menu_stays(tmp_path, content):
    shown = "\n".join(texts(page(tmp_path, f"<p>본문입니다. 여러 문장이 있습니다.</p>{content}")))
    assert any(word in shown for word in ("오시는 길", "비빔밥", "부제", "인사팀"))


def test_a_page_of_links_keeps_them(tmp_path):
    assert "오시는 길" in texts(page(tmp_path, f"<nav>{MENU}</nav><p>목차</p>"))


def test_merged_cells_and_tables_in_tables(tmp_path):
    document = page(
        tmp_path,
        "<table><thead><tr><th rowspan=2>구분<th colspan=2>2026년<tr><th>상반기<th>하반기</thead>"
        "<tr><td>한도<td>10억<td><table><tr><td>본점<td>7억<tr><td>지점<td>3억</table>"
        "<tr><td colspan=3>단위: 원</table>",
    )
    (table,) = document.elements
    assert table.text.split("\n") == [
        "| 구분 | 2026년 / 상반기 | 2026년 / 하반기 |",
        "| --- | --- | --- |",
        "| 한도 | 10억 | 본점 7억 지점 3억 |",
        "| 단위: 원 |  |  |",
    ]
    assert table.line_anchors[0] == ParagraphAnchor(1, 2)
    assert table.line_anchors[-1] == ParagraphAnchor(4, 4)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<table>\n" + " " * 300 + "<tr><td>본점 7억<tr><td>지점 3억</table>", "본점 7억 지점 3억"),
        ("<table><tr><td>본점<td>7억</table>", "본점 7억"),
        ("<h2>한도</h2><p>1회</p>", "한도 1회"),
    ],
)
def test_a_heading_or_a_table_in_a_grid_of_short_cells(tmp_path, cell, text):
    (table,) = page(tmp_path, f"<table><tr><td>{cell}<td>비고<tr><td>10억<td>없음</table>").elements
    assert table.text.split("\n") == [f"| {text} | 비고 |", "| --- | --- |", "| 10억 | 없음 |"]


@pytest.mark.parametrize(
    "rows",
    [
        "<tr><td><h2>공지</h2><td>메뉴",  # one row
        "<tr><td>메뉴<td><h2>공지</h2><tr><td>바닥글",  # no grid
        "<tr><td><h2>공지</h2><td>메뉴<tr><td><h2>행사</h2><td>링크",  # half of it is headings
        "<tr><td>로고<td>메뉴<tr><td>링크<td><h2>공지</h2>" + "긴 글이 선다. " * 30,
        "<tr><td><img><td><tr><td>링크<td><h2>공지</h2>글",  # hardly any text beside it
        "<tr><td>로고<td>메뉴<tr><td>링크<td><h2>공지</h2><p>글</p><h2>행사</h2><p>글</p>",  # several headings in a cell
    ],
)
def test_a_page_laid_out_by_a_table_keeps_its_headings(tmp_path, rows):
    document = page(tmp_path, f"<table>{rows}</table>")
    assert any(element.kind is ElementKind.HEADING for element in document.elements)
    assert not any(element.kind is ElementKind.TABLE for element in document.elements)


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("<tr><th>구분<th>한도<tr><td>개인<td>1억", "| 구분 | 한도 |\n| --- | --- |\n| 개인 | 1억 |"),
        ("<tr><td>구분<td>한도<tr><td>개인<td>1억", "| 구분 | 한도 |\n| --- | --- |\n| 개인 | 1억 |"),
        ("<tr><th>구분<td>한도", "| 구분 | 한도 |\n| --- | --- |"),
    ],
)
def test_a_table_in_a_page_laid_out_by_one_keeps_its_columns(tmp_path, inner, text):
    document = page(tmp_path, f"<table><tr><td>로고<td>메뉴<tr><td>좌측 메뉴<td><table>{inner}</table></table>")
    assert [e.text for e in document.elements] == ["로고", "메뉴", "좌측 메뉴", text]


@pytest.mark.parametrize(
    ("heading", "row", "first", "second"),
    [
        ("<th colspan=20>한도", "<td>개인<td>1억", "| 한도 | 한도 |", "| 개인 | 1억 |"),
        ("<th>구분<th colspan=20>한도", "<td>개인<td>1억<td>2억", "| 구분 | 한도 | 한도 |", "| 개인 | 1억 | 2억 |"),
        (
            "<th colspan=20>한도",
            "<td rowspan=2>개인<td>1억<tr><td>2억<td>3억",
            "| 한도 | 한도 | 한도 |",
            "| 개인 | 1억 |  |",
        ),
        ("<th colspan=200>한도", "<td>개인<td colspan=150>1억", "| 한도 | 한도 |", "| 개인 | 1억 | 1억 |"),
    ],
)
def test_a_heading_wider_than_its_table_is_not_multiplied(tmp_path, heading, row, first, second):
    (table,) = page(tmp_path, f"<table><tr>{heading}<tr>{row}</table>").elements
    lines = table.text.split("\n")
    assert lines[0].rstrip("| ") == first.rstrip("| ")
    assert lines[2].startswith(second.rstrip("| "))


def test_wide_headings_make_no_long_text(tmp_path):
    table = f"<table><tr><th colspan=1000>{'가' * 190}<tr><td>a<td>b</table>"
    assert sum(len(element.text) for element in page(tmp_path, table * 20).elements) < 20 * 2 * len(table)


def test_a_heading_over_all_columns_stands_above_each(tmp_path):
    (table,) = page(tmp_path, "<table><tr><th colspan=2>한도<tr><td>개인<td>1억<tr><td colspan=2>끝</table>").elements
    assert table.text.split("\n") == ["| 한도 | 한도 |", "| --- | --- |", "| 개인 | 1억 |", "| 끝 |  |"]
    (table,) = page(tmp_path, "<table><tr><th colspan=2>한도<tr><th>구분<th>금액<tr><td>개인<td>1억</table>").elements
    assert table.text.startswith("| 한도 / 구분 | 금액 |")  # a title above the names of the columns is said once


@pytest.mark.parametrize(
    ("rows", "first"),
    [
        (
            "<tr><td rowspan=2>구분<td colspan=2>매출<tr><td>1분기<td>2분기<tr><td>가<td>1<td>2",
            "구분 | 매출 / 1분기 | 매출 / 2분기",
        ),
        ("<tr><th>구분<th>매출<tr><th>이름<th>금액<tr><td>가<td>1", "구분 / 이름 | 매출 / 금액"),
        ("<thead><tr><td>구분<td>매출<tr><td>이름<td>금액</thead><tr><td>가<td>1", "구분 / 이름 | 매출 / 금액"),
        ("<tr><th>구분<td>매출<tr><th>이름<td>금액<tr><th>가<td>1", "구분 | 매출"),
        ("<tr><th>구분<th>매출<tr><th>이름<th>금액", "구분 | 매출"),
        (
            "<tr><td rowspan=3>사진<td colspan=2>성명<tr><td colspan=2>주소<tr><td colspan=2>전화<tr><td>가<td>1<td>2",
            "사진 | 성명 | 성명",
        ),
    ],
)
def test_headings_of_several_rows(tmp_path, rows, first):
    (table,) = page(tmp_path, f"<table border=1>{rows}</table>").elements
    assert table.text.split("\n")[0] == f"| {first} |"


def test_lists_in_cells_keep_their_numbers(tmp_path):
    document = page(tmp_path, "<table border=1><tr><th>절차<th>담당<tr><td><ol><li>신청<li>승인</ol><td>팀장</table>")
    assert "| 1. 신청 2. 승인 | 팀장 |" in texts(document)[0]


def test_a_wide_cell_can_not_make_a_huge_table(tmp_path):
    rows = f"<tr><td>가<td rowspan=200 colspan=200>{'긴 글 ' * 400}</td></tr>" + "<tr><td>나</td></tr>" * 199
    document = page(tmp_path, f"<table border=1>{rows}</table>")
    assert sum(map(len, texts(document))) < 60_000


def test_definition_lists_and_pictures(tmp_path):
    document = page(tmp_path, "<dl><dt>여신<dd>돈을 빌려 주는 일</dl><img alt='조직도' src='a.png'>")
    assert texts(document) == ["여신", "돈을 빌려 주는 일", "조직도"]
    assert document.elements[0].kind is ElementKind.LIST_ITEM


def test_metadata(tmp_path):
    document = page(
        tmp_path,
        "<p>글</p>",
        "<title>공지</title><meta name=author content='인사팀'>"
        "<meta property='article:published_time' content='2026-03-02T09:00:00+09:00'>"
        "<meta name='last-modified' content='2026년 4월 1일'>"
        "<link rel=canonical href='https://intra.example/n/1'><meta name=keywords content='휴가, 연차'>",
    )
    said = document.metadata
    assert (said.author, said.created_at, said.modified_at) == ("인사팀", "2026-03-02T09:00:00+09:00", "2026-04-01")
    assert dict(said.attributes) == {"url": "https://intra.example/n/1", "keywords": "휴가, 연차"}


def test_xhtml_closes_what_html_would_leave_open(tmp_path):
    path = tmp_path / "a.xhtml"
    path.write_text(
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js"/></head>'
        "<body><p>앞<br/>뒤</p><div/></body></html>"
    )
    assert texts(parse(path)) == ["앞\n뒤"]


def test_deep_tables_and_cells(tmp_path):
    deep = "<div>" * 1500 + "깊은 칸" + "</div>" * 1500
    assert "깊은 칸" in "".join(texts(page(tmp_path, f"<table border=1><tr><th>가<th>나<tr><td>{deep}<td>다</table>")))


MHTML = """From: <Saved by Blink>
Snapshot-Content-Location: https://intra.example/notice?id=7
Subject: =?utf-8?B?7Zy06rCAIOqzteyngA==?=
Date: Mon, 2 Mar 2026 09:00:00 +0900
MIME-Version: 1.0
Content-Type: multipart/related;
\ttype="text/html";
\tboundary="----X"

------X
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable
Content-Location: https://intra.example/notice?id=7

<html><head><meta charset=3D"{declared}"></head><body><h1>{title}</h1><p>{body}</p></body></html>
------X
Content-Type: text/css
Content-Location: https://intra.example/a.css

p {{ color: white }}
------X
Content-Type: text/html
Content-ID: <frame-1@mhtml.blink>

<html><body><p>frame text</p></body></html>
------X--
"""


def quoted(text: str, charset: str) -> str:
    return "".join(f"={byte:02X}" for byte in text.encode(charset))


@pytest.mark.parametrize(("name", "charset"), [("a.mhtml", "utf-8"), ("a.mht", "cp949"), ("a.bin", "utf-8")])
def test_mhtml(tmp_path, name, charset):
    path = tmp_path / name
    declared = {"utf-8": "utf-8", "cp949": "euc-kr"}[charset]
    filled = MHTML.format(
        title=quoted("휴가 공지", charset), body=quoted("똠방각하는 쉽니다.", charset), declared=declared
    )
    path.write_bytes(filled.replace("\n", "\r\n").encode("ascii"))
    document = parse(path)
    assert document.media_type == "multipart/related"
    assert document.title == "휴가 공지"
    assert outline(document) == [(1, "휴가 공지")]
    assert texts(document) == ["휴가 공지", "똠방각하는 쉽니다.", "frame text"]
    assert [element.anchor.first for element in document.elements] == [1, 2, 3]
    assert dict(document.metadata.attributes) == {
        "url": "https://intra.example/notice?id=7",
        "saved_at": "2026-03-02T09:00:00+09:00",
    }


def test_mhtml_without_a_page(tmp_path):
    path = tmp_path / "a.mht"
    path.write_text(
        "From: a\nSubject: b\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n\n"
        "--x\nContent-Type: text/css\n\np {}\n--x--\n"
    )
    with pytest.raises(NoTextFound):
        parse(path)
