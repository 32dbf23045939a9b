"""Says that nothing comes, to whoever waits: a model can be slow without being broken.

An engine may take a minute to its first token, where it has a queue or a long prompt to read, and a model that reasons much
longer to its first word. Its reader is told soon, and goes on waiting as long as the settings allow.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import TypeVar

from rag.answering.upcoming import END, Upcoming
from rag.domain.answer import Note

Item = TypeVar("Item")

SLOW = "engine_slow"
"""Kind of the note that says that a model which is asked has given nothing for a while."""
SLOW_AFTER_S = 3.5
"""Wait after which that is said: its reader is to know within 5 s of the question."""
_LEAST_S = 0.5
"""Of that wait, what is the model's own at least: a search that itself waited for one may have taken 4 s (`chat.timeout_s`)."""


class Silence:
    """What the reader of one answer was told of its silences.

    Attributes:
        told: whether it was said that a model takes long, which is said once, however many calls an answer takes.
        waited: seconds that its reader had waited before the first model of the answer was asked.
    """

    def __init__(self, waited: float = 0.0) -> None:
        self.told = False
        self.waited = waited

    def left_of(self, after_s: float) -> float:
        """How much of `after_s` is left for the model that is asked next; what was waited before counts once."""
        waited, self.waited = self.waited, 0.0
        return max(after_s - waited, min(_LEAST_S, after_s))


async def telling_of_silence(
    events: AsyncGenerator[Item, None], after_s: float | None = None, silence: Silence | None = None
) -> AsyncGenerator[Item | Note, None]:
    """The events, and a note where `after_s` seconds pass before the first of them that is none. Closing it closes `events`.

    What the reader waited before that (`Silence.waited`) is a part of them.

    Notes do not put that off. Later silences are not told of: what a slow model writes comes slowly, and its reader sees that.

    Args:
        after_s: seconds; None means `SLOW_AFTER_S`.
        silence: shared by all that is waited for in one answer; None where that is these events alone.
    """
    after_s = SLOW_AFTER_S if after_s is None else after_s
    silence = Silence() if silence is None else silence
    upcoming = Upcoming(events)
    try:
        deadline = time.monotonic() + silence.left_of(after_s)
        nothing_yet = not silence.told
        while nothing_yet:
            if not await upcoming.comes_within(deadline - time.monotonic()):
                nothing_yet, silence.told = False, True
                yield Note(SLOW, f"nothing of the model for {after_s:g} s")
            if (item := await anext(upcoming, END)) is END:
                return
            nothing_yet = nothing_yet and isinstance(item, Note)
            given = time.monotonic()
            yield item
            deadline += time.monotonic() - given  # the reader's own time is no silence of the model
        async for item in upcoming:
            yield item
    finally:
        await upcoming.aclose()
