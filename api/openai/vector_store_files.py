"""`/v1/vector_stores/{id}/files` and `/file_batches`: documents of a collection, put in by the ids of files."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.orm import Session

from api.deps import Caller, guarded
from api.openai.attribute_filters import attributes_of
from api.openai.file_schemas import BatchIn, Order, StoreFileChange, StoreFileIn, refuse_chunking
from api.openai.files import files_of, placeable_file
from api.openai.ids import BATCH, FILE, STORE, permit_for_store, read_id, shown
from api.openai.pages import page
from api.openai.store_files import STATES, counted, counts_out, error_out, files_out, one_file, poll_again
from ingest.jobs.client_files import Wanted
from rag.access.personal_data.reading import version_masked
from rag.access.policy import Action
from rag.domain.errors import error_type_of
from rag.domain.principal import Permit
from rag.store import attribute, client_file
from rag.store.client_file import Cursor, FileBatch
from rag.store.document import Document
from rag.store.version import DocumentVersion

router = APIRouter(prefix="/vector_stores/{store_id}", tags=["openai"])

Status = Literal["in_progress", "completed", "failed", "cancelled"]
Id = Annotated[str | None, Query(max_length=100)]
Limit = Annotated[int, Query(ge=1, le=100)]
Upload = Annotated[Caller, Depends(guarded(Action.UPLOAD_DOCUMENTS))]
Read = Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]


@router.post("/files")
def add_file(store_id: str, body: StoreFileIn, response: Response, caller: Upload) -> dict[str, Any]:
    """Put a file into the vector store; again, it only gets other attributes. A second file of one name gets a number."""
    permit = permit_for_store(caller, store_id)
    refuse_chunking(body.chunking_strategy)
    wanted = _wanted(caller, caller.permit(), body, permit)
    [placed] = files_of(caller).place(permit, [wanted])
    if placed.document_id is None:
        raise error_type_of(placed.error)(name=body.file_id)
    # What came in by another door is known by its document, and here that is another one.
    identity = placed.file_id if wanted.file.document_id is None else placed.document_id
    found = one_file(caller, permit, identity, body.file_id)
    poll_again(response, found["status"])
    return found


def _wanted(caller: Caller, readable: Permit, body: StoreFileIn, store: Permit) -> Wanted:
    """`readable`: where the caller may take files from; `store`: where they are put."""
    (collection_id,) = store.collections
    return Wanted(placeable_file(caller, readable, body.file_id, collection_id), attributes_of(body.attributes))


@router.get("/files")
def list_files(
    store_id: str,
    caller: Read,
    after: Id = None,
    before: Id = None,
    limit: Limit = 20,
    order: Order = "desc",
    filter: Annotated[Status | None, Query()] = None,
) -> dict[str, Any]:
    """The files of the vector store, those inside mails and archives included."""
    permit = permit_for_store(caller, store_id)
    with caller.services.rag.database.read() as session:
        return _files_page(session, permit, caller, (after, before, limit, order), filter, None)


def _files_page(
    session: Session,
    permit: Permit,
    caller: Caller,
    wanted: tuple[str | None, str | None, int, Order],
    status: Status | None,
    ids: list[UUID] | None,
) -> dict[str, Any]:
    after, before, limit, order = wanted
    rows = client_file.documents_page(
        session,
        permit,
        after=_cursor(session, permit, after),
        before=_cursor(session, permit, before),
        limit=limit + 1,
        order=order,
        states=STATES[status] if status else None,
        ids=ids,
    )
    backwards = before is not None and after is None
    caller.audit.listed((row.collection_id, row.id) for row, _, _ in (rows[-limit:] if backwards else rows[:limit]))
    return page(files_out(session, permit, rows, caller.language), limit, backwards=backwards)


def _cursor(session: Session, permit: Permit, given: str | None) -> Cursor | None:
    if given is None:
        return None
    row, _, _ = client_file.document_of(session, permit, read_id(FILE, given), given)
    return Cursor(row.created_at, row.id)


@router.get("/files/{file_id}")
def get_file(store_id: str, file_id: str, response: Response, caller: Read) -> dict[str, Any]:
    """One file of the vector store, with the state of its ingestion."""
    found = one_file(caller, permit_for_store(caller, store_id), read_id(FILE, file_id), file_id)
    poll_again(response, found["status"])
    return found


@router.post("/files/{file_id}")
def change_file(
    store_id: str,
    file_id: str,
    body: StoreFileChange,
    caller: Annotated[Caller, Depends(guarded(Action.CHANGE_DOCUMENTS))],
) -> dict[str, Any]:
    """Give a file these attributes in place of those that it has."""
    permit = permit_for_store(caller, store_id)
    wanted = attributes_of(body.attributes) or {}
    identity = read_id(FILE, file_id)
    with caller.services.rag.database.read() as session:
        row, _, _ = client_file.document_of(session, permit, identity, file_id)
        caller.audit.saw([row.id])
        gone = attribute.of_documents(session, [row.id]).get(row.id, {}).keys() - wanted.keys()
    changes = {**dict.fromkeys(gone), **wanted}
    if changes:
        caller.services.ingest.intake.change_attributes(permit, row.id, changes)
    return one_file(caller, permit, identity, file_id)


@router.delete("/files/{file_id}")
def remove_file(
    store_id: str, file_id: str, caller: Annotated[Caller, Depends(guarded(Action.DELETE_DOCUMENTS))]
) -> dict[str, Any]:
    """Take a file out of the vector store: its document is deleted. What a client uploaded stays until it is deleted itself."""
    permit = permit_for_store(caller, store_id)
    with caller.services.rag.database.read() as session:
        row, _, _ = client_file.document_of(session, permit, read_id(FILE, file_id), file_id)
        caller.audit.saw([row.id])
    caller.services.ingest.intake.delete(permit, row.id)
    return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}


@router.get("/files/{file_id}/content")
def get_content(store_id: str, file_id: str, caller: Read) -> dict[str, Any]:
    """The text that was read from the file, piece by piece; nothing while no version of it answers questions."""
    permit = permit_for_store(caller, store_id)
    with caller.services.rag.database.read() as session:
        row, _, _ = client_file.document_of(session, permit, read_id(FILE, file_id), file_id)
        caller.audit.saw([row.id])
        answering = row.current_version_id
        pieces = [] if answering is None else version_masked(session, permit, row.collection_id, answering)
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": piece.text} for piece in pieces],
        "has_more": False,
        "next_page": None,
    }


@router.post("/file_batches")
def create_batch(store_id: str, body: BatchIn, response: Response, caller: Upload) -> dict[str, Any]:
    """Put up to 2,000 files into the vector store together."""
    permit = permit_for_store(caller, store_id)
    readable = caller.permit()
    wanted = [_wanted(caller, readable, item, permit) for item in body.wanted()]
    return _batch(caller, permit, files_of(caller).place_batch(permit, wanted), response)


@router.get("/file_batches/{batch_id}")
def get_batch(store_id: str, batch_id: str, response: Response, caller: Read) -> dict[str, Any]:
    """How far a batch is. A file that was deleted meanwhile counts no longer."""
    permit = permit_for_store(caller, store_id)
    return _batch(caller, permit, _known_batch(caller, permit, batch_id), response)


@router.post("/file_batches/{batch_id}/cancel")
def cancel_batch(store_id: str, batch_id: str, response: Response, caller: Upload) -> dict[str, Any]:
    """Stop what has not ended of a batch; what has stays."""
    permit = permit_for_store(caller, store_id)
    batch = _known_batch(caller, permit, batch_id)
    with caller.services.rag.database.read() as session:
        rows = _documents(session, permit, batch, STATES["in_progress"])
    files_of(caller).cancel(permit, [row.id for row, _, _ in rows], batch.id)
    return _batch(caller, permit, _known_batch(caller, permit, batch_id), response)


@router.get("/file_batches/{batch_id}/files")
def list_batch_files(
    store_id: str,
    batch_id: str,
    caller: Read,
    after: Id = None,
    before: Id = None,
    limit: Limit = 20,
    order: Order = "desc",
    filter: Annotated[Status | None, Query()] = None,
) -> dict[str, Any]:
    """The files of a batch. Those that were refused stand on the first page, as failed."""
    permit = permit_for_store(caller, store_id)
    batch = _known_batch(caller, permit, batch_id)
    with caller.services.rag.database.read() as session:
        found = _files_page(session, permit, caller, (after, before, limit, order), filter, _ids(batch))
    if after is None and before is None and filter in (None, "failed"):
        found["data"] = [*_refused(caller, batch), *found["data"]]
    return found


def _known_batch(caller: Caller, permit: Permit, batch_id: str) -> FileBatch:
    with caller.services.rag.database.read() as session:
        return client_file.batch_permitted(session, permit, read_id(BATCH, batch_id), batch_id)


def _ids(batch: FileBatch) -> list[UUID]:
    return [UUID(item["document"]) for item in batch.entries if "document" in item]


def _documents(
    session: Session, permit: Permit, batch: FileBatch, states: tuple[str, ...] | None = None
) -> list[tuple[Document, DocumentVersion, UUID]]:
    ids = _ids(batch)
    return client_file.documents_page(
        session, permit, after=None, before=None, limit=len(ids), order="asc", states=states, ids=ids
    )


def _refused(caller: Caller, batch: FileBatch) -> list[dict[str, Any]]:
    created = int(batch.created_at.timestamp())
    return [
        {
            "id": shown(FILE, UUID(item["file"])),
            "object": "vector_store.file",
            "created_at": created,
            "vector_store_id": shown(STORE, batch.collection_id),
            "usage_bytes": 0,
            "status": "failed",
            "last_error": error_out(item["error"], {}, caller.language),
            "attributes": {},
            "chunking_strategy": {"type": "other"},
        }
        for item in batch.entries
        if "error" in item
    ]


def _batch(caller: Caller, permit: Permit, batch: FileBatch, response: Response) -> dict[str, Any]:
    with caller.services.rag.database.read() as session:
        counts = counted((newest.state, 1) for _, newest, _ in _documents(session, permit, batch))
    counts["failed"] = counts.get("failed", 0) + sum("error" in item for item in batch.entries)
    status = _status(counts, batch)
    poll_again(response, status)
    return {
        "id": shown(BATCH, batch.id),
        "object": "vector_store.files_batch",
        "created_at": int(batch.created_at.timestamp()),
        "vector_store_id": shown(STORE, batch.collection_id),
        "status": status,
        "file_counts": counts_out(counts),
    }


def _status(counts: dict[str, int], batch: FileBatch) -> str:
    if counts.get("in_progress"):
        return "in_progress"
    if batch.cancelled_at is not None:
        return "cancelled"
    return "failed" if counts["failed"] and not counts.get("completed") else "completed"
