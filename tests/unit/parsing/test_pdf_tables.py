"""Tables of PDFs: with rules and without, heads of several rows, over the end of a page."""

from __future__ import annotations

import pytest

from ingest.parsing.pdf_page import Line, Word
from ingest.parsing.pdf_tables import FoundTable, beside
from rag.domain.anchor import PageAnchor
from rag.domain.document import ElementKind
from tests.unit.parsing.documents import PdfPage, parse, pdf_bytes, texts


@pytest.fixture
def parse_pages(tmp_path):
    def write_and_parse(*pages: PdfPage):
        path = tmp_path / "a.pdf"
        path.write_bytes(pdf_bytes(pages))
        return parse(path)

    return write_and_parse


def right(page: PdfPage, x: float, top: float, text: str) -> PdfPage:
    """Text that ends at `x`: Helvetica's digits are 0.556 em wide, commas and points 0.278."""
    width = sum(2.78 if letter in ",. " else 3.33 if letter in "()" else 5.56 for letter in text)
    return page.text(x - width, top, text)


def statement(page: PdfPage, top: float, rows, edges=(330, 400, 470, 540)) -> PdfPage:
    for number, (label, *values) in enumerate(rows):
        page.text(60 + 10 * (len(label) - len(label.lstrip())), top + number * 14, label.strip())
        for edge, value in zip(edges, values, strict=False):
            right(page, edge, top + number * 14, value)
    return page


def rows_of(table) -> list[list[str]]:
    return [line[2:-2].split(" | ") for line in table.text.split("\n") if "---" not in line]


def tables(document):
    return [element for element in document.elements if element.kind is ElementKind.TABLE]


def test_unruled_statement_with_spanning_heads(parse_pages):
    page = PdfPage().text(60, 70, "(In millions)")
    page.text(300, 70, "Three Months Ended").text(438, 70, "Nine Months Ended")
    for x, year in ((305, "2022"), (375, "2021"), (445, "2022"), (515, "2021")):
        page.text(x, 84, year)
    statement(
        page,
        98,
        [
            ("Net sales", "82,959", "81,434", "304,182", "282,457"),
            ("Cost of sales:",),
            (" Products", "41,485", "40,899", "155,084", "149,476"),
            (" Services", "5,589", "5,280", "16,411", "15,319"),
            ("Total cost of sales", "47,074", "46,179", "171,495", "164,795"),
            ("Gross margin", "35,885", "35,255", "132,687", "(117,662)"),
        ],
    )
    (table,) = tables(parse_pages(page))
    assert rows_of(table)[0] == [
        "(In millions)",
        "Three Months Ended 2022",
        "Three Months Ended 2021",
        "Nine Months Ended 2022",
        "Nine Months Ended 2021",
    ]
    assert rows_of(table)[1:] == [
        ["Net sales", "82,959", "81,434", "304,182", "282,457"],
        ["Cost of sales:", "", "", "", ""],
        ["Cost of sales: Products", "41,485", "40,899", "155,084", "149,476"],
        ["Cost of sales: Services", "5,589", "5,280", "16,411", "15,319"],
        ["Total cost of sales", "47,074", "46,179", "171,495", "164,795"],
        ["Gross margin", "35,885", "35,255", "132,687", "(117,662)"],
    ]
    assert len(table.line_anchors) == table.text.count("\n") + 1


def test_korean_unit_and_years_name_columns(parse_pages):
    page = PdfPage().text(60, 70, "(단위: 백만원)")
    page.text(60, 84, "구분").text(300, 84, "2023년").text(375, 84, "2022년")
    statement(page, 98, [("매출액", "12,345", "11,200"), ("영업이익", "1,024", "△987"), ("당기순이익", "801", "-")])
    (table,) = tables(parse_pages(page))
    assert table.text.split("\n")[0] == "| (단위: 백만원) 구분 | 2023년 | 2022년 |"
    assert rows_of(table)[2] == ["영업이익", "1,024", "△987"]
    assert rows_of(table)[3] == ["당기순이익", "801", "-"]


def test_a_row_is_anchored_where_it_stands(parse_pages):
    page = statement(
        PdfPage(), 100, [("Alpha", "1,000", "2,000"), ("Beta", "3,000", "4,000"), ("Gamma", "5,000", "6,000")]
    )
    (table,) = tables(parse_pages(page))
    (_, (left, top, right_edge, bottom)) = table.line_anchors[2].boxes[0]
    assert (left, right_edge) == (pytest.approx(60, abs=1), pytest.approx(400, abs=2))
    assert 112 < top < 118 < bottom < 130


