"""From a source file to all that the record and the index hold of it, in one go: chunks, outline, lexical vectors, screening.

This is what a child of the code lane does for one file after the other (`code_zygote.py`). Nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from ingest.chunking.base import Budget, TokenCounter
from ingest.chunking.code_syntax import CodeChunker
from ingest.chunking.structure import StructureChunker
from ingest.parsing.bounds import bounded, characters_of, require_readable
from ingest.parsing.code import read_code
from ingest.parsing.seen import as_seen
from ingest.pipeline.discretion import discreet
from ingest.pipeline.suspicion import suspicion
from rag.access.personal_data.scanning import detector_of, record_of, scan
from rag.domain.code import CodeOutline
from rag.domain.document import Chunk, ParsedDocument, recipe_of
from rag.domain.errors import EmptyFile, NoTextFound
from rag.domain.findings import ChunkFindings
from rag.domain.language import CollectionKind, Language
from rag.domain.personal_data import PersonalDataRecord, PrivacyPolicy, policy_from_json
from rag.domain.vectors import SparseVector
from rag.embedding.base import Role
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.passage_text import lexical_text
from rag.embedding.word_counts import word_counter
from rag.text.analysis import has_korean
from rag.text.injection import InjectionScore
from rag.text.token_estimate import estimated_tokens

NOBODY = UUID(int=0)
"""Stands for the version while a file is cut: the ids of its chunks are made where the version is known."""


@dataclass(frozen=True, slots=True)
class CutRules:
    """How files are cut, the same for all of them.

    Attributes:
        tokenizer: the dense model's `tokenizer.json`; empty where its tokens can only be estimated.
        tokens: longest chunk in its tokens; 0 where no model reads code.
        terms: longest chunk in lexical terms, where none does.
    """

    tokenizer: str = ""
    tokens: int = 240
    terms: int = 400

    def budget(self, language: Language) -> Budget:
        """What `ingest.bootstrap.budgets_for` gives for code."""
        if not self.tokens:
            return Budget(self.terms, KiwiBm25Embedder().count_tokens)
        return Budget(self.tokens, _counter(self.tokenizer))


@lru_cache(maxsize=2)
def _counter(tokenizer: str) -> TokenCounter:
    if not tokenizer:
        return lambda texts: [estimated_tokens(text) for text in texts]
    from tokenizers import Tokenizer

    return word_counter(Tokenizer.from_file(tokenizer))


@dataclass(frozen=True, slots=True)
class Screening:
    """What a collection wants looked for."""

    policy: PrivacyPolicy
    kind: CollectionKind

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"policy": self.policy.to_json(), "kind": self.kind.value}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Screening:
        """The inverse of `to_json`."""
        return Screening(policy_from_json(data["policy"]), CollectionKind(data["kind"]))


@dataclass(frozen=True, slots=True)
class CutFile:
    """What was made of one file.

    Attributes:
        sparse: lexical vector of each chunk, as the index may see it; None where somebody with Kiwi has to make it.
        found: what stands in each chunk that the collection wants looked for.
        record: the same as it goes on record.
        suspect: whether it seems to speak to a model.
    """

    media_type: str
    parser: str
    title: str
    warnings: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    sparse: tuple[SparseVector | None, ...]
    found: tuple[ChunkFindings, ...]
    record: PersonalDataRecord
    suspect: InjectionScore
    outline: CodeOutline | None = None


class Cutter:
    """Cuts files. One for a whole process."""

    def __init__(self, rules: CutRules) -> None:
        self._chunker = StructureChunker(rules.budget)
        self._lexical = KiwiBm25Embedder()

    def cut(self, content: bytes, source_key: str, screening: Screening) -> CutFile:
        """All that is to be known of a file.

        Raises:
            EmptyFile, NoTextFound, ParseLimitExceeded: what is wrong with it.
        """
        name = source_key.rpartition("/")[2]
        if not content:
            raise EmptyFile(name=name)
        document = _read(content, name)
        chunks = self._chunker.chunk(document, NOBODY, source_key)
        if not chunks:
            raise NoTextFound(name=name)
        found = scan(detector_of(screening.policy, screening.kind), chunks)
        record = record_of(found, screening.policy, None)
        chunks, outline = discreet(chunks, found, record, document.outline)
        return CutFile(
            media_type=document.media_type,
            parser=document.parser,
            title=document.title,
            warnings=document.warnings,
            chunks=tuple(chunks),
            sparse=self._sparse(shown(chunks, found, record)),
            found=tuple(found),
            record=record,
            suspect=suspicion(document, source_key),
            outline=outline,
        )

    def _sparse(self, chunks: Sequence[Chunk]) -> tuple[SparseVector | None, ...]:
        """Korean texts are left to the service: Kiwi has threads, which don't survive a fork, and every child would load it."""
        texts = [lexical_text(chunk) for chunk in chunks]
        korean = [has_korean(text) for text in texts]
        plain = [text for text, left in zip(texts, korean, strict=True) if not left]
        made = iter(self._lexical.embed(plain, Role.PASSAGE).sparse or ())
        return tuple(None if left else next(made) for left in korean)


def shown(chunks: Sequence[Chunk], found: Sequence[ChunkFindings], record: PersonalDataRecord) -> Sequence[Chunk]:
    """The chunks as the index and its models may read them; see `rag.store.chunk.for_index`."""
    if not record.hidden:
        return chunks
    return [chunk.masked(one.only(record.hidden)) for chunk, one in zip(chunks, found, strict=True)]


def recipe_of_cut(cut: CutFile) -> str:
    """What the ids of a file's chunks are made from, beside its version and their place; the same as in the ordinary way."""
    chunker = StructureChunker.name if cut.outline is None else CodeChunker.name
    return recipe_of(cut.parser, chunker)


def tokenizer_of(path: Path | None) -> str:
    """`CutRules.tokenizer` for a model's folder."""
    file = None if path is None else path / "tokenizer.json"
    return str(file) if file is not None and file.is_file() else ""


def _read(content: bytes, name: str) -> ParsedDocument:
    """The file as read, within what one document may hold. Where to cut an outlined one is for its chunker alone."""
    document = as_seen(lambda: read_code(content, name))
    if document.outline is None:
        return bounded(document, name)
    require_readable(characters_of(document), name)
    return document
