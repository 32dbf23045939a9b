"""Completions as OpenAI writes them, whole and in chunks."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID, uuid4

from api.answer_log import CHAT
from api.streaming import event


class Chunks:
    """Writes one completion. What all its chunks share is turned to JSON once: models say thousands of words a second."""

    def __init__(self, model: str, identity: UUID | None = None) -> None:
        """`identity`: what the completion is known by elsewhere; a new one without."""
        self._head = {"id": f"{CHAT}{(identity or uuid4()).hex}", "created": int(time.time()), "model": model}
        chunk = json.dumps({**self._head, "object": "chat.completion.chunk"}, ensure_ascii=False)[:-1]
        self._before = f'data: {chunk}, "choices": [{{"index": 0, "delta": '
        self._after = ', "finish_reason": null, "logprobs": null}]}\n\n'

    def delta(self, delta: dict[str, Any], finish_reason: str | None = None) -> str:
        """A chunk with the next piece of the message."""
        if finish_reason is None:
            return f"{self._before}{json.dumps(delta, ensure_ascii=False)}{self._after}"
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return event({**self._head, "object": "chat.completion.chunk", "choices": [choice]})

    def begun(self) -> str:
        """The first chunk, which says who speaks."""
        return self.delta({"role": "assistant", "content": ""})

    def beside(self, **fields: Any) -> str:
        """A chunk without choices: usage, or what a client shows beside the answer."""
        return event({**self._head, "object": "chat.completion.chunk", "choices": [], **fields})

    def whole(self, message: dict[str, Any], finish_reason: str, usage: dict[str, Any] | None) -> dict[str, Any]:
        """The completion in one piece."""
        full = {"role": "assistant", "content": None, "refusal": None, **message}
        choice = {"index": 0, "message": full, "finish_reason": finish_reason, "logprobs": None}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage}


def usage_of(prompt: int, completion: int, cached: int = 0) -> dict[str, Any]:
    """Tokens in OpenAI's shape."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
