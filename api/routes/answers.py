"""Answers, in one piece or as server-sent events."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from api.deps import PROBLEMS, Caller, base_url, guarded
from api.errors import problem
from api.schemas.answers import AbstentionOut, AnswerOut, AskIn, NoteOut, SentenceOut
from api.schemas.conversation import context_of
from api.schemas.filters import filter_of
from api.schemas.search import PassageOut, TraceOut
from api.streaming import HEADERS, event, started
from rag.access.policy import Action
from rag.answering.rendering import render
from rag.answering.report import SECTION, SOURCE, STEP
from rag.answering.service import AnswerEvent, AnswerOutcome, Asked
from rag.domain.answer import Abstention, Sentence
from rag.domain.errors import SeogoError
from rag.domain.passage import SearchResult

log = logging.getLogger(__name__)
router = APIRouter(tags=["answers"], responses=PROBLEMS)


@router.post("/answers", response_model=AnswerOut)
async def ask(
    body: AskIn, request: Request, caller: Annotated[Caller, Depends(guarded(Action.ASK))]
) -> AnswerOut | StreamingResponse:
    """Answer a question from what the key may read. With `stream`, as events `passages`, `sentence`…, then `done`.

    In the modes `steps` and `deep`, each search is a `note` as it happens, and a second `passages` comes before the first
    sentence: all that the answer may cite. A report's headings are notes too; its sources stand at the end of its text.
    """
    permit = await run_sync(caller.permit, body.collections, body.as_of, filter_of(body.filter))
    rag = caller.services.rag
    context = context_of(body.history, body.infer_filters)
    asked = Asked(body.question, body.passages or rag.settings.answers.passages, context, mode=body.mode)
    if not body.stream:
        return _whole(await rag.answerer.complete(permit, asked), caller, base_url(request))
    events = await started(rag.answerer.stream(permit, asked))
    rendered = _events(events, rag.answerer.generator_name, caller, base_url(request))
    return StreamingResponse(rendered, media_type="text/event-stream", headers=HEADERS)


def _whole(outcome: AnswerOutcome, caller: Caller, base: str) -> AnswerOut:
    writer = _Writer(caller, base)
    sentences = [writer.sentence(item) for item in outcome.sentences]
    abstention = AbstentionOut.of(outcome.abstention, caller.language) if outcome.abstention is not None else None
    return AnswerOut(
        status="abstained" if abstention else "answered",
        question=outcome.search.question,
        text=abstention.message if abstention else "".join(item.rendered for item in sentences) + _sources(outcome),
        generator=outcome.generator,
        sentences=sentences,
        abstention=abstention,
        passages=[PassageOut.of(item, caller.language, base) for item in outcome.search.passages],
        trace=TraceOut.of(outcome.search.trace),
        notes=[NoteOut.of(item) for item in outcome.notes],
    )


def _sources(outcome: AnswerOutcome) -> str:
    """The list at the end of a report; empty for other answers."""
    lines = [f"- {note.detail}" for note in outcome.notes if note.kind == SOURCE]
    return "\n".join(("", "", *lines)) if lines else ""


class _Writer:
    """Sentences as JSON, each behind the one before."""

    def __init__(self, caller: Caller, base: str) -> None:
        self._caller, self._base = caller, base
        self._offset = 0

    def sentence(self, sentence: Sentence) -> SentenceOut:
        """The next sentence."""
        rendered = render(sentence, self._offset)
        self._offset = rendered.end
        return SentenceOut.of(sentence, rendered, self._caller.language, self._base)


async def _events(
    events: AsyncGenerator[AnswerEvent, None], generator: str, caller: Caller, base: str
) -> AsyncGenerator[str, None]:
    """The stream as server-sent events; an error in the middle is one too."""
    writer = _Writer(caller, base)
    abstention: AbstentionOut | None = None
    notes: list[dict[str, Any]] = []
    try:
        async with aclosing(events):
            async for item in events:
                if isinstance(item, SearchResult):
                    yield event(_found(item, caller, base), "passages")
                elif isinstance(item, Sentence):
                    yield event(writer.sentence(item).model_dump(mode="json"), "sentence")
                elif isinstance(item, Abstention):
                    abstention = AbstentionOut.of(item, caller.language)
                else:
                    notes.append(NoteOut.of(item).model_dump())
                    if item.kind in (STEP, SECTION):
                        yield event(notes[-1], "note")
    except SeogoError as error:
        yield event(problem(error, caller.language), "error")
        return
    except Exception:
        log.exception("an answer broke off in mid-stream")
        yield event(problem(SeogoError(), caller.language), "error")
        return
    done = {"status": "abstained" if abstention else "answered", "generator": generator, "notes": notes}
    yield event(done | {"abstention": abstention.model_dump() if abstention else None}, "done")


def _found(search: SearchResult, caller: Caller, base: str) -> dict[str, Any]:
    passages = [PassageOut.of(item, caller.language, base).model_dump(mode="json") for item in search.passages]
    return {"passages": passages, "trace": TraceOut.of(search.trace).model_dump(mode="json")}
