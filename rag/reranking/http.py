"""A reranker on a server inside the network: TEI, vLLM, or one that speaks Cohere's and Jina's form (llama.cpp's among them).

Long passages go in windows by the rule of the models in this process (`windows.py`), by a careful estimate of their tokens.
"""

from __future__ import annotations

import logging
import math
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rag.domain.errors import ConfigurationError, ModelUnavailable, ModelUnusable
from rag.inference.traffic import aside
from rag.reranking.pair_tokenizer import ChatPrompt
from rag.reranking.windows import QUESTION_SHARE, best_of, question_limit, shortened, text_windows
from rag.settings import RerankingSettings
from rag.text.grouping import grouped
from rag.text.token_estimate import estimated_tokens
from rag.transport.server import ModelServer, Patience, Reply, UnusableAnswer, checked_url

PASSAGES_PER_REQUEST = 32
"""TEI refuses more by default (`--max-client-batch-size`)."""
CHARACTERS_PER_REQUEST = 128_000
AT_ONCE = 4
AT_ONCE_A_CALL = 2
"""Requests of one call in the queue: searches share `AT_ONCE`, and a call that came with much leaves room for others."""
log = logging.getLogger(__name__)
_ROUNDING = 1e-3
"""How far beyond 0 and 1 a probability in half precision may lie; more is not a probability, and refused."""
_LARGEST = 1e30
"""What lies beyond is no score of a model."""


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

    def body(self, model: RemoteReranker, query: str, passages: Sequence[str]) -> dict[str, Any]:
        """The request."""
        body: dict[str, Any] = {"query": query, self.passages: list(passages)}
        if self.results is None:  # TEI has one model, and gives logits unless told otherwise
            return body | {"raw_scores": model.logits, "truncate": True}
        return body | {"model": model.id, "top_n": len(passages)} | self._own(model)

    def prompt_tokens(self, model: RemoteReranker) -> int:
        """What the server puts around a question and a passage, by the careful estimate; an instruction where it is sent."""
        instruction = model.instruction if self.vllm else ""
        own = estimated_tokens(instruction) if instruction else 0
        if "qwen3" in model.id.lower():
            own = estimated_tokens(ChatPrompt.around(instruction))
        return own + 2 * estimated_tokens("")

    def _own(self, model: RemoteReranker) -> dict[str, Any]:
        if not self.vllm:
            return {"return_documents": False}
        # vLLM refuses what is longer than its model's limit (-1), unless told to cut there.
        own: dict[str, Any] = {"truncate_prompt_tokens": -1}
        if model.instruction:
            own["instruction"] = model.instruction
        if model.logits:  # so that what is taken for logits is none of what vLLM makes of them by default
            own["use_activation"] = False
        return own


SHAPES = {
    "tei": Shape("/rerank", "texts", "score", None),
    "vllm": Shape("/v1/rerank", "documents", "relevance_score", "results", vllm=True),
    "cohere": Shape("/v1/rerank", "documents", "relevance_score", "results"),
}
"""By `reranking.shape`. An address that ends with `/rerank` (Cohere's `/v2/rerank`) is taken as the whole."""


@dataclass(frozen=True, slots=True)
class RemoteReranker:
    """What the settings say of the model behind the server.

    Attributes:
        max_tokens: longest question and passage together; no more than the server takes, which cuts what is longer.
        instruction: a task, for models that take one.
        logits: whether its scores are logits rather than probabilities.
    """

    id: str
    max_tokens: int
    instruction: str = ""
    logits: bool = False


