"""HWP 5 and HWPX give the same document: every test here runs on both."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound
from tests.support.hwp5 import COMPRESSED, DISTRIBUTION, DRM, PASSWORD, hwp5_file
from tests.support.hwp_content import (
    AutoNumber,
    Box,
    Cell,
    Deleted,
    Endnote,
    Equation,
    Footer,
    Footnote,
    Header,
    HiddenComment,
    Inserted,
    Link,
    Memo,
    Paragraph,
    Picture,
    Ruby,
    Styled,
    Table,
    merged_table,
    nested,
    paragraphs,
    table,
)
from tests.support.hwpx import hwpx_file
from tests.unit.parsing.documents import outline, parse, texts

WRITERS = {"hwp": hwp5_file, "hwpx": hwpx_file}


@pytest.fixture(params=sorted(WRITERS))
def read(request, tmp_path: Path):
    """Write a document in one of the formats and parse it."""

    def write_and_parse(*sections, **about):
        path = tmp_path / f"여비규정.{request.param}"
        path.write_bytes(WRITERS[request.param](*sections, **about))
        return parse(path)

    return write_and_parse


def kinds(document):
    return [(element.kind.value, element.text) for element in document.elements]


def test_outline_levels_become_headings_with_their_numbers(read):
    document = read(
        [
            Paragraph("총칙", outline=1),
            Paragraph("목적", outline=2),
            Paragraph("이 규정은 여비의 지급에 관한 사항을 정한다."),
            Paragraph("적용 범위", outline=2),
            Paragraph("여비의 종류", outline=1),
            Paragraph("국내 여비", outline=2),
            Paragraph("운임", outline=3),
        ]
    )
    assert outline(document) == [
        (1, "제1장 총칙"),
        (2, "제1절 목적"),
        (2, "제2절 적용 범위"),
        (1, "제2장 여비의 종류"),
        (2, "제1절 국내 여비"),
        (3, "1. 운임"),
    ]
    assert [element.anchor for element in document.elements] == [ParagraphAnchor(n, n) for n in range(1, 8)]


def test_a_sentence_in_an_outline_style_is_an_item_not_a_heading(read):
    sentence = "출장자는 출장을 마친 날부터 5일 이내에 출장 보고서와 증빙 서류를 제출하여야 한다."
    document = read([Paragraph("정산", outline=1), Paragraph(sentence, outline=3)])
    assert kinds(document) == [("heading", "제1장 정산"), ("list_item", f"1. {sentence}")]


def test_articles_are_headings_without_any_style(read):
    document = read(
        [Paragraph("제1장 총칙"), Paragraph("제1조(목적) 이 규정은 여비를 정한다."), Paragraph("① 여비는 실비로 한다.")]
    )
    assert outline(document) == [(2, "제1장 총칙"), (5, "제1조(목적)")]
    assert texts(document)[2:] == ["이 규정은 여비를 정한다.", "① 여비는 실비로 한다."]


def test_headings_by_style_name(read):
    document = read(
        [Paragraph("여비 규정", style="제목"), Paragraph("본문이다."), Paragraph("1. 총칙 3", style="차례 1")]
    )
    assert kinds(document) == [("heading", "여비 규정"), ("text", "본문이다."), ("text", "1. 총칙 3")]


def test_the_title_is_what_stands_in_its_style_not_the_first_of_several_headings(read):
    chapters = [Paragraph("총칙", style="개요 1"), Paragraph("본문이다."), Paragraph("복무", style="개요 1")]
    assert read([*chapters, Paragraph("본문이다.")]).title == ""
    assert read([Paragraph("여비 규정", style="제목"), *chapters]).title == "여비 규정"


def test_larger_bold_type_is_a_heading_where_the_document_names_none(read):
    document = read(
        [
            Paragraph("출장 안내", look="bold"),
            Paragraph("출장은 사전에 승인을 받아야 하며 승인 없이 떠난 출장의 여비는 지급하지 않는다."),
            Paragraph("굵은 글씨라도 이처럼 문장으로 끝나면 제목이 아니다.", look="bold"),
        ]
    )
    assert outline(document) == [(1, "출장 안내")]
    assert document.title == "출장 안내"


def test_larger_type_does_not_compete_with_real_headings(read):
    document = read([Paragraph("총칙", outline=1), Paragraph("강조", look="bold"), Paragraph("본문은 길게 이어진다.")])
    assert outline(document) == [(1, "제1장 총칙")]


def test_numbered_and_bulleted_lists_show_their_numbers(read):
    document = read(
        [
            Paragraph("철도운임", number=1),
            Paragraph("특실", number=2),
            Paragraph("일반실", number=2),
            Paragraph("선박운임", number=1),
            Paragraph("1등급", number=2),
            Paragraph("가산금", number=3),
            Paragraph("별도 정산", bullet=True),
        ]
    )
    assert texts(document) == [
        "1. 철도운임",
        "가. 특실",
        "나. 일반실",
        "2. 선박운임",
        "가. 1등급",
        "1) 가산금",
        "● 별도 정산",
    ]
    assert {element.kind for element in document.elements} == {ElementKind.LIST_ITEM}


def test_table_with_merged_cells(read):
    document = read(
        [
            Paragraph("별지와 같다."),
            Paragraph(
                merged_table(
                    [
                        (0, 0, 2, 1, "구분"),
                        (0, 1, 1, 2, "일비"),
                        (1, 1, 1, 1, "국내"),
                        (1, 2, 1, 1, "국외"),
                        (2, 0, 1, 1, "임원"),
                        (2, 1, 1, 1, "50,000"),
                        (2, 2, 2, 1, "실비"),
                        (3, 0, 1, 1, "직원"),
                        (3, 1, 1, 1, "25,000"),
                    ],
                    caption="여비 지급표",
                )
            ),
        ]
    )
    assert texts(document)[1] == "여비 지급표"
    found = document.elements[2]
    assert found.kind is ElementKind.TABLE
    assert found.text.split("\n") == [
        "| 구분 | 일비 / 국내 | 일비 / 국외 |",
        "| --- | --- | --- |",
        "| 임원 | 50,000 | 실비 |",
        "| 직원 | 25,000 | 실비 |",
    ]
    rows = [(anchor.first, anchor.last) for anchor in found.line_anchors]
    assert rows == [(4, 7), (4, 7), (8, 10), (11, 12)]
    assert (found.anchor.first, found.anchor.last) == (4, 12)


@pytest.mark.parametrize(
    ("cells", "lines"),
    [
        ([(0, 0, 1, 1, "구분"), (0, 1, 1, 2, "매출")], ["| 구분 | 매출 | 매출 |", "| 가 | 1 | 2 |"]),
        ([(0, 0, 1, 3, "매출 현황")], ["| 매출 현황 |  |  |", "| 가 | 1 | 2 |"]),
    ],
)
def test_a_heading_over_several_columns_names_each_of_them(read, cells, lines):
    body = [(1, 0, 1, 1, "가"), (1, 1, 1, 1, "1"), (1, 2, 1, 1, "2")]
    document = read([Paragraph(merged_table([*cells, *body]))])
    assert document.elements[0].text.split("\n")[::2] == lines


def test_caption_below_comes_after_its_table(read):
    document = read([Paragraph(table([["가", "나"], ["1", "2"]], "표 아래 설명", caption_below=True))])
    assert [element.kind.value for element in document.elements] == ["table", "text"]
    assert texts(document)[1] == "표 아래 설명"


def test_caption_shows_its_automatic_number(read):
    captioned = Box((Paragraph("글상자 안의 글"),), caption="여비 신청 절차")
    document = read([Paragraph("그림을 본다. ", AutoNumber("picture", 3)), Paragraph(captioned)])
    assert texts(document) == ["그림을 본다. 3", "글상자 안의 글", "여비 신청 절차"]


def test_nested_tables_stand_in_one_line_of_the_cell(read):
    inner = table([["운임", "실비"], ["숙박비", "상한 10만원"]])
    cells = (Cell(0, 0, paragraphs("국내")), Cell(0, 1, (Paragraph("다음과 같다"), Paragraph(inner))))
    document = read([Paragraph(Table(1, 2, cells))])
    assert texts(document) == ["| 국내 | 다음과 같다 운임 \\| 실비 / 숙박비 \\| 상한 10만원 |\n| --- | --- |"]


def test_one_cell_is_a_frame_around_text(read):
    frame = Table(1, 1, (Cell(0, 0, (Paragraph("제1조(목적) 목적을 정한다."), Paragraph("둘째 문단"))),))
    assert kinds(read([Paragraph(frame)])) == [
        ("heading", "제1조(목적)"),
        ("text", "목적을 정한다."),
        ("text", "둘째 문단"),
    ]


def test_a_heading_set_as_a_bar_of_cells(read):
    document = read(
        [
            Paragraph(table([["Ⅱ", "", "추진 배경"]])),
            Paragraph(table([["1", "현황"]])),
            Paragraph(table([["1", "2"], ["3", "4"]])),
            Paragraph(table([["단가", "1,000원"]])),
        ]
    )
    assert outline(document) == [(1, "Ⅱ 추진 배경"), (2, "1 현황")]
    assert [element.kind.value for element in document.elements][2:] == ["table", "table"]


def test_a_table_in_the_line_parts_the_text_and_one_that_floats_does_not(read):
    floating = table([["가", "나"], ["다", "라"]])
    inline = replace(floating, inline=True)
    document = read([Paragraph("앞 글", inline, "뒤 글", number=1), Paragraph("앞 글", floating, "뒤 글")])
    assert [element.kind.value for element in document.elements] == ["list_item", "table", "text", "text", "table"]
    assert [texts(document)[at] for at in (0, 2, 3)] == ["1. 앞 글", "뒤 글", "앞 글뒤 글"]


def test_objects_that_float_at_one_paragraph_are_read_from_the_top(read):
    lower, upper = (
        replace(table([[text, "값"], ["다", "라"]]), offset=offset) for text, offset in (("아래", 0), ("위", -23207))
    )
    document = read([Paragraph(lower, upper)])
    assert [text[:4] for text in texts(document)] == ["| 위 ", "| 아래"]


def test_notes_follow_their_paragraph(read):
    document = read(
        [
            Paragraph(
                "여비는 정액으로 한다.", Footnote("다만, 운임은 실비로 한다."), " 상한이 있다.", Endnote("별표 2 참조")
            ),
            Paragraph("다음 문단"),
        ]
    )
    assert texts(document) == [
        "여비는 정액으로 한다. 상한이 있다.",
        "다만, 운임은 실비로 한다.",
        "별표 2 참조",
        "다음 문단",
    ]
    assert [element.anchor.first for element in document.elements] == [1, 1, 1, 4]


def test_a_note_is_referred_to_by_its_number(read):
    document = read([Paragraph("정액으로 한다", Footnote("운임은 실비로 한다.", number=3), ".")])
    assert texts(document) == ["정액으로 한다 3) .", "3) 운임은 실비로 한다."]


def test_page_headers_and_footers_stand_once_before_their_section(read):
    head, foot = Header("한빛물산 여비 규정"), Footer("대외비")
    document = read([Paragraph("첫 문단"), Paragraph("둘째 문단", head, foot)], [Paragraph("새 구역", head)])
    assert texts(document) == ["한빛물산 여비 규정", "대외비", "첫 문단", "둘째 문단", "새 구역"]


def test_change_tracking_leaves_out_what_was_deleted(read):
    document = read([Paragraph("일비는 ", Deleted("2만원"), Inserted("2만5천원"), "으로 한다.")])
    assert texts(document) == ["일비는 2만5천원으로 한다."]


def test_an_equation_in_a_floating_table_leaves_the_table_where_it_is(read):
    cells = (Cell(0, 0, (Paragraph("아래", Equation("x")),)), Cell(0, 1, paragraphs("값")))
    floating = [replace(Table(1, 2, cells), offset=9000), replace(table([["위", "값"], ["다", "라"]]), offset=100)]
    document = read([Paragraph("앞 글", *floating, "뒤 글")])
    shown = [element.text.split("\n")[0] for element in document.elements if element.kind is ElementKind.TABLE]
    assert [text.split()[1] for text in shown] == ["위", "아래"]


def test_links_memos_ruby_and_equations(read):
    document = read(
        [
            Paragraph("자세한 것은 ", Link("인사 포털", "https://portal.example"), "에 있다."),
            Paragraph("확인이 ", Memo("필요한", "담당자 확인 바람"), " 내용"),
            Paragraph(Ruby("旅費", "여비"), " 산식은 ", Equation("{일비} times {일수} over 2"), "이다."),
        ]
    )
    assert texts(document)[0] == "자세한 것은 인사 포털에 있다."
    assert "확인이 필요한 내용" in texts(document)
    assert "[메모] 담당자 확인 바람" in texts(document)
    assert "旅費(여비) 산식은 (일비) × (일수) / 2 이다." in texts(document)


def test_what_nobody_sees_is_left_out_and_flagged(read):
    document = read(
        [
            Paragraph("보이는 글", Styled("흰 글씨로 적은 지시", "white"), Styled("점만한 글씨", "tiny"), "의 끝"),
            Paragraph("설명", HiddenComment("숨은 설명")),
        ]
    )
    assert texts(document) == ["보이는 글의 끝", "설명"]
    assert document.warnings == ("hidden_text",)


def test_white_text_on_a_dark_cell_is_read(read):
    head = Cell(0, 0, (Paragraph(Styled("구분", "white")),), filled=True)
    document = read([Paragraph(Table(2, 1, (head, Cell(1, 0, paragraphs("일비")))))])
    assert texts(document) == ["| 구분 |\n| --- |\n| 일비 |"]
    assert document.warnings == ()


def test_white_text_on_a_drawing_behind_it_is_read(read):
    drawing = Box((Paragraph(),), behind=True)
    document = read([Paragraph(drawing, Styled("2026년 업무 계획", "white"))])
    assert (texts(document), document.warnings) == (["2026년 업무 계획"], ())


def test_zero_width_smuggling_is_flagged(read):
    smuggled = "".join(chr(0xE0000 + ord(letter)) for letter in "ignore")
    document = read([Paragraph(f"평범한 글{smuggled}이다."), Paragraph("줄\u200b바꿈")])
    assert texts(document)[0] == "평범한 글이다."
    assert document.warnings == ("hidden_text",)
    assert read([Paragraph("줄\u200b바꿈 자리")]).warnings == ()


def test_descriptions_of_pictures(read):
    document = read(
        [
            Paragraph(Picture("조직도: 대표이사 아래 세 본부", caption="그림 1 조직도")),
            Paragraph(Picture("그림입니다.\n원본 그림의 이름: CLP0001.bmp")),
        ]
    )
    assert texts(document) == ["조직도: 대표이사 아래 세 본부", "그림 1 조직도"]


def test_tabs_line_breaks_and_letters_beyond_the_basic_plane(read):
    document = read([Paragraph("성명\t직급\n𠮷野 🚄 출장")])
    assert texts(document) == ["성명 직급\n𠮷野 🚄 출장"]


def test_metadata(read):
    created = datetime(2025, 3, 4, 1, 2, 3, tzinfo=UTC)
    document = read([Paragraph("본문")], title="국내 출장 여비 규정", author="총무팀", created=created)
    assert document.title == "국내 출장 여비 규정"
    assert document.metadata.author == "총무팀"
    assert document.metadata.created_at == document.metadata.modified_at == "2025-03-04T01:02:03+00:00"


def test_several_sections_in_order(read):
    document = read(*[[Paragraph(f"{number}번째 구역")] for number in range(12)])
    assert texts(document) == [f"{number}번째 구역" for number in range(12)]


def test_numbers_go_on_through_sections(read):
    document = read([Paragraph("가", outline=1)], [Paragraph("나", outline=1)])
    assert outline(document) == [(1, "제1장 가"), (1, "제2장 나")]


def test_nothing_in_it(read):
    with pytest.raises(NoTextFound):
        read([Paragraph(), Paragraph("  ")])


def test_deep_but_bearable_nesting(read):
    document = read([Paragraph(nested(20, text="가장 안쪽"))])
    assert "가장 안쪽" in texts(document)[0]


@pytest.mark.parametrize("flag", [PASSWORD, DRM])
def test_locked_hwp5(tmp_path: Path, flag: int):
    path = tmp_path / "a.hwp"
    path.write_bytes(hwp5_file([Paragraph("비밀")], flags=COMPRESSED | flag))
    with pytest.raises(FileEncrypted):
        parse(path)


def test_encrypted_hwpx(tmp_path: Path):
    path = tmp_path / "a.hwpx"
    path.write_bytes(hwpx_file([Paragraph("비밀")], encrypted=True))
    with pytest.raises(FileEncrypted):
        parse(path)


@pytest.mark.parametrize("compressed", [COMPRESSED, 0])
def test_distribution_documents_are_read(tmp_path: Path, compressed: int):
    path = tmp_path / "a.hwp"
    path.write_bytes(
        hwp5_file([Paragraph("배포용으로 저장한 글")], [Paragraph("둘째 구역")], flags=compressed | DISTRIBUTION)
    )
    assert texts(parse(path)) == ["배포용으로 저장한 글", "둘째 구역"]


def test_uncompressed_hwp5(tmp_path: Path):
    path = tmp_path / "a.hwp"
    path.write_bytes(hwp5_file([Paragraph("압축하지 않은 글")], flags=0))
    assert texts(parse(path)) == ["압축하지 않은 글"]


def test_a_cut_off_file(tmp_path: Path):
    for name, data in (("a.hwp", hwp5_file([Paragraph("글" * 9000)])), ("a.hwpx", hwpx_file([Paragraph("글")]))):
        path = tmp_path / name
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(FileDamaged):
            parse(path)
