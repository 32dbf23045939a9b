"""Where this process may go: loopback and what the settings name. Everything else is refused before a packet is made.

Python raises an audit event before it opens a connection, sends a datagram or looks a name up (PEP 578), in every thread
and from every library that does so through Python's `socket`. Only a name that is given to a socket instead of an address
is looked up before the event (CPython's `getsockaddrarg`), so those methods are wrapped as well.

Compiled code that calls the kernel itself raises no event: libpq, gRPC and obstore here, whose addresses come from the
settings alone, and git, whose addresses are held against `repositories.hosts` (`rag/mirrors/remotes.py`). What those do is
counted on the wire by `tests/airgap/`; who wants the kernel to hold them too does it outside the process (docs/compliance.md).
"""

from __future__ import annotations

import functools
import logging
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from rag.domain.errors import ConfigurationError, EgressRefused

log = logging.getLogger(__name__)

_SILENCE_S = 60.0
"""Seconds between two lines in the log about one destination: a library that tries again and again must not fill it."""
_INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})
_INSIDE = frozenset({"AF_UNIX", "AF_NETLINK", "AF_ALG", "AF_QIPCRTR"})
"""Families that do not leave the machine."""
_TAKE_NAMES = {"connect": 0, "connect_ex": 0, "bind": 0, "sendto": -1, "sendmsg": 3}
"""Methods of a socket, and where among its arguments each has the address."""
_PLUMBING = frozenset({"socket", "_socket", "ssl", "logging", "threading", "selectors", __name__})

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class EgressGuard:
    """Refuses connections, datagrams and lookups to hosts that are not allowed, while it is on.

    Args:
        allowed: host names, addresses and networks (`10.1.0.0/16`). Loopback is always allowed.

    Attributes:
        refused: how often each destination was refused.

    Raises:
        ConfigurationError: an entry is none of these.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self.names: set[str] = set()
        self.networks: list[Network] = []
        for entry in allowed:
            self._allow(entry)
        self.refused: Counter[str] = Counter()
        self.on = False
        self._learned: set[Address] = set()
        self._logged: dict[str, float] = {}
        self._telling = threading.local()
        self._checks: Mapping[str, Callable[[tuple[Any, ...]], None]] = {
            "socket.connect": self._check_socket,
            "socket.sendto": self._check_socket,
            "socket.sendmsg": self._check_socket,
            "socket.getaddrinfo": self._check_lookup,
            "socket.gethostbyname": self._check_lookup,
            "socket.gethostbyaddr": self._check_lookup,
            "socket.getnameinfo": self._check_reverse,
        }

    @contextmanager
    def guarding(self) -> Iterator[EgressGuard]:
        """Be on for the length of the block. An audit hook can't be taken away again, so afterwards it does nothing."""
        resolve = socket.getaddrinfo

        def learning(*arguments: Any, **options: Any) -> Any:
            found = resolve(*arguments, **options)
            host = arguments[0] if arguments else options.get("host")
            if self._named(_text(host)):
                self._learned.update(_address(str(entry[4][0])) for entry in found)
            return found

        self.on = True
        sys.addaudithook(self._hear)
        try:
            with _replaced(socket, {"getaddrinfo": learning}), _replaced(socket.socket, self._looking_first()):
                yield self
        finally:
            self.on = False

    def _looking_first(self) -> dict[str, Callable[..., Any]]:
        """The methods of a socket that take a name, with a look at it before they resolve it."""

        def looking(name: str, place: int) -> Callable[..., Any]:
            method = getattr(socket.socket, name)

            @functools.wraps(method)
            def call(opened: socket.socket, *arguments: Any) -> Any:
                address = arguments[place] if len(arguments) > max(place, 0) else None
                if opened.family in _INTERNET and isinstance(address, tuple) and address:
                    self._require_name(_text(address[0]))
                return method(opened, *arguments)

            return call

        return {name: looking(name, place) for name, place in _TAKE_NAMES.items()}

    def allows(self, host: str) -> bool:
        """Whether a name may be looked up, or an address be reached."""
        try:
            address = _address(host)
        except ValueError:
            return self._named(host)
        return (
            address.is_loopback
            or address.is_unspecified  # the kernel takes it for loopback
            or address in self._learned
            or any(address in network for network in self.networks if network.version == address.version)
        )

    def _allow(self, entry: str) -> None:
        try:
            self.networks.append(ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            if not entry or set(entry) & set("/:@ "):
                raise ConfigurationError(
                    detail=f"not a host, address or network: {entry}",
                    detail_ko=f"호스트 이름, 주소, 네트워크 가운데 어느 것도 아닙니다: {entry}",
                ) from None
            self.names.add(_folded(entry))

    def _named(self, host: str) -> bool:
        name = _folded(host)
        return name in self.names or name in ("", "localhost") or name.endswith(".localhost")

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook. It hears every event of the interpreter, so what is not its own must cost next to nothing."""
        check = self._checks.get(event)
        if check is not None and self.on:
            check(arguments)

    def _check_socket(self, arguments: tuple[Any, ...]) -> None:
        opened, address = arguments[0], arguments[1]
        if address is None:  # on a connected socket, whose connection was looked at
            return
        family = opened.family
        if family in _INTERNET:
            self._require(_text(address[0]))
        elif getattr(family, "name", "") not in _INSIDE:
            self._refuse(f"{getattr(family, 'name', family)} {address}")

    def _check_lookup(self, arguments: tuple[Any, ...]) -> None:
        self._require(_text(arguments[0]))

    def _check_reverse(self, arguments: tuple[Any, ...]) -> None:
        self._require(_text(arguments[0][0]))

    def _require_name(self, host: str) -> None:
        try:
            _address(host)  # may be bound to; where it may be connected to is asked with the event
        except ValueError:
            self._require(host)

    def _require(self, host: str) -> None:
        if not self.allows(host):
            self._refuse(host)

    def _refuse(self, host: str) -> None:
        self.refused[host] += 1
        self._tell(host)
        raise EgressRefused(host=host)

    def _tell(self, host: str) -> None:
        """Say it in the log, unless this is the log on its way to a foreign host."""
        now = time.monotonic()
        if getattr(self._telling, "now", False) or now - self._logged.get(host, -_SILENCE_S) < _SILENCE_S:
            return
        self._logged[host] = now
        self._telling.now = True
        try:
            log.error("%s is not a host that the settings name: refused %s", host, _caller())
        finally:
            self._telling.now = False


@contextmanager
def _replaced(place: Any, attributes: Mapping[str, Any]) -> Iterator[None]:
    """Other attributes for the length of a block; what a class inherits is inherited again afterwards."""
    own = {name: vars(place)[name] for name in attributes if name in vars(place)}
    for name, value in attributes.items():
        setattr(place, name, value)
    try:
        yield
    finally:
        for name, value in attributes.items():
            if vars(place).get(name) is not value:  # somebody else's by now
                continue
            if name in own:
                setattr(place, name, own[name])
            else:
                delattr(place, name)


def hosts_of(values: Any) -> Iterator[str]:
    """The host of every URL in nested settings, whatever their fields are called, so that a new setting can't be forgotten.

    Fields that are called `host` or `hosts` hold names without a scheme.
    Understands several hosts in one URL, as PostgreSQL takes them (`postgresql://a:5432,b:5432/seogo`, or `?host=a,b`).
    """
    if isinstance(values, str):
        if "://" in values:
            yield from _hosts_of_url(values)
    elif isinstance(values, Mapping):
        for name, value in values.items():
            yield from hosts_of(value)
            if name in ("host", "hosts"):
                entries = [value] if isinstance(value, str) else value or ()
                yield from (
                    host for entry in entries if "://" not in entry for host in _hosts_of_url(f"host://{entry}")
                )
    elif isinstance(values, Sequence):
        for value in values:
            yield from hosts_of(value)


def _hosts_of_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return
    beside = [value for name, _, value in (pair.partition("=") for pair in parts.query.split("&")) if name == "host"]
    for named in (
        *parts.netloc.rpartition("@")[2].split(","),
        *(host for value in beside for host in value.split(",")),
    ):
        host = named[1:].partition("]")[0] if named.startswith("[") else named.partition(":")[0]
        if host and "/" not in host and "%2f" not in host.lower():  # a folder of sockets is no host
            yield host


def _text(host: Any) -> str:
    """A host as text; none and an empty one stand for this machine."""
    if host is None:
        return ""
    return host.decode("utf-8", "replace") if isinstance(host, bytes | bytearray) else str(host)


def _folded(host: str) -> str:
    return host.rstrip(".").casefold()


def _address(host: str) -> Address:
    """An address without its zone, IPv4 inside IPv6 as what it is.

    Raises:
        ValueError: it is a name.
    """
    address = ip_address(host.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _caller() -> str:
    """Who wanted it: the first module on the stack that is not plumbing."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name not in _PLUMBING and not name.startswith(("asyncio", "concurrent")):
            return f"to {name} ({frame.f_code.co_name})"
        frame = frame.f_back
    return f"to a thread ({threading.current_thread().name})"
