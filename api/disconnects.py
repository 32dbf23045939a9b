"""Work for a caller who may hang up: an answer in one piece is written for nobody then, and the engine has others to serve.

A stream needs none of this: Starlette cancels it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

Result = TypeVar("Result")

NOBODY_LISTENS = 499
"""nginx's status for a caller who closed the connection; it only ever stands in a log."""


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result | None:
    """What `work` gives; None when the caller hung up before, and `work` was cancelled.

    The request's body must have been read.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
