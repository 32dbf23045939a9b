"""The question in a message of a chat client."""

from __future__ import annotations

import time

import pytest

from api.openai.questions import put

QUESTION, TOLD = "연차휴가는 며칠인가요?", "연차휴가 일수를 알려 주세요"
LONG = "회의록을 보냅니다. 확인 부탁드립니다.\n" * 40


@pytest.mark.parametrize("text", [f"{LONG}{TOLD}", f"{TOLD}\n{LONG}", f"```\n{LONG}{TOLD}", "가" * 900])
def test_of_a_long_text_both_ends_are_kept(text: str) -> None:
    found = put(text, 200)
    assert len(found.text) <= 200 and "…" in found.text and found.left_out == len(text.strip()) - len(found.text)
    assert TOLD in found.text or TOLD not in text
    assert len(put(text * 9, 4000).text) <= 1000


@pytest.mark.parametrize("text", [f"{LONG}{QUESTION}", f"{QUESTION}\n{LONG}", f"```\n{LONG}{QUESTION}\n"])
def test_a_line_that_asks_is_the_question_of_a_long_text(text: str) -> None:
    assert put(text, 200).text == QUESTION
    assert put(f"{LONG}이 메일이 맞나요?\n{LONG}", 200).text.count("…") == 1, "in the middle it is part of the text"


def test_attached_texts_are_left_out_before_anything_is_cut() -> None:
    for attached in (f"```a.py\n{LONG}```", f"~~~\n{LONG}~~~", f"<documents>\n{LONG}</documents>"):
        assert put(f"{attached}\n{QUESTION}", 200).text == put(f"{QUESTION}\n{attached}", 200).text == QUESTION
    alone = f"```\n{LONG}```"
    assert len(put(alone, 200).text) <= 200 and "회의록" in put(alone, 200).text


def test_a_text_that_fits_is_left_as_it_is() -> None:
    for text in (f"```\n코드\n```\n{QUESTION}", "### Task:\nWrite a poem.", "### Task:\n<context>\n표\n</context>"):
        assert (put(text, 200).text, put(text, 200).left_out) == (text, 0)


@pytest.mark.parametrize("line", ["<file>", "```", "<context>", "~~~ a", "<user_query>"])
def test_no_text_takes_long_to_read(line: str) -> None:
    text = f"### Task:\n</context>\n{line}\n" * 40_000
    begun = time.process_time()
    put(text, 4000)
    assert time.process_time() - begun < 5
