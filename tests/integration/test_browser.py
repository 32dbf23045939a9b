"""What a browser asks for when it shows answers: nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rag.text.inert import inert
from tests.support.markup_attacks import ATTACKS
from tests.support.shown import renderings

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HINT = "no browser here: apt-get install chromium"
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking "
    "--disable-sync --disable-component-update --disable-default-apps --disable-domain-reliability --disable-extensions "
    "--metrics-recording-only --ignore-certificate-errors --remote-debugging-port=0"
)


@contextmanager
def asked() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a server that takes the place of all others, and what it was asked first, plainly or in a TLS greeting."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    try:
                        heard.append(connection.recv(4096))
                    except OSError:
                        continue

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)


def requests_for(page: str, folder: Path) -> int:
    """How often the browser turned to a foreign host to show the page."""
    assert BROWSER is not None
    path = folder / "page.html"
    last = '<img src="http://own.example/last.png">'
    path.write_text(f"<!doctype html><meta charset=utf-8>{page}{last}", encoding="utf-8")
    with asked() as (port, heard):
        command = [BROWSER, *QUIET.split(), f"--host-resolver-rules=MAP * 127.0.0.1:{port}", path.as_uri()]
        command.insert(1, f"--user-data-dir={folder / 'profile'}")
        quiet = subprocess.DEVNULL
        browser = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
        try:
            _until(
                lambda: b"own" in b"".join(heard), 60
            )  # the page's last picture is ours: it has read all of the page
            time.sleep(3)
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
        assert any(b"own.example" in greeting for greeting in heard), "the browser did not show the page"
        return sum(b"evil" in greeting for greeting in heard)


def _until(done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason=HINT)
def test_a_browser_asks_for_nothing(tmp_path: Path) -> None:
    for attack in ("![x](https://evil.example/a)", "<img src=http://evil.example/b>"):
        assert requests_for("".join(renderings(attack)), tmp_path) >= 1, "no attack at all"
    shown = [page for attack in ATTACKS for page in renderings(inert(attack))]
    assert requests_for("\n".join(shown), tmp_path) == 0
    joined = "\n\n".join(inert(attack) for attack in ATTACKS)
    assert requests_for("\n".join(renderings(joined)), tmp_path) == 0
