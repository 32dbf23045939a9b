"""Deletion receipts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api.deps import PROBLEMS, Caller, guarded
from api.document_view import receipts_out
from api.schemas.receipts import ReceiptOut, ReceiptPage
from rag.access.policy import Action
from rag.store import receipt

router = APIRouter(prefix="/receipts", tags=["receipts"], responses=PROBLEMS)


@router.get("")
def list_receipts(
    caller: Annotated[Caller, Depends(guarded(Action.READ_RECEIPTS))],
    document_id: Annotated[UUID | None, Query(description="of one document only")] = None,
    parent_id: Annotated[UUID | None, Query(description="of one collection's deletion only")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ReceiptPage:
    """The newest deletion receipts."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        rows = receipt.newest_permitted(session, permit, document_id=document_id, parent_id=parent_id, limit=limit)
        caller.audit.listed((row.collection_id, row.document_id) for row in rows)
        return ReceiptPage(receipts=receipts_out(session, permit, rows, caller.language))


@router.get("/{receipt_id}")
def get_receipt(receipt_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.READ_RECEIPTS))]) -> ReceiptOut:
    """One deletion receipt; it outlives the document and the collection that it is about."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        row = receipt.get_permitted(session, permit, receipt_id)
        caller.audit.saw([row.document_id])
        return receipts_out(session, permit, [row], caller.language)[0]
