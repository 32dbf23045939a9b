from __future__ import annotations

import io

import pypdf
import pytest

from rag.domain.anchor import PageAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound
from tests.unit.parsing.documents import PAGE, PdfPage, outline, parse, pdf_bytes, texts


@pytest.fixture
def parse_pages(tmp_path):
    def write_and_parse(*pages: PdfPage, title: str = ""):
        path = tmp_path / "a.pdf"
        path.write_bytes(pdf_bytes(pages, title))
        return parse(path)

    return write_and_parse


def body(page: PdfPage, top: float, *lines: str, size: float = 10, x: float = 60) -> PdfPage:
    for number, line in enumerate(lines):
        page.text(x, top + number * size * 1.4, line, size)
    return page


def test_lines_paragraphs_and_boxes(parse_pages):
    page = body(PdfPage(), 100, "The first paragraph has a line that is rather long and", "goes on here.")
    body(page, 160, "The second paragraph.")
    document = parse_pages(page)
    assert document.pages == 1
    first, second = document.elements
    assert first.text == "The first paragraph has a line that is rather long and\ngoes on here."
    assert second.text == "The second paragraph."
    (number, (left, top, right, bottom)) = first.line_anchors[0].boxes[0]
    assert number == 1
    assert left == pytest.approx(60, abs=1)
    assert 95 < top < 105 < bottom < 115
    assert 280 < right < 320
    assert first.anchor.boxes[0][1][3] > bottom


def test_korean(parse_pages):
    document = parse_pages(
        body(PdfPage(), 100, "제1장 총칙", "제1조(목적) 이 규정은 정보보호를 정한다."), title="정보보호 규정"
    )
    assert document.title == "정보보호 규정"
    assert outline(document) == [(2, "제1장 총칙"), (5, "제1조(목적)")]
    assert texts(document)[-1] == "이 규정은 정보보호를 정한다."


def test_headings_by_size_weight_and_number(parse_pages):
    page = PdfPage().text(60, 60, "Security Policy", 20).text(60, 100, "1. Scope", 14)
    page.text(60, 130, "1.1 People", 10, bold=True)
    body(page, 150, "Everybody who works here is bound by this policy, wherever", "they work.")
    page.text(60, 200, "Exceptions", bold=True)
    body(page, 220, "There are none. Nobody may grant one either, at no time", "whatsoever.")
    assert outline(parse_pages(page)) == [(1, "Security Policy"), (2, "1. Scope"), (3, "1.1 People"), (3, "Exceptions")]


def test_numbered_paragraph_is_no_heading(parse_pages):
    page = body(
        PdfPage(), 100, "1.1.1 Every employee shall keep the password of the account to", "himself at all times."
    )
    body(page, 140, "Another line that is as long as the first one of the others is.")
    document = parse_pages(page)
    assert outline(document) == []
    assert len(document.elements) == 2


def test_headers_footers_and_page_numbers_are_removed(parse_pages):
    pages = []
    for number in range(1, 7):
        page = PdfPage().text(60, 30, "Hanbit Bank Security Policy", 8).text(280, 800, f"- {number} -", 8)
        page.text(60, 812, "confidential", 8)
        pages.append(body(page, 100, f"Page {number} says something of its own.", "And 2026 is a year."))
    document = parse_pages(*pages)
    found = "\n".join(texts(document))
    assert found.count("Hanbit Bank Security Policy") == 1  # the first stays: it may be the only title
    assert "confidential" not in found
    assert "- 3 -" not in found
    assert found.count("And 2026 is a year.") == 6


def test_header_of_three_lines(parse_pages):
    """As over the notes to accounts, where it would part sentences that go on on the next page."""
    pages = []
    for number in range(1, 7):
        page = PdfPage().text(60, 30, "Hanbit Corporation", 8).text(60, 42, "Notes to Statements (Continued)", 8)
        page.text(60, 54, "(Unaudited)", 8)
        pages.append(body(page, 100, *(f"{word * number} is told here." for word in "abcdefghijkl")))
    found = "\n".join(texts(parse_pages(*pages)))
    assert found.count("(Unaudited)") == 1
    assert all(found.count(f"{'g' * number} is told") for number in range(1, 7))
    assert found.count("is told here") == 6 * 12


