"""Questions about code that its history or its syntax answers better than a search for words."""

from __future__ import annotations

from dataclasses import dataclass

from rag.answering.change_answers import ChangeAnswerer
from rag.answering.prepared import Prepared
from rag.answering.symbol_answers import SymbolAnswerer
from rag.domain.principal import Permit
from rag.retrieval.understanding import QuestionContext


@dataclass(frozen=True, slots=True)
class CodeAnswerer:
    """Asks what knows about code, one after the other. Thread-safe."""

    changes: ChangeAnswerer
    symbols: SymbolAnswerer

    def prepared(
        self, permit: Permit, question: str, passages: int, context: QuestionContext | None = None
    ) -> Prepared | None:
        """What was found; None where the question is for an ordinary search.

        Args:
            passages: how many the answer may draw on.
        """
        found = self.changes.prepared(permit, question, passages, context)
        return found or self.symbols.prepared(permit, question, passages, context)
