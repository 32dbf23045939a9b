"""What a question asks for: the words to search with beside its own, the legs that know them, the documents it names.

Everything here adds, at less weight than the question's own words, or narrows the permit; nothing replaces what was asked but
a follow-up's condensed form. What was done is noted for the trace.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from uuid import UUID

from rag.domain.language import CollectionKind, Language
from rag.domain.passage import Alternative, QuestionNote
from rag.domain.principal import Permit
from rag.domain.provision import Path
from rag.domain.vectors import SparseVector
from rag.embedding.bm25 import term_id
from rag.embedding.space import EmbeddingSpace
from rag.generation.chat import ChatMessage, ChatModel
from rag.index.base import VectorIndex
from rag.retrieval.code_question import TRANSLATION_S, CodeQuestion, CodeReader
from rag.retrieval.figures import provisions_of, shown, writings
from rag.retrieval.glossary import Glossaries, GlossaryMatch, matches
from rag.retrieval.intent_filters import stated_filters
from rag.retrieval.rewriting import ModelFailed, Rewriter, carried_over, shortened, standing_alone
from rag.retrieval.spelling import Speller
from rag.settings import CHAT_TIMEOUT_S, RetrievalSettings
from rag.store import access_rule
from rag.store import collection as collections_table
from rag.store.session import Database
from rag.text.analysis import Analyzer
from rag.text.language import detect_language, looks_like_code
from rag.text.question import QuestionReader

GLOSSARY_WEIGHT = 0.5
"""What a term of an expansion counts against the question's own. Not measured: a glossary is a customer's own."""
SPELLING_WEIGHT = 0.8
"""The misspelt word itself counts nothing: it occurs nowhere. `benchmarks/noisy_questions.py`."""
SPACING_WEIGHT = 0.5
WRITING_WEIGHT = 0.7
"""Another writing of the same date or amount is the same thing, but may be met by chance in part."""
_MAX_ADDED = 64


@dataclass(frozen=True, slots=True)
class QuestionContext:
    """What comes with a question.

    Attributes:
        history: the turns before it, oldest first. Data, whatever it says.
        infer_filters: whether filters that the question states in so many words are applied.
    """

    history: tuple[ChatMessage, ...] = ()
    infer_filters: bool = True


@dataclass(slots=True)
class Reading:
    """A question as it was understood.

    Attributes:
        permit: what may be read, narrowed by what the question states.
        text: the words that the lexical leg gets.
        whole: what a reranker reads: the question it follows up, its own words, and what they mean by glossary and spelling.
        asked: what the evidence must be about.
        dense_language: the one that decides whether the dense model is asked.
        dense_text: what it reads then; None for `text`.
        added: more lexical terms and their weights.
        provisions: articles that it names.
        variants: other texts that are searched as well.
        code: the question as collections of code are asked it; None where the permit has none.
        code_text: what the dense model reads for these; None for what it reads otherwise.
    """

    permit: Permit
    text: str
    language: Language
    asked: str = ""
    whole: str = ""
    dense_text: str | None = None
    dense_language: Language = Language.OTHER
    added: dict[str, float] = field(default_factory=dict)
    provisions: tuple[Path, ...] = ()
    variants: tuple[str, ...] = ()
    code: CodeQuestion | None = None
    code_text: str | None = None
    notes: list[QuestionNote] = field(default_factory=list)
    alternatives: list[Alternative] = field(default_factory=list)

    @property
    def reranked_code(self) -> str:
        """What a reranker reads of the question beside passages of code: all of it, and what else it says in English."""
        whole = self.whole or self.text
        said = set(re.findall(r"\w+", whole.lower()))
        english = self.code.english.split() if self.code is not None else []
        added = " ".join(word for word in english if word.lower() not in said)
        return f"{whole} ({added})" if added else whole

    def note(self, kind: str, found: str, added: Sequence[str]) -> None:
        """Say in the trace what was done."""
        self.notes.append(QuestionNote(kind, found, tuple(added)))


def question_language(question: str) -> Language:
    """Language of a question; one that quotes code and holds no Korean goes to the legs that know code."""
    language = detect_language(question)
    return Language.CODE if language is not Language.KOREAN and looks_like_code(question) else language


def with_terms(vector: SparseVector, added: dict[str, float]) -> SparseVector:
    """The query vector with more terms; one that it has keeps the larger weight."""
    weights = dict(zip(vector.indices, vector.values, strict=True))
    for term, weight in added.items():
        identity = term_id(term)
        weights[identity] = max(weight, weights.get(identity, 0.0))
    indices = sorted(weights)
    return SparseVector(tuple(indices), tuple(weights[index] for index in indices))


class Understander:
    """Reads questions under a permit. Thread-safe."""

    def __init__(
        self,
        database: Database,
        index: VectorIndex,
        space: EmbeddingSpace,
        analyzer: Analyzer,
        reader: QuestionReader,
        settings: RetrievalSettings,
        chat: ChatModel | None = None,
        chat_timeout_s: float = CHAT_TIMEOUT_S,
    ) -> None:
        self._database = database
        self._space = space
        self._analyzer = analyzer
        self._reader = reader
        self._settings = settings
        self._glossaries = Glossaries(database)
        self._speller = Speller(index, analyzer)
        self._rewriter = Rewriter(chat, reader.content_terms) if chat is not None else None
        self._model_s = chat_timeout_s
        translator = self._rewriter if settings.translate_for_code else None
        self._code_reader = CodeReader(self._weighted, lambda text: reader.terms_of(text), translator)

    def within(self, space: EmbeddingSpace, index: VectorIndex) -> Understander:
        """This understander for one embedding space and its index."""
        bound = copy(self)
        bound._space, bound._speller = space, self._speller.within(index)
        return bound

    def read(self, permit: Permit, question: str, context: QuestionContext) -> Reading:
        """The question, understood.

        Raises:
            StoreUnavailable, IndexUnavailable: a part of the service is away. A chat model that fails raises nothing.
            AccessSettling: too many documents are on their way to another rule.
        """
        deadline = time.monotonic() + self._model_s
        reading = Reading(permit, question, question_language(question))
        carried = self._condense(reading, context.history, deadline)
        if context.infer_filters:
            self._filter(reading)
        reading.language = question_language(reading.text)
        glossary = self._glossary(reading)
        self._code(reading, glossary, carried, deadline)
        meant = self._spell(reading)
        self._figures(reading)
        expansions = [expansion for match in glossary for expansion in match.added]
        reading.whole = _with_meaning(carried, reading.text, [*expansions, *meant])
        self._dense(reading, expansions, carried)
        self._variants(reading, deadline)
        return reading

    def _condense(self, reading: Reading, history: Sequence[ChatMessage], deadline: float) -> str:
        """Make a follow-up stand alone; returns the end of the earlier question for the models where only words were carried."""
        if not history:
            return ""
        if self._rewriter is not None:
            try:
                rewriter = self._rewriter.of(str(reading.permit.tenant_id))
                condensed = rewriter.condensed(history, reading.text, deadline)
            except ModelFailed:
                reading.note("model_failed", "", ("condense",))
            else:
                if condensed != reading.text:
                    reading.note("history", reading.text, (condensed,))
                    reading.text = condensed[: self._settings.max_question_chars]
                return ""
        carried = carried_over(history, reading.text)
        for item in carried:
            terms = self._reader.content_terms(item.question) - self._reader.terms_of(reading.text).keys()
            self._add(reading, dict.fromkeys(sorted(terms), item.weight))
            reading.note("history", "", (item.question,))
        reading.asked = standing_alone(reading.text, carried) if carried else ""
        return shortened(carried[0].question) if carried else ""

    def _filter(self, reading: Reading) -> None:
        with self._database.read() as session:
            rows = collections_table.permitted(session, reading.permit)
        names = {row.name: row.id for row in rows}
        found = stated_filters(reading.text, reading.permit.where, names)
        if found.collection is not None:
            reading.permit = reading.permit.narrowed([found.collection])
        if found.where is not None:
            reading.permit = reading.permit.filtered(found.where)
        for words, condition in found.notes:
            reading.note("filter", words, (condition,))
        reading.text = found.question
        if found.notes:
            reading.asked = stated_filters(reading.asked, None, names).question

    def _glossary(self, reading: Reading) -> list[GlossaryMatch]:
        """Add what the glossaries say; returns their terms in the question."""
        found = matches(reading.text, self._glossaries.of(reading.permit))
        for match in found:
            reading.note("glossary", match.found, match.added)
            for expansion in match.added:
                self._say_also(reading, match.found, expansion, GLOSSARY_WEIGHT)
        return found

    def _code(self, reading: Reading, glossary: Sequence[GlossaryMatch], carried: str, deadline: float) -> None:
        """Put the question to code, where the permit has collections of it."""
        with self._database.read() as session:
            kinds = collections_table.kinds(session, reading.permit)
        if not any(kind is CollectionKind.CODE for _, kind in kinds):
            return
        asked = " ".join(item for item in (carried, reading.text) if item)
        until = min(deadline, time.monotonic() + TRANSLATION_S)
        code = self._code_reader.read(asked, glossary, until, str(reading.permit.tenant_id))
        reading.code = code
        reading.notes += code.notes
        reading.alternatives += code.alternatives
        if code.english and self._space.knows(Language.ENGLISH):
            multilingual = self._space.knows(Language.KOREAN)
            reading.code_text = f"{asked} ({code.english})" if multilingual else code.english

    def _spell(self, reading: Reading) -> list[str]:
        """Add what slips mean; returns the words that stand for words of the question."""
        words: list[str] = []
        explained = {note.found.lower() for note in reading.notes if note.kind == "glossary"}
        for meant in self._speller.meant(reading.permit, reading.text, self._on_their_way(reading.permit)):
            if meant.kind != "spacing" and meant.found.lower() in explained:
                continue  # a word that the glossary knows is no slip, though the documents may not have it
            reading.note(meant.kind, "" if meant.kind == "spacing" else meant.found, meant.words)
            for word in meant.words:
                if meant.kind == "spacing":
                    self._add(reading, self._weighted(word, SPACING_WEIGHT))
                else:
                    self._say_also(reading, meant.found, word, SPELLING_WEIGHT)
                    words.append(word)
        return words

    def _on_their_way(self, permit: Permit) -> frozenset[UUID]:
        """Documents whose points do not know their rule yet: no correction may tell a word of them."""
        if not permit.revision:
            return frozenset()
        with self._database.read() as session:
            return access_rule.pending(session, permit)

    def _figures(self, reading: Reading) -> None:
        for writing in writings(reading.text):
            reading.note(writing.kind, writing.found, writing.others)
            for other in writing.others:
                self._say_also(reading, writing.found, other, WRITING_WEIGHT)
        reading.provisions = tuple(provisions_of(reading.text))
        for path in reading.provisions:
            reading.note("provision", shown(path), ())

    def _say_also(self, reading: Reading, found: str, other: str, weight: float) -> None:
        self._add(reading, self._weighted(other, weight))
        terms, by = self._reader.terms_of(found).keys(), self._reader.terms_of(other).keys()
        if terms and by:
            reading.alternatives.append(Alternative(frozenset(terms), frozenset(by)))

    def _weighted(self, text: str, weight: float) -> dict[str, float]:
        return {term: weight * min(own, 1.0) for term, own in self._analyzer.terms(text).items()}

    def _add(self, reading: Reading, terms: dict[str, float]) -> None:
        for term, weight in terms.items():
            if term in reading.added or len(reading.added) < _MAX_ADDED:
                reading.added[term] = max(weight, reading.added.get(term, 0.0))

    def _dense(self, reading: Reading, expansions: Sequence[str], carried: str) -> None:
        """What the dense model is asked: the question where it knows its language, else words of it that it knows."""
        knows = self._space.knows
        reading.dense_language = reading.language
        known = [text for text in expansions if knows(question_language(text))]
        if not knows(reading.language):
            if knows(Language.KOREAN) and knows(Language.ENGLISH):
                # A multilingual model: a date, a Hanja phrase or a code identifier is none of its languages and all of them.
                reading.dense_language = Language.KOREAN
            else:
                if known:
                    reading.dense_language, reading.dense_text = question_language(known[0]), "; ".join(known)
                return
        reading.dense_text = _with_meaning(carried, reading.text, known)

    def _variants(self, reading: Reading, deadline: float) -> None:
        if self._rewriter is None:
            return
        found: list[str] = []
        for kind, wordings in self._asked_of_model(reading, deadline):
            reading.note(kind, "", wordings)
            if kind != "model_failed":
                found += wordings
        reading.variants = tuple(dict.fromkeys(found))

    def _asked_of_model(self, reading: Reading, deadline: float) -> Iterator[tuple[str, list[str]]]:
        if self._rewriter is None:
            return
        rewriter = self._rewriter.of(str(reading.permit.tenant_id))
        if self._settings.multi_query:
            try:
                yield "variant", rewriter.variants(reading.text, self._settings.multi_query, deadline)
            except ModelFailed:
                yield "model_failed", ["multi_query"]
        if self._settings.hyde:
            try:
                yield "hyde", [rewriter.draft(reading.text, deadline)]
            except ModelFailed:
                yield "model_failed", ["hyde"]


def _with_meaning(carried: str, text: str, meaning: Sequence[str]) -> str:
    """A question for a model that reads sentences: after the one that it follows up, what its words mean behind it."""
    whole = " ".join(item for item in (carried, text) if item)
    return f"{whole} ({'; '.join(meaning)})" if meaning else whole
