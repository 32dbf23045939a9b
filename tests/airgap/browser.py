"""A browser that says what its pages ask for: headless Chromium under its debugging protocol, behind a proxy that answers nobody.

Two counts, since each could miss something: what the pages requested (`Network.requestWillBeSent`, also when it was blocked or
came from a cache), and what reached the proxy, to which Chromium sends everything but loopback, names unresolved.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

HINT = "Chromium is not installed (Debian: apt-get install chromium)"
_START_S = 60.0
_QUIET_S = 0.4
_PAGE_S = 8.0
_ITS_OWN = ("google.com", "googleapis.com", "gstatic.com", "duckduckgo.com")
"""What Chromium asks for by itself (its maker, the start page of Debian), page or no page; no page of ours names these."""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def program() -> str | None:
    """The browser, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def host_of(line: str) -> str:
    """The host in the first line of a request to a proxy: `GET http://host/ HTTP/1.1`, `CONNECT host:443 HTTP/1.1`."""
    target = line.split(" ")[1] if line.count(" ") >= 2 else line
    return (urlsplit(target).hostname if "://" in target else target.rpartition(":")[0]) or line


@contextmanager
def _recording_proxy(wanted: list[str]) -> Iterator[int]:
    """A proxy that notes the host of each request and refuses it; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(2)
                        host = host_of(connection.recv(65_536).split(b"\r\n")[0].decode("latin-1"))
                        if not host.endswith(_ITS_OWN):
                            wanted.append(host)
                        connection.sendall(b"HTTP/1.1 403 Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join()


@dataclass
class Browser:
    """A running browser.

    Attributes:
        proxied: hosts for which a request reached the proxy, in order.
    """

    wire: ClientConnection
    proxied: list[str]
    _number: int = 0
    _events: list[dict[str, Any]] = field(default_factory=list)

    def _ask(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        self.wire.send(json.dumps(message))
        end = time.monotonic() + _PAGE_S
        while time.monotonic() < end:
            answer = self._heard(end)
            if answer.get("id") == self._number:
                return dict(answer.get("result", {}))
        raise TimeoutError(method)

    def _heard(self, end: float) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.wire.recv(timeout=max(0.01, end - time.monotonic())))
        if "id" not in answer:
            self._events.append(answer)
        return answer

    def open(self, address: str) -> list[str]:
        """Open a page in a tab of its own and wait until it asks for nothing more; the addresses that it asked for."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Network", "Page"):
            self._ask(f"{domain}.enable", session)
        self._events.clear()
        self._ask("Page.navigate", session, url=address)
        end = time.monotonic() + _PAGE_S
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < end:
                self._heard(min(end, time.monotonic() + _QUIET_S))
        requests = [e["params"]["request"]["url"] for e in self._events if e["method"] == "Network.requestWillBeSent"]
        self._ask("Target.closeTarget", targetId=target)
        return requests


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser for the length of a block."""
    found = program()
    if found is None:
        raise FileNotFoundError(HINT)
    wanted: list[str] = []
    with _recording_proxy(wanted) as port, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            found,
            *_OPTIONS,
            f"--user-data-dir={profile}",
            f"--proxy-server=http://127.0.0.1:{port}",
            "about:blank",
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_address(Path(profile)), max_size=None, proxy=None) as wire:
                yield Browser(wire, wanted)
        finally:
            process.kill()
            process.wait()


def _address(profile: Path) -> str:
    file, end = profile / "DevToolsActivePort", time.monotonic() + _START_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError):
            port, path = file.read_text().split("\n")
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(0.05)
    raise TimeoutError("the browser did not start")
