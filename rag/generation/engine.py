"""What a generation engine is: a served chat model that streams. One file per backend beside this one.

Messages, tools and formats are in OpenAI's shape, which every engine here speaks; what an engine wants otherwise is its
backend's to know. Closing the stream stops the engine's work.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, Protocol

from rag.domain.language import Language

Message = Mapping[str, Any]
"""A chat message as OpenAI's API has it: `role`, `content` (text or parts), `tool_calls`, `tool_call_id`, …"""


def digest_of(messages: Sequence[Message]) -> str:
    """SHA-256 of messages as JSON, in hex: what was sent can be told from anything else without being kept."""
    said = json.dumps([dict(item) for item in messages], ensure_ascii=False, sort_keys=True)
    return sha256(said.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; None leaves it to the engine.

    Attributes:
        extra: parameters that are passed on as the caller gave them (`logit_bias`, `logprobs`, …).
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


ENGINE_DEFAULTS = Sampling()
"""All left to the engine."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """What must not come out of a call.

    Attributes:
        canary: a word that the model has no reason to write.
        rules: a text that it must not repeat.
    """

    canary: str
    rules: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long who asks will wait, in seconds: for a place on the engine, for the first token, and for the whole answer."""

    queue_s: float
    first_token_s: float
    total_s: float

    def at_least(self, other: Patience) -> Patience:
        """The longer of each."""
        return Patience(
            max(self.queue_s, other.queue_s),
            max(self.first_token_s, other.first_token_s),
            max(self.total_s, other.total_s),
        )


@dataclass(frozen=True, slots=True)
class EngineCall:
    """One generation.

    Attributes:
        max_tokens: of the answer; None leaves it to the engine.
        may_be_cut: whether who asks wants whatever came until `max_tokens`, also where that is reasoning alone, or nothing.
        thinking: whether the model reasons before it answers; None leaves it to the model.
        tools, tool_choice, response_format: as in OpenAI's API.
        adapter: name of a LoRA adapter that the model is served with; empty means the base.
        tenant: whose call it is: prefix caches are never shared between tenants.
        affinity: calls with the same value begin with the same text, and go to the replica that has it in its cache.
        deadline: instant of `time.monotonic` by which everything is wanted.
        unseen_since: instant of `time.monotonic` since when somebody waits who sees nothing before the answer is complete, and
            waits less long for its beginning; None where what comes is seen.
        patience: of work that nobody waits for, where it is longer than what the model's settings allow; None keeps to those.
        withheld: what the guards stop at; None for calls that have no rules of ours.
        language: what the answer has to be in, as far as it is Korean or English; any other value lets it be in any. None leaves
            it to the guards to read it from the messages.
    """

    messages: Sequence[Message]
    max_tokens: int | None = None
    may_be_cut: bool = field(default=False, kw_only=True)
    sampling: Sampling = ENGINE_DEFAULTS
    thinking: bool | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: Mapping[str, Any] | None = None
    adapter: str = ""
    tenant: str = ""
    affinity: str = ""
    deadline: float | None = None
    unseen_since: float | None = field(default=None, kw_only=True)
    withheld: Withheld | None = None
    language: Language | None = None
    patience: Patience | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next characters of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next characters of what the model thinks, which is no part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call: `id` and `name` come with the first of an `index`, `arguments` grow."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the engine counted them."""

    prompt: int
    completion: int
    cached: int = 0


FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "guard"]


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a stream; the last event, always there unless an error was raised.

    Attributes:
        guard: name of the guard that stopped it, where `reason` is `guard`: what came before is not to be trusted.
        replica: address of the engine that answered, for the trace.
        retried: names of the guards after which the call was made once more, before anything of the answer went out.
        sent: `digest_of` the messages of the try that this ends, for calls with rules of ours; empty where nobody said it.
    """

    reason: FinishReason
    usage: Usage | None = None
    guard: str = ""
    replica: str = ""
    retried: tuple[str, ...] = ()
    sent: str = field(default="", compare=False)


EngineEvent = TextDelta | ReasoningDelta | ToolCallDelta | Finished


class ChatEngine(Protocol):
    """A served model, replicas and all."""

    @property
    def name(self) -> str:
        """The model's name in the settings; shown with the answer."""

    @property
    def context_tokens(self) -> int:
        """Longest prompt and answer together."""

    def stream(self, call: EngineCall) -> AsyncGenerator[EngineEvent, None]:
        """The answer as it comes. Closing the generator, or cancelling the task, stops the engine.

        Raises:
            ModelUnavailable, or one of its kinds: the engine can't be reached, refuses, is silent or talks nonsense.
            InvalidRequest: it refuses this request for a reason that its caller can mend.
        """

    async def aclose(self) -> None:
        """Close the connections."""
