"""Headers on every response, known hosts, and portals of other origins."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import ValidationError
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from api.app import create_app
from api.hardening.headers import guarded_against_browsers
from api.hardening.settings import BrowserSettings

PORTAL = "https://portal.bank.co.kr"
LIVE = "/api/v1/health/live"


def client(base: str = "http://testserver", **settings: Any) -> TestClient:
    app = create_app()
    app.state.browsers = BrowserSettings(**settings)
    app.router.routes.insert(0, Route("/broken", _broken))
    app.router.routes.insert(0, Route("/kept", _kept))
    return TestClient(app, base_url=base, raise_server_exceptions=False)


async def _broken(request: object) -> PlainTextResponse:
    raise RuntimeError("a bug")


async def _kept(request: object) -> PlainTextResponse:
    own = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "public, max-age=60"}
    return PlainTextResponse("page", headers=own)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", LIVE, 200),
        ("GET", "/nowhere", 404),
        ("DELETE", LIVE, 405),
        ("GET", "/api/v1/collections", 500),  # without services, which is as unexpected as it gets
        ("GET", "/broken", 500),
        ("POST", "/v1/chat/completions", 416),
    ],
)
def test_every_response_has_them(method: str, path: str, status: int) -> None:
    response = client().request(method, path, headers={"Range": "bytes=5-1"} if status == 416 else None)
    assert response.status_code == status
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert response.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in response.headers
    assert "access-control-allow-origin" not in response.headers


def test_a_route_keeps_what_it_says_itself() -> None:
    response = client().get("/kept")
    assert response.headers["content-security-policy"] == "default-src 'self'"
    assert response.headers["cache-control"] == "public, max-age=60"


def test_tls_is_insisted_on_behind_tls_alone() -> None:
    assert (
        client("https://testserver", hsts_s=600)
        .get(LIVE)
        .headers["strict-transport-security"]
        .startswith("max-age=600")
    )
    assert "strict-transport-security" not in client(hsts_s=600).get(LIVE).headers


def test_portals_may_frame_when_they_are_named() -> None:
    headers = client(frame_ancestors=(PORTAL,)).get(LIVE).headers
    assert f"frame-ancestors {PORTAL}" in headers["content-security-policy"]
    assert "x-frame-options" not in headers


def test_other_origins_are_closed_out_unless_named() -> None:
    asked = {
        "Origin": PORTAL,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    assert "access-control-allow-origin" not in client().options("/api/v1/answers", headers=asked).headers
    named = client(cors_origins=(PORTAL,))
    allowed = named.options("/api/v1/answers", headers=asked)
    assert allowed.headers["access-control-allow-origin"] == PORTAL
    assert "access-control-allow-credentials" not in allowed.headers
    assert allowed.headers["x-content-type-options"] == "nosniff"
    foreign = named.options("/api/v1/answers", headers=asked | {"Origin": "https://portal.bank.co.kr.evil.example"})
    assert "access-control-allow-origin" not in foreign.headers
    assert named.get(LIVE, headers={"Origin": PORTAL}).headers["access-control-allow-origin"] == PORTAL


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("seogo.bank.co.kr", True),
        ("SEOGO.bank.co.kr:8443", True),
        ("a.inner.co.kr", True),
        ("inner.co.kr", False),
        ("evilinner.co.kr", False),
        ("[::1]:8080", True),
        ("evil.example", False),
        ("", False),
    ],
)
def test_only_known_hosts_are_served(host: str, served: bool) -> None:
    known = client(hosts=("seogo.bank.co.kr", "*.inner.co.kr", "[::1]"))
    response = known.get("/nowhere", headers={"Host": host})
    assert response.status_code == (404 if served else 421)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert known.get(LIVE, headers={"Host": host}).status_code == 200


def test_a_command_on_the_same_machine_needs_no_host(tmp_path: Path) -> None:
    """The command line talks to its own service by a socket of the file system."""
    app = create_app()
    app.state.browsers = BrowserSettings(hosts=("seogo.bank.co.kr",))
    where = str(tmp_path / "api.sock")
    server = uvicorn.Server(uvicorn.Config(app, uds=where, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    with httpx.Client(base_url="http://seogo", transport=httpx.HTTPTransport(uds=where), trust_env=False) as http:
        assert http.get("/nowhere").status_code == 404
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize(
    "wrong",
    [
        {"cors_origins": ["*"]},
        {"cors_origins": ["https://a.b/path"]},
        {"frame_ancestors": ["https://a.b; script-src *"]},
        {"frame_ancestors": ["null"]},
        {"hosts": ["*"]},
        {"hosts": ["a b"]},
    ],
)
def test_what_would_open_everything_is_no_setting(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BrowserSettings.model_validate(wrong)


def test_what_is_no_http_passes() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    settings = BrowserSettings(hosts=("a.b",), cors_origins=(PORTAL,))
    app = guarded_against_browsers(inner, settings)
    coroutine = app({"type": "lifespan"}, SimpleNamespace(), SimpleNamespace())
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert seen == ["lifespan"]
