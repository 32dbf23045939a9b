"""BM25 as sparse vectors: Korean by Kiwi, English and identifiers by rules. The index multiplies by its own idf."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.text.analysis import BIGRAM_WEIGHT, Analysis, Analyzer, term_weight

K1 = 1.0
"""nDCG@10 for .9, 1.0, 1.2: ko_finlaw .889, .885, .877; en_scifact_train .708, .709, .708; en_hotpotqa200 .779, .780, .782."""
B = 0.75
"""ko_finlaw loses 2-3 points with .5; English is flat from .4 to .9."""
AVERAGE_LENGTH = 200.0
"""Terms of a typical passage: a constant, so that a vector never depends on what else is in the index. For 100, 200, 300 and the
set's own mean: ko_finlaw .868, .885, .894, .882; en_scifact_train .703, .709, .708, .709; en_hotpotqa200 .789, .780, .770, .789.
Only short code suffers (code_cosqa_dev, mean 49: .364, .340, .326, .393), and there the lexical leg is worth little."""
_CHARACTERS_PER_TERM = 32
"""Prose has 2 to 7. A run of a million letters is one term, and a chunk of 400 such would be 400 MB."""
_UNLIMITED = 2**31 - 1
_MOST_IDS = 1 << 13


def term_id(term: str) -> int:
    """Unsigned 32-bit id of a term, the same on every machine and for ever (BLAKE2b, big-endian)."""
    return int.from_bytes(blake2b(term.encode(), digest_size=4).digest())


class _Ids(dict[str, int]):
    """`term_id` of terms that were met: a text has some fifty, most of them not for the first time."""

    def __missing__(self, term: str) -> int:
        if len(self) >= _MOST_IDS:
            self.clear()
        found = self[term] = term_id(term)
        return found


_IDS = _Ids()


def forget_ids() -> None:
    """Empty what is remembered of terms; it fills again with the next texts."""
    _IDS.clear()


def _vector(values: Mapping[str, float], weight: Callable[[float], float]) -> SparseVector:
    """The weight of each term's value by term id, ascending; those of terms that share an id are added up."""
    by_id = dict(zip(map(_IDS.__getitem__, values), values.values(), strict=True))
    indices = tuple(sorted(by_id))
    if len(by_id) == len(values):
        return SparseVector(indices, tuple(map(weight, map(by_id.__getitem__, indices))))
    sums: dict[int, float] = {}
    for index, value in sorted((_IDS[term], weight(value)) for term, value in values.items()):
        sums[index] = sums.get(index, 0.0) + value
    return SparseVector(indices, tuple(map(sums.__getitem__, indices)))


class KiwiBm25Embedder:
    """Sparse vectors whose dot product, with the index's idf on the query's side, is the BM25 score.

    A passage's term has f·(k1+1) / (f + k1·(1-b+b·length/average)) (Robertson & Zaragoza 2009, eq. 3.15), a question's
    term its weight: 1, or less for a bigram, however often the question repeats it.
    """

    def __init__(
        self, analyzer: Analyzer | None = None, *, k1: float = K1, b: float = B, average_length: float = AVERAGE_LENGTH
    ) -> None:
        self._analyzer = analyzer or Analyzer()
        self._k1, self._b, self._average_length = k1, b, average_length

    @property
    def name(self) -> str:
        """Analysis and parameters; vectors of different names don't go together."""
        numbers = f"k1={self._k1:g},b={self._b:g},avg={self._average_length:g},bigram={BIGRAM_WEIGHT:g}"
        return f"bm25/{self._analyzer.name}/{numbers}"

    @property
    def dimensions(self) -> int | None:
        """None: there is no dense vector."""
        return None

    @property
    def learned(self) -> bool:
        """False: the weights are BM25's, and want the index's idf."""
        return False

    @property
    def multi(self) -> int | None:
        """None: there are no token vectors."""
        return None

    @property
    def max_tokens(self) -> int:
        """Practically unlimited."""
        return _UNLIMITED

    @property
    def languages(self) -> frozenset[Language]:
        """All of them."""
        return frozenset(Language)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of terms of each text, bigrams not counted; at least one for every `_CHARACTERS_PER_TERM` characters."""
        analyses = self._analyzer.analyses(texts)
        return [
            max(analysis.length, len(text) // _CHARACTERS_PER_TERM)
            for text, analysis in zip(texts, analyses, strict=True)
        ]

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        """Sparse vectors of n texts; an empty one for a text without terms."""
        analyses = self._analyzer.analyze_batch(texts)
        if role is Role.QUERY:
            asked = ({term: term_weight(term) for term in analysis.counts} for analysis in analyses)
            return Embeddings(sparse=tuple(_vector(weights, float) for weights in asked))
        return Embeddings(sparse=tuple(map(self._of_passage, analyses)))

    def _of_passage(self, analysis: Analysis) -> SparseVector:
        norm, most = self._k1 * (1.0 - self._b + self._b * analysis.length / self._average_length), self._k1 + 1.0
        of_count: dict[float, float] = {count: count * most / (count + norm) for count in set(analysis.counts.values())}
        return _vector(analysis.counts, of_count.__getitem__)
