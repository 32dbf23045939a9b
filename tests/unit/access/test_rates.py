"""Allowances: minutes that slide, places that come free, shares that leave room, and counts that processes tell each other."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.access import rates
from rag.access.rates import Allowance, RateLimiter, Ticket
from rag.domain.errors import RateLimited, StoreUnavailable
from rag.domain.principal import Principal, PrincipalKind, Scope
from rag.store import rate_count
from rag.store.session import Database


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float = 600.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Limits:
    """A limiter, with one allowance for keys and one for tenants."""

    def __init__(
        self,
        key: Allowance | None = None,
        tenant: Allowance | None = None,
        *,
        clock: Clock | None = None,
        shared: Database | None = None,
        places: int = 100,
        stream_places: int = 100,
    ) -> None:
        self.clock = clock or Clock()
        own = key or Allowance(), tenant or Allowance()
        self.limiter = RateLimiter(
            lambda _: own, places=places, stream_places=stream_places, shared=shared, clock=self.clock
        )

    def enter(self, key: UUID, tenant: UUID, *, stream: bool = False) -> Ticket:
        principal = Principal(key, "인사팀", tenant, frozenset({Scope.READ}))
        return self.limiter.enter(self.limiter.subjects_of(principal), stream=stream)

    def admitted(self, key: UUID, tenant: UUID, tries: int, *, stream: bool = False) -> list[Ticket]:
        """Tickets of those tries that are admitted."""
        found = []
        for _ in range(tries):
            try:
                found.append(self.enter(key, tenant, stream=stream))
            except RateLimited:
                continue
        return found


KEY, OTHER, TENANT, NEXT = (UUID(int=number) for number in range(1, 5))


def refusal(limits: Limits, key: UUID = KEY, tenant: UUID = TENANT, *, stream: bool = False) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        limits.enter(key, tenant, stream=stream)
    return caught.value


def test_without_allowances_nothing_is_refused_or_remembered() -> None:
    limits = Limits()
    for ticket in limits.admitted(KEY, TENANT, 1000):
        ticket.leave()
    assert not limits.limiter._windows


def test_a_key_has_its_requests_a_minute_and_says_when_to_come_again() -> None:
    limits = Limits(Allowance(requests=10))
    for _ in range(10):
        limits.enter(KEY, TENANT).leave()
    refused = refusal(limits)
    assert refused.params["who"] == "key"
    assert refused.params["limit"] == 10
    limits.clock.now += int(refused.params["retry_after_s"]) - 1
    refusal(limits)
    limits.clock.now += 1
    limits.enter(KEY, TENANT)
    limits.enter(OTHER, TENANT)  # another key of the tenant has its own


@given(
    limit=st.integers(1, 50),
    steps=st.lists(st.tuples(st.floats(0, 90), st.integers(1, 20)), min_size=1, max_size=30),
    start=st.floats(0, 120),
)
def test_in_no_minute_are_there_many_more_than_allowed(
    limit: int, steps: list[tuple[float, int]], start: float
) -> None:
    """A sliding window that is estimated from two minutes of the clock lets through at most twice the limit in any 60 s."""
    limits, admitted = Limits(Allowance(requests=limit), clock=Clock(start)), list[float]()
    for pause, tries in steps:
        limits.clock.now += pause
        for ticket in limits.admitted(KEY, TENANT, tries):
            admitted.append(limits.clock.now)
            ticket.leave()
    for begin in admitted:
        assert sum(begin <= moment < begin + 60 for moment in admitted) <= 2 * limit


@given(st.integers(1, 40), st.integers(0, 80), st.floats(0, 59.9))
def test_whoever_waits_as_told_gets_in(limit: int, tries: int, second: float) -> None:
    limits = Limits(Allowance(requests=limit), clock=Clock(600 + second))
    for ticket in limits.admitted(KEY, TENANT, tries):
        ticket.leave()
    limits.clock.now += 30
    for ticket in limits.admitted(KEY, TENANT, tries):
        ticket.leave()
    try:
        limits.enter(KEY, TENANT).leave()
    except RateLimited as error:
        limits.clock.now += int(error.params["retry_after_s"])
        limits.enter(KEY, TENANT).leave()


def test_a_tenant_has_one_allowance_for_all_its_keys() -> None:
    limits = Limits(tenant=Allowance(requests=4))
    assert len(limits.admitted(KEY, TENANT, 3)) == 3
    assert len(limits.admitted(OTHER, TENANT, 3)) == 1
    assert refusal(limits).params["who"] == "tenant"
    assert len(limits.admitted(KEY, NEXT, 3)) == 3


@pytest.mark.parametrize(("tokens", "measure"), [((500, 0), "tokens in"), ((0, 500), "tokens out")])
def test_tokens_are_charged_after_the_fact(tokens: tuple[int, int], measure: str) -> None:
    limits = Limits(Allowance(tokens_in=100, tokens_out=100))
    limits.enter(KEY, TENANT).spend(*tokens)
    refused = refusal(limits)
    assert measure in str(refused.params["what"])
    limits.clock.now += int(refused.params["retry_after_s"])
    limits.enter(KEY, TENANT)


def test_places_come_free_when_a_request_is_over() -> None:
    limits = Limits(Allowance(concurrent=3, streams=2))
    first, _ = limits.enter(KEY, TENANT, stream=True), limits.enter(KEY, TENANT, stream=True)
    assert refusal(limits, stream=True).params["what"] == "answers at once"
    limits.enter(KEY, TENANT)
    assert refusal(limits).params["what"] == "requests at once"
    first.leave()
    first.leave()
    limits.enter(KEY, TENANT, stream=True)
    refusal(limits)


def test_no_tenant_takes_what_another_needs() -> None:
    limits = Limits(stream_places=30)
    greedy = limits.admitted(KEY, TENANT, 1000, stream=True)
    assert len(greedy) == 20
    second = limits.admitted(OTHER, NEXT, 1000, stream=True)
    assert len(second) == 7
    newcomers = [limits.enter(uuid4(), uuid4(), stream=True) for _ in range(3)]
    for ticket in (*greedy, *second, *newcomers):
        ticket.leave()
    assert len(limits.admitted(KEY, TENANT, 1000, stream=True)) == 20


def test_requests_that_write_nothing_have_places_too() -> None:
    limits = Limits(places=9)
    assert len(limits.admitted(KEY, TENANT, 100)) == 6
    assert len(limits.admitted(OTHER, NEXT, 100)) == 2


def test_what_is_left_is_told() -> None:
    limits = Limits(Allowance(requests=10, tokens_out=100), Allowance(requests=100, tokens_out=1000))
    principal = Principal(KEY, "x", TENANT, frozenset({Scope.READ}))
    subjects = limits.limiter.subjects_of(principal)
    limits.limiter.enter(subjects, stream=True).spend(7, 30)
    requests, tokens = limits.limiter.standing(subjects)
    assert (requests.limit, requests.remaining) == (10, 9)
    assert (tokens.measure, tokens.limit, tokens.remaining) == ("tokens_out", 100, 70)
    assert 0 < requests.reset_s <= 120
    limits.clock.now += requests.reset_s
    assert limits.limiter.standing(subjects)[0].remaining == 10


def test_an_allowance_is_counted_where_it_is_held() -> None:
    """By the account, whichever of its keys it came with, and of a page in a browser by the key that its token was made with."""
    limits, kim, second = Limits(Allowance(requests=1)), UUID(int=91), UUID(int=92)

    def subject(kind: PrincipalKind = PrincipalKind.USER, **came_with: UUID) -> UUID:
        principal = Principal(kim, "김", TENANT, frozenset({Scope.READ}), kind=kind, **came_with)  # type: ignore[arg-type]
        return limits.limiter.subjects_of(principal)[0].id

    assert {subject(), subject(credential=KEY), subject(PrincipalKind.SERVICE, credential=second)} == {kim}
    assert subject(PrincipalKind.KEY) == kim and subject(PrincipalKind.KEY, credential=KEY) == KEY
    assert subject(PrincipalKind.WIDGET, credential=second, issued_by=KEY) == KEY


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_MOST_WINDOWS", 50)
    limits = Limits(Allowance(requests=10))
    for number in range(500):
        limits.enter(UUID(int=number + 10), TENANT).leave()
    assert len(limits.limiter._windows) == 50
    assert not limits.limiter._active
    assert not limits.limiter._streaming


def test_processes_tell_each_other(database: Database) -> None:
    clock = Clock()
    one, two = (Limits(Allowance(requests=10), clock=clock, shared=database) for _ in range(2))
    assert len(one.admitted(KEY, TENANT, 6)) == 6
    assert len(two.admitted(KEY, TENANT, 2)) == 2
    for limits in (one, two, one):
        limits.limiter.exchange()
    assert len(one.admitted(KEY, TENANT, 10)) == 2
    assert len(two.admitted(KEY, TENANT, 10)) == 2  # what one took in since it last told
    for limits in (one, two, one, two):
        limits.limiter.exchange()
    refusal(one)
    refusal(two)
    clock.now += 60
    for limits in (one, two):
        limits.limiter.exchange()
        refusal(limits)  # 12 in the minute before, all of which still count
    clock.now += 59
    assert one.admitted(KEY, TENANT, 20)
    clock.now += 600
    one.limiter.exchange()
    with database.read() as session:
        assert {minute for _, _, minute in rate_count.totals(session, [KEY], 0)} <= {int(clock.now) // 60}


def test_a_process_that_was_started_again_knows_what_it_counted(database: Database) -> None:
    clock = Clock()
    before = Limits(Allowance(requests=5), clock=clock, shared=database)
    before.admitted(KEY, TENANT, 5)
    before.limiter.exchange()
    after = Limits(Allowance(requests=5), clock=clock, shared=database)
    after.enter(KEY, TENANT)
    after.limiter.exchange()
    refusal(after)


def test_nothing_untold_is_lost_while_the_store_is_away(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(Allowance(requests=5), shared=sqlite)
    limits.admitted(KEY, TENANT, 4)
    with monkeypatch.context() as broken:
        broken.setattr(sqlite, "write", _away)
        with pytest.raises(StoreUnavailable):
            limits.limiter.exchange()
    limits.limiter.exchange()
    with sqlite.read() as session:
        assert rate_count.totals(session, [KEY], 0) == {(KEY, "requests", 10): 4}


def _away() -> None:
    raise StoreUnavailable
