"""Work that computes has a few threads of its own."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest
from anyio import create_task_group, move_on_after
from anyio.to_thread import run_sync

from rag.inference.computing import compute, waiting


class Work:
    """Counts how much of it goes on at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def do(self) -> str:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
        return "done"


async def _many(work: Work, count: int) -> list[str]:
    return await asyncio.gather(*(compute(work.do) for _ in range(count)))


def test_only_a_few_compute_at_once_in_every_loop() -> None:
    few = 4 * (os.cpu_count() or 1)
    for _ in range(2):
        work = Work()
        assert asyncio.run(_many(work, 3 * few)) == ["done"] * (3 * few)
        assert 1 <= work.most <= few


def test_who_waits_for_computing_leaves_the_other_threads_free() -> None:
    release = threading.Event()

    async def check() -> str:
        crowd = [asyncio.create_task(compute(release.wait)) for _ in range(8 * (os.cpu_count() or 1))]
        await asyncio.sleep(0)
        found = await run_sync(lambda: "not held up")
        release.set()
        await asyncio.gather(*crowd)
        return found

    assert asyncio.run(asyncio.wait_for(check(), 30)) == "not held up"


def test_who_waits_for_another_machine_gives_its_place_to_others() -> None:
    few = 4 * (os.cpu_count() or 1)
    answered, work = threading.Event(), Work()

    def ask() -> bool:
        with waiting():
            answered.wait(30)
        return work.do() == "done"

    async def check() -> list[str]:
        crowd = [asyncio.create_task(compute(ask)) for _ in range(2 * few)]
        await asyncio.sleep(0)
        found = await _many(work, 2)  # while all of the crowd wait
        assert not answered.is_set()
        answered.set()
        assert all(await asyncio.gather(*crowd))
        await _many(work, 3 * few)
        return found

    assert asyncio.run(asyncio.wait_for(check(), 25)) == ["done", "done"]
    assert 1 <= work.most <= few  # with its answer, each waits for a place again
    with waiting():  # elsewhere there is no place to give
        pass


def test_who_is_cancelled_while_it_waits_loses_no_place() -> None:
    few = 4 * (os.cpu_count() or 1)

    def ask() -> None:
        with waiting():
            time.sleep(0.3)

    async def check() -> list[str]:
        for _ in range(2):
            with move_on_after(0.1) as scope:
                async with create_task_group() as crowd:
                    for _ in range(2 * few):
                        crowd.start_soon(compute, ask)
            assert scope.cancelled_caught
        work = Work()
        found = await _many(work, 2 * few)
        assert 1 <= work.most <= few
        return found

    assert asyncio.run(asyncio.wait_for(check(), 25)) == ["done"] * (2 * few)


def test_an_error_is_the_callers() -> None:
    def fail() -> None:
        raise ValueError("it")

    with pytest.raises(ValueError, match="it"):
        asyncio.run(compute(fail))
