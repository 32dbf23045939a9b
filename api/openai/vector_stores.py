"""`/v1/vector_stores`: collections, their documents and search in them, as OpenAI's clients know these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Query, Request

from api.deps import Caller, base_url, guarded
from api.openai.file_schemas import Order, StoreChange, StoreIn, StoreSearchIn, refuse_chunking, refuse_expiry
from api.openai.files import files_of, placeable_file
from api.openai.ids import STORE, permit_for_store, shown
from api.openai.pages import page
from api.openai.store_files import counted, counts_out
from api.openai.store_search import found_in
from ingest.jobs.client_files import Wanted
from rag.access.policy import Action
from rag.domain.errors import CollectionNotFound, error_type_of
from rag.domain.language import CollectionKind
from rag.domain.principal import Permit
from rag.store import client_file, collection
from rag.store.collection import Collection
from rag.store.session import naming

router = APIRouter(prefix="/vector_stores", tags=["openai"])


@router.post("")
def create_store(
    body: StoreIn, caller: Annotated[Caller, Depends(guarded(Action.CREATE_COLLECTION))]
) -> dict[str, Any]:
    """Make a vector store, which is a collection: its name is unique in the tenant. Not for a key that is limited to some."""
    caller.require_whole_tenant()
    refuse_expiry(body.expires_after)
    refuse_chunking(body.chunking_strategy)
    everything = caller.permit()
    files = [Wanted(placeable_file(caller, everything, item, None)) for item in body.file_ids]
    identity = uuid4()
    row = Collection(
        id=identity,
        tenant_id=caller.principal.tenant_id,
        name=body.name or f"vs-{identity.hex[:12]}",
        kind=CollectionKind.DOCUMENTS,
        description=body.description,
        client_metadata=body.metadata,
    )
    with naming(caller.services.rag.database, row.name) as session:
        session.add(row)
    if files:
        placed = files_of(caller).place(permit_for_store(caller, str(identity), Action.UPLOAD_DOCUMENTS), files)
        for item, wanted in zip(placed, files, strict=True):
            if item.error:  # the store is there, and every other file in it
                raise error_type_of(item.error)(name=wanted.file.filename)
    return _one(caller, caller.permit([str(identity)]))


@router.get("")
def list_stores(
    caller: Annotated[Caller, Depends(guarded(Action.LIST_COLLECTIONS))],
    after: Annotated[str | None, Query(max_length=200)] = None,
    before: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Order = "desc",
) -> dict[str, Any]:
    """The vector stores that the key may see, by the instant at which they were made."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        rows = sorted(
            collection.permitted(session, permit), key=lambda row: (row.created_at, row.id), reverse=order == "desc"
        )
        if after is not None:
            rows = rows[_place(rows, after) + 1 :]
        if before is not None:
            rows = rows[: _place(rows, before)]
        backwards = before is not None and after is None
        rows = rows[-(limit + 1) :] if backwards else rows[: limit + 1]
        counts = client_file.counts(session, permit)
    return page([_store(row, counts.get(row.id, {})) for row in rows], limit, backwards=backwards)


def _place(rows: Sequence[Collection], store_id: str) -> int:
    for place, row in enumerate(rows):
        if shown(STORE, row.id) == store_id:
            return place
    raise CollectionNotFound(name=store_id)


@router.get("/{store_id}")
def get_store(store_id: str, caller: Annotated[Caller, Depends(guarded(Action.READ_COLLECTION))]) -> dict[str, Any]:
    """One vector store, by its id or by the name of its collection."""
    return _one(caller, permit_for_store(caller, store_id))


@router.post("/{store_id}")
def change_store(
    store_id: str, body: StoreChange, caller: Annotated[Caller, Depends(guarded(Action.CHANGE_COLLECTION))]
) -> dict[str, Any]:
    """Change name or metadata; what is left out stays. A limited key can't change the name."""
    permit = permit_for_store(caller, store_id)
    refuse_expiry(body.expires_after)
    if body.name is not None:
        caller.require_whole_tenant()
    with naming(caller.services.rag.database, body.name or store_id) as session:
        row = collection.permitted(session, permit)[0]
        if body.name is not None:
            row.name = body.name
        if "metadata" in body.model_fields_set:
            row.client_metadata = body.metadata
    return _one(caller, permit)


@router.delete("/{store_id}")
def delete_store(
    store_id: str, caller: Annotated[Caller, Depends(guarded(Action.DELETE_COLLECTION))]
) -> dict[str, Any]:
    """Delete a vector store with its documents. Files that clients uploaded stay until they are deleted themselves."""
    caller.services.ingest.intake.delete_collection(permit_for_store(caller, store_id))
    return {"id": store_id, "object": "vector_store.deleted", "deleted": True}


@router.post("/{store_id}/search")
def search_store(
    store_id: str,
    body: StoreSearchIn,
    request: Request,
    caller: Annotated[Caller, Depends(guarded(Action.SEARCH))],
) -> dict[str, Any]:
    """The passages for a question, best first. Of several questions the results take turns.

    Scores lie between 0 and 1 and are comparable within one search; `rewrite_query` lets filters count that the question
    states in words.
    """
    permit = permit_for_store(caller, store_id)
    results = found_in(caller, permit, body, base_url(request))
    data = [item.out() for item in results]
    return {
        "object": "vector_store.search_results.page",
        "search_query": body.query,
        "data": data,
        "has_more": False,
        "next_page": None,
    }


def _one(caller: Caller, permit: Permit) -> dict[str, Any]:
    with caller.services.rag.database.read() as session:
        row = collection.permitted(session, permit)[0]
        return _store(row, client_file.counts(session, permit).get(row.id, {}))


def _store(row: Collection, by_state: dict[str, tuple[int, int]]) -> dict[str, Any]:
    counts = counted((state, number) for state, (number, _) in by_state.items())
    created = int(row.created_at.timestamp())
    return {
        "id": shown(STORE, row.id),
        "object": "vector_store",
        "created_at": created,
        "name": row.name,
        "description": row.description,
        "usage_bytes": sum(size for _, size in by_state.values()),
        "file_counts": counts_out(counts),
        "status": "in_progress" if counts.get("in_progress") else "completed",
        "expires_after": None,
        "expires_at": None,
        "last_active_at": created,
        "metadata": row.client_metadata or {},
    }
