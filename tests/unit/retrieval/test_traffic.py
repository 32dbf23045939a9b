from __future__ import annotations

import threading
import time

import pytest

from rag.retrieval import traffic
from rag.retrieval.traffic import Traffic


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
        start = time.monotonic()
        road.give_way()
        assert time.monotonic() - start >= 0.04
