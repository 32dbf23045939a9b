"""`/v1/chat/completions`: answers from documents (`rag/*`), and the configured models themselves (`llm/*`)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Coroutine
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from starlette.background import BackgroundTask

from api.answer_log import HEADER, RecordedStream, answer_log
from api.deps import Caller, guarded
from api.errors import respond
from api.generators import RAW, generator_name
from api.openai.chat_calls import check_answerable, engine_call
from api.openai.chat_chunks import Chunks
from api.openai.chat_grounded import GroundedCompletion, Shown, check_grounded, usage
from api.openai.chat_raw import RawCompletion
from api.openai.chat_tasks import Errand, done, errand_of
from api.openai.models import permit_for_model, writer_for
from api.openai.questions import put
from api.openai.schemas import ChatRequest
from api.openai.telling import with_found
from api.streaming import DONE, GONE, EventStream, started, while_connected
from rag.access.policy import Action
from rag.answering.limits import limited
from rag.answering.log import Recording, Surface
from rag.answering.service import AnswerEvent, Asked
from rag.domain.answer import Abstention, Sentence
from rag.domain.audit import AuditKind
from rag.domain.errors import SeogoError
from rag.domain.principal import CitationStyle
from rag.retrieval.understanding import QuestionContext

router = APIRouter(tags=["openai"])

CLIENT_HEADER = "x-rag-client"
"""A client that says who it is this way gets the form of sources that it shows."""


class Completion(JSONResponse):
    """A completion as JSON; models can write halves of characters, which are replaced."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


@router.post("/chat/completions")
async def chat_completions(
    body: ChatRequest, request: Request, caller: Annotated[Caller, Depends(guarded(Action.ASK))]
) -> Response:
    """Answer the last user message from the documents behind `rag/*`; or let `llm/*` go on with the conversation."""
    check_answerable(body)
    if body.model.startswith(RAW):
        return await _raw(body, request, caller)
    permit = await run_sync(permit_for_model, caller, body.model)
    if (errand := errand_of(body)) is not None:
        return await _errand(body, errand, request, caller)
    check_grounded(body)
    rag = caller.services.rag
    question = put(body.question(), rag.settings.retrieval.max_question_chars)
    asked = Asked(
        question.text,
        rag.settings.answers.passages,
        QuestionContext(body.history()),
        model=generator_name(caller, body.generator),
        thinking=body.thinking(),
        mode=body.mode,
        most_tokens=body.most_tokens(),
        temperature=body.temperature,
        anew=lambda: permit_for_model(caller.anew(request), body.model),
        unseen=not body.stream,
    )
    shown = _shown(body, request, caller)
    kept = answer_log(caller)
    recording = Recording(permit, asked.question, Surface.CHAT, rag.answerer.generator_name, asked)
    caller.audit.answering(recording)
    answer = rag.answerer.stream(permit, asked)
    source = recording.listening(limited(answer, rag.count_tokens, most_tokens=body.most_tokens(), stop=body.stops()))
    if not body.stream:
        completion = GroundedCompletion(source, caller, body, request, question, shown, recording)
        try:
            response = await _whole(request, completion.whole())
        except SeogoError as error:
            return respond(request, error, with_found(error, recording, caller, request))
        response.headers[HEADER] = str(recording.id)
        response.background = BackgroundTask(kept.keep, recording)
        return response
    try:
        events = await started(source, ready=_worth_headers if not shown.events else lambda _: True)
    except SeogoError as error:
        return respond(request, error, with_found(error, recording, caller, request))
    completion = GroundedCompletion(events, caller, body, request, question, shown, recording)
    return RecordedStream(completion.stream(), events, log=kept, recording=recording)


def _shown(body: ChatRequest, request: Request, caller: Caller) -> Shown:
    """How the sources are shown: as the request says, else as its key was made for."""
    style = body.citation_style or caller.principal.citation_style
    client = request.headers.get(CLIENT_HEADER, "").strip().lower()
    events = client == CitationStyle.OPEN_WEBUI or style is CitationStyle.OPEN_WEBUI
    return Shown(events=events, footer=style is CitationStyle.INLINE_FOOTER)


def _worth_headers(item: AnswerEvent) -> bool:
    """Whether an answer has begun: a model that is away right after the search is an error with a status still.

    Notes are no part of it: the first of them come before the model is asked.
    """
    return isinstance(item, Sentence | Abstention)


async def _raw(body: ChatRequest, request: Request, caller: Caller) -> Response:
    writer = writer_for(caller, body.model)
    caller.audit.did(AuditKind.MODEL_USED, model=body.model)
    generation = caller.services.rag.generation
    router = generation.router if generation is not None else None
    source = writer.engine.stream(engine_call(body, writer, str(caller.principal.tenant_id), router))
    include_usage = body.stream_options is not None and body.stream_options.include_usage
    if not body.stream:
        completion = RawCompletion(source, body.model, caller.language, include_usage=include_usage)
        return await _whole(request, completion.whole())
    events = await started(source)
    completion = RawCompletion(events, body.model, caller.language, include_usage=include_usage)
    return EventStream(completion.stream(), events)


async def _errand(body: ChatRequest, errand: Errand, request: Request, caller: Caller) -> Response:
    """A title and the like, in the shape of an answer."""
    caller.audit.did(AuditKind.MODEL_USED, model=body.model)
    text = await while_connected(request, done(caller.services.rag, errand, str(caller.principal.tenant_id)))
    if text is None:
        return Response(status_code=GONE)
    chunks, used = Chunks(body.model), await usage(caller, body, text)
    if not body.stream:
        return Completion(chunks.whole({"content": text}, "stop", used))

    async def stream() -> AsyncGenerator[str, None]:
        yield chunks.begun() + chunks.delta({"content": text}) + chunks.delta({}, "stop")
        if body.stream_options is not None and body.stream_options.include_usage:
            yield chunks.beside(usage=used)
        yield DONE

    return EventStream(stream())


async def _whole(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> Response:
    """The completion; a client that goes away before it ends the work."""
    found = await while_connected(request, work)
    return Response(status_code=GONE) if found is None else Completion(found)
