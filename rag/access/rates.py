"""How much a key and a tenant may ask for: requests and tokens a minute, and how many requests and answers at once.

A minute is a sliding one: what was used in the minute of the clock before counts less with every second. Tokens are known when
they are spent, so whoever has used up the allowance waits until enough of it has slid away; one request can overrun it once.

What holds across processes: counts per minute, where the store is PostgreSQL. Each process tells the others what it has counted
once a second (`exchange`), so together they can overrun a limit by what they take in within that second. With SQLite there is one
process. How many are at work at once is counted in each process alone.

Between tenants: of the places of a process, one tenant gets at most twice as many as are left free. Alone it can have two thirds
of them; whoever comes next always finds some.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from rag.domain.errors import RateLimited
from rag.domain.principal import Principal
from rag.store import rate_count
from rag.store.session import Database

Measure = Literal["requests", "tokens_in", "tokens_out"]
MEASURES: tuple[Measure, ...] = ("requests", "tokens_in", "tokens_out")
_MINUTE_S = 60
_MOST_WINDOWS = 30_000
"""Subjects times measures that are remembered, some 10 MB: of more, those unused for the longest are forgotten."""
_SHARE = 2
"""Places that a tenant may hold for each that is free: alone two thirds of all, one of two 2/5, one of n 2/(2n + 1)."""
_AGAIN_S = 1
"""When to ask again where places are taken: they come free with any answer."""
_KEPT_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key or tenant may use; None is no limit.

    Attributes:
        requests, tokens_in, tokens_out: a minute.
        concurrent: requests at once, in one process.
        streams: answers that are being written at once, in one process; of the requests above.
        apart: it is of one key alone, which is counted apart from its account.
    """

    requests: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    concurrent: int | None = None
    streams: int | None = None
    apart: bool = False

    def of(self, measure: Measure) -> int | None:
        """The limit of a measure, a minute."""
        return {"requests": self.requests, "tokens_in": self.tokens_in, "tokens_out": self.tokens_out}[measure]


