"""`llm/<name>`: a configured model itself, without documents. What it says is passed on as it says it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from api.errors import openai_error
from api.openai.chat_chunks import Chunks, usage_of
from api.streaming import DONE, event
from rag.domain.errors import GenerationStopped, ModelBroken, SeogoError
from rag.domain.messages import UiLanguage
from rag.generation.engine import EngineEvent, Finished, ReasoningDelta, TextDelta, ToolCallDelta

log = logging.getLogger(__name__)

_STOPPED = "content_filter"
"""What a guard's stop is called in OpenAI's terms: clients know it as an end that is none of the model's own."""


class RawCompletion:
    """One answer of an engine in OpenAI's shape, whole or streamed. Which replica gave it is never said."""

    def __init__(
        self, events: AsyncGenerator[EngineEvent, None], model: str, language: UiLanguage, *, include_usage: bool
    ) -> None:
        self._events = events
        self._model = model
        self._language = language
        self._include_usage = include_usage
        self._chunks = Chunks(model)
        self._fragments = _Fragments()

    async def whole(self) -> dict[str, Any]:
        """A `chat.completion`.

        Raises:
            GenerationStopped: a guard found that the text is of no use, so none of it is given out.
            SeogoError: whatever the engine failed with.
        """
        texts: list[str] = []
        thoughts: list[str] = []
        calls: dict[int, dict[str, Any]] = {}
        end: Finished | None = None
        async with aclosing(self._events):
            async for item in self._events:
                match item:
                    case TextDelta():
                        texts.append(item.text)
                    case ReasoningDelta():
                        thoughts.append(item.text)
                    case ToolCallDelta():
                        _add(calls, item)
                    case Finished():
                        end = item
        end = self._checked(end)
        message: dict[str, Any] = {"content": "".join(texts) if texts or not calls else None}
        if thoughts:
            message |= _reasoning("".join(thoughts))
        if calls:
            message["tool_calls"] = [calls[index] for index in sorted(calls)]
        return self._chunks.whole(message, end.reason, _usage(end))

    async def stream(self) -> AsyncGenerator[str, None]:
        """`chat.completion.chunk` events, ended by `[DONE]`; an error in mid-stream is an event too."""
        yield self._chunks.begun()
        end: Finished | None = None
        try:
            async with aclosing(self._events):
                async for item in self._events:
                    if isinstance(item, Finished):
                        end = item
                    else:
                        yield self._chunks.delta(self._delta(item))
            if end is not None and end.reason == "guard":
                yield self._chunks.delta({}, _STOPPED)
            end = self._checked(end)
        except SeogoError as error:
            yield event(openai_error(error, self._language))
        except Exception:
            log.exception("a completion broke off in mid-stream")
            yield event(openai_error(SeogoError(), self._language))
        else:
            yield self._chunks.delta({}, end.reason)
            if self._include_usage:
                yield self._chunks.beside(usage=_usage(end))
        yield DONE

    def _checked(self, end: Finished | None) -> Finished:
        if end is None:
            raise ModelBroken(name=self._model)
        if end.reason == "guard":
            raise GenerationStopped(name=self._model, guard=end.guard)
        return end

    def _delta(self, item: TextDelta | ReasoningDelta | ToolCallDelta) -> dict[str, Any]:
        match item:
            case TextDelta():
                return {"content": item.text}
            case ReasoningDelta():
                return _reasoning(item.text)
            case ToolCallDelta():
                return {"tool_calls": [self._fragments.of(item)]}


class _Fragments:
    """Pieces of tool calls as a stream has them: all with their index, the first of each with id, type and name."""

    def __init__(self) -> None:
        self._begun: set[int] = set()

    def of(self, item: ToolCallDelta) -> dict[str, Any]:
        """The next piece."""
        if item.index in self._begun:
            return {"index": item.index, "function": {"arguments": item.arguments}}
        self._begun.add(item.index)
        return {"index": item.index, **_call(item)}


def _call(item: ToolCallDelta) -> dict[str, Any]:
    function = {"name": item.name, "arguments": item.arguments}
    return {"id": item.id or f"call_{uuid4().hex[:24]}", "type": "function", "function": function}


def _add(calls: dict[int, dict[str, Any]], item: ToolCallDelta) -> None:
    if item.index not in calls:
        calls[item.index] = _call(item)
    else:
        calls[item.index]["function"]["arguments"] += item.arguments


def _reasoning(text: str) -> dict[str, str]:
    """Under both names: vLLM's newer and OpenRouter's, and DeepSeek's, which most clients read."""
    return {"reasoning": text, "reasoning_content": text}


def _usage(end: Finished) -> dict[str, Any] | None:
    """As the engine counted; null where it did not."""
    return usage_of(end.usage.prompt, end.usage.completion, end.usage.cached) if end.usage is not None else None
