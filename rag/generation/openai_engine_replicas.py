"""The replicas of one served model: which one takes a generation, how many each has, and which are passed over."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from rag.domain.errors import ModelBusy, ModelUnavailable
from rag.transport.breaker import CircuitBreaker, State
from rag.transport.streaming import StreamingServer

_SLACK_SHARE = 8
_LEAST_SLACK = 2
"""How many more generations the replica with the right cache may have than the idlest: an eighth of what one takes. A cached
prefix saves a prefill of seconds at most, while every further generation slows all of a replica's."""
_HUNG_ALONE = 0.5
"""Share of the failures that open a breaker, which a first token that never came counts where no other replica is: the second
in a row opens it. Where another is, the first does: a call that goes there costs little, and each that does not, a minute."""
_UNHEARD_IN_A_ROW = 5
"""Waits shorter than a stream's, one after the other, in which the only replica wrote nothing to anybody, until they are held
against it, and together: where nobody streams, nothing else would tell that it hangs. By default they are 100 s, which is
about what it takes two streams to find out."""


@dataclass(eq=False, slots=True)
class Replica:
    """One engine.

    Attributes:
        open: generations that it has now.
        failure: what the last one that failed would have told its caller, while the breaker keeps others away.
        heard: instant of `time.monotonic` at which it wrote something last, to whomever.
        unheard: waits, one after the other, in which it wrote nothing to anybody.
        unheard_until: instant of `time.monotonic` at which the last of them ended.
    """

    server: StreamingServer
    breaker: CircuitBreaker
    open: int = 0
    failure: Callable[[], ModelUnavailable] | None = None
    heard: float = 0.0
    unheard: int = 0
    unheard_until: float = 0.0

    def wrote(self) -> None:
        """It wrote something just now."""
        self.heard, self.unheard = time.monotonic(), 0

    def blamed(self, begun: float, portion: float, *, elsewhere: bool) -> tuple[bool, float]:
        """Whether a first token that did not come is held against it, and for which share of the failures that open its breaker.

        Args:
            begun: instant of `time.monotonic` since when it was waited for.
            portion: of a stream's wait for it; below 1 whoever streams may still be served.
            elsewhere: whether another replica can take the calls.
        """
        # While it writes for others it does not hang, but has much to read.
        hangs = self.heard < begun
        in_a_row = self._in_vain(begun) if hangs else 0
        share = (1.0 if elsewhere else _HUNG_ALONE) * portion if hangs else 0.0
        if elsewhere or portion >= 1.0:
            return True, share
        # For the sake of whoever streams, a short wait for the only replica counts as one of many alone.
        return in_a_row >= _UNHEARD_IN_A_ROW, min(1.0, in_a_row * share)

    def mute(self, begun: float) -> float:
        """For which share of the failures that open its breaker it counts that not even headers came: nothing, where it wrote
        for others since `begun`; else the second in a row opens it, however many replicas there are, as it was a short wait."""
        return _HUNG_ALONE if self.heard < begun else 0.0

    def _in_vain(self, begun: float) -> int:
        """How many waits in vain there were in a row with this one; 0 where it began before the last of them had ended: it says
        no more of how long nothing came."""
        if begun < self.unheard_until:
            return 0
        self.unheard, self.unheard_until = self.unheard + 1, time.monotonic()
        return self.unheard


@dataclass(eq=False, slots=True)
class Place:
    """A generation's place on a replica. Given back exactly once; how it went is told to the breaker once or twice."""

    replica: Replica
    _told: bool = False
    _probe: bool = field(default=False)

    def began(self) -> None:
        """The first token came. A probe has done its duty with it: others need not wait for the end of its answer."""
        if self._probe:
            self._told = True
            self.replica.breaker.succeeded()

    def succeeded(self) -> None:
        """The answer is complete."""
        self._told = True
        self.replica.breaker.succeeded()

    @property
    def is_probe(self) -> bool:
        """Whether the replica was passed over until now, and this generation tells whether it is well again."""
        return self._probe

    def failed(self, failure: Callable[[], ModelUnavailable], share: float = 0.0) -> None:
        """The engine is to blame; `share` is for its breaker."""
        self._told = True
        self.replica.failure = failure
        self.replica.breaker.failed(share)

    def settle(self) -> None:
        """Whatever was not told: the caller gave up, or the request was at fault."""
        if not self._told:
            self._told = True
            self.replica.breaker.abandoned()


