"""How often sign-ins may begin from one address: anybody can begin one, and each has to be kept until it ends or is too late."""

from __future__ import annotations

from api.webhook_limit import WebhookLimit
from rag.settings_identity import SessionSettings
from rag.store.sign_in import MAX_PENDING

_MOST = 600
"""A minute. Behind one address can be a house of thousands that comes to work at nine."""


def sign_in_limit(settings: SessionSettings | None) -> WebhookLimit:
    """The limit of a process: no address alone fills more than half of the places for sign-ins on their way."""
    patience_s = (settings or SessionSettings()).sign_in_s
    return WebhookLimit(min(_MOST, MAX_PENDING // 2 * 60 // (patience_s + 60)), who="sign-in")
