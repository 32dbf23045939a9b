"""Documents: upload, list, look at, fetch, delete."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

import anyio
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.documents import (
    DeletionReceipt,
    DocumentOut,
    DocumentPage,
    DocumentStatus,
    Failure,
    StatusIn,
    UploadOut,
    UploadResult,
)
from ingest.connectors.upload import Received, UploadReceiver
from ingest.jobs.intake import Refused
from ingest.pipeline.records import Accepted, clean_source_key
from rag.access.policy import Action
from rag.domain.errors import DocumentNotFound, PayloadTooLarge, SeogoError
from rag.domain.messages import UiLanguage, localized
from rag.domain.principal import Permit
from rag.store import document, family, version
from rag.store.document import Document
from rag.store.version import DocumentVersion

router = APIRouter(tags=["documents"], responses=PROBLEMS)

_PIECE_BYTES = 1 << 18
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            }
        },
    }
}


@router.post("/collections/{name}/documents", status_code=202, openapi_extra=_UPLOAD_BODY)
async def upload_documents(
    name: str,
    request: Request,
    response: Response,
    caller: Annotated[Caller, Depends(guarded(Action.UPLOAD_DOCUMENTS))],
) -> UploadResult:
    """Upload one file or many (parts with a file name). The answer comes when all are stored; ingestion goes on."""
    permit = await anyio.to_thread.run_sync(caller.permit, [name])
    files = await _receive(request, caller)
    taken = await anyio.to_thread.run_sync(caller.services.ingest.intake.take, permit, files)
    if len(taken) == 1 and isinstance(taken[0], Refused):
        raise taken[0].error
    if all(isinstance(item, Refused) for item in taken):
        response.status_code = 422
    return UploadResult(documents=[_upload_out(item, caller.language) for item in taken])


async def _receive(request: Request, caller: Caller) -> list[Received]:
    """Stream the body into the blob store; on any error nothing of it stays."""
    ingest = caller.services.ingest
    limit = ingest.settings.max_upload_mb << 20
    if int(request.headers.get("content-length") or 0) > limit:
        raise PayloadTooLarge(limit_mb=ingest.settings.max_upload_mb)
    receiver = UploadReceiver(
        caller.services.rag.blobs, request.headers.get("content-type", ""), limit, clean_source_key
    )
    try:
        await _feed(receiver, request.stream(), limit, ingest.settings.max_upload_mb)
        return receiver.finish()
    except BaseException:
        # Also when the client hangs up: the cancelled request must not leave blobs behind.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: ingest.intake.discard(receiver.abort()))
        raise


async def _feed(receiver: UploadReceiver, body: AsyncIterator[bytes], limit: int, limit_mb: int) -> None:
    pending, total = bytearray(), 0
    async for data in body:
        total += len(data)
        if total > limit:
            raise PayloadTooLarge(limit_mb=limit_mb)
        pending += data
        if len(pending) >= _PIECE_BYTES:
            await anyio.to_thread.run_sync(receiver.feed, bytes(pending))
            pending.clear()
    await anyio.to_thread.run_sync(receiver.feed, bytes(pending))


def _upload_out(item: Accepted | Refused, language: UiLanguage) -> UploadOut:
    if isinstance(item, Refused):
        error = item.error
        failure = Failure(code=error.code, message=localized(error, language), retryable=error.retryable)
        return UploadOut(source_key=item.source_key, outcome="refused", failure=failure)
    return UploadOut(
        source_key=item.source_key,
        outcome=item.outcome,
        document_id=item.document_id,
        version_id=item.version_id,
        version=item.number,
    )


@router.get("/collections/{name}/documents")
def list_documents(
    name: str,
    caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))],
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    parent: Annotated[UUID | None, Query(description="only the files inside this document")] = None,
) -> DocumentPage:
    """Documents of a collection by source key, with the state of their newest version."""
    permit = caller.permit([name])
    with caller.services.rag.database.read() as session:
        if parent is not None:
            document.get_permitted(session, permit, parent)
        rows = document.page_permitted(session, permit, after=cursor, limit=limit + 1, parent=parent)
        shown = _documents_out(session, permit, rows[:limit], caller.language)
    return DocumentPage(documents=shown, next_cursor=shown[-1].source_key if len(rows) > limit else None)


def _documents_out(
    session: Session, permit: Permit, rows: Sequence[tuple[Document, DocumentVersion | None]], language: UiLanguage
) -> list[DocumentOut]:
    inside = family.counts(session, permit, [row.id for row, _ in rows])
    return [DocumentOut.of(row, newest, language, inside.get(row.id, 0)) for row, newest in rows]


@router.post("/documents/status")
def document_status(
    body: StatusIn, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]
) -> DocumentStatus:
    """State of several documents in one request; those that the key may not see are left out."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        rows = document.with_versions(session, permit, body.ids)
        return DocumentStatus(documents=_documents_out(session, permit, rows, caller.language))


@router.get("/documents/{document_id}")
def get_document(document_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]) -> DocumentOut:
    """One document, with state and progress of its newest version."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        row = document.get_permitted(session, permit, document_id)
        newest = session.get(DocumentVersion, row.latest_version_id) if row.latest_version_id else None
        return _documents_out(session, permit, [(row, newest)], caller.language)[0]


@router.get("/documents/{document_id}/content", response_class=StreamingResponse)
def get_content(
    document_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]
) -> StreamingResponse:
    """The original of the version that answers questions, as a download."""
    found = _current_version(caller, caller.permit(), document_id)
    headers = {
        # Never inline: an uploaded page must not run as a page of ours.
        "Content-Disposition": _attachment(found.filename),
        "Content-Length": str(found.size),
        "X-Content-Type-Options": "nosniff",
    }
    pieces: Iterator[bytes] = caller.services.rag.blobs.stream(found.content_hash)
    return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)


def _attachment(filename: str) -> str:
    """RFC 6266: the name as it is, and for old clients without what is not plain ASCII."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename)}"


def _current_version(caller: Caller, permit: Permit, document_id: UUID) -> DocumentVersion:
    with caller.services.rag.database.read() as session:
        row = document.get_permitted(session, permit, document_id)
        if row.current_version_id is None:
            raise DocumentNotFound(name=str(document_id))
        return version.by_ids(session, [row.current_version_id])[0]


@router.delete("/documents/{document_id}", status_code=202)
def delete_document(
    document_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.DELETE_DOCUMENTS))]
) -> DeletionReceipt:
    """Delete a document with all versions, and what lies in it: gone for every reader at once, from index, chunks and
    blobs soon after."""
    row, versions = caller.services.ingest.intake.delete(caller.permit(), document_id)
    if row.deleted_at is None:
        raise SeogoError
    return DeletionReceipt(document_id=row.id, source_key=row.source_key, versions=versions, deleted_at=row.deleted_at)
