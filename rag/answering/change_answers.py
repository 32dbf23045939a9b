"""Answers to what changed between two states of a repository: the places that the question is about, old lines beside new ones,
and the messages of the commits that made them.

Places are ranked by BM25 over their lines, by the messages of the commits that touch their file, and by what the hybrid search
finds for the question among the documents: a Korean question finds English code by whichever of the three knows the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple
from uuid import UUID

from rag.answering.change_passages import Piece, commit_passage, passages_of, pieces_of, quotes_of
from rag.answering.change_questions import WORDS_OF_CHANGE, AskedPath, ChangeQuestion, asked_paths, readings
from rag.answering.changes import Comparison, History
from rag.answering.evidence import Evidence, weigh
from rag.answering.prepared import CHANGES, FOUND, Prepared
from rag.answering.signals import QuestionTerms
from rag.domain.answer import Note
from rag.domain.errors import RefNotFound, RepositoryNotRead
from rag.domain.passage import Passage, SearchResult
from rag.domain.principal import Permit
from rag.embedding.base import Role
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.generation.base import Draft, Span
from rag.index.base import SPARSE, IndexPoint, IndexSchema, LegQuery
from rag.index.memory import MemoryIndex
from rag.mirrors import comparing
from rag.mirrors.mirror import Commit, Mirror
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.text.analysis import Analyzer
from rag.text.question import QuestionReader

_REPOSITORIES = 5
"""Repositories that have both states and are compared in one answer, those that the question names first."""
_MESSAGE_SHARE, _HYBRID_SHARE = 0.6, 0.5
"""What the best message of the commits that touch a file, and the place of its document in the hybrid search, count beside the
lines themselves. Set by hand."""
_LEAST_SHARE = 0.2
"""Of the best place's score that a place must have to be shown beside it."""
_COMMITS_READ = 30
_COMMITS_TOLD = 2
_HITS = 20
_HASH = re.compile(r"[0-9a-f]{7,40}")
"""A commit as people write it: git itself shortens to seven digits at least."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A commit with the paths that it touches."""

    commit: Commit
    comparison: Comparison
    paths: frozenset[str]

    @property
    def key(self) -> UUID:
        return commit_passage(self.comparison, self.commit, self.comparison.files[0].document, 0.0).chunk.id


