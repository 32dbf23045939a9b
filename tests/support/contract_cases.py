"""Labelled sentences about the bundled samples: some hold, some are spoiled in a known way. Made by code, always the same.

A case cites one passage of a handful; the others are its neighbours in the same document, which is the hard case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rag.domain.language import Language
from rag.domain.passage import Passage
from rag.generation.base import Draft
from rag.text.sentences import split_sentences
from tests.support.contract_paraphrases import ADDITIONS, HELD_OUT, OTHER_ROWS, PARAPHRASES, SECOND, UNSEEN
from tests.support.sample_passages import GATEWAY, RULES, SECURITY, passage_with, passages_of

_AROUND = 3
_NUMBER = re.compile(
    r"(?<![\d.\-A-Za-z제])(\d{1,3})(?=일|개월|년|시간|분|회|명|만원|퍼센트|점|자| days| hours| minutes| seconds| years| percent)"
)


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence, what it cites, and whether it holds.

    Attributes:
        kind: `verbatim`, `paraphrase`, `reworded` (either), or what spoils it: `number`, `negation`, `limit`,
            `wrong_passage`, `addition`, `other_row`.
        passages: what was retrieved; the sentence cites the one at `cites`.
    """

    kind: str
    language: Language
    text: str
    passages: tuple[Passage, ...]
    cites: int
    holds: bool

    @property
    def draft(self) -> Draft:
        """As a model proposes it."""
        return Draft(text=self.text, cites=(self.cites,))


@lru_cache
def cases(each: int = 16) -> tuple[Case, ...]:
    """Those written by hand, and `each` of every kind and language that are made by code."""
    made = (case for path in (RULES, SECURITY, GATEWAY) for case in _of(path, each))
    return (*_paraphrases(), *_other_rows(), *_written("reworded", SECOND), *made)


