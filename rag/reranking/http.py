"""A reranker on a server inside the network: TEI, vLLM, or one that speaks Cohere's and Jina's form."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.settings import RerankingSettings
from rag.text.grouping import grouped
from rag.transport.server import ModelServer, Patience, UnusableAnswer, checked_url

PASSAGES_PER_REQUEST = 32
"""TEI refuses more by default (`--max-client-batch-size`)."""
CHARACTERS_PER_REQUEST = 128_000
AT_ONCE = 4
_ROUNDING = 1e-3
"""How far beyond 0 and 1 a probability in half precision may lie; more is not a probability, and refused."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of server wants to be asked.

    Attributes:
        path: behind the address of the settings.
        passages: field of the passages in the request.
        score: field of the score in an item of the answer.
        results: field that holds the items; none where the answer is the list itself.
        vllm: whether vLLM's own fields are understood.
    """

    path: str
    passages: str
    score: str
    results: str | None
    vllm: bool = False

    def body(self, model: str, query: str, passages: Sequence[str], instruction: str) -> dict[str, Any]:
        """The request."""
        body: dict[str, Any] = {"query": query, self.passages: list(passages)}
        if self.results is None:  # TEI has one model, and gives logits unless told otherwise
            return body | {"raw_scores": False, "truncate": True}
        return body | {"model": model, "top_n": len(passages)} | self._own(instruction)

    def _own(self, instruction: str) -> dict[str, Any]:
        if not self.vllm:
            return {"return_documents": False}
        # vLLM refuses what is longer than its model's limit (-1), unless told to cut there.
        return {"truncate_prompt_tokens": -1} | ({"instruction": instruction} if instruction else {})


SHAPES = {
    "tei": Shape("/rerank", "texts", "score", None),
    "vllm": Shape("/v1/rerank", "documents", "relevance_score", "results", vllm=True),
    "cohere": Shape("/v1/rerank", "documents", "relevance_score", "results"),
}
"""By `reranking.shape`. An address that ends with `/rerank` (Cohere's `/v2/rerank`) is taken as the whole."""


class HttpReranker:
    """A `Reranker` over HTTP. Thread-safe."""

    def __init__(self, model: str, shape: Shape, server: ModelServer, max_tokens: int, instruction: str = "") -> None:
        self._model, self._shape, self._server = model, shape, server
        self._instruction = instruction
        self._path = "" if server.url.endswith("/rerank") else shape.path
        self._queue = ThreadPoolExecutor(AT_ONCE, "rerank-http")
        self._stop = weakref.finalize(self, _stop, self._queue, server)
        self.name = f"http/{model or server.url}"
        self.max_tokens = max_tokens

    def close(self) -> None:
        """End the queue and the connections."""
        self._stop()

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        """Relevance of n passages to one question, each from 0 to 1. A passage too long for the model is cut by the server.

        Args:
            deadline: instant of `time.monotonic` by which the scores are wanted.

        Raises:
            ModelUnavailable: the server can't be reached, refuses, is late, or leaves out a score or gives one that is none.
        """
        futures = [self._queue.submit(self._request, query, batch, deadline) for batch in batches(passages)]
        try:
            return [score for future in futures for score in future.result(_left(deadline))]
        except TimeoutError as error:
            raise ModelUnavailable(name=self.name) from error
        finally:
            for future in futures:
                future.cancel()

    def _request(self, query: str, passages: Sequence[str], deadline: float | None) -> list[float]:
        # Servers refuse an empty text.
        texts = [passage or " " for passage in passages]
        body = self._shape.body(self._model, query or " ", texts, self._instruction)
        answer = self._server.post(self._path, body, deadline=deadline)
        try:
            return scores(answer, self._shape, len(passages))
        except UnusableAnswer as error:
            raise self._server.refused(self._path, str(error), error.korean) from error


def scores(answer: Any, shape: Shape, count: int) -> list[float]:
    """The scores of `count` passages in the order asked for.

    Raises:
        UnusableAnswer: one is missing, twice, no number, or no probability.
    """
    items = answer.get(shape.results) if shape.results is not None and isinstance(answer, dict) else answer
    if not isinstance(items, list) or len(items) != count:
        raise UnusableAnswer(f"not a list of {count} scores", f"점수 {count}개로 된 목록이 아닙니다")
    found: dict[int, float] = {}
    for item in items:
        index, value = (item.get("index"), item.get(shape.score)) if isinstance(item, dict) else (None, None)
        if type(index) is int:
            found[index] = _probability(value)
    if found.keys() != set(range(count)):
        raise UnusableAnswer("scores missing, or twice", "빠지거나 두 번 나온 점수가 있습니다")
    return [found[i] for i in range(count)]


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableAnswer("a score that is not a number", "수가 아닌 점수입니다")
    if not -_ROUNDING <= value <= 1.0 + _ROUNDING:  # false for NaN
        raise UnusableAnswer(
            "a score beyond 0 and 1: the server gives logits", "0과 1 사이가 아닌 점수입니다(로짓을 주는 서버)"
        )
    return min(1.0, max(0.0, float(value)))


def batches(passages: Sequence[str]) -> Iterator[list[str]]:
    """`passages` in order, in lists of at most `PASSAGES_PER_REQUEST` and `CHARACTERS_PER_REQUEST`."""
    return grouped(passages, PASSAGES_PER_REQUEST, CHARACTERS_PER_REQUEST)


def _left(deadline: float | None, clock: Callable[[], float] = time.monotonic) -> float | None:
    """Seconds until `deadline`; at least 0, for finite ones."""
    return None if deadline is None or math.isinf(deadline) else max(0.0, deadline - clock())


def _stop(queue: ThreadPoolExecutor, server: ModelServer) -> None:
    queue.shutdown(wait=False, cancel_futures=True)
    server.close()


def open_http_reranker(settings: RerankingSettings) -> HttpReranker:
    """The reranker of the settings; the server is not asked yet.

    Raises:
        ConfigurationError: the address or the model's name is missing, or the key file can't be read.
    """
    if not settings.model and settings.shape != "tei":
        raise ConfigurationError(
            detail=f"reranking.model: the name is needed for shape {settings.shape}",
            detail_ko=f"reranking.model: shape {settings.shape}에는 모델 이름이 필요합니다",
        )
    name = settings.model or "reranker"
    root = checked_url(name, settings.url)
    root = root if root.endswith("/rerank") else root.removesuffix("/v1")
    server = ModelServer(
        name,
        root,
        key_file=settings.api_key_file,
        patience=Patience(timeout_s=settings.budget_ms / 1000, connect_s=1.0, tries=2, pause_s=0.05),
        connections=AT_ONCE,
        max_response_bytes=4 * 2**20,
    )
    return HttpReranker(settings.model, SHAPES[settings.shape], server, settings.max_tokens, settings.instruction)
