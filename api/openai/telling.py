"""What the notes of an answer say to clients that are shown nothing but its text and how it ended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from starlette.requests import Request

from api.deps import Caller, base_url
from api.errors import may_tell, named_language
from api.openai.questions import Put
from api.schemas.search import found_out
from rag.answering.contract_conflicts import CONTRADICTION
from rag.answering.log import Recording
from rag.answering.report import SECTION_TRUNCATED, SOURCE
from rag.answering.waiting import SLOW
from rag.domain.answer import PARAGRAPH, Note, Sentence
from rag.domain.errors import SeogoError
from rag.domain.messages import UiLanguage, waiting_for
from rag.domain.passage import SearchResult
from rag.generation.base import TRUNCATED
from rag.generation.prompts.files import prompt_language
from rag.retrieval.understanding import question_language
from rag.text.inert import inert

_SOURCES: dict[UiLanguage, str] = {"ko": "출처", "en": "Sources"}
_DISAGREE: dict[UiLanguage, str] = {"ko": "⚠ 문서끼리 내용이 다릅니다", "en": "⚠ The documents disagree"}
_BESIDE: dict[UiLanguage, str] = {
    "ko": "\n\nℹ 함께 보낸 글 {count}자는 찾는 말로도 근거로도 쓰지 않았습니다.",
    "en": "\n\nℹ {count} characters that came with the question were neither searched with nor taken as evidence.",
}
_SECTION: dict[UiLanguage, str] = {
    "ko": "\n\nℹ ‘{heading}’ 절은 길이 한도에서 끊겼습니다.",
    "en": "\n\nℹ The section ‘{heading}’ ended at its longest.",
}
_MARK = re.compile(r"\[(\d+)\]")


def listed(lines: Sequence[str], language: UiLanguage) -> str:
    """Sources as a list behind an answer, as Markdown; empty without any."""
    if not lines:
        return ""
    return "\n".join(["\n\n---", f"**{_SOURCES[language]}**", "", *(f"- {line}" for line in lines)])


def with_found(error: SeogoError, recording: Recording, caller: Caller, request: Request) -> dict[str, Any]:
    """Members of an error that ends an answer: what was found can be shown though nothing is written; none before a search, nor
    to whom it may not be shown any more."""
    search = recording.search
    return {} if search is None or not may_tell(error) else found_out(search, caller.language, base_url(request))


class Telling:
    """Follows an answer, and says what stands beside its sentences.

    Attributes:
        language: what is said in: what the reader asked for, else the language of the question, since programs that ask for
            people say nothing about these.
        truncated: whether the answer ended at its longest, and not where it would have.
    """

    def __init__(self, request: Request, question: Put) -> None:
        named = named_language(request.headers.get("accept-language"))
        self._follows = named is None
        self.language: UiLanguage = named or prompt_language(question_language(question.text))
        self.truncated = False
        self._left_out = question.left_out
        self._marks: set[int] = set()
        self._disagreeing: list[tuple[int, ...]] = []
        self._sources: list[str] = []
        self._cut: list[str] = []

    @property
    def finish_reason(self) -> Literal["stop", "length"]:
        """How the answer ended, in OpenAI's word."""
        return "length" if self.truncated else "stop"

    def searched(self, search: SearchResult) -> None:
        """What the question was understood as decides about the language of what is said from here on."""
        if self._follows:
            self.language = prompt_language(search.trace.language)

    def note(self, note: Note) -> None:
        """Take a note in."""
        if note.kind == TRUNCATED:
            self.truncated = True
        elif note.kind == SECTION_TRUNCATED:
            self._cut.append(note.detail)
        elif note.kind == SOURCE:
            self._sources.append(note.detail)
        elif note.kind == CONTRADICTION:
            self._disagreeing.append(tuple(int(number) for number in _MARK.findall(note.detail)))

    def refused(self) -> None:
        """The answer is a refusal, which is whole however far the model came."""
        self.truncated = False
        self._cut.clear()

    def before(self, sentence: Sentence) -> tuple[str, Sentence]:
        """What stands before the sentence, as a paragraph of its own, and the sentence as it follows that."""
        said = bool(self._marks)
        self._marks |= {item.number for item in sentence.citations}
        text = self._disagreement() + self._sections() if said else self._sections().lstrip()
        return text, replace(sentence, gap=PARAGRAPH) if text else sentence

    def rest(self) -> str:
        """What stands behind the last sentence."""
        beside = _BESIDE[self.language].format(count=self._left_out) if self._left_out else ""
        return self._disagreement() + self._sections() + beside

    def slow(self) -> str:
        """That the model takes long: for clients that show progress, and for the comments of a stream."""
        return waiting_for(SLOW, self.language)

    def sources(self) -> str:
        """The list at the end of a report; empty for other answers."""
        return listed(self._sources, self.language)

    def _sections(self) -> str:
        cut, self._cut = self._cut, []
        return "".join(_SECTION[self.language].format(heading=inert(heading)) for heading in cut)

    def _disagreement(self) -> str:
        """Of the passages that are shown by now: a mark that leads nowhere would tell nothing."""
        shown = [numbers for numbers in self._disagreeing if self._marks.issuperset(numbers)]
        self._disagreeing = [numbers for numbers in self._disagreeing if numbers not in shown]
        marks = (" ".join(f"[{number}]" for number in numbers) for numbers in shown)
        return "".join(f"\n\n{_DISAGREE[self.language]}: {text}" for text in marks)
