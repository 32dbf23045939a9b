"""Running things at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(works: list[Callable[[], T]], timeout_s: float = 60) -> list[T]:
    """Results of all `works` in order, each run in a thread of its own; the first error is raised."""
    gate = threading.Barrier(len(works))

    def begin(work: Callable[[], T]) -> T:
        gate.wait(timeout_s)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(timeout_s) for future in [pool.submit(begin, work) for work in works]]
