"""One model server inside the network, spoken to in JSON over HTTP.

Everything that can go wrong ends as `ModelUnavailable`: what the server said about it stands in the log alone.
"""

from __future__ import annotations

import json
import logging
import math
import queue
import random
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT
from typing import Any
from urllib.parse import urlsplit

import httpx

from rag.domain.errors import ConfigurationError, ModelAway, ModelUnavailable, ModelUnusable
from rag.transport.breaker import CircuitBreaker, Tolerance
from rag.transport.redaction import loggable
from rag.transport.secret_files import read_secret

log = logging.getLogger(__name__)

RETRIED = frozenset({429, 502, 503, 504})
"""Statuses that say `not now`. A 500 is the request's own fault as often as not, and is not sent again."""
_NOT_TAKEN = frozenset({429, 503})
"""Those of them that a server gives to what it has not begun. A proxy gives 502 to a request that its server died of as well, and
504 to one that takes too long."""
_NOT_IMPLEMENTED = 501
"""A refusal as those from 400 on: the server can't do what is asked (RFC 9110, 15.6.2; llama.cpp without `--reranking`)."""
_FAIR_S = 1.0
"""A server that had less time than this and was too slow is not held to be down."""
_KEEPALIVE_S = 2.0
"""Idle connections are dropped before uvicorn, under vLLM, drops them (5 s): a request never meets a closing one."""
_LONGEST_KEY = 4096
_HEARD_S = 10.0
"""How long an answer tells that a server is there, before which a request is held against what was sent with it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often a server is asked.

    Attributes:
        timeout_s: seconds for one call, tries and pauses together, where the caller gives no nearer deadline. A question that
            is asked first has as many of its own.
        connect_s: seconds for a connection.
        tries: of a request that the server could not take.
        pause_s: before the second try; doubled for each further one, and drawn between a half and the whole of it.
        longest_pause_s: bound of that doubling.
    """

    timeout_s: float = 30.0
    connect_s: float = 3.0
    tries: int = 3
    pause_s: float = 0.2
    longest_pause_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """A small request that every text passes with, by which a server shows that it is there."""

    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer. `status` is 200 to 299, or 400 to 499 and 501 where the server refused the request."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return self.status < 300


class _Retry(Exception):
    """This try failed in a way that another may not."""

    def __init__(self, reason: str, *, after_s: float | None = None, down: bool = True, taken: bool = True) -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.down = down
        self.taken = taken


class _Failed(Exception):
    """This try failed for good."""

    def __init__(self, reason: str, *, down: bool = True, taken: bool = True) -> None:
        super().__init__(reason)
        self.down = down
        self.taken = taken


class _Clients:
    """Clients that serve one thread at a time. One in use while the others are closed is closed when it comes back."""

    def __init__(self, clients: Iterable[httpx.Client]) -> None:
        self._idle: queue.LifoQueue[httpx.Client] = queue.LifoQueue()
        self._guard = threading.Lock()
        self._closed = False
        for client in clients:
            self._idle.put(client)

    def take(self, timeout_s: float) -> httpx.Client:
        if self._closed:
            raise queue.Empty
        return self._idle.get(timeout=timeout_s)

    def give_back(self, client: httpx.Client) -> None:
        with self._guard:
            if not self._closed:
                self._idle.put(client)
                return
        client.close()

    def close(self) -> None:
        with self._guard:
            self._closed = True
        while not self._idle.empty():
            self._idle.get_nowait().close()


class UnusableAnswer(ValueError):
    """An answer of the wrong form; the text says in which way, and holds nothing of the answer.

    Attributes:
        korean: the same in Korean.
    """

    def __init__(self, english: str, korean: str) -> None:
        super().__init__(english)
        self.korean = korean


