"""The tools themselves, each a route below `/tools`. `/mcp` calls these very routes, so both doors do and refuse the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.answer_log import answer_log
from api.deps import PROBLEMS, Caller, base_url, guarded
from api.errors import may_tell, respond
from api.mcp.cited_places import CitedPlace, PlaceOpener
from api.mcp.schemas import (
    Answered,
    CodeList,
    CodeOut,
    CodeQuery,
    FetchedOut,
    FetchQuery,
    FoundList,
    FoundOut,
    KnowledgeBaseList,
    KnowledgeBaseOut,
    MarkOut,
    NoQuery,
    SearchQuery,
    ToolQuestion,
)
from api.schemas.answers import AbstentionOut
from api.schemas.common import AnchorOut
from api.schemas.search import passage_url
from api.streaming import GONE, while_connected
from rag.access.policy import Action
from rag.answering.changes import History
from rag.answering.log import Recording, Surface
from rag.answering.rendering import render
from rag.answering.service import AnswerOutcome, Asked
from rag.domain.anchor import Anchor, LineAnchor
from rag.domain.answer import Citation
from rag.domain.code_places import CodeMatch, CodeScope, Spot
from rag.domain.errors import SeogoError
from rag.domain.language import CollectionKind
from rag.domain.messages import UiLanguage
from rag.domain.passage import Passage, Source, documents_of
from rag.retrieval.opening import DOC, Opened, opened, repository_uri
from rag.store import collection, document, repository

router = APIRouter(prefix="/tools", tags=["tools"], responses=PROBLEMS)

_RESULTS = 10


@dataclass(frozen=True, slots=True)
class Tool:
    """What a client is told of a tool. Names and the shapes of `search` and `fetch` are those that OpenAI's clients expect."""

    name: str
    title: str
    description: str
    takes: type[BaseModel]
    gives: type[BaseModel]


TOOLS = (
    Tool(
        "search",
        "Search company knowledge (사내 지식 검색)",
        "Search the company's documents and code that you may read; gives ids for fetch. "
        "읽을 수 있는 사내 문서와 코드를 검색합니다.",
        SearchQuery,
        FoundList,
    ),
    Tool(
        "fetch",
        "Open a text (원문 열기)",
        "Read a passage, document or file by its id, with its source. id로 구절, 문서, 파일의 원문을 읽습니다.",
        FetchQuery,
        FetchedOut,
    ),
    Tool(
        "search_code",
        "Search source code (소스 코드 검색)",
        "Search the company's repositories by question, words or identifier; gives code with path and lines. "
        "저장소의 소스 코드를 질문, 낱말, 식별자로 검색합니다.",
        CodeQuery,
        CodeList,
    ),
    Tool(
        "list_knowledge_bases",
        "List knowledge bases (지식 목록)",
        "List the collections of documents and code that you may read. 읽을 수 있는 문서·코드 컬렉션의 목록을 봅니다.",
        NoQuery,
        KnowledgeBaseList,
    ),
    Tool(
        "ask",
        "Ask with sources (근거 있는 답변)",
        "Get an answer in which every sentence cites its source, or a refusal where the evidence is too weak. "
        "모든 문장에 출처가 달린 답변을 받습니다. 근거가 부족하면 답하지 않습니다.",
        ToolQuestion,
        Answered,
    ),
)
NAMES = frozenset(item.name for item in TOOLS)


@router.post("/search", operation_id="search")
def search(
    body: SearchQuery, request: Request, caller: Annotated[Caller, Depends(guarded(Action.SEARCH))]
) -> FoundList:
    """Search the company's documents and code that you may read; gives ids for fetch."""
    found = caller.services.rag.retriever.search(caller.permit(), body.query, limit=_RESULTS)
    caller.audit.searched(body.query, documents_of(found.passages))
    return FoundList(results=[_found(item, caller.language, base_url(request)) for item in found.passages])


@router.post("/fetch", operation_id="fetch")
def fetch(
    body: FetchQuery, request: Request, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]
) -> FetchedOut:
    """Read a passage, document or file by its id, with its source."""
    permit = caller.permit()
    rag = caller.services.rag
    if place := CitedPlace.of(body.id):
        history = History(rag.database, rag.settings.mirror_folder())
        told, documents = PlaceOpener(history, permit, caller.language, base_url(request)).opened(place)
        caller.audit.saw(documents)
        return told
    with rag.database.read() as session:
        found = opened(session, permit, body.id)
    caller.audit.saw([found.source.document_id])
    source, language, base = found.source, caller.language, base_url(request)
    title, url = source.title, f"{base}/api/v1/documents/{source.document_id}"
    if found.anchor is not None and (found.passage is not None or source.commit):
        title = titled(source, found.anchor, found.provision, language)
    if found.passage is not None:
        url = passage_url(base, found.passage, source, found.anchor)
    return FetchedOut(id=body.id, title=title, text=found.text, url=url, metadata=_metadata(found, language))


@router.post("/search_code", operation_id="search_code")
def search_code(
    body: CodeQuery, request: Request, caller: Annotated[Caller, Depends(guarded(Action.SEARCH))]
) -> CodeList:
    """Search the company's repositories by question, words or identifier; gives code with path and lines."""
    rag = caller.services.rag
    scope = CodeScope((body.repo,) if body.repo else (), body.path or "", body.lang or "")
    found = rag.code.searcher.search(caller.permit(), body.query, scope=scope, limit=_RESULTS).matches
    caller.audit.searched(body.query, dict.fromkeys(item.spot.source.document_id for item in found))
    return CodeList(results=[_code(item, base_url(request)) for item in found])


