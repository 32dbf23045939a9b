"""Search, and the passages that citations point to."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime

from api.deps import PROBLEMS, Caller, base_url, guarded
from api.schemas.common import AnchorOut
from api.schemas.conversation import context_of
from api.schemas.filters import filter_of
from api.schemas.search import ChunkOut, ParentOut, SearchIn, SearchOut
from rag.access.policy import Action
from rag.domain.errors import NotFound
from rag.store import chunk

router = APIRouter(tags=["search"], responses=PROBLEMS)

_NEIGHBOURS = 2


@router.post("/search")
def search(body: SearchIn, request: Request, caller: Annotated[Caller, Depends(guarded(Action.SEARCH))]) -> SearchOut:
    """The passages for a question, best first."""
    permit = caller.permit(body.collections, body.as_of, filter_of(body.filter))
    result = caller.services.rag.retriever.search(
        permit, body.question, limit=body.limit, context=context_of(body.history, body.infer_filters)
    )
    return SearchOut.of(result, caller.language, base_url(request))


@router.get("/chunks/{chunk_id}")
def get_chunk(
    chunk_id: UUID,
    caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))],
    as_of: Annotated[
        AwareDatetime | None, Query(description="an instant at which its version was valid; now when left out")
    ] = None,
) -> ChunkOut:
    """A cited passage with its neighbours; the permission is checked now, whenever the citation was made."""
    permit = caller.permit(as_of=as_of)
    with caller.services.rag.database.read() as session:
        located = chunk.read_permitted(session, permit, [chunk_id]).get(chunk_id)
        if located is None:
            raise NotFound
        found, source = located
        around = chunk.neighbours(session, source.version_id, found.ordinal, _NEIGHBOURS)
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
    )
