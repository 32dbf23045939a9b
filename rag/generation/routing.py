"""Which model does a job: what is asked of a router, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rag.domain.language import Language
from rag.generation.engine import ENGINE_DEFAULTS, ChatEngine, Sampling
from rag.settings import JobKind


@dataclass(frozen=True, slots=True)
class Job:
    """A generation that needs a model.

    Attributes:
        prompt_tokens: estimate of the prompt's length; what the answer may take on top is `answer_tokens`.
        needs_vision, needs_tools: whether images or tools are part of it.
        thinking: asked for or forbidden; None leaves it to the router.
        model: name or alias that was asked for; empty leaves the choice to the router.
        grounded: whether the answer has to stand on passages, which takes the precise preset.
        multi_step: whether it needs more thought than a question that was not taken apart.
    """

    kind: JobKind
    prompt_tokens: int = 0
    answer_tokens: int = 0
    needs_vision: bool = False
    needs_tools: bool = False
    language: Language | None = None
    thinking: bool | None = None
    model: str = ""
    grounded: bool = False
    multi_step: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The model for a job, how to sample from it, and why.

    Attributes:
        reasons: for the trace, in few words each, such as `HCP-LLM-Latest is Qwen3.6-27B`.
        adapter: LoRA adapter of the engine that was asked for by name; empty means the base.
    """

    engine: ChatEngine
    sampling: Sampling = ENGINE_DEFAULTS
    thinking: bool | None = None
    reasons: tuple[str, ...] = ()
    adapter: str = ""


class ModelRouter(Protocol):
    """Chooses among the configured models."""

    def choose(self, job: Job) -> Choice:
        """The model for `job`.

        Raises:
            UnknownModel: the one that was asked for is not configured.
            InvalidRequest: none of the configured models can do it: too long for all of them, or images for none.
        """

    def named(self, name: str) -> tuple[ChatEngine, str] | None:
        """The engine and the adapter on it (empty: the base) that go by `name`; None where none is configured."""


class SingleModel:
    """The router where there is one model."""

    def __init__(self, engine: ChatEngine) -> None:
        self._engine = engine

    def choose(self, job: Job) -> Choice:
        """The one model there is, whatever the job."""
        return Choice(self._engine, thinking=job.thinking)

    def named(self, name: str) -> tuple[ChatEngine, str] | None:
        """The model, under its own name alone."""
        return (self._engine, "") if name == self._engine.name else None
