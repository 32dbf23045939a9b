"""The log of answers of a caller's service, and the ids by which the surfaces name an answer."""

from __future__ import annotations

import re
from uuid import UUID

from api.deps import Caller
from rag.answering.log import AnswerLog

CHAT, RESPONSE = "chatcmpl-", "resp_"
HEADER = "X-Answer-Id"
"""Header by which clients of any surface learn the id that feedback takes."""
_ID = re.compile(rf"(?:{CHAT}|{RESPONSE})?([0-9a-f]{{8}}-?(?:[0-9a-f]{{4}}-?){{3}}[0-9a-f]{{12}})")


def answer_log(caller: Caller) -> AnswerLog:
    """The log of the service that the caller came to."""
    rag = caller.services.rag
    return AnswerLog(rag.database, rag.settings.answer_log)


def answer_id(given: str) -> UUID | None:
    """The answer behind an id of any surface: ours, that of a chat completion, or that of a response."""
    found = _ID.fullmatch(given)
    return None if found is None else UUID(found[1])
