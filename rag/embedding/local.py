"""An embedder whose model runs in this process: packed batches on lanes, whatever runs the model.

Texts are sorted by length and packed into batches of bounded size (buffers stay in cache and little is padded), and each
batch runs on one lane with its own few threads (no barrier between cores after every small operation).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rag.domain.errors import ModelUnavailable
from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Role
from rag.embedding.decoding import Decode
from rag.embedding.outputs import Outputs, take
from rag.embedding.pieces import Piece
from rag.embedding.precision import Precision
from rag.inference.batcher import Batcher
from rag.inference.batches import MOST_PADDING, Bounds, TokenIds, pack
from rag.inference.lanes import Lanes

SMALLEST_SHARE = 128
"""Tokens below which a batch is not split across idle lanes: the overhead of a forward pass would outweigh the gain."""

SMALLEST_PADDED = 32
"""Padded tokens up to which padding does not matter on a CPU: there a few tokens take about as long as one. With 128, eight short
texts came to 1.24 padded tokens for each real one, with 32 to 1.05 (`benchmarks/flag_encoding.py --median 8`)."""


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What an embedder says about its model.

    Attributes:
        max_tokens: longest text; longer ones are cut by the tokenizer.
        prompts: what stands before the texts of a role.
    """

    name: str
    languages: frozenset[Language]
    outputs: Outputs
    max_tokens: int
    prompts: Mapping[Role, str] = field(default_factory=dict)
    precision: Precision = "float32"


def no_error_is_of_memory(error: Exception) -> bool:
    """For models that can't run out of memory."""
    return False


class LocalEmbedder:
    """An `Embedder`. Built by `load_sentence_transformer` and `load_flag`; tests build it with fakes."""

    def __init__(
        self,
        description: ModelDescription,
        *,
        bounds: Bounds,
        tokenize: Callable[[Sequence[str]], list[TokenIds]],
        count_tokens: Callable[[Sequence[str]], list[int]],
        forward: Callable[[list[TokenIds]], Embeddings],
        lanes: Lanes,
        lacks_memory: Callable[[Exception], bool] = no_error_is_of_memory,
        token_decoder: Callable[[], Decode] | None = None,
        piece: Piece = Piece(),  # noqa: B008 - it is frozen
    ) -> None:
        """Put the parts together.

        Args:
            bounds: of one batch; a single longer text still makes a batch of its own.
            tokenize: n texts to their token ids, special tokens included, cut at `max_tokens`.
            count_tokens: n texts to their uncut lengths.
            forward: m token id lists to the vectors of m texts, as `description.outputs` declares them. Runs on a lane.
            lacks_memory: whether an error of `forward` says that the batch was too large: then it is halved.
            token_decoder: makes what turns token ids back to text; it takes a tokenizer of its own, so only where asked for.
        """
        self.description = description
        self.name = description.name
        self.languages = description.languages
        self.dimensions: int | None = description.outputs.dimensions
        self.learned = description.outputs.learned
        self.multi = description.outputs.multi
        self.max_tokens = description.max_tokens
        self.precision = description.precision
        self.bounds = bounds
        self.piece = piece
        self._outputs = description.outputs
        self._tokenize = tokenize
        self._count_tokens = count_tokens
        self._token_decoder = token_decoder
        self._decode: Decode | None = None
        self._lanes = lanes
        self._batcher = Batcher(
            name=description.name,
            forward=forward,
            results=description.outputs,
            lanes=lanes,
            bounds=bounds,
            lacks_memory=lacks_memory,
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text as a passage, in the model's own tokens, special tokens and prompt included, uncut."""
        return self._count_tokens(self._prompted(texts, Role.PASSAGE))

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        """Embed n texts; parts and widths are the declared ones. Thread-safe; queries go first.

        Raises:
            ModelUnavailable: the model failed, or gave a vector of wrong size, with NaN, or of no length.
        """
        token_ids = self._tokenize(self._prompted(texts, role)) if texts else []
        batches = self.batches([len(ids) for ids in token_ids])
        futures = self._batcher.submit([[token_ids[i] for i in batch] for batch in batches], urgent=role is Role.QUERY)
        try:
            made = self._outputs.join([future.result() for future in futures])
        except (RuntimeError, MemoryError) as error:  # torch reports a lack of memory and broken kernels with the first
            raise ModelUnavailable(name=self.name) from error
        finally:
            for future in futures:
                future.cancel()  # no effect on finished ones; after a failure the rest must not hold the lanes
        order = np.array([i for batch in batches for i in batch], dtype=np.intp)
        return take(made, np.argsort(order).tolist())

    def token_decoder(self) -> Decode | None:
        """See `decoder_of`."""
        if self._decode is None and self._token_decoder is not None:
            self._decode = self._token_decoder()
        return self._decode

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Packed batches for texts of these lengths; a small job is cut finer, so that every lane has a part of it."""
        share = math.ceil(sum(lengths) / self._lanes.count)
        return pack(lengths, replace(self.bounds, budget=min(self.bounds.budget, max(share, SMALLEST_SHARE))))

    def _prompted(self, texts: Sequence[str], role: Role) -> Sequence[str]:
        prompt = self.description.prompts.get(role, "")
        return [prompt + text for text in texts] if prompt else texts


def bounds_of(budget: int, smallest: int = SMALLEST_PADDED) -> Bounds:
    """Bounds of a batch for a model in this process."""
    return Bounds(budget, smallest, MOST_PADDING)
