"""Looks at a whole chain, which take long: one at a time of each tenant, and none for a minute after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from rag.domain.errors import RateLimited

if TYPE_CHECKING:
    from rag.access.audit_verification import Verification

KEPT_S = 60.0
_AGAIN_S = 5


class Looks:
    """What was found in the chains of tenants, for a minute. Thread-safe.

    Args:
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._found: dict[UUID, tuple[float, Verification]] = {}
        self._looking: set[UUID] = set()

    def of(self, tenant_id: UUID, look: Callable[[], Verification]) -> Verification:
        """What was found in the minute before, else what `look` finds.

        Raises:
            RateLimited: somebody looks just now; waiting for them would hold a place that others need.
        """
        with self._guard:
            found_at, found = self._found.get(tenant_id, (0.0, None))
            if found is not None and self._clock() - found_at < KEPT_S:
                return found
            if tenant_id in self._looking:
                raise RateLimited(who="tenant", what="verifications at once", limit=1, retry_after_s=_AGAIN_S)
            self._looking.add(tenant_id)
        try:
            found = look()
            with self._guard:
                self._found[tenant_id] = (self._clock(), found)
            return found
        finally:
            with self._guard:
                self._looking.discard(tenant_id)
