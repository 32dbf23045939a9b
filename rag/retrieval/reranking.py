"""The second look: a reranker reads the best permitted hits again. Whatever becomes of it, no passage is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.domain.errors import ModelUnavailable, SeogoError
from rag.domain.passage import Passage, RerankState, RerankTrace
from rag.embedding.passage_text import reranked_text
from rag.inference.fingerprint import fingerprint
from rag.reranking.base import Reranker
from rag.settings import RerankingSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SecondLook:
    """A reranker with its number of candidates and its time. Without one, the fused order stands. Thread-safe.

    Attributes:
        fingerprint: of the model's files, where they are here.
    """

    reranker: Reranker | None = None
    candidates: int = 0
    budget_ms: int = 0
    fingerprint: str = ""

    @classmethod
    def of(cls, reranker: Reranker | None, settings: RerankingSettings) -> SecondLook:
        """The stage of the settings."""
        if reranker is None:
            return cls()
        files = "" if settings.folder is None or settings.backend == "http" else fingerprint(settings.folder)
        return cls(reranker, settings.candidates, settings.budget_ms, files)

    def warm_up(self) -> None:
        """Load the model, if there is one and it is not loaded. A server that is not up yet stops nobody.

        Raises:
            ConfigurationError: the model's folder holds none that can be loaded.
        """
        if self.reranker is None:
            return
        try:
            self.reranker.score("warm-up", ["warm-up"])
        except ModelUnavailable as error:
            logger.warning("the reranker %s is not there yet: %s", self.reranker.name, error)

    def reordered(self, question: str, passages: Sequence[Passage]) -> tuple[list[Passage], RerankTrace]:
        """The best `candidates` passages in the order that the reranker gives them, the rest behind as they were.

        Boosts count as in the fused order: a factor of 1 plus their sum. A reranker that fails or is late changes nothing.

        Args:
            passages: best first; all of them permitted, since their texts leave this process where the model is on a server.
        """
        if self.reranker is None:
            return list(passages), RerankTrace()
        if not passages:
            return [], RerankTrace(self.reranker.name, RerankState.DONE, fingerprint=self.fingerprint)
        read, rest = passages[: self.candidates], passages[self.candidates :]
        start = time.monotonic()
        deadline = start + self.budget_ms / 1000
        scores: list[float] = []
        state = RerankState.DONE
        try:
            scores = self.reranker.score(
                question, [reranked_text(passage.chunk) for passage in read], deadline=deadline
            )
        except SeogoError as error:
            state = RerankState.LATE if time.monotonic() >= deadline else RerankState.UNAVAILABLE
            logger.warning(
                "the reranker %s gave no scores (%s), the fused order stands: %s", self.reranker.name, state, error
            )
        if state is RerankState.DONE and len(scores) != len(read):
            state = RerankState.UNAVAILABLE
            logger.error("the reranker %s gave %d scores for %d", self.reranker.name, len(scores), len(read))
        milliseconds = round((time.monotonic() - start) * 1000, 3)
        trace = RerankTrace(self.reranker.name, state, len(read), milliseconds, self.fingerprint)
        if state is not RerankState.DONE:
            return list(passages), trace
        scored = [replace(passage, rerank=score) for passage, score in zip(read, scores, strict=True)]
        return [*sorted(scored, key=_lifted, reverse=True), *rest], trace


def _lifted(passage: Passage) -> float:
    """The reranker's score with the boosts. Equal ones keep their order, as `sorted` does even in reverse."""
    return (passage.rerank or 0.0) * (1.0 + sum(passage.boosts.values()))
