"""A server that answers as GitLab, GitHub and Gitea do, over TLS on loopback: what tests put into it, in pages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.loopback import https_server

TOKEN = "glpat-issues-0123"


@dataclass
class Forge:
    """What is served, and what was asked.

    Attributes:
        lists: objects by path; a page of them is answered.
        failing: statuses that the next answers have instead.
        raw: bodies by path that are answered as they are.
        slow_s: how long each answer takes.
        asked: path, parameters and `Authorization` of each request.
    """

    port: int
    ca_file: Path
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failing: list[int] = field(default_factory=list)
    raw: dict[str, bytes] = field(default_factory=dict)
    slow_s: float = 0.0
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    @property
    def host(self) -> str:
        """As the settings name it."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def serving(folder: Path) -> Iterator[Forge]:
    """A server; its certificate lies in `folder`."""
    with https_server(folder, _Handler) as (server, port, certificate):
        server.forge = forge = Forge(port, certificate)  # type: ignore[attr-defined]
        yield forge


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read what they want to know."""

    def do_GET(self) -> None:
        forge: Forge = self.server.forge  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        asked = dict(parse_qsl(parts.query))
        given = self.headers.get("Authorization", "").encode("latin-1").decode("utf-8", "replace")
        forge.asked.append((parts.path, asked, given))
        time.sleep(forge.slow_s)
        if forge.failing:
            self._say(forge.failing.pop(0), b"{}")
        elif not given.endswith(TOKEN):
            self._say(401, b"{}")
        elif parts.path in forge.raw:
            self._say(200, forge.raw[parts.path])
        elif parts.path in forge.lists:
            size, page = int(asked.get("per_page") or asked["limit"]), int(asked["page"])
            after = asked.get("updated_after") or asked.get("since") or ""
            items = [item for item in forge.lists[parts.path] if str(item.get("updated_at", "9")) >= after[:19]]
            self._say(200, json.dumps(items[(page - 1) * size : page * size]).encode())
        else:
            self._say(404, b"{}")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 429:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
