"""Connections that can't be held for nothing: uvicorn's protocol on h11, with deadlines and a count of who is connected.

Uvicorn itself has a limit on idle connections alone: headers and bodies may take for ever, one byte at a time. Its protocol
class is the seam: everything that arrives passes `data_received`, and h11 knows how far a request has come.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.server import ServerState

from api.hardening.settings import ConnectionSettings
from rag.domain.errors import ConfigurationError

_OTHER_FILES = 512
"""Open files beside the connections: database, index, blobs, engines, parsers."""
_LINGER_S = 2.0
"""So long a refused peer may go on sending, unread: closed at once, the system would throw away what it was told."""
_TICK_S = 1.0
"""How often a body's speed is looked at."""
_IPV6_HOST_BITS = 64
"""One subscriber has a /64 at the least (RFC 6177), so an address in it says nothing."""
_REFUSALS = {
    400: "Invalid HTTP request received.",
    408: "The request did not arrive in time.",
    414: "The address is too long.",
    431: "Request line and headers are too large.",
    503: "Too many connections.",
}
_OVERFULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n"
    b"retry-after: 5\r\nconnection: close\r\ncontent-length: 21\r\n\r\nToo many connections."
)


class _Phase(Enum):
    HEAD = auto()
    """The line and headers of a request are wanted, or on their way."""
    BODY = auto()
    ANSWER = auto()
    IDLE = auto()
    """The last request is answered, nothing of another has come."""