@router.post("/list_knowledge_bases", operation_id="list_knowledge_bases")
def list_knowledge_bases(
    body: NoQuery, caller: Annotated[Caller, Depends(guarded(Action.LIST_COLLECTIONS))]
) -> KnowledgeBaseList:
    """List the collections of documents and code that you may read."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        rows = collection.permitted(session, permit)
        counts = document.counts_by_collection(session, permit)
        names: dict[UUID, list[str]] = {}
        for item in repository.of_reader(session, permit):
            names.setdefault(item.collection_id, []).append(item.name)
    return KnowledgeBaseList(
        knowledge_bases=[
            KnowledgeBaseOut(
                name=row.name,
                kind="code" if row.kind == CollectionKind.CODE else "documents",
                description=row.description,
                documents=counts.get(row.id, 0),
                repositories=names.get(row.id, []),
            )
            for row in rows
        ]
    )


@router.post("/ask", operation_id="ask", response_model=Answered)
async def ask(
    body: ToolQuestion,
    request: Request,
    later: BackgroundTasks,
    caller: Annotated[Caller, Depends(guarded(Action.ASK))],
) -> Answered | Response:
    """Get an answer in which every sentence cites its source, or a refusal where the evidence is too weak."""
    permit = await run_sync(caller.permit)
    rag = caller.services.rag
    asked = Asked(body.question, rag.settings.answers.passages, unseen=True)
    recording = Recording(permit, body.question, Surface.TOOLS, rag.answerer.generator_name, asked)
    caller.audit.answering(recording)
    try:
        outcome = await while_connected(request, rag.answerer.complete(permit, asked, recording.searched))
    except SeogoError as error:
        recording.failed(error)
        if recording.search is None or not may_tell(error):
            raise
        found = [_found(item, caller.language, base_url(request)) for item in recording.search.passages]
        return respond(request, error, FoundList(results=found).model_dump())
    if outcome is None:
        return Response(status_code=GONE)
    recording.whole(outcome)
    later.add_task(answer_log(caller).keep, recording)
    return _answered(outcome, recording.id, caller.language, base_url(request))


def titled(source: Source, anchor: Anchor, provision: str, language: UiLanguage) -> str:
    """Title of a text: of code `payments/src/login.py:10-24@abc123def456`, else `취업규칙 제24조제1항 (3쪽)`."""
    if place := source.place(anchor):
        return place
    name = source.title if source.parent is None else f"{source.parent.title} › {source.parent.member}"
    return f"{f'{name} {provision}'.rstrip()} ({anchor.label(language)})"


def _found(passage: Passage, language: UiLanguage, base: str) -> FoundOut:
    title = titled(passage.source, passage.anchor, passage.chunk.provision, language)
    url = passage_url(base, passage.chunk.id, passage.source, passage.anchor)
    return FoundOut(id=_id_of(passage, passage.anchor), title=title, url=url)


def _id_of(passage: Passage, anchor: Anchor) -> str:
    """What fetch takes: the chunk on record, or the place in the history of its repository."""
    return passage.source.place(anchor) if passage.source.mirrored else str(passage.chunk.id)


def _metadata(found: Opened, language: UiLanguage) -> dict[str, object]:
    source = found.source
    place = AnchorOut.of(found.anchor, language) if found.anchor is not None else None
    known: dict[str, object] = {
        "collection": source.collection_name,
        "document": f"{DOC}{source.document_id}",
        "path": source.source_key,
        "version": source.version_number,
        "place": place.label if place is not None else "",
        "anchor": place.position if place is not None else {},
        "provision": found.provision,
        "commit": source.commit,
        "resource": repository_uri(source, found.anchor),
        "parent": source.parent.title if source.parent is not None else "",
        "source_url": source.source_url,
        "part": found.part if found.parts > 1 else 0,
        "parts": found.parts if found.parts > 1 else 0,
        "next": found.following,
        "cut": found.cut,
    }
    return {name: value for name, value in known.items() if value}


def _code(match: CodeMatch, base: str) -> CodeOut:
    spot, source = match.spot, match.spot.source
    # With the lines around it: one line by itself is seldom enough to choose by, and each fetch costs a turn.
    shown = LineAnchor(spot.first - len(spot.before), spot.last + len(spot.after))
    repo, _, path = source.source_key.partition("/") if source.commit else ("", "", source.source_key)
    return CodeOut(
        id=str(spot.chunk_id),
        title=Spot(source, spot.chunk_id, shown.first, shown.last, "").place,
        url=passage_url(base, spot.chunk_id, source, shown),
        repo=repo,
        path=path,
        lines=f"{shown.first}-{shown.last}",
        commit=source.commit,
        lang=match.language,
        symbol=match.symbol,
        text="\n".join((*spot.before, spot.text, *spot.after)),
    )


def _answered(outcome: AnswerOutcome, answer_id: UUID, language: UiLanguage, base: str) -> Answered:
    if outcome.abstention is not None:
        said = AbstentionOut.of(outcome.abstention, language).message
        return Answered(status="abstained", answer=said, sources=[], answer_id=str(answer_id))
    text, cited = "", dict[int, Citation]()
    for sentence in outcome.sentences:
        rendered = render(sentence, len(text))
        text += rendered.text
        cited |= {item.number: item for item in rendered.citations if item.number not in cited}
    return Answered(
        status="answered", answer=text, sources=_sources(list(cited.values()), language, base), answer_id=str(answer_id)
    )


def _sources(cited: Sequence[Citation], language: UiLanguage, base: str) -> list[MarkOut]:
    return [
        MarkOut(
            mark=item.number,
            id=_id_of(item.passage, item.anchor),
            title=titled(item.passage.source, item.anchor, item.provision, language),
            url=passage_url(base, item.passage.chunk.id, item.passage.source, item.anchor),
        )
        for item in sorted(cited, key=lambda item: item.number)
    ]
