"""Batches of several requests on their way through the lanes: merged where small ones wait, halved where memory runs out."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Generic, Protocol, TypeVar

from rag.domain.errors import ModelUnavailable
from rag.inference.batches import Bounds, TokenIds
from rag.inference.lanes import Lanes

logger = logging.getLogger(__name__)

LOOK_AHEAD = 64
"""Waiting batches that are looked at for one to merge: an upload has thousands, and most of them are full."""


T = TypeVar("T")


class Results(Protocol[T]):
    """What is known about the results of a model: T holds those of a whole batch, one per text."""

    def sound(self, made: T, count: int) -> bool:
        """Whether `made` are results for `count` texts that can be used."""

    def join(self, parts: Sequence[T]) -> T:
        """The results of all parts in one, in order."""

    def part(self, made: T, start: int, stop: int) -> T:
        """The results of the texts from `start` up to `stop`."""


@dataclass(slots=True)
class _Job(Generic[T]):
    """One batch of one request, with the place where its caller waits."""

    token_ids: list[TokenIds]
    request: object
    future: Future[T] = field(default_factory=Future)

    @property
    def longest(self) -> int:
        return max(map(len, self.token_ids))

    @property
    def tokens(self) -> int:
        return sum(map(len, self.token_ids))


class Batcher(Generic[T]):
    """Runs a model on lanes for many callers at once.

    Every batch puts one ticket into the queue of the lanes. The lane that gets the ticket takes the batch that has waited the
    longest, and with it those of other requests that fit beside it: several users' questions become one batch. What is merged
    has been waiting, so nobody waits for it; and a batch is left for every lane that stands idle. Urgent ones are merged with
    urgent ones, others with others, so that a question never gets behind a passage.
    """

    def __init__(
        self,
        *,
        name: str,
        forward: Callable[[list[TokenIds]], T],
        results: Results[T],
        lanes: Lanes,
        bounds: Bounds,
        lacks_memory: Callable[[Exception], bool],
    ) -> None:
        """Put the parts together.

        Args:
            name: of the model, for its errors.
            forward: runs the model; called on a lane.
            results: what `forward` has to give.
            lacks_memory: whether an error of `forward` says that the batch was too large.
        """
        self._name = name
        self._forward = forward
        self._results = results
        self._lanes = lanes
        self._bounds = bounds
        self._lacks_memory = lacks_memory
        self._lock = Lock()
        self._waiting: dict[bool, deque[_Job[T]]] = {urgent: deque() for urgent in (True, False)}
        self._running = 0

    def submit(self, batches: Sequence[list[TokenIds]], *, urgent: bool) -> list[Future[T]]:
        """Queue the batches of one request; results or errors are in the futures, which may be cancelled."""
        request = object()
        jobs: list[_Job[T]] = [_Job(batch, request) for batch in batches]
        with self._lock:
            self._waiting[urgent].extend(jobs)
        for _ in jobs:
            self._lanes.submit(partial(self._serve, urgent), urgent=urgent)
        return [job.future for job in jobs]

    def _serve(self, urgent: bool) -> None:
        """Use one ticket. There may be nothing left: an earlier ticket merged it."""
        with self._lock:
            jobs = self._taken(urgent)
            self._running += 1
        try:
            if jobs:
                self._run(jobs)
        finally:
            with self._lock:
                self._running -= 1

    def _taken(self, urgent: bool) -> list[_Job[T]]:
        """The next batch and those to merge with it, removed from the queue; the others keep their order."""
        waiting = self._waiting[urgent]
        idle = self._lanes.count - self._running - 1
        most = max(1, len(waiting) - idle)
        jobs: list[_Job[T]] = []
        passed: list[_Job[T]] = []
        while waiting and len(jobs) < most and len(passed) < LOOK_AHEAD:
            job = waiting.popleft()
            if jobs and not self._fits(jobs, job):
                passed.append(job)
            elif job.future.set_running_or_notify_cancel():
                jobs.append(job)
        waiting.extendleft(reversed(passed))
        return jobs

    def _fits(self, jobs: Sequence[_Job[T]], job: _Job[T]) -> bool:
        # The batches of one request were cut for several lanes.
        if any(job.request is other.request for other in jobs):
            return False
        merged = [*jobs, job]
        return self._bounds.holds(
            sum(len(item.token_ids) for item in merged),
            max(item.longest for item in merged),
            sum(item.tokens for item in merged),
        )

    def _run(self, jobs: Sequence[_Job[T]]) -> None:
        if len(jobs) > 1 and self._run_merged(jobs):
            return
        for job in jobs:
            try:
                job.future.set_result(self._made(job.token_ids))
            except BaseException as error:  # handed to the caller that waits for the future
                job.future.set_exception(error)

    def _run_merged(self, jobs: Sequence[_Job[T]]) -> bool:
        """All jobs in one batch. False when that failed: then each runs alone, so that nobody fails for another's text."""
        token_ids = [ids for job in jobs for ids in job.token_ids]
        try:
            made = self._checked(self._forward(token_ids), len(token_ids))
        except Exception as error:
            logger.warning("a merged batch of %s failed, its parts run alone: %s", self._name, error)
            return False
        start = 0
        for job in jobs:
            stop = start + len(job.token_ids)
            job.future.set_result(self._results.part(made, start, stop))
            start = stop
        return True

    def _made(self, token_ids: list[TokenIds]) -> T:
        """The vectors of a batch; in halves, down to single texts, where memory does not suffice for it.

        Raises:
            ModelUnavailable: the results are not sound, or there is no memory for a single text.
        """
        try:
            return self._checked(self._forward(token_ids), len(token_ids))
        except Exception as error:
            if not self._lacks_memory(error):
                raise
            if len(token_ids) == 1:
                raise ModelUnavailable(name=self._name) from error
            logger.warning("no memory for %d texts of %s at once: halved", len(token_ids), self._name)
        # Outside of the handler: the error's traceback holds the tensors of the batch that was too large.
        middle = len(token_ids) // 2
        return self._results.join([self._made(token_ids[:middle]), self._made(token_ids[middle:])])

    def _checked(self, vectors: T, count: int) -> T:
        if not self._results.sound(vectors, count):
            raise ModelUnavailable(name=self._name)
        return vectors
