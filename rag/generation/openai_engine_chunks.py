"""From the chunks of a streamed chat completion to events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rag.generation.engine import EngineEvent, FinishReason, ReasoningDelta, ToolCallDelta, Usage
from rag.generation.openai_engine_reasoning import ReasoningSplitter

_DONE = b"[DONE]"
REPETITION = "repetition"
"""vLLM's own detector of loops stopped it (`FinishReason.REPETITION`); our guard against loops has the same name."""
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    REPETITION: "guard",
}
_BROKEN_OFF = frozenset({"abort", "error"})
"""vLLM and SGLang end a generation so that their own side gave up."""
_MOST_TOOLS = 256


class NotAChunk(ValueError):
    """A payload that is no piece of a completion."""


class EngineSaid(Exception):
    """An error that the engine tells inside the stream, in its own words."""


class ChunkReader:
    """Reads the payloads of one answer.

    Attributes:
        reason: why it ended, once it has; usage: what the engine counted, if it says so; done: nothing more will come.
        apart: whether the engine gives reasoning in a field of its own.
    """

    def __init__(self, *, leads: bool = False, stops: bool = False) -> None:
        """Prepare.

        Args:
            leads: whether the content is expected to begin with reasoning, as `ReasoningSplitter` has it.
            stops: whether strings of the caller may end it, so that `stop` need not be an end of the model's own.
        """
        self.reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.done = self.apart = False
        self._own_end = not stops  # whether `stop` is the model's own end of its answer
        self._splitter = ReasoningSplitter(leads=leads)

    def read(self, payload: bytes) -> Iterator[EngineEvent]:
        """The events of one payload; none for one that only says that the engine is alive.

        Raises:
            NotAChunk: it can't be read.
            EngineSaid: it is an error.
        """
        if payload == _DONE or payload.strip() == _DONE:
            self.done = True
            return
        chunk = _object(payload)
        if (usage := chunk.get("usage")) is not None:
            self.usage = _usage(usage) or self.usage
        choices = chunk.get("choices")
        if choices is None and ("usage" in chunk or "object" in chunk):
            return
        if not isinstance(choices, list):
            raise NotAChunk("a chunk without choices")
        for choice in choices:
            if not isinstance(choice, dict):
                raise NotAChunk("a choice that is no object")
            if choice.get("index", 0) == 0:
                yield from self._choice(choice)

    @property
    def led(self) -> bool | None:
        """As in `ReasoningSplitter`."""
        return self._splitter.led

    def finish(self) -> Iterator[EngineEvent]:
        """What was held back until it was certain."""
        yield from self._splitter.finish(whole=self.reason == "stop" and self._own_end)

    def _choice(self, choice: dict[str, Any]) -> Iterator[EngineEvent]:
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise NotAChunk("a delta that is no object")
        # vLLM renamed `reasoning_content` to `reasoning`, and some servers send both.
        if reasoning := _text(delta.get("reasoning") or delta.get("reasoning_content")):
            self.apart = True
            yield from self._splitter.apart()
            yield ReasoningDelta(reasoning)
        if content := _text(delta.get("content")):
            yield from self._splitter.feed(content)
        if calls := delta.get("tool_calls"):
            self._own_end = False  # some engines say `stop` then too
            yield from _tool_calls(calls)
        if reason := choice.get("finish_reason"):
            if reason in _BROKEN_OFF:
                raise EngineSaid(f"the generation was given up ({reason})")
            self.reason = _REASONS.get(str(reason), "stop")


def _object(payload: bytes) -> dict[str, Any]:
    try:
        chunk = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise NotAChunk("a payload that is not JSON") from error
    if not isinstance(chunk, dict):
        raise NotAChunk("a payload that is no object")
    if chunk.get("error") or chunk.get("object") == "error":
        raise EngineSaid(_words(chunk))
    return chunk


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotAChunk("a text that is none")
    if value.isascii():
        return value
    # JSON can hold halves of characters, which nothing after this could write down.
    return value.encode("utf-8", "replace").decode("utf-8")


def _tool_calls(calls: Any) -> Iterator[ToolCallDelta]:
    if not isinstance(calls, list):
        raise NotAChunk("tool calls that are no list")
    for position, call in enumerate(calls):
        function = (call.get("function") or {}) if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise NotAChunk("a tool call that is no object")
        index = call.get("index", position)
        if not isinstance(index, int) or not 0 <= index < _MOST_TOOLS:
            raise NotAChunk("a tool call without a number")
        yield ToolCallDelta(index, _text(call.get("id")), _text(function.get("name")), _arguments(function))


def _arguments(function: dict[str, Any]) -> str:
    """The next characters; older releases of Ollama gave an object in one piece."""
    arguments = function.get("arguments")
    return json.dumps(arguments, ensure_ascii=False) if isinstance(arguments, dict) else _text(arguments)


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _count(cached))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _words(chunk: dict[str, Any]) -> str:
    found = chunk.get("error") or chunk
    if isinstance(found, dict):
        found = found.get("message", "no message")
    return found if isinstance(found, str) else "no message"