def test_third_line_with_a_number_stays(parse_pages):
    """Of a form that is printed for each person."""
    pages = []
    for number in range(1, 7):
        page = PdfPage().text(60, 30, "Hanbit Corporation", 8).text(60, 42, "Pay slip", 8)
        page.text(60, 54, f"Sum: {number},000", 8)
        pages.append(body(page, 100, *(f"{word * number} is told here." for word in "abc")))
    found = "\n".join(texts(parse_pages(*pages)))
    assert [found.count(f"Sum: {number},000") for number in range(1, 7)] == [1] * 6


def test_third_line_below_a_title_of_its_own_stays(parse_pages):
    """The unit of each statement is no header."""
    pages = []
    for title in ("Income", "Balance Sheets", "Cash Flows", "Equity"):
        page = PdfPage().text(60, 30, "Hanbit Corporation", 8).text(60, 42, f"Statements of {title}", 8)
        page.text(60, 54, "(In millions)", 8)
        pages.append(body(page, 100, *(f"{letter} of {title} is told here." for letter in "abcdefghijkl")))
    assert "\n".join(texts(parse_pages(*pages))).count("(In millions)") == 4


@pytest.mark.parametrize(
    "values",
    [
        ["Department: Sales", "Department: Legal"] * 3,
        ["Sales department", "Legal department"] * 3,
        ["소속: 총무과"] * 6,
        ["결과: 적합"] * 5 + ["결과: 부적합"],
    ],
    ids=["few values", "few values without a label", "one value", "nearly one value"],
)
def test_third_line_that_differs_by_page_stays(parse_pages, values):
    """Of a form that is printed for each person: what many have in common is no header."""
    pages = []
    for number, value in enumerate(values, start=1):
        page = PdfPage().text(60, 30, "Hanbit Corporation", 8).text(60, 42, "Pay slip", 8).text(60, 54, value, 8)
        page.text(60, 66, f"Name: {'abcdef'[number - 1]}", 8)
        pages.append(body(page, 100, *(f"{word * number} is told here." for word in "abcdefg")))
    shown = [
        "\n".join(element.text for element in parse_pages(*pages).elements if element.anchor.page == number)
        for number in range(1, len(pages) + 1)
    ]
    assert [value in text for value, text in zip(values, shown, strict=True)] == [True] * len(values)


@pytest.mark.parametrize(
    "values",
    [
        [f"Employee no: {number * 37}" for number in range(1, 7)],
        [f"계좌번호: 110-{number * 7 % 5}23-{number}4567" for number in range(1, 7)],
        ["소속: 총무과"] * 3 + ["소속: 법무과"] * 3,
    ],
    ids=["number", "account", "few values"],
)
def test_second_line_that_differs_by_page_stays(parse_pages, values):
    pages = []
    for number, value in enumerate(values, start=1):
        page = PdfPage().text(60, 30, "Hanbit Corporation", 8).text(60, 42, value, 8)
        pages.append(body(page, 100, *(f"{word * number} is told here." for word in "abcdefg")))
    found = parse_pages(*pages).elements
    for number, value in enumerate(values, start=1):
        assert value in "\n".join(element.text for element in found if element.anchor.page == number)


@pytest.mark.parametrize("label", ["Version: 3.1", "Page: {}", "Rev: 2, page {}"])
def test_second_line_that_is_a_label_of_the_document_is_no_text(parse_pages, label):
    pages = []
    for number in range(1, 7):
        page = PdfPage().text(60, 30, "Hanbit Corporation", 8).text(60, 42, label.format(number + 4), 8)
        pages.append(body(page, 100, *(f"{word * number} is told here." for word in "abcdefg")))
    found = parse_pages(*pages).elements
    assert not any(label.split(":")[0] in element.text for element in found if element.anchor.page > 1)


