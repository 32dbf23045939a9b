"""Event loops that skip what nothing happens in: seconds pass at once, and always in the same order, on any machine."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Skipping(selectors.DefaultSelector):
    """Waits for nothing that has a time: adds that to what it has skipped."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.skipped_s += max(timeout, 0.0)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.skipped_s


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on such a loop, whose clock starts at 0; for what waits by the clock of its loop, and in no other thread."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(coroutine)


class LoopClock:
    """Stands for the module `time` where that is asked beside the loop."""

    @staticmethod
    def monotonic() -> float:
        """By the clock of the running loop."""
        return asyncio.get_running_loop().time()