def test_label_on_two_lines_is_one_label(parse_pages):
    page = statement(
        PdfPage(),
        100,
        [
            ("Revenue from contracts with", "9,000", "8,000"),
            ("Costs", "2,000", "1,000"),
            ("Commission paid to the other", "", ""),
        ],
    )
    page.text(60, 139, "banks of the group")
    right(right(page, 330, 139, "700"), 400, 139, "600")
    (table,) = tables(parse_pages(page))
    assert rows_of(table)[-1] == ["Commission paid to the other banks of the group", "700", "600"]


def test_currency_signs_and_percent_signs_stay_with_their_amounts(parse_pages):
    page = PdfPage()
    for row, (first, second) in enumerate((("1,200", "(3)%"), ("800", "12 %"), ("2,000", "5 %"))):
        page.text(60, 100 + row * 14, f"Item {row}").text(280, 100 + row * 14, "$")
        right(page, 330, 100 + row * 14, first)
        page.text(380, 100 + row * 14, second)
    (table,) = tables(parse_pages(page))
    assert rows_of(table) == [["Item 0", "$ 1,200", "(3)%"], ["Item 1", "$ 800", "12 %"], ["Item 2", "$ 2,000", "5 %"]]


def test_prose_with_numbers_is_no_table(parse_pages):
    page = PdfPage()
    for number in range(8):
        page.text(
            60,
            100 + number * 14,
            f"In 202{number} the bank lent 1,{number}50 million won at 4.{number} percent to 3{number}",
        )
    assert [element.kind for element in parse_pages(page).elements] == [ElementKind.TEXT]


def test_ruled_table_with_two_head_rows(parse_pages):
    page = PdfPage()
    for top in (100, 140, 160, 180):
        page.line(60, top, 460, top)
    page.line(160, 120, 460, 120)
    for x in (60, 160, 460):
        page.line(x, 100, x, 180)
    for x in (260, 360):
        page.line(x, 120, x, 180)
    page.line(260, 100, 260, 120)
    page.text(65, 114, "구분").text(165, 103, "2022년").text(330, 103, "2023년")
    for x, text in ((165, "매출"), (265, "매출"), (365, "이익")):
        page.text(x, 123, text)
    for row, cells in enumerate((("본점", "100", "200", "30"), ("지점", "50", "60", "7"))):
        for x, cell in zip((65, 165, 265, 365), cells, strict=True):
            page.text(x, 143 + 20 * row, cell)
    (table,) = tables(parse_pages(page))
    assert rows_of(table) == [
        ["구분", "2022년 매출", "2023년 매출", "2023년 이익"],
        ["본점", "100", "200", "30"],
        ["지점", "50", "60", "7"],
    ]


def test_table_open_at_both_sides(parse_pages):
    page = PdfPage()
    for top in (100, 120, 140, 160):
        page.line(60, top, 360, top)
    for x in (160, 260):
        page.line(x, 100, x, 160)
    for row, cells in enumerate((("등급", "한도", "비고"), ("A", "1,000", "없음"), ("B", "500", "승인"))):
        for x, cell in zip((65, 165, 265), cells, strict=True):
            page.text(x, 104 + 20 * row, cell)
    (table,) = tables(parse_pages(page))
    assert rows_of(table) == [["등급", "한도", "비고"], ["A", "1,000", "없음"], ["B", "500", "승인"]]


def test_caption_row_stands_before_the_table(parse_pages):
    page = PdfPage()
    for top in (100, 120, 140, 160):
        page.line(60, top, 360, top)
    for x in (60, 360):
        page.line(x, 100, x, 160)
    page.line(200, 120, 200, 160)
    page.text(150, 104, "대출 한도표")
    for row, cells in enumerate((("등급", "한도"), ("A", "1,000"))):
        for x, cell in zip((65, 205), cells, strict=True):
            page.text(x, 124 + 20 * row, cell)
    assert texts(parse_pages(page)) == ["대출 한도표", "| 등급 | 한도 |\n| --- | --- |\n| A | 1,000 |"]