def test_heads_that_name_the_chapter_and_the_page(parse_pages):
    """Each chapter is a small part of the document; that their numbers count its pages is said by all."""
    pages = []
    for number in range(1, 25):
        chapter = (number - 1) // 3 + 1
        page = PdfPage().text(60, 30, f"Chapter {chapter}: The {'abcdefgh'[chapter - 1] * 5} part", 8)
        page.text(500, 30, str(number + 2), 8)
        pages.append(body(page, 100, *(f"{word * number} is told here." for word in "abcdefg")))
    found = "\n".join(texts(parse_pages(*pages)))
    assert [found.count(f"{letter * 5} part") for letter in "abcdefgh"] == [1] * 8  # the first copy stays
    assert found.count("is told here") == 24 * 7


def test_first_lines_whose_numbers_do_not_count_pages_stay(parse_pages):
    pages = []
    for number in range(1, 25):
        group = "abcdefgh"[(number - 1) // 3] * 5
        page = PdfPage().text(60, 30, f"Group {group}: claim {number * 37 % 101}", 8)
        pages.append(body(page, 100, *(f"{word * number} is told here." for word in "abcdefg")))
    assert "\n".join(texts(parse_pages(*pages))).count("claim") == 24


def test_last_line_with_marks_of_a_taller_font_goes_on(parse_pages):
    """As in a browser's Korean, whose figures and full stops come from another font."""
    page = PdfPage()
    long = "회사와 직원 사이의 근로조건과 직원이 지켜야 할 복무상의 기준을 정함을 목적으"
    for top, line in ((100, long), (114, long)):
        page.text(60, top, line)
    page.text(60, 128, "로 한다").text(97.8, 126, ".", 13)
    (paragraph,) = texts(parse_pages(page))
    assert paragraph.endswith("한다.")


def test_third_line_stays_below_a_header_that_it_seldom_follows(parse_pages):
    """Though below another one it is a part of the header."""
    pages = []
    for number in range(1, 13):
        part = "Notes to Statements" if number <= 6 else "Management Report"
        page = PdfPage().text(60, 30, "Hanbit Corporation", 8).text(60, 42, part, 8)
        page.text(60, 54, "(Unaudited)" if number <= 7 else f"{'abcdefghijkl'[number - 1]} of the year", 8)
        pages.append(body(page, 100, *(f"{word * number} is told here." for word in "abcdefg")))
    found = parse_pages(*pages).elements
    shown = [element.anchor.page for element in found if "(Unaudited)" in element.text]
    assert shown == [1, 7]


def test_ruled_table(parse_pages):
    page = body(PdfPage(), 60, "Before the table.")
    page.grid((60, 160, 260, 360), (100, 120, 140, 160))
    for row, cells in enumerate((("Grade", "Daily", "Monthly"), ("A", "1,000", "20,000"), ("B", "500", "10,000"))):
        for column, cell in enumerate(cells):
            page.text(65 + column * 100, 104 + row * 20, cell)
    body(page, 200, "After the table.")
    document = parse_pages(page)
    assert texts(document) == [
        "Before the table.",
        "| Grade | Daily | Monthly |\n| --- | --- | --- |\n| A | 1,000 | 20,000 |\n| B | 500 | 10,000 |",
        "After the table.",
    ]
    table = document.elements[1]
    assert table.kind is ElementKind.TABLE
    assert table.anchor == PageAnchor(1, 1, ((1, (60.0, 100.0, 360.0, 160.0)),))
    assert table.line_anchors[2] == PageAnchor(1, 1, ((1, (60.0, 120.0, 360.0, 140.0)),))


def test_cell_with_two_lines_and_cell_that_spans_rows(parse_pages):
    page = PdfPage()
    page.line(60, 100, 260, 100).line(160, 140, 260, 140).line(60, 180, 260, 180)
    for x in (60, 160, 260):
        page.line(x, 100, x, 180)
    page.text(65, 105, "Whole").text(165, 102, "first").text(165, 114, "cell").text(165, 145, "second")
    assert texts(parse_pages(page)) == ["| Whole | first cell |\n| --- | --- |\n| Whole | second |"]


def test_shaded_rows_are_no_grid(parse_pages):
    page = PdfPage()
    for row in range(6):
        if row % 2:
            page.shade(60, 98 + row * 14, 400, 14)
        page.text(60, 100 + row * 14, f"Item {row}").text(300, 100 + row * 14, f"{row},000").text(
            400, 100 + row * 14, "5"
        )
    document = parse_pages(page)
    first, *others = (f"| Item {row} | {row},000 | 5 |" for row in range(6))
    assert texts(document) == ["\n".join([first, "| --- | --- | --- |", *others])]


def test_frame_around_text_is_no_table(parse_pages):
    page = body(PdfPage().grid((50, 500), (90, 200)), 100, "Text in a box.")
    assert [element.kind for element in parse_pages(page).elements] == [ElementKind.TEXT]


def test_table_of_contents_has_no_headings(parse_pages):
    page = PdfPage()
    for number in range(1, 6):
        page.text(60, 80 + number * 14, f"1.{number} Chapter name").text(500, 80 + number * 14, str(number))
    assert outline(parse_pages(page)) == []


def test_hyphenated_word_is_put_together(parse_pages):
    page = body(PdfPage(), 100, "This is a sentence that speaks of an inter-", "national agreement between two banks.")
    body(page, 160, "It is international.")
    assert "international agreement" in texts(parse_pages(page))[0].replace("\n", " ")


def test_line_that_ends_at_a_hyphen_of_the_text(parse_pages):
    """Word processors divide no words."""
    page = body(
        PdfPage(),
        100,
        "The interest of this loan is fixed, as it was before, until the third-",
        "party lender is asked under the terms that were agreed with him.",
    )
    body(page, 160, *["A line of a document that ends where one of its words ends, as lines do."] * 9)
    (first, *_) = parse_pages(page).elements
    assert "until the third-party\nlender is asked" in first.text
    boxes = [box for anchor in first.line_anchors for _, box in anchor.boxes]
    assert [box[3] - box[1] < 15 for box in boxes] == [True, True]


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (
            (
                "Each member has got an anti-",
                "discrimination policy that is in writing and is",
                "known to all of those who work for the member.",
            ),
            "Each member has got an anti-discrimination\npolicy",
        ),
        (
            (
                "The sales of the year fell because of the COVID-",
                "19. The board expects that they will rise again now.",
                "They will do so soon, as all of the members say.",
            ),
            "because of the COVID-19.\nThe board",
        ),
    ],
    ids=["line much longer than the one above", "line that begins as an item does"],
)
def test_a_paragraph_does_not_end_inside_a_word(parse_pages, lines, whole):
    rest = ("The board keeps its own list of what was agreed", "and of those that have agreed to it in writing.")
    found = parse_pages(body(body(PdfPage(), 100, *lines), 200, *rest * 6)).elements
    assert [element.kind for element in found] == [ElementKind.TEXT] * 2
    assert whole in found[0].text


