"""Steps of durable jobs: repeated while a repetition can help, and never taken for done when they are not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from dbos import DBOS, StepOptions

from rag.domain.errors import SeogoError, Unavailable

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

AT_ONCE_S = 0.1
"""Seconds between two looks at a queue for whose jobs somebody sits and waits.

Each queue has a thread that looks: with eight of twelve at this pace, an idle service took 20 % of a processor for ever, with
each at its own 13 %, and with looks that end where nothing waits (`queue_looks.py`) 4 %."""
SOON_S = 0.5
"""The same where a few tenths of a second are nothing beside the work."""
UNHURRIED_S = 1.0
"""The same for what takes minutes or nobody waits for."""


def durable_step(name: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a step with retries; a defect of ours counts as a failure that may pass, never as done."""

    def guarded() -> R:
        try:
            return function(*args, **kwargs)
        except SeogoError:
            raise
        except Exception as error:
            log.exception("the step %s failed unexpectedly", name)
            raise Unavailable from error

    return DBOS.run_step(step_options(name), guarded)


def step_options(name: str, tries: int = 5) -> StepOptions:
    """So many tries, with growing pauses, of what a repetition can mend."""
    return StepOptions(
        name=name,
        retries_allowed=tries > 1,
        max_attempts=tries,
        interval_seconds=0.5,
        backoff_rate=3.0,
        should_retry=lambda error: isinstance(error, Unavailable),
    )
