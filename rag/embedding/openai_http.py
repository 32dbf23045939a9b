"""Vectors from a pooling server: vLLM, or Text Embeddings Inference, by OpenAI's `/v1/embeddings`.

Queries and passages have connections of their own: a question never waits behind an upload. Long work is cut into requests of at
most `TOGETHER` texts, several at once.

A bge-m3 served by vLLM also gives its term weights: one weight per token by `/pooling` (task `token_classify`), which are brought
together per token id as FlagEmbedding does. TEI gives them by `/embed_sparse`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.settings import EmbeddingSettings
from rag.transport.server import ModelServer, Patience, key_of

TOGETHER = 32
"""Texts in one request. The server batches across requests by itself; fewer would cost more in requests than in work."""
MOST_CHARACTERS = 200_000
"""Characters in one request: long passages come in fewer at a time."""
QUERY_CONNECTIONS = 8
BULK_CONNECTIONS = 4
_FLAT = 1e-6
"""A vector this short has no direction."""
WeightsFrom = Literal["none", "vllm", "tei"]
CountTokens = Callable[[Sequence[str]], list[int]]


class HttpEmbedder:
    """An `Embedder` on a server. `open_http_embedder` makes one."""

    def __init__(
        self,
        server: ModelServer,
        *,
        model: str,
        dimensions: int,
        max_tokens: int,
        languages: frozenset[Language],
        count_tokens: CountTokens,
        query_instruction: str = "",
        weights_from: WeightsFrom = "none",
        special_tokens: frozenset[int] = frozenset(),
    ) -> None:
        self._server = server
        self._model = model
        self._width = dimensions
        self.dimensions: int | None = dimensions
        self.max_tokens = max_tokens
        self.languages = languages
        self.learned = weights_from != "none"
        self.multi: int | None = None
        self._count_tokens = count_tokens
        self._query_prefix = f"Instruct: {query_instruction}\nQuery:" if query_instruction else ""
        self._weights_from = weights_from
        self._special = special_tokens
        self._pools = {
            Role.QUERY: ThreadPoolExecutor(QUERY_CONNECTIONS, thread_name_prefix="embed-query"),
            Role.PASSAGE: ThreadPoolExecutor(BULK_CONNECTIONS, thread_name_prefix="embed-bulk"),
        }

    @property
    def name(self) -> str:
        """The model's name on its server and what is kept of its vectors. Neither the server's address nor the instruction,
        which passages' vectors do not depend on."""
        return f"{self._model}/{self._width}{'/weights' if self.learned else ''}"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in the model's tokens where its tokenizer is at hand, else an estimate that is rather too long."""
        return self._count_tokens(texts)

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        """Embed n texts: `dense` has shape (n, d), float32, unit rows; see `Embedder.embed`. Thread-safe.

        Raises:
            ModelUnavailable: the server can't be reached, or gave something else than n such vectors.
        """
        if role is Role.QUERY and self._query_prefix:
            texts = [self._query_prefix + text for text in texts]
        parts = _parts(texts)
        pool = self._pools[role]
        dense = [pool.submit(self._dense, part) for part in parts]
        weights = [pool.submit(self._weights, part) for part in parts] if self.learned else []
        try:
            rows = [future.result() for future in dense]
            sparse = [vector for future in weights for vector in future.result()]
        finally:
            _cancel(dense)
            _cancel(weights)
        matrix = np.concatenate(rows) if rows else np.empty((0, self._width), dtype=np.float32)
        return Embeddings(dense=matrix, sparse=tuple(sparse) if self.learned else None)

    def close(self) -> None:
        """End the connections."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._server.close()

    def _dense(self, texts: list[str]) -> NDArray[np.float32]:
        """Shape (m, d), float32, unit rows."""
        body: dict[str, Any] = {
            "model": self._model,
            "input": texts,
            "encoding_format": "base64",  # a quarter of the bytes of decimal numbers, and exact
            "truncate_prompt_tokens": self.max_tokens,  # vLLM's; others cut by their own settings and overlook it
        }
        reply = self._server.post("/v1/embeddings", body)
        try:
            matrix = np.stack([_floats(item) for item in _in_order(reply["data"], len(texts))])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelUnavailable(name=self._model) from error
        return self._checked(matrix)

    def _checked(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit rows of the width asked for; a Matryoshka model that gave more is cut."""
        if matrix.ndim != 2 or matrix.shape[1] < self._width:
            raise ModelUnavailable(name=self._model)
        cut = matrix[:, : self._width]
        lengths = np.linalg.norm(cut, axis=1, keepdims=True)
        if not bool(np.all(np.isfinite(lengths) & (lengths > _FLAT))):
            raise ModelUnavailable(name=self._model)
        unit: NDArray[np.float32] = (cut / lengths).astype(np.float32)
        return unit

    def _weights(self, texts: list[str]) -> list[SparseVector]:
        """The model's term weights of m texts."""
        try:
            if self._weights_from == "tei":
                reply = self._server.post("/embed_sparse", {"inputs": texts, "truncate": True})
                found = [{int(item["index"]): float(item["value"]) for item in row} for row in reply]
            else:
                found = self._pooled(texts)
            if len(found) != len(texts):
                raise ValueError("another number of texts")
            return [_sparse(row) for row in found]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelUnavailable(name=self._model) from error

    def _pooled(self, texts: list[str]) -> list[dict[int, float]]:
        """vLLM gives a weight per token, so its tokens are asked for too."""
        body = {
            "model": self._model,
            "input": texts,
            "task": "token_classify",
            "truncate_prompt_tokens": self.max_tokens,
        }
        rows = _in_order(self._server.post("/pooling", body)["data"], len(texts))
        return [self._by_token(text, row["data"]) for text, row in zip(texts, rows, strict=True)]

    def _by_token(self, text: str, weights: Sequence[Any]) -> dict[int, float]:
        """The largest weight of each token id, special tokens left out (`BGEM3FlagModel` does the same).

        Raises:
            ValueError: there is not one weight per token, with or without the special ones at both ends.
        """
        reply = self._server.post("/tokenize", {"model": self._model, "prompt": text})
        tokens = [int(token) for token in reply["tokens"]][: self.max_tokens]
        flat = [float(item[0] if isinstance(item, list) else item) for item in weights]
        if len(flat) == len(tokens) - 2:
            tokens = tokens[1:-1]
        if len(flat) != len(tokens):
            raise ValueError("not one weight per token")
        found: dict[int, float] = {}
        for token, weight in zip(tokens, flat, strict=True):
            if token not in self._special and weight > found.get(token, 0.0):
                found[token] = weight
        return found


