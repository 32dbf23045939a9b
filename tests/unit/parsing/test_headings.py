from __future__ import annotations

import pytest

from ingest.parsing.headings import ends_sentence, may_be_heading, numbered_heading


@pytest.mark.parametrize(
    ("text", "level", "title", "rest"),
    [
        ("제1편 총강", 1, "제1편 총강", ""),
        ("제2장 임직원의 의무", 2, "제2장 임직원의 의무", ""),
        ("제3절 휴가", 3, "제3절 휴가", ""),
        ("제12조(개인정보의 보호)", 5, "제12조(개인정보의 보호)", ""),
        ("제12조의2(특칙) ① 회사는 …", 5, "제12조의2(특칙)", "① 회사는 …"),
        ("제 3 조 (용어의 정의) 이 규정에서 쓰는 말은", 5, "제 3 조 (용어의 정의)", "이 규정에서 쓰는 말은"),
        ("제7조【시행일】", 5, "제7조【시행일】", ""),
        ("제5조 목적", 5, "제5조 목적", ""),
        ("부 칙", 2, "부 칙", ""),
        ("부칙 <2025. 3. 1.>", 2, "부칙 <2025. 3. 1.>", ""),
        ("[별표 1] 전결 한도", 2, "[별표 1] 전결 한도", ""),
        ("1.2 적용 범위", 2, "1.2 적용 범위", ""),
        ("3.1.4. Terms of payment", 3, "3.1.4. Terms of payment", ""),
        ("Ⅱ. 추진 배경", 1, "Ⅱ. 추진 배경", ""),
        ("Chapter 3: Limits", 1, "Chapter 3: Limits", ""),
        ("제2장 운임", 2, "제2장 운임", ""),
        ("Ⅱ. 개요", 1, "Ⅱ. 개요", ""),
        ("1.2 향후 수요", 2, "1.2 향후 수요", ""),
        ("제3절 우편함", 3, "제3절 우편함", ""),
        ("제4조 소음", 5, "제4조 소음", ""),
    ],
)
def test_headings(text, level, title, rest):
    found = numbered_heading(text)
    assert found is not None
    assert (found.level, found.title, found.rest) == (level, title, rest)


@pytest.mark.parametrize(
    "text",
    [
        "제3조(정의)에 따라 신고하여야 한다.",
        "제3조(정의) 및 제4조에 따른다",
        "제3조의 규정에 의하여 승인한다.",
        "제2장에서 정한 바에 따른다.",
        "제1장 총칙 ........ 3",
        "제1조(목적) ········ 1",
        "1.5 억원",
        "3.14 2.71",
        "1.2 이 항목은 문장이므로 제목이 아니다.",
        "1. 하나",
        "별표 1과 같이 한다.",
        "그냥 문장",
        "",
    ],
)
def test_what_is_no_heading(text):
    assert numbered_heading(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "승인하여야 한다",
        "어떻게 신청할까",
        "서류를 제출하세요",
        "어디에 문의하나요",
        "별도의 서식은 없음",
        "한도를 초과하였음",
        "신청서를 부서장에게 제출함",
        "미리 승인받아야 함",
        "다음 달에 시행할 예정임",
        "이 규정에 따라 처리됨",
        "다음 각 호와 같다:",
        "가, 나,",
        "Applicants must apply in person.",
    ],
)
def test_sentences(text):
    assert ends_sentence(text)
    assert numbered_heading(f"1.2 {text}") is None
    assert not may_be_heading(text)


@pytest.mark.parametrize(
    "text",
    [
        "개요",
        "추진 필요",
        "국내 여비 운임",
        "부서장의 책임",
        "업무의 위임",
        "처음",
        "생활 소음",
        "보관함",
        "시스템 결함",
        "국가",
        "토지",
    ],
)
def test_nouns_end_no_sentence(text):
    assert may_be_heading(text)
    assert numbered_heading(f"Ⅱ. {text}") is not None


def test_a_heading_is_short_and_on_one_line():
    assert may_be_heading("가" * 80)
    assert not may_be_heading("가" * 81)
    assert not may_be_heading("추진\n배경")
