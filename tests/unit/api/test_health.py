"""Whether a process is ready: anybody asks, and nobody is kept from searching by that."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from api.routes.health import Readiness
from rag.domain.errors import BlobsUnavailable, IndexUnavailable, StoreUnavailable


class Lane:
    """A store and an index that count how often they are looked at; the index waits to be let go on, or is away."""

    def __init__(self) -> None:
        self.pings = self.counts = self.reaches = 0
        self.away = self.blobs_away = False
        self.counting, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    @property
    def database(self) -> Lane:
        return self

    @property
    def index(self) -> Lane:
        return self

    @property
    def blobs(self) -> Lane:
        return self

    def require_reachable(self) -> None:
        self.reaches += 1
        if self.blobs_away:
            raise BlobsUnavailable(detail="connection refused")

    def ping(self) -> None:
        self.pings += 1

    def count(self) -> int:
        self.counts += 1
        self.counting.set()
        self.go_on.wait(20)
        if self.away:
            raise IndexUnavailable
        return 1


def test_a_look_that_hangs_is_no_answer_for_those_who_ask_meanwhile() -> None:
    now, lane = [100.0], Lane()
    readiness, rag = Readiness(lambda: now[0]), cast(Any, lane)
    readiness.require(rag)
    lane.go_on.clear()
    lane.counting.clear()
    now[0] += 2.0
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(readiness.require, rag)
        assert lane.counting.wait(20)
        readiness.require(rag)  # what was seen a moment ago
        now[0] += 10.0
        with pytest.raises(StoreUnavailable):
            readiness.require(rag)
        lane.go_on.set()
        hanging.result(20)
    readiness.require(rag)


def test_the_index_is_counted_once_a_second_however_many_ask() -> None:
    now, lane = [100.0], Lane()
    readiness, rag = Readiness(lambda: now[0]), cast(Any, lane)
    for _ in range(50):
        readiness.require(rag)
    assert (lane.pings, lane.counts) == (1, 1)
    now[0] += 1.0
    lane.away = True
    for _ in range(3):
        with pytest.raises(IndexUnavailable):
            readiness.require(rag)
    assert lane.counts == 2
    now[0] += 1.0
    lane.away = False
    readiness.require(rag)
    assert lane.counts == 3


def test_nobody_waits_for_a_look_of_another() -> None:
    now, lane = [100.0], Lane()
    readiness, rag = Readiness(lambda: now[0]), cast(Any, lane)
    readiness.require(rag)
    now[0] += 5.0
    lane.go_on.clear()
    lane.counting.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(readiness.require, rag)
        assert lane.counting.wait(20)
        readiness.require(rag)  # what was seen before
        assert not slow.done()
        lane.go_on.set()
        slow.result(20)
    assert lane.counts == 2


def test_a_process_without_its_originals_still_answers_and_says_so() -> None:
    now, lane = [100.0], Lane()
    readiness, rag = Readiness(lambda: now[0]), cast(Any, lane)
    lane.blobs_away = True
    assert readiness.require(rag) == "degraded"
    now[0] += 1.0
    lane.blobs_away = False
    assert readiness.require(rag) == "ok"
    assert lane.reaches == 2
