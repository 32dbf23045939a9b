"""Labelled questions: what is asked, and what should be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rag.domain.errors import QuestionsInvalid
from rag.domain.messages import UiLanguage

_SHOWN = 20
"""Problems that a message lists; the others are counted."""

_LABEL = 120
"""Characters of a quote in a label."""

_PROBLEMS: dict[str, tuple[str, str]] = {
    "no_header": (
        "첫 줄에 제목이 필요합니다: 질문, 문서 (선택: 위치, 인용문, 컬렉션, 번호, 검토)",
        "the first row must name the columns: question, document (optional: place, quote, collection, id, reviewed)",
    ),
    "column_twice": ("같은 뜻의 제목이 두 번 있습니다: {value}", "two columns mean the same: {value}"),
    "no_question": ("질문이 비어 있습니다", "the question is empty"),
    "no_document": ("기대 문서가 비어 있습니다", "the expected document is empty"),
    "id_twice": ("번호가 두 번 나옵니다: {value}", "the id occurs twice: {value}"),
    "places_do_not_fit": (
        "위치의 수가 문서의 수와 맞지 않습니다: {value}",
        "the number of places does not fit the number of documents: {value}",
    ),
    "quote_needs_one_document": (
        "인용문이 있으면 문서와 위치는 하나씩만 쓸 수 있습니다",
        "with a quote, name one document and at most one place",
    ),
    "no_rows": ("문항이 없습니다", "there are no questions"),
    "not_reviewed": (
        "검토한 문항이 없습니다. 검토 열에 예 또는 y를 적어 주세요",
        "no question is marked as reviewed: write y in the column reviewed",
    ),
    "not_json": ("JSON이 아닙니다: {value}", "not JSON: {value}"),
    "bad_judgement": ("판정 줄을 읽을 수 없습니다: {value}", "a line of the judgements can't be read: {value}"),
    "missing_file": ("파일이 없습니다: {value}", "the file is missing: {value}"),
    "unreadable": ("읽을 수 없습니다: {value}", "can't be read: {value}"),
    "too_many_rows": ("문항은 {value}개까지 읽습니다", "more than {value} rows"),
    "unknown_collection": ("볼 수 있는 컬렉션이 아닙니다: {value}", "no collection that you may see: {value}"),
    "unknown_document": ("볼 수 있는 문서가 아닙니다: {value}", "no document that you may see: {value}"),
    "not_in_document": (
        "문서에서 위치나 인용문을 찾지 못했습니다: {value}",
        "the place or quote was not found in the document: {value}",
    ),
}


@dataclass(frozen=True, slots=True)
class Expected:
    """One thing that a question should find.

    Attributes:
        names: of the document, the first one that fits counts: its key, id, file name or title.
        place: page, provision, sheet, slide, lines or heading; empty for the whole document.
        quote: text that the right passage holds; empty for any.
        grade: relevance, from 1.
    """

    names: tuple[str, ...]
    place: str = ""
    quote: str = ""
    grade: int = 1

    @property
    def label(self) -> str:
        """As a report names it."""
        named = f"{self.names[0]} {self.place}".rstrip()
        quote = " ".join(self.quote.split())
        return f"{named} “{quote if len(quote) <= _LABEL else quote[:_LABEL] + '…'}”" if quote else named


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what it should find.

    Attributes:
        row: line of the sheet or file that it stands in, from 1.
        collection: name or id of the one collection to search; empty for all.
        answers: what a right answer says, in one or several wordings; empty where nobody wrote it down.
    """

    id: str
    text: str
    expected: tuple[Expected, ...]
    row: int
    collection: str = ""
    answers: tuple[str, ...] = ()


class Problem(NamedTuple):
    """What is wrong with a row; `row` is None when it is about the whole file."""

    row: int | None
    code: str
    value: str = ""

    def text(self, language: UiLanguage) -> str:
        """The sentence for a user."""
        korean, english = _PROBLEMS[self.code]
        sentence = (korean if language == "ko" else english).replace("{value}", self.value)
        if self.row is None:
            return sentence
        return f"{self.row}행: {sentence}" if language == "ko" else f"row {self.row}: {sentence}"


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions of one sheet or folder.

    Attributes:
        left_out: drafted questions that nobody has reviewed yet, and those that a reviewer refused.
    """

    name: str
    questions: tuple[Question, ...]
    left_out: int = 0


def refuse(name: str, problems: Sequence[Problem], language: UiLanguage) -> QuestionsInvalid:
    """The error that names these problems, one a line."""
    lines = [problem.text(language) for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        more = len(problems) - _SHOWN
        lines.append(f"… 그 밖에 {more}건" if language == "ko" else f"… and {more} more")
    return QuestionsInvalid(name=name, detail="\n".join(["", *lines]))
