"""Which hit is one of those that a question should find.

A ranking of chunks becomes a ranking of units. A chunk that meets an expectation is that expectation's unit, and counts
once. Any other chunk is a unit of its own where the question names a place or a quote, else its document is the unit: whoever
asks for a document wants it once, however many of its chunks were found.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import UUID

from rag.access.personal_data.reading import read_masked
from rag.access.policy import Action, Policy
from rag.domain.document import Chunk
from rag.domain.errors import CollectionNotFound
from rag.domain.passage import LocatedChunk
from rag.domain.principal import Permit
from rag.evaluation.places import holds, holds_enough, stands_at
from rag.evaluation.questions import Expected, Problem, Question
from rag.store import listing
from rag.store.listing import ListedDocument
from rag.store.session import Database

_READ_AT_ONCE = 500
_PART_OF_QUOTE = 0.25
"""A quote that no chunk holds half of is the chunk's that holds most of it, if that is a quarter."""


@dataclass(frozen=True, slots=True)
class Target:
    """An expectation as the record knows it.

    Attributes:
        unit: its name in rankings and judgements.
        documents: those that the name fits; any of them will do.
        chunks: those that stand at the place and hold the quote; empty where the whole document is meant.
    """

    unit: str
    expected: Expected
    documents: frozenset[UUID]
    chunks: frozenset[UUID] = frozenset()

    def met_by(self, chunk: Chunk, document: UUID) -> bool:
        """Whether a hit is what was expected. A passage that was merged with its neighbours is looked at anew."""
        if document not in self.documents:
            return False
        if not self.chunks or chunk.id in self.chunks:
            return True
        return stands_at(chunk, self.expected.place) and holds_enough(chunk, self.expected.quote)


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """A question whose expectations were found on record.

    Attributes:
        permit: what it may search.
        kinds, collections: of the documents that it expects.
    """

    question: Question
    permit: Permit
    targets: tuple[Target, ...]
    kinds: frozenset[str]
    collections: tuple[str, ...]

    @property
    def qrels(self) -> dict[str, int]:
        """Grade by unit."""
        return {target.unit: target.expected.grade for target in self.targets}

    def units(self, ordered: Iterable[UUID], read: Mapping[UUID, LocatedChunk]) -> list[str]:
        """The units of chunks in their order, each once; chunks that were not read are passed over."""
        return self.units_of((read[key].chunk, read[key].source.document_id) for key in ordered if key in read)

    def units_of(self, ordered: Iterable[tuple[Chunk, UUID]]) -> list[str]:
        """The same for chunks given with their document."""
        by_chunk = any(target.chunks for target in self.targets)
        found: dict[str, None] = {}
        for chunk, document in ordered:
            met = [target.unit for target in self.targets if target.met_by(chunk, document)]
            found.update(dict.fromkeys(met or [str(chunk.id if by_chunk else document)]))
        return list(found)