class ModelServer:
    """Calls to one server. Thread-safe: as many at once as there are `connections`, the others wait for one.

    Proxies and keys in the environment are not looked at, redirects not followed, and certificates are checked against
    the system's store, where the company's own authority is.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        key_file: Path | None = None,
        patience: Patience | None = None,
        tolerance: Tolerance | None = None,
        asked_first: Question | None = None,
        connections: int = 8,
        max_response_bytes: int = 16 * 2**20,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Prepare the calls; the server is not asked.

        Args:
            name: of the model, for messages.
            url: root that the paths of `post` are put behind.
            asked_first: sent before a request where nothing was heard of the server lately. A proxy gives 502 and 504 for a
                server that is away as well as for one that died of the request: only where this was answered just before, the
                request is taken for the cause (`ModelUnavailable`), else the server for away (`ModelAway`).
            key_file: file with the server's key; read for each call, so that a key can be exchanged.
            transport: takes the place of the network in tests.
            jitter: a number from 0 to 1.

        Raises:
            ConfigurationError: the address is none, or the file holds no key.
        """
        self.name = name
        self.url = checked_url(name, url)
        self._key_file = key_file
        self._patience = patience or Patience()
        self._max_bytes = max_response_bytes
        self._clock, self._sleep, self._jitter = clock, sleep, jitter
        self._asked_first, self._asking = asked_first, threading.Lock()
        self._heard_at = self._silent_at = -math.inf
        self.breaker = CircuitBreaker(tolerance or Tolerance(), clock)
        read_key(key_file)
        # One pool of httpx for all threads would now and then close a connection that another thread has just begun to
        # use (httpcore 1.0 looks at an idle connection without holding it), so each client serves one thread at a time.
        context = ssl.create_default_context() if self.url.startswith("https:") else ssl.SSLContext(PROTOCOL_TLS_CLIENT)
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEPALIVE_S)
        self._clients = _Clients(
            httpx.Client(
                transport=transport or httpx.HTTPTransport(verify=context, trust_env=False, limits=limits),
                trust_env=False,
                follow_redirects=False,
            )
            for _ in range(connections)
        )
        # Also called when the last reference goes: its sockets must not outlive it.
        self._close = weakref.finalize(self, self._clients.close)

    def close(self) -> None:
        """Close the connections; those in use, when their calls end."""
        self._close()

    def post(self, path: str, body: Mapping[str, Any], *, deadline: float | None = None) -> Any:
        """The JSON that the server answers.

        Args:
            deadline: instant of `clock` by which it is wanted.

        Raises:
            ModelUnusable: a refusal.
            ModelAway: no try was taken.
            ModelUnavailable: no answer in time, or one that is no JSON.
        """
        reply = self.exchange(path, body, deadline=deadline)
        if not reply.ok:
            raise self.refusal(reply)
        return reply.body

    def exchange(self, path: str, body: Mapping[str, Any], *, deadline: float | None = None) -> Reply:
        """As `post`, but a refusal (status 400 to 499, but for 429, and 501) is returned, for callers that can ask otherwise."""
        if self._asked_first is not None and self._unheard():
            self._ask_first(self._asked_first, deadline)
        # Counted from here: what the question took, a server that was just loading its model, is none of the request's.
        return self._asked(path, body, self._end(deadline))

    def _end(self, deadline: float | None) -> float:
        end = self._clock() + self._patience.timeout_s
        return end if deadline is None else min(end, deadline)

    def _unheard(self) -> bool:
        return self._clock() - self._heard_at > _HEARD_S

    def _ask_first(self, first: Question, deadline: float | None) -> None:
        """One asks for all that wait; the next asks again only where the request of the one before failed after all."""
        begun = self._clock()
        with self._asking:
            if not self._unheard():
                return
            if self._silent_at > begun:
                raise ModelAway(name=self.name)
            try:
                self._asked(first.path, first.body, self._end(deadline))
            except ModelUnavailable as error:
                self._silent_at = self._clock()
                raise ModelAway(name=self.name) from error

    def _asked(self, path: str, body: Mapping[str, Any], end: float) -> Reply:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        taken = False
        for number in range(1, self._patience.tries + 1):
            try:
                reply = self._admitted(path, body, content, end)
                self._heard_at = self._clock()
                return reply
            except _Retry as again:
                taken = taken or again.taken
                pause = self._pause(number, again.after_s)
                if number == self._patience.tries or self._clock() + pause >= end:
                    raise self._unavailable(path, str(again), taken) from again.__cause__
                self._sleep(pause)
            except _Failed as failure:
                raise self._unavailable(path, str(failure), taken or failure.taken) from failure.__cause__
        raise AssertionError("unreachable: the last try returns or raises")

    def refused(self, path: str, reason: str, reason_ko: str) -> ModelUnusable:
        """The error for an answer that is JSON and still of no use; the reason holds nothing of the answer."""
        log.warning("model server %s, %s: %s", self.url, path, reason)
        return ModelUnusable(name=self.name, detail=reason, detail_ko=reason_ko)

    def refusal(self, reply: Reply) -> ModelUnusable:
        """The error for a request that the server refused; what it said is in the log."""
        return ModelUnusable(
            name=self.name,
            detail=f"it refuses the request (status {reply.status})",
            detail_ko=f"요청을 거절했습니다(상태 코드 {reply.status})",
        )

    def _pause(self, number: int, after_s: float | None) -> float:
        longest = min(self._patience.longest_pause_s, self._patience.pause_s * 2.0 ** (number - 1))
        own = longest * (0.5 + 0.5 * self._jitter())
        return own if after_s is None else max(own, after_s)

    def _unavailable(self, path: str, reason: str, taken: bool) -> ModelUnavailable:
        log.warning("model server %s, %s: %s", self.url, path, reason)
        self._heard_at = -math.inf
        return ModelUnavailable(name=self.name) if taken else ModelAway(name=self.name)

    def _admitted(self, path: str, body: Mapping[str, Any], content: bytes, end: float) -> Reply:
        """One try through the breaker, which hears how it went."""
        if self._clock() >= end:
            raise _Failed("no time left", down=False, taken=False)
        if not self.breaker.admit():
            raise _Failed("not asked: it failed several times just now", down=False, taken=False)
        try:
            reply = self._once(path, body, content, end)
        except (_Retry, _Failed) as failure:
            (self.breaker.failed if failure.down else self.breaker.abandoned)()
            raise
        except BaseException:
            self.breaker.abandoned()
            raise
        self.breaker.succeeded()
        return reply

    def _once(self, path: str, body: Mapping[str, Any], content: bytes, end: float) -> Reply:
        given = max(end - self._clock(), 0.001)
        try:
            client = self._clients.take(given)
        except queue.Empty as error:
            raise _Failed("all connections busy, or closed", down=False, taken=False) from error
        try:
            return self._sent(client, path, body, content, end)
        finally:
            self._clients.give_back(client)

    def _sent(self, client: httpx.Client, path: str, body: Mapping[str, Any], content: bytes, end: float) -> Reply:
        given = max(end - self._clock(), 0.001)
        timeout = httpx.Timeout(given, connect=min(given, self._patience.connect_s))
        request = client.build_request(
            "POST", self.url + path, content=content, headers=self._headers(), timeout=timeout
        )
        try:
            response = client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            down = given >= _FAIR_S or _at_once(error)
            raise _Retry(f"no connection ({type(error).__name__})", down=down, taken=False) from error
        except httpx.TimeoutException as error:
            raise _Failed("no answer in time", down=given >= _FAIR_S) from error
        except httpx.TransportError as error:
            # Nothing of an answer came, and no request changes anything on the server: it is safe to ask again.
            raise _Retry(f"connection lost ({type(error).__name__})") from error
        try:
            raw = self._read(response, end, given)
        finally:
            response.close()
        return self._judged(response, raw, body)

    def _read(self, response: httpx.Response, end: float, given: float) -> bytes:
        """The body, bounded in bytes and by the clock: a server that drips is as late as one that is silent."""
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _Failed("a compressed answer, which was not asked for")
        parts, size = [], 0
        try:
            for part in response.iter_raw():  # without a size, which would wait until so much is there
                size += len(part)
                if size > self._max_bytes:
                    raise _Failed(f"an answer of more than {self._max_bytes} bytes")
                if self._clock() >= end:
                    raise _Failed("no complete answer in time", down=given >= _FAIR_S)
                parts.append(part)
        except httpx.TimeoutException as error:
            raise _Failed("no complete answer in time", down=given >= _FAIR_S) from error
        except httpx.TransportError as error:
            raise _Failed(f"the answer broke off ({type(error).__name__})") from error
        return b"".join(parts)

    def _judged(self, response: httpx.Response, raw: bytes, body: Mapping[str, Any]) -> Reply:
        status = response.status_code
        parsed = parsed_json(raw)
        if 200 <= status < 300:
            if parsed is NO_JSON:
                raise _Failed("an answer that is not JSON")
            return Reply(status, parsed)
        said = f"status {status}: {loggable(complaint(parsed), body, read_key(self._key_file))}"
        if status in RETRIED:
            # Too many requests says nothing against the server.
            after_s, taken = retry_after(response.headers), status not in _NOT_TAKEN
            raise _Retry(said, after_s=after_s, down=status != 429, taken=taken)
        if 400 <= status < 500 or status == _NOT_IMPLEMENTED:
            log.warning("model server %s refused a request: %s", self.url, said)
            return Reply(status, None if parsed is NO_JSON else parsed)
        raise _Failed(said)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        return headers | authorization(self._key_file)


