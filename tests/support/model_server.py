"""A real HTTP server on the loopback interface that answers as a test scripts it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    """A request as it arrived."""

    path: str
    body: Any
    headers: dict[str, str]


@dataclass
class Answer:
    """What is sent back.

    Attributes:
        raw: bytes of the body; `body` as JSON where there is none.
        promised: Content-Length, where it differs from the truth.
        write: sends the whole answer itself, given the socket's file.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    promised: int | None = None
    write: Callable[[Any], None] | None = None


class ScriptedServer:
    """Its address and the calls that came."""

    def __init__(self, respond: Callable[[Call], Answer]) -> None:
        self.calls: list[Call] = []
        self.respond = respond
        self.url = ""

    def paths(self) -> list[str]:
        return [call.path for call in self.calls]


@contextmanager
def model_server(respond: Callable[[Call], Answer]) -> Iterator[ScriptedServer]:
    """Serve until the block ends."""
    scripted = ScriptedServer(respond)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            call = Call(self.path, json.loads(content), {k.lower(): v for k, v in self.headers.items()})
            scripted.calls.append(call)
            answer = scripted.respond(call)
            try:
                self._send(answer)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def do_GET(self) -> None:
            call = Call(self.path, None, {k.lower(): v for k, v in self.headers.items()})
            scripted.calls.append(call)
            self._send(scripted.respond(call))

        def _send(self, answer: Answer) -> None:
            if answer.write is not None:
                answer.write(self.wfile)
                self.close_connection = True
                return
            raw = answer.raw if answer.raw is not None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            length = len(raw) if answer.promised is None else answer.promised
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(raw)
            self.close_connection = length != len(raw)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    scripted.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
