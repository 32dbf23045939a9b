"""Lanes: the threads that a local model runs on, where a query does not wait behind an upload."""

from __future__ import annotations

import itertools
import queue
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
_LaneJob = tuple[Future[Any], Callable[[], Any]]
_LaneQueue = queue.PriorityQueue[tuple[int, int, _LaneJob | None]]


class Lanes:
    """`count` threads that run batches one at a time each, urgent ones first: questions before passages.

    A question waits for a lane no longer than the batch that the lane is at; the rest of an ingestion job waits behind it.
    """

    def __init__(self, count: int, prepare: Callable[[], None] | None = None) -> None:
        """Start the threads.

        Args:
            prepare: run once on every lane before its first batch; the constructor returns when all have.
        """
        self.count = count
        self._order = itertools.count()
        self._queue: _LaneQueue = queue.PriorityQueue()
        barrier = threading.Barrier(count + 1)
        threads = [
            threading.Thread(target=_run_lane, args=(self._queue, prepare, barrier), name=f"embed-{i}", daemon=True)
            for i in range(count)
        ]
        for thread in threads:
            thread.start()
        barrier.wait()
        # Also called at exit: a daemon thread inside native code while the interpreter goes away can crash it.
        self._stop = weakref.finalize(self, _stop_lanes, self._queue, threads)

    def submit(self, task: Callable[[], T], *, urgent: bool) -> Future[T]:
        """Queue one task, before all that are not urgent if it is; its result or error is in the future."""
        future: Future[T] = Future()
        self._queue.put((0 if urgent else 1, next(self._order), (future, task)))
        return future

    def close(self) -> None:
        """End the threads after the batches they are at. Queued ones stay undone."""
        self._stop()


def _run_lane(jobs: _LaneQueue, prepare: Callable[[], None] | None, barrier: threading.Barrier) -> None:
    """A lane's life. It holds no reference to its `Lanes`, so that dropping the embedder ends it."""
    if prepare is not None:
        prepare()
    barrier.wait()
    while (job := jobs.get()[2]) is not None:
        future, task = job
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(task())
            except BaseException as error:  # handed to the caller that waits for the future
                future.set_exception(error)
        del job, future, task  # an idle lane must not keep the last batch or the model alive


def _stop_lanes(jobs: _LaneQueue, threads: Sequence[threading.Thread]) -> None:
    """Tell every lane to end, ahead of all queued work, and give the batches in flight a moment to finish."""
    for i in range(len(threads)):
        jobs.put((-1, i, None))
    for thread in threads:
        if thread is not threading.current_thread():  # the garbage collector may run this on a lane
            thread.join(timeout=5.0)
