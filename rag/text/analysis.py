"""Lexical analysis: from a text to weighted terms, the same for passages and questions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from rag.text.hanja import HAN_RUN, hanja_to_hangul
from rag.text.identifiers import CHUNKS, article_term, chunk_terms, date_term
from rag.text.normalize import clean_characters

if TYPE_CHECKING:
    from kiwipiepy import Kiwi, Token

VERSION = "1"
"""Goes into the name of every embedding space made with this analysis; raise it with any change of terms."""

_HANGUL = re.compile("[가-힣]")
_HANGUL_RUN = re.compile("[가-힣]{2,}")
_KANA_RUN = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc]+")
_CONTENT_TAGS = ("N", "V", "M", "XR")
_DROPPED_TAGS = ("VX", "VCP")


@dataclass(frozen=True, slots=True)
class Analysis:
    """Terms of one text.

    Attributes:
        terms: weight by term: how often it occurs, bigrams and parts counting less than one each.
        length: number of terms before bigrams; the text's length for BM25.
    """

    terms: dict[str, float]
    length: int


@dataclass(frozen=True, slots=True)
class AnalyzerSettings:
    """Weights of the kinds of term.

    Attributes:
        bigram: of a Hangul bigram against a morpheme.
        part: of a part of an identifier against the whole.
        stem: whether English words are stemmed.
    """

    bigram: float = 0.4
    part: float = 1.0
    stem: bool = True


@dataclass
class _Counts:
    terms: dict[str, float] = field(default_factory=dict)
    length: int = 0

    def add(self, term: str, weight: float = 1.0) -> None:
        self.terms[term] = self.terms.get(term, 0.0) + weight


class Analyzer:
    """Turns texts into weighted terms: Kiwi morphemes, Hangul bigrams, words and identifiers whole and in parts.

    One instance is meant to be shared: it is thread-safe and loads Kiwi's model (about 2 s) with the first Korean text.
    """

    def __init__(self, settings: AnalyzerSettings | None = None, workers: int | None = None) -> None:
        self.settings = settings or AnalyzerSettings()
        self._workers = workers
        self._kiwi: Kiwi | None = None
        self._lock = Lock()

    def kiwi(self) -> Kiwi:
        """The shared Kiwi instance, loaded at first use."""
        with self._lock:
            if self._kiwi is None:
                from kiwipiepy import Kiwi

                self._kiwi = Kiwi(num_workers=self._workers)
            return self._kiwi

    def analyze(self, text: str) -> Analysis:
        """Terms of one text."""
        return self.analyze_batch([text])[0]

    def terms(self, text: str) -> dict[str, float]:
        """Weight by term."""
        return self.analyze(text).terms

    def analyze_batch(self, texts: Sequence[str]) -> list[Analysis]:
        """Terms of n texts; Korean ones run through Kiwi's own threads."""
        cleaned = [clean_characters(text) for text in texts]
        read = [hanja_to_hangul(text) for text in cleaned]
        korean = [index for index, text in enumerate(read) if _HANGUL.search(text)]
        morphemes = dict(zip(korean, self._tokenize([read[index] for index in korean]), strict=True))
        return [
            self._count(text, plain, morphemes.get(index, ()))
            for index, (text, plain) in enumerate(zip(cleaned, read, strict=True))
        ]

    def _tokenize(self, texts: Sequence[str]) -> Iterator[Sequence[Token]]:
        if not texts:
            return iter(())
        if len(texts) == 1:
            return iter([self.kiwi().tokenize(texts[0], z_coda=False)])
        return iter(self.kiwi().tokenize(texts, z_coda=False))

    def _count(self, cleaned: str, read: str, morphemes: Iterable[Token]) -> Analysis:
        counts = _Counts()
        for token in morphemes:
            if (
                token.tag.startswith(_CONTENT_TAGS)
                and not token.tag.startswith(_DROPPED_TAGS)
                and _HANGUL.search(token.form)
            ):
                counts.add(token.form.lower())
                counts.length += 1
        self._count_chunks(counts, read)
        weight = self.settings.bigram
        for run in _HANGUL_RUN.findall(read):
            for index in range(len(run) - 1):
                counts.add("2:" + run[index : index + 2], weight)
        for pattern in (HAN_RUN, _KANA_RUN):
            for run in pattern.findall(cleaned):
                for index in range(max(len(run) - 1, 1)):
                    counts.add("2:" + run[index : index + 2], weight)
        return Analysis(counts.terms, counts.length)

    def _count_chunks(self, counts: _Counts, text: str) -> None:
        for match in CHUNKS.finditer(text):
            kind = match.lastgroup
            if kind == "chunk":
                wholes, parts = chunk_terms(match[0])
                for term in wholes:
                    counts.add(self._stemmed(term))
                for term in parts:
                    counts.add(self._stemmed(term), self.settings.part)
                counts.length += len(wholes) + len(parts)
                continue
            counts.length += 1
            if kind == "thousands":
                counts.add(match[0].replace(",", ""))
            elif kind == "date":
                counts.add(date_term(match[0]))
            else:
                counts.add(article_term(match[0]))

    def _stemmed(self, term: str) -> str:
        return term
