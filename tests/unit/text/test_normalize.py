from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.hanja import hanja_to_hangul, read_hanja
from rag.text.normalize import clean_characters, normalize_text


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        (unicodedata.normalize("NFD", "근로기준법"), "근로기준법"),
        ("ＡＢＣ１２３", "ABC123"),
        ("soft\u00adhyphen zero\u200bwidth \ufeffbom", "softhyphen zerowidth bom"),
        ("합병\u318d전환", "합병·전환"),
        ("합병\u30fb전환", "합병·전환"),
        ("ﬁnance", "finance"),
        ("100㎡ ㈜서고", "100m2 (주)서고"),
        ("non\u00a0breaking\u3000space", "non breaking space"),
        ("1–2 − 3", "1-2 - 3"),
        ("it’s “so”", 'it\'s "so"'),
        ("ㅋㅋ ㄱ", "ㅋㅋ ㄱ"),
        ("ﾡﾢ", "ㄱㄲ"),
        ("① 제1항", "① 제1항"),
        ("㉠ ㈀", "㉠ ㈀"),
        ("bell\x07tab\tline\n", "bell tab\tline\n"),
        ("\ud800", " "),
        ("Ⅳ장", "IV장"),
    ],
)
def test_what_looks_the_same_is_spelled_the_same(written: str, normal: str) -> None:
    assert normalize_text(written) == normal


@pytest.mark.parametrize(
    ("hanja", "hangul"),
    [
        ("勤勞基準法", "근로기준법"),
        ("勞動", "노동"),  # 두음법칙
        ("大韓勞動組合", "대한노동조합"),
        ("不動産", "부동산"),
        ("不正", "부정"),
        ("不法", "불법"),
        ("比率", "비율"),
        ("合格率", "합격률"),
        ("年度", "연도"),
        ("2020年", "2020년"),
        ("제3條", "제3조"),
        ("金融", "금융"),
        ("\uf914\uf95c", "낙락"),  # CJK compatibility ideographs
        ("勤勞者에게 賃金을", "근로자에게 임금을"),
    ],
)
def test_hanja_become_their_reading(hanja: str, hangul: str) -> None:
    assert normalize_text(hanja) == hangul


def test_japanese_kanji_are_not_read_as_korean() -> None:
    assert normalize_text("東京へ行く") == "東京へ行く"


def test_a_character_without_reading_stays() -> None:
    assert read_hanja("\u4dbf") == "\u4dbf"
    assert hanja_to_hangul("한글 only") == "한글 only"


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_characters(text)
    assert clean_characters(once) == once
    assert not any(unicodedata.category(character) in ("Cf", "Cs") for character in once)


@given(st.text(st.characters(min_codepoint=0x3400, max_codepoint=0xD7A3)))
def test_composed_and_decomposed_text_are_normalised_alike(text: str) -> None:
    assert normalize_text(unicodedata.normalize("NFD", text)) == normalize_text(unicodedata.normalize("NFC", text))


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3) | st.sampled_from("abc 123.,\n")))
def test_modern_korean_is_left_as_it_is(text: str) -> None:
    assert normalize_text(text) == text


@given(st.text(st.sampled_from("勞動年率不正法金 가나1a"), max_size=20))
def test_reading_hanja_keeps_the_length(text: str) -> None:
    assert len(hanja_to_hangul(text)) == len(text)
