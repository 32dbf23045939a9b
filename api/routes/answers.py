"""Answers, in one piece or as server-sent events."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import Response

from api.answer_log import RecordedStream, answer_log
from api.deps import PROBLEMS, Caller, base_url, guarded
from api.errors import may_tell, problem, respond
from api.generators import generator_name
from api.schemas.answers import AbstentionOut, AnswerOut, AnswerProblem, AskIn, NoteOut, SentenceOut
from api.schemas.conversation import context_of
from api.schemas.filters import filter_of
from api.schemas.search import PassageOut, TraceOut, found_out
from api.streaming import DOCUMENTED, GONE, event, started, while_connected
from rag.access.policy import Action
from rag.answering.contract_conflicts import CONTRADICTION
from rag.answering.log import Recording, Surface
from rag.answering.rendering import render
from rag.answering.report import SECTION, SECTION_TRUNCATED, SOURCE, STEP
from rag.answering.service import AnswerEvent, AnswerOutcome, Asked
from rag.answering.waiting import SLOW
from rag.domain.answer import Abstention, Sentence
from rag.domain.errors import SeogoError
from rag.domain.messages import waiting_for
from rag.domain.passage import SearchResult
from rag.domain.principal import Permit

log = logging.getLogger(__name__)
router = APIRouter(tags=["answers"], responses=PROBLEMS)


_UNWRITTEN: dict[int | str, dict[str, Any]] = {
    status: {"model": AnswerProblem, "content": {"application/problem+json": {}}, "description": reason}
    for status, reason in (
        (502, "what the model wrote is of no use"),
        (503, "a part of the service is away; retry"),
        (504, "the model did not answer in time"),
    )
}


@router.post("/answers", response_model=AnswerOut, responses=_UNWRITTEN | DOCUMENTED)
async def ask(
    body: AskIn, request: Request, later: BackgroundTasks, caller: Annotated[Caller, Depends(guarded(Action.ASK))]
) -> AnswerOut | Response:
    """Answer a question from what the key may read. With `stream`, as events `passages`, `sentence`…, then `done`.

    In the modes `steps` and `deep`, each search is a `note` as it happens, and a second `passages` comes before the first
    sentence: all that the answer may cite. A report's headings are notes too; its sources stand at the end of its text.
    Where a model takes long, a `waiting` says so within seconds, with `code` and `message`; the answer may still come.
    """
    where = filter_of(body.filter)
    permit = await run_sync(caller.permit, body.collections, body.as_of, where)
    rag = caller.services.rag
    context = context_of(body.history, body.infer_filters)
    asked = Asked(
        body.question,
        body.passages or rag.settings.answers.passages,
        context,
        model=generator_name(caller, body.model, "model"),
        thinking=body.thinking,
        mode=body.mode,
        anew=lambda: caller.anew(request).permit(body.collections, body.as_of, where),
        unseen=not body.stream,
    )
    recording = Recording(permit, body.question, Surface.NATIVE, rag.answerer.generator_name, asked)
    caller.audit.answering(recording)
    if not body.stream:
        return await _in_one_piece(asked, permit, recording, later, request, caller)
    events = await started(recording.listening(rag.answerer.stream(permit, asked)))
    rendered = _events(events, recording.id, rag.answerer.generator_name, caller, base_url(request))
    return RecordedStream(rendered, events, log=answer_log(caller), recording=recording)


async def _in_one_piece(
    asked: Asked, permit: Permit, recording: Recording, later: BackgroundTasks, request: Request, caller: Caller
) -> AnswerOut | Response:
    """The answer; when writing fails, the error with what was found as extension members."""
    base = base_url(request)
    try:
        writing = caller.services.rag.answerer.complete(permit, asked, recording.searched)
        outcome = await while_connected(request, writing)
    except SeogoError as error:
        recording.failed(error)
        if recording.search is None:
            raise
        return respond(request, error, _found(recording.search, caller, base) if may_tell(error) else None)
    if outcome is None:
        return Response(status_code=GONE)
    recording.whole(outcome)
    later.add_task(answer_log(caller).keep, recording)
    return _whole(outcome, recording.id, caller, base)


def _whole(outcome: AnswerOutcome, answer_id: UUID, caller: Caller, base: str) -> AnswerOut:
    writer = _Writer(caller, base)
    sentences = [writer.sentence(item) for item in outcome.sentences]
    abstention = AbstentionOut.of(outcome.abstention, caller.language) if outcome.abstention is not None else None
    return AnswerOut(
        answer_id=answer_id,
        status="abstained" if abstention else "answered",
        question=outcome.search.question,
        text=abstention.message if abstention else "".join(item.rendered for item in sentences) + _sources(outcome),
        generator=outcome.generator,
        sentences=sentences,
        abstention=abstention,
        passages=[PassageOut.of(item, caller.language, base) for item in outcome.search.passages],
        trace=TraceOut.of(outcome.search.trace, caller.language),
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
    events: AsyncGenerator[AnswerEvent, None], answer_id: UUID, generator: str, caller: Caller, base: str
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
                    if item.kind == SLOW:
                        yield event({"code": SLOW, "message": waiting_for(SLOW, caller.language)}, "waiting")
                    elif item.kind in (STEP, SECTION, SECTION_TRUNCATED, CONTRADICTION):
                        yield event(notes[-1], "note")
    except SeogoError as error:
        yield event(problem(error, caller.language), "error")
        return
    except Exception:
        log.exception("an answer broke off in mid-stream")
        yield event(problem(SeogoError(), caller.language), "error")
        return
    done = {"answer_id": str(answer_id), "status": "abstained" if abstention else "answered", "generator": generator}
    yield event(done | {"notes": notes} | {"abstention": abstention.model_dump() if abstention else None}, "done")


def _found(search: SearchResult, caller: Caller, base: str) -> dict[str, Any]:
    return found_out(search, caller.language, base)
