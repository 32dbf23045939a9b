"""A chat model for work around the question that is one of the configured generators: chosen, watched, kept apart by tenant and
carried to another replica as it is for answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from rag.domain.errors import InvalidRequest, ModelBroken, ModelUnavailable
from rag.generation.chat import ChatMessage
from rag.generation.engine import EngineCall
from rag.generation.routing import Job, ModelRouter
from rag.generation.saying import Speaker, reasoning_tokens
from rag.text.reasoning import without_reasoning
from rag.text.token_estimate import estimated_tokens


class EngineChat:
    """A `ChatModel` over the router. Thread-safe; for threads that run no event loop, as those of searches."""

    def __init__(self, router: ModelRouter) -> None:
        self._router = router
        self._speaker = Speaker()
        choice = router.choose(_job((), 0))
        self.name = f"{choice.engine.name}:{choice.adapter}" if choice.adapter else choice.engine.name

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        deadline: float | None = None,
        tenant: str = "",
    ) -> str:
        """The model's next turn, without its reasoning, stripped.

        Args:
            max_tokens: of what it says; reasoning comes on top, where the model does not go without.
            temperature: where the model does not reason; reasoning has the sampling that its card asks for.
            deadline: instant of `time.monotonic` by which the text is wanted.
            tenant: whose conversation it is.

        Raises:
            ModelUnavailable: no engine can be reached, or takes this, or it is too late, or gave no text.
        """
        try:
            choice = self._router.choose(_job(messages, max_tokens))
            silent = choice.thinking is False
            call = EngineCall(
                [{"role": item.role, "content": item.content} for item in messages],
                max_tokens=max_tokens + reasoning_tokens(choice),
                sampling=replace(choice.sampling, temperature=temperature) if silent else choice.sampling,
                thinking=choice.thinking,
                adapter=choice.adapter,
                tenant=tenant,
                deadline=deadline,
            )
            text = without_reasoning(asyncio.run(self._speaker.answer(choice.engine, call))).strip()
        except InvalidRequest as error:
            raise ModelUnavailable(name=self.name) from error
        if not text:
            raise ModelBroken(name=choice.engine.name)
        return text


def _job(messages: Sequence[ChatMessage], max_tokens: int) -> Job:
    tokens = sum(estimated_tokens(item.content) for item in messages)
    return Job("interactive", prompt_tokens=tokens, answer_tokens=max_tokens, thinking=False)
