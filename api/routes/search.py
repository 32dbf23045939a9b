"""Search, and the passages that citations point to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from api.deps import PROBLEMS, Caller, base_url, guarded
from api.schemas.common import AnchorOut, CollectionNames, Instant
from api.schemas.conversation import context_of
from api.schemas.filters import filter_of
from api.schemas.search import ChunkOut, DroppedOut, ExplainOut, ParentOut, SearchIn, SearchOut, code_place
from rag.access.personal_data.reading import neighbours_masked, read_masked
from rag.access.policy import Action
from rag.domain.errors import NotFound
from rag.domain.language import Language
from rag.domain.passage import SearchResult, documents_of

router = APIRouter(tags=["search"], responses=PROBLEMS)

_NEIGHBOURS = 2


@router.post("/search")
def search(body: SearchIn, request: Request, caller: Annotated[Caller, Depends(guarded(Action.SEARCH))]) -> SearchOut:
    """The passages for a question, best first."""
    return _found(body, request, caller)


@router.get("/search")
def explore(
    request: Request,
    caller: Annotated[Caller, Depends(guarded(Action.SEARCH))],
    question: Annotated[str, Query(min_length=1, max_length=4000)],
    collections: Annotated[CollectionNames, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    as_of: Annotated[Instant | None, Query()] = None,
    explain: Annotated[bool, Query(description="say how the result came about")] = False,
) -> SearchOut:
    """The same for what a line can say: a question, collections, a date. Filters need the POST."""
    body = SearchIn(question=question, collections=collections, limit=limit, as_of=as_of, explain=explain)
    return _found(body, request, caller)


def _found(body: SearchIn, request: Request, caller: Caller) -> SearchOut:
    permit = caller.permit(body.collections, body.as_of, filter_of(body.filter))
    retriever = caller.services.rag.retriever
    context = context_of(body.history, body.infer_filters)
    result = retriever.search(permit, body.question, limit=body.limit, context=context)
    caller.audit.searched(body.question, documents_of(result.passages))
    explain = _explained(body, result, retriever.collection_names(permit)) if body.explain else None
    return SearchOut.of(result, caller.language, base_url(request), explain)


def _explained(body: SearchIn, result: SearchResult, names: Sequence[str]) -> ExplainOut:
    given = body.filter.model_dump(mode="json", exclude_unset=True) if body.filter is not None else None
    return ExplainOut(
        collections=list(names),
        as_of=body.as_of,
        filter=given,
        weights={str(kind): weights for kind, weights in result.trace.weights.items()},
        dropped=[
            DroppedOut(chunk_id=item.chunk_id, document_id=item.document_id, reason=item.reason, shown_as=item.shown_as)
            for item in result.trace.dropped
        ],
    )


@router.get("/chunks/{chunk_id}")
def get_chunk(
    chunk_id: UUID,
    caller: Annotated[Caller, Depends(guarded(Action.READ_CITED))],
    as_of: Annotated[
        Instant | None, Query(description="an instant at which its version was valid; now when left out")
    ] = None,
) -> ChunkOut:
    """A cited passage with its neighbours; the permission is checked now, whenever the citation was made."""
    permit = caller.permit(as_of=as_of)
    with caller.services.rag.database.read() as session:
        located = read_masked(session, permit, [chunk_id]).get(chunk_id)
        if located is None:
            raise NotFound
        found, source = located
        caller.audit.saw([source.document_id])
        around = neighbours_masked(session, permit, located, _NEIGHBOURS)
    return ChunkOut(
        chunk_id=found.id,
        document_id=source.document_id,
        version=source.version_number,
        collection=source.collection_name,
        source_key=source.source_key,
        title=source.title,
        source_url=source.source_url or None,
        fetched_at=source.fetched_at,
        parent=ParentOut.of(source),
        heading_path=list(found.heading_path),
        text=found.text,
        provision=found.provision,
        references=list(found.references),
        anchor=AnchorOut.of(found.anchor, caller.language),
        before=[item.text for item in around if item.ordinal < found.ordinal],
        after=[item.text for item in around if item.ordinal > found.ordinal],
        **code_place(source, found.anchor, is_code=found.language is Language.CODE),
    )
