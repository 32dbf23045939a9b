"""A reranker that is described at once and loaded at first use: most commands never need the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock, Thread

from rag.domain.errors import ModelUnavailable
from rag.reranking.base import Reranker


class LazyReranker:
    """Stands for the reranker that `load` gives; thread-safe, loads once.

    Loading takes seconds and goes on beside a question whose time is up: the next one finds the model there.
    """

    def __init__(self, name: str, max_tokens: int, load: Callable[[], Reranker]) -> None:
        self.name = name
        self.max_tokens = max_tokens
        self._load = load
        self._loaded: Future[Reranker] | None = None
        self._lock = Lock()

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        """See `Reranker`.

        Raises:
            ConfigurationError: the model can't be loaded. The next call tries again.
        """
        return self._reranker(deadline).score(query, passages, deadline=deadline)

    def _reranker(self, deadline: float | None) -> Reranker:
        loaded = self._loading()
        try:
            return loaded.result(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            raise ModelUnavailable(name=self.name) from error

    def _loading(self) -> Future[Reranker]:
        with self._lock:
            failed = self._loaded is not None and self._loaded.done() and self._loaded.exception() is not None
            if self._loaded is None or failed:
                self._loaded = Future()
                Thread(target=_fill, args=(self._loaded, self._load), name="rerank-load", daemon=True).start()
            return self._loaded


def _fill(future: Future[Reranker], load: Callable[[], Reranker]) -> None:
    try:
        future.set_result(load())
    except BaseException as error:  # handed to the callers that wait
        future.set_exception(error)
