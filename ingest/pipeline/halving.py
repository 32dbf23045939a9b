"""Work on many at once that must not be held up by the one on which it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

from rag.domain.errors import SeogoError, StoreUnavailable, Unavailable

log = logging.getLogger(__name__)

_GIVE_UP_AFTER = 5
"""Failures one by one before the work went well on any: then what fails is something that all of them need."""


class Halving:
    """Does work on all at once; where that fails on each half, down to the ones on which it fails alone.

    The others cost two calls for each halving, instead of one for each of them. The work must be safe to repeat.

    Attributes:
        failed: the ones on which it failed alone, and of what.
    """

    def __init__(self) -> None:
        self.failed: dict[UUID, SeogoError] = {}
        self._went_well = False

    def each(self, ids: Sequence[UUID], work: Callable[[Sequence[UUID]], None]) -> None:
        """Do `work`.

        Raises:
            Unavailable: the database is away, or the work failed on the first few alone, and has gone well on none.
        """
        try:
            work(ids)
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(ids) > 1:
                middle = len(ids) // 2
                self.each(ids[:middle], work)
                self.each(ids[middle:], work)
            else:
                self._note(ids[0], error)
        else:
            self._went_well = True

    def _note(self, identity: UUID, error: Exception) -> None:
        if not isinstance(error, SeogoError):
            log.error("what is to be done for %s failed unexpectedly", identity, exc_info=error)
            error = SeogoError()
        self.failed[identity] = error
        if not self._went_well and len(self.failed) >= _GIVE_UP_AFTER:
            raise error if isinstance(error, Unavailable) else Unavailable() from error