def _of(path: Path, each: int) -> Iterator[Case]:
    """Verbatim sentences of one sample, and spoiled ones."""
    language = Language.ENGLISH if path is GATEWAY else Language.KOREAN
    share = each if path is GATEWAY else max(1, each // 2)
    sentences = list(_sentences(path, language))
    for text, passage in sentences[:: max(1, len(sentences) // share)][:share]:
        yield _case("verbatim", language, text, path, passage, holds=True)
    restated = _english if path is GATEWAY else _korean
    for text, passage in _taken(sentences, restated, share):
        yield _case("paraphrase", language, text, path, passage, holds=True)
    for kind, change in _CHANGES.items():
        for text, passage in _taken(sentences, change, share):
            yield _case(kind, language, text, path, passage, holds=False)
    yield from _wrong_passages(path, language, sentences, share)
    yield from _additions(path, language, sentences, share)


def _sentences(path: Path, language: Language) -> Iterator[tuple[str, Passage]]:
    for passage in passages_of(path):
        text = passage.chunk.text
        for start, end in split_sentences(text, language):
            sentence = re.sub(r"\s+", " ", re.sub(r"^(?:[①-⑳]|\d+(?:\.\d+)*\.?)\s", "", text[start:end]))
            if 25 <= len(sentence) <= 260 and "|" not in sentence and sentence.endswith("."):
                yield sentence, passage


def _taken(
    sentences: list[tuple[str, Passage]], change: Callable[[str], str], most: int
) -> Iterator[tuple[str, Passage]]:
    changed = [(new, passage) for text, passage in sentences if (new := change(text)) != text]
    yield from changed[:: max(1, len(changed) // most)][:most]


def _case(kind: str, language: Language, text: str, path: Path, passage: Passage, *, holds: bool) -> Case:
    everything = passages_of(path)
    at = everything.index(passage)
    first = max(0, min(at - _AROUND, len(everything) - 2 * _AROUND - 1))
    near = everything[first : first + 2 * _AROUND + 1]
    return Case(kind, language, text, near, near.index(passage), holds)


def _other_number(text: str) -> str:
    """The first number with a unit, made another one."""
    return _NUMBER.sub(lambda match: str(int(match[1]) + (5 if int(match[1]) % 5 else 10)), text, count=1)


_NEGATIONS = (
    (r"할 수 있다\.$", "할 수 없다."),
    (r"할 수 없(?:다|으며)\.$", "할 수 있다."),
    (r"적용한다\.$", "적용하지 않는다."),
    (r"제출한다\.$", "제출하지 않는다."),
    (r"지급한다\.$", "지급하지 아니한다."),
    (r"보고한다\.$", "보고하지 않는다."),
    (r"신청한다\.$", "신청하지 않는다."),
    (r"하지 않는다\.$", "한다."),
    (r"허용한다\.$", "금지한다."),
    (r"\bmust not\b", "must"),
    (r"\bmust\b", "must not"),
    (r"\bcannot\b", "can"),
    (r"\bcan\b", "cannot"),
    (r"\bis not\b", "is"),
    (r"\bare not\b", "are"),
    (r"\bdoes not (\w+)", r"\1s"),
    (r"\bnever\b ", ""),
    (r"\bis rejected\b", "is not rejected"),
    (r"\bare (\w+ed)\b", r"are not \1"),
    (r"\bis (\w+ed)\b", r"is not \1"),
)
_LIMITS = (
    (r"(?<=[\d월일년원점회자건트])( ?)이상", r"\1이하"),
    (r"(?<=[\d월일년원점회자건트])( ?)이하", r"\1이상"),
    (r"(?<=[\d월일년원점회자건트간])( ?)이내", r"\1이후"),
    (r"(?<=\d일) 전까지", " 후까지"),
    (r"(?<=[\d월일년원점회자건트])( ?)미만", r"\1초과"),
    (r"\bat least\b", "at most"),
    (r"\bmore than\b", "less than"),
    (r"\bno later than\b", "no earlier than"),
    (r"\bup to\b", "at least"),
    (r"\bwithin\b", "after"),
    (r"\bless than\b", "more than"),
)


def _first_of(changes: tuple[tuple[str, str], ...]) -> Callable[[str], str]:
    def change(text: str) -> str:
        return next((re.sub(old, new, text, count=1) for old, new in changes if re.search(old, text)), text)

    return change


_CHANGES: dict[str, Callable[[str], str]] = {
    "number": _other_number,
    "negation": _first_of(_NEGATIONS),
    "limit": _first_of(_LIMITS),
}
_POLITE = (
    (r"하여야 한다\.$", "해야 합니다."),
    (r"할 수 있다\.$", "할 수 있습니다."),
    (r"할 수 없다\.$", "할 수 없습니다."),
    (r"지 않는다\.$", "지 않습니다."),
    (r"([가-힣])한다\.$", r"\1합니다."),
    (r"([가-힣])된다\.$", r"\1됩니다."),
    (r"둔다\.$", "둡니다."),
    (r"준다\.$", "줍니다."),
    (r"따른다\.$", "따릅니다."),
)
_REWRITTEN = (
    (r"(\d)만원", r"\g<1>0,000원"),
    (r"퍼센트", "%"),
    (r" 이 규칙에서", ""),
    (r"(\d)일 이내에", r"\1일 안에"),
    (r"또는", "혹은"),
    (r"\((?!제)[^()]*\)", ""),
    (r"경우에는?", "때에는"),
    (r"하여야", "해야"),
    (r"오후 6시", "18시"),
)
_RESTATED = (
    (r"\bmust not\b", "may not"),
    (r"\bmust\b", "has to"),
    (r"\bcannot\b", "can not"),
    (r"\bdoes not\b", "doesn't"),
    (r"\bbusiness day\b", "working day"),
    (r"\bmore than (\d)", r"over \1"),
    (r"\(the?[^()]*\)", ""),
    (r"`", ""),
    (r"\bif\b", "when"),
    (r"\b5 minutes\b", "five minutes"),
    (r"\b24 hours\b", "twenty-four hours"),
    (r"^The ", "According to the manual, the "),
    (r"^A ", "A given "),
    (r"^An ", "Any "),
)


def _korean(text: str) -> str:
    """The same sentence to a customer: polite, with other spellings of amounts, without asides."""
    polite = _first_of(_POLITE)(text)
    if polite == text:
        return text
    for old, new in _REWRITTEN:
        polite = re.sub(old, new, polite)
    return re.sub(r"\s+", " ", polite).strip()


def _english(text: str) -> str:
    for old, new in _RESTATED:
        text = re.sub(old, new, text)
    return text


def _wrong_passages(path: Path, language: Language, sentences: list[tuple[str, Passage]], most: int) -> Iterator[Case]:
    """Sentences as they stand, cited to the passage after next, whose subject is near."""
    everything = passages_of(path)
    chosen = [item for item in sentences if everything.index(item[1]) + 2 < len(everything)]
    for text, passage in chosen[:: max(1, len(chosen) // most)][:most]:
        wrong = everything[everything.index(passage) + 2]
        yield _case("wrong_passage", language, text, path, wrong, holds=False)


def _additions(path: Path, language: Language, sentences: list[tuple[str, Passage]], most: int) -> Iterator[Case]:
    """Sentences with something at their end that no passage says."""
    added = ADDITIONS[language]
    for number, (text, passage) in enumerate(sentences[3 :: max(1, len(sentences) // most)][:most]):
        spoiled = text.removesuffix(".") + added[number % len(added)]
        yield _case("addition", language, spoiled, path, passage, holds=False)


def _paraphrases() -> Iterator[Case]:
    for path, words, text in PARAPHRASES:
        language = Language.ENGLISH if text.isascii() else Language.KOREAN
        yield _case("paraphrase", language, text, path, passage_with(path, words), holds=True)


def held_out() -> list[Case]:
    """Sentences that had no part, or for the older ones a small one, in how the rules were made."""
    return [*_written("held out", HELD_OUT), *_written("unseen", UNSEEN)]


def _written(kind: str, rows: Sequence[tuple[Path, str, str, bool]]) -> Iterator[Case]:
    for path, words, text, holds in rows:
        language = Language.ENGLISH if text.isascii() else Language.KOREAN
        yield _case(kind, language, text, path, passage_with(path, words), holds=holds)


def _other_rows() -> Iterator[Case]:
    for path, words, right, wrong in OTHER_ROWS:
        language = Language.ENGLISH if right.isascii() else Language.KOREAN
        passage = passage_with(path, words)
        yield _case("paraphrase", language, right, path, passage, holds=True)
        yield _case("other_row", language, wrong, path, passage, holds=False)
