"""Pages of lists as OpenAI's clients read them: `after` an id, `has_more`, the first and the last id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def page(items: Sequence[dict[str, Any]], limit: int, *, backwards: bool = False) -> dict[str, Any]:
    """A page of at most `limit` items, of which one more was read to know whether there are others.

    `backwards`: the one too many stands first, since the page ends before a given item.
    """
    shown = list(items[-limit:] if backwards else items[:limit])
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }
