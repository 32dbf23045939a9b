"""Loaded by every Python process of the air-gap test: notes each lookup and each connection outside loopback, then refuses it.

`strace`, where it is installed, sees what compiled code does as well; this works on every machine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_LOG = os.environ.get("AIRGAP_LOG")
_LOCAL = ("127.", "::1", "::ffff:127.", "localhost")


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


if _LOG:
    sys.addaudithook(_watch)
