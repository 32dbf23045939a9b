"""`/v1/responses`: a grounded answer in the shape of OpenAI's responses, with the tool `file_search` on vector stores."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

from anyio.to_thread import run_sync
from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from api.answer_log import HEADER, RESPONSE, RecordedStream, answer_log
from api.deps import Caller, base_url, guarded
from api.errors import respond
from api.generators import generator_name
from api.openai.ids import permit_for_stores
from api.openai.models import ALL, permit_for_model
from api.openai.questions import Put, put
from api.openai.response_schemas import RESULTS, FileSearch, ResponseIn
from api.openai.store_search import StoreHit, hits_of, narrowed
from api.openai.telling import Telling, with_found
from api.schemas.answers import abstention_message
from api.streaming import GONE, comment, event, started, while_connected
from rag.access.policy import Action
from rag.answering.limits import limited
from rag.answering.log import Recording, Surface
from rag.answering.rendering import RenderedSentence, render
from rag.answering.service import AnswerEvent, Asked
from rag.answering.waiting import SLOW
from rag.domain.answer import Abstention, Note, Sentence
from rag.domain.errors import InvalidRequest, SeogoError, UnsupportedRequest
from rag.domain.messages import localized
from rag.domain.passage import Passage, SearchResult
from rag.domain.principal import Permit
from rag.domain.refused_values import refused_values
from rag.retrieval.understanding import QuestionContext

log = logging.getLogger(__name__)
router = APIRouter(tags=["openai"])


@router.post("/responses")
async def create_response(
    body: ResponseIn,
    request: Request,
    later: BackgroundTasks,
    caller: Annotated[Caller, Depends(guarded(Action.ASK))],
) -> Response:
    """Answer the last turn of the user from the documents behind `model`, or from the vector stores of `file_search`.

    `instructions` and system turns are for models that write freely: how an answer is cited and when it is refused does not
    depend on them.
    """
    body.refuse_what_is_not_done()
    words, history = body.turns()
    tool = _tool_of(body)
    permit = await run_sync(_permit, caller, body.model, tool)
    rag = caller.services.rag
    question = put(words, rag.settings.retrieval.max_question_chars)
    passages = (tool.max_num_results if tool is not None else None) or rag.settings.answers.passages
    asked = Asked(
        question.text,
        passages,
        QuestionContext(history),
        model=generator_name(caller, body.generator),
        thinking=body.thinking(),
        mode=body.mode,
        most_tokens=body.max_output_tokens,
        temperature=body.temperature,
        anew=lambda: _permit(caller.anew(request), body.model, tool),
        unseen=not body.stream,
    )
    recording = Recording(permit, question.text, Surface.RESPONSES, rag.answerer.generator_name, asked)
    caller.audit.answering(recording)
    answer = limited(rag.answerer.stream(permit, asked), rag.count_tokens, most_tokens=body.max_output_tokens)
    events = await started(recording.listening(answer))
    made = _Response(events, recording, caller, body, question, tool, request)
    if body.stream:
        return RecordedStream(made.stream(), events, log=answer_log(caller), recording=recording)
    try:
        whole = await while_connected(request, made.whole())
    except SeogoError as error:
        return respond(request, error, with_found(error, recording, caller, request))
    if whole is None:
        return Response(status_code=GONE)
    later.add_task(answer_log(caller).keep, recording)
    return JSONResponse(whole, headers={HEADER: str(recording.id)}, background=later)


def _tool_of(body: ResponseIn) -> FileSearch | None:
    if not body.tools:
        return None
    try:
        tool = FileSearch.model_validate(body.tools[0])
    except ValidationError as error:
        raise InvalidRequest(**refused_values(error.errors(), "tools")) from error
    if tool.ranking_options.score_threshold > 0:
        raise UnsupportedRequest(
            detail="ranking_options.score_threshold: weak evidence is refused by itself; use search for it",
            detail_ko="ranking_options.score_threshold: 약한 근거는 스스로 거릅니다. 점수로 거르려면 검색을 쓰세요",
            param="tools",
        )
    return tool


def _permit(caller: Caller, model: str, tool: FileSearch | None) -> Permit:
    """What may be read: the model's documents; with `file_search`, those of them that lie in its vector stores."""
    behind = permit_for_model(caller, model)
    if tool is None:
        return behind
    inside = permit_for_stores(caller, tool.vector_store_ids)
    if model != ALL:
        inside = inside.narrowed(behind.collections)
        if not inside.collections:
            raise InvalidRequest(
                detail=f"tools: none of the vector stores belongs to the model {model}; use {ALL}",
                detail_ko=f"tools: 벡터 저장소 가운데 모델 {model}에 속한 것이 없습니다. {ALL}을(를) 쓰세요",
            )
    return narrowed(caller, inside, tool.filters)