@dataclass(frozen=True, slots=True)
class ChangeAnswerer:
    """Prepares answers about changes. Thread-safe."""

    history: History
    retriever: Retriever
    reader: QuestionReader
    analyzer: Analyzer

    def prepared(
        self, permit: Permit, question: str, passages: int, context: QuestionContext | None = None
    ) -> Prepared | None:
        """Passages and quotations; None where the question asks about no change of a repository that the permit covers.

        Args:
            passages: how many the answer may draw on.
        """
        if permit.as_of is not None:
            return None
        asked, comparisons = next(self._compared(permit, question), (None, []))
        if asked is None:
            return None
        subject = self.reader.content_terms(asked.rest) - self.reader.content_terms(WORDS_OF_CHANGE)
        about = " ".join(self.reader.words_for(asked.rest, subject))
        hybrid = self.retriever.search(permit, about or question, limit=_HITS, context=context)
        pieces = [piece for item in comparisons for piece in pieces_of(item)]
        told = [one for item in comparisons for one in _told(self.history, item)]
        if about:
            ranked, best = self._ranked(permit, about, pieces, told, hybrid)
        else:
            ranked, best = _by_size(pieces), {}
        told.sort(key=lambda one: -best.get(one.key, 0.0))  # stable: the newest of equals comes first
        chosen, drafts = _drafted(ranked, told, passages)
        evidence = self._evidence(permit, about, chosen, hybrid, pieces) if about else FOUND
        search = SearchResult(question, chosen, hybrid.trace, about or question, hybrid.alternatives)
        notes = tuple(Note(CHANGES, _summary(item)) for item in comparisons)
        return Prepared(search, drafts, evidence, listing=False, notes=notes)

    def _compared(self, permit: Permit, question: str) -> Iterator[tuple[ChangeQuestion, list[Comparison]]]:
        """The first reading that names states of some repositories, with what differs between them."""
        found = [(item, asked_paths(item.rest)) for item in readings(question)]
        known = self.history.repositories(permit) if found else []
        refs = {identity: mirror.refs() for identity, _, _, mirror in known}
        for reading, words in found:
            comparisons: dict[tuple[str, str], Comparison] = {}
            meant = {identity: self._paths(permit, identity, name, words) for identity, name, _, _ in known}
            somewhere = {word for paths in meant.values() for word in paths}
            for identity, _, commit, mirror in sorted(known, key=lambda item: item[1] not in question):
                if somewhere and not meant[identity]:  # the question is about what lies in another one
                    continue
                states = _states(reading, refs[identity], commit, mirror)
                if states is None or len(comparisons) >= _REPOSITORIES:
                    continue
                try:
                    compared = self.history.compare(permit, identity, *states, path=tuple(meant[identity].values()))
                except (RefNotFound, RepositoryNotRead):
                    continue
                if compared.files:  # the same history may be indexed twice, at two branches
                    comparisons.setdefault((compared.before.commit, compared.after.commit), compared)
            named = [item for item in comparisons.values() if item.repository in question]
            if comparisons:
                yield reading.within(somewhere), named or list(comparisons.values())

    def _paths(
        self, permit: Permit, repository_id: UUID, name: str, words: Sequence[AskedPath]
    ) -> dict[AskedPath, str]:
        """Those of these words that are paths of a repository, with or without its name before them."""
        found: dict[AskedPath, str] = {}
        for word in words:
            spellings = dict.fromkeys(path for item in word.spellings for path in (item, item.removeprefix(f"{name}/")))
            path = next((item for item in spellings if self.history.is_path(permit, repository_id, item)), None)
            if path is not None:
                found[word] = path
        return found

    def _ranked(
        self, permit: Permit, about: str, pieces: Sequence[Piece], told: Sequence[_Told], hybrid: SearchResult
    ) -> tuple[list[tuple[Piece, float]], Mapping[UUID, float]]:
        """The places, best first, with their scores; and what each commit's message has of the question, 0 to 1."""
        added = " ".join(word for note in hybrid.trace.notes if note.kind != "filter" for word in note.added)
        scores = self._matches(permit, f"{about} {added}".strip(), pieces, told)
        most_of_lines = max((scores.get(item.key, 0.0) for item in pieces), default=0.0)
        most_of_words = max((scores.get(one.key, 0.0) for one in told), default=0.0)
        messages = {one.key: scores.get(one.key, 0.0) / most_of_words for one in told} if most_of_words else {}
        places = {item.source.document_id: 1.0 / item.rank for item in reversed(hybrid.passages)}
        ranked = []
        for item in pieces:
            share = scores.get(item.key, 0.0) / most_of_lines if most_of_lines else 0.0
            touching = [messages.get(one.key, 0.0) for one in told if _touches(one, item)]
            score = share + _MESSAGE_SHARE * max(touching, default=0.0)
            score += _HYBRID_SHARE * places.get(item.file.document.document_id, 0.0)
            ranked.append((item, score))
        ranked.sort(key=lambda row: (-row[1], row[0].file.change.path, row[0].key))
        return ranked, messages

    def _matches(self, permit: Permit, about: str, pieces: Sequence[Piece], told: Sequence[_Told]) -> dict[UUID, float]:
        """BM25 of places and messages for the question, by key; those without a word of it are left out."""
        embedder = KiwiBm25Embedder(self.analyzer)
        index = MemoryIndex(IndexSchema("changes", None))
        rows = [(item.key, item.comparison, item.file.document, item.text) for item in pieces]
        rows += [(one.key, one.comparison, one.comparison.files[0].document, one.commit.message) for one in told]
        vectors = embedder.embed([row[3] for row in rows], Role.PASSAGE).sparse or ()
        index.upsert(
            [
                IndexPoint(
                    key,
                    permit.tenant_id,
                    comparison.collection_id,
                    document.document_id,
                    document.version_id,
                    vector,
                    access=document.access,
                )
                for (key, comparison, document, _), vector in zip(rows, vectors, strict=True)
            ]
        )
        [asked] = embedder.embed([about], Role.QUERY).sparse or ()
        hits = index.search(permit, {SPARSE: LegQuery(asked, max(1, len(rows)))})
        return {hit.chunk_id: hit.score for hit in hits[SPARSE] if hit.score > 0}

    def _evidence(
        self, permit: Permit, about: str, chosen: Sequence[Passage], hybrid: SearchResult, pieces: Sequence[Piece]
    ) -> Evidence:
        """That the places are about the question: by their words, or as the search finds their documents for it."""
        weights = self.retriever.rarities(permit, self.reader.content_terms(about))
        bigrams = self.retriever.rarities(permit, self.reader.bigrams_of(about))
        terms = QuestionTerms(about, weights, bigrams, self.reader.terms_of, hybrid.alternatives)
        changed = {item.file.document.document_id for item in pieces}
        there = [item for item in hybrid.passages if item.source.document_id in changed]
        found = [weigh(terms, some, len(some)) for some in (chosen, there)]
        return max(found, key=lambda item: item.confidence)