class HttpReranker:
    """A `Reranker` over HTTP. Thread-safe."""

    def __init__(self, model: RemoteReranker, shape: Shape, server: ModelServer) -> None:
        """Prepare the calls; the server is not asked.

        Where the model's prompt leaves no room in `max_tokens` by the careful estimate, the beginnings of questions and passages
        go, as if there were no prompt: the estimate is no reason not to start.
        """
        self._prompt_tokens = shape.prompt_tokens(model)
        self._question_limit: int | None = None
        try:
            self._question_limit = question_limit(model.max_tokens, self._prompt_tokens)
        except ConfigurationError as error:
            log.warning("%s; of long passages only the beginning is read", error)
        self._model, self._shape, self._server = model, shape, server
        self._path = "" if server.url.endswith("/rerank") else shape.path
        self._queue = ThreadPoolExecutor(AT_ONCE, "rerank-http")
        self._stop = weakref.finalize(self, _stop, self._queue, server)
        self.name = f"http/{model.id or server.url}"
        self.max_tokens = model.max_tokens

    def close(self) -> None:
        """End the queue and the connections."""
        self._stop()

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        """Relevance of n passages to one question, each from 0 to 1: that of a long one's best window.

        Of a passage `MOST_TOKENS` are read, in `MOST_WINDOWS` windows at most; what lies beyond them is not.

        Args:
            deadline: instant of `time.monotonic` by which the scores are wanted.

        Raises:
            ModelUnusable: the server refuses, or leaves out a score or gives one that is none; it says what to set.
            ModelUnavailable: it can't be reached, or is late.
        """
        query = shortened(query, self._question_limit or int(self.max_tokens * QUESTION_SHARE))
        texts, owners = self._windows(query, passages)
        return best_of(self._asked(query, texts, deadline), owners, len(passages))

    def _asked(self, query: str, texts: Sequence[str], deadline: float | None) -> list[float]:
        """The scores of all texts; of many requests only `AT_ONCE_A_CALL` are in the queue at once."""
        found: list[float] = []
        waiting: list[Future[list[float]]] = []
        wanted = list(batches(texts))
        at_once = AT_ONCE if len(wanted) <= 2 * AT_ONCE else AT_ONCE_A_CALL
        try:
            with aside():
                for batch in wanted:
                    if len(waiting) == at_once:
                        found += waiting[0].result(_left(deadline))
                        del waiting[0]
                    waiting.append(self._queue.submit(self._request, query, batch, deadline))
                for future in waiting:
                    found += future.result(_left(deadline))
        except TimeoutError as error:
            raise ModelUnavailable(name=self.name) from error
        finally:
            for future in waiting:
                future.cancel()
        return found

    def _windows(self, query: str, passages: Sequence[str]) -> tuple[list[str], list[int]]:
        """All windows of all passages, and the position of the passage that each belongs to."""
        if self._question_limit is None:
            return [shortened(passage, self.max_tokens) for passage in passages], list(range(len(passages)))
        beside = self._prompt_tokens + estimated_tokens(query) - estimated_tokens("")
        room = max(1, self.max_tokens - beside)
        parts = [text_windows(passage, room) for passage in passages]
        return [text for found in parts for text in found], [i for i, found in enumerate(parts) for _ in found]

    def _request(self, query: str, passages: Sequence[str], deadline: float | None) -> list[float]:
        # Servers refuse an empty text.
        texts = [passage or " " for passage in passages]
        reply = self._server.exchange(self._path, self._shape.body(self._model, query or " ", texts), deadline=deadline)
        if not reply.ok:
            raise self._refusal(reply)
        try:
            return scores(reply.body, self._shape, len(passages), logits=self._model.logits)
        except UnusableAnswer as error:
            raise self._server.refused(self._path, str(error), error.korean) from error

    def _refusal(self, reply: Reply) -> ModelUnusable:
        """The error for a request that was refused, with the settings that decide about it."""
        advice = next((named for statuses, named in _ADVICE if reply.status in statuses), None)
        if advice is None:
            return self._server.refusal(reply)
        english, korean = (text.format(status=reply.status) for text in advice)
        return self._server.refused(self._path, english, korean)


_ADVICE: tuple[tuple[frozenset[int], tuple[str, str]], ...] = (
    (
        frozenset({401, 403}),
        (
            "it refuses the key (status {status}); see reranking.api_key_file",
            "키를 거절했습니다(상태 코드 {status}). reranking.api_key_file을 확인하세요",
        ),
    ),
    (
        frozenset({404, 405, 501}),
        (
            "there is no reranking at this address (status {status}): see reranking.url, reranking.shape and reranking.model, "
            "and that the server was started for reranking",
            "그 주소는 리랭킹 요청을 받지 않습니다(상태 코드 {status}). reranking.url, reranking.shape, reranking.model이 "
            "맞는지, 서버를 리랭커로 시작했는지 확인하세요",
        ),
    ),
    (
        frozenset({400, 413, 415, 422}),
        (
            "it refuses the request (status {status}): see reranking.shape, and reranking.max_tokens, which is no more than "
            "the server takes",
            "요청을 거절했습니다(상태 코드 {status}). reranking.shape과, 서버가 받는 길이를 넘지 않아야 하는 "
            "reranking.max_tokens를 확인하세요",
        ),
    ),
)
"""What to look at, by how the server refuses."""


def scores(answer: Any, shape: Shape, count: int, *, logits: bool = False) -> list[float]:
    """The scores of `count` passages in the order asked for, each from 0 to 1.

    Args:
        logits: whether the answer has logits.

    Raises:
        UnusableAnswer: one is missing, twice, no number, or no probability where it has to be one.
    """
    items = answer.get(shape.results) if shape.results is not None and isinstance(answer, dict) else answer
    if not isinstance(items, list) or len(items) != count:
        raise UnusableAnswer(f"not a list of {count} scores", f"점수 {count}개로 된 목록이 아닙니다")
    found: dict[int, float] = {}
    for item in items:
        index, value = (item.get("index"), item.get(shape.score)) if isinstance(item, dict) else (None, None)
        if type(index) is int:
            found[index] = _of_logit(_number(value)) if logits else _probability(_number(value))
    if found.keys() != set(range(count)):
        raise UnusableAnswer("scores missing, or twice", "빠지거나 두 번 나온 점수가 있습니다")
    return [found[i] for i in range(count)]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:  # false for NaN
        raise UnusableAnswer("a score that is not a number", "수가 아닌 점수입니다")
    return float(value)


def _probability(value: float) -> float:
    if not -_ROUNDING <= value <= 1.0 + _ROUNDING:
        raise UnusableAnswer(
            "a score beyond 0 and 1: the server gives logits; set reranking.scores to logits",
            "0과 1 사이가 아닌 점수입니다(로짓을 주는 서버). reranking.scores를 logits로 하세요",
        )
    return min(1.0, max(0.0, value))


def _of_logit(value: float) -> float:
    """The sigmoid, as `ClassifierForward` takes it of models in this process; of the side where nothing overflows."""
    share = math.exp(-abs(value))
    return 1.0 / (1.0 + share) if value >= 0.0 else share / (1.0 + share)


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
    logits = settings.scores == "logits"
    model = RemoteReranker(settings.model, settings.max_tokens, settings.instruction, logits)
    return HttpReranker(model, SHAPES[settings.shape], server)