def test_hyphen_at_the_end_of_a_line_that_goes_on_on_the_next_page(parse_pages):
    pages = [body(PdfPage(), 700, "The loan is from a third-"), body(PdfPage(), 60, "party lender, who is asked.")]
    assert texts(parse_pages(*pages))[0] == "The loan is from a third-"


def test_second_f_of_an_italic(parse_pages):
    """PDFium takes it for the first one printed twice."""
    page = PdfPage().letters(60, 100, "to differ off a effect", 10)
    assert texts(parse_pages(page)) == ["to differ off a effect"]


def test_second_f_of_an_italic_word_that_a_line_end_cuts(parse_pages):
    """On either side of its hyphen."""
    page = (
        PdfPage()
        .letters(60, 100, "a matter of differen-")
        .letters(60, 114, "tiated and co-")
        .letters(60, 128, "effect")
    )
    assert "\n".join(texts(parse_pages(page))).split() == ["a", "matter", "of", "differentiated", "and", "coeffect"]


def test_letter_printed_twice_is_one(parse_pages):
    page = PdfPage()
    for x in (60, 60.3):
        page.letters(x, 100, "f", 10)
    page.letters(63, 100, "or", 10)
    assert texts(parse_pages(page)) == ["for"]


def test_korean_word_cut_by_the_line_end(parse_pages):
    page = PdfPage()
    # Writers that break between syllables end the other lines with the space that stood there.
    lines = ["회사는 고객의 정보를 보호하기 위하여 ", "필요한 조치를 다하여야 하며 개인정"]
    lines += ["보 보호법에 따른 의무를 지킨다 그리고 ", "그 밖의 법령에서 정한 사항도 모두 "] * 4
    body(page, 100, *lines)
    found = texts(parse_pages(page))[0]
    assert "개인정보\n보호법에" in found


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_boxes_follow_the_page_as_shown(parse_pages, rotate):
    page = PdfPage(rotate)
    page.text(100, 200, "Turned")
    (element,) = parse_pages(page).elements
    (_, (left, top, right, bottom)) = element.anchor.boxes[0]
    width, height = PAGE if rotate in (0, 180) else PAGE[::-1]
    x, y = 100 + 17, 200 + 5  # the middle of the word on the page before it is turned
    expected = {0: (x, y), 90: (PAGE[1] - y, x), 180: (PAGE[0] - x, PAGE[1] - y), 270: (y, PAGE[0] - x)}[rotate]
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(expected, abs=6)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_scan_has_no_text(parse_pages):
    with pytest.raises(NoTextFound):
        parse_pages(PdfPage().line(0, 0, 100, 100))


