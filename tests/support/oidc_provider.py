"""A sign-in provider for tests: keys, tokens, and the endpoints behind a transport that counts what was asked of it."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

_KEYS = cycle([RSAKey.generate_key(2048).as_dict(private=True) for _ in range(4)])
"""Taken in turn: two providers that are made one after the other never have the same."""
NOW = 1_800_000_000
"""The moment at which these tests play, in seconds since 1970."""


@dataclass
class FakeProvider:
    """A provider that signs what it is told to.

    Attributes:
        asked: requests by path.
        away: whether it does not answer.
        says: what is otherwise in its metadata.
        people: claims by `sub`, for the ID token and the user info.
        tells: what is otherwise in the user info.
    """

    issuer: str = "https://sso.bank.example/realms/main"
    client_id: str = "seogo"
    secret: str | None = None
    away: bool = False
    says: dict[str, Any] = field(default_factory=dict)
    tells: dict[str, Any] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    now: float = NOW

    def __post_init__(self) -> None:
        self.keys: dict[str, RSAKey | ECKey | OctKey] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.rotate("k1")

    def rotate(self, kid: str) -> None:
        """Sign with a new key, beside which the old ones are not listed any more."""
        self.keys = {kid: RSAKey.import_key(next(_KEYS), {"kid": kid, "use": "sig", "alg": "RS256"})}

    @property
    def key(self) -> RSAKey | ECKey | OctKey:
        """The key that is signed with."""
        return next(iter(self.keys.values()))

    def claims(self, sub: str = "u-1", **more: Any) -> dict[str, Any]:
        """Claims of an access token for the API; None takes one away."""
        found = {
            "iss": self.issuer,
            "sub": sub,
            "aud": "seogo-api",
            "azp": self.client_id,
            "iat": int(self.now),
            "exp": int(self.now) + 300,
            "preferred_username": f"name-{sub}",
            **more,
        }
        return {name: value for name, value in found.items() if value is not None}

    def token(self, claims: Mapping[str, Any] | None = None, header: Mapping[str, Any] | None = None) -> str:
        """A signed token."""
        kid = next(iter(self.keys))
        head = {"alg": "RS256", "kid": kid, "typ": "at+jwt", **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        registry = jws.JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        payload = json.dumps(dict(claims or self.claims())).encode()
        return jws.serialize_compact(head, payload, self.key, registry=registry)

    def transport(self) -> httpx.MockTransport:
        """Its endpoints."""
        return httpx.MockTransport(self._answer)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Its endpoints on a port of loopback, under which it is then the issuer."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = httpx.Request(
                    self.command, f"{provider.issuer}{self.path}", headers=dict(self.headers), content=body
                )
                said = provider._answer(asked)
                self.send_response(said.status_code)
                self.send_header("Content-Type", said.headers.get("content-type", "text/plain"))
                self.send_header("Content-Length", str(len(said.content)))
                self.end_headers()
                self.wfile.write(said.content)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                """No line for each request."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def metadata(self) -> dict[str, Any]:
        """What it says of itself."""
        names = ("authorization", "token", "userinfo", "end_session")
        endpoints = {f"{name}_endpoint": f"{self.issuer}/{name}" for name in names}
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **endpoints, **self.says}

    def authorize(self, url: str, sub: str = "u-1", **changed: str) -> dict[str, str]:
        """What a person's browser brings back from the page of sign-in, as the parameters of the way back."""
        asked = dict(parse_qsl(urlsplit(url).query)) | changed
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked | {"sub": sub}
        return {"code": code, "state": asked["state"]}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix(urlsplit(self.issuer).path)
        self.asked[path] += 1
        if self.away:
            raise httpx.ConnectError("away", request=request)
        match path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.metadata())
            case "/keys":
                public = [key.as_dict(private=False) for key in self.keys.values()]
                return httpx.Response(200, json={"keys": public})
            case "/token":
                return self._sell(request)
            case "/userinfo":
                sub = request.headers["authorization"].removeprefix("Bearer access-")
                return httpx.Response(200, json={"sub": sub, **self.people.get(sub, {}), **self.tells})
        return httpx.Response(404)

    def _sell(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        if self.secret is not None:
            pair = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
            if request.headers.get("authorization") != f"Basic {pair}":
                return httpx.Response(401, json={"error": "invalid_client"})
        challenge = create_s256_code_challenge(form.get("code_verifier", ""))
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        claims = self.claims(
            asked["sub"], aud=self.client_id, nonce=asked["nonce"], **self.people.get(asked["sub"], {})
        )
        return httpx.Response(
            200,
            json={
                "access_token": f"access-{asked['sub']}",
                "token_type": "Bearer",
                "id_token": self.token(claims, {"typ": "JWT"}),
            },
        )


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
