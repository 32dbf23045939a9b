"""The second look: a reranker reads the best permitted hits again. Whatever becomes of it, no passage is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.domain.errors import ModelUnavailable, SeogoError
from rag.domain.language import CollectionKind
from rag.domain.passage import Passage, RerankState, RerankTrace
from rag.embedding.passage_text import reranked_text
from rag.inference.fingerprint import fingerprint
from rag.reranking.base import Reranker
from rag.retrieval.code_ranking import CAPITALISED_BOOST, SYMBOL
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

    def reordered(
        self, question: str, passages: Sequence[Passage], of_code: str = ""
    ) -> tuple[list[Passage], RerankTrace]:
        """The best `candidates` passages in the order that the reranker gives them, the rest behind as they were.

        Boosts count as in the fused order: a factor of 1 plus their sum. A reranker that fails or is late changes nothing.

        Args:
            passages: best first; all of them permitted, since their texts leave this process where the model is on a server.
            of_code: what passages of collections of code are scored for; the question where it is empty.
        """
        if self.reranker is None:
            return list(passages), RerankTrace()
        if not passages:
            return [], RerankTrace(self.reranker.name, RerankState.DONE, fingerprint=self.fingerprint)
        read, rest = passages[: self.candidates], passages[self.candidates :]
        start = time.monotonic()
        deadline = start + self.budget_ms / 1000
        scores: list[float] = []
        state, why = RerankState.DONE, ModelUnavailable(name=self.reranker.name)
        try:
            scores = self._scores(self.reranker, question, of_code or question, read, deadline)
        except SeogoError as error:
            why = error if isinstance(error, ModelUnavailable) else why  # others name folders of this machine
            state = RerankState.LATE if time.monotonic() >= deadline else RerankState.UNAVAILABLE
            logger.warning(
                "the reranker %s gave no scores (%s), the fused order stands: %s", self.reranker.name, state, error
            )
        if state is RerankState.DONE and len(scores) != len(read):
            state = RerankState.UNAVAILABLE
        milliseconds = round((time.monotonic() - start) * 1000, 3)
        trace = RerankTrace(self.reranker.name, state, len(read), milliseconds, self.fingerprint)
        if state is RerankState.UNAVAILABLE:
            trace = replace(trace, error_code=why.code, error_params=why.params)
        if state is not RerankState.DONE:
            return list(passages), trace
        scored = [replace(passage, rerank=score) for passage, score in zip(read, scores, strict=True)]
        best = max(scores)
        return [*sorted(scored, key=lambda passage: _lifted(passage, best), reverse=True), *rest], trace

    def _scores(
        self, reranker: Reranker, question: str, of_code: str, read: Sequence[Passage], deadline: float
    ) -> list[float]:
        """One score for each passage, those of code for what collections of code are asked; none where one is missing."""
        places: dict[str, list[int]] = {}
        for place, passage in enumerate(read):
            asked = of_code if passage.source.collection_kind is CollectionKind.CODE else question
            places.setdefault(asked, []).append(place)
        scores = [0.0] * len(read)
        for asked, part in places.items():
            found = reranker.score(asked, [reranked_text(read[place].chunk) for place in part], deadline=deadline)
            if len(found) != len(part):
                logger.error("the reranker %s gave %d scores for %d", reranker.name, len(found), len(part))
                return []
            for place, score in zip(part, found, strict=True):
                scores[place] = score
        return scores


def _lifted(passage: Passage, best: float) -> float:
    """The reranker's score with the boosts. Equal ones keep their order, as `sorted` does even in reverse.

    A definition that the question names counts like the best before it is lifted, as in the fused order: a cross-encoder likes
    what speaks of a name, such as its callers, better than what it names.
    """
    named = passage.boosts.get(SYMBOL, 0.0) >= CAPITALISED_BOOST
    score = max(passage.rerank or 0.0, best) if named else passage.rerank or 0.0
    return score * (1.0 + sum(passage.boosts.values()))
