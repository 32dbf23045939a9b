"""Writers come in turn, and none is left waiting by somebody who gave up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select

from rag.access.audit import AuditTrail
from rag.domain.audit import AuditKind
from rag.domain.errors import StoreUnavailable
from rag.store import turns as turns_module
from rag.store.audit_event import AuditRow
from rag.store.session import Database
from rag.store.tenant import ensure_tenant
from rag.store.turns import Turns
from tests.support.audit import event

_LONG_S = 30.0


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _LONG_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


@contextmanager
def queued(turns: Turns, jobs: list[Callable[[], None]]) -> Iterator[None]:
    """The jobs in threads of their own that wait in this order behind the block."""
    threads = [threading.Thread(target=job) for job in jobs]
    with turns.turn(urgent=False, within_s=_LONG_S):
        for number, thread in enumerate(threads, 1):
            thread.start()
            until(lambda number=number: turns.waiting == number)  # type: ignore[misc]
        yield
    for thread in threads:
        thread.join(_LONG_S)


def test_first_come_first_served_and_the_urgent_before_the_others() -> None:
    turns, order = Turns(), list[str]()

    def job(name: str, *, urgent: bool = False) -> Callable[[], None]:
        def work() -> None:
            with turns.turn(urgent=urgent, within_s=_LONG_S):
                order.append(name)

        return work

    with queued(turns, [job("하나"), job("둘"), job("급함", urgent=True), job("셋"), job("급함 2", urgent=True)]):
        pass
    assert order == ["급함", "급함 2", "하나", "둘", "셋"]
    assert turns.waiting == 0
    with turns.turn(urgent=False, within_s=0):
        pass


def test_whoever_waits_too_long_is_told_so_and_stands_in_nobody_s_way() -> None:
    turns = Turns()
    with turns.turn(urgent=False, within_s=0):
        with pytest.raises(StoreUnavailable), turns.turn(urgent=True, within_s=0.01):
            pytest.fail("not its turn")
        assert turns.waiting == 0
    with turns.turn(urgent=False, within_s=0):
        pass


def test_a_turn_ends_with_its_block_however_that_ends() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="x"), turns.turn(urgent=False, within_s=0):
        raise ValueError("x")
    with turns.turn(urgent=False, within_s=0):
        pass


class _Interrupted(threading.Event):
    """Whoever waits for it is interrupted, before or after it has come."""

    late = False

    def wait(self, timeout: float | None = None) -> bool:
        if self.late:
            super().wait(timeout)
        raise KeyboardInterrupt


@pytest.mark.parametrize("late", [False, True])
def test_whoever_is_interrupted_while_waiting_keeps_no_turn(monkeypatch: pytest.MonkeyPatch, late: bool) -> None:
    turns, seen = Turns(), list[type[BaseException]]()
    monkeypatch.setattr(_Interrupted, "late", late)

    def work() -> None:
        try:
            with turns.turn(urgent=False, within_s=_LONG_S):
                raise AssertionError("not its turn")
        except KeyboardInterrupt as error:
            seen.append(type(error))

    thread = threading.Thread(target=work)
    with turns.turn(urgent=False, within_s=0), monkeypatch.context() as patch:
        patch.setattr(turns_module.threading, "Event", _Interrupted)
        thread.start()
        until(lambda: turns.waiting == 1 if late else bool(seen))
    thread.join(_LONG_S)
    assert seen == [KeyboardInterrupt]
    with turns.turn(urgent=False, within_s=1):
        pass


def test_what_a_reader_waits_for_is_written_before_what_nobody_does(sqlite: Database) -> None:
    on_record: list[tuple[str, int]] = []

    def ingest(name: str) -> None:
        with sqlite.write() as session:
            ensure_tenant(session, name)
            on_record.append((name, session.scalar(select(func.count()).select_from(AuditRow)) or 0))

    def read() -> None:
        AuditTrail(sqlite).record(event(AuditKind.SEARCHED))

    with queued(sqlite._turns, [lambda: ingest("은행"), lambda: ingest("병원"), read]):
        pass
    assert on_record == [("은행", 1), ("병원", 1)]


def test_postgres_needs_no_turns(postgres: Database) -> None:
    with postgres.write() as first, postgres.write() as second:
        ensure_tenant(first, "은행")
        ensure_tenant(second, "병원")
    assert postgres._turns.waiting == 0
