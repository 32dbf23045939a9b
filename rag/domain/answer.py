"""The answer contract as types: what breaks it can't be built."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from rag.domain.anchor import Anchor
from rag.domain.passage import Passage

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:[.:/-]\d+)*"
_UNIT = (
    "영업일|년차|개월|시간|달러|퍼센트|주|일|월|년|분|초|원|엔|조|항|호|명|회|건|자|개|대|세|권|쪽|배|점|층|급|%|"
    "(?:business )?days?|weeks?|months?|years?|hours?|minutes?|seconds?|percent|won|dollars?|usd|krw|[kmgt]b"
)
_FACT = re.compile(
    rf"(?<![A-Za-z0-9_-])({_NUMBER})((?:[ \u00a0]?(?:백|천|만|억))*(?:[ \u00a0]?(?:{_UNIT}))?)", re.IGNORECASE
)
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
    def provision(self) -> str:
        """The provision that the quote stands in, such as `제24조제1항`; empty outside statutes and rules."""
        return self.passage.chunk.provision_of(self.start, self.end)


class Support(StrEnum):
    """Whether a sentence stands on its citations."""

    VERBATIM = "verbatim"
    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an answer. Without citations it must be marked unsupported.

    Raises:
        ValueError: a supported sentence has no citation, states a number that its cited passages don't hold, or is called
            verbatim and is not.
    """

    text: str
    citations: tuple[Citation, ...]
    support: Support

    def __post_init__(self) -> None:
        if self.support is Support.UNSUPPORTED:
            return
        if not self.citations:
            raise ValueError("a supported sentence needs a citation")
        if self.support is Support.VERBATIM and self.text != "\n".join(item.quote for item in self.citations):
            raise ValueError("not the words of the citations")
        if missing := missing_facts(self.text, self.citations):
            raise ValueError(f"not in the cited passages: {missing}")


def missing_facts(text: str, citations: tuple[Citation, ...]) -> list[str]:
    """Numbers, dates and amounts of `text` with their units, and identifiers, that none of the cited passages holds."""
    evidence = unicodedata.normalize("NFKC", "\n".join(item.passage.chunk.search_text for item in citations))
    stated = unicodedata.normalize("NFKC", text)
    held = set(_facts(evidence))
    numbers = {number for number, _ in held}
    missing = [
        number + unit
        for number, unit in _facts(stated)
        if (number, unit) not in held and (unit or number not in numbers)
    ]
    known = evidence.lower()
    return missing + [name for name in _IDENTIFIER.findall(stated) if name.lower() not in known]


def _facts(text: str) -> list[tuple[str, str]]:
    """Numbers without thousands separators, and their units without blanks and plural."""
    return [
        (number.replace(",", ""), "".join(unit.split()).lower().removesuffix("s"))
        for number, unit in _FACT.findall(text)
    ]


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
    """Why there is no answer."""

    NOTHING_FOUND = "nothing_found"
    WEAK_EVIDENCE = "weak_evidence"


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
