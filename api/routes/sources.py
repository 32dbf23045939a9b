"""Sources: what a connector knows of the folder or bucket that it keeps a collection in step with.

The connector runs at the client (`seogo sync`); it uploads as anybody does, and keeps its state here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.sources import (
    GoneItems,
    ItemPage,
    ItemsDeleted,
    ItemsIn,
    ItemsKnown,
    KeysIn,
    NotedItem,
    SourceIn,
    SourceList,
    SourceOut,
    item_state,
)
from rag.access import rules
from rag.access.personal_data.reading import names_masked
from rag.access.policy import Action
from rag.domain.errors import DocumentNotFound
from rag.domain.principal import Permit
from rag.store import connector, document
from rag.store.base import utc_now
from rag.store.connector import ConnectorItem
from rag.store.document import Document

router = APIRouter(tags=["sources"], responses=PROBLEMS)

Sync = Annotated[Caller, Depends(guarded(Action.SYNC_SOURCES))]


@router.post("/collections/{name}/sources")
def ensure_source(name: str, body: SourceIn, caller: Sync) -> SourceOut:
    """The source at this location, made when it is new."""
    permit = caller.permit([name])
    (collection_id,) = permit.collections
    with caller.services.rag.database.write() as session:
        row = connector.ensure_source(session, permit.tenant_id, collection_id, body.kind, body.location)
        if body.access is not None:
            rules.set_on_source(session, permit, row, body.access.to_domain())
        return SourceOut.of(row, row.location)


@router.get("/collections/{name}/sources")
def list_sources(name: str, caller: Sync) -> SourceList:
    """The sources of a collection."""
    permit = caller.permit([name])
    with caller.services.rag.database.read() as session:
        rows = connector.of_permit(session, permit)
        names = names_masked(session, permit, [(row.collection_id, row.location) for row in rows])
        return SourceList(sources=[SourceOut.of(row, name) for row, name in zip(rows, names, strict=True)])


@router.get("/sources/{source_id}/items")
def list_items(
    source_id: UUID,
    caller: Sync,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 500,
) -> ItemPage:
    """What is known of a source, by key."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        source = connector.get_permitted(session, permit, source_id)
        after = None if cursor is None else connector.key_at(session, permit, source.id, cursor)
        rows = connector.page_of_items(session, permit, source.id, after=after, limit=limit + 1)
        page = rows[:limit]
        names = names_masked(session, permit, [(source.collection_id, row.key) for row in page])
        behind = connector.cursor_behind(session, page[-1]) if len(rows) > limit else None
        failed = connector.failed_among(session, page)
    caller.audit.listed((source.collection_id, row.document_id) for row in page)
    shown = list(zip(page, names, strict=True))
    return ItemPage(
        items=[item_state(row, name) for row, name in shown],
        hidden=[row.document_id for row, name in shown if name != row.key],
        failed=failed,
        next_cursor=behind,
    )


@router.post("/sources/{source_id}/items/known")
def known_items(source_id: UUID, body: KeysIn, caller: Sync) -> ItemsKnown:
    """What is known of the items with these keys, which the caller has from the source itself; unknown keys are left out."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        source = connector.get_permitted(session, permit, source_id)
        rows = connector.items_of(session, permit, source.id, body.keys)
        failed = connector.failed_among(session, rows)
    caller.audit.listed((source.collection_id, row.document_id) for row in rows)
    return ItemsKnown(items=[item_state(row, row.key) for row in rows], failed=failed)


@router.put("/sources/{source_id}/items")
def put_items(source_id: UUID, body: ItemsIn, caller: Sync) -> SourceOut:
    """Note the state of items whose documents lie in the source's collection, and who may read them where that is said."""
    permit = caller.permit()
    with caller.services.rag.database.write() as session:
        source = connector.get_permitted(session, permit, source_id)
        known = _documents(session, permit.narrowed([source.collection_id]), source.id, body.items)
        caller.audit.saw(known)
        moved = [
            identity
            for item in body.items
            if item.access is not None
            for identity in rules.set_by_source(session, permit, known[item.document_id], item.access.to_domain())
        ]
        now = utc_now()
        noted = [
            ConnectorItem(source_id=source.id, seen_at=now, **item.model_dump(exclude={"access"}))
            for item in body.items
        ]
        connector.put_items(session, noted)
        source.synced_at = now
        [location] = names_masked(session, permit, [(source.collection_id, source.location)])
        shown = SourceOut.of(source, location)
    caller.services.ingest.jobs.upkeep.relabel_many(moved)
    return shown


def _documents(
    session: Session, permit: Permit, source_id: UUID, items: Sequence[NotedItem]
) -> Mapping[UUID, Document]:
    """The items' documents by id.

    Raises:
        DocumentNotFound: the permit does not cover one of them, or one that is noted under the same key.
    """
    known = {row.id: row for row, _ in document.with_versions(session, permit, [item.document_id for item in items])}
    for item in items:
        if item.document_id not in known:
            raise DocumentNotFound(name=str(item.document_id))
    for key in connector.others_keys(session, permit, source_id, [item.key for item in items]):
        raise DocumentNotFound(name=key)
    return known


@router.post("/sources/{source_id}/items/delete")
def delete_items(source_id: UUID, body: GoneItems, caller: Sync) -> ItemsDeleted:
    """Delete the documents of items that the source has no longer; each gets a receipt. Unknown ones are left out."""
    receipts = caller.services.ingest.intake.delete_items(caller.permit(), source_id, body.keys, body.documents)
    caller.audit.saw(item.document_id for item in receipts)
    return ItemsDeleted(receipts=[item.id for item in receipts])
