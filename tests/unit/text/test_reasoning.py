from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.reasoning import REASONING, without_reasoning

MARKS = [mark for pair in REASONING.items() for mark in pair]


@pytest.mark.parametrize(("begin", "end"), REASONING.items())
def test_every_kind_of_reasoning_goes(begin: str, end: str) -> None:
    for code in (False, True):
        assert without_reasoning(f"{begin}한도를 찾자.{end}\n\n답", code=code).strip() == "답"
        assert without_reasoning(f"{begin}하나{end}\n{begin}둘{end}\n답", code=code).strip() == "답"
        assert without_reasoning(f"틀이 시작한 생각\n{end}\n답", code=code).strip() == "답"
        assert without_reasoning(f" \n{begin}끝나지 않은 생각", code=code).strip() == ""
    assert without_reasoning(f"앞 {begin}생각{end}뒤") == "앞 뒤"


def test_tokens_begin_reasoning_anywhere_and_words_only_where_it_ends() -> None:
    assert without_reasoning("답<think>그리고 끊김") == "답"
    assert without_reasoning("답[THINK]그리고 끊김") == "답"
    assert without_reasoning("a < b and <thinking> stays") == "a < b and <thinking> stays"


@pytest.mark.parametrize(
    "text",
    [
        'answer = text.split("</think>")[-1]\n',
        "<<<FILE a.jinja>>>\n<think>\n{{ 생각 }}\n</think>\n{{ 답 }}\n<<<END FILE>>>\n",
        're.sub(r"<think>.*?</think>", "", text)\n',
        'OPEN = "<thinking>"  # 시작\n',
    ],
)
def test_code_may_speak_of_the_marks(text: str) -> None:
    assert without_reasoning(text, code=True) == text
    assert without_reasoning(f"<think>{text}</think>\n답", code=True).endswith("답")


@given(st.lists(st.sampled_from([*MARKS, "가", "\n", " "]), max_size=12).map("".join))
def test_no_end_is_left(text: str) -> None:
    left = without_reasoning(text)
    assert not any(end in left for end in REASONING.values())


def test_many_marks_take_no_longer_than_few() -> None:
    for mark in MARKS:
        without_reasoning(mark * 40_000)
        without_reasoning(f" {mark} x" * 40_000, code=True)