@dataclass(frozen=True, slots=True)
class Subject:
    """A key or a tenant, with its allowance."""

    who: Literal["key", "tenant"]
    id: UUID
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of an allowance is left: `reset_s` seconds until all of it is."""

    measure: Measure
    limit: int
    remaining: int
    reset_s: float


class _Window:
    """One measure of one subject: this minute of the clock and the one before, here and in other processes."""

    __slots__ = ("before", "minute", "others", "others_before", "own")

    def __init__(self, minute: int) -> None:
        self.minute = minute
        self.own = self.before = self.others = self.others_before = 0

    def roll(self, minute: int) -> None:
        if minute == self.minute:
            return
        followed = minute == self.minute + 1
        self.before, self.others_before = (self.own, self.others) if followed else (0, 0)
        self.own = self.others = 0
        self.minute = minute

    @property
    def past(self) -> int:
        return self.before + self.others_before

    @property
    def current(self) -> int:
        return self.own + self.others

    def used(self, now: float) -> float:
        return self.past * (1 - now % _MINUTE_S / _MINUTE_S) + self.current

    def free_in(self, wanted: float, now: float) -> float:
        """Seconds until no more than `wanted` is used, if nothing is added."""
        if self.used(now) <= wanted:
            return 0.0
        elapsed = now % _MINUTE_S
        if self.current <= wanted:  # enough of the minute before slides away within this one
            return max(0.0, _MINUTE_S * (1 - (wanted - self.current) / self.past) - elapsed)
        return _MINUTE_S - elapsed + _MINUTE_S * (1 - max(wanted, 0) / self.current)


class Ticket:
    """Admission of one request: what it spends is charged to its subjects, and its places are theirs until it leaves."""

    def __init__(self, limiter: RateLimiter, subjects: tuple[Subject, ...], *, stream: bool) -> None:
        self._limiter = limiter
        self._subjects = subjects
        self._stream = stream
        self._left = False

    def spend(self, tokens_in: int, tokens_out: int) -> None:
        """Charge tokens."""
        self._limiter.charge(self._subjects, tokens_in, tokens_out)

    def leave(self) -> None:
        """Give the places back; doing so twice changes nothing."""
        if not self._left:
            self._left = True
            self._limiter.release(self._subjects, stream=self._stream)


class RateLimiter:
    """Admits requests, or refuses them. Thread-safe; memory is bounded however many keys there are.

    Args:
        allowance_of: the allowances of a principal's key and of its tenant.
        places, stream_places: requests and answers at once in this process, of all tenants together.
        shared: where the processes of an installation tell each other; None where there is one.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        allowance_of: Callable[[Principal], tuple[Allowance, Allowance]],
        *,
        places: int,
        stream_places: int,
        shared: Database | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._allowance_of = allowance_of
        self._places = places
        self._stream_places = stream_places
        self._shared = shared
        self._clock = clock
        self._guard = threading.Lock()
        self._windows: OrderedDict[tuple[UUID, Measure], _Window] = OrderedDict()
        self._untold: Counter[rate_count.RateKey] = Counter()
        self._active: Counter[UUID] = Counter()
        self._streaming: Counter[UUID] = Counter()
        self._all_active = 0
        self._all_streaming = 0
        self._forgot_at = 0

    def subjects_of(self, principal: Principal) -> tuple[Subject, ...]:
        """Who is charged for what a principal asks."""
        key, tenant = self._allowance_of(principal)
        charged = principal.key if key.apart else principal.charged
        return Subject("key", charged, key), Subject("tenant", principal.tenant_id, tenant)

    def enter(self, subjects: tuple[Subject, ...], *, stream: bool) -> Ticket:
        """Admit a request; `stream` says that an answer will be written. A refused one is not counted.

        Raises:
            RateLimited: an allowance is used up, or too many are at work.
        """
        with self._guard:
            now = self._clock()
            for subject in subjects:
                self._require_place(subject, stream=stream)
                for measure in MEASURES:
                    self._require_allowance(subject, measure, now)
            for subject in subjects:
                self._add(subject, "requests", 1, now)
                self._active[subject.id] += 1
                self._streaming[subject.id] += stream
            self._all_active += 1
            self._all_streaming += stream
        return Ticket(self, subjects, stream=stream)

    def release(self, subjects: tuple[Subject, ...], *, stream: bool) -> None:
        """A request is over."""
        with self._guard:
            self._all_active -= 1
            self._all_streaming -= stream
            for subject in subjects:
                for held, taken in ((self._active, 1), (self._streaming, int(stream))):
                    held[subject.id] -= taken
                    if held[subject.id] <= 0:
                        del held[subject.id]

    def charge(self, subjects: tuple[Subject, ...], tokens_in: int, tokens_out: int) -> None:
        """Count tokens that were spent."""
        with self._guard:
            now = self._clock()
            for subject in subjects:
                self._add(subject, "tokens_in", tokens_in, now)
                self._add(subject, "tokens_out", tokens_out, now)

    def standing(self, subjects: tuple[Subject, ...]) -> list[Standing]:
        """For each measure that is limited, the subject that has the least left of it."""
        with self._guard:
            now = self._clock()
            found = [list(self._standings(subjects, measure, now)) for measure in MEASURES]
        return [min(of_measure, key=lambda item: item.remaining / item.limit) for of_measure in found if of_measure]

    def exchange(self) -> None:
        """Tell the other processes what was used here, and learn what was used there.

        Raises:
            StoreUnavailable: it is away; nothing of what is to be told is lost.
        """
        if self._shared is None:
            return
        with self._guard:
            minute = int(self._clock()) // _MINUTE_S
            telling, self._untold = self._untold, Counter()
            subjects = {subject for subject, _ in self._windows}
        try:
            with self._shared.write() as session:
                rate_count.add(session, telling)
                if minute > self._forgot_at:
                    rate_count.forget(session, minute - _KEPT_MINUTES)
                    self._forgot_at = minute
            with self._shared.read() as session:
                totals = rate_count.totals(session, subjects, minute - 1)
        except BaseException:
            with self._guard:
                self._untold.update(telling)
            raise
        with self._guard:
            for (subject, measure), window in self._windows.items():
                self._learn(subject, measure, window, totals, minute)

    def _learn(
        self, subject: UUID, measure: Measure, window: _Window, totals: dict[rate_count.RateKey, int], minute: int
    ) -> None:
        window.roll(max(window.minute, minute))
        for then, own in ((window.minute, window.own), (window.minute - 1, window.before)):
            told = own - self._untold[subject, measure, then]
            others = max(0, totals.get((subject, measure, then), 0) - told)
            if then == window.minute:
                window.others = others
            else:
                window.others_before = others

    def _require_place(self, subject: Subject, *, stream: bool) -> None:
        places = [("requests at once", self._active, subject.allowance.concurrent, self._places - self._all_active)]
        if stream:
            left = self._stream_places - self._all_streaming
            places.append(("answers at once", self._streaming, subject.allowance.streams, left))
        for what, held, limit, free in places:
            mine = held[subject.id]
            if limit is not None and mine >= limit:
                raise RateLimited(who=subject.who, what=what, limit=limit, retry_after_s=_AGAIN_S)
            if subject.who == "tenant" and mine >= _SHARE * free:
                raise RateLimited(who=subject.who, what=what, limit=max(1, mine), retry_after_s=_AGAIN_S)

    def _require_allowance(self, subject: Subject, measure: Measure, now: float) -> None:
        limit = subject.allowance.of(measure)
        if limit is None:
            return
        window = self._window(subject.id, measure, now)
        wanted = limit - 1  # room for one more
        if window.used(now) > wanted:
            after = max(1, math.ceil(window.free_in(wanted, now)))
            what = f"{measure.replace('_', ' ')} per minute"
            raise RateLimited(who=subject.who, what=what, limit=limit, retry_after_s=after)

    def _add(self, subject: Subject, measure: Measure, amount: int, now: float) -> None:
        if subject.allowance.of(measure) is None or amount <= 0:
            return
        window = self._window(subject.id, measure, now)
        window.own += amount
        if self._shared is not None:
            self._untold[subject.id, measure, window.minute] += amount

    def _window(self, subject: UUID, measure: Measure, now: float) -> _Window:
        minute = int(now) // _MINUTE_S
        key = (subject, measure)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(minute)
            if len(self._windows) > _MOST_WINDOWS:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
            window.roll(max(window.minute, minute))
        return window

    def _standings(self, subjects: tuple[Subject, ...], measure: Measure, now: float) -> Iterator[Standing]:
        for subject in subjects:
            if limit := subject.allowance.of(measure):
                window = self._window(subject.id, measure, now)
                left = max(0, math.floor(limit - window.used(now)))
                yield Standing(measure, limit, left, window.free_in(0, now))
