"""Keeps answers on record: what was asked and answered, on which versions it stood, and how it came about.

A record is written after the last word of an answer has gone out, so that it delays none; where it can't be written, the
answer stands all the same and the operator's log says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from rag.answering.privacy import HIDDEN
from rag.answering.rendering import render
from rag.answering.replay import asked_on_record, candidates_of, permit_on_record, stood_on
from rag.answering.service import AnswerEvent, AnswerOutcome, Asked
from rag.domain.answer import Abstention, Note, Sentence
from rag.domain.errors import GenerationStopped, SeogoError
from rag.domain.passage import SearchResult, Source, documents_of
from rag.domain.principal import Permit
from rag.generation.base import PROMPT_HASH, SENT_AGAIN
from rag.generation.guards_leak import LEAK
from rag.settings import AnswerLogSettings
from rag.store import answer_record
from rag.store.answer_record import SAID_BY_NOTES, AnswerRecord, AnswerSource
from rag.store.base import utc_now
from rag.store.session import Database

log = logging.getLogger(__name__)

_EXPIRED_TOGETHER = 1000
INCOMPLETE = "incomplete"
"""Kind of the note that only the record has: the answer broke off, because its reader left or for the error that it names."""
_LEFT = "left"
_PROMPT = "prompt"
"""Kind of the note that names the version of the prompt."""


def storable(text: str) -> str:
    """`text` as every database can keep it: halves of characters and NUL, which clients and models can write, are replaced."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class Surface(StrEnum):
    """The door that a question came by."""

    NATIVE = "native"
    CHAT = "chat"
    RESPONSES = "responses"
    TOOLS = "tools"


class Recording:
    """Collects one answer while it passes by. `id` is what callers know it by."""

    def __init__(
        self, permit: Permit, question: str, surface: Surface, generator: str, asked: Asked | None = None
    ) -> None:
        """Begin.

        Args:
            asked: how the question was put; an answer that is recorded without it can't be replayed.
        """
        self.id: UUID = uuid4()
        self._asked, self._asked_at = asked, utc_now()
        self._first: SearchResult | None = None
        self.complete = False
        self._permit, self._question, self._surface, self._generator = permit, question, surface, generator
        self._began = time.perf_counter()
        self._took_ms = 0.0
        self._search: SearchResult | None = None
        self._abstention: Abstention | None = None
        self._sentences: list[Sentence] = []
        self._notes: list[Note] = []
        self._found: dict[UUID, None] = {}
        self._read: dict[UUID, Source] = {}
        self._stopped = ""
        self._broke = _LEFT

    @property
    def question(self) -> str:
        """What was asked."""
        return self._question

    @property
    def abstained(self) -> bool:
        """Whether the answer is a refusal."""
        return self._abstention is not None

    @property
    def search(self) -> SearchResult | None:
        """What was found for it, the last time that was told."""
        return self._search

    @property
    def found(self) -> list[UUID]:
        """Documents whose passages were found for it, as far as it has come."""
        return list(self._found)

    @property
    def cited(self) -> list[UUID]:
        """Documents that it cites."""
        sources = (item.passage.source for sentence in self._sentences for item in sentence.citations)
        return list(dict.fromkeys(source.document_id for source in sources))

    @property
    def blocked(self) -> list[str]:
        """What kept something of it back: the rules of the prompt would have gone out, or what the reader may not see."""
        hidden = [note.kind for note in self._notes if note.kind == HIDDEN]
        return [*hidden, *([LEAK] if self._stopped == LEAK else [])]

    def failed(self, error: SeogoError) -> None:
        """Note what ended it before its end."""
        self._broke = error.code
        if isinstance(error, GenerationStopped):
            self._stopped = str(error.params.get("guard", ""))

    async def listening(self, events: AsyncGenerator[AnswerEvent, None]) -> AsyncGenerator[AnswerEvent, None]:
        """The events, noted as they pass; `complete` once they have come to their end."""
        async with aclosing(events):
            try:
                async for event in events:
                    self._note(event)
                    yield event
            except SeogoError as error:
                self.failed(error)
                raise
            except Exception:
                self._broke = SeogoError.code
                raise
        self._end()

    def searched(self, search: SearchResult) -> None:
        """Note what was found for an answer that comes in one piece: it may be all that is told, should writing fail."""
        self._note(search)

    def whole(self, outcome: AnswerOutcome) -> None:
        """Note an answer that came in one piece."""
        for event in (outcome.first, outcome.search, *outcome.notes, *outcome.sentences, outcome.abstention):
            if event is not None:
                self._note(event)
        self._end()

    @property
    def shown(self) -> bool:
        """Whether there was anything to be seen of it: all of it, or what had come when it broke off."""
        return self.complete or self._search is not None

    def _note(self, event: AnswerEvent) -> None:
        if isinstance(event, SearchResult):
            self._search = event
            self._first = self._first or event
            self._found |= dict.fromkeys(documents_of(event.passages))
            self._read |= {item.source.version_id: item.source for item in event.passages}
        elif isinstance(event, Sentence):
            self._sentences.append(event)
        elif isinstance(event, Abstention):
            self._abstention = event
        else:
            self._notes.append(event)

    def _end(self) -> None:
        self._took_ms = self._took()
        self.complete = True

    def _took(self) -> float:
        return self._took_ms or (time.perf_counter() - self._began) * 1000

    def _told(self, *, content: bool) -> list[dict[str, Any]]:
        """The notes; without `content`, none that holds words of the question, of the answer or of a document's title."""
        ending = () if self.complete else (Note(INCOMPLETE, self._broke),)
        return [
            {"kind": note.kind, "detail": storable(note.detail)}
            for note in (*self._notes, *ending)
            if content or note.kind not in SAID_BY_NOTES
        ]

    def rows(self, *, content: bool) -> tuple[AnswerRecord, list[AnswerSource]]:
        """The answer as it is kept; without `content` neither question nor words of the answer."""
        trace = self._search.trace if self._search is not None else None
        text = ""
        for sentence in self._sentences:
            text += render(sentence, len(text)).text
        record = AnswerRecord(
            id=self.id,
            tenant_id=self._permit.tenant_id,
            principal_id=self._permit.principal.id,
            principal_name=self._permit.principal.name[:200],
            principal_kind=self._permit.principal.kind.value,
            surface=self._surface,
            collections=sorted(str(item) for item in self._permit.collections),
            language=str(trace.language) if trace is not None else "",
            question=storable(self._question) if content else "",
            text=storable(text) if content else "",
            citations=self._citations() if content else [],
            abstained=self._abstention.reason if self._abstention is not None else "",
            notes=self._told(content=content),
            generator=self._generator[:200],
            prompt_version=next((note.detail[:100] for note in self._notes if note.kind == _PROMPT), ""),
            **self._stood(content=content),
            timings_ms={**(trace.timings_ms if trace is not None else {}), "total": round(self._took(), 3)},
            created_at=utc_now(),
        )
        return record, self._sources()

    def _stood(self, *, content: bool) -> dict[str, Any]:
        """What a replay needs; without `content`, no words of the question or of its filter, so that there can be none."""
        told = {note.kind: note.detail for note in reversed(self._notes)}
        found: dict[str, Any] = {"asked_at": self._asked_at, "prompt_hash": _prompt_hash(self._notes)}
        found["permit"] = permit_on_record(self._permit) | ({} if content else {"where": None})
        if self._asked is not None:
            found["asked"] = asked_on_record(self._asked, content=content)
        if self._first is not None:
            found["stood_on"] = stood_on(self._first, self._generator, told.get("model", ""))
            found["candidates"] = candidates_of(self._first.passages)
        return found

    def _citations(self) -> list[dict[str, Any]]:
        return [
            {
                "number": item.number,
                "document_id": str(item.passage.source.document_id),
                "version_id": str(item.passage.source.version_id),
                "version": item.passage.source.version_number,
                "chunk_id": str(item.passage.chunk.id),
                "start": item.start,
                "end": item.end,
                "quote": storable(item.quote),
                **({"place": storable(item.place)} if item.passage.source.commit else {}),
            }
            for sentence in self._sentences
            for item in sentence.citations
        ]

    def _sources(self) -> list[AnswerSource]:
        """What its words may come from: the passages that it cites, and all that were read where more than these speaks from it.

        What a model writes can hold what stood in any passage before it, cited or not.
        """
        read = {item.passage.source.version_id: item.passage.source for s in self._sentences for item in s.citations}
        written = any(note.kind == PROMPT_HASH or note.kind in SAID_BY_NOTES for note in self._notes)
        if written or not all(sentence.citations for sentence in self._sentences):
            read |= self._read
        return [
            AnswerSource(
                answer_id=self.id,
                version_id=source.version_id,
                document_id=source.document_id,
                collection_id=source.collection_id,
            )
            for source in read.values()
        ]