@dataclass(slots=True)
class _Message:
    """The answer as far as it is written."""

    id: str
    text: str = ""
    annotations: tuple[dict[str, Any], ...] = ()

    def part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": self.text, "annotations": list(self.annotations), "logprobs": []}

    def item(self, status: str) -> dict[str, Any]:
        content = [] if status == "in_progress" else [self.part()]
        return {"id": self.id, "type": "message", "role": "assistant", "status": status, "content": content}


class _Response:
    """One answer as a response, whole or streamed."""

    def __init__(
        self,
        events: AsyncGenerator[AnswerEvent, None],
        recording: Recording,
        caller: Caller,
        body: ResponseIn,
        question: Put,
        tool: FileSearch | None,
        request: Request,
    ) -> None:
        self._events, self._caller, self._body = events, caller, body
        self._question, self._tool, self._base = question.text, tool, base_url(request)
        self._telling = Telling(request, question)
        self._id = f"{RESPONSE}{recording.id.hex}"
        self._request, self._recording = request, recording
        self._created = int(time.time())
        self._message = _Message(f"msg_{uuid4().hex}")
        self._search_id = f"fs_{uuid4().hex}"
        self._hits: dict[UUID, StoreHit] = {}
        self._output: list[dict[str, Any]] = []
        self._number = 0

    async def whole(self) -> dict[str, Any]:
        """The response at its end."""
        async for _ in self._all():
            pass
        return await self._ending()

    async def stream(self) -> AsyncGenerator[str, None]:
        """The events of the response; one that fails in mid-stream ends with `response.failed`."""
        yield self._event("response.created", {"response": self._shown("in_progress")})
        yield self._event("response.in_progress", {"response": self._shown("in_progress")})
        try:
            async for kind, data in self._all():
                yield comment(f"{SLOW}: {data['message']}") if kind == SLOW else self._event(kind, data)
        except SeogoError as error:
            yield self._failed(error)
        except Exception:
            log.exception("a response broke off in mid-stream")
            yield self._failed(SeogoError())
        else:
            yield self._event(f"response.{self._status}", {"response": await self._ending()})

    async def _all(self) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        begun = False
        async with aclosing(self._events):
            async for item in self._events:
                if isinstance(item, SearchResult):
                    for pair in await self._found(item):
                        yield pair
                elif isinstance(item, Sentence | Abstention):
                    for pair in () if begun else self._begun():
                        yield pair
                    begun = True
                    if isinstance(item, Sentence):  # it may cite what a later step found
                        await run_sync(self._know, [citation.passage for citation in item.citations])
                    for pair in self._written(item):
                        yield pair
                else:
                    for pair in self._noted(item):
                        yield pair
        rest = self._telling.rest() + self._telling.sources()
        for pair in (*self._begun(), *self._ended(rest)) if not begun else self._ended(rest):
            yield pair

    async def _found(self, search: SearchResult) -> list[tuple[str, dict[str, Any]]]:
        self._telling.searched(search)
        await run_sync(self._know, search.passages)
        if self._output:  # in steps: all that was found, before the first sentence
            self._output[0] = self._call("completed")
            return []
        return self._searched() if self._tool is not None else []

    def _know(self, passages: Sequence[Passage]) -> None:
        new = [item for item in passages if item.chunk.id not in self._hits]
        self._hits |= {item.passage.chunk.id: item for item in hits_of(self._caller, new, self._base)} if new else {}

    def _searched(self) -> list[tuple[str, dict[str, Any]]]:
        at = {"output_index": 0, "item_id": self._search_id}
        self._output.append(self._call("completed"))
        return [
            ("response.output_item.added", {"output_index": 0, "item": self._call("in_progress")}),
            ("response.file_search_call.in_progress", at),
            ("response.file_search_call.searching", at),
            ("response.file_search_call.completed", at),
            ("response.output_item.done", {"output_index": 0, "item": self._output[0]}),
        ]

    def _call(self, status: str) -> dict[str, Any]:
        wanted = status == "completed" and RESULTS in (self._body.include or ())
        results = [
            {
                "file_id": hit.file_id,
                "filename": hit.filename,
                "score": hit.score,
                "attributes": hit.attributes,
                "text": hit.passage.chunk.text,
            }
            for hit in self._hits.values()
        ]
        return {
            "id": self._search_id,
            "type": "file_search_call",
            "status": status,
            "queries": [self._question],
            "results": results if wanted else None,
        }

    @property
    def _at(self) -> dict[str, Any]:
        return {"item_id": self._message.id, "output_index": len(self._output), "content_index": 0}

    def _noted(self, note: Note) -> list[tuple[str, dict[str, Any]]]:
        self._telling.note(note)
        # No event of OpenAI's says that a model takes long.
        return [(SLOW, {"message": self._telling.slow()})] if note.kind == SLOW else []

    def _begun(self) -> list[tuple[str, dict[str, Any]]]:
        added = {"output_index": len(self._output), "item": self._message.item("in_progress")}
        return [
            ("response.output_item.added", added),
            ("response.content_part.added", {**self._at, "part": self._message.part()}),
        ]

    def _written(self, item: Sentence | Abstention) -> list[tuple[str, dict[str, Any]]]:
        if isinstance(item, Abstention):
            self._telling.refused()
            return [self._added(abstention_message(item, self._telling.language))]
        before, item = self._telling.before(item)
        rendered = render(item, len(self._message.text) + len(before))
        found = [self._added(before + rendered.text)]
        for annotation in self._annotations(rendered):
            place = len(self._message.annotations)
            self._message.annotations += (annotation,)
            added = {**self._at, "annotation_index": place, "annotation": annotation}
            found.append(("response.output_text.annotation.added", added))
        return found

    def _added(self, text: str) -> tuple[str, dict[str, Any]]:
        self._message.text += text
        return ("response.output_text.delta", {**self._at, "delta": text, "logprobs": []})

    def _annotations(self, rendered: RenderedSentence) -> list[dict[str, Any]]:
        """A `file_citation` per cited file of the sentence, at its end; where the words can be opened is an addition."""
        return [
            {
                "type": "file_citation",
                "index": rendered.end,
                "file_id": hit.file_id,
                "filename": hit.filename,
                "title": hit.passage.source.title,
                "url": hit.url,
                "quote": item.quote,
            }
            for item in rendered.citations
            for hit in [self._hits[item.passage.chunk.id]]
        ]

    def _ended(self, rest: str) -> list[tuple[str, dict[str, Any]]]:
        """The end of the message; `rest` stands behind its last sentence."""
        more = [self._added(rest)] if rest else []
        at, item = self._at, self._message.item(self._status)
        self._output.append(item)
        return [
            *more,
            ("response.output_text.done", {**at, "text": self._message.text, "logprobs": []}),
            ("response.content_part.done", {**at, "part": self._message.part()}),
            ("response.output_item.done", {"output_index": at["output_index"], "item": item}),
        ]

    @property
    def _status(self) -> str:
        return "incomplete" if self._telling.truncated else "completed"

    async def _ending(self) -> dict[str, Any]:
        """The response as it ended: where it wanted to, or at its longest."""
        cut = self._telling.truncated
        details = {"reason": "max_output_tokens"} if cut else None
        at = None if cut else int(time.time())
        shown = self._shown(self._status) | {"incomplete_details": details, "completed_at": at}
        return shown | {"usage": await self._usage()}

    def _shown(self, status: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "model": self._body.model,
            "output": list(self._output),
            "instructions": self._body.instructions,
            "metadata": self._body.metadata or {},
            "tools": self._body.tools,
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "error": None,
            "incomplete_details": None,
            "usage": None,
        }

    def _failed(self, error: SeogoError) -> str:
        said: dict[str, Any] = {
            "code": "server_error",
            "message": f"{localized(error, self._caller.language)} ({error.code})",
        }
        said |= with_found(error, self._recording, self._caller, self._request)
        return self._event("response.failed", {"response": {**self._shown("failed"), "error": said}})

    def _event(self, kind: str, data: dict[str, Any]) -> str:
        number, self._number = self._number, self._number + 1
        return event({"type": kind, "sequence_number": number, **data}, kind)

    async def _usage(self) -> dict[str, Any]:
        # In the lexical analyzer's terms, as in chat: what was asked and said is what the client sees.
        count = self._caller.services.rag.count_tokens
        asked = await run_sync(count, self._question)
        answered = await run_sync(count, self._message.text)
        return {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + answered,
        }
