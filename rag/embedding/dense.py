"""An embedder of dense vectors: packed batches on lanes, whatever runs the model.

Texts are sorted by length and packed into batches of bounded size (buffers stay in cache and little is padded), and each
batch runs on one lane with its own few threads (no barrier between cores after every small operation).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from rag.domain.errors import ModelUnavailable
from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Role
from rag.embedding.batches import TokenIds, pack
from rag.embedding.lanes import Lanes, Vectors
from rag.embedding.precision import Precision

SMALLEST_SHARE = 128
"""Tokens below which a batch is not split across idle lanes: the overhead of a forward pass would outweigh the gain."""

UNIT_TOLERANCE = 1e-3


class DenseEmbedder:
    """An `Embedder` for dense vectors. Built by `load_sentence_transformer`; tests build it with fakes."""

    def __init__(
        self,
        *,
        name: str,
        languages: frozenset[Language],
        dimensions: int,
        max_tokens: int,
        token_budget: int,
        tokenize: Callable[[Sequence[str]], list[TokenIds]],
        count_tokens: Callable[[Sequence[str]], list[int]],
        forward: Callable[[list[TokenIds]], Vectors],
        lanes: Lanes,
        query_prompt: str | None = None,
        precision: Precision = "float32",
    ) -> None:
        """Put the parts together.

        Args:
            token_budget: most padded tokens in one batch; a single longer text still makes a batch of its own.
            tokenize: n texts to their token ids, special tokens included, cut at `max_tokens`.
            count_tokens: n texts to their uncut lengths.
            forward: m token id lists to shape (m, `dimensions`), float32, unit rows. Runs on a lane.
            query_prompt: put before queries, never before passages.
        """
        self.name = name
        self.languages = languages
        self.dimensions: int | None = dimensions
        self.learned = False
        self.multi: int | None = None
        self.max_tokens = max_tokens
        self.token_budget = token_budget
        self.precision = precision
        self._width = dimensions
        self._tokenize = tokenize
        self._count_tokens = count_tokens
        self._forward = forward
        self._lanes = lanes
        self._query_prompt = query_prompt or ""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in the model's own tokens, special tokens included, uncut."""
        return self._count_tokens(texts)

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        """Embed n texts: `dense` has shape (n, d), float32, rows of unit length. Thread-safe; queries go first.

        Raises:
            ModelUnavailable: the model failed, or gave a vector of wrong size, with NaN, or of no length.
        """
        if role is Role.QUERY and self._query_prompt:
            texts = [self._query_prompt + text for text in texts]
        token_ids = self._tokenize(texts) if texts else []
        batches = self.batches([len(ids) for ids in token_ids])
        dense = np.empty((len(texts), self._width), dtype=np.float32)
        futures = [self._lanes.submit(role, partial(self._forward, [token_ids[i] for i in batch])) for batch in batches]
        try:
            for batch, future in zip(batches, futures, strict=True):
                dense[batch] = self._checked(future.result(), len(batch))
        except RuntimeError as error:  # torch reports a lack of memory and broken kernels with it
            raise ModelUnavailable(name=self.name) from error
        finally:
            for future in futures:
                future.cancel()  # no effect on finished ones; after a failure the rest must not hold the lanes
        return Embeddings(dense=dense)

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Packed batches for texts of these lengths; a small job is cut finer, so that every lane has a part of it."""
        share = math.ceil(sum(lengths) / self._lanes.count)
        return pack(lengths, min(self.token_budget, max(share, SMALLEST_SHARE)))

    def _checked(self, vectors: Vectors, count: int) -> Vectors:
        """`vectors` unless its shape, a NaN or a row's length shows that the model is broken."""
        sound = vectors.shape == (count, self._width) and bool(
            np.all(np.abs(np.linalg.norm(vectors, axis=1) - 1.0) < UNIT_TOLERANCE)  # false for NaN and infinity too
        )
        if not sound:
            raise ModelUnavailable(name=self.name)
        return vectors