def open_http_embedder(settings: EmbeddingSettings) -> HttpEmbedder:
    """The embedder of the settings. Without `embedding.dimensions` the server is asked once for the width.

    Raises:
        ConfigurationError: they name no server or no model.
        ModelUnavailable: the width is not known and the server can't be reached.
    """
    if settings.url is None or not settings.model:
        raise ConfigurationError(detail="embedding.url and embedding.model: the server and its model are both needed")
    server = ModelServer(
        settings.url,
        name=settings.model,
        api_key=key_of(settings.api_key_file),
        patience=Patience(timeout_s=60.0),
    )
    counter, special = _tokenizer(settings.folder)
    return HttpEmbedder(
        server,
        model=settings.model,
        dimensions=settings.dimensions or _width(server, settings.model),
        max_tokens=settings.max_tokens,
        languages=frozenset(Language(item) for item in settings.languages),
        count_tokens=counter,
        query_instruction=settings.query_instruction,
        weights_from=settings.weights_from,
        special_tokens=special,
    )


def _width(server: ModelServer, model: str) -> int:
    reply = server.post("/v1/embeddings", {"model": model, "input": ["서고"], "encoding_format": "base64"})
    try:
        return len(_floats(_in_order(reply["data"], 1)[0]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable(name=model) from error


def _tokenizer(folder: Path | None) -> tuple[CountTokens, frozenset[int]]:
    """The counter of a folder that holds the model's `tokenizer.json`, and its special tokens; without one, an estimate.

    Raises:
        ConfigurationError: the folder holds no such file.
    """
    if folder is None:
        return estimated_tokens, frozenset({0, 1, 2, 3})  # of XLM-RoBERTa: <s>, <pad>, </s>, <unk>
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises this very class
        raise ConfigurationError(detail=f"embedding.folder: {folder} holds no tokenizer.json") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    special = frozenset(key for key, token in tokenizer.get_added_tokens_decoder().items() if token.special)
    return lambda texts: [len(item.ids) for item in tokenizer.encode_batch_fast(list(texts))], special


def estimated_tokens(texts: Sequence[str]) -> list[int]:
    """Two special tokens, one per character beyond ASCII, and one per two ASCII characters.

    More than the tokenizers of bge-m3 and Qwen3 need for prose (about .6 per Hangul syllable, .25 per Latin letter), so that a
    chunk cut by it fits; only long runs of rare symbols, which fall apart into bytes, take more, and there the server cuts.
    """
    return [2 + len(text) - (ascii_ := sum(map(str.isascii, text))) + math.ceil(ascii_ / 2) for text in texts]


def _parts(texts: Sequence[str]) -> list[list[str]]:
    """The texts in order, in requests of bounded size."""
    parts: list[list[str]] = []
    room = 0
    for text in texts:
        if not parts or len(parts[-1]) == TOGETHER or len(text) > room:
            parts.append([])
            room = MOST_CHARACTERS
        parts[-1].append(text)
        room -= len(text)
    return parts


def _in_order(items: Any, count: int) -> list[Any]:
    """The items of a reply by their index, each exactly once.

    Raises:
        ValueError: one is missing, or there twice.
    """
    found = {item["index"]: item for item in items}
    if len(items) != count or sorted(found) != list(range(count)):
        raise ValueError("not one item per text")
    return [found[index] for index in range(count)]


def _floats(item: Any) -> NDArray[np.float32]:
    """An item's vector, as base64 of little-endian float32 or as numbers.

    Raises:
        ValueError: it is neither.
    """
    given = item["embedding"]
    if isinstance(given, str):
        return np.frombuffer(base64.b64decode(given, validate=True), dtype="<f4")
    return np.asarray(given, dtype=np.float32)


def _sparse(weights: dict[int, float]) -> SparseVector:
    """Ascending ids, positive weights.

    Raises:
        ValueError: an id or a weight is none.
    """
    kept = sorted((index, weight) for index, weight in weights.items() if weight > 0.0)
    if not all(0 <= index < 2**32 and math.isfinite(weight) for index, weight in kept):
        raise ValueError("not a weight")
    return SparseVector(tuple(index for index, _ in kept), tuple(weight for _, weight in kept))


def _cancel(futures: Sequence[Future[Any]]) -> None:
    """No effect on finished ones; after a failure the rest must not hold the connections."""
    for future in futures:
        future.cancel()
