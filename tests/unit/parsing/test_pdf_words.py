"""Words divided by line ends, decided by what the document's other lines say."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ingest.parsing.pdf_page import DIVIDED, Line, Word
from ingest.parsing.pdf_words import Spelling


def lines(*texts: str) -> list[Line]:
    box = (0.0, 0.0, 1.0, 1.0)
    return [Line(tuple(Word(word, box) for word in text.split()), box, 10.0, bold=False) for text in texts]


def mended(paragraph: list[Line], *others: list[Line]) -> str:
    return " ".join(" ".join(line.text for line in Spelling.of([paragraph, *others]).mended(paragraph)).split())


DIVIDING = lines(
    "모든 임직원은 회사의 개인정보를 안전하게 관리하여야 하고 비밀을 지켜야 한다 모든 임직", "원은 이를 따른다 또한 안전하",
    "게 이를 행한다",
)  # fmt: skip
WHOLE = lines(
    "모든 임직원은 회사의 개인정보를 안전하게 관리하여야 하고 비밀을 지켜야 한다 모든 임직원은", "이를 따른다 또한 안전하게",
    "이를 행한다 모두 그리고",
    "모두 또한 그렇다",
)  # fmt: skip


def test_known_word():
    assert "임직원은 이를 따른다 또한 안전하게 이를" in mended(DIVIDING)


def test_word_that_only_begins_like_a_known_one():
    assert mended(lines("그는 개인정", "보의 뜻을 안다"), DIVIDING) == "그는 개인정보의 뜻을 안다"


def test_two_known_words_stay_two():
    assert mended(lines("그는 회사의", "비밀을 안다"), DIVIDING) == "그는 회사의 비밀을 안다"


def test_a_document_that_divides_no_words_is_left_alone():
    assert mended(lines("그는 개인정", "보의 뜻을 안다"), WHOLE) == "그는 개인정 보의 뜻을 안다"


def divided(*texts: str) -> list[Line]:
    """Lines some of which end at a hyphen, which may be the mark of a divided word."""
    return lines(*(re.sub("-$", DIVIDED, text) for text in texts))


TYPESET = divided(
    "The agreement speaks of an inter-", "national court and of the govern-", "ment that it binds, by inter-",
    "national law. It is international and of government alone.",
)  # fmt: skip
"""A writer that divides words."""


@pytest.mark.parametrize(
    ("head", "tail"),
    [("a credit-", "related loss"), ("Rule 13a-", "15(f) of the Act"), ("on a non-", "GAAP basis"), ("an x-", "ray")],
)
def test_hyphen_of_the_text_stays_where_no_words_are_divided(head: str, tail: str):
    prose = lines(*["the lines of a document end where its words end and are as long as they happen to be"] * 20)
    whole = f"{head}{tail}"
    assert mended(divided(head, tail), prose) == whole


@pytest.mark.parametrize(
    ("head", "tail", "whole"),
    [
        ("no govern-", "ment is", "no government is"),
        ("he is unspeak-", "ably bad", "he is unspeakably bad"),
        ("an agreement of law-", "court type", "an agreement of law-court type"),
        ("under Rule 13a-", "15(f) of it", "under Rule 13a-15(f) of it"),
        ("see acme.com/inter-", "national here", "see acme.com/inter-national here"),
        ("by Jean-", "Pierre", "by Jean-Pierre"),
        ("THE GOVERN-", "MENT", "THE GOVERNMENT"),
        ("of a third-", "party kind", "of a third-party kind"),
    ],
)
def test_a_writer_that_divides_words(head: str, tail: str, whole: str):
    elsewhere = lines("the law and the court and a third-party claim")
    assert mended(divided(head, tail), TYPESET, elsewhere) == whole


def test_many_hyphens_at_line_ends_are_divided_words():
    """Though the document has none of them a second time."""
    page = divided("Ein Vertrag be-", "steht aus An-", "trag und An-", "nahme.")
    assert mended(page) == "Ein Vertrag besteht aus Antrag und Annahme."


@pytest.mark.parametrize(
    ("typeset", "whole"), [(True, "the telecommunications act"), (False, "the telecom-munica-tions act")]
)
def test_a_word_that_is_cut_twice(typeset: bool, whole: str):
    """Its middle is a line of its own, as in a narrow column."""
    paragraph = divided("the telecom-", "munica-", "tions act")
    others = TYPESET if typeset else lines(*["the lines of this document end where its words end"] * 60)
    spelling = Spelling.of([paragraph, others])
    assert [line.text for line in spelling.mended(paragraph)] == [whole.removesuffix(" act"), "act"]
    assert spelling.hyphens.mended("\n".join(line.text for line in paragraph)) == whole


def test_korean_word_that_is_cut_twice():
    marked = [replace(line, spaced=True) for line in lines(*["그는 회사의 규정을 모두 안다"] * 8)]
    paragraph = lines("그는 개인정", "보보호", "법에 따라 한다")
    assert [line.text for line in Spelling.of([paragraph, marked]).mended(paragraph)] == [
        "그는 개인정보보호법에",
        "따라 한다",
    ]


def test_a_line_of_one_word_that_ends_in_a_space():
    """The next line is no part of that word."""
    marked = [replace(line, spaced=True) for line in lines(*["그는 회사의 규정을 모두 안다"] * 8)]
    first, second, third = lines("그는 개인정", "보의", "뜻을 안다")
    paragraph = [first, replace(second, spaced=True), third]
    assert mended(paragraph, marked) == "그는 개인정보의 뜻을 안다"