def checked_url(name: str, url: str | None) -> str:
    """`url` without a slash at its end.

    Raises:
        ConfigurationError: it is not the http(s) address of a host, or holds a password, query or fragment.
    """
    try:
        parsed = urlsplit(url or "")
        fine = parsed.scheme in ("http", "https") and parsed.hostname and parsed.port != 0
    except ValueError as error:
        raise ConfigurationError(
            detail=f"the address of the server of {name} is not valid",
            detail_ko=f"{name} 서버의 주소가 올바르지 않습니다",
        ) from error
    if not fine or parsed.username or parsed.password or parsed.query or parsed.fragment:
        raise ConfigurationError(
            detail=f"the address of the server of {name} must be http(s)://host[:port][/path]; its key goes in a file",
            detail_ko=f"{name} 서버의 주소는 http(s)://호스트[:포트][/경로] 형식이어야 합니다. 키는 파일에 두세요",
        )
    return parsed.geturl().rstrip("/")


def read_key(key_file: Path | None) -> str | None:
    """The key in the file, read anew for each call; None without a file.

    Raises:
        ConfigurationError: the file can't be read, can be read by others, or holds no key.
    """
    if key_file is None:
        return None
    key = read_secret(key_file)
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > _LONGEST_KEY:
        raise ConfigurationError(
            detail=f"the key file {key_file} holds no key on a single line",
            detail_ko=f"키 파일 {key_file}에 한 줄로 된 키가 없습니다",
        )
    return key


def authorization(key_file: Path | None) -> dict[str, str]:
    """The header that shows the key; none without a file."""
    key = read_key(key_file)
    return {"Authorization": f"Bearer {key}"} if key else {}


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that the server asks to wait, given as such or as a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _at_once(error: httpx.TransportError) -> bool:
    """Whether the connection was refused rather than slow: that needs no fair time."""
    return not isinstance(error, httpx.TimeoutException)


NO_JSON = object()
"""What `parsed_json` gives for bytes that are none; None is JSON."""


def parsed_json(raw: bytes) -> Any:
    """The value that `raw` holds, or `NO_JSON`."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # also: bytes that are no text, numbers of thousands of digits
        return NO_JSON


def complaint(parsed: Any) -> object:
    """What the server says of an error: OpenAI's `error.message`, vLLM's `message`, TEI's `error`, FastAPI's `detail`."""
    found = parsed
    for field in ("error", "message", "detail"):
        if isinstance(found, dict) and field in found:
            found = found[field]
    return found if isinstance(found, str) else "no message"
