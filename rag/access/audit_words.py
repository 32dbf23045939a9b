"""The words of an entry on the audit trail, without identifiers of persons and without secrets.

An entry names documents by their ids and questions by their digest, but callers write into it too: the address that they ask
for, what their software calls itself, why something is exported. What is on the trail can't be taken back, and goes to other
systems (`seogo audit export`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from rag.access.personal_data.detector import detector_for
from rag.access.personal_data.logs import loggable_start
from rag.domain.audit import AuditEvent
from rag.domain.findings import MASK, Kind, masked

_DIGEST = re.compile("(?=[0-9]*[a-f])[0-9a-f]{12,64}")
"""Digests and beginnings of keys, which say which one it was. Numbers of persons have no letter, their passports nine signs."""
_NAMES = frozenset({Kind.EMAIL, Kind.EMPLOYEE})
"""Accounts are called by them, and who it was stays on the trail: the law asks for it."""


def without_identifiers(event: AuditEvent) -> AuditEvent:
    """The event with what its words tell of persons, and secrets, hidden.

    Who it was stays as it is, and so do the persons whose data it was (`Whose.subjects`): the trail is there to say so.
    """
    return replace(
        event,
        what=loggable_start(event.what),
        origin=replace(
            event.origin, client=loggable_start(event.origin.client), request_id=_hidden(event.origin.request_id)
        ),
        detail={name: _hidden(value) for name, value in event.detail.items()},
    )


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return value if _DIGEST.fullmatch(value) else _text(value)
    if isinstance(value, dict):
        return _hidden_names(value)
    if isinstance(value, list | tuple):
        return [_hidden(item) for item in value]
    return value


def _hidden_names(values: dict[str, Any]) -> dict[str, Any]:
    """With the names hidden as well: patterns of a collection, say, are called as its owner likes. None takes another's place."""
    shown: dict[str, Any] = {}
    for name, item in values.items():
        hidden = _text(name)
        while hidden in shown:
            hidden += MASK
        shown[hidden] = _hidden(item)
    return shown


def _text(text: str) -> str:
    return masked(text, [item for item in detector_for(code=True).find(text) if item.kind not in _NAMES])
