from __future__ import annotations

import threading
import time

import pytest

from rag.inference import traffic
from rag.inference.computing import waiting
from rag.inference.traffic import Traffic


def waited(road: Traffic) -> float:
    """Seconds that one piece of work gave way for."""
    start = time.monotonic()
    road.give_way()
    return time.monotonic() - start


def test_nobody_waits_when_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 3600.0)
    road = Traffic()
    road.give_way()
    with pytest.raises(RuntimeError), road.question():
        raise RuntimeError  # a question that fails is over too
    road.give_way()


def test_work_waits_until_the_last_question_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 3600.0)
    road = Traffic()
    order: list[str] = []
    with road.question():
        worker = threading.Thread(target=lambda: (road.give_way(), order.append("work")))
        with road.question():
            worker.start()
        order.append("answer")
    worker.join(60)
    assert order == ["answer", "work"]


def test_work_never_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 0.05)
    road = Traffic()
    with road.question():
        assert waited(road) >= 0.04


def test_after_the_longest_wait_work_goes_on_for_a_turn_without_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(traffic, "TURN_S", 3600.0)
    road = Traffic()
    with road.question():
        road.give_way()
        start = time.monotonic()
        for _ in range(1000):
            road.give_way()
    assert time.monotonic() - start < 0.05 * 1000, "each of a thousand pieces would have waited"


def test_all_who_wait_go_on_together_when_a_turn_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 3600.0)
    road = Traffic()
    with road.question():
        workers = [threading.Thread(target=road.give_way, daemon=True) for _ in range(4)]
        for worker in workers:
            worker.start()
        time.sleep(0.1)
        assert all(worker.is_alive() for worker in workers)
        monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 0.01)
        road.give_way()
        for worker in workers:
            worker.join(10)
        assert not any(worker.is_alive() for worker in workers)


def test_a_turn_is_as_long_as_the_work_done_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 0.5)
    monkeypatch.setattr(traffic, "LONGEST_TURN_S", 3600.0)
    monkeypatch.setattr(traffic, "TURN_S", 0.1)
    road = Traffic()
    with road.question():
        road.give_way()
        time.sleep(0.3)  # others had the processor: nothing of the turn is used up
        assert waited(road) < 0.45
        begun = time.thread_time()
        while time.thread_time() - begun < 0.15:
            pass
        assert waited(road) >= 0.45


def test_what_a_thread_did_before_the_turn_is_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 0.5)
    monkeypatch.setattr(traffic, "LONGEST_TURN_S", 3600.0)
    road = Traffic()
    road.give_way()
    begun = time.thread_time()
    while time.thread_time() - begun < 0.5:
        pass  # as a thread that took an upload, and then answers questions
    with road.question():
        other = threading.Thread(target=road.give_way)
        other.start()
        other.join()
        assert waited(road) < 0.45


def test_a_turn_in_which_nothing_is_done_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 0.1)
    monkeypatch.setattr(traffic, "LONGEST_TURN_S", 0.05)
    road = Traffic()
    with road.question():
        road.give_way()
        time.sleep(0.1)
        assert waited(road) >= 0.09


def test_a_question_that_waits_for_another_machine_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 3600.0)
    monkeypatch.setattr(traffic, "LINGER_S", 0.0)
    road = Traffic()
    with road.question(), road.question():
        with waiting():
            road.give_way()
        worker = threading.Thread(target=road.give_way, daemon=True)
        worker.start()
        worker.join(0.1)
        assert worker.is_alive(), "and counts again afterwards"
    worker.join(60)
    with waiting():
        road.give_way()


@pytest.mark.parametrize("sort", ["ended", "expected"])
def test_what_was_asked_just_now_or_will_be_counts_for_a_moment(sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 3600.0)
    monkeypatch.setattr(traffic, "LINGER_S" if sort == "ended" else "EXPECTED_S", 0.2)
    road = Traffic()
    start = time.monotonic()
    if sort == "expected":
        road.expect()
    else:
        with road.question():
            pass
    road.give_way()
    assert 0.2 <= time.monotonic() - start < 60


def test_the_end_of_a_question_takes_nothing_from_one_that_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 3600.0)
    monkeypatch.setattr(traffic, "LINGER_S", 0.0)
    monkeypatch.setattr(traffic, "EXPECTED_S", 0.2)
    road = Traffic()
    with road.question():
        start = time.monotonic()
        road.expect()
    road.give_way()
    assert time.monotonic() - start >= 0.2