def _prompt_hash(notes: Sequence[Note]) -> str:
    """What the model was sent for the answer, or the first part of it, in the try that it answered; empty where there is none."""
    found = ""
    for note in notes:
        if note.kind == PROMPT_HASH and found:
            break
        if note.kind == PROMPT_HASH or (note.kind == SENT_AGAIN and found):
            found = note.detail[:64]
    return found


class AnswerLog:
    """Writes recordings down, and forgets them when their time has come."""

    def __init__(self, database: Database, settings: AnswerLogSettings, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._settings = settings
        self._now = now

    @property
    def kept_since(self) -> datetime | None:
        """Answers given before are not shown any more; None where they are kept for good."""
        days = self._settings.retention_days
        return None if days is None else self._now() - timedelta(days=days)

    def keep(self, recording: Recording) -> None:
        """Write an answer down, one that broke off as that. Never raises: the answer is out already."""
        if not recording.shown:
            return
        try:
            record, sources = recording.rows(content=self._settings.content)
            with self._database.write() as session:
                session.add(record)
                session.flush()
                session.add_all(sources)
                session.flush()
                answer_record.forget_deleted(session, record, sources)
        except Exception as error:
            # Its kind alone: the message of a database quotes the statement with question and answer.
            cause = type(error.__cause__ or error).__name__
            log.error("the answer %s could not be put on record: %s (%s)", recording.id, type(error).__name__, cause)

    def expire(self) -> int:
        """Remove what is older than the setting allows; returns how many answers."""
        before = self.kept_since
        total = 0
        while before is not None:
            with self._database.write() as session:
                removed = answer_record.expire(session, before, _EXPIRED_TOGETHER)
            total += removed
            if removed < _EXPIRED_TOGETHER:
                break
        return total
