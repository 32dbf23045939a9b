from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.transport.breaker import CircuitBreaker
from rag.transport.server import MOST_BYTES, ModelServer, Patience, key_of
from tests.support.model_server import Answer, Asked, Behaviour, scripted_server

SECRET = "a-key-that-nobody-may-see"
TEXT = "고객 홍길동의 계좌"


class Pauses:
    """Takes the place of sleeping."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def in_turn(*answers: Answer) -> Behaviour:
    """Each answer once, the last one for ever."""
    left: Iterator[Answer] = iter(answers)
    last = [answers[-1]]

    def behave(asked: Asked) -> Answer:
        last[0] = next(left, last[0])
        return last[0]

    return behave


_OPEN: list[ModelServer] = []


def client(url: str, pauses: Callable[[float], None] | None = None, **kwargs: Any) -> ModelServer:
    _OPEN.append(ModelServer(url, name="tiny", api_key=SECRET, sleep=pauses or Pauses(), **kwargs))
    return _OPEN[-1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def test_an_answer_comes_back_and_the_key_goes_along() -> None:
    with scripted_server(in_turn(Answer({"data": [1]}))) as server:
        assert client(server.url).post("/v1/embeddings", {"input": [TEXT]}) == {"data": [1]}
        [asked] = server.asked
        assert (asked.path, asked.body) == ("/v1/embeddings", {"input": [TEXT]})
        assert asked.headers["authorization"] == f"Bearer {SECRET}"


def test_a_busy_server_is_asked_again_after_growing_pauses() -> None:
    pauses = Pauses()
    with scripted_server(in_turn(Answer(status=503), Answer(status=429), Answer({"ok": True}))) as server:
        assert client(server.url, pauses).post("/x", {}) == {"ok": True}
    assert 0.1 <= pauses.seconds[0] <= 0.2 <= pauses.seconds[1] <= 0.4


def test_a_server_may_say_when_to_come_back() -> None:
    pauses = Pauses()
    with scripted_server(in_turn(Answer(status=503, headers={"retry-after": "7"}), Answer({}))) as server:
        client(server.url, pauses).post("/x", {})
    assert pauses.seconds == [7.0]


def test_a_pause_beyond_the_deadline_is_not_waited_for() -> None:
    pauses = Pauses()
    busy = in_turn(Answer(status=503, headers={"retry-after": "7"}))
    with scripted_server(busy) as server, pytest.raises(ModelUnavailable):
        client(server.url, pauses).post("/x", {}, deadline=time.monotonic() + 5)
    assert pauses.seconds == []


def test_a_server_that_is_not_there_is_tried_and_given_up() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    pauses = Pauses()
    with pytest.raises(ModelUnavailable):
        client(url, pauses, patience=Patience(tries=3)).post("/x", {})
    assert len(pauses.seconds) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500, data={"error": {"message": "CUDA error", "type": "InternalServerError"}}),
        Answer(raw=b"<html>it works</html>"),
        Answer(raw=b"[" * 100_000),
        Answer(status=302, headers={"location": "http://127.0.0.1:1/"}, raw=b""),
        Answer(raw=b'{"data": [1, 2', promised=5000),
        Answer(raw=b""),
    ],
    ids=["error", "not JSON", "endless nesting", "redirect", "cut off", "nothing"],
)
def test_what_can_not_be_used_is_an_error_of_ours(answer: Answer) -> None:
    with scripted_server(in_turn(answer)) as server, pytest.raises(ModelUnavailable):
        client(server.url, patience=Patience(tries=2)).post("/x", {})


def test_a_request_that_crashed_the_server_is_not_repeated() -> None:
    with scripted_server(in_turn(Answer(status=500))) as server:
        with pytest.raises(ModelUnavailable):
            client(server.url).post("/x", {})
        assert len(server.asked) == 1


def test_a_reply_without_end_is_cut() -> None:
    with scripted_server(in_turn(Answer(raw=b" " * (MOST_BYTES + 1)))) as server, pytest.raises(ModelUnavailable):
        client(server.url).post("/x", {})


def test_a_slow_server_does_not_outlast_the_deadline() -> None:
    with scripted_server(in_turn(Answer({}, pause_s=3.0))) as server:
        start = time.monotonic()
        with pytest.raises(ModelUnavailable):
            client(server.url).post("/x", {}, deadline=start + 0.3)
        assert time.monotonic() - start < 2.5


def test_a_deadline_that_is_over_asks_nobody() -> None:
    with scripted_server(in_turn(Answer({}))) as server:
        with pytest.raises(ModelUnavailable):
            client(server.url).post("/x", {}, deadline=time.monotonic() - 1)
        assert server.asked == []


def test_a_refused_key_is_a_matter_of_the_configuration() -> None:
    with scripted_server(in_turn(Answer({"error": "no"}, status=401))) as server, pytest.raises(ConfigurationError):
        client(server.url).post("/x", {})


def test_neither_texts_nor_keys_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="rag.transport")
    refusal = {"error": {"type": "BadRequestError", "message": f"can't embed {TEXT}"}}
    with scripted_server(in_turn(Answer(refusal, status=400), Answer(status=503))) as server:
        asking = client(server.url, patience=Patience(tries=1))
        for _ in range(2):
            with pytest.raises(ModelUnavailable):
                asking.post("/x", {"input": TEXT})
    assert "BadRequestError" in caplog.text
    assert TEXT not in caplog.text
    assert SECRET not in caplog.text


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with scripted_server(in_turn(Answer({"ok": 1}))) as server:
        assert client(server.url).post("/x", {}) == {"ok": 1}


def test_only_urls_are_servers() -> None:
    for wrong in ("vllm:8000", "file:///etc/passwd", ""):
        with pytest.raises(ConfigurationError):
            ModelServer(wrong, name="tiny")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_opens_after_failures_and_lets_one_call_try() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=3, window_s=30, open_s=10, clock=clock)
    for _ in range(3):
        assert breaker.allows()
        breaker.failed()
    assert not breaker.allows()
    clock.now += 10
    assert breaker.allows()
    assert not breaker.allows()  # only one tries
    breaker.failed()
    assert not breaker.allows()
    clock.now += 10
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()


def test_failures_far_apart_do_not_open_a_breaker() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=3, window_s=30, open_s=10, clock=clock)
    for _ in range(9):
        breaker.failed()
        clock.now += 20
    assert breaker.allows()


def test_a_call_that_ran_out_of_time_lets_another_try() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=1, open_s=10, clock=clock)
    breaker.failed()
    clock.now += 10
    assert breaker.allows()
    breaker.abandoned()
    assert breaker.allows()


def test_an_open_breaker_asks_nobody() -> None:
    with scripted_server(in_turn(Answer(status=500))) as server:
        asking = client(server.url, breaker=CircuitBreaker(failures=2))
        for _ in range(4):
            with pytest.raises(ModelUnavailable):
                asking.post("/x", {})
        assert len(server.asked) == 2


def test_a_short_deadline_does_not_open_a_breaker() -> None:
    with scripted_server(in_turn(Answer({"ok": 1}, pause_s=0.4))) as server:
        asking = client(server.url, breaker=CircuitBreaker(failures=1))
        with pytest.raises(ModelUnavailable):
            asking.post("/x", {}, deadline=time.monotonic() + 0.1)
        assert asking.post("/x", {}) == {"ok": 1}


def test_keys_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    assert key_of(file) == SECRET
    assert key_of(None) is None
    for content in ("", "  \n", "열쇠", "two\nlines"):
        file.write_text(content)
        with pytest.raises(ConfigurationError):
            key_of(file)
    with pytest.raises(ConfigurationError):
        key_of(tmp_path / "missing")
