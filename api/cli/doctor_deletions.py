"""What `seogo doctor` says of deletions whose purge fails again and again: nobody sees them, and something of them is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy.orm import Session

from api.cli.doctor_models import Line
from api.cli.doctor_texts import text
from rag.store import receipt

_STUBBORN = 3
"""Failed purges after which somebody is to look: the first two follow each other at once."""
_SHOWN = 10
"""Receipts that are named."""


def deletion_lines(session: Session) -> Iterator[Line]:
    """Deletions that could not be finished, by the ids of their receipts and the codes of their errors."""
    count, shown = receipt.failing(session, _STUBBORN, _SHOWN)
    if not count:
        yield "deletions", "ok", text("deletions_none"), ""
        return
    codes = Counter(item.purge_error or "" for item in shown)
    named = ", ".join(str(item.id) for item in shown) + (f" (+{count - len(shown)})" if count > len(shown) else "")
    detail = text("deletions_open", count=count, codes=", ".join(sorted(codes)), receipts=named)
    yield "deletions", "warning", detail, text("deletions_advice")
