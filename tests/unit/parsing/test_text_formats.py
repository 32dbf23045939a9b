from __future__ import annotations

import csv

import pytest

from rag.domain.anchor import LineAnchor, ParagraphAnchor, SheetAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import FileDamaged, NoTextFound
from tests.unit.parsing.documents import outline, parse, texts


def source_lines(path, anchor):
    return path.read_text().split("\n")[anchor.first - 1 : anchor.last]


def test_text_paragraphs_and_lines(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("첫 문단\n둘째 줄\n\n\n둘째 문단\n- 항목\n")
    document = parse(path)
    assert texts(document) == ["첫 문단\n둘째 줄", "둘째 문단", "- 항목"]
    first = document.elements[0]
    assert first.anchor == LineAnchor(1, 2)
    assert first.line_anchors == (LineAnchor(1, 1), LineAnchor(2, 2))
    assert document.elements[2].kind is ElementKind.LIST_ITEM
    assert document.elements[2].anchor == LineAnchor(6, 6)


def test_text_headings(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(
        "제1장 총칙\n\n제1조(목적) 이 규정은 목적을 정한다.\n제2조(정의) 용어는 다음과 같다.\n1.2 Scope\n본문\n"
    )
    document = parse(path)
    assert outline(document) == [(2, "제1장 총칙"), (5, "제1조(목적)"), (5, "제2조(정의)"), (2, "1.2 Scope")]
    assert "이 규정은 목적을 정한다." in texts(document)
    assert document.elements[2].anchor == document.elements[1].anchor == LineAnchor(3, 3)


def test_text_headings_by_signs(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(
        "= 여신 안내 =\n본문\n == 한도 == \n = = = Rates = = = \n본문\n==== Body\n\n"
        "상환 방법\n=========\n본문\n\nFees\n----\n\n본문\n"
    )
    document = parse(path)
    assert outline(document) == [
        (1, "여신 안내"),
        (2, "한도"),
        (3, "Rates"),
        (4, "Body"),
        (1, "상환 방법"),
        (2, "Fees"),
    ]
    assert texts(document).count("본문") == 4
    underlined = next(element for element in document.elements if element.text == "상환 방법")
    assert underlined.anchor == LineAnchor(8, 9)
    assert document.title == ""  # two of the highest level: neither stands above the other


def test_a_number_does_not_make_an_underlined_title_an_item_of_a_list(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1. Introduction\n===============\nText.\n\n1) 범위\n-------\n\n본문\n\n가. 대상\n========\n본문\n")
    assert outline(parse(path)) == [(1, "1. Introduction"), (2, "1) 범위"), (1, "가. 대상")]


@pytest.mark.parametrize(
    "text",
    [
        "=======\n본문",
        "= 5 =",
        "a == b",
        "금액은 다음과 같다.\n-------------------",
        "Name  Age\n---------",
        "x\n-",
        "= " + "가" * 90 + " =",
        "==== ====",
        "홍길동 드림\n-----------\n(주)한빛은행",
        "- 항목 하나\n----------",
        "+ added line\n============",
        "3) 2024-01-02\n-------------",
        "1) 홍길동 010-1234-5678\n-----------------------",
        "=== 2026-11-30 09:00 배치 시작 ===",
        "== y:",
    ],
)
def test_signs_that_make_no_heading(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text + "\n")
    document = parse(path)
    assert outline(document) == []
    assert "\n".join(texts(document)) == text


def test_a_first_heading_without_another_of_its_level_is_the_title_of_a_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("= 여신 안내 =\n본문\n== 한도 ==\n본문\n== 금리 ==\n본문\n")
    assert parse(path).title == "여신 안내"
    path.write_text("2026년 사업계획\n===============\n\nⅠ. 추진 배경\n본문\nⅡ. 추진 계획\n본문\n")
    assert parse(path).title == "2026년 사업계획"  # numbered ones stand below it, whatever their level


def test_tables_in_plain_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(
        "표 1. 한도\n($in millions) | 2017 | 2016\nsenior notes | 600 | 1,278\ntotal | 1279 |\n끝\n\n"
        "|이름|값|\n|---|---|\n|한도|5억|\n\n"
        "성명 | 부서\n---|---\n홍길동 | 여신\n\n"
        " id | name\n----+------\n  1 | kim\n  2 | lee\n(2 rows)\n\n"
        "+------+------+\n| 구분 | 한도 |\n+======+======+\n| 개인 | 1억 |\n+------+------+\n| 법인 | 5억 |\n+------+------+\n\n"
        "| 기호 | 뜻 | 예 |\n| + | - | = |\n| + | 더하기 | 1+1 |\n"
    )
    tables = [element for element in parse(path).elements if element.kind is ElementKind.TABLE]
    assert [table.text for table in tables] == [
        "| ($in millions) | 2017 | 2016 |\n| --- | --- | --- |\n| senior notes | 600 | 1,278 |\n| total | 1279 |  |",
        "| 이름 | 값 |\n| --- | --- |\n| 한도 | 5억 |",
        "| 성명 | 부서 |\n| --- | --- |\n| 홍길동 | 여신 |",
        "| id | name |\n| --- | --- |\n| 1 | kim |\n| 2 | lee |",
        "| 구분 | 한도 |\n| --- | --- |\n| 개인 | 1억 |\n| 법인 | 5억 |",
        "| 기호 | 뜻 | 예 |\n| --- | --- | --- |\n| + | - | = |\n| + | 더하기 | 1+1 |",
    ]
    assert tables[0].anchor == LineAnchor(2, 4)
    assert [anchor.first for anchor in tables[0].line_anchors] == [2, 2, 3, 4]
    assert tables[1].anchor == LineAnchor(7, 9)
    assert texts(parse(path))[:1] == ["표 1. 한도"]


@pytest.mark.parametrize(
    "text",
    [
        "cat a | sort\ncat b | sort",
        "2026-11-30 09:00 | INFO | 시작\n2026-11-30 09:01 | INFO | 끝\n2026-11-30 09:02 | INFO | 다시",
        "see |a| and |b|\nor |c| and |d|\nor |e| and |f|",
        "전화 1 | 팩스 2 | 메일 3\n감사합니다",
        "분기 | 2002 | 2001 | 2000\n1분기 | 1 | 2\n2분기 | 3 | 4",
        "|x| + |y|\n|z| + |w|\n|a| + |b|",
        "def a(x: int | None):\ndef b(x: int | None):\ndef c(x: int | None):",
        "web_1  | Starting server\nweb_1  | Ready\nweb_1  | Listening",
        "INFO | 2026-11-30 09:00:01 | a\nINFO | 2026-11-30 09:00:02 | b\nINFO | 2026-11-30 09:00:03 | c",
        "\n".join(f"{n} | a | b" for n in range(1001)),
    ],
    ids=["commands", "log", "tags", "one line", "ragged", "signs", "types", "containers", "levels", "export"],
)
def test_lines_that_are_no_table(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text + "\n")
    assert "\n".join(texts(parse(path))) == text


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_numbers_do_not_depend_on_line_ends(tmp_path, ends):
    path = tmp_path / "a.txt"
    path.write_bytes(ends.join(["one", "", "two\x0b2", "", "three"]).encode())
    assert [element.anchor for element in parse(path).elements] == [LineAnchor(n, n) for n in (1, 3, 5)]


@pytest.mark.parametrize("charset", ["cp949", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.py", "a.html"])
def test_charsets_in_all_text_formats(tmp_path, charset, name):
    path = tmp_path / name
    content = {"a.html": "<html><body><p>한도 금액, 값</p></body></html>"}.get(name, "한도 금액, 값\n둘째 줄, 값\n")
    path.write_bytes(content.encode(charset))
    found = "\n".join(texts(parse(path)))
    assert "한도 금액" in found
    assert "\ufeff" not in found


KOREAN = "제1조(목적) 이 규정은 여신 한도의 산정에 관한 사항을 정한다.\n둘째 줄은 담당자가 씁니다.\n"


@pytest.mark.parametrize("charset", ["cp949", "euc_kr", "johab", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize(
    "text",
    [
        KOREAN,
        "한도와 금리 안내",
        "가나다라마바사",
        "담당: 김 과장 (내선 1234)\n" + "limit = 100  # ok\n" * 2000 + "끝\n",
        "limit,rate\n" * 3000 + "여신 한도\n",
    ],
    ids=["규정", "짧은 글", "한글만", "거의 영문", "끝에만"],
)
def test_korean_text_in_every_charset(tmp_path, charset, text):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(charset))
    document = parse(path)
    assert "".join("".join(texts(document)).split()) == "".join(text.split())
    assert document.warnings == ()


@pytest.mark.parametrize("text", ["Café déjà vu, naïve façade. Größe über 5 °C – “quoted”", "señor Ñandú ¿qué?"])
def test_western_text_is_not_taken_for_korean(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode("cp1252"))
    assert texts(parse(path)) == [text]


def test_lines_in_different_charsets(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(("첫 줄은 여기까지\n" * 3).encode() + "옛 시스템의 줄\n".encode("cp949") + "끝\n".encode())
    document = parse(path)
    assert texts(document) == ["첫 줄은 여기까지\n첫 줄은 여기까지\n첫 줄은 여기까지\n옛 시스템의 줄\n끝"]
    assert document.warnings == ()


def test_hidden_characters_in_text_are_flagged(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\ufeff비밀\u200b번호와 \U000e0068\U000e0069 지시")
    document = parse(path)
    assert texts(document) == ["비밀번호와  지시"]
    assert document.warnings == ("hidden_text",)


def test_text_is_nfc(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\u1112\u1161\u11ab\u1100\u1173\u11af")  # 한글 in conjoining letters, as macOS writes names
    assert texts(parse(path)) == ["한글"]


def test_invisible_characters_are_dropped(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("pass\u200bword\u00ad \u202eabc\u00a0def")
    assert texts(parse(path)) == ["password abc def"]


def test_broken_bytes_are_reported(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("한글 문서입니다. ".encode() * 50 + b"\xff\n")
    assert parse(path).warnings == ("charset_replaced",)


def test_code_keeps_every_line(tmp_path):
    source = "\n\ndef f():\n\treturn 1  \n\n\nclass A:\n    pass\n\n"
    path = tmp_path / "a.py"
    path.write_text(source)
    (element,) = parse(path).elements
    assert element.kind is ElementKind.CODE
    assert element.text.split("\n") == source_lines(path, element.anchor)
    assert element.anchor == LineAnchor(3, 8)
    assert element.line_anchors == tuple(LineAnchor(n, n) for n in range(3, 9))


def test_white_space_alone_is_no_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(" \n\t\n\u00a0")
    with pytest.raises(NoTextFound):
        parse(path)


MARKDOWN = """---
title: 안내서
---
# 제목 *강조*

첫 문단은
[두 줄](http://example.com)이다.

| 이름 | 값 |
|------|----|
| 가 | 1 |
| 나 | `x` |

1. 하나
2. 둘
   - 안쪽

```python
def f():

    return "```"
```

    indented
> 인용
<div>상자 <b>글</b></div>
"""


def test_markdown(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(MARKDOWN)
    document = parse(path)
    assert document.title == "안내서"
    found = {element.text: element for element in document.elements}
    assert outline(document) == [(1, "제목 강조")]
    assert found["제목 강조"].anchor == LineAnchor(4, 4)
    paragraph = found["첫 문단은\n두 줄이다."]
    assert paragraph.line_anchors == (LineAnchor(6, 6), LineAnchor(7, 7))
    table = found["| 이름 | 값 |\n| --- | --- |\n| 가 | 1 |\n| 나 | x |"]
    assert table.kind is ElementKind.TABLE
    assert table.anchor == LineAnchor(9, 12)
    assert table.line_anchors == tuple(LineAnchor(n, n) for n in (9, 9, 11, 12))
    assert found["1. 하나"].kind is ElementKind.LIST_ITEM
    assert found["안쪽"].anchor == LineAnchor(16, 16)
    code = found['def f():\n\n    return "```"']
    assert code.kind is ElementKind.CODE
    assert code.text.split("\n") == source_lines(path, code.anchor)
    assert found["indented"].anchor == LineAnchor(24, 24)
    assert found["인용"].anchor == LineAnchor(25, 25)
    assert "상자 글" in "\n".join(found)


def test_markdown_front_matter_is_metadata(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(
        "---\ntitle: '여신: 안내'\nauthor: 홍길동\ndate: 2026-03-02\nlastmod: 2026.4.1.\ntags: [한도, \"금리\"]\n"
        "부서:\n  - 여신\n  - 심사\nempty:\n---\n글\n"
    )
    document = parse(path)
    said = document.metadata
    assert document.title == "여신: 안내"
    assert (said.author, said.created_at, said.modified_at) == ("홍길동", "2026-03-02", "2026-04-01")
    assert dict(said.attributes) == {"tags": "한도, 금리", "부서": "여신, 심사"}


def test_markdown_front_matter_only_at_the_start(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("text\n\n---\n\nmore\n")
    assert texts(parse(path)) == ["text", "more"]


HTML = """<html><head><title>사내 공지</title><style>p {}</style></head><body>
<nav><a href="/">메뉴</a></nav>
<h1>휴가 <b>규정</b></h1>
<p>첫 문단<br>둘째   줄</p>
제1조(목적) 이 규정은 휴가를 정한다.
<ul><li>가<ol start="3"><li>나</li><li>다</li></ol></li></ul>
<p style="display: none">보이지 않음</p><script>alert(1)</script>
<table><caption>표 1</caption>
<tr><th>구분</th><th colspan="2">일수</th></tr>
<tr><td rowspan="2">연차</td><td>1년</td><td>15|일</td></tr>
<tr><td>3년</td><td>16일</td></tr></table>
<table role="presentation"><tr><td><p>배치용 표</p></td><td>옆 칸</td></tr></table>
<pre>a  = 1
  b</pre>
</body></html>"""


def test_html(tmp_path):
    path = tmp_path / "a.html"
    path.write_text(HTML)
    document = parse(path)
    assert document.title == "사내 공지"
    assert outline(document) == [(1, "휴가 규정"), (5, "제1조(목적)")]
    found = texts(document)
    assert found == [
        "휴가 규정",
        "첫 문단\n둘째 줄",
        "제1조(목적)",
        "이 규정은 휴가를 정한다.",
        "가",
        "3. 나",
        "4. 다",
        "표 1",
        "| 구분 | 일수 | 일수 |\n| --- | --- | --- |\n| 연차 | 1년 | 15\\|일 |\n| 연차 | 3년 | 16일 |",
        "배치용 표",
        "옆 칸",
        "a  = 1\n  b",
    ]
    assert document.elements[0].anchor == ParagraphAnchor(1, 1)
    numbers = [element.anchor.first for element in document.elements]
    assert numbers == sorted(numbers)


def test_html_declares_its_charset(tmp_path):
    path = tmp_path / "a.htm"
    path.write_bytes('<html><head><meta charset="euc-kr"></head><body>똠방각하 뷁</body></html>'.encode("cp949"))
    assert texts(parse(path)) == ["똠방각하 뷁"]


def test_html_entities_and_xml_declaration(tmp_path):
    path = tmp_path / "a.html"
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html><body>&lt;b&gt; &amp; &#44032;</body></html>'
    )
    assert texts(parse(path)) == ["<b> & 가"]


def test_deeply_nested_html(tmp_path):
    path = tmp_path / "a.html"
    path.write_text("<html><body>" + "<div>" * 1500 + "깊은 글" + "</div>" * 1500)
    assert "깊은 글" in "".join(texts(parse(path)))


def test_csv(tmp_path):
    path = tmp_path / "한도.csv"
    path.write_bytes('등급;한도;비고\nA;1,000;"줄\n바꿈"\n\nB;500;\n'.encode("cp949"))
    (table,) = parse(path).elements
    assert table.kind is ElementKind.TABLE
    assert table.text == "| 등급 | 한도 | 비고 |\n| --- | --- | --- |\n| A | 1,000 | 줄 바꿈 |\n| B | 500 |  |"
    assert table.anchor == SheetAnchor("한도", "A1:C4")
    assert table.line_anchors[2] == SheetAnchor("한도", "A2:C2")
    assert table.line_anchors[3] == SheetAnchor("한도", "A4:C4")


@pytest.mark.parametrize("blank", ["", "\n", ",,,\n"])
def test_lines_above_the_header_of_a_csv_are_its_captions(tmp_path, blank):
    path = tmp_path / "통계.csv"
    above = f"제목: 2024년 매출 현황,,,\n단위: 백만원\n{blank}"
    path.write_text(above + "지역,1분기,2분기,계\n" + "".join(f"지역{n},{n},{n},{2 * n}\n" for n in range(1, 700)))
    first, second, *parts = parse(path).elements
    assert [(first.kind, first.text), (second.kind, second.text)] == [
        (ElementKind.TEXT, "제목: 2024년 매출 현황"),
        (ElementKind.TEXT, "단위: 백만원"),
    ]
    assert first.anchor == SheetAnchor("통계", "A1:D1")
    assert second.anchor == SheetAnchor("통계", "A2")
    assert [part.text.splitlines()[0] for part in parts] == ["| 지역 | 1분기 | 2분기 | 계 |"] * 2
    header = 3 + bool(blank)
    assert parts[0].line_anchors[0] == SheetAnchor("통계", f"A{header}:D{header}")


def test_what_is_asked_for_above_a_wide_csv_is_a_caption_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("조회 기간,2024년\n지역,1월,2월,3월,4월\n서울,1,2,3,4\n부산,1,2,3,4\n")
    caption, table = parse(path).elements
    assert caption.text == "조회 기간 2024년"
    assert table.text.startswith("| 지역 | 1월 |")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("이름\n가\n나\n", ["| 이름 |", "| --- |", "| 가 |", "| 나 |"]),
        ("이름,값\n가,\n나,\n", ["| 이름 | 값 |", "| --- | --- |", "| 가 |  |", "| 나 |  |"]),
        ("이름,값\n가,1\n", ["| 이름 | 값 |", "| --- | --- |", "| 가 | 1 |"]),
    ],
)
def test_a_csv_without_captions(tmp_path, content, rows):
    path = tmp_path / "a.csv"
    path.write_text(content)
    (table,) = parse(path).elements
    assert table.text.splitlines() == rows


@pytest.mark.parametrize(
    ("content", "rows", "warnings"),
    [
        ('이름,값\n"가,1\n나,2\n다,3\n', ['| "가 | 1 |', "| 나 | 2 |", "| 다 | 3 |"], ("quote_not_closed",)),
        ('이름,값\n"가,1\n나,2\n"다",3\n', ['| "가 | 1 |', "| 나 | 2 |", "| 다 | 3 |"], ("quote_not_closed",)),
        ('이름,값\n가,"1\n나,2\n"다\n라",3\n', ['| 가 | "1 |', "| 나 | 2 |", "| 다 라 | 3 |"], ("quote_not_closed",)),
        ('이름,값\n가,1\n나,"2', ["| 가 | 1 |", '| 나 | "2 |'], ("quote_not_closed",)),
        ('이름,값\n"24" 모니터",3\n나,2\n', ['| 24 모니터" | 3 |', "| 나 | 2 |"], ()),
        ('이름,값\n"줄\n\n바꿈 ""인용""",3\n나,2\n', ['| 줄 바꿈 "인용" | 3 |', "| 나 | 2 |"], ()),
    ],
)
def test_a_quotation_mark_that_nothing_closes_costs_its_line_at_most(tmp_path, content, rows, warnings):
    path = tmp_path / "a.csv"
    path.write_text(content)
    document = parse(path)
    (table,) = document.elements
    assert table.text.splitlines()[2:] == rows
    assert document.warnings == warnings


def test_a_cell_longer_than_any_is_damage(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.parsing.csv._FIELD_CHARACTERS", 1000)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "가" * 1001 + ",1\n")
    before = csv.field_size_limit()
    try:
        with pytest.raises(FileDamaged):
            parse(path)
    finally:
        csv.field_size_limit(before)


def test_quotation_marks_that_look_for_their_end_over_and_over_take_no_longer(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n" + 'x",y,"\n' * 60_000)
    document = parse(path)
    assert document.warnings == ("quote_not_closed",)
    assert sum(part.text.count('| x" | y |') for part in document.elements) == 60_000


def test_long_csv_repeats_its_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,name\n" + "".join(f"{n},row {n}\n" for n in range(1200)))
    parts = parse(path).elements
    assert [part.anchor for part in parts] == [
        SheetAnchor("a", "A1:B501"),
        SheetAnchor("a", "A502:B1001"),
        SheetAnchor("a", "A1002:B1201"),
    ]
    assert all(part.text.startswith("| id | name |\n| --- | --- |\n") for part in parts)
    assert parts[1].line_anchors[0] == SheetAnchor("a", "A1:B1")


def test_tsv(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a, b\tc\n1\t2\n")
    assert texts(parse(path)) == ["| a, b | c |\n| --- | --- |\n| 1 | 2 |"]
