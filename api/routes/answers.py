"""Answers, in one piece or as server-sent events."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from api.deps import PROBLEMS, Caller, base_url, guarded
from api.errors import problem
from api.schemas.answers import AbstentionOut, AnswerOut, AskIn, SentenceOut
from api.schemas.conversation import context_of
from api.schemas.filters import filter_of
from api.schemas.search import PassageOut, TraceOut
from api.streaming import HEADERS, event
from rag.access.policy import Action
from rag.answering.rendering import render
from rag.answering.service import AnswerRun
from rag.domain.answer import Abstention, Answer, Sentence
from rag.domain.errors import SeogoError

log = logging.getLogger(__name__)
router = APIRouter(tags=["answers"], responses=PROBLEMS)


@router.post("/answers", response_model=AnswerOut)
def ask(
    body: AskIn, request: Request, caller: Annotated[Caller, Depends(guarded(Action.ASK))]
) -> AnswerOut | StreamingResponse:
    """Answer a question from what the key may read. With `stream`, as events `passages`, `sentence`…, then `done`."""
    permit = caller.permit(body.collections, body.as_of, filter_of(body.filter))
    rag = caller.services.rag
    context = context_of(body.history, body.infer_filters)
    run = rag.answerer.answer(permit, body.question, body.passages or rag.settings.answers.passages, context)
    if body.stream:
        events = _events(run, caller, base_url(request))
        return StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)
    return _whole(run, caller, base_url(request))


def _rendered(sentences: Iterable[Sentence], caller: Caller, base: str) -> Iterator[SentenceOut]:
    offset = 0
    for sentence in sentences:
        rendered = render(sentence, offset)
        offset = rendered.end
        yield SentenceOut.of(sentence, rendered, caller.language, base)


def _whole(run: AnswerRun, caller: Caller, base: str) -> AnswerOut:
    outcome = run.complete()
    sentences = list(_rendered(outcome.sentences, caller, base)) if isinstance(outcome, Answer) else []
    abstention = AbstentionOut.of(outcome, caller.language) if isinstance(outcome, Abstention) else None
    return AnswerOut(
        status="abstained" if abstention else "answered",
        question=run.search.question,
        text=abstention.message if abstention else "".join(item.rendered for item in sentences),
        generator=run.generator,
        sentences=sentences,
        abstention=abstention,
        passages=_passages(run, caller, base),
        trace=TraceOut.of(run.search.trace),
    )


def _passages(run: AnswerRun, caller: Caller, base: str) -> list[PassageOut]:
    return [PassageOut.of(item, caller.language, base) for item in run.search.passages]


def _events(run: AnswerRun, caller: Caller, base: str) -> Iterator[str]:
    passages = [item.model_dump(mode="json") for item in _passages(run, caller, base)]
    yield event({"passages": passages, "trace": TraceOut.of(run.search.trace).model_dump(mode="json")}, "passages")
    try:
        for sentence in _rendered(run.sentences, caller, base):
            yield event(sentence.model_dump(mode="json"), "sentence")
    except SeogoError as error:
        yield event(problem(error, caller.language), "error")
        return
    except Exception:
        log.exception("an answer broke off in mid-stream")
        yield event(problem(SeogoError(), caller.language), "error")
        return
    abstention = AbstentionOut.of(run.abstention, caller.language).model_dump() if run.abstention else None
    status = "abstained" if abstention else "answered"
    yield event({"status": status, "generator": run.generator, "abstention": abstention}, "done")
