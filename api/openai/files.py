"""`/v1/files`: files that clients keep here before they belong to a vector store, and every document that the key may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from api.deps import Caller, guarded
from api.download import download
from api.openai.file_schemas import Order, refuse_expiry
from api.openai.ids import FILE, read_id, shown
from api.openai.pages import page
from api.uploading import receive
from ingest.connectors.upload import Received
from ingest.jobs.client_files import ClientFiles
from rag.access.personal_data.reading import require_original
from rag.access.policy import Action
from rag.domain.errors import DocumentNotFound, InvalidRequest, SeogoError
from rag.domain.principal import Permit
from rag.store import client_file
from rag.store import version as versions_table
from rag.store.client_file import Cursor, KnownFile
from rag.store.document import Document
from rag.store.version import RETRYABLE, UNFINISHED

router = APIRouter(tags=["openai"])

PURPOSES = ("assistants", "user_data")
"""Purposes of files that are to be searched; fine-tuning, batches of requests and evaluations are not done here."""
_MAX_NAME_BYTES = 1000
_FIELDS = (b"purpose", b"expires_after", b"expires_after[anchor]", b"expires_after[seconds]")
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(PURPOSES)},
                    },
                }
            }
        },
    }
}


def files_of(caller: Caller) -> ClientFiles:
    """Clients' files of this process."""
    rag, ingest = caller.services.rag, caller.services.ingest
    return ClientFiles(rag.database, rag.blobs, ingest.intake)


@router.post("/files", openapi_extra=_BODY)
async def create_file(
    request: Request, caller: Annotated[Caller, Depends(guarded(Action.UPLOAD_DOCUMENTS))]
) -> dict[str, Any]:
    """Keep a file. It is searched once it is put into a vector store; whether it can be read shows there."""
    permit = await anyio.to_thread.run_sync(caller.permit)
    received, fields = await receive(request, caller, _FIELDS)
    try:
        [item] = _checked(received, fields)
        if item.blob is None:
            raise item.error or SeogoError()
        kept = await anyio.to_thread.run_sync(
            files_of(caller).keep, permit, item.name, item.blob, fields.get("purpose", "").strip()
        )
    except BaseException:
        blobs = [item.blob for item in received if item.blob is not None]
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(caller.services.ingest.intake.discard, blobs)
        raise
    return file_out(kept, ())


def _checked(received: Sequence[Received], fields: dict[str, str]) -> list[Received]:
    if len(received) != 1:
        raise InvalidRequest(detail="file: one file per request")
    if fields.get("purpose", "").strip() not in PURPOSES:
        raise InvalidRequest(detail=f"purpose: one of {', '.join(PURPOSES)}")
    if len(received[0].name.encode()) > _MAX_NAME_BYTES:
        raise InvalidRequest(detail=f"file: a name of more than {_MAX_NAME_BYTES} bytes")
    refuse_expiry(next((name for name in fields if name.startswith("expires_after")), None))
    return list(received)


@router.get("/files")
def list_files(
    caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))],
    after: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Order = "desc",
    purpose: Annotated[str | None, Query(max_length=100)] = None,
) -> dict[str, Any]:
    """Files that the key may see: what it uploaded itself, and what is in its collections."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        cursor = None
        if after is not None:
            start = client_file.get_permitted(session, permit, read_id(FILE, after), after)
            cursor = Cursor(start.created_at, start.id)
        rows = client_file.page_permitted(session, permit, after=cursor, limit=limit + 1, order=order, purpose=purpose)
        states = client_file.states_of(session, permit, rows)
    return page([file_out(row, states.get(row.id, ())) for row in rows], limit)


@router.get("/files/{file_id}")
def get_file(file_id: str, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]) -> dict[str, Any]:
    """One file."""
    permit = caller.permit()
    row = known_file(caller, permit, file_id)
    with caller.services.rag.database.read() as session:
        return file_out(row, client_file.states_of(session, permit, [row]).get(row.id, ()))


@router.delete("/files/{file_id}")
def delete_file(file_id: str, caller: Annotated[Caller, Depends(guarded(Action.DELETE_DOCUMENTS))]) -> dict[str, Any]:
    """Delete a file, and what it is in the vector stores that the key may see."""
    permit = caller.permit()
    files_of(caller).delete(permit, known_file(caller, permit, file_id))
    return {"id": file_id, "object": "file", "deleted": True}


@router.get("/files/{file_id}/content", response_class=StreamingResponse)
def get_file_content(
    file_id: str, request: Request, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]
) -> StreamingResponse:
    """The original, as a download."""
    permit = caller.permit()
    row = known_file(caller, permit, file_id)
    name, content_hash, size = row.filename, row.content_hash, row.size
    if row.document_id is not None:
        with caller.services.rag.database.read() as session:
            current = session.get_one(Document, row.document_id).current_version_id
            if current is None:
                raise DocumentNotFound(name=file_id)
            [answering] = versions_table.by_ids(session, [current])
            require_original(session, permit, answering)
            name, content_hash, size = answering.filename, answering.content_hash, answering.size
    # Never inline: an uploaded page must not run as a page of ours.
    return download(request, caller.services.rag.blobs, content_hash, size, name)


def known_file(caller: Caller, permit: Permit, file_id: str) -> KnownFile:
    """The file with this id.

    Raises:
        DocumentNotFound: the permit does not cover it.
    """
    with caller.services.rag.database.read() as session:
        found = client_file.get_permitted(session, permit, read_id(FILE, file_id), file_id)
    caller.audit.saw([found.document_id])
    return found


def file_out(row: KnownFile, states: Collection[str]) -> dict[str, Any]:
    """A `file`."""
    return {
        "id": shown(FILE, row.id),
        "object": "file",
        "bytes": row.size,
        "created_at": int(row.created_at.timestamp()),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": _status(states),
        "expires_at": None,
    }


def _status(states: Collection[str]) -> str:
    if not states or any(state in UNFINISHED for state in states):
        return "uploaded"
    return "error" if all(state in RETRYABLE for state in states) else "processed"
