"""Guards: an engine around an engine, which watches what it writes and acts when that is of no use.

- `repetition`: a loop, in the answer, the reasoning or the arguments of a tool call.
- `runaway`: longer than any answer, or reasoning without end. What is longer than `max_tokens` can be ends there, as cut off.
- `language`: a Korean or English question answered in Chinese, Japanese or any other script. A short sentence is asked for once
  more, and goes out where it is said again or no other comes; names in their own script are answers.
- `gibberish`: random tokens, broken characters.
- `tool_call`: `tool_calls` without one, or a call that is told and not made.
- `empty`: nothing but reasoning, or nothing; not where the caller's own limit ended it, who has what was asked for.
- `leak`: the canary of its rules in any spelling, or a run of the rules themselves (`guards_leak.py`).

What a guard does depends on what has gone out. Before any of the answer has, the call is made once more, changed so that the
same need not happen again, and `Finished.retried` names the guard. After that the engine is stopped, and the stream ends with
`Finished("guard", guard=…)`; what came before is not to be trusted. A second failure before anything has gone out is
`GenerationStopped`. A call written into the text is made a real one where it can mean only one thing; where a call was told
after text has gone out, the second try gives its calls alone. Where no call comes of it, what was told was an answer after all,
and ends as one.

The guards judge each character in turn: how the text is cut into pieces changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from rag.domain.errors import GenerationStopped, SeogoError
from rag.generation.engine import ChatEngine, EngineCall, EngineEvent, Finished
from rag.generation.guards_attempt import ALL_GUARDS, TOOL_CALL, Attempt, Limits
from rag.generation.guards_retry import changed

__all__ = ["ALL_GUARDS", "GuardedEngine", "Limits", "stopped_by_guard"]

log = logging.getLogger(__name__)


class GuardedEngine:
    """`engine`, watched.

    Args:
        guards: names of the guards that this model needs.
        whole: nothing goes out before the end is good: every failure can be tried again, and the second one is an error.

    Raises:
        ValueError: there is no guard of such a name.
    """

    def __init__(
        self,
        engine: ChatEngine,
        guards: Sequence[str] = ALL_GUARDS,
        *,
        limits: Limits | None = None,
        whole: bool = False,
    ) -> None:
        if unknown := sorted(set(guards) - set(ALL_GUARDS)):
            raise ValueError(f"no such guards: {unknown}")
        self._engine = engine
        self._guards = frozenset(guards)
        self._limits = limits or Limits()
        self._whole = whole

    @property
    def name(self) -> str:
        """The model's name."""
        return self._engine.name

    @property
    def context_tokens(self) -> int:
        """Longest prompt and answer together."""
        return self._engine.context_tokens

    def whole(self) -> GuardedEngine:
        """The same for callers that need a whole answer or none."""
        return GuardedEngine(self._engine, tuple(self._guards), limits=self._limits, whole=True)

    async def stream(self, call: EngineCall) -> AsyncGenerator[EngineEvent, None]:
        """The answer as it comes, guarded.

        Raises:
            GenerationStopped: a guard has stopped both tries, and nothing has gone out; or one has, of a `whole` answer.
            ModelUnavailable, InvalidRequest: as the engine itself.
        """
        first = Attempt(self._guards, self._limits, call, held=self._whole)
        async with aclosing(self._run(first)) as events:
            async for event in events:
                yield event
        if not first.failed:
            yield first.finished()
            return
        log.warning("guard %s stopped %s%s", first.failed, self.name, " in mid-answer" if first.is_out else "")
        only_calls = first.is_out and first.failed == TOOL_CALL
        if (first.is_out and not only_calls) or (call.deadline is not None and time.monotonic() >= call.deadline):
            for event in self._ended(first, first):
                yield event
            return
        again = changed(call, first.failed, in_reasoning=first.in_reasoning)
        # Where the second try comes to nothing, what was told is shown: nothing of the other may stand before it.
        held = self._whole or first.told
        second = Attempt(self._guards, self._limits, again, held=held, only_calls=only_calls, before=first)
        try:
            async with aclosing(self._run(second)) as events:
                async for event in events:
                    yield event
        except SeogoError as error:
            if not self._may_replace(first, second):
                raise
            log.warning("%s gave no second answer: %s", self.name, error.code)
            second.failed = first.failed
        for event in self._ended(first, second):
            yield event

    async def aclose(self) -> None:
        """Close the engine."""
        await self._engine.aclose()

    async def _run(self, attempt: Attempt) -> AsyncGenerator[EngineEvent, None]:
        """What may go out of one try; leaving it early closes the engine's stream."""
        async with aclosing(self._engine.stream(attempt.call)) as events:
            async for event in events:
                for shown in attempt.take(event):
                    yield shown
                if attempt.failed or attempt.ended:
                    return
        if not attempt.ended:
            # An engine that ends without a word raised no error either: what came is what there is.
            for shown in attempt.take(Finished("stop")):
                yield shown

    def _ended(self, first: Attempt, last: Attempt) -> list[EngineEvent]:
        """The end of the last try, with what goes out before it."""
        if not last.failed:
            return [last.finished()]
        if not self._may_replace(first, last):
            return [self._stopped(last)]
        end = first.finished()
        return [*first.unsent(), replace(end, usage=last.usage, retried=last.retried)]

    def _may_replace(self, first: Attempt, last: Attempt) -> bool:
        """Whether the first try goes out in the place of the last; not behind anything of that."""
        return first.is_complete and (first.told or not last.is_out)

    def _stopped(self, attempt: Attempt) -> Finished:
        if self._whole or not attempt.is_out:
            raise GenerationStopped(name=self.name, guard=attempt.failed)
        return Finished("guard", attempt.usage, attempt.failed, attempt.replica, attempt.retried)


def stopped_by_guard(event: EngineEvent, model: str) -> None:
    """For callers that can't use half an answer: raise when `event` is the end that a guard made.

    Raises:
        GenerationStopped: it is.
    """
    if isinstance(event, Finished) and event.reason == "guard":
        raise GenerationStopped(name=model, guard=event.guard)
