"""Server-sent events."""

from __future__ import annotations

import json
from typing import Any

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""So that no proxy holds events back."""

DONE = "data: [DONE]\n\n"
"""End of a stream in OpenAI's protocol."""


def event(data: dict[str, Any], name: str | None = None) -> str:
    """One event; without a name it is a plain message, as OpenAI's are."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"
