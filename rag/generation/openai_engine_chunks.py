"""From the chunks of a streamed chat completion to events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rag.generation.engine import EngineEvent, FinishReason, ReasoningDelta, TextDelta, ToolCallDelta, Usage

_DONE = b"[DONE]"
_OPEN, _CLOSE = "<think>", "</think>"
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


class ReasoningSplitter:
    """Takes `<think>…</think>` out of content, where an engine leaves it there, however the tags are cut up.

    Reasoning begins at the start of the content or of a line: the word `<think>` inside a sentence is the answer's own.
    """

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False
        self._fresh = True  # at the start of the content or of a line, but for white space

    def feed(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        """The events that are certain with this text."""
        text, self._held = self._held + text, ""
        while text:
            tag = _CLOSE if self._thinking else _OPEN
            at = self._find(text, tag)
            if at >= 0:
                yield from self._said(text[:at])
                text = text[at + len(tag) :]
                self._thinking = not self._thinking
                self._fresh = not self._thinking
                continue
            keep = self._unsure(text, tag)
            self._held = text[len(text) - keep :]
            yield from self._said(text[: len(text) - keep])
            return

    def finish(self) -> Iterator[TextDelta | ReasoningDelta]:
        """What was held back for a tag that never came."""
        held, self._held = self._held, ""
        yield from self._said(held)

    def _find(self, text: str, tag: str) -> int:
        at = text.find(tag)
        while at >= 0 and not self._thinking and not self._begins(text, at):
            at = text.find(tag, at + 1)
        return at

    def _begins(self, text: str, at: int) -> bool:
        before = text[text.rfind("\n", 0, at) + 1 : at]
        return not before.strip() and (self._fresh or "\n" in text[:at])

    def _unsure(self, text: str, tag: str) -> int:
        """Length of the end of `text` that may be the beginning of the tag."""
        for length in range(min(len(tag) - 1, len(text)), 0, -1):
            if text.endswith(tag[:length]):
                return length if self._thinking or self._begins(text, len(text) - length) else 0
        return 0

    def _said(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        if not text:
            return
        if self._thinking:
            yield ReasoningDelta(text)
            return
        line = text[text.rfind("\n") + 1 :]
        self._fresh = not line.strip() and (self._fresh or len(line) < len(text))
        yield TextDelta(text)


class ChunkReader:
    """Reads the payloads of one answer.

    Attributes:
        reason: why it ended, once it has; usage: what the engine counted, if it says so; done: nothing more will come.
    """

    def __init__(self) -> None:
        self.reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.done = False
        self._splitter = ReasoningSplitter()

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

    def finish(self) -> Iterator[EngineEvent]:
        """What was held back until it was certain."""
        yield from self._splitter.finish()

    def _choice(self, choice: dict[str, Any]) -> Iterator[EngineEvent]:
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise NotAChunk("a delta that is no object")
        # vLLM renamed `reasoning_content` to `reasoning`, and some servers send both.
        if reasoning := _text(delta.get("reasoning") or delta.get("reasoning_content")):
            yield ReasoningDelta(reasoning)
        if content := _text(delta.get("content")):
            yield from self._splitter.feed(content)
        if calls := delta.get("tool_calls"):
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
