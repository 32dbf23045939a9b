"""A reranker behind a server: Text Embeddings Inference, vLLM, or anything of Cohere's shape.

What each answers, by its own documentation: TEI to `POST /rerank {query, texts}` a list of `{index, score}`; vLLM to
`POST /v1/rerank` and Cohere to `POST /v2/rerank {model, query, documents}` an object whose `results` are
`{index, relevance_score}`. All three give scores from 0 to 1 for models with one label: the server applies the sigmoid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.settings import RerankingSettings
from rag.transport.server import ModelServer, Patience, key_of

TOGETHER = 32
"""Texts of one request: TEI's default limit (`--max-client-batch-size`)."""
_PATHS = {"tei": "/rerank", "vllm": "/v1/rerank", "cohere": "/v2/rerank"}
_SLACK = 1e-3
"""A score may be this far outside 0 and 1: half precision rounds there."""


class HttpReranker:
    """A `Reranker` on a server."""

    def __init__(self, server: ModelServer, shape: str, model: str, max_tokens: int) -> None:
        self._server = server
        self._shape = shape
        self._model = model
        self.max_tokens = max_tokens

    @property
    def name(self) -> str:
        """The model's name on its server."""
        return self._model or self._server.name

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        """Relevance of n passages; see `Reranker.score`. The server cuts what is longer than its model reads.

        Raises:
            ModelUnavailable: the server can't be reached, is too late, or its scores are not numbers from 0 to 1.
        """
        scores: list[float] = []
        for start in range(0, len(passages), TOGETHER):
            part = list(passages[start : start + TOGETHER])
            reply = self._server.post(_PATHS[self._shape], self._body(query, part), deadline=deadline)
            scores += self._in_order(reply, len(part))
        return scores

    def _body(self, query: str, texts: list[str]) -> dict[str, Any]:
        if self._shape == "tei":
            return {"query": query, "texts": texts, "raw_scores": False, "return_text": False, "truncate": True}
        body: dict[str, Any] = {"model": self._model, "query": query, "documents": texts, "top_n": len(texts)}
        return body | ({"truncate_prompt_tokens": self.max_tokens} if self._shape == "vllm" else {})

    def _in_order(self, reply: Any, count: int) -> list[float]:
        """The scores by the order of the passages, each exactly once."""
        try:
            found = dict(_pairs(reply if self._shape == "tei" else reply["results"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelUnavailable(name=self.name) from error
        if sorted(found) != list(range(count)):
            raise ModelUnavailable(name=self.name)
        return [found[index] for index in range(count)]


def _pairs(items: Any) -> Iterator[tuple[int, float]]:
    """Index and score of every item.

    Raises:
        ValueError: an index comes twice, or a score is no number from 0 to 1.
    """
    seen: set[int] = set()
    for item in items:
        index, score = item["index"], float(item["relevance_score"] if "relevance_score" in item else item["score"])
        if not isinstance(index, int) or index in seen:
            raise ValueError("an index that is none")
        if not math.isfinite(score) or not -_SLACK <= score <= 1.0 + _SLACK:
            raise ValueError("a score that is none")
        seen.add(index)
        yield index, min(max(score, 0.0), 1.0)


def open_http_reranker(settings: RerankingSettings) -> HttpReranker:
    """The reranker of the settings.

    Raises:
        ConfigurationError: they name no server, or no model where the shape needs one.
    """
    if settings.url is None:
        raise ConfigurationError(detail="reranking.url: the address of the server is missing")
    if settings.shape != "tei" and not settings.model:
        raise ConfigurationError(detail="reranking.model: the name of the model on its server is missing")
    patience = Patience(timeout_s=max(1.0, settings.budget_ms / 1000), tries=2)
    name = settings.model or "reranker"
    server = ModelServer(settings.url, name=name, api_key=key_of(settings.api_key_file), patience=patience)
    return HttpReranker(server, settings.shape, settings.model, settings.max_tokens)
