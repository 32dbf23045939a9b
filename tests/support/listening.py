"""A service of this process behind a real socket, for clients that make connections of their own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from api.app import create_app
from api.deps import Services


@contextmanager
def listening(services: Services) -> Iterator[str]:
    """Address of the service for the length of the block, such as `http://127.0.0.1:4711`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(
        create_app(services),
        port=port,
        lifespan="off",
        log_level="warning",
        timeout_keep_alive=3600,  # a client may use a connection again long after, just as it would be closed
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
