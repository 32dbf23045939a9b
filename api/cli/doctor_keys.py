"""What `seogo doctor` says of keys that are in force and yet refused, since somebody who is not knows or owns them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy.orm import Session

from api.cli.doctor_models import Line
from api.cli.doctor_texts import text
from rag.store import api_key
from rag.store.base import utc_now

_SHOWN = 20
"""Prefixes that are named; of more, `seogo keys list` tells."""


def key_lines(session: Session) -> Iterator[Line]:
    """Keys whose secret an account knows that is suspended or deleted (docs/decisions/0049), and those of such accounts."""
    found = api_key.refused(session, utc_now())
    known = [item.prefix for item in found if item.known]
    owned = [item.prefix for item in found if not item.known]
    if not found:
        yield "keys", "ok", text("keys_none"), ""
    if known:
        detail = text("keys_known", count=len(known), prefixes=_shown(known))
        yield "keys", "warning", detail, text("keys_rotate")
    if owned:
        detail = text("keys_owned", count=len(owned), prefixes=_shown(owned))
        yield "keys", "warning", detail, text("keys_revoke")


def _shown(prefixes: Sequence[str]) -> str:
    more = len(prefixes) - _SHOWN
    return ", ".join(prefixes[:_SHOWN]) + (f" (+{more})" if more > 0 else "")
