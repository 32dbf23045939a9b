from __future__ import annotations

import contextlib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.parsing.hwp3_characters import UNKNOWN, character
from rag.domain.errors import FileDamaged, FileEncrypted, ParseLimitExceeded, SeogoError
from tests.support.hwp3 import hwp3_file
from tests.support.hwp_content import (
    Box,
    Cell,
    Endnote,
    Equation,
    Footer,
    Footnote,
    Header,
    HiddenComment,
    Paragraph,
    Table,
    merged_table,
    nested,
    paragraphs,
    table,
)
from tests.unit.parsing.documents import check, outline, parse, texts


def read(folder: Path, content, **about):
    path = folder / "여비규정.hwp"
    path.write_bytes(hwp3_file(content, **about))
    return parse(path)


@pytest.mark.parametrize("compressed", [True, False])
def test_text_and_articles(tmp_path: Path, compressed: bool):
    content = [Paragraph("제1조(목적) 이 규정은 여비를 정한다."), Paragraph(), Paragraph("① 정액으로 한다.")]
    document = read(tmp_path, content, title="여비 규정", author="총무팀", compressed=compressed)
    assert (document.title, document.metadata.author, document.warnings) == ("여비 규정", "총무팀", ())
    assert outline(document) == [(5, "제1조(목적)")]
    assert texts(document) == ["제1조(목적)", "이 규정은 여비를 정한다.", "① 정액으로 한다."]
    assert [element.anchor.first for element in document.elements] == [1, 1, 3]


def test_symbols_hanja_and_latin_letters(tmp_path: Path):
    line = "旅費 “규정” ①②③ ㉠㉡ → ○● ㎡ ABC xyz 123 똠방각하"
    document = read(tmp_path, [Paragraph(line)])
    assert texts(document) == [line]


def test_codes_of_hangul_itself():
    assert [character(code) for code in (0x37C0, 0x2F00, 0x2F06, 0x1F42, 0x83)] == ["한", "□", "■", "も", "‘"]
    assert character(0x0100) == character(0x5FFF) == UNKNOWN


def test_syllables_with_the_old_vowel():
    assert character(0xD3C5) == "\u1112\u119e\u11ab"  # as Hangul 97 writes the name of its maker
    assert character(0x8000 | 1 << 10 | 30 << 5 | 1) == "ㆍ"
    for initial in range(32):
        for final in range(32):
            usual = character(0x8000 | initial << 10 | 3 << 5 | final)
            letters = unicodedata.normalize("NFD", usual)
            old = character(0x8000 | initial << 10 | 30 << 5 | final)
            if "가" <= usual <= "힣":
                assert old == letters[0] + "\u119e" + letters[2:]
            elif initial != 1:
                assert old == UNKNOWN


def test_tables_with_merged_cells(tmp_path: Path):
    layout = [(0, 0, 2, 1, "구분"), (0, 1, 1, 2, "일비"), (1, 1, 1, 1, "국내"), (1, 2, 1, 1, "국외")]
    layout += [(2, 0, 1, 1, "직원"), (2, 1, 1, 1, "25,000"), (2, 2, 1, 1, "30,000")]
    document = read(tmp_path, [Paragraph(merged_table(layout, caption="여비 지급표"))])
    assert texts(document)[0] == "여비 지급표"
    assert texts(document)[1].split("\n")[::2] == ["| 구분 | 일비 / 국내 | 일비 / 국외 |", "| 직원 | 25,000 | 30,000 |"]


def test_notes_headers_boxes_equations_and_nested_tables(tmp_path: Path):
    inner = table([["운임", "실비"]])
    document = read(
        tmp_path,
        [
            Paragraph("여비는", Footnote("각주의 글", number=1), " 정액이다.", Header("머리말"), Footer("꼬리말")),
            Paragraph(Box((Paragraph("글상자 안의 글"),), "그림 설명")),
            Paragraph("식은 ", Equation("{a} over {b}"), "이다.", Endnote("미주의 글")),
            Paragraph(Table(1, 2, (Cell(0, 0, paragraphs("국내")), Cell(0, 1, (Paragraph(inner),))))),
        ],
    )
    assert texts(document) == [
        "머리말",
        "꼬리말",
        "여비는 1) 정액이다.",
        "각주의 글",
        "글상자 안의 글",
        "그림 설명",
        "식은 (a)/(b) 이다.",
        "미주의 글",
        "| 국내 | 운임 \\| 실비 |\n| --- | --- |",
    ]


def test_hidden_comments_are_left_out_and_flagged(tmp_path: Path):
    document = read(tmp_path, [Paragraph("보이는 글", HiddenComment("숨은 글"))])
    assert (texts(document), document.warnings) == (["보이는 글"], ("hidden_text",))


def test_larger_bold_type_is_a_heading(tmp_path: Path):
    document = read(tmp_path, [Paragraph("출장 안내", look="bold"), Paragraph("본문은 조금 더 길게 이어지는 글이다.")])
    assert outline(document) == [(1, "출장 안내")]


def test_a_password(tmp_path: Path):
    with pytest.raises(FileEncrypted):
        read(tmp_path, [Paragraph("비밀")], encrypted=True)


def test_a_cut_off_file(tmp_path: Path):
    path = tmp_path / "a.hwp"
    whole = hwp3_file([Paragraph("첫 문단"), Paragraph("둘째 문단")], compressed=False)
    path.write_bytes(whole[: len(whole) - 100])
    document = parse(path)
    assert texts(document)[0] == "첫 문단"
    assert document.warnings == ("damaged_parts",)
    path.write_bytes(whole[:1400])
    with pytest.raises(FileDamaged):
        parse(path)


def test_nested_beyond_reason(tmp_path: Path):
    with pytest.raises(ParseLimitExceeded):
        read(tmp_path, [Paragraph(nested(60))])


WHOLE = hwp3_file(
    [
        Paragraph("총칙", Header("머리말")),
        Paragraph("여비는", Footnote("각주", number=1), " 정액"),
        Paragraph(table([["가", "나"], ["다", "라"]], "표")),
        Paragraph(Box((Paragraph("글상자"),))),
    ],
    compressed=False,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(158, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_damage_ends_well(tmp_path: Path, changes):
    changed = bytearray(WHOLE)
    for at, value in changes:
        changed[at] = value
    path = tmp_path / "a.hwp"
    path.write_bytes(bytes(changed))
    with contextlib.suppress(SeogoError):
        check(parse(path))
