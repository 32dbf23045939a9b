"""Liveness and readiness. Public, and silent about content."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fastapi import APIRouter, Request
from pydantic import BaseModel

from api.deps import services_of
from rag.bootstrap import Rag
from rag.domain.errors import BlobsUnavailable, SeogoError, StoreUnavailable

router = APIRouter(prefix="/health", tags=["health"])
_REMEMBERED_S = 1.0
"""Anybody can ask, and the embedded index does not search while it counts."""
_LONGEST_LOOK_S = 5.0
"""A look that takes longer says by itself that something does not answer."""


class Health(BaseModel):
    """State of the process: `ok`, or `degraded` where it answers questions and can neither take nor give out originals."""

    status: str


class Readiness:
    """Whether a process can take questions, as of the last look: a second old, or as old as a look takes. Thread-safe.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looking = threading.Lock()
        self._looked_at: float | None = None
        self._failed: SeogoError | None = None
        self._status = "ok"

    def require(self, rag: Rag) -> str:
        """Look, unless that was just done; while somebody else looks, what they saw before counts. Returns the status.

        Raises:
            StoreUnavailable, IndexUnavailable: one of them does not answer.
        """
        if self._looking.acquire(blocking=self._looked_at is None):
            try:
                self._look(rag)
            finally:
                self._looking.release()
        elif self._looked_at is not None and self._clock() - self._looked_at > _LONGEST_LOOK_S:
            raise StoreUnavailable
        if self._failed is not None:
            raise type(self._failed)(**self._failed.params)
        return self._status

    def _look(self, rag: Rag) -> None:
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < _REMEMBERED_S:
            return
        failed: SeogoError | None = None
        try:
            rag.database.ping()
            rag.index.count()
            self._status = _status_of(rag)
        except SeogoError as error:
            failed = error
        self._failed, self._looked_at = failed, self._clock()


def _status_of(rag: Rag) -> str:
    """Whoever balances load must not take a process away that answers questions, for all others have the same originals."""
    try:
        rag.blobs.require_reachable()
    except BlobsUnavailable:
        return "degraded"
    return "ok"


@router.get("/live")
def live() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/ready")
def ready(request: Request) -> Health:
    """Store and index answer: the process can take questions; 503 when one does not. `degraded` while the storage of originals is
    away: uploads and downloads say so. Looked at once a second at most, that storage every few seconds."""
    readiness = request.app.state.readiness
    return Health(status=readiness.require(services_of(request).rag))
