"""What a chat model is, for work around the answer: condensing a follow-up question, rewriting it, drafting questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatModel(Protocol):
    """Completes a conversation."""

    @property
    def name(self) -> str:
        """Stable identity of model and server; shown in the trace."""

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        deadline: float | None = None,
        tenant: str = "",
    ) -> str:
        """The model's next turn, without its reasoning, stripped. Thread-safe.

        Args:
            deadline: instant of `time.monotonic` by which the text is wanted.
            tenant: whose conversation it is: prefix caches are never shared between tenants.

        Raises:
            ModelUnavailable: the server can't be reached, refuses, or is too late.
        """
