"""`/v1/files`: files that clients keep here before they belong to a vector store, and every document that the key may see."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import reduce
from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from api.deps import Caller, guarded
from api.download import download
from api.openai.file_schemas import Order, refuse_expiry
from api.openai.ids import FILE, read_id, shown
from api.openai.pages import page
from api.uploading import receive
from ingest.connectors.upload import Received
from ingest.jobs.client_files import ClientFiles
from rag.access.personal_data.reading import DocumentPrivacy, require_original
from rag.access.policy import Action
from rag.domain.errors import DocumentNotFound, InvalidRequest, NotYoursToOpen, SeogoError
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
    # Clients send what newer versions of the protocol know.
    permit, received, fields = await receive(request, caller, lambda now: now.permit(), _FIELDS, b"file", others=True)
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
    return file_out(kept, (), kept.filename)


def _checked(received: Sequence[Received], fields: dict[str, str]) -> list[Received]:
    if len(received) != 1:
        raise InvalidRequest(detail="file: one file per request", detail_ko="file: 한 요청에 파일 하나를 보내세요")
    if fields.get("purpose", "").strip() not in PURPOSES:
        raise InvalidRequest(
            detail=f"purpose: one of {', '.join(PURPOSES)}",
            detail_ko=f"purpose: {', '.join(PURPOSES)} 가운데 하나여야 합니다",
        )
    if len(received[0].name.encode()) > _MAX_NAME_BYTES:
        raise InvalidRequest(
            detail=f"file: a name of more than {_MAX_NAME_BYTES} bytes",
            detail_ko=f"file: 이름이 {_MAX_NAME_BYTES}바이트를 넘습니다",
        )
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
        masks = _masks(session, permit, rows)
        documents = client_file.documents_of(session, rows[:limit])
        caller.audit.listed((row.collection_id, row.id) for found in documents.values() for row in found)
    return page([file_out(row, states.get(row.id, ()), masks[row.id](row.filename)) for row in rows], limit)


@router.get("/files/{file_id}")
def get_file(file_id: str, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]) -> dict[str, Any]:
    """One file."""
    permit = caller.permit()
    row = known_file(caller, permit, file_id)
    with caller.services.rag.database.read() as session:
        states = client_file.states_of(session, permit, [row]).get(row.id, ())
        return file_out(row, states, _masks(session, permit, [row])[row.id](row.filename))


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
    with caller.services.rag.database.read() as session:
        mask = _masks(session, permit, [row])[row.id]
        if row.document_id is None:
            _require_originals(session, permit, row)
        else:
            current = session.get_one(Document, row.document_id).current_version_id
            if current is None:
                raise DocumentNotFound(name=file_id)
            [answering] = versions_table.by_ids(session, [current])
            require_original(session, permit, answering)
            name, content_hash, size = answering.filename, answering.content_hash, answering.size
    # Never inline: an uploaded page must not run as a page of ours.
    return download(request, caller.services.rag.blobs, content_hash, size, mask(name))


def _require_originals(session: Session, permit: Permit, file: KnownFile) -> None:
    """`require_original` for every document that the file is, or was: of its newest version, and of those with its content."""
    for row in client_file.documents_of(session, [file])[file.id]:
        for item in versions_table.of_document(session, row.id):
            if item.id == row.latest_version_id or item.content_hash == file.content_hash:
                require_original(session, permit, item)


def _masks(session: Session, permit: Permit, files: Sequence[KnownFile]) -> dict[UUID, Callable[[str], str]]:
    """Per file: hides what its name says of persons, where the principal may not see that in the documents that it is."""
    documents = client_file.documents_of(session, files)
    privacy = DocumentPrivacy.of(session, permit, [row for rows in documents.values() for row in rows])

    def mask_of(rows: Sequence[Document]) -> Callable[[str], str]:
        return lambda name: reduce(lambda shown, row: privacy.names_of(row)(shown), rows, name)

    return {file.id: mask_of(documents[file.id]) for file in files}


def placeable_file(caller: Caller, permit: Permit, file_id: str, collection_id: UUID | None) -> KnownFile:
    """The file with this id, to be put into a collection (None: one that is yet to be made).

    Raises:
        DocumentNotFound: the permit does not cover it.
        PersonalDataHidden: its original is not the caller's to read, so neither is a copy.
        NotYoursToOpen: a rule of what it is would not hold in there.
    """
    found = known_file(caller, permit, file_id)
    with caller.services.rag.database.read() as session:
        _require_originals(session, permit, found)
        if client_file.loses_rules(session, found, collection_id):
            raise NotYoursToOpen(name=file_id)
    return found


def known_file(caller: Caller, permit: Permit, file_id: str) -> KnownFile:
    """The file with this id.

    Raises:
        DocumentNotFound: the permit does not cover it.
    """
    with caller.services.rag.database.read() as session:
        found = client_file.get_permitted(session, permit, read_id(FILE, file_id), file_id)
        caller.audit.saw(row.id for row in client_file.documents_of(session, [found])[found.id])
    return found


def file_out(row: KnownFile, states: Collection[str], name: str) -> dict[str, Any]:
    """A `file`. `name`: as the caller may see it."""
    return {
        "id": shown(FILE, row.id),
        "object": "file",
        "bytes": row.size,
        "created_at": int(row.created_at.timestamp()),
        "filename": name,
        "purpose": row.purpose,
        "status": _status(states),
        "expires_at": None,
    }


def _status(states: Collection[str]) -> str:
    if not states or any(state in UNFINISHED for state in states):
        return "uploaded"
    return "error" if all(state in RETRYABLE for state in states) else "processed"
