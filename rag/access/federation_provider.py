"""What a sign-in provider says of itself: its endpoints and the keys that it signs with, fetched rarely and kept."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from rag.domain.errors import ConfigurationError, ProviderUnavailable
from rag.settings_identity import OidcProvider

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 512 << 10
"""Of a provider's document; real ones have a few kilobytes."""
RETRY_S = 30.0
"""A provider is asked for its keys no more often than this, whatever tokens come in."""
_MAX_KEYS = 100
_DISCOVERY = "/.well-known/openid-configuration"
_ENDPOINTS = ("jwks_uri", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint")
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address is this machine."""
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of a provider; empty where it has none.

    Attributes:
        names_issuer: whether it says in its answers to a sign-in who it is (RFC 9207).
    """

    jwks: str
    authorization: str = ""
    token: str = ""
    userinfo: str = ""
    end_session: str = ""
    names_issuer: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider said last, and when (seconds of the clock)."""

    endpoints: Endpoints
    keys: tuple[tuple[str | None, Mapping[str, Any], Key], ...]
    at: float


class Provider:
    """One provider. Thread-safe; a request asks it over the network only when nothing usable is known.

    While one thread asks, the others go on with what was known before. Nothing here runs on the event loop: routes and
    guards that come here are plain functions.
    """

    def __init__(
        self,
        settings: OidcProvider,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._asking = threading.Lock()
        self._known: _Known | None = None
        self._asked_at: float | None = None
        self._transport = transport
        self._check_address(settings.issuer)

    def client(self) -> httpx.Client:
        """A client for the provider alone: no proxy of the environment, no redirects, the certificates of the settings."""
        authorities = self.settings.ca_file
        return httpx.Client(
            timeout=self.settings.timeout_s,
            verify=ssl.create_default_context(cafile=None if authorities is None else str(authorities)),
            trust_env=False,
            follow_redirects=False,
            transport=self._transport,
        )

    def endpoints(self) -> Endpoints:
        """Its addresses.

        Raises:
            ProviderUnavailable: nothing is known of it, and it does not answer.
        """
        return self._usable().endpoints

    def key(self, kid: str | None, algorithm: str) -> Key | None:
        """The key that signed with this name and algorithm; None when the provider has none such.

        An unknown name makes the provider be asked once more, at most every `RETRY_S`: keys are changed without notice.

        Raises:
            ProviderUnavailable: nothing is known of it, and it does not answer.
        """
        known = self._usable()
        found = _chosen(known, kid, algorithm)
        if found is None:
            self._refresh()
            found = _chosen(self._usable(), kid, algorithm)
        return found

    def _usable(self) -> _Known:
        known = self._known
        if known is None or self._clock() - known.at > self.settings.keys_fresh_s:
            self._refresh(wait=known is None)
            known = self._known
        limit = self.settings.keys_fresh_s + self.settings.keys_stale_s
        if known is None or self._clock() - known.at > limit:
            raise ProviderUnavailable(name=self.settings.name)
        return known

    def _refresh(self, *, wait: bool = False) -> None:
        """Ask, unless another thread does, or somebody did just now."""
        if not self._asking.acquire(blocking=wait):
            return
        try:
            now = self._clock()
            if self._asked_at is not None and now - self._asked_at < RETRY_S:
                return
            self._asked_at = now
            self._known = self._ask(now)
        except (httpx.HTTPError, ValueError, JoseError, ConfigurationError) as error:
            # The kind alone: what a stranger's server says is no text for the log.
            log.warning("sign-in provider %s did not give its keys: %s", self.settings.name, type(error).__name__)
        finally:
            self._asking.release()

    def _ask(self, now: float) -> _Known:
        with self.client() as client:
            said = fetched(client, self.settings.issuer.rstrip("/") + _DISCOVERY)
            if said.get("issuer") != self.settings.issuer:
                raise ValueError("the provider calls itself otherwise")
            endpoints = self._endpoints(said)
            keys = fetched(client, endpoints.jwks).get("keys")
        if not isinstance(keys, list):
            raise ValueError("no list of keys")
        return _Known(endpoints, tuple(_keys(keys[:_MAX_KEYS])), now)

    def _endpoints(self, said: Mapping[str, Any]) -> Endpoints:
        addresses = tuple(str(said.get(name) or "") for name in _ENDPOINTS)
        for address in filter(None, addresses):
            self._check_address(address)
        jwks, authorization, token, userinfo, end_session = addresses
        if not jwks:
            raise ValueError("no address of keys")
        names_issuer = said.get("authorization_response_iss_parameter_supported") is True
        return Endpoints(jwks, authorization, token, userinfo, end_session, names_issuer)

    def _check_address(self, address: str) -> None:
        """Raise ConfigurationError for an address that the settings do not allow: nothing else may be called."""
        parts, issuer = urlsplit(address), urlsplit(self.settings.issuer)
        host = parts.hostname
        if host is None or (host != issuer.hostname and host not in self.settings.hosts):
            raise ConfigurationError(detail=f"identity.oidc {self.settings.name}: host {host} is not among its hosts")
        if parts.scheme != "https" and not (parts.scheme == "http" and (is_loopback(host) or self.settings.allow_http)):
            raise ConfigurationError(detail=f"identity.oidc {self.settings.name}: {address} is not https")


def fetched(client: httpx.Client, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A JSON object from the provider.

    Raises:
        httpx.HTTPError: no answer, or not a good one.
        ValueError: not an object, or too large.
    """
    return _object_of(client, client.build_request("GET", url, headers=dict(headers or {})))


def posted(client: httpx.Client, url: str, form: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The same for a form that is sent there."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return _object_of(client, client.build_request("POST", url, content=form, headers=sent))


def _object_of(client: httpx.Client, request: httpx.Request) -> dict[str, Any]:
    response = client.send(request, stream=True)
    try:
        if response.status_code != httpx.codes.OK:  # a redirect is no error to httpx, and no answer to us
            raise httpx.HTTPStatusError("not answered with a document", request=request, response=response)
        body = b""
        for part in response.iter_bytes():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError("too large")
    finally:
        response.close()
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _keys(listed: list[Any]) -> list[tuple[str | None, Mapping[str, Any], Key]]:
    """The public signing keys of a set; others, and those that can't be read, are left out. Never a shared secret."""
    found: list[tuple[str | None, Mapping[str, Any], Key]] = []
    for item in listed:
        if not isinstance(item, dict) or item.get("kty") not in ("RSA", "EC", "OKP") or item.get("use", "sig") != "sig":
            continue
        public = {name: value for name, value in item.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
        try:
            key = JWKRegistry.import_key(public)
        except (JoseError, ValueError, TypeError):
            continue
        kid = item.get("kid")
        found.append((kid if isinstance(kid, str) else None, public, key))
    return found


def _chosen(known: _Known, kid: str | None, algorithm: str) -> Key | None:
    """The key by name whose kind fits the algorithm; without a name, the only one that fits."""
    fitting = [
        (name, key)
        for name, said, key in known.keys
        if said.get("kty") == _KEY_TYPES[algorithm[:2]] and said.get("alg", algorithm) == algorithm
    ]
    if kid is not None:
        fitting = [(name, key) for name, key in fitting if name == kid]
    return fitting[0][1] if len(fitting) == 1 else None
