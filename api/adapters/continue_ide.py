"""Continue's context provider `http`: what it asks with `@` comes back as items of context, each with its source."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.deps import PROBLEMS, Caller, base_url, guarded
from api.schemas.common import CollectionNames, as_written
from api.schemas.search import passage_url
from rag.access.policy import Action
from rag.domain.errors import InvalidRequest
from rag.domain.passage import Passage, documents_of

router = APIRouter(prefix="/continue", tags=["adapters"], responses=PROBLEMS)


class ContextOptions(BaseModel):
    """What stands below `options` in Continue's configuration of the provider."""

    model_config = ConfigDict(extra="ignore")
    _as_written = field_validator("*", mode="wrap")(as_written)

    collections: CollectionNames = None
    limit: int = Field(10, ge=1, le=50)


class ContextIn(BaseModel):
    """What Continue sends: the words behind the provider's name, and the whole input."""

    model_config = ConfigDict(extra="ignore")
    _as_written = field_validator("*", mode="wrap")(as_written)

    query: str = Field("", max_length=100_000)
    fullInput: str = Field("", max_length=200_000)
    options: ContextOptions | None = None


class ContextItem(BaseModel):
    """One passage."""

    name: str
    description: str
    content: str


@router.post("/context")
def context(
    body: ContextIn, request: Request, caller: Annotated[Caller, Depends(guarded(Action.SEARCH))]
) -> list[ContextItem]:
    """The passages for what was typed in the editor."""
    options = body.options or ContextOptions()
    question = body.query.strip() or body.fullInput.strip()
    if not question:
        raise InvalidRequest(
            detail="query, fullInput: both are empty",
            detail_ko="query, fullInput: 둘 다 비어 있습니다. 질문을 적으세요",
        )
    permit = caller.permit(options.collections)
    found = caller.services.rag.retriever.search(permit, question, limit=options.limit)
    caller.audit.searched(question, documents_of(found.passages))
    return [_item(item, caller, base_url(request)) for item in found.passages]


def _item(item: Passage, caller: Caller, base: str) -> ContextItem:
    source = item.source
    place = item.source.place(item.anchor) or item.anchor.label(caller.language)
    address = passage_url(base, item.chunk.id, source, item.anchor)
    headings = " › ".join(item.chunk.heading_path)
    head = "\n".join(part for part in (f"{source.source_key} ({place})", headings, address) if part)
    return ContextItem(
        name=source.title, description=f"{source.collection_name} · {place}", content=f"{head}\n\n{item.chunk.text}"
    )
