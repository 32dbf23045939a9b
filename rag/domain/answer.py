"""The answer contract as types: what breaks it can't be built."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rag.domain.anchor import Anchor
from rag.domain.fact_reading import facts_of, periods_of, plain
from rag.domain.facts import holds
from rag.domain.language import Language
from rag.domain.list_marks import without_list_marks
from rag.domain.passage import Passage
from rag.domain.provision import provision_label
from rag.domain.told_places import code_names_of, without_places

_CUT_BEFORE = re.compile(r"\d[.,]?\d$")
_CUT_AFTER = re.compile(r"\d[.,]?\d")
_IDENTIFIER = re.compile(r"(?=[A-Za-z_.-]*[0-9])[A-Za-z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Citation:
    """The characters `start`..`end` of a passage's text, and where they stand in the document.

    Attributes:
        number: marker of the passage in the answer, from 1.
        anchor: computed from the passage, so there is none that can't be resolved.

    Raises:
        ValueError: the span is empty or lies outside the passage.
    """

    number: int
    passage: Passage
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= len(self.passage.chunk.text) or not self.quote.strip():
            raise ValueError("a citation needs a span of its passage")
        if self.number < 1:
            raise ValueError("markers count from 1")

    @property
    def quote(self) -> str:
        """The cited characters, verbatim."""
        return self.passage.chunk.text[self.start : self.end]

    @property
    def anchor(self) -> Anchor:
        """Where the quote stands."""
        return self.passage.chunk.anchor_of(self.start, self.end)

    @property
    def spot(self) -> str:
        """`src/login.py:10-24` of source code and of a repository's file; empty for everything else."""
        source = self.passage.source
        told = source.commit or self.passage.chunk.language is Language.CODE
        return source.spot(self.anchor) if told else ""

    @property
    def place(self) -> str:
        """The same with the commit, `src/login.py:10-24@abc123def456`, where the quote comes from a repository."""
        return self.passage.source.place(self.anchor) or self.spot

    @property
    def provision(self) -> str:
        """The provision that the quote stands in, such as `제24조제1항`; empty outside statutes and rules."""
        return self.passage.chunk.provision_of(self.start, self.end)


PARAGRAPH = "\n\n"
"""What separates paragraphs."""


class Support(StrEnum):
    """Whether a sentence stands on its citations."""

    VERBATIM = "verbatim"
    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an answer. Without citations it must be marked unsupported.

    Attributes:
        gap: white space between it and the one before, where there is one; layout, no part of what it says.

    Raises:
        ValueError: a supported sentence has no citation, states a number that its cited passages don't hold, or is called
            verbatim and is not.
    """

    text: str
    citations: tuple[Citation, ...]
    support: Support
    gap: str = field(default=PARAGRAPH, compare=False)

    def __post_init__(self) -> None:
        if self.support is Support.UNSUPPORTED:
            return
        if not self.citations:
            raise ValueError("a supported sentence needs a citation")
        if self.support is Support.VERBATIM:
            self._require_own_words()
        elif missing := missing_facts(self.text, self.citations):
            raise ValueError(f"not in the cited passages: {missing}")

    def _require_own_words(self) -> None:
        if self.text != "\n".join(item.quote for item in self.citations):
            raise ValueError("not the words of the citations")
        for item in self.citations:
            text = item.passage.chunk.text
            before, after = text[max(0, item.start - 2) : item.start + 1], text[item.end - 1 : item.end + 2]
            if _CUT_BEFORE.search(before) or _CUT_AFTER.match(after):
                raise ValueError("a number was cut")


def missing_facts(text: str, citations: Sequence[Citation]) -> list[str]:
    """Numbers, dates, amounts and provisions of `text`, and identifiers, that none of the cited passages holds.

    A passage holds its text, its headings, its document's title and the provision that it is of; one of source code its path and
    the lines that it is of, too. The numbers of list items are none of the text's.
    """
    text = without_list_marks(without_places(text, [item.passage for item in citations]))
    told = [item for item in citations if item.passage.chunk.language is not Language.CODE]
    code = [item for item in citations if item.passage.chunk.language is Language.CODE]
    stated = facts_of(text)
    for evidence, units_told in ((told, True), (code, False)):
        texts = [_evidence(item) for item in evidence]
        held = [fact for text in texts for fact in (*facts_of(text), *periods_of(text))]
        stated = tuple(fact for fact in stated if not holds(fact, held, units_told=units_told))
    known = plain("\n".join(_evidence(item) for item in citations)).lower()
    names = dict.fromkeys(_IDENTIFIER.findall(plain(text)))
    return [fact.written for fact in stated] + [name for name in names if not occurs(name.lower(), known)]


def occurs(name: str, text: str) -> bool:
    """Whether `name` stands in `text` as a word of its own: `HR-6` is not in `HR-60`."""
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        if not (_joins(text[start - 1 : start]) or _joins(text[end : end + 1])):
            return True
        start = text.find(name, start + 1)
    return False


def _joins(neighbour: str) -> bool:
    return neighbour.isascii() and neighbour.isalnum()


def _evidence(citation: Citation) -> str:
    """What the citation's passage says; where it stands in its statute is evidence too."""
    passage = citation.passage
    provisions = (provision_label(mark.path) for mark in passage.chunk.provisions)
    return "\n".join((passage.source.title, *provisions, *code_names_of(passage), passage.chunk.search_text))


@dataclass(frozen=True, slots=True)
class Note:
    """Something about how an answer came about that a reader of the trace has to know.

    Attributes:
        kind: stable name, such as `model`, `router`, `omitted`, `guard`, `removed`, `repaired`, `step`.
        detail: what happened, in few words; names and numbers, no text of documents.
    """

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Sentences in the order to be read, best evidence first."""

    sentences: tuple[Sentence, ...]

    def __post_init__(self) -> None:
        if not self.sentences:
            raise ValueError("an answer has sentences; without evidence there is an Abstention")


class AbstentionReason(StrEnum):
    """Why there is no answer: what was found does not give it, what a model wrote does not stand on that, or it was cut off."""

    NOTHING_FOUND = "nothing_found"
    WEAK_EVIDENCE = "weak_evidence"
    NOT_HELD = "not_held"
    CUT_SHORT = "cut_short"


class Weakness(StrEnum):
    """What the evidence lacks."""

    NAME_MISSING = "name_missing"
    LITTLE_COVERED = "little_covered"
    NOTHING_STANDS_OUT = "nothing_stands_out"
    SIGNS_DISAGREE = "signs_disagree"
    POINTS_ELSEWHERE = "points_elsewhere"
    SCATTERED = "scattered"


@dataclass(frozen=True, slots=True)
class Abstention:
    """A stated refusal: what was searched, and the nearest passages for the reader to judge.

    Attributes:
        collections: names of the collections that were searched.
        missing_terms: words of the question that the best evidence does not hold.
        because: what the evidence lacks, the weightiest first.
        confidence: that the passages found hold the answer, 0 to 1.
    """

    reason: AbstentionReason
    collections: tuple[str, ...]
    missing_terms: tuple[str, ...] = ()
    because: tuple[Weakness, ...] = ()
    confidence: float = 0.0
