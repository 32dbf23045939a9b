from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.jamo import compose, is_syllable, keystrokes, slips, typed_in_english, typed_in_korean

syllables = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=6)


@given(syllables)
def test_typing_a_word_writes_it_unless_its_keys_can_be_read_in_another_way(word: str) -> None:
    """`각가` and `가까` differ in their keys, but a first consonant that doubles (ㄲ) is one key here: so all come back."""
    assert compose(keystrokes(word)) == word


def test_compound_vowels_and_finals_are_typed_one_by_one() -> None:
    assert keystrokes("닭의 왜") == "ㄷㅏㄹㄱㅇㅡㅣ ㅇㅗㅐ"
    assert compose("ㄷㅏㄹㄱㅇㅡㅣ") == "닭의"
    assert compose("ㄱㅏㅂㅅㅣ") == "갑시"


@pytest.mark.parametrize(
    ("letters", "word"), [("dusck", "연차"), ("dusckgbrk", "연차휴가"), ("rhkxofy", "과태료"), ("qhgjafy", "보험료")]
)
def test_words_typed_in_the_other_layout(letters: str, word: str) -> None:
    assert typed_in_korean(letters) == word
    assert typed_in_english(word) == letters


@pytest.mark.parametrize("word", ["python", "hello", "vacation", "SSO", "a1b2"])
def test_english_words_make_no_korean_ones(word: str) -> None:
    assert typed_in_korean(word) == ""


def test_english_typed_in_korean() -> None:
    assert typed_in_english("ㅔㅛ쇄ㅜ") == "python"
    assert typed_in_english("연차 a") == ""


@given(syllables)
def test_slips_are_words_of_whole_syllables_and_each_comes_once(word: str) -> None:
    found = list(slips(word, range(len(word))))
    assert len(found) == len(set(found)) <= 70 * len(word) + 30 * len(keystrokes(word))
    assert word not in found
    assert all(is_syllable(character) for item in found for character in item)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("연챠휴가", "연차휴가"),  # another vowel
        ("연차휴기", "연차휴가"),
        ("과태로", "과태료"),
        ("옃나휴가", "연차휴가"),  # two keys in the wrong order
        ("보허료", "보험료"),  # a final left out
        ("보헙료", "보험료"),
    ],
)
def test_what_was_meant_is_one_slip_away(typed: str, meant: str) -> None:
    assert meant in slips(typed, range(len(typed)))