class Gate:
    """Who is connected to this process. Only used on its event loop."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings = settings
        self._proxies = settings.proxies()
        self._held: dict[GuardedProtocol, str] = {}
        self._waiting: dict[GuardedProtocol, None] = {}
        self._of_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def enter(self, protocol: GuardedProtocol, peer: str) -> bool:
        """Count a new connection; False when its address has too many, or all are at work.

        When the house is full, the connection that has been waiting for a request the longest gives way: attackers who
        hold connections for nothing put out each other, and whoever sends a request gets in.
        """
        counted = self._counted(peer)
        if counted and self._of_address[counted] >= self.settings.per_address:
            return False
        if len(self._held) >= self.settings.total:
            idlest = next(iter(self._waiting), None)
            if idlest is None:
                return False
            idlest.give_way()
        self._held[protocol] = counted
        if counted:
            self._of_address[counted] += 1
        return True

    def leave(self, protocol: GuardedProtocol) -> None:
        """The connection is gone; doing so twice changes nothing."""
        self._waiting.pop(protocol, None)
        counted = self._held.pop(protocol, "")
        if counted:
            self._of_address[counted] -= 1
            if self._of_address[counted] <= 0:
                del self._of_address[counted]

    def waits(self, protocol: GuardedProtocol, waiting: bool) -> None:
        """Whether the connection is without a request; it keeps its place in the line while it is."""
        if not waiting:
            self._waiting.pop(protocol, None)
        elif protocol in self._held:
            self._waiting.setdefault(protocol)

    def _counted(self, peer: str) -> str:
        """What a peer is counted under; nothing for the proxies in front, behind which everybody comes."""
        address = _address(peer)
        if address is None or any(address in network for network in self._proxies):
            return ""
        if isinstance(address, IPv6Address):
            return str(ip_network((int(address), _IPV6_HOST_BITS), strict=False))
        return str(address)


def _address(peer: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return None  # a socket of the file system
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


class _StrictConnection(h11.Connection):
    """h11, with bounds that it has none for; keeps the status that a refusal answers with."""

    def __init__(self, settings: ConnectionSettings) -> None:
        super().__init__(h11.SERVER, settings.head_bytes)
        self._settings = settings
        self.refused_with = 400

    def next_event(self) -> Any:
        """The next event.

        Raises:
            h11.RemoteProtocolError: what came is no request, or passes a bound; `refused_with` is the status.
        """
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                self._check(event)
            return event
        except h11.RemoteProtocolError as error:
            self.refused_with = error.error_status_hint if error.error_status_hint in _REFUSALS else 400
            raise

    def _check(self, request: h11.Request) -> None:
        # h11 bounds only a head that comes in pieces.
        raw = request.headers.raw_items()
        size = len(request.target) + sum(len(name) + len(value) + 4 for name, value in raw)
        if len(request.target) > self._settings.target_bytes:
            raise h11.RemoteProtocolError("target too long", error_status_hint=414)
        if size > self._settings.head_bytes or len(raw) > self._settings.headers:
            raise h11.RemoteProtocolError("headers too large", error_status_hint=431)
        names = [name for name, _ in request.headers]
        if b"transfer-encoding" in names and b"content-length" in names:
            raise h11.RemoteProtocolError("two lengths")  # RFC 9112, 6.1: how requests are smuggled past a proxy


class GuardedProtocol(H11Protocol):
    """One connection: it has to send its request in time, and to take its answer."""

    conn: _StrictConnection

    def __init__(
        self, gate: Gate, config: Config, server_state: ServerState, app_state: dict[str, Any], **more: Any
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state=app_state, **more)
        self._gate = gate
        self._settings = gate.settings
        self.conn = _StrictConnection(gate.settings)
        self.timeout_keep_alive = gate.settings.idle_s  # type: ignore[assignment]  # uvicorn hands it to call_later
        self.ws_protocol_class = None  # the application speaks no WebSocket
        self._phase = _Phase.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._refused = False
        self._credit = 0.0
        self._body_began = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for its request."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if not self._gate.enter(self, str(peer[0]) if isinstance(peer, tuple) else ""):
            transport.write(_OVERFULL)
            transport.close()
            return
        self._enter(_Phase.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._gate.leave(self)
        self._cancel_timer()
        self._cancel_stall()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived; the first byte of a request begins its deadline."""
        if self._refused:
            return
        if self._phase is _Phase.IDLE:
            self._enter(_Phase.HEAD)
        self._credit += len(data)
        super().data_received(data)

    def handle_events(self) -> None:
        """Let h11 read, then see how far the request has come."""
        super().handle_events()
        self._follow()

    def pause_writing(self) -> None:
        """The peer does not take its answer: it has so long to go on."""
        super().pause_writing()
        self._cancel_stall()
        self._stall = self.loop.call_later(self._settings.stalled_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It took some."""
        self._cancel_stall()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or too large, with the status that says so, and close."""
        self._refuse(self.conn.refused_with)

    def give_way(self) -> None:
        """Close a connection that waits for a request, for one that may have one."""
        self._gate.leave(self)
        self.transport.abort()

    def _follow(self) -> None:
        if self.transport.is_closing():
            self._enter(_Phase.ANSWER)
            return
        theirs = self.conn.their_state
        if theirs is h11.SEND_BODY:
            self._enter(_Phase.BODY)
        elif theirs is not h11.IDLE:
            self._enter(_Phase.ANSWER)
        elif self.conn.trailing_data[0]:
            self._enter(_Phase.HEAD)
        elif self._phase is not _Phase.HEAD:
            self._enter(_Phase.IDLE)

    def _enter(self, phase: _Phase) -> None:
        if phase is self._phase or self._refused:
            return
        self._phase = phase
        self._cancel_timer()
        self._gate.waits(self, phase in (_Phase.HEAD, _Phase.IDLE))
        if phase is _Phase.HEAD:
            self._timer = self.loop.call_later(self._settings.head_s, self._head_is_late)
        elif phase is _Phase.IDLE:
            # Uvicorn's own timer is gone where the rest of a body came after the answer.
            self._timer = self.loop.call_later(self._settings.idle_s, self.transport.close)
        elif phase is _Phase.BODY:
            self._credit, self._body_began = self._most_credit(), self.loop.time()
            self._timer = self.loop.call_later(_TICK_S, self._look_at_body)

    def _head_is_late(self) -> None:
        if self.conn.trailing_data[0]:
            self._refuse(408)
        else:
            self.transport.close()  # it never said anything

    def _look_at_body(self) -> None:
        """A body may stand still for the grace, and what it sent faster than it must buys no longer pause.

        It has an end in time too: at the slowest pace a large file would hold its caller's rights for a day.
        """
        self._timer = self.loop.call_later(_TICK_S, self._look_at_body)
        if self.loop.time() - self._body_began > self._settings.body_s:
            self.transport.abort()
            return
        if self.flow.read_paused or (self.cycle is not None and self.cycle.waiting_for_100_continue):
            return  # it is we who are not reading
        credit = min(self._credit, self._most_credit()) - self._settings.body_bytes_per_s * _TICK_S
        if credit < 0:
            self.transport.abort()  # the application sees a client that went away, and keeps nothing of it
        self._credit = credit

    def _most_credit(self) -> float:
        return self._settings.body_bytes_per_s * self._settings.body_grace_s

    def _refuse(self, status: int) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE) or self.transport.is_closing():
            self.transport.abort()  # an answer is under way, nothing can be said any more
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = _REFUSALS[status].encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        head = h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status])
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _linger(self) -> None:
        self._cancel_timer()
        self._refused = True
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self._gate.waits(self, True)
        self._timer = self.loop.call_later(_LINGER_S, self.transport.abort)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cancel_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def guarded_protocol(settings: ConnectionSettings) -> Callable[..., GuardedProtocol]:
    """What uvicorn makes a protocol of for each connection (`Config(http=…)`); all share one gate."""
    return partial(GuardedProtocol, Gate(settings))


def make_room_for(connections: int) -> None:
    """Let the process have so many connections beside its files.

    Raises:
        ConfigurationError: the system does not allow it. Past the limit, nobody could connect.
    """
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise ConfigurationError(
            detail=f"api.connections.total: {connections} needs {wanted} open files, {hard} are allowed"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
