"""An application behind a real socket, and OpenAI's own client to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import openai
import uvicorn
from fastapi import FastAPI


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of `app` under uvicorn, for the length of the block."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="on", log_level="warning", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def openai_client(address: str, key: str, *, retries: int = 0, language: str = "en") -> Iterator[openai.OpenAI]:
    """OpenAI's client, which looks at nothing in the environment."""
    http = httpx.Client(headers={"Accept-Language": language}, trust_env=False)
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, http_client=http, max_retries=retries) as client:
        yield client
