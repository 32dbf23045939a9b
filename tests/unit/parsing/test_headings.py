from __future__ import annotations

import pytest

from ingest.parsing.headings import numbered_heading


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