def _states(reading: ChangeQuestion, refs: Mapping[str, str], indexed: str, mirror: Mirror) -> tuple[str, str] | None:
    """The two states that a reading names in a repository, the earlier one first; None where it has no such refs or commits."""
    after = _meant(reading.after, refs, mirror) if reading.after else _Meant("", indexed, "")
    before = _meant(reading.before, refs, mirror) if reading.before else None
    if after is None or (before is None and reading.before):
        return None
    if before is None:
        earlier = _before(after, refs, mirror)
        return None if earlier is None else (earlier, after.name)
    if not after.name:
        return before.name, indexed
    if before.commit != after.commit and mirror.is_ancestor(after.commit, before.commit):
        before, after = after, before
    return before.name, after.name


class _Meant(NamedTuple):
    """A state as it is called, its commit, and the full name of the ref; empty where it was given by its commit."""

    name: str
    commit: str
    ref: str


def _meant(name: str, refs: Mapping[str, str], mirror: Mirror) -> _Meant | None:
    """The state that a word of the question names: a branch, a tag, or a commit by its hash."""
    ref = comparing.named(refs, name)
    if ref is not None:
        return _Meant(comparing.short_name(ref), refs[ref], ref)
    if not _HASH.fullmatch(name):
        return None
    try:
        return _Meant(name, comparing.state(mirror, name)[1], "")
    except (RefNotFound, RepositoryNotRead):
        return None


def _before(after: _Meant, refs: Mapping[str, str], mirror: Mirror) -> str | None:
    """The state that a tag or commit followed; a question `in main` is none about a branch's own history."""
    if after.ref.startswith("refs/tags/"):
        tag = comparing.version_before(mirror, refs, after.ref)
        return None if tag is None else comparing.short_name(tag)
    if after.ref or not after.name:
        return None
    try:
        return mirror.resolve(f"{after.commit}^")
    except RefNotFound:  # the first of all
        return None


def _told(history: History, comparison: Comparison) -> list[_Told]:
    """The newest commits of a comparison, with the paths that they touch."""
    mirror = history.mirror(comparison.repository_id, comparison.repository)
    commits = comparison.commits[:_COMMITS_READ]
    touched = comparing.touched(mirror, [item.hash for item in commits])
    return [_Told(item, comparison, frozenset(touched.get(item.hash, ()))) for item in commits]


def _touches(one: _Told, piece: Piece) -> bool:
    change = piece.file.change
    return one.comparison is piece.comparison and bool(one.paths & {change.path, change.before})


def _by_size(pieces: Sequence[Piece]) -> list[tuple[Piece, float]]:
    """The places by how much of their file changed: what comes first of a question about all that changed. Files that were only
    moved come last, with no more than the least of the others."""

    def order(piece: Piece) -> tuple[tuple[bool, int], str, int]:
        return piece.file.weight, piece.file.change.path, piece.after.first if piece.after else 0

    ranked = sorted(pieces, key=order)
    sizes = [item.file.change.added + item.file.change.removed for item in ranked]
    most = max([1, *sizes[:1]])
    return [(item, size / most) for item, size in zip(ranked, accumulate(sizes, min), strict=True)]


def _drafted(
    ranked: Sequence[tuple[Piece, float]], told: Sequence[_Told], most: int
) -> tuple[tuple[Passage, ...], tuple[Draft, ...]]:
    """The passages of the best places and of the commits that touch them, and a quotation of each."""
    passages: list[Passage] = []
    drafts: list[Draft] = []
    shown: list[Piece] = []
    room = max(2, most - _COMMITS_TOLD)
    best = ranked[0][1] if ranked else 0.0
    for piece, score in ranked:
        sides = passages_of(piece, score)
        if score <= 0.0 or score < _LEAST_SHARE * best or len(passages) >= room:
            break
        if len(passages) + len(sides) > room:
            continue
        spans = quotes_of(piece, sides, len(passages))
        if spans:
            drafts.append(Draft(spans))
            passages += sides
            shown.append(piece)
    for one in [item for item in told if any(_touches(item, piece) for piece in shown)][:_COMMITS_TOLD]:
        document = next(piece.file.document for piece in shown if _touches(one, piece))
        passage = commit_passage(one.comparison, one.commit, document, best)
        subject = passage.chunk.text.partition("\n")[0]
        drafts.append(Draft((Span(len(passages), 0, len(subject)),)))
        passages.append(passage)
    return tuple(item.at(rank) for rank, item in enumerate(passages, start=1)), tuple(drafts)


def _summary(comparison: Comparison) -> str:
    """What was compared, in names and counts of what the permit covers."""
    before, after = comparison.before, comparison.after
    files = f"{len(comparison.files)}{'+' if comparison.more_files else ''} files"
    commits = f"{len(comparison.commits)}{'+' if comparison.more_commits else ''} commits"
    ends = f"{before.name} ({before.commit[:12]}) → {after.name} ({after.commit[:12]})"
    where = " ".join(comparison.key_of(path) for path in comparison.paths) or comparison.repository
    return f"{where} {ends}: {files}, {commits}"
