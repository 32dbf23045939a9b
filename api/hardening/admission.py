"""Admission of requests under their key's and tenant's allowances, from the guard of the route to the end of the response."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from anyio.to_thread import run_sync
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.hardening.settings import RateSettings
from rag.access.policy import Action
from rag.access.rates import Allowance, RateLimiter, Standing, Subject, Ticket
from rag.domain.errors import StoreUnavailable
from rag.domain.principal import Principal
from rag.generation.metering import METER
from rag.store.api_key import ApiKey
from rag.store.session import Database
from rag.store.tenant import tenant_id_of

log = logging.getLogger(__name__)

_STATE = "admission"
_EXCHANGE_S = 1.0
_MOST_KEYS = 10_000
WRITING = frozenset({Action.ASK})
"""What writes answers; each holds models for as long as it takes."""


def open_limiter(settings: RateSettings, database: Database) -> RateLimiter:
    """The limiter of this process; it shares its counts where several processes can share the store."""
    return RateLimiter(
        Allowances(settings, database).of,
        places=settings.places,
        stream_places=settings.stream_places,
        shared=None if database.is_sqlite else database,
    )


class Allowances:
    """The allowances of the settings: of a key by its prefix, of a tenant by its name, else those for everybody."""

    def __init__(self, settings: RateSettings, database: Database) -> None:
        self._key = settings.key.allowance()
        self._tenant = settings.tenant.allowance()
        self._keys = {prefix: own.allowance(apart=True) for prefix, own in settings.keys.items()}
        self._tenants = {tenant_id_of(name): own.allowance() for name, own in settings.tenants.items()}
        self._database = database
        self._known: dict[UUID, Allowance] = {}

    def of(self, principal: Principal) -> tuple[Allowance, Allowance]:
        """What its key may use, and what its tenant. Reads the store once for each key, where single keys have their own."""
        key = self._of_key(principal.key) if self._keys else self._key
        return key, self._tenants.get(principal.tenant_id, self._tenant)

    def _of_key(self, key_id: UUID) -> Allowance:
        if (known := self._known.get(key_id)) is not None:
            return known
        with self._database.read() as session:
            row = session.get(ApiKey, key_id)
        found = self._keys.get(row.prefix, self._key) if row is not None else self._key
        if len(self._known) >= _MOST_KEYS:
            self._known.clear()
        self._known[key_id] = found
        return found


class Admission:
    """What became of one request: its ticket, once its key was read."""

    def __init__(self, limiter: RateLimiter | None) -> None:
        self._limiter = limiter
        self._subjects: tuple[Subject, ...] = ()
        self._ticket: Ticket | None = None
        self._over = False

    def enter(self, principal: Principal, action: Action) -> None:
        """Admit the request as this principal's; a second call changes nothing.

        Raises:
            RateLimited: an allowance is used up, or too many are at work.
        """
        if self._limiter is None or self._subjects:
            return
        self._subjects = self._limiter.subjects_of(principal)
        self._ticket = self._limiter.enter(self._subjects, stream=action in WRITING)
        if self._over:  # the guard runs in a thread, which may come late
            self._ticket.leave()

    def spend(self, tokens_in: int, tokens_out: int) -> None:
        """Charge tokens that were spent for it."""
        if self._ticket is not None:
            self._ticket.spend(tokens_in, tokens_out)

    def leave(self) -> None:
        """It is over."""
        self._over = True
        if self._ticket is not None:
            self._ticket.leave()

    def standing(self) -> list[Standing]:
        """What is left of its allowances."""
        return self._limiter.standing(self._subjects) if self._limiter is not None and self._subjects else []


class Admissions:
    """Gives every request its admission, and takes it back when the response has ended or its reader has gone."""

    def __init__(self, app: ASGIApp, limiter: Callable[[], RateLimiter | None]) -> None:
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        admission = Admission(self._limiter())
        scope.setdefault("state", {})[_STATE] = admission

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                tell(MutableHeaders(scope=message), admission.standing())
            await send(message)

        meter = METER.set(admission.spend)
        try:
            await self._app(scope, receive, told)
        finally:
            METER.reset(meter)
            admission.leave()


def admit(request: Request, principal: Principal, action: Action) -> None:
    """Admit a request whose key was read.

    Raises:
        RateLimited: an allowance is used up, or too many are at work.
    """
    admission = request.scope.get("state", {}).get(_STATE)
    if isinstance(admission, Admission):
        admission.enter(principal, action)


def tell(headers: MutableHeaders, standings: list[Standing]) -> None:
    """What is left, in OpenAI's headers; of tokens read and written, what is scarcer."""
    requests = [item for item in standings if item.measure == "requests"]
    tokens = [item for item in standings if item.measure != "requests"]
    for name, group in (("requests", requests), ("tokens", tokens)):
        if group:
            scarcest = min(group, key=lambda item: item.remaining / item.limit)
            headers[f"x-ratelimit-limit-{name}"] = str(scarcest.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(scarcest.remaining)
            headers[f"x-ratelimit-reset-{name}"] = _duration(scarcest.reset_s)


def _duration(seconds: float) -> str:
    """As OpenAI writes it: `6m0s`, `20ms`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes}m{left}s" if minutes else f"{left}s"


@asynccontextmanager
async def exchanging(limiter: RateLimiter | None) -> AsyncGenerator[None, None]:
    """While the block runs, processes tell each other once a second what was used."""
    if limiter is None:
        yield
        return
    telling = asyncio.create_task(_exchange(limiter))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _exchange(limiter: RateLimiter) -> None:
    while True:
        await asyncio.sleep(_EXCHANGE_S)
        try:
            await run_sync(limiter.exchange)
        except StoreUnavailable:
            log.warning("rates are counted in this process alone while the database is away")
