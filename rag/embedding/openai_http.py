"""An embedder on a server inside the network that speaks OpenAI's `/v1/embeddings`: vLLM with `--runner pooling`, or TEI.

Questions and passages go through separate queues with connections and circuit breakers of their own, so a question never
waits here for an upload's requests.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np

from rag.domain.errors import ConfigurationError
from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.embedding.instructions import query_prompt
from rag.embedding.languages import languages_of
from rag.embedding.model_answers import (
    dense_rows,
    in_order,
    listed_terms,
    pooled_terms,
    token_counts,
    token_list,
)
from rag.embedding.pieces import WIDE_TEXTS, Piece
from rag.inference.traffic import aside
from rag.settings import EmbeddingSettings
from rag.text.grouping import grouped
from rag.text.token_estimate import estimated_tokens
from rag.transport.server import ModelServer, Patience, Question, UnusableAnswer

TEXTS_PER_REQUEST = 32
"""TEI refuses more by default (`--max-client-batch-size`)."""
CHARACTERS_PER_REQUEST = 64_000
AT_ONCE = {Role.QUERY: 8, Role.PASSAGE: 4}
"""Requests in flight. vLLM batches what is there by itself; four of 32 texts keep it busy and leave room for questions."""
PATIENCE = {
    Role.QUERY: Patience(timeout_s=10.0, tries=2),
    Role.PASSAGE: Patience(timeout_s=120.0, tries=5, pause_s=0.5, longest_pause_s=10.0),
}
LARGEST_ANSWER = 64 * 2**20
"""32 vectors of 8,192 numbers are some 6 MB as text."""
_NOT_THERE = frozenset({400, 404, 405, 415, 422, 424, 501})
"""How servers refuse a path or a field that they don't know; 424 is TEI's for a model that can't do it."""

_ASK_AGAIN_S = 60.0
"""So long a server counts as one without a tokenizer: while it starts, a proxy may refuse every path."""
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})

_SHORTEST_LIMIT = 8
"""A shorter `max_model_len` is a mistake, and would leave nothing between the tokens around a text."""

