from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.errors import ConfigurationError, ModelAway, ModelUnavailable, ModelUnusable
from rag.domain.messages import localized
from rag.transport.breaker import State, Tolerance
from rag.transport.server import ModelServer, Patience, Question
from tests.support.model_server import Answer, Call, ScriptedServer, model_server

FINE = Answer({"fine": True})
QUICK = Patience(timeout_s=5.0, connect_s=1.0, tries=3, pause_s=0.001)


class Script:
    """Answers one after the other, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def __call__(self, call: Call) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@contextmanager
def talking(*answers: Answer, **changes: Any) -> Iterator[tuple[ModelServer, ScriptedServer]]:
    with model_server(Script(*answers)) as scripted:
        server = ModelServer("bge-m3", scripted.url, **({"patience": QUICK} | changes))
        try:
            yield server, scripted
        finally:
            server.close()


def busy(status: int, **headers: str) -> Answer:
    return Answer({"error": "busy"}, status, {name.replace("_", "-"): value for name, value in headers.items()})


def test_json_goes_out_and_comes_back() -> None:
    with talking(FINE) as (server, scripted):
        assert server.post("/v1/x", {"input": ["한국어", "lone \ud800"]}) == {"fine": True}
        call = scripted.calls[0]
        assert call.path == "/v1/x"
        assert call.body == {"input": ["한국어", "lone ?"]}
        assert "authorization" not in call.headers


def test_the_key_comes_from_the_file_and_can_be_exchanged(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-old\n")
    key.chmod(0o600)
    with talking(FINE, key_file=key) as (server, scripted):
        server.post("/", {})
        key.write_text("sk-new")
        server.post("/", {})
        assert [call.headers["authorization"] for call in scripted.calls] == ["Bearer sk-old", "Bearer sk-new"]


@pytest.mark.parametrize("content", ["", "  \n", "two words", "열쇠", "a\nb"])
def test_a_file_without_a_key_is_a_configuration_error(tmp_path: Path, content: str) -> None:
    key = tmp_path / "key"
    key.write_text(content)
    key.chmod(0o600)
    with pytest.raises(ConfigurationError):
        ModelServer("m", "http://127.0.0.1:9", key_file=key)
    with pytest.raises(ConfigurationError):
        ModelServer("m", "http://127.0.0.1:9", key_file=tmp_path / "none")


@pytest.mark.parametrize(
    "url",
    ["", "vllm:8000", "ftp://vllm", "http://", "http://u:p@vllm", "http://vllm/?key=1", "http://vllm/#a", "http://[x"],
)
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(ConfigurationError):
        ModelServer("m", url)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_growing_pauses(status: int) -> None:
    pauses: list[float] = []
    patience = Patience(timeout_s=5.0, tries=3, pause_s=0.2)
    with talking(busy(status), busy(status), FINE, patience=patience, sleep=pauses.append, jitter=lambda: 1.0) as (
        server,
        scripted,
    ):
        assert server.post("/", {}) == {"fine": True}
        assert len(scripted.calls) == 3
        assert pauses == [0.2, 0.4]


def test_pauses_are_drawn_between_a_half_and_the_whole() -> None:
    pauses: list[float] = []
    with talking(busy(503), FINE, patience=Patience(pause_s=0.2), sleep=pauses.append, jitter=lambda: 0.0) as (
        server,
        _,
    ):
        server.post("/", {})
        assert pauses == [0.1]


@pytest.mark.parametrize("status", [500, 501, 301, 302])
def test_other_failures_are_not_tried_again(status: int) -> None:
    with talking(busy(status, Location="http://127.0.0.1:1/elsewhere")) as (server, scripted):
        with pytest.raises(ModelUnavailable):
            server.post("/", {})
        assert len(scripted.calls) == 1


def test_a_busy_server_is_given_up_after_the_tries() -> None:
    with talking(busy(503)) as (server, scripted):
        with pytest.raises(ModelUnavailable) as caught:
            server.post("/", {})
        assert len(scripted.calls) == 3
        assert caught.value.params == {"name": "bge-m3"}


def test_retry_after_is_honoured_within_the_deadline() -> None:
    pauses: list[float] = []
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    answers = (busy(503, Retry_After="2"), busy(429, Retry_After=soon), FINE)
    with talking(*answers, patience=Patience(timeout_s=60.0), sleep=pauses.append) as (server, _):
        server.post("/", {})
        assert pauses[0] == 2.0
        assert 0.5 < pauses[1] <= 3.0
    with talking(busy(503, Retry_After="3600"), patience=Patience(timeout_s=5.0), sleep=pauses.append) as (server, one):
        with pytest.raises(ModelUnavailable):
            server.post("/", {})
        assert len(one.calls) == 1
        assert len(pauses) == 2


@pytest.mark.parametrize("value", ["", "soon", "-5", "²", "9" * 4000, "Wed, 99 Nov 2026"])
def test_a_senseless_retry_after_harms_nothing(value: str) -> None:
    headers = {"Retry-After": value.encode().decode("latin-1")}
    with talking(Answer({}, 503, headers), FINE) as (server, _):
        if value.startswith("9"):
            with pytest.raises(ModelUnavailable):
                server.post("/", {})
        else:
            assert server.post("/", {}) == {"fine": True}


def test_a_refusal_is_returned_to_those_who_ask_and_an_error_to_others() -> None:
    with talking(Answer({"message": "no"}, 400)) as (server, scripted):
        reply = server.exchange("/", {})
        assert (reply.ok, reply.status, reply.body) == (False, 400, {"message": "no"})
        with pytest.raises(ModelUnavailable):
            server.post("/", {})
        assert len(scripted.calls) == 2
        assert server.breaker.state is State.CLOSED


def drip(wfile: Any) -> None:
    wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        wfile.write(b" ")
        wfile.flush()
        time.sleep(0.02)


def silent(wfile: Any) -> None:
    time.sleep(1.5)


@pytest.mark.parametrize("write", [drip, silent])
def test_a_slow_answer_ends_at_the_deadline(write: Callable[[Any], None]) -> None:
    with talking(Answer(write=write)) as (server, _):
        begun = time.monotonic()
        with pytest.raises(ModelUnavailable):
            server.post("/", {}, deadline=begun + 0.2)
        assert time.monotonic() - begun < 1.4


def test_nothing_is_sent_when_the_deadline_is_past() -> None:
    with talking(FINE) as (server, scripted):
        with pytest.raises(ModelAway):  # what was never sent is not at fault
            server.post("/", {}, deadline=time.monotonic() - 1)
        assert not scripted.calls
        assert server.breaker.state is State.CLOSED


def test_who_gets_no_connection_in_time_has_sent_nothing() -> None:
    gate = threading.Event()

    def respond(_: httpx.Request) -> httpx.Response:
        gate.wait(20)
        return httpx.Response(200, content=iter([b"1"]))

    server = ModelServer("m", "http://model", connections=1, transport=httpx.MockTransport(respond))
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(server.post, "/", {})
        while server._clients._idle.qsize():
            time.sleep(0.001)
        try:
            with pytest.raises(ModelAway):
                server.post("/", {}, deadline=time.monotonic() + 0.05)
        finally:
            gate.set()
        assert held.result(20) == 1
    server.close()


class Asked:
    """A server behind a clock of its own, to which `a` is sent first.

    Attributes:
        sent: what came, with the seconds that it was given.
        clocked: how often each thread looked at the clock.
    """

    def __init__(self, *, question_s: float, request_s: float = 0.0, alive: bool = True) -> None:
        self.now, self.sent, self.gate = 0.0, list[tuple[str, float]](), threading.Event()
        self.clocked: Counter[int] = Counter()
        self._takes, self._alive = {"a": question_s}, alive
        self._request_s = request_s
        self.server = ModelServer(
            "m",
            "http://model",
            patience=Patience(timeout_s=120.0, tries=1),
            asked_first=Question("/", {"input": "a"}),
            transport=httpx.MockTransport(self._respond),
            clock=self._clock,
        )

    def _clock(self) -> float:
        self.clocked[threading.get_ident()] += 1
        return self.now

    def _respond(self, request: httpx.Request) -> httpx.Response:
        text, given_s = json.loads(request.content)["input"], request.extensions["timeout"]["read"]
        self.sent.append((text, given_s))
        self.gate.wait(20)
        takes = self._takes.get(text, self._request_s)
        self.now += min(takes, given_s)
        if takes >= given_s:
            raise httpx.ReadTimeout("late")
        return httpx.Response(200 if self._alive else 502, content=iter([b"1"]))

    def post_at_once(self, *texts: str) -> list[type[BaseException] | None]:
        """Post them in as many threads, of which the first asks, and the others wait for that; what each of them ended with."""
        with ThreadPoolExecutor(len(texts)) as pool:
            futures = []
            for text in texts:
                futures.append(pool.submit(self.server.post, "/", {"input": text}))
                while len(self.clocked) < len(futures) or not self.sent:
                    time.sleep(0.001)
            time.sleep(0.1)  # from the clock to the lock
            self.now += 1.0
            self.gate.set()
            return [type(error) if (error := future.exception(20)) else None for future in futures]


def test_the_question_takes_nothing_of_the_time_for_the_request() -> None:
    asked = Asked(question_s=60.0, request_s=70.0)
    assert asked.post_at_once("가") == [None]
    assert asked.sent == [("a", 120.0), ("가", 120.0)]


def test_who_waited_for_the_question_of_another_has_all_of_its_time() -> None:
    asked = Asked(question_s=110.0)
    assert asked.post_at_once("가", "나", "다") == [None] * 3
    assert Counter(asked.sent) == Counter([("a", 120.0), ("가", 120.0), ("나", 120.0), ("다", 120.0)])


@pytest.mark.parametrize("question_s", [5.0, 1000.0], ids=["refused", "late"])
def test_a_question_that_is_not_answered_is_not_put_again_for_each_that_waited(question_s: float) -> None:
    asked = Asked(question_s=question_s, alive=False)
    assert asked.post_at_once("가", "나", "다") == [ModelAway] * 3
    assert asked.sent == [("a", 120.0)]
    with pytest.raises(ModelAway):  # later, it is
        asked.server.post("/", {"input": "라"})
    assert [text for text, _ in asked.sent] == ["a", "a"]


def test_a_deadline_holds_for_the_question_and_the_request_together() -> None:
    asked = Asked(question_s=60.0, request_s=70.0)
    asked.gate.set()
    with pytest.raises(ModelUnavailable):
        asked.server.post("/", {"input": "가"}, deadline=100.0)
    assert asked.sent == [("a", 100.0), ("가", 40.0)]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(raw=b"<html>gateway</html>"),
        Answer(raw=b""),
        Answer(raw=b"\xff\xfe\x00"),
        Answer(raw=b"[" * 100_000),
        Answer(raw=b"1" * 10_000),
        Answer(raw=b'{"fine": tr', promised=5000),
        Answer(raw=b"{}", headers={"Content-Encoding": "gzip"}),
        Answer(raw=b'"' + b"x" * 3_000_000 + b'"'),
        Answer(write=lambda wfile: wfile.write(b"\x00\x01 not http\r\n\r\n")),
        Answer(write=lambda wfile: wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")),
        Answer(write=lambda wfile: None),
    ],
)
def test_garbage_is_an_unavailable_model(answer: Answer) -> None:
    with talking(answer, max_response_bytes=2**20) as (server, _), pytest.raises(ModelUnavailable):
        server.post("/", {"input": ["질문"]})


@given(st.binary(max_size=200), st.sampled_from([200, 204, 400, 418, 500, 503]))
def test_whatever_comes_back_ends_as_json_or_as_unavailable(raw: bytes, status: int) -> None:
    server = ModelServer(
        "m",
        "http://model",
        patience=QUICK,
        sleep=lambda _: None,
        transport=httpx.MockTransport(lambda _: httpx.Response(status, content=iter([raw]))),
    )
    try:
        reply = server.exchange("/", {"input": ["질문"]})
        assert reply.status == status
    except ModelUnavailable:
        pass
    finally:
        server.close()


def test_a_lost_connection_is_tried_again() -> None:
    with talking(Answer(write=lambda wfile: None), FINE) as (server, scripted):
        assert server.post("/", {}) == {"fine": True}
        assert len(scripted.calls) == 2


def test_a_server_that_is_down_opens_the_breaker_and_its_return_closes_it() -> None:
    now = [0.0]
    down = [True]
    attempts: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        attempts.append(request.url.path)
        if down[0]:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=iter([b"1"]))

    server = ModelServer(
        "m",
        "http://model",
        patience=Patience(timeout_s=1000.0, tries=2),
        tolerance=Tolerance(failures=4, rest_s=10.0),
        clock=lambda: now[0],
        sleep=lambda _: None,
        transport=httpx.MockTransport(respond),
    )
    for _ in range(2):
        with pytest.raises(ModelUnavailable):
            server.post("/", {})
    assert attempts == ["/"] * 4
    assert server.breaker.state is State.OPEN
    down[0] = False
    with pytest.raises(ModelUnavailable):
        server.post("/open", {})
    assert len(attempts) == 4
    now[0] = 10.0
    assert server.post("/probe", {}) == 1
    assert server.breaker.state is State.CLOSED
    assert attempts[4:] == ["/probe"]
    server.close()


def test_nothing_listens() -> None:
    with model_server(Script(FINE)) as scripted:
        url = scripted.url
    server = ModelServer("m", url, patience=QUICK)
    with pytest.raises(ModelAway):
        server.post("/", {})
    server.close()


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_takes_nothing_is_away(status: int) -> None:
    with talking(busy(status)) as (server, _), pytest.raises(ModelAway):
        server.post("/", {})


def test_a_server_that_took_one_try_is_not_away() -> None:
    """The request may have been what brought it down: who counts failures must count this one."""
    with talking(Answer(write=lambda wfile: None), busy(503)) as (server, _):
        with pytest.raises(ModelUnavailable) as raised:
            server.post("/", {})
        assert type(raised.value) is ModelUnavailable
    for status in (500, 502):  # a proxy says 502 of a server that died of the request, too
        with talking(busy(status)) as (server, _):
            with pytest.raises(ModelUnavailable) as raised:
                server.post("/", {})
            assert type(raised.value) is ModelUnavailable


def test_who_is_not_asked_because_of_others_failures_hears_that_it_is_away() -> None:
    tolerance = Tolerance(failures=1, rest_s=100.0)
    with talking(busy(500), tolerance=tolerance) as (server, _):
        with pytest.raises(ModelUnavailable):
            server.post("/", {})
        with pytest.raises(ModelAway):
            server.post("/", {})


def test_a_refusal_says_its_status_in_both_languages() -> None:
    with talking(Answer({"error": "secret words"}, 404)) as (server, _), pytest.raises(ModelUnusable) as raised:
        server.post("/", {})
    assert "status 404" in localized(raised.value, "en") and "404" in localized(raised.value, "ko")
    assert "secret" not in str(raised.value)


def test_only_one_probe_goes_out_of_many_callers() -> None:
    now = [0.0]
    gate = threading.Event()
    arrived: list[int] = []

    def respond(_: httpx.Request) -> httpx.Response:
        if now[0] == 0.0:
            return httpx.Response(500, content=iter([b""]))
        arrived.append(1)
        gate.wait(5)
        return httpx.Response(200, content=iter([b"1"]))

    server = ModelServer(
        "m",
        "http://model",
        patience=Patience(timeout_s=100.0, tries=1),
        tolerance=Tolerance(failures=1, rest_s=5.0),
        clock=lambda: now[0],
        transport=httpx.MockTransport(respond),
    )

    def outcome() -> bool:
        try:
            return bool(server.post("/", {}))
        except ModelUnavailable:
            return False

    assert not outcome()
    now[0] = 6.0
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(outcome) for _ in range(8)]
        while sum(future.done() for future in futures) < 7:
            time.sleep(0.005)
        gate.set()
        assert sum(future.result() for future in futures) == 1
    assert len(arrived) == 1
    server.close()


def test_too_many_requests_and_hurried_callers_say_nothing_against_a_server() -> None:
    with talking(busy(429), tolerance=Tolerance(failures=2)) as (server, _):
        with pytest.raises(ModelUnavailable):
            server.post("/", {})
        assert server.breaker.state is State.CLOSED
    with talking(Answer(write=silent), tolerance=Tolerance(failures=1)) as (server, _):
        with pytest.raises(ModelUnavailable):
            server.post("/", {}, deadline=time.monotonic() + 0.1)
        assert server.breaker.state is State.CLOSED


def test_the_log_has_the_servers_message_but_no_key_and_no_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-secret-1")
    key.chmod(0o600)
    answers = (
        Answer({"error": {"message": "out of memory for sk-secret-1"}}, 500),
        Answer({"detail": "can't embed 홍길동의 계좌 잔액은"}, 500),
    )
    with caplog.at_level(logging.DEBUG), talking(*answers, key_file=key) as (server, _):
        for _ in answers:
            with pytest.raises(ModelUnavailable) as caught:
                server.post("/v1/embeddings", {"input": ["홍길동의 계좌 잔액은 얼마인가"]})
            assert "memory" not in caught.value.message_en()
    ours = "\n".join(record.getMessage() for record in caplog.records)
    assert "out of memory for ***" in ours
    assert "sk-secret" not in ours
    assert "홍길동" not in ours


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with talking(FINE) as (server, _):
        assert server.post("/", {}) == {"fine": True}


def test_many_threads_share_a_few_connections() -> None:
    with talking(FINE, connections=2) as (server, scripted):
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda i: server.post("/", {"i": i}), range(60)))
        assert answers == [{"fine": True}] * 60
        assert sorted(call.body["i"] for call in scripted.calls) == list(range(60))


def test_a_closed_server_is_not_waited_for() -> None:
    with talking(FINE) as (server, scripted):
        server.close()
        begun = time.monotonic()
        with pytest.raises(ModelUnavailable):
            server.post("/", {})
        assert time.monotonic() - begun < 4.0
        assert not scripted.calls
