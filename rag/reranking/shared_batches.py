"""One model, many questions at a time: rows of all callers in packed batches, in fair order."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rag.inference.memory import lacks_memory

log = logging.getLogger(__name__)

Scores = NDArray[np.float32]
ALIKE = 0.8
"""A row of another question joins a batch when it is at least this share of the batch's width: every row then pads by a quarter
at most, less than the call of its own that it would cost."""


@dataclass(frozen=True, slots=True)
class Row:
    """Question and passage as the model reads them.

    Attributes:
        types: 0 for the question's tokens, 1 for the passage's, for models that tell them apart; empty for others.
    """

    ids: list[int]
    types: list[int] = field(default_factory=list)


Forward = Callable[[Sequence[Row]], Scores]
"""m rows to shape (m,), float32."""


class TooLate(Exception):
    """The deadline passed before all rows were done."""


class _Job:
    """The rows of one caller, longest first, and where their scores go."""

    def __init__(self, rows: Sequence[Row], deadline: float | None) -> None:
        self.rows = rows
        self.deadline = deadline
        self.waiting = deque(sorted(range(len(rows)), key=lambda i: -len(rows[i].ids)))
        self.scores: Scores = np.zeros(len(rows), dtype=np.float32)
        self.undone = len(rows)
        self.future: Future[Scores] = Future()

    def fail(self, error: BaseException) -> None:
        """Give up; the rows that wait are never computed."""
        self.waiting.clear()
        if not self.future.done():
            self.future.set_exception(error)

    def done(self, positions: Sequence[int], scores: Scores) -> None:
        """Take over the scores of some rows."""
        self.scores[list(positions)] = scores
        self.undone -= len(positions)
        if not self.undone and not self.future.done():
            self.future.set_result(self.scores)


_Batch = list[tuple[_Job, list[int]]]


class _Queue:
    """Jobs with rows to do. Each leads one batch in turn, so a long list does not hold up a short one."""

    def __init__(self, budget: int, *, mixed: bool) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self._budget = budget
        self._mixed = mixed
        self._jobs: deque[_Job] = deque()

    def put(self, job: _Job) -> None:
        with self.changed:
            self._jobs.append(job)
            self.changed.notify()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            for job in self._jobs:
                job.fail(TooLate())
            self._jobs.clear()
            self.changed.notify()

    def next_batch(self) -> _Batch | None:
        """Waits for rows; None when the queue is closed."""
        with self.changed:
            while True:
                self._drop_late()
                if self._jobs:
                    return self._filled()
                if self.closed:
                    return None
                self.changed.wait()

    def _drop_late(self) -> None:
        now = time.monotonic()
        for job in self._jobs:
            if job.deadline is not None and job.deadline <= now:
                job.fail(TooLate())
        self._jobs = deque(job for job in self._jobs if job.waiting)

    def _filled(self) -> _Batch:
        """The leader's longest rows, then, where batches are mixed, rows of others that are about as long."""
        leader = self._jobs[0]
        self._jobs.rotate(-1)
        width = len(leader.rows[leader.waiting[0]].ids)
        room = max(1, self._budget // width)
        batch = [(leader, [leader.waiting.popleft() for _ in range(min(room, len(leader.waiting)))])]
        room -= len(batch[0][1])
        for job in self._jobs:
            if room <= 0 or not self._mixed:
                break
            alike = [i for i in job.waiting if ALIKE * width <= len(job.rows[i].ids) <= width][:room]
            if alike:
                for i in alike:
                    job.waiting.remove(i)
                batch.append((job, alike))
                room -= len(alike)
        return batch


class SharedBatches:
    """A thread that runs the model on packed batches of all callers. Thread-safe."""

    def __init__(self, forward: Forward, budget: int, *, mixed: bool = True) -> None:
        """Start the thread.

        Args:
            budget: most padded tokens in one batch; a single longer row still makes a batch of its own.
            mixed: whether rows of several callers may be one batch. The last bits of a score depend on the shape of its batch:
                without, they depend on the caller's own rows alone, and come out the same each time.
        """
        self._queue = _Queue(budget, mixed=mixed)
        thread = threading.Thread(target=_run, args=(self._queue, forward), name="rerank", daemon=True)
        thread.start()
        # Also called at exit: a daemon thread inside native code while the interpreter goes away can crash it.
        self._stop = weakref.finalize(self, _stop, self._queue, thread)

    def score(self, rows: Sequence[Row], deadline: float | None = None) -> Scores:
        """Scores of n rows, shape (n,), float32.

        Raises:
            TooLate: `deadline`, an instant of `time.monotonic`, passed; what was not begun is never computed.
        """
        if not rows:
            return np.zeros(0, dtype=np.float32)
        job = _Job(rows, deadline)
        self._queue.put(job)
        try:
            return job.future.result(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            with self._queue.changed:
                job.waiting.clear()
            raise TooLate from error

    def close(self) -> None:
        """End the thread after the batch that it is at."""
        self._stop()


def _run(queue: _Queue, forward: Forward) -> None:
    """The thread's life. It holds no reference to its `SharedBatches`, so that dropping the reranker ends it."""
    while (batch := queue.next_batch()) is not None:
        try:
            scores = _scored(forward, [job.rows[i] for job, positions in batch for i in positions])
            start = 0
            for job, positions in batch:
                job.done(positions, scores[start : start + len(positions)])
                start += len(positions)
        except BaseException as error:  # handed to the callers that wait
            with queue.changed:
                for job, _ in batch:
                    job.fail(error)
        del batch  # an idle thread must not keep the last rows alive


def _scored(forward: Forward, rows: Sequence[Row]) -> Scores:
    """Scores of a batch; one for which there is no memory is halved, until a single row has none."""
    try:
        return forward(rows)
    except (RuntimeError, MemoryError) as error:
        if len(rows) == 1 or not lacks_memory(error):
            raise
    # behind the block: the error's frames held the batch's arrays
    middle = len(rows) // 2
    log.warning("a batch of %d rows is too large for the reranker's memory and is halved", len(rows))
    return np.concatenate([_scored(forward, rows[:middle]), _scored(forward, rows[middle:])])


def _stop(queue: _Queue, thread: threading.Thread) -> None:
    queue.close()
    if thread is not threading.current_thread():  # the garbage collector may run this on the thread itself
        thread.join(timeout=5.0)
