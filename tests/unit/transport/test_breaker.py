from __future__ import annotations

from rag.transport.breaker import CircuitBreaker, State, Tolerance


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(failures: int = 3) -> tuple[CircuitBreaker, Clock]:
    clock = Clock()
    return CircuitBreaker(Tolerance(failures=failures, window_s=30.0, rest_s=10.0), clock), clock


def fail(one: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        assert one.admit()
        one.failed()


def test_it_opens_at_the_nth_failure_and_lets_nothing_through() -> None:
    one, _ = breaker()
    fail(one, 2)
    assert one.state is State.CLOSED
    fail(one, 1)
    assert one.state is State.OPEN
    assert not one.admit()


def test_a_failure_may_count_for_several() -> None:
    for share, times in ((0.0, 5), (0.5, 2), (1.0, 1)):
        one, _ = breaker(5)
        for _ in range(times):
            assert one.state is State.CLOSED and one.admit()
            one.failed(share)
        assert one.state is State.OPEN


def test_failures_outside_the_window_are_forgotten() -> None:
    one, clock = breaker()
    fail(one, 2)
    clock.now += 31
    fail(one, 2)
    assert one.state is State.CLOSED


def test_a_success_wipes_the_slate() -> None:
    one, _ = breaker()
    fail(one, 2)
    assert one.admit()
    one.succeeded()
    fail(one, 2)
    assert one.state is State.CLOSED


def test_after_the_rest_one_probe_goes_out_and_its_success_closes() -> None:
    one, clock = breaker()
    fail(one, 3)
    clock.now += 10
    assert one.state is State.HALF_OPEN
    assert one.admit()
    assert not one.admit()
    one.succeeded()
    assert one.state is State.CLOSED
    assert one.admit()


def test_a_failed_probe_begins_the_rest_again() -> None:
    one, clock = breaker()
    fail(one, 3)
    clock.now += 10
    fail(one, 1)
    assert one.state is State.OPEN
    clock.now += 9.9
    assert not one.admit()
    clock.now += 0.1
    assert one.admit()


def test_an_abandoned_probe_makes_room_for_the_next() -> None:
    one, clock = breaker()
    fail(one, 3)
    clock.now += 10
    assert one.admit()
    one.abandoned()
    assert one.admit()
