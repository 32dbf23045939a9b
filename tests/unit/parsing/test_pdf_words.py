"""Words divided by line ends, decided by what the document's other lines say."""

from __future__ import annotations

from ingest.parsing.pdf_page import Line, Word
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
