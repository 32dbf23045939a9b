"""Lexical analysis: from a text to weighted terms, the same for passages and questions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from rag.text.hanja import HAN_RUN, hanja_to_hangul
from rag.text.identifiers import identifier_counts
from rag.text.kiwi import is_read_apart, shared_kiwi
from rag.text.normalize import clean_characters

if TYPE_CHECKING:
    from kiwipiepy import Token

BIGRAM_WEIGHT = 0.5
"""Weight of a Hangul bigram against a morpheme, on the question's side only: weighting the passage's counts too saturates them
less and loses 1-2 points. ko_finlaw, nDCG@10 (recall@10): 0 .831 (.925), .3 .865 (.958), .5 .869 (.967), .7 .885 (.983); 700
article headings against their bodies: 0 .545, .3 .557, .4 .561, .5 .561, .7 .554, 1 .551 (k1 1.2)."""
_REVISION = 1
"""Raise it with any change of the terms that a text gives: every index is then built anew. It was not when Kiwi stopped to see
what is drawn out beyond 32 syllables, which no question holds."""

_HANGUL = re.compile("[가-힣]")
_HANGUL_RUN = re.compile("[가-힣]{2,}")
_DRAWN_OUT = re.compile(r"([가-힣])\1{31,}")
"""One syllable without an end. Each may be a word, and Kiwi weighs up all readings: at a quarter of its usual speed, a quarter of
an hour for 12 million."""
_KEPT_OF_IT = 32
_KANA_RUN = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc]+")
_HANGUL_PHRASE = re.compile(r"[^\s가-힣]*[가-힣]\S*(?:[^\S\n]+[^\s가-힣]*[가-힣]\S*)*")
_MOSTLY_FOREIGN = 0.2
"""Share of Hangul under which Kiwi reads only the Korean phrases of a text: it is 10 times slower than the rest."""
_BATCH_CHARACTERS = 100_000
"""At once: enough for Kiwi's threads, and some 10 MB of morphemes."""

_CONTENT_TAGS = ("N", "V", "M", "XR")
_FUNCTION_TAGS = ("VX", "VCP")
BIGRAM_MARK = "2:"
"""Keeps bigrams apart from morphemes of the same spelling; no other term has a colon."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """Terms of one text.

    Attributes:
        counts: how often each term occurs.
        length: number of terms, bigrams not counted: the text's length for BM25.
    """

    counts: dict[str, int]
    length: int


def term_weight(term: str) -> float:
    """What a term of a question counts: 1, a bigram `BIGRAM_WEIGHT`."""
    return BIGRAM_WEIGHT if term.startswith(BIGRAM_MARK) else 1.0


def _bigrams(run: str) -> Iterator[str]:
    """Marked pairs of neighbours; a single character for itself."""
    return (BIGRAM_MARK + run[index : index + 2] for index in range(max(len(run) - 1, 1)))


def _korean_part(text: str) -> str:
    """What Kiwi has to read of `text`; empty when there is no Hangul in it."""
    hangul = 0 if text.isascii() else len(_HANGUL.findall(text))
    if not hangul:
        return ""
    if hangul >= _KEPT_OF_IT:
        text = _DRAWN_OUT.sub(lambda run: run[1] * _KEPT_OF_IT, text)
    if hangul >= _MOSTLY_FOREIGN * len(text):
        return text
    return "\n".join(_HANGUL_PHRASE.findall(text))


def has_korean(text: str) -> bool:
    """Whether Kiwi has to read some of it: Hangul, or Hanja, which have a reading in Hangul."""
    return not text.isascii() and bool(_HANGUL.search(hanja_to_hangul(clean_characters(text))))


def _is_content(token: Token) -> bool:
    """Nouns, verb and adjective stems, modifiers, roots (FACTS 2: analyzer), as far as they are Hangul."""
    tag = token.tag
    return tag.startswith(_CONTENT_TAGS) and not tag.startswith(_FUNCTION_TAGS) and bool(_HANGUL.search(token.form))


def _count(cleaned: str, read: str, morphemes: Iterable[Token]) -> Analysis:
    """Put the terms of one text together. `read` is `cleaned` with Hanja as Hangul."""
    counts = identifier_counts(read)
    for token in morphemes:
        if _is_content(token):
            term = token.form.lower()
            counts[term] = counts.get(term, 0) + 1
    length = sum(counts.values())
    if cleaned.isascii():
        return Analysis(counts, length)
    for run in _HANGUL_RUN.findall(read) + HAN_RUN.findall(cleaned) + _KANA_RUN.findall(cleaned):
        for term in _bigrams(run):
            counts[term] = counts.get(term, 0) + 1
    return Analysis(counts, length)


@lru_cache(maxsize=1)
def _model_version() -> str:
    """Asked of the package's files: a millisecond."""
    return version("kiwipiepy_model")


class Analyzer:
    """Turns texts into terms: Kiwi morphemes, Hangul bigrams, words and identifiers whole and in parts.

    Stateless and thread-safe; all instances share one Kiwi, which is loaded with the first Korean text. Hanja count both
    as their Hangul reading and as themselves (bigrams), so an exact match of the characters ranks first.
    """

    @property
    def name(self) -> str:
        """Identity of the analysis: its revision and the version of Kiwi's model."""
        return f"kiwi-{_model_version()}-r{_REVISION}"

    def analyze(self, text: str) -> Analysis:
        """Terms of one text."""
        return self.analyze_batch([text])[0]

    def terms(self, text: str) -> dict[str, float]:
        """Weight by term: its count times `term_weight`."""
        return {term: count * term_weight(term) for term, count in self.analyze(text).counts.items()}

    def terms_batch(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """`terms` of n texts."""
        return [
            {term: count * term_weight(term) for term, count in analysis.counts.items()}
            for analysis in self.analyze_batch(texts)
        ]

    def analyze_batch(self, texts: Sequence[str]) -> list[Analysis]:
        """Terms of n texts; the Korean ones run through Kiwi's own threads, one per core."""
        return list(self.analyses(texts))

    def analyses(self, texts: Sequence[str]) -> Iterator[Analysis]:
        """Terms of each text, worked out a few at a time: the morphemes of a long document take 100 times its size."""
        start = 0
        while start < len(texts):
            end, characters = start, 0
            while end < len(texts) and (end == start or characters + len(texts[end]) <= _BATCH_CHARACTERS):
                characters += len(texts[end])
                end += 1
            yield from self._analyze(texts[start:end])
            start = end

    def _analyze(self, texts: Sequence[str]) -> list[Analysis]:
        cleaned = [clean_characters(text) for text in texts]
        read = [hanja_to_hangul(text) for text in cleaned]
        korean = {index: part for index, text in enumerate(read) if (part := _korean_part(text))}
        morphemes = dict(zip(korean, self._tokenize(list(korean.values())), strict=True))
        return [_count(text, read[index], morphemes.get(index, ())) for index, text in enumerate(cleaned)]

    def _tokenize(self, texts: Sequence[str]) -> Iterable[Sequence[Token]]:
        """Kiwi's tokens of each text; hashtags and mentions are analysed like other words."""
        if not texts:
            return ()
        from kiwipiepy import Match

        kiwi = shared_kiwi()
        if len(texts) == 1 and not is_read_apart(texts[0]):
            return (kiwi.tokenize(texts[0], match_options=Match.SERIAL),)
        tokens: Iterable[Sequence[Token]] = kiwi.tokenize(texts, match_options=Match.SERIAL)
        return tokens
