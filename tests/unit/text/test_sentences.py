from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.domain.language import Language
from rag.text.sentences import split_sentences


def cut(text: str, language: Language) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text, language)]


KOREAN = [
    ["회사는 연차를 준다.", "이것은 2026. 3. 1.부터 시행한다.", "금리는 3.1%이다.", "왜요?", "그래요.", "검토 필요함."],
    ["제3조. 이 법은 다음과 같다.", "① 회사는 휴가를 준다.", "② 직원은 쉰다."],
    ['그는 "나는 간다. 너도 와라."라고 말했다.', "그리고 갔다."],
    [
        "회의 결과 보고드립니다.",
        "1. 예산 승인함.",
        "2. 인원 충원 보류함.",
        "3. 차기 회의는 2026. 4. 1.(수) 14:00에 개최함.",
    ],
    ["매출액은 1,234.5억원(전년 대비 +3.1%)이다.", "A.I. 기술을 도입하였다.", "v1.2를 배포한다."],
    [
        "임원(「상법」 제401조의2의 자를 포함한다. 이하 이 장에서 같다)은 보고한다.",
        "다만, 외국인은 제외한다. <개정 2013.5.28>",
    ],
    ["판단한다.", "가. 주장 피고는 다툰다.", "나. 판단 이유 없다."],
]


@pytest.mark.parametrize("sentences", KOREAN)
def test_korean(sentences: list[str]) -> None:
    assert cut(" ".join(sentences), Language.KOREAN) == sentences


def test_korean_without_blank_after_the_period() -> None:
    assert cut("제60조에 따른다.다음과 같다.", Language.KOREAN) == ["제60조에 따른다.", "다음과 같다."]


ENGLISH = [
    ["My name is Jonas E. Smith.", "Please turn to p. 55."],
    ["See Fig. 3 for e.g. the details.", "It is clear."],
    ["Use v1.2 or v2.0.1.", "Do not use v0.9."],
    ["The dose was 3.1 mg vs. 4 mg in ref. 12.", "Patients (n = 5) recovered."],
    ["I live in the U.S. Government quarter.", "How about you?"],
    ["They closed the deal with Pitt & Co.", "It closed yesterday."],
    ["Smith et al. (2020) found this.", "Others disagree."],
    ["Is it?", "Yes!", "(Really.)", "He left."],
    ["Her email is Jane.Doe@example.com.", "I sent her one."],
    ["We make a good team, you and I.", "Did you see Albert I. Jones yesterday?"],
    ["This was weakened . . . was that of words.", "Next sentence."],
    ["The rate was 5.5%.", "In 2020, it rose."],
    ["1. The first rule.", "It has two parts."],
]


@pytest.mark.parametrize("sentences", ENGLISH)
def test_english(sentences: list[str]) -> None:
    assert cut(" ".join(sentences), Language.ENGLISH) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["Das Seminar ist in Stuttgart, am 18. Oktober 2017.", "Es dauert bis 3. Mai abends."],
        ["Stand: 1. Jan. 2024 laut Liste.", "The rule of 18. October 2017 holds."],
        ["The limit is 18.", "May we ask why?"],
        ["Es sind 118.", "Oktober war kalt."],  # no day
        ["Es war 2017.", "Mai und Juni folgen."],
    ],
)
def test_the_stop_after_a_day_ends_no_sentence(sentences: list[str]) -> None:
    assert cut(" ".join(sentences), Language.ENGLISH) == sentences


def test_chinese_stops_need_no_blank() -> None:
    assert cut("第一句。第二句！", Language.OTHER) == ["第一句。", "第二句！"]


@pytest.mark.parametrize("language", [Language.KOREAN, Language.ENGLISH])
def test_rows_and_items_and_headings_are_sentences_of_their_own(language: Language) -> None:
    lines = [
        "# 제목",
        "| 항목 | 값 |",
        "|---|---|",
        "| 가. 나 | 1. 2 |",
        "- 첫째 항목",
        "1. 둘째 항목",
        "가. 셋째 항목",
        "① 넷째",
    ]
    assert cut("\n".join(lines), language) == lines


def test_escaped_markers_do_not_confuse_kiwi() -> None:
    text = "  1\\. 「은행법」에 따라 설립된 은행\n    가\\. 「보험업법」에 따른 보험회사"
    assert cut(text, Language.KOREAN) == ["1\\. 「은행법」에 따라 설립된 은행", "가\\. 「보험업법」에 따른 보험회사"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (
            "A paragraph that was wrapped at the width of the page\nand continues on the next line. Then ends.",
            Language.ENGLISH,
        ),
        (
            "회사는 근로자가 신청하는 경우에 이를 승인하여야 하며 그 기간은\n삼십 일을 넘을 수 없다. 다만 예외를 둔다.",
            Language.KOREAN,
        ),
    ],
)
def test_a_line_broken_by_the_page_is_one_sentence(text: str, language: Language) -> None:
    assert len(cut(text, language)) == 2
    assert "\n" in cut(text, language)[0]


def test_short_lines_are_blocks() -> None:
    assert cut("Seoul Office\nTel 02-123\nOpen daily", Language.ENGLISH) == ["Seoul Office", "Tel 02-123", "Open daily"]


def test_code_is_cut_by_lines() -> None:
    assert cut("def f():\n    return 1\n\nx = 2", Language.CODE) == ["def f():", "return 1", "x = 2"]


def test_lone_surrogates_do_no_harm() -> None:
    assert cut("가 \ud800 나다.", Language.KOREAN) == ["가 \ud800 나다."]


PIECES = [
    "회사는 준다.",
    " ",
    "\n",
    "\n\n",
    "1. ",
    "가. ",
    "①",
    "| a | b |",
    "Fig. 3",
    "e.g. ",
    "“네.” ",
    "- x",
    "다",
    ". ",
]
texts = st.text() | st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@given(texts, st.sampled_from(Language))
@example("\x1c가\x85나", Language.KOREAN)
@example("a\r\nb", Language.ENGLISH)
def test_sentences_cover_all_but_blanks_in_order(text: str, language: Language) -> None:
    spans = split_sentences(text, language)
    assert all(start < end and text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert "".join("".join(text[start:end] for start, end in spans).split()) == "".join(text.split())
    assert not any("\n\n" in text[start:end] for start, end in spans)
