"""Loaded by every Python process of the air-gap tests, as far as the environment asks for it.

`AIRGAP_LOG`: note each lookup and each connection outside loopback in this file, then refuse it. `strace`, where it is
installed, sees what compiled code does as well; this works on every machine.
`AIRGAP_SWITCHES_UNSET`: whatever the process itself does, no switch that keeps a library from reporting gets into its
environment, so that what is shown is owed to none of them.
`AIRGAP_PHONE`: once this file exists, do what a library that phones home would do, in a thread, again and again.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

_LOG = os.environ.get("AIRGAP_LOG")
_PHONE = os.environ.get("AIRGAP_PHONE")
_LOCAL = ("127.", "::1", "::ffff:127.", "localhost")
_SWITCHES = re.compile(r"HF_|TRANSFORMERS_OFFLINE|DO_NOT_TRACK|SCARF|VLLM_|RAY_USAGE|OTEL_", re.I)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if isinstance(host, str) and host and not host.startswith(_LOCAL):
        with Path(str(_LOG)).open("a", encoding="utf-8") as log:
            log.write(f"{event} {host} in {sys.argv[:3]}\n")
        raise OSError(f"refused: {event} {host}")


def _phone() -> None:
    while not Path(str(_PHONE)).exists():
        time.sleep(0.05)
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            opened.sendto(b"used", ("203.0.113.7", 8125))
        with contextlib.suppress(OSError):
            socket.getaddrinfo("telemetry.example", 443)
        time.sleep(0.05)


if os.environ.get("AIRGAP_SWITCHES_UNSET"):
    _put = os.environ.__class__.__setitem__

    def _put_unless_switch(self: object, name: str, value: str) -> None:
        if not _SWITCHES.match(name):
            _put(self, name, value)  # type: ignore[arg-type]

    os.environ.__class__.__setitem__ = _put_unless_switch  # type: ignore[method-assign]

if _LOG:
    sys.addaudithook(_watch)

if _PHONE and ("serve" in sys.argv or "worker" in sys.argv):
    threading.Thread(target=_phone, daemon=True).start()
