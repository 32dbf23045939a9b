"""Files of rules beside the documents of a source: who may read what lies in a folder and below it."""

from __future__ import annotations

import json

from rag.domain.access import GivenRule
from rag.domain.errors import InvalidRequest

RULES = ".seogoaccess"
"""A JSON object in a folder: who may read what lies in it (`allow`, `deny`, `label`, as at an upload).

The nearest list of readers counts; denials of all folders around add up, and so the highest label holds.
"""
MAX_BYTES = 1 << 20


def ruled(content: bytes, around: GivenRule | None) -> GivenRule:
    """The rule of what lies in a folder with this file of rules, given that of the folder around it.

    Raises:
        ValueError, InvalidRequest: it can't be read.
    """
    if len(content) > MAX_BYTES:
        raise ValueError("too long")
    try:
        own = GivenRule.from_json(json.loads(content.decode("utf-8")))
    except RecursionError as error:
        raise ValueError("not valid JSON") from error
    if around is None:
        return own
    deny = tuple(dict.fromkeys((*around.deny, *own.deny)))
    label = max(around.label, own.label, key=lambda item: item.rank)
    return GivenRule(own.allow or around.allow, deny, label)


def told(error: Exception) -> str:
    """Why a file of rules could not be read, for who looks after the source."""
    reason = error.message_en() if isinstance(error, InvalidRequest) else "not valid JSON in UTF-8, a link, or too long"
    return f"{RULES}: {reason}"
