"""What engines want otherwise, though all of them speak OpenAI's chat completions. One row per engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Thinking = Callable[[bool, Sequence[str]], Mapping[str, Any]]
"""The fields that switch reasoning on or off, given the names that the model's chat template knows for the switch; no names
mean that there is nothing to switch."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One engine's ways.

    Attributes:
        top_k, min_p, repetition_penalty: names of these parameters; None where the engine has none, so that what was asked
            for stays the engine's choice.
        cache_salt: whether a salt keeps the prefix caches of tenants apart.
        headers_s: seconds within which the headers of a response are there, whatever its first token takes; infinite for engines
            that send them with that.
        adapter: how a request names a LoRA adapter: in the place of the model, behind it, or not at all.
    """

    thinking: Thinking
    top_k: str | None = None
    min_p: str | None = None
    repetition_penalty: str | None = None
    cache_salt: bool = False
    headers_s: float = math.inf
    adapter: Literal["model", "suffix"] | None = "model"

    def model(self, served_as: str, adapter: str) -> str:
        """What a request names as its model; an empty adapter means the base."""
        if not adapter:
            return served_as
        return f"{served_as}:{adapter}" if self.adapter == "suffix" else adapter


def _by_template(wanted: bool, names: Sequence[str]) -> Mapping[str, Any]:
    return {"chat_template_kwargs": dict.fromkeys(names, wanted)} if names else {}


def _by_effort(wanted: bool, names: Sequence[str]) -> Mapping[str, Any]:
    # Levels other than `none` are refused for models whose reasoning has no levels; it is their default anyway.
    return {} if wanted or not names else {"reasoning_effort": "none"}


def _unknown(wanted: bool, names: Sequence[str]) -> Mapping[str, Any]:
    return {}


DIALECTS: Mapping[str, Dialect] = {
    # vllm/entrypoints/openai/chat_completion/protocol.py and serve/lora of 0.32: `ChatCompletionRequest` has all the fields;
    # an adapter is a model of its own name beside the base. chat_completion/api_router.py returns its `StreamingResponse` as
    # soon as the request is read and queued: the headers wait for no place and no prompt.
    "vllm": Dialect(_by_template, "top_k", "min_p", "repetition_penalty", cache_salt=True, headers_s=3.5),
    # docs.sglang.ai, "OpenAI APIs - Completions": sampling extensions at the top, `chat_template_kwargs`; adapters as
    # `base:adapter` (examples/runtime/lora.py).
    "sglang": Dialect(_by_template, "top_k", "min_p", "repetition_penalty", adapter="suffix"),
    # llama.cpp, tools/server/README.md, `/v1/chat/completions`: takes the fields of `/completion`, where the penalty is
    # `repeat_penalty`; `chat_template_kwargs`. Adapters are chosen by number (`lora`) and a model's name is not looked at,
    # so a request for one would silently be answered by the base.
    "llamacpp": Dialect(_by_template, "top_k", "min_p", "repeat_penalty", adapter=None),
    # ollama/openai/openai.go, `FromChatRequest`: no top_k, min_p, repeat penalty or salt; reasoning by `reasoning_effort`,
    # off with `none`. An adapter is a model made by a Modelfile, with a name of its own.
    "ollama": Dialect(_by_effort),
    # Anything else: only what OpenAI's own reference has, as unknown fields may be refused.
    "openai": Dialect(_unknown),
}
