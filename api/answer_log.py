"""The log of answers of a caller's service, and the ids by which the surfaces name an answer."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import anyio
from anyio.to_thread import run_sync
from starlette.types import Receive, Scope, Send

from api.deps import Caller
from api.streaming import EventStream
from rag.answering.log import AnswerLog, Recording

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


class RecordedStream(EventStream):
    """Server-sent events of an answer, which is put on record when the last byte is out, even if the client has hung up then.

    Args:
        texts: the events.
        sources: what they are made from; closed with them, so that no engine writes on for nobody.
    """

    def __init__(
        self,
        texts: AsyncGenerator[str, None],
        *sources: AsyncGenerator[Any, None],
        log: AnswerLog,
        recording: Recording,
    ) -> None:
        super().__init__(texts, *sources)
        self.headers[HEADER] = str(recording.id)
        self._log, self._recording = log, recording

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, close what they came from, then write."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(self._log.keep, self._recording)
