"""What is being sent or made ends within a second when its reader may not go on: one look at the record for all together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from anyio import CancelScope, CapacityLimiter, move_on_after
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.types import Message, Scope, Send

from api.deps import Services
from rag.access.identities import Identities, lifelines_of
from rag.domain.errors import AccessEnded
from rag.domain.principal import Principal
from rag.store.session import Database

log = logging.getLogger(__name__)

Result = TypeVar("Result")

LOOK_EVERY_S = 0.5
BLIND_S = 10.0
"""After so long without a look at the record nobody knows who may go on, so nobody does."""
_LAST_LOOK_S = 5.0
"""So long the end of a watch waits for a look that is on its way."""
_LAST_WORDS_S = 0.25
"""So long a reader that takes nothing holds up the end of what is made for it."""


class AccessWatch:
    """Knows the open streams of one event loop, and looks at the record while there are any."""

    def __init__(
        self, identities: Identities, database: Database, *, every_s: float = LOOK_EVERY_S, blind_s: float = BLIND_S
    ) -> None:
        """`database`: for the looks alone, so that no crowd of requests is before them in the queue for a connection."""
        self._identities = identities
        self._database = database
        self._every_s = every_s
        self._blind_s = blind_s
        self._open: dict[object, tuple[Principal, Callable[[], None]]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._seen_at = 0.0
        self._closing = asyncio.Event()

    @classmethod
    def of(cls, services: Services) -> AccessWatch:
        """The watch of a process."""
        return cls(services.rag.identities, Database(services.rag.database.url.render_as_string(False), 1))

    async def aclose(self) -> None:
        """Look no more, and return the connection: a look in its thread ends first, for it holds that connection."""
        self._closing.set()
        if self._looking is not None:
            await asyncio.wait({self._looking}, timeout=_LAST_LOOK_S)
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        self._database.close()

    @contextmanager
    def over(self, principal: Principal, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop`, once, if the principal may not go on with what is done in the block."""
        stream = object()
        self._open[stream] = (principal, stop)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._open.pop(stream, None)

    async def require(self, principal: Principal) -> None:
        """Look at the record now.

        Raises:
            AccessEnded: the principal may not go on.
        """
        if await run_sync(self._identities.ended, frozenset({principal})):
            raise AccessEnded

    async def _look(self) -> None:
        # A lane of its own: all others may be taken by searches.
        lane = CapacityLimiter(1)
        self._seen_at = time.monotonic()
        while self._open and not self._closing.is_set():
            began = time.monotonic()
            watched = frozenset(principal for principal, _ in self._open.values())
            self._stop(await run_sync(self._ended, watched, limiter=lane))
            with move_on_after(max(0.0, began + self._every_s - time.monotonic())):
                await self._closing.wait()

    def _ended(self, watched: frozenset[Principal]) -> frozenset[Principal]:
        """Those who may not go on; nobody while the record can't be read for a moment, and all when that lasts."""
        try:
            found = self._identities.ended(watched, self._database)
        except Exception:
            log.exception("nobody can say who may go on with a stream")
            return watched if time.monotonic() - self._seen_at > self._blind_s else frozenset()
        self._seen_at = time.monotonic()
        return found

    def _stop(self, ended: frozenset[Principal]) -> None:
        for stream, (principal, stop) in list(self._open.items()):
            if principal in ended:
                del self._open[stream]
                stop()


@asynccontextmanager
async def watched(
    scope: Scope, send: Send, last_words: Callable[[Scope, int], bytes] | None
) -> AsyncGenerator[Send, None]:
    """A `send` for a stream of events, which ends with `last_words` when its reader may not see more; without, it breaks off.

    What is done in the block is cancelled then. Streams without a principal, or of one that nothing on record can end, go
    on as they are.
    """
    principal = scope.get("state", {}).get("principal")
    services = scope["app"].state.services if "app" in scope else None
    if not isinstance(principal, Principal) or not lifelines_of(principal) or not isinstance(services, Services):
        yield send
        return
    async with _watch_of(scope, services) as watch:
        with CancelScope() as work:
            ending = _Ending(scope, send, work, last_words)
            try:
                with watch.over(principal, ending.begin):
                    yield ending.send
            finally:
                with CancelScope(shield=True):
                    await ending.done()


async def watched_over(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` gives to the caller of a request, who is asked for again before it is sent.

    Raises:
        AccessEnded: the caller may not see it any more; the work is ended as soon as that is known.
    """
    principal = getattr(request.state, "principal", None)
    services = request.scope["app"].state.services if "app" in request.scope else None
    if not isinstance(principal, Principal) or not lifelines_of(principal) or not isinstance(services, Services):
        return await work
    job = asyncio.create_task(work)
    ended = False

    def end() -> None:
        nonlocal ended
        ended = True
        job.cancel()

    try:
        async with _watch_of(request.scope, services) as watch:
            with watch.over(principal, end):
                found = await job
            await watch.require(principal)
            return found
    except asyncio.CancelledError:
        if ended:
            raise AccessEnded from None
        raise
    finally:
        job.cancel()
        with CancelScope(shield=True):
            await asyncio.gather(job, return_exceptions=True)


@asynccontextmanager
async def _watch_of(scope: Scope, services: Services) -> AsyncGenerator[AccessWatch, None]:
    """That of the application; one for this stream alone where the application was not started."""
    found = getattr(scope["app"].state, "watch", None)
    if isinstance(found, AccessWatch):
        yield found
        return
    alone = AccessWatch.of(services)
    try:
        yield alone
    finally:
        with CancelScope(shield=True):
            await alone.aclose()


class _Ending:
    """Passes on what a stream sends until it has to end; then says why, and nothing after it."""

    def __init__(
        self, scope: Scope, send: Send, work: CancelScope, last_words: Callable[[Scope, int], bytes] | None
    ) -> None:
        self._scope, self._send, self._work, self._last_words = scope, send, work, last_words
        self._begun = asyncio.Event()
        self._events = 0
        self._ending: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if self._ending is not None:
            return
        await self._send(message)
        self._events += bytes(message.get("body", b"")).count(b"\n\n")
        self._begun.set()

    def begin(self) -> None:
        """End the stream."""
        self._ending = asyncio.create_task(self._end())

    async def done(self) -> None:
        """Wait for the end, if it has begun."""
        if self._ending is not None:
            await self._ending

    async def _end(self) -> None:
        try:
            if self._last_words is None:
                return
            with move_on_after(_LAST_WORDS_S):
                await self._begun.wait()
                words = self._last_words(self._scope, self._events)
                await self._send({"type": "http.response.body", "body": words, "more_body": True})
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            log.debug("the reader of a stream that was to end had gone")
        finally:
            self._work.cancel()
