"""From the parse result of a long document to its chunks, with what stands in them that a collection looks for.

This is what a child does for one document (`long_zygote.py`). Nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.chunking.base import Budget, TokenCounter, go_on
from ingest.chunking.structure import StructureChunker
from ingest.parsing.wire import decode_document
from ingest.pipeline.code_cutting import NOBODY, Screening
from ingest.pipeline.suspicion import suspicion
from rag.access.personal_data.scanning import detector_of, scan
from rag.domain.document import Chunk
from rag.domain.findings import ChunkFindings
from rag.domain.language import Language
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.word_counts import word_counter
from rag.text.injection import InjectionScore

PROBES = (
    "",
    "제24조제1항 연차 유급휴가는 15일로 한다.",
    "An employee who has worked for 1 year (80 % of it) is entitled to 15 days.",
)
"""Texts whose lengths say what a model adds to what its tokenizer gives: special tokens, an instruction. The same for each, but
for the empty one, with which the end of an instruction may be a token more."""


class UnlikeTokenizer(ValueError):
    """A model's lengths are not those of its tokenizer and a fixed number more."""


@dataclass(frozen=True, slots=True)
class LongRules:
    """How long documents are cut, the same for all of them: `ingest.bootstrap.budgets_for` without the model.

    Attributes:
        limits: longest chunk in each language.
        tokenizer: the dense model's `tokenizer.json`; empty without one.
        known: languages in whose chunks its tokens are counted; lexical terms are, in the others.
        probes: the model's own lengths of `PROBES`; empty without one.
    """

    limits: Mapping[Language, int]
    tokenizer: str = ""
    known: tuple[Language, ...] = ()
    probes: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        limits = {language.value: limit for language, limit in self.limits.items()}
        return {"limits": limits, "tokenizer": self.tokenizer, "known": self.known, "probes": self.probes}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> LongRules:
        """The inverse of `to_json`."""
        return LongRules(
            {Language(key): int(limit) for key, limit in data["limits"].items()},
            data["tokenizer"],
            tuple(map(Language, data["known"])),
            tuple(data["probes"]),
        )


@dataclass(frozen=True, slots=True)
class LongCut:
    """What was made of one document; its chunks belong to nobody yet.

    Attributes:
        found: what stands in each chunk that the collection wants looked for.
        suspect: whether the document seems to speak to a model.
    """

    chunks: Sequence[Chunk]
    found: Sequence[ChunkFindings]
    suspect: InjectionScore


class LongCutter:
    """Cuts documents. Loads the tokenizer at once, and what analyses Korean where it is asked for it.

    Raises:
        UnlikeTokenizer: see there.
    """

    def __init__(self, rules: LongRules) -> None:
        lexical: TokenCounter = KiwiBm25Embedder().count_tokens
        counters: dict[Language, TokenCounter] = dict.fromkeys(Language, lexical)
        if rules.known:
            counters |= dict.fromkeys(rules.known, _as_the_model(rules))
        budgets = {language: Budget(rules.limits[language], counters[language]) for language in Language}
        self._chunker = StructureChunker(budgets.__getitem__)

    def cut(self, parsed: bytes, source_key: str, screening: Screening, pause: Callable[[], None] = go_on) -> LongCut:
        """The chunks of a parse result as `encode_document` writes it.

        Args:
            pause: see `Chunker.chunk`.

        Raises:
            WireError: it is none.
        """
        document = decode_document(parsed)
        chunks = self._chunker.chunk(document, NOBODY, source_key, pause)
        found = scan(detector_of(screening.policy, screening.kind), chunks)
        return LongCut(chunks, found, suspicion(document, source_key))


def _as_the_model(rules: LongRules) -> TokenCounter:
    from tokenizers import Tokenizer

    own = word_counter(Tokenizer.from_file(rules.tokenizer))
    of_nothing, *of_texts = rules.probes
    added = {model - tokens for model, tokens in zip(of_texts, own(PROBES[1:]), strict=True)}
    if len(added) != 1:
        raise UnlikeTokenizer(sorted(added))
    [more] = added
    return lambda texts: [tokens + more if text else of_nothing for text, tokens in zip(texts, own(texts), strict=True)]
