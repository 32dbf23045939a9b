"""A code base in a workbench: files put in, changed and taken out, and what finds them: our legs, our search, others' ways."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import ir_measures
import numpy as np
from ir_measures import RR, R
from numpy.typing import NDArray

from benchmarks.workbench import Workbench
from ingest.bootstrap import budgets_for
from ingest.chunking.structure import StructureChunker
from ingest.parsing.code import read_code
from rag.domain.code import CodeOutline
from rag.domain.document import Chunk, document_id
from rag.domain.language import CollectionKind
from rag.embedding.known import KnownVectors
from rag.evaluation.intervals import bootstrap
from rag.index.base import DENSE, SPARSE, IndexPoint, LegQuery
from rag.reranking.base import Reranker
from rag.retrieval.reranking import SecondLook
from rag.retrieval.service import RawLists, Retriever, question_language
from rag.store import chunk as chunks_table
from rag.store.code_symbol import put_outlines
from rag.text.code import DATA_LANGUAGES, LANGUAGE_NAMES

DEPTH = 60
CODE = frozenset(suffix for suffix, name in LANGUAGE_NAMES.items() if name not in DATA_LANGUAGES)
"""Suffixes of files that are indexed: programs, no data."""
LONGEST = 200_000
Ranking = dict[str, float]
RERANKED = "search, reranked"
_NO_HURRY_MS = 600_000
"""What a reranker is worth is measured apart from how fast it is on this machine."""
_GROUP = 512
_WORD = re.compile(r"[A-Za-z]+|\d+|[가-힣]+")
_HUMPS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


def is_code(path: str, *, tests: bool = False) -> bool:
    """Whether a file belongs to the corpus."""
    if not tests and re.search(r"(?:^|/)(?:tests?|__tests__|spec)/|(?:^|/)test_|[._-](?:test|spec)\.", path):
        return False
    return path.rpartition(".")[2].lower() in CODE


@dataclass(slots=True)
class CodeBase:
    """Files in a workbench. A vector is made once for each text, whatever becomes of its file."""

    bench: Workbench
    name: str = "repository"
    texts: dict[str, str] = field(default_factory=dict)
    known: KnownVectors = field(default_factory=KnownVectors)
    reranker: Reranker | None = None
    _owner: dict[UUID, str] = field(default_factory=dict)
    _chunks: dict[str, list[UUID]] = field(default_factory=dict)

    def put(self, files: Mapping[str, str]) -> None:
        """Put files in, or others in their place."""
        chunker = StructureChunker(budgets_for(self.bench.settings.ingest, self.bench.rag.space))
        made: list[tuple[str, list[Chunk]]] = []
        outlines = []
        for path, text in files.items():
            key = f"{self.name}/{path}"
            version, document = self.bench.version_for(key), read_code(text.encode(), path)
            made.append((path, chunker.chunk(document, version, key)))
            outlines.append((version, self.bench.collection_id, document.outline or CodeOutline("")))
        known = [path for path in files if path in self.texts]
        self._forget(known)
        self.bench.record([(f"{self.name}/{path}", chunks) for path, chunks in made if path not in self.texts])
        with self.bench.rag.database.write() as session:
            for path, chunks in made:
                if path in self.texts:
                    chunks_table.replace_chunks(session, self.bench.version_for(f"{self.name}/{path}"), chunks)
            put_outlines(session, outlines)
        self._index(made)
        for path, chunks in made:
            self.texts[path] = files[path]
            self._chunks[path] = [chunk.id for chunk in chunks]
            self._owner.update(dict.fromkeys(self._chunks[path], path))

    def take(self, paths: Iterable[str]) -> None:
        """Take files out of the index; their rows stay, without text."""
        gone = [path for path in paths if path in self.texts]
        self._forget(gone)
        with self.bench.rag.database.write() as session:
            for path in gone:
                version = self.bench.version_for(f"{self.name}/{path}")
                chunks_table.replace_chunks(session, version, [])
                put_outlines(session, [(version, self.bench.collection_id, CodeOutline(""))])
                self.texts[path] = ""

    def _forget(self, paths: Sequence[str]) -> None:
        self.bench.rag.index.delete_versions([self.bench.version_for(f"{self.name}/{path}") for path in paths])
        for path in paths:
            for key in self._chunks.pop(path, ()):
                self._owner.pop(key, None)

    def _index(self, made: Sequence[tuple[str, Sequence[Chunk]]]) -> None:
        bench, space = self.bench, self.bench.rag.space
        flat = [(f"{self.name}/{path}", chunk) for path, chunks in made for chunk in chunks]
        for start in range(0, len(flat), _GROUP):
            part = flat[start : start + _GROUP]
            vectors = space.embed_chunks([chunk for _, chunk in part], self.known)
            self.known.learn([chunk for _, chunk in part], vectors)
            bench.rag.index.upsert(
                [
                    IndexPoint(
                        chunk.id, bench.tenant_id, bench.collection_id, document_id(bench.collection_id, key),
                        bench.version_for(key), item.sparse, item.dense,
                    )
                    for (key, chunk), item in zip(part, vectors, strict=True)
                ]
            )  # fmt: skip

    def ways(self, question: str) -> dict[str, Ranking]:
        """Files by score: of each leg alone, of both fused as if the question were prose, of the product's search, and of
        the same with the reranker, where there is one."""
        rag, permit = self.bench.rag, self.bench.permit()
        language = question_language(question)
        vectors = rag.space.embed_query(question, language)
        legs = {SPARSE: LegQuery(vectors.sparse, rag.settings.retrieval.candidates)}
        if vectors.dense is not None:
            legs[DENSE] = LegQuery(vectors.dense, rag.settings.retrieval.candidates)
        found = rag.index.search(permit, legs)
        fused = rag.retriever.fused(RawLists(language, {CollectionKind.CODE: found}))
        ways = {
            "dense leg": self._files([(hit.chunk_id, hit.score) for hit in found.get(DENSE, ())]),
            "lexical leg": self._files([(hit.chunk_id, hit.score) for hit in found[SPARSE]]),
            "fused, before": self._files([(hit.chunk_id, hit.score) for hit in fused]),
            "search": self._shown(rag.retriever, question),
        }
        if self.reranker is not None:
            look = SecondLook(self.reranker, DEPTH, _NO_HURRY_MS)
            ways[RERANKED] = self._shown(dataclasses.replace(rag.retriever, second_look=look), question)
        return ways

    def _shown(self, retriever: Retriever, question: str) -> Ranking:
        shown = retriever.search(self.bench.permit(), question, limit=DEPTH).passages
        return self._files([(item.chunk.id, 1.0 / item.rank) for item in shown])

    def _files(self, hits: Sequence[tuple[UUID, float]]) -> Ranking:
        scores: Ranking = {}
        for key, score in hits:
            path = self._owner[key]
            scores[path] = max(score, scores.get(path, -1e9))
        return scores


class FileWords:
    """Words of whole files for the BM25 of `rank_bm25`: identifiers whole and in parts, each file read once."""

    def __init__(self) -> None:
        self._kept: dict[str, list[str]] = {}

    def rank(self, texts: Mapping[str, str], question: str) -> Ranking:
        """Files by BM25, defaults of the library."""
        from rank_bm25 import BM25Okapi

        paths = [path for path, text in texts.items() if text]
        scores = BM25Okapi([self._of(f"{path}\n{texts[path]}") for path in paths]).get_scores(_words(question))
        best = np.argsort(-scores)[:DEPTH]
        return {paths[i]: float(scores[i]) for i in best if scores[i] > 0.0}

    def _of(self, text: str) -> list[str]:
        if text not in self._kept:
            self._kept[text] = _words(text)
        return self._kept[text]


def _words(text: str) -> list[str]:
    found = []
    for word in _WORD.findall(text):
        humps = _HUMPS.findall(word)
        found += [word.lower(), *(hump.lower() for hump in humps if len(humps) > 1)]
    return found


MEASURES = {"recall@5": R @ 5, "recall@10": R @ 10, "MRR@10": RR @ 10}


def measured(
    gold: Mapping[str, Iterable[str]], runs: Mapping[str, Mapping[str, Ranking]]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Values of each measure, one per question in the order of `gold`, by way."""
    qrels = {question: dict.fromkeys(files, 1) for question, files in gold.items()}
    place = {question: row for row, question in enumerate(gold)}
    values = {way: {name: np.zeros(len(gold)) for name in MEASURES} for way in runs}
    names = {str(measure): name for name, measure in MEASURES.items()}
    for way, run in runs.items():
        for item in ir_measures.iter_calc(list(MEASURES.values()), qrels, run):
            values[way][names[str(item.measure)]][place[item.query_id]] = item.value
    return values


def report(
    title: str, values: Mapping[str, Mapping[str, NDArray[np.float64]]], against: str, rows: slice | None = None
) -> None:
    """Print every way with its intervals, and the search against another way, question by question."""
    rows = rows or slice(None)
    print(f"\n{title}")
    for way, measures in values.items():
        cells = []
        for name, of in measures.items():
            mean, low, high = bootstrap(of[rows])
            cells.append(f"{name} {mean:.3f} [{low:.3f}, {high:.3f}]")
        print(f"  {way:22} " + "   ".join(cells))
    pairs = [("search", against), ("search", "fused, before"), (RERANKED, "search")]
    for way, other in pairs:
        if way == other or way not in values or other not in values:
            continue
        for name in MEASURES:
            mean, low, high = bootstrap(values[way][name][rows] - values[other][name][rows])
            print(f"  {way} - {other}: {name} {mean:+.3f} [{low:+.3f}, {high:+.3f}]")
