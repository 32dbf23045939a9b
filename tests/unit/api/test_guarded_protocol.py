"""Connections against real sockets: slow ones are closed, crowded ones refused, and others are answered meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from api.hardening.protocol import Gate, GuardedProtocol, guarded_protocol, make_room_for
from api.hardening.settings import ConnectionSettings
from rag.domain.errors import ConfigurationError
from tests.support.live import served

SOON = 20.0
"""Seconds that a busy machine may take for what takes one."""


def application(gone: list[str]) -> FastAPI:
    app = FastAPI()

    @app.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/body")
    async def body(request: Request) -> dict[str, int]:
        try:
            return {"size": sum([len(piece) async for piece in request.stream()])}
        except ClientDisconnect:
            gone.append("client")
            return {}

    @app.get("/much")
    async def much() -> StreamingResponse:
        return StreamingResponse(iter([bytes(1 << 20)] * 64))

    @app.post("/early")
    async def early() -> dict[str, str]:
        return {"read": "nothing"}

    return app


@contextmanager
def serving(**settings: object) -> Iterator[tuple[tuple[str, int], list[str]]]:
    gone: list[str] = []
    with served(application(gone), http=guarded_protocol(ConnectionSettings(**settings)), ws="none") as url:
        address = httpx.URL(url)
        yield (address.host, address.port or 0), gone


def connect(address: tuple[str, int], sent: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(address, timeout=SOON, source_address=(source, 0))
    connection.sendall(sent)
    return connection


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    received = bytearray()
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    connection.close()
    return bytes(received)


def status(connection: socket.socket) -> int:
    return int(read_all(connection).split(b" ", 2)[1])


def told(gone: list[str]) -> bool:
    """Whether the application learns that its client went away."""
    deadline = time.monotonic() + SOON
    while not gone and time.monotonic() < deadline:
        time.sleep(0.05)
    return gone == ["client"]


def get(address: tuple[str, int], path: str = "/live") -> int:
    return httpx.get(f"http://{address[0]}:{address[1]}{path}", timeout=SOON, trust_env=False).status_code


def test_slow_heads_are_closed_and_others_are_answered_meanwhile() -> None:
    with serving(head_s=1.0, per_address=1000) as (address, _), ExitStack() as stack:
        slow = [
            stack.enter_context(connect(address, b"GET /live HTTP/1.1\r\nHost: seogo\r\nX-Slow: "[: 1 + index % 40]))
            for index in range(200)
        ]
        assert get(address) == 200
        for connection in slow:
            connection.setblocking(False)
        open_ones, deadline = list(slow), time.monotonic() + SOON
        while open_ones and time.monotonic() < deadline:
            time.sleep(0.2)
            assert get(address) == 200
            open_ones = [connection for connection in open_ones if not dripped(connection)]
        assert not open_ones


def dripped(connection: socket.socket) -> bool:
    """Send one more byte, as a slow attacker does; whether the other side has closed."""
    try:
        connection.send(b"a")
        return connection.recv(65_536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_late_head_is_told_so_and_silence_is_not() -> None:
    with serving(head_s=0.3) as (address, _):
        assert status(connect(address, b"GET /live HTTP/1.1\r\nHo")) == 408
        assert read_all(connect(address)) == b""


def test_an_idle_connection_is_kept_and_then_closed() -> None:
    with serving(idle_s=0.5, head_s=0.2) as (address, _):
        connection = connect(address, b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)  # longer than a head may take, shorter than an idle connection is kept
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_all(connection).count(b"200 OK") == 2


def test_the_second_head_of_a_connection_has_a_deadline_too() -> None:
    with serving(head_s=0.3, idle_s=60) as (address, _):
        received = read_all(connect(address, b"GET /live HTTP/1.1\r\nHost: a\r\n\r\nGET /li"))
        assert b"200 OK" in received
        assert b" 408 " in received


def test_a_body_that_stands_still_loses_its_connection() -> None:
    with serving(body_grace_s=1.0, body_bytes_per_s=100) as (address, gone):
        head = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
        assert read_all(connect(address, head + bytes(200_000))) == b""  # what came fast buys no long pause
        assert told(gone)


def test_a_body_that_goes_on_after_its_answer_is_watched_too() -> None:
    with serving(body_grace_s=1.0, body_bytes_per_s=100, idle_s=60) as (address, _):
        started = time.monotonic()
        received = read_all(connect(address, b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\nx"))
        assert b"200 OK" in received
        assert time.monotonic() - started < SOON


def test_a_body_at_its_pace_arrives() -> None:
    with serving(body_grace_s=1.0, body_bytes_per_s=100) as (address, _):
        connection = connect(
            address, b"POST /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n"
        )
        for _ in range(10):
            connection.sendall(bytes(200))
            time.sleep(0.25)
        assert b'{"size":2000}' in read_all(connection)


def test_a_body_that_keeps_its_pace_for_too_long_ends() -> None:
    with serving(body_grace_s=60.0, body_bytes_per_s=1, body_s=2.0) as (address, gone):
        connection = connect(address, b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        with suppress(OSError), connection:
            for _ in range(200):
                connection.sendall(b"x")
                time.sleep(0.05)
            pytest.fail("it was heard out")
        assert told(gone)


def test_a_reader_who_takes_nothing_loses_the_answer() -> None:
    with serving(stalled_s=0.5) as (address, _):
        connection = connect(address, b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(1.5)
        assert len(read_all(connection)) < 64 << 20


def test_one_address_has_its_share_of_connections() -> None:
    with serving(per_address=3) as (address, _), ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connect(address, b"G"))
        time.sleep(0.3)
        assert status(connect(address)) == 503
        other = connect(address, b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", source="127.0.0.2")
        assert status(other) == 200


def test_a_trusted_proxy_is_not_counted() -> None:
    with serving(per_address=1, trusted_proxies=("127.0.0.0/8",)) as (address, _), ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connect(address, b"G"))
        assert get(address) == 200


def test_in_a_full_house_the_idlest_gives_way() -> None:
    with serving(total=8, head_s=60) as (address, _), ExitStack() as stack:
        held = [stack.enter_context(connect(address, b"G")) for _ in range(8)]
        time.sleep(0.3)
        assert get(address) == 200
        assert read_all(held[0]) == b""
        held[7].sendall(b"ET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert status(held[7]) == 200


class Peer(GuardedProtocol):
    """A connection without a network, for the gate's arithmetic."""

    def __init__(self) -> None:
        self.closed = False

    def give_way(self) -> None:
        self.closed = True


