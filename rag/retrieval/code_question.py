"""How a question is put to code: in English words where it is Korean, and by the names that it holds.

Names and most comments of code are English, whoever writes it. A Korean question is therefore searched in collections of code
(in these alone) with English words too: those of the collections' glossaries, of the shipped table of software terms
(`rag.text.code_terms`), and of a chat model where one is configured. Nothing of the question is replaced: its own words find
Korean comments.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from rag.domain.passage import Alternative, QuestionNote
from rag.retrieval.glossary import GlossaryMatch, fold
from rag.retrieval.rewriting import ModelFailed, Rewriter
from rag.text.code_names import Identifier, names_of_words, written_identifiers
from rag.text.code_terms import translated_terms

TERM_WEIGHT = 0.7
OTHER_TERM_WEIGHT = 0.3
"""What the usual English word of a Korean term, and its other ones, count against the question's own."""
OWN_WEIGHT, OWN_WEIGHT_OF_LITTLE = 0.25, 0.5
"""What a Korean question's own words count beside their translation, and where only one term of it is known, in the lexical leg
alone: Korean in programs is messages, samples and tests more than comments. 60 questions on this project with all its files:
hit@10 .20, .50, .72, .77 for 1, .5, .25, .12."""
OWN_WEIGHT_BESIDE_MODEL = 0.7
"""The same where a model reads the translation: less would bury what Korean comments say (a question of `seogo eval`'s gate)."""
TRANSLATION_S = 3.0
"""A chat model's time for a translation: a search without it is worse, not wrong."""
_KEPT = 512
_MOST_ADDED = 64
_HANGUL = re.compile("[가-힣]")
_WRITTEN = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
"""What stands in a Korean question in other letters, and in numbers: it means itself."""
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class CodeQuestion:
    """A question as collections of code are asked it.

    Attributes:
        english: what it says in English words; empty where it is not Korean, or nothing of it is known.
        added: more lexical terms and their weights.
        own: what its own terms count beside them, 0 to 1.
        identifiers: names that are written in it.
        names: names that its words would make, by how many words each is made of.
        alternatives: terms of it that a text holds in English.
    """

    english: str = ""
    added: dict[str, float] = field(default_factory=dict)
    own: float = 1.0
    identifiers: tuple[Identifier, ...] = ()
    names: dict[str, int] = field(default_factory=dict)
    notes: tuple[QuestionNote, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


class _Piece(NamedTuple):
    start: int
    end: int
    words: tuple[str, ...]


class CodeReader:
    """Reads questions for code. Thread-safe.

    Attributes:
        weighted: weights of the terms of a text; without Hangul bigrams' discount of its own.
        terms_of: the terms of a text that evidence is counted by.
        rewriter: asks a chat model, where there is one.
    """

    def __init__(
        self,
        weighted: Callable[[str, float], dict[str, float]],
        terms_of: Callable[[str], Iterable[str]],
        rewriter: Rewriter | None,
    ) -> None:
        self._weighted = weighted
        self._terms_of = terms_of
        self._rewriter = rewriter
        self._kept: OrderedDict[tuple[str, ...], str] = OrderedDict()
        self._guard = Lock()

    def read(self, question: str, glossary: Sequence[GlossaryMatch], deadline: float, tenant: str = "") -> CodeQuestion:
        """The question for code.

        Args:
            glossary: what the glossaries of the collections say of it.
            deadline: instant of `time.monotonic` until which a chat model may take.
            tenant: whose question it is.
        """
        question = " ".join(question.split())
        identifiers = tuple(written_identifiers(question))
        if not _HANGUL.search(question):
            return CodeQuestion(identifiers=identifiers, names=names_of_words(question))
        pieces = _pieces(question, glossary)
        english, notes = self._english(question, pieces, deadline, tenant)
        return CodeQuestion(
            english,
            self._added(question, pieces, english),
            _own(pieces, english),
            identifiers,
            names_of_words(english),
            tuple(notes),
            tuple(self._alternatives(question, pieces)),
        )

    def _english(
        self, question: str, pieces: Sequence[_Piece], deadline: float, tenant: str
    ) -> tuple[str, list[QuestionNote]]:
        korean = [item for item in pieces if _HANGUL.search(question[item.start : item.end])]
        notes = [QuestionNote("code_term", question[item.start : item.end], item.words) for item in korean]
        by_table = " ".join(item.words[0] for item in pieces) if korean else ""
        if self._rewriter is None:
            return by_table, notes
        known = {question[item.start : item.end]: item.words[0] for item in korean}
        try:
            told = self._told(self._rewriter.of(tenant), question, known, deadline)
        except ModelFailed:
            return by_table, [*notes, QuestionNote("model_failed", "", ("translation",))]
        return told, [*notes, QuestionNote("translation", "", (told,))]

    def _told(self, rewriter: Rewriter, question: str, known: dict[str, str], deadline: float) -> str:
        """The model's translation, remembered by the question and by the terms that it was told."""
        key = (question, *(part for pair in sorted(known.items()) for part in pair))
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        told = rewriter.english(question, known, deadline)
        with self._guard:
            self._kept[key] = told
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return told

    def _added(self, question: str, pieces: Sequence[_Piece], english: str) -> dict[str, float]:
        added: dict[str, float] = {}
        written = _WRITTEN.findall(question)
        usual = [item.words[0] for item in pieces]
        others = [word for item in pieces for word in item.words[1:]]
        for texts, weight in ((written, 1.0), ([*usual, english], TERM_WEIGHT), (others, OTHER_TERM_WEIGHT)):
            for text in texts:
                for term, own in self._weighted(text, weight).items():
                    if term in added or len(added) < _MOST_ADDED:
                        added[term] = max(own, added.get(term, 0.0))
        return added

    def _alternatives(self, question: str, pieces: Sequence[_Piece]) -> list[Alternative]:
        found = []
        for item in pieces:
            terms = frozenset(self._terms_of(question[item.start : item.end]))
            for word in item.words:
                by = frozenset(self._terms_of(word))
                if terms and by and terms != by:
                    found.append(Alternative(terms, by))
        return found


def _pieces(question: str, glossary: Sequence[GlossaryMatch]) -> list[_Piece]:
    """The parts of a question that English is known for, in order: those of glossaries first, then of the shipped table, then
    what is written in Latin letters already."""
    found: list[_Piece] = []
    folded = fold(question)
    for match in glossary:
        words = tuple(word for word in match.added if not _HANGUL.search(word))
        start = folded.find(match.found)
        if words and start >= 0 and len(folded) == len(question):
            _take(found, _Piece(start, start + len(match.found), words))
    for start, end, words in translated_terms(question):
        _take(found, _Piece(start, end, words))
    for latin in _LATIN.finditer(question):
        _take(found, _Piece(latin.start(), latin.end(), (latin[0],)))
    return sorted(found)


def _own(pieces: Sequence[_Piece], english: str) -> float:
    if not english:
        return 1.0
    return OWN_WEIGHT if len(pieces) > 1 else OWN_WEIGHT_OF_LITTLE


def _take(found: list[_Piece], piece: _Piece) -> None:
    if all(piece.end <= other.start or piece.start >= other.end for other in found):
        found.append(piece)