@dataclass(eq=False, slots=True)
class _Waiting:
    loop: asyncio.AbstractEventLoop
    free: asyncio.Future[None]


class Replicas:
    """Gives places. May be used from several event loops."""

    def __init__(self, name: str, replicas: Sequence[Replica], concurrency: int) -> None:
        """`name` is the model's; `concurrency` the generations that one replica takes at once."""
        self._name = name
        self.all = tuple(replicas)
        self._concurrency = concurrency
        self._slack = max(_LEAST_SLACK, concurrency // _SLACK_SHARE)
        self._guard = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._turn = 0

    async def take(self, affinity: str, avoided: Collection[Replica], until: float) -> Place:
        """A place, as soon as there is one.

        Args:
            affinity: calls with the same value go to the same replica, unless it has clearly more to do than another.
            avoided: replicas that failed this very call.
            until: instant of `time.monotonic` after which no place is waited for.

        Raises:
            ModelBusy: none became free.
            ModelUnavailable, or one of its kinds: every replica that is not avoided failed just now.
        """
        first = True
        while True:
            with self._guard:
                place = self._place(affinity, avoided, behind=first and bool(self._waiting))
                if place is not None:
                    return place
                loop = asyncio.get_running_loop()
                waiting = _Waiting(loop, loop.create_future())
                # Who has waited already and lost its place to a newcomer is the next again.
                (self._waiting.append if first else self._waiting.appendleft)(waiting)
            first = woken = False
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    await waiting.free
                    woken = True
            except TimeoutError:
                raise ModelBusy(name=self._name) from None
            finally:
                self._leave(waiting, woken=woken)

    def others(self, avoided: Collection[Replica]) -> bool:
        """Whether a replica is left that is neither avoided nor passed over."""
        return self.left(avoided) > 0

    def left(self, avoided: Collection[Replica]) -> int:
        """How many are neither avoided nor passed over."""
        return sum(one not in avoided and one.breaker.state is not State.OPEN for one in self.all)

    def release(self, place: Place) -> None:
        """The generation has ended, one way or another."""
        place.settle()
        with self._guard:
            place.replica.open -= 1
            self._wake()

    def _place(self, affinity: str, avoided: Collection[Replica], *, behind: bool) -> Place | None:
        """A place now; None when all are full, or others wait before this call (`behind`). The guard is held."""
        up = [one for one in self.all if one not in avoided and one.breaker.state is not State.OPEN]
        if not up:
            raise self._down(avoided)
        left = [] if behind else [one for one in up if one.open < self._concurrency]
        while left:
            chosen = self._chosen(left, affinity)
            probe = chosen.breaker.state is State.HALF_OPEN
            if chosen.breaker.admit():
                chosen.open += 1
                return Place(chosen, _probe=probe)
            left.remove(chosen)  # half open, and another request is its probe
            up.remove(chosen)
            if not up:
                raise self._down(avoided)
        return None

    def _down(self, avoided: Collection[Replica]) -> ModelUnavailable:
        self._wake()  # who waits is told the same at once
        told = [one.failure for one in self.all if one not in avoided and one.failure is not None]
        return told[0]() if told else ModelUnavailable(name=self._name)

    def _chosen(self, left: Sequence[Replica], affinity: str) -> Replica:
        least = min(one.open for one in left)
        if affinity:
            # Rendezvous hashing (Thaler & Ravishankar 1998): when a replica goes, only its own calls move.
            own = max(left, key=lambda one: _weight(affinity, one.server.url))
            if own.open <= least + self._slack:
                return own
        idle = [one for one in left if one.open == least]
        self._turn += 1
        return idle[self._turn % len(idle)]

    def _leave(self, waiting: _Waiting, *, woken: bool) -> None:
        """No longer waiting. A place that was offered to one who gave up in that moment is offered to the next."""
        with self._guard:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif not woken:
                self._wake()

    def _wake(self) -> None:
        """Tell the one that waits longest. The guard is held."""
        while self._waiting:
            waiting = self._waiting.popleft()
            try:
                waiting.loop.call_soon_threadsafe(_tell, waiting.free)
            except RuntimeError:  # its event loop is closed, and nobody waits any more
                continue
            return


def _tell(free: asyncio.Future[None]) -> None:
    if not free.done():
        free.set_result(None)


def _weight(affinity: str, url: str) -> bytes:
    return hashlib.blake2b(f"{affinity}\0{url}".encode(), digest_size=8).digest()