T = TypeVar("T")
R = TypeVar("R")
Servers = Mapping[Role, ModelServer]


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What the settings say of the model behind the server.

    Attributes:
        query_prompt: put before queries as it is.
        learned: whether the server is asked for term weights too.
        elsewhere: whether it runs on another machine.
    """

    id: str
    dimensions: int
    max_tokens: int
    languages: frozenset[Language]
    query_prompt: str = ""
    learned: bool = False
    elsewhere: bool = True


class OpenAiHttpEmbedder:
    """An `Embedder` over HTTP. Thread-safe."""

    def __init__(self, model: RemoteModel, servers: Servers) -> None:
        self._model = model
        self._servers = servers
        self._queues = {role: ThreadPoolExecutor(AT_ONCE[role], f"embed-http-{role}") for role in Role}
        self._base64 = True
        self._tokenizer: str | None = None
        self._asked_again_at = 0.0
        self._terms: str | None = None
        self._limit = model.max_tokens
        self._stop = weakref.finalize(self, _stop, list(self._queues.values()), list(servers.values()))
        self.name = f"http/{model.id}@{model.dimensions}" + "/terms" * model.learned
        self.dimensions: int | None = model.dimensions
        self.learned = model.learned
        self.multi: int | None = None
        self.max_tokens = model.max_tokens
        self.languages = model.languages
        self.piece = Piece(WIDE_TEXTS, model.elsewhere)

    def close(self) -> None:
        """End the queues and connections."""
        self._stop()

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        """Embed n texts: `dense` has shape (n, d), float32, unit rows; `sparse` the model's term weights, where asked for.

        Raises:
            ModelUnavailable: the server can't be reached, refuses, or gave a vector of wrong size or with NaN.
        """
        if role is Role.QUERY:
            texts = [self._model.query_prompt + text for text in texts]
        # Servers refuse an empty text; a space gives what the tokenizer makes of none.
        requests = list(batches([text or " " for text in texts]))
        parts = self._all(role, lambda batch: self._request(batch, role), requests)
        empty = np.empty((0, self._model.dimensions), dtype=np.float32)
        return Embeddings(
            dense=np.concatenate([empty, *(rows for rows, _ in parts)]),
            sparse=tuple(vector for _, terms in parts for vector in terms) if self.learned else None,
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text by the server's own `/tokenize`; a careful estimate where it has none (`estimated_tokens`).

        Raises:
            ModelUnavailable: the server can't be reached.
        """
        kind = self._tokenizer_kind()
        if kind == "none":
            return [estimated_tokens(text) for text in texts]
        if kind == "tei":
            counts = self._all(Role.PASSAGE, self._tei_counts, list(batches(texts)))
            return [count for part in counts for count in part]
        return [len(ids) for ids in self._all(Role.PASSAGE, lambda text: self._tokenized(text, Role.PASSAGE), texts)]

    def _all(self, role: Role, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """`work` on all items, in order, on the role's queue; after a failure what waits is not begun."""
        futures = [self._queues[role].submit(work, item) for item in items]
        try:
            with aside():
                return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _request(self, texts: Sequence[str], role: Role) -> tuple[Any, Sequence[SparseVector]]:
        if not self._model.learned:
            return self._dense(texts, role), ()
        if self._terms_kind(role) == "tei":
            return self._dense(texts, role), self._tei_terms(texts, role)
        # The weights come without the tokens they belong to: the same ids are sent for both.
        ids = [self._tokenized(text, role) for text in texts]
        limit = min(self._model.max_tokens, self._limit)
        ids = [one if len(one) <= limit else [*one[: limit - 1], one[-1]] for one in ids]
        return self._dense(ids, role), self._pooled_terms(ids, role)

    def _dense(self, texts: Sequence[str] | Sequence[list[int]], role: Role) -> Any:
        body: dict[str, Any] = {"model": self._model.id, "input": list(texts)}
        body[
            "truncate_prompt_tokens"
        ] = -1  # at the model's own limit; without it vLLM refuses longer ones. TEI cuts anyway
        server = self._servers[role]
        if self._base64:
            reply = server.exchange("/v1/embeddings", body | {"encoding_format": "base64"})
            if reply.ok:
                return self._checked(role, "/v1/embeddings", dense_rows, reply.body, len(texts), self._model.dimensions)
            if reply.status not in (400, 422):
                raise server.refusal(reply)
        answer = server.post("/v1/embeddings", body)
        self._base64 = False  # it takes the request, but not that way
        return self._checked(role, "/v1/embeddings", dense_rows, answer, len(texts), self._model.dimensions)

    def _checked(self, role: Role, path: str, read: Callable[..., R], *args: Any) -> R:
        try:
            return read(*args)
        except UnusableAnswer as error:
            raise self._servers[role].refused(path, str(error), error.korean) from error

    # ---- term weights

    def _terms_kind(self, role: Role) -> str:
        """Which of the two ways to term weights the server has. One that was found is remembered; that there is none is not,
        since a proxy refuses every path for a moment while the server behind it starts."""
        kind = self._terms
        if kind is None:  # without a lock, in which a question could wait for an upload's call
            ways = {"vllm": ("/pooling", self._pooling_body([[0, 5, 2]])), "tei": ("/embed_sparse", _inputs(["a"]))}
            kind = self._first(role, ways)
            if kind == "none":
                raise self._servers[role].refused(
                    "/pooling",
                    "no term weights; set embedding.term_weights to false",
                    "어휘 가중치를 주지 않습니다. embedding.term_weights를 false로 하세요",
                )
            self._terms = kind
        return kind

    def _pooling_body(self, ids: Sequence[list[int]]) -> dict[str, Any]:
        return {"model": self._model.id, "task": "token_classify", "input": list(ids)}

    def _pooled_terms(self, ids: Sequence[list[int]], role: Role) -> list[SparseVector]:
        answer = self._servers[role].post("/pooling", self._pooling_body(ids))
        items = self._checked(role, "/pooling", in_order, answer, len(ids))
        return [self._checked(role, "/pooling", pooled_terms, *pair) for pair in zip(items, ids, strict=True)]

    def _tei_terms(self, texts: Sequence[str], role: Role) -> list[SparseVector]:
        answer = self._servers[role].post("/embed_sparse", _inputs(texts) | {"truncate": True})
        return self._checked(role, "/embed_sparse", listed_terms, answer, len(texts))

    # ---- tokens

    def _tokenizer_kind(self) -> str:
        """Which of the two ways to count tokens the server has; where it has none, it is asked again after a while."""
        kind = self._tokenizer
        if kind is None or (kind == "none" and time.monotonic() >= self._asked_again_at):
            ways = {"vllm": ("/tokenize", self._tokenize_body("a")), "tei": ("/tokenize", _inputs(["a"]))}
            kind = self._first(Role.PASSAGE, ways)
            self._tokenizer, self._asked_again_at = kind, time.monotonic() + _ASK_AGAIN_S
        return kind

    def _first(self, role: Role, ways: Mapping[str, tuple[str, dict[str, Any]]]) -> str:
        for kind, (path, body) in ways.items():
            reply = self._servers[role].exchange(path, body)
            if reply.ok:
                return kind
            if reply.status not in _NOT_THERE:
                raise self._servers[role].refusal(reply)
        return "none"

    def _tokenize_body(self, text: str) -> dict[str, Any]:
        return {"model": self._model.id, "prompt": text, "add_special_tokens": True}

    def _tokenized(self, text: str, role: Role) -> list[int]:
        answer = self._servers[role].post("/tokenize", self._tokenize_body(text))
        longest = answer.get("max_model_len") if isinstance(answer, dict) else None
        if type(longest) is int and longest >= _SHORTEST_LIMIT:
            self._limit = longest
        return self._checked(role, "/tokenize", token_list, answer)

    def _tei_counts(self, texts: Sequence[str]) -> list[int]:
        answer = self._servers[Role.PASSAGE].post("/tokenize", _inputs(texts) | {"add_special_tokens": True})
        return self._checked(Role.PASSAGE, "/tokenize", token_counts, answer, len(texts))


def _inputs(texts: Sequence[str]) -> dict[str, Any]:
    return {"inputs": list(texts)}


def _stop(queues: Sequence[ThreadPoolExecutor], servers: Sequence[ModelServer]) -> None:
    for queue in queues:
        queue.shutdown(wait=False, cancel_futures=True)
    for server in servers:
        server.close()


def _shortest_text(model: str) -> Question:
    return Question("/v1/embeddings", {"model": model, "input": ["a"]})


def batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """`texts` in order, in lists of at most `TEXTS_PER_REQUEST` and `CHARACTERS_PER_REQUEST`; a longer one stands alone."""
    return grouped(texts, TEXTS_PER_REQUEST, CHARACTERS_PER_REQUEST)


def open_openai_http(settings: EmbeddingSettings) -> OpenAiHttpEmbedder:
    """The embedder of the settings; the server is not asked yet.

    Term weights are asked of a model whose name says that it is a bge-m3: of another, the server would refuse them.

    Raises:
        ConfigurationError: address, model, or width is missing, or the key file can't be read.
    """
    if not settings.model or settings.dimensions is None:
        raise ConfigurationError(
            detail="embedding: openai_http needs url, model and dimensions",
            detail_ko="embedding: openai_http에는 url, model, dimensions가 필요합니다",
        )
    root = (settings.url or "").rstrip("/").removesuffix("/v1")
    servers = {
        role: ModelServer(
            settings.model,
            root,
            key_file=settings.api_key_file,
            patience=PATIENCE[role],
            # Of a question nobody counts tries; a document is set aside after three.
            asked_first=_shortest_text(settings.model) if role is Role.PASSAGE else None,
            connections=AT_ONCE[role],
            max_response_bytes=LARGEST_ANSWER,
        )
        for role in Role
    }
    model = RemoteModel(
        settings.model,
        settings.dimensions,
        settings.max_tokens,
        languages_of(settings),
        query_prompt(settings.model, settings.query_instruction),
        settings.term_weights and "bge-m3" in settings.model.lower(),
        urlsplit(root).hostname not in _HERE,
    )
    return OpenAiHttpEmbedder(model, servers)