@pytest.mark.parametrize("ruled", [True, False])
def test_table_over_the_end_of_a_page_gets_its_head_again(parse_pages, ruled):
    first, second = PdfPage(), PdfPage()
    heads, data = ("Branch", "2023", "2022"), [("Seoul", "1,000", "900"), ("Busan", "500", "400"), ("Jeju", "70", "60")]
    for page, top, rows in ((first, 700, [heads, *data]), (second, 60, [("Daegu", "300", "200"), *data])):
        if ruled:
            page.grid((55, 250, 335, 420), [top - 4 + 14 * number for number in range(len(rows) + 1)])
        for number, (label, *values) in enumerate(rows):
            page.text(60, top + number * 14, label)
            for edge, value in zip((330, 400), values, strict=True):
                right(page, edge, top + number * 14, value)
    one, other = tables(parse_pages(first, second))
    assert rows_of(other)[:2] == [["Branch", "2023", "2022"], ["Daegu", "300", "200"]] or not ruled
    assert rows_of(other)[0][1:] == ["2023", "2022"]
    assert rows_of(other)[1] == ["Daegu", "300", "200"]
    head_anchor = other.line_anchors[0]
    assert isinstance(head_anchor, PageAnchor) and head_anchor.page == one.anchor.page == 1
    assert other.line_anchors[2].page == 2


def test_text_between_pages_ends_a_table(parse_pages):
    first = statement(PdfPage(), 700, [("Branch", "Loans", "Fees"), ("Seoul", "1,000", "900"), ("Busan", "500", "400")])
    second = statement(
        PdfPage().text(60, 40, "Another thing begins here."), 70, [("A", "1", "2"), ("B", "3", "4"), ("C", "5", "6")]
    )
    _, other = tables(parse_pages(first, second))
    assert rows_of(other)[0] == ["A", "1", "2"]


def test_head_that_is_cut_at_its_hyphen(parse_pages):
    """`Quarter-over-Quarter Change` on two lines."""
    page = PdfPage().grid((60, 160, 260, 360), (100, 130, 150, 170))
    page.text(65, 110, "Item").text(165, 104, "Quarter-over-").text(165, 116, "Quarter Change").text(265, 110, "Sales")
    for row, cells in enumerate((("Chips", "12", "1,000"), ("Boards", "(7)", "500"))):
        for column, cell in enumerate(cells):
            page.text(65 + column * 100, 134 + row * 20, cell)
    (table,) = tables(parse_pages(page))
    assert rows_of(table)[0] == ["Item", "Quarter-over-Quarter Change", "Sales"]


def test_head_that_is_cut_twice(parse_pages):
    page = PdfPage().grid((60, 160, 260, 360), (100, 150, 170, 190))
    page.text(65, 104, "Telecom-").text(65, 118, "munica-").text(65, 132, "tions").text(165, 110, "Cost")
    page.text(265, 110, "Sales")
    for row, cells in enumerate((("Chips", "12", "1,000"), ("Boards", "(7)", "500"))):
        for column, cell in enumerate(cells):
            page.text(65 + column * 100, 154 + row * 20, cell)
    for number, line in enumerate(("The inter-", "national law and an inter-", "national court are international.")):
        page.text(60, 220 + 14 * number, line)  # a writer that divides words
    (table,) = tables(parse_pages(page))
    assert rows_of(table)[0] == ["Telecommunications", "Cost", "Sales"]


def test_label_that_is_cut_at_its_hyphen(parse_pages):
    """Of a table without rules."""
    page = PdfPage().text(305, 70, "2022").text(375, 70, "2021")
    statement(page, 84, [("Net sales", "82,959", "81,434"), ("Cost of sales", "41,485", "40,899")], (330, 400))
    page.text(60, 112, "Shares whose effect was anti-").text(60, 124, "dilutive")
    right(right(page, 330, 124, "5,589"), 400, 124, "5,280")
    statement(page, 138, [("Gross margin", "35,885", "35,255"), ("Net income", "20,721", "20,551")], (330, 400))
    (table,) = tables(parse_pages(page))
    assert ["Shares whose effect was anti-dilutive", "5,589", "5,280"] in rows_of(table)


def test_text_in_the_box_of_a_table_that_is_in_none_of_its_cells_stays():
    """The next column's, which stands half a line higher."""

    def line(top: float, *words: str) -> Line:
        placed = tuple(Word(word, (60 + 60 * n, top, 110 + 60 * n, top + 10)) for n, word in enumerate(words))
        return Line(placed, (60, top, 50 + 60 * len(words), top + 10), 10, bold=False)

    anchor = PageAnchor(1, 1, ((1, (60, 100, 170, 124)),))
    table = FoundTable(
        (60, 100, 170, 124), ("Name", "Sum"), anchor, ((("rent", "7"), anchor),), ((60, 110), (120, 170))
    )
    lines = [line(96, "accused", "children", "?"), line(100, "Name", "Sum"), line(114, "rent", "7")]
    assert [kept.text for kept in beside(lines, table)] == ["accused children ?"]
