"""An application behind a real socket, and OpenAI's own client to it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import httpx
import openai
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.deps import Services


@contextmanager
def served(app: FastAPI, **options: Any) -> Iterator[str]:
    """The address of `app` under uvicorn, for the length of the block, such as `http://127.0.0.1:4711`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        usual = {"lifespan": "on", "log_level": "warning", "timeout_graceful_shutdown": 2}
        server = uvicorn.Server(uvicorn.Config(app, **usual | options))
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


def listening(services: Services, lifespan: str = "off") -> AbstractContextManager[str]:
    """The same of a service of this process, whose engines outlive it, for clients that make connections of their own."""
    # A client may use a connection again long after, just as it would be closed.
    return served(create_app(services), lifespan=lifespan, timeout_keep_alive=3600)


@contextmanager
def openai_client(address: str, key: str, *, retries: int = 0, language: str = "en") -> Iterator[openai.OpenAI]:
    """OpenAI's client, which looks at nothing in the environment."""
    http = httpx.Client(headers={"Accept-Language": language}, trust_env=False)
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, http_client=http, max_retries=retries) as client:
        yield client


def asked_and_left(address: str, body: dict[str, Any], headers: dict[str, str], begun: Callable[[], bool]) -> None:
    """Ask, and hang up as soon as the answer is `begun`: a time limit would hang up before that on a busy machine."""

    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            asking = asyncio.create_task(http.post(address, json=body, headers=headers))
            async with asyncio.timeout(30):
                while not begun():
                    await asyncio.sleep(0.02)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    asyncio.run(ask())
