"""Labelled questions through the answerer that answers users: what it cites, what it says, when it refuses.

Each question is asked twice, with the passages that answer it and with these hidden, and the answerer is told to refuse nothing
that it found anything for: so one pass gives the answers, and the confidence from which every bar can be computed.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from rag.answering.service import Answerer, AnswerOutcome, Asked
from rag.domain.answer import Citation, Sentence, Support
from rag.domain.passage import Passage
from rag.domain.principal import Permit
from rag.evaluation.judging import JudgedQuestion, Target

Progress = Callable[[int, int], None]
ContentTerms = Callable[[str], frozenset[str]]

T = TypeVar("T")

_AT_ONCE = 4
"""Questions in work at a time: what a model server with a few slots takes, and what keeps two cores busy."""
_SHORT = 48
"""Characters of an expected answer that can be looked for as it stands; a longer one is an explanation, to be put otherwise."""
_STATEMENT = re.compile(r"(?:다|요|니까|임|음|함)[.?]?\s*$")
"""A Korean sentence: statutes never end theirs as an answer does."""
_NUMBER = re.compile(r"\d+(?:[.]\d+)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_PROVISION = re.compile(r"제?\s?\d+\s?[조항호목](?:\s?의\s?\d+)?|(?:article|section)\s+\d+", re.IGNORECASE)
_NO_NAMES = frozenset(["yes", "no", "네", "예", "아니오", "아니요"])


@dataclass(frozen=True, slots=True)
class Trial:
    """A question asked once.

    Attributes:
        confidence: that the passages hold the answer; 0 where nothing was found.
        refused: whether a user would have got a refusal, at the bar in force.
        abstained: whether there was no answer even without a bar.
    """

    confidence: float
    refused: bool
    abstained: bool


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """What became of one question; measures are None where the question does not allow them.

    Attributes:
        precision: share of the citations whose words hold up their sentence.
        right: share of the citations that are of an expected passage.
        recall: share of what was expected that is cited.
        first: 1 when the first citation is of an expected passage.
        unsupported: share of the sentences that are marked as unsupported.
        numbers: share of the numbers of the expected answer that the given one states, provisions left out.
        contained: 1 when a short expected answer stands in the given one.
        overlap: share of the expected answer's content words in the given one.
        without: the same question with what was expected hidden.
    """

    id: str
    text: str
    given: str
    cited: tuple[str, ...]
    asked: Trial
    without: Trial
    precision: float | None
    right: float | None
    recall: float
    first: float
    unsupported: float | None
    numbers: float | None
    contained: float | None
    overlap: float | None


MEASURES = ("precision", "right", "recall", "first", "unsupported", "numbers", "contained", "overlap")


async def ask_all(
    answerer: Answerer,
    questions: Sequence[JudgedQuestion],
    content_terms: ContentTerms,
    passages: int,
    *,
    model: str = "",
    progress: Progress | None = None,
    shown: set[UUID] | None = None,
) -> list[AnswerResult]:
    """Every question, with and without its passages.

    Args:
        content_terms: of any text; decides what counts as a content word.
        passages: that an answer may draw on.
        model: that is to answer; the router chooses when left out.
        shown: gets the documents that are cited.

    Raises: as `Answerer.complete`.
    """
    seen = set() if shown is None else shown
    work = [_measured(answerer, item, content_terms, passages, model, seen) for item in questions]
    return await _at_once(work, progress)


async def ask_foreign(
    answerer: Answerer,
    permit: Permit,
    questions: Sequence[str],
    passages: int,
    *,
    model: str = "",
    progress: Progress | None = None,
) -> list[Trial]:
    """Questions about which the store holds nothing."""

    async def one(text: str) -> Trial:
        return (await _asked(answerer, permit, Asked(text, passages, model=model)))[1]

    return await _at_once([one(text) for text in questions], progress)


async def _at_once(work: Sequence[Coroutine[Any, Any, T]], progress: Progress | None) -> list[T]:
    slots, done = asyncio.Semaphore(_AT_ONCE), 0

    async def run(item: Coroutine[Any, Any, T]) -> T:
        nonlocal done
        async with slots:
            result = await item
        done += 1
        if progress is not None:
            progress(done, len(work))
        return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(item)) for item in work]
    return [task.result() for task in tasks]


async def _asked(answerer: Answerer, permit: Permit, asked: Asked) -> tuple[AnswerOutcome, Trial]:
    """The answer that would be given without a bar, and whether the bar lets it through."""
    outcome = await answerer.refusing_nothing().complete(permit, asked)
    abstained = outcome.abstention is not None
    return outcome, Trial(outcome.search.confidence or 0.0, abstained or bool(outcome.search.doubts), abstained)


async def _measured(
    answerer: Answerer,
    judged: JudgedQuestion,
    content_terms: ContentTerms,
    passages: int,
    model: str,
    shown: set[UUID],
) -> AnswerResult:
    question = judged.question

    def hides(passage: Passage) -> bool:
        return any(_meets(target, passage) for target in judged.targets)

    outcome, asked = await _asked(answerer, judged.permit, Asked(question.text, passages, model=model))
    _, without = await _asked(answerer, judged.permit, Asked(question.text, passages, model=model, hides=hides))
    sentences = outcome.sentences
    citations = [(sentence, item) for sentence in sentences for item in sentence.citations]
    shown.update(item.passage.source.document_id for _, item in citations)
    given = "\n".join(sentence.text for sentence in sentences)
    hits = [any(_meets(target, item.passage) for target in judged.targets) for _, item in citations]
    cited = [any(_meets(target, item.passage) for _, item in citations) for target in judged.targets]
    return AnswerResult(
        id=question.id,
        text=question.text,
        given=given,
        cited=tuple(dict.fromkeys(item.passage.source.source_key for _, item in citations)),
        asked=asked,
        without=without,
        precision=_mean([holds_up(sentence, item) for sentence, item in citations]),
        right=_mean(hits),
        recall=_mean(cited) or 0.0,
        first=float(bool(hits) and hits[0]),
        unsupported=_mean([sentence.support is Support.UNSUPPORTED for sentence in sentences]),
        numbers=numbers_found(question.answers, given),
        contained=answer_contained(question.answers, given),
        overlap=_overlap(question.answers, given, content_terms),
    )


def _meets(target: Target, passage: Passage) -> bool:
    return target.met_by(passage.chunk, passage.source.document_id)


def holds_up(sentence: Sentence, citation: Citation) -> bool:
    """Whether the cited words hold up the sentence: they are among its words, or it states no number that they lack."""
    if sentence.support is Support.UNSUPPORTED:
        return False
    if sentence.support is Support.VERBATIM:
        return citation.quote in sentence.text and citation.quote in citation.passage.chunk.text
    return set(_numbers(sentence.text)) <= set(_numbers(citation.passage.chunk.search_text))


def numbers_found(expected: Sequence[str], given: str) -> float | None:
    """Share of the numbers of the expected answer in the given one; the best of several wordings. None without numbers."""
    held = set(_numbers(given))
    shares = [
        sum(number in held for number in numbers) / len(numbers) for text in expected if (numbers := _numbers(text))
    ]
    return max(shares, default=None)


def answer_contained(expected: Sequence[str], given: str) -> float | None:
    """1 when one of the expected answers stands in the given one; None where they are too long to, or only yes or no."""
    names = [_squeezed(text) for text in expected if not _STATEMENT.search(text)]
    short = [text for text in names if text and len(text) <= _SHORT and text not in _NO_NAMES]
    return float(any(text in _squeezed(given) for text in short)) if short else None


def _overlap(expected: Sequence[str], given: str, content_terms: ContentTerms) -> float | None:
    wanted = [content_terms(text) for text in expected if text.strip()]
    held = content_terms(given) if given else frozenset[str]()
    return max((len(terms & held) / len(terms) for terms in wanted if terms), default=None)


def _numbers(text: str) -> list[str]:
    plain = _PROVISION.sub(" ", unicodedata.normalize("NFKC", text))
    return list(dict.fromkeys(_NUMBER.findall(_THOUSANDS.sub("", plain))))


def _squeezed(text: str) -> str:
    """Letters and digits alone, in lower case."""
    return "".join(char for char in unicodedata.normalize("NFKC", text).lower() if char.isalnum())


def _mean(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None