class Judge:
    """Finds the expectations of questions on record, under a permit: what it does not cover does not exist."""

    def __init__(self, database: Database, policy: Policy, permit: Permit) -> None:
        self._database = database
        self._policy = policy
        self._permit = permit
        with database.read() as session:
            self._listed = listing.answering_documents(session, permit)
        self._by_name = _names(self._listed)
        self._by_id = {row.id: row for row in self._listed}
        self._chunks: dict[UUID, list[Chunk]] = {}

    def judge(self, questions: Sequence[Question]) -> tuple[list[JudgedQuestion], list[Problem]]:
        """The questions that can be measured, and what is wrong with the others."""
        judged: list[JudgedQuestion] = []
        problems: list[Problem] = []
        for question in questions:
            permit = self._narrowed(question)
            if permit is None:
                problems.append(Problem(question.row, "unknown_collection", question.collection))
                continue
            targets, wrong = self._targets(question, permit)
            problems += wrong
            if not wrong:
                rows = [self._by_id[key] for target in targets for key in target.documents]
                kinds = frozenset(row.kind for row in rows)
                names = tuple(sorted({row.collection_name for row in rows}))
                judged.append(JudgedQuestion(question, permit, tuple(targets), kinds, names))
        return judged, problems

    def _narrowed(self, question: Question) -> Permit | None:
        """The permit of a question that names its collection; None where there is no such collection."""
        if not question.collection:
            return self._permit
        try:
            named = self._policy.authorize(self._permit.principal, Action.SEARCH, [question.collection])
        except CollectionNotFound:
            return None
        narrowed = self._permit.narrowed(named.collections)
        return narrowed if narrowed.collections else None

    def _targets(self, question: Question, permit: Permit) -> tuple[list[Target], list[Problem]]:
        targets: list[Target] = []
        problems: list[Problem] = []
        for number, expected in enumerate(question.expected, start=1):
            documents = self._documents(expected, permit)
            chunks: frozenset[UUID] = frozenset()
            if not documents:
                problems.append(Problem(question.row, "unknown_document", expected.names[0]))
                continue
            if expected.place or expected.quote:
                chunks = self._meeting(expected, documents)
                if not chunks:
                    problems.append(Problem(question.row, "not_in_document", _shown(expected)))
                    continue
            targets.append(Target(f"expected-{number}", expected, documents, chunks))
        return targets, problems

    def _documents(self, expected: Expected, permit: Permit) -> frozenset[UUID]:
        """The documents that the first fitting name means, by the most exact reading of it."""
        for name in expected.names:
            for reading in self._by_name:
                found = [row.id for row in reading.get(_composed(name), ()) if row.collection_id in permit.collections]
                if found:
                    return frozenset(found)
        return frozenset()

    def _meeting(self, expected: Expected, documents: frozenset[UUID]) -> frozenset[UUID]:
        """Chunks of these documents at the place that hold the quote, or failing that, most of it."""
        at_place = [c for key in documents for c in self._chunks_of(key) if stands_at(c, expected.place)]
        shares = {chunk.id: holds(chunk, expected.quote) for chunk in at_place}
        meeting = frozenset(chunk.id for chunk in at_place if holds_enough(chunk, expected.quote))
        best = max(shares.values(), default=0.0)
        if meeting or best < _PART_OF_QUOTE:
            return meeting
        return frozenset(key for key, share in shares.items() if share == best)

    def _chunks_of(self, document: UUID) -> list[Chunk]:
        """The chunks of a document in its order, read once."""
        if document not in self._chunks:
            version = self._by_id[document].version_id
            with self._database.read() as session:
                ids = listing.chunk_ids(session, self._permit, [version]).get(version, [])
            read = read_chunks(self._database, self._permit, ids)
            self._chunks[document] = [read[key].chunk for key in ids if key in read]
        return self._chunks[document]


def read_chunks(database: Database, permit: Permit, ids: Sequence[UUID]) -> dict[UUID, LocatedChunk]:
    """The chunks among `ids` that the permit covers, however many they are."""
    found: dict[UUID, LocatedChunk] = {}
    for start in range(0, len(ids), _READ_AT_ONCE):
        with database.read() as session:
            found |= read_masked(session, permit, ids[start : start + _READ_AT_ONCE])
    return found


def _names(listed: Sequence[ListedDocument]) -> list[dict[str, list[ListedDocument]]]:
    """Documents by what they may be called, the most exact reading first: key or id, file name, title, name without ending."""
    readings: list[Callable[[ListedDocument], set[str]]] = [
        lambda row: {row.source_key, str(row.id)},
        lambda row: {PurePosixPath(row.source_key).name},
        lambda row: {row.title} - {""},
        lambda row: {row.source_key.removesuffix(PurePosixPath(row.source_key).suffix)},
        lambda row: {PurePosixPath(row.source_key).stem},
    ]
    indexed: list[dict[str, list[ListedDocument]]] = []
    for reading in readings:
        names: dict[str, list[ListedDocument]] = {}
        for row in listed:
            for name in reading(row):
                names.setdefault(_composed(name), []).append(row)
        indexed.append(names)
    return indexed


def _composed(name: str) -> str:
    """File names from macOS spell Hangul in single letters; sheets don't."""
    return unicodedata.normalize("NFC", name.strip())


def _shown(expected: Expected) -> str:
    quote = expected.quote if len(expected.quote) <= 60 else expected.quote[:60] + "…"
    return " / ".join(part for part in (expected.names[0], expected.place, quote) if part)