def test_who_is_at_work_does_not_give_way() -> None:
    gate = Gate(ConnectionSettings(total=8))
    peers = [Peer() for _ in range(9)]
    assert all(gate.enter(peer, "10.0.0.1") for peer in peers[:8])
    assert not gate.enter(peers[8], "10.0.0.2")
    gate.leave(peers[0])
    gate.leave(peers[0])
    assert gate.enter(peers[8], "10.0.0.2")
    assert len(gate) == 8
    assert not any(peer.closed for peer in peers)


def test_an_ipv6_network_and_a_mapped_address_count_as_one() -> None:
    gate = Gate(ConnectionSettings(per_address=1))
    assert gate.enter(Peer(), "2001:db8::1")
    assert not gate.enter(Peer(), "2001:db8::2%eth0")
    assert gate.enter(Peer(), "2001:db8:0:1::1")
    assert gate.enter(Peer(), "::ffff:10.0.0.1")
    assert not gate.enter(Peer(), "10.0.0.1")
    assert gate.enter(Peer(), "")  # a socket of the file system has no address
    assert gate.enter(Peer(), "")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ([b"GET /live HTTP/1.1", b"Host: a", b"Connection: close"], 200),
        ([b"GET /" + b"a" * 9000 + b" HTTP/1.1", b"Host: a"], 414),
        ([b"GET /live HTTP/1.1", b"Host: a", *[b"X-H%d: a" % number for number in range(200)]], 431),
        ([b"GET /live HTTP/1.1", b"Host: a", b"X-Long: " + b"a" * 40_000], 431),
        ([b"GET /live HTTP/1.1", b"Host: a", b"X-Longer: " + b"a" * 500_000], 431),
        ([b"POST /body HTTP/1.1", b"Host: a", b"Content-Length: 3", b"Transfer-Encoding: chunked"], 400),
        ([b"POST /body HTTP/1.1", b"Host: a", b"Content-Length: 3", b"Content-Length: 4"], 400),
        ([b"GET /live HTTP/1.1", b"Host: a", b"Host: b"], 400),
        ([b"GET /live HTTP/1.1", b"Host: a", b"X: a\x00b"], 400),
        ([b"GET /live HTTP/1.1", b"Host : a"], 400),
        ([b"\x16\x03\x01\x02\x00 nonsense"], 400),
    ],
)
def test_heads_that_are_too_large_or_ambiguous_are_refused(head: Sequence[bytes], expected: int) -> None:
    with serving() as (address, _):
        assert status(connect(address, b"\r\n".join([*head, b"", b""]))) == expected


def test_a_refusal_is_heard_by_who_is_still_talking() -> None:
    with serving() as (address, _):
        for _ in range(10):
            head = b"GET /live HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 200_000
            connection = connect(address, head)
            connection.sendall(b"a" * 1_000_000)
            assert status(connection) == 431


def test_a_broken_chunk_ends_the_request() -> None:
    with serving() as (address, gone):
        head = b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert status(connect(address, head + b"5\r\nabcde\r\nnonsense\r\n")) == 400
        assert told(gone)


def test_pipelined_requests_are_all_answered() -> None:
    with serving() as (address, _):
        one = b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n"
        last = b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        assert read_all(connect(address, one * 20 + last)).count(b"200 OK") == 21


def test_there_must_be_room_for_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: asked.append(limits))
    make_room_for(100)
    assert asked == []
    make_room_for(2000)
    assert asked == [(2512, 4096)]
    with pytest.raises(ConfigurationError, match=r"api\.connections\.total"):
        make_room_for(10_000)


def test_networks_of_proxies_are_checked_at_the_start() -> None:
    with pytest.raises(ValueError, match="proxy"):
        ConnectionSettings(trusted_proxies=("proxy",))