def test_partly_scanned(parse_pages):
    document = parse_pages(PdfPage(), body(PdfPage(), 100, "Only here."))
    assert document.warnings == ("pages_without_text:1",)
    assert document.elements[0].anchor.page == 2


def test_no_pages(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_bytes([]))
    with pytest.raises((NoTextFound, FileDamaged)):
        parse(path)


def test_encrypted(tmp_path):
    path = tmp_path / "a.pdf"
    writer = pypdf.PdfWriter(io.BytesIO(pdf_bytes([PdfPage().text(50, 50, "secret")])))
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(path)
    with pytest.raises(FileEncrypted):
        parse(path)


def test_owner_password_alone_does_not_keep_readers_out(tmp_path):
    path = tmp_path / "a.pdf"
    writer = pypdf.PdfWriter(io.BytesIO(pdf_bytes([PdfPage().text(50, 50, "readable")])))
    writer.encrypt("", owner_password="owner", algorithm="RC4-128")
    writer.write(path)
    assert texts(parse(path)) == ["readable"]


def test_truncated(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_bytes([PdfPage().text(50, 50, "gone")])[:200])
    with pytest.raises(FileDamaged):
        parse(path)


def test_two_columns(parse_pages):
    page = PdfPage()
    left = [f"left column line {number} of the text" for number in range(12)]
    right = [f"right column line {number} of the text" for number in range(12)]
    body(page, 100, *left, x=60)
    body(page, 100, *right, x=320)
    assert texts(parse_pages(page)) == ["\n".join(left), "\n".join(right)]


def test_korean_words_cut_without_a_mark(parse_pages):
    sentences = [
        "회사는 개인정보 보호법에 따라 고객의 개인정보를 안전하게 관리하여야 하고 임직원은 업무상 알게 된 고객의 비밀을 "
        "누설하여서는 아니 된다",
        "임직원은 업무상 알게 된 비밀을 누설하여서는 아니 되고 회사는 고객의 개인정보를 안전하게 관리하여야 한다 그리고 "
        "보호법에 따라 처리한다",
    ]
    pages = []
    for offset in range(4):
        page = PdfPage()
        for number, sentence in enumerate(sentences * 2):
            shifted = "또한 " * (offset + number) + sentence
            lines = [shifted[start : start + 26].strip() for start in range(0, len(shifted), 26)]
            body(page, 60 + number * 180, *lines)
        pages.append(page)
    found = " ".join("\n".join(texts(parse_pages(*pages))).split())
    words = ("개인정보", "보호법에", "안전하게", "관리하여야", "임직원은", "누설하여서는")
    expected = 8 * sum(" ".join(sentences).count(word) for word in words)
    assert sum(map(found.count, words)) >= 0.97 * expected
