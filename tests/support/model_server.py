"""A model server on a real port whose behaviour a test writes down: what it answers, how late, how broken."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Answer:
    """One answer: JSON, or raw bytes that may be none."""

    data: Any = None
    status: int = 200
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    promised: int | None = None

    def content(self) -> bytes:
        return self.raw if self.raw is not None else json.dumps(self.data).encode()


@dataclass(slots=True)
class Asked:
    """One request as it arrived."""

    path: str
    body: Any
    headers: dict[str, str]


Behaviour = Callable[[Asked], Answer]


@dataclass(slots=True)
class ScriptedServer:
    """Answers with `behaviour`; keeps what was asked."""

    url: str
    behaviour: Behaviour
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def scripted_server(behaviour: Behaviour) -> Iterator[ScriptedServer]:
    """A server on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            asked = Asked(self.path, json.loads(body), {name.lower(): value for name, value in self.headers.items()})
            with server.lock:
                server.asked.append(asked)
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                self._answer(server.behaviour(asked))
            finally:
                with server.lock:
                    server.at_once -= 1

        def _answer(self, answer: Answer) -> None:
            time.sleep(answer.pause_s)
            content = answer.content()
            self.send_response(answer.status)
            self.send_header("content-length", str(len(content) if answer.promised is None else answer.promised))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            if answer.promised is not None:
                self.close_connection = True

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, TimeoutError):
                self.close_connection = True  # a client that gave up

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = ScriptedServer(f"http://127.0.0.1:{http.server_port}", behaviour)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
