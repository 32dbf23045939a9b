"""An engine that plays what it was given: the twin of the real ones, for exact behaviour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence

from rag.generation.engine import EngineCall, EngineEvent, Finished, TextDelta

Step = EngineEvent | float | Exception
"""An event; seconds to wait; or an error to raise."""


class ScriptedEngine:
    """Plays one script per call, the last one again when they run out. Records the calls, and whether each was ended early.

    Attributes:
        calls: what was asked, in order.
        stopped: numbers of the calls, from 0, whose stream was closed before its end.
    """

    def __init__(
        self, scripts: Sequence[Iterable[Step]], *, name: str = "scripted", context_tokens: int = 32_768
    ) -> None:
        if not scripts:
            raise ValueError("a script at least")
        self._scripts = [list(script) for script in scripts]
        self.name, self.context_tokens = name, context_tokens
        self.calls: list[EngineCall] = []
        self.stopped: list[int] = []

    @classmethod
    def saying(cls, *texts: str, piece: int = 4, name: str = "scripted") -> ScriptedEngine:
        """One answer per call, in pieces of `piece` characters."""
        return cls([spoken(text, piece) for text in texts], name=name)

    async def stream(self, call: EngineCall) -> AsyncGenerator[EngineEvent, None]:
        """The script of this call."""
        number = len(self.calls)
        self.calls.append(call)
        complete = False
        try:
            for step in self._scripts[min(number, len(self._scripts) - 1)]:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float | int):
                    await asyncio.sleep(step)
                    continue
                complete = isinstance(step, Finished)
                yield step
        finally:
            if not complete:
                self.stopped.append(number)

    async def aclose(self) -> None:
        """Nothing to close."""


def spoken(text: str, piece: int = 4) -> list[Step]:
    """`text` as an engine streams it, to a good end."""
    deltas: list[Step] = [TextDelta(text[start : start + piece]) for start in range(0, len(text), piece)]
    return [*deltas, Finished("stop")]
