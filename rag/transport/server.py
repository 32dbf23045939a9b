"""Calls to a model server inside the network: JSON in, JSON out, with retries, a deadline and a circuit breaker.

One object per server and process; thread-safe. Texts and keys never reach the log.
"""

from __future__ import annotations

import json
import logging
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.transport.breaker import CircuitBreaker

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 20
"""Of one reply: 32 texts of 4,096 dimensions as JSON are 3 MB; whatever is far beyond is not what was asked for."""
_RETRIED = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses of a server that is busy or starting (RFC 9110). 500 is not among them: the same text would crash it again."""
_FIRST_PAUSE_S = 0.2
_SHOWN = 300
"""Characters of a server's message that the log shows."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered: its status, and the JSON of the body."""

    status: int
    data: Any

    @property
    def refused(self) -> bool:
        """Whether the server did not accept the request as it was."""
        return self.status >= 400


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often.

    Attributes:
        timeout_s: for connecting and between two pieces of a reply.
        tries: of one call.
    """

    timeout_s: float = 30.0
    tries: int = 3


class ModelServer:
    """A server of one model."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        api_key: str | None = None,
        patience: Patience = Patience(),  # frozen
        breaker: CircuitBreaker | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: such as `http://vllm:8000`; paths are added to it.
            name: of the model, for messages.
            transport: takes the place of the network in tests.
        """
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(detail=f"{url} is not the URL of a model server")
        self.name = name
        self._patience = patience
        self._breaker = breaker or CircuitBreaker()
        self._clock = clock
        self._sleep = sleep
        # No proxies from the environment: the server is inside the network. The system's certificates, because a
        # company's own authority is installed there. No redirects: a key must not follow one to another host.
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=patience.timeout_s,
            trust_env=False,
            follow_redirects=False,
            verify=ssl.create_default_context(),
            transport=transport,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        )

    def post(self, path: str, body: Mapping[str, Any], *, deadline: float | None = None) -> Any:
        """The JSON that the server answers to `body`.

        Args:
            deadline: instant of `time.monotonic` by which it is wanted.

        Raises:
            ModelUnavailable: the server can't be reached, is too late, refused the request, or did not answer in JSON.
            ConfigurationError: it refuses the key.
        """
        reply = self.ask(path, body, deadline=deadline)
        if reply.refused:
            log.warning("the server of %s refused a request with %d: %s", self.name, reply.status, _message(reply.data))
            raise ModelUnavailable(name=self.name)
        return reply.data

    def ask(self, path: str, body: Mapping[str, Any], *, deadline: float | None = None) -> Reply:
        """`post` for callers that know what to do about a refused request."""
        if not self._breaker.allows():
            raise ModelUnavailable(name=self.name)
        try:
            reply = self._persistently(path, body, deadline)
        except _OutOfTime as error:
            self._breaker.abandoned()
            raise ModelUnavailable(name=self.name) from error
        except (httpx.HTTPError, _Unusable) as error:
            if deadline is not None and self._clock() >= deadline:  # the caller's time was short, not the server slow
                self._breaker.abandoned()
            else:
                self._breaker.failed()
            log.warning("the server of %s is not available: %s", self.name, error)
            raise ModelUnavailable(name=self.name) from error
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        if reply.status in (401, 403):
            raise ConfigurationError(detail=f"the server of {self.name} refuses the key")
        return reply

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _persistently(self, path: str, body: Mapping[str, Any], deadline: float | None) -> Reply:
        """The first usable reply of some tries."""
        pause = _FIRST_PAUSE_S
        for last in (*[False] * (self._patience.tries - 1), True):
            try:
                reply, wanted = self._once(path, body, deadline)
                if reply is not None:
                    return reply
                failure: Exception = _Unusable("it is busy")
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.RemoteProtocolError) as error:
                failure, wanted = error, None
            if last:
                raise failure
            # full jitter, so that many callers don't come back at once (Brooker, AWS Architecture Blog, 2015)
            seconds = wanted if wanted is not None else random.uniform(0.5, 1.0) * pause  # noqa: S311
            if deadline is not None and self._clock() + seconds >= deadline:
                raise failure
            self._sleep(seconds)
            pause *= 2
        raise AssertionError("unreachable")

    def _once(self, path: str, body: Mapping[str, Any], deadline: float | None) -> tuple[Reply | None, float | None]:
        """One try: the reply, or None when the server is busy, and the pause that it asks for."""
        request = self._client.build_request("POST", path, json=dict(body), timeout=self._remaining(deadline))
        response = self._client.send(request, stream=True)
        try:
            content = self._content(response, deadline)
        finally:
            response.close()
        if response.status_code in _RETRIED:
            return None, _retry_after(response)
        if response.status_code >= 500:
            raise _Unusable(f"status {response.status_code}: {_message(_parsed(content))}")
        if response.status_code >= 300 and response.status_code < 400:
            raise _Unusable("it redirects")
        data = _parsed(content)
        if data is None and response.status_code < 300:
            raise _Unusable("its reply is not JSON")
        return Reply(response.status_code, data), None

    def _content(self, response: httpx.Response, deadline: float | None) -> bytes:
        received = bytearray()
        for piece in response.iter_bytes():
            received += piece
            if len(received) > MOST_BYTES:
                raise _Unusable("its reply is too large")
            self._remaining(deadline)  # a server that drips would reset the time between two pieces for ever
        return bytes(received)

    def _remaining(self, deadline: float | None) -> float:
        if deadline is None:
            return self._patience.timeout_s
        left = deadline - self._clock()
        if left <= 0.0:
            raise _OutOfTime
        return min(left, self._patience.timeout_s)


class _Unusable(Exception):
    """The server answered with nothing that can be used."""


class _OutOfTime(Exception):
    """The caller's time is over."""


def key_of(file: Path | None) -> str | None:
    """The key in a file; None without a file.

    Raises:
        ConfigurationError: it can't be read, or is empty.
    """
    if file is None:
        return None
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(detail=f"the key file {file} can't be read") from error
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigurationError(detail=f"the key file {file} holds no key")
    return key


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, where the header gives them as a plain number (RFC 9110, 10.2.3)."""
    given = response.headers.get("retry-after", "").strip()
    return min(float(given), 60.0) if given.isascii() and given.isdigit() else None


def _message(data: Any) -> str:
    """What a server says about an error, shortened. Servers quote requests there, so validation details are left out."""
    if isinstance(data, dict):
        error = data.get("error", data)
        found = error.get("message") if isinstance(error, dict) else error
        kind = error.get("type") if isinstance(error, dict) else None
        if isinstance(kind, str) and kind:
            return kind[:_SHOWN]
        if isinstance(found, str):
            return found.split("\n")[0][:_SHOWN]
    return "no message"
