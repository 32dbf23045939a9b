"""Documents: upload, list, look at, fetch, delete."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import anyio
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.deps import PROBLEMS, Caller, guarded
from api.document_view import documents_out, one_document, receipts_out
from api.download import download
from api.schemas.documents import (
    DocumentChange,
    DocumentOut,
    DocumentPage,
    DocumentStatus,
    Failure,
    ReviewIn,
    StatusIn,
    UploadOut,
    UploadResult,
    VersionList,
    VersionOut,
)
from api.schemas.filters import FilterIn
from api.schemas.privacy import ReleaseIn
from api.schemas.receipts import ReceiptOut
from api.uploading import receive
from ingest.jobs.intake import Refused
from ingest.pipeline.fault_points import reached
from ingest.pipeline.records import Accepted
from rag.access.personal_data.reading import DocumentPrivacy, named_as_wanted, require_original
from rag.access.policy import Action
from rag.domain.access import GivenRule
from rag.domain.errors import DocumentNotFound, InvalidRequest
from rag.domain.filters import DocumentFilter
from rag.domain.messages import UiLanguage, localized
from rag.domain.principal import Permit
from rag.domain.refused_values import refused_values
from rag.store import connector, document, document_pages, review, version
from rag.store.document import Document
from rag.store.version import UNFINISHED, DocumentVersion, Priority, VersionState

router = APIRouter(tags=["documents"], responses=PROBLEMS)

_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "The files, each a part of this name with a file name. A file in a part of another "
                            "name is refused.",
                        },
                        "attributes": {
                            "type": "string",
                            "description": "JSON object of custom attributes for every file of the request: at most 16, "
                            "names of a-z, 0-9 and _ (1 to 40), values texts (up to 200 characters), numbers or dates "
                            "(YYYY-MM-DD). Replaces those that a document has; without it they stay.",
                            "examples": ['{"dept": "인사", "year": 2024}'],
                        },
                        "file_attributes": {
                            "type": "string",
                            "description": "JSON object by file name: attributes of that file, over the common ones",
                            "examples": ['{"취업규칙.docx": {"effective": "2024-03-01"}}'],
                        },
                        "access": {
                            "type": "string",
                            "description": "JSON object: who may read every file of the request. `allow` and `deny` are lists of "
                            "`user:` or `group:` with a name or id, `attribute:name=value`, `everyone`; `label` is C, S or O. "
                            "The uploader is always among a list of readers. Without it a document keeps the rule it has.",
                            "examples": ['{"allow": ["group:인사팀"], "label": "S"}'],
                        },
                        "file_access": {
                            "type": "string",
                            "description": "JSON object by file name: the rule of that file, in place of the common one",
                            "examples": ['{"급여.xlsx": {"allow": ["user:hong"]}}'],
                        },
                    },
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
    priority: Annotated[
        Literal["interactive", "bulk"] | None,
        Query(description="lane of the ingestion; by default interactive for at most 10 files of 20 MB together"),
    ] = None,
    source: Annotated[
        UUID | None,
        Query(description="the source of this collection that they are from: new ones get its default rule"),
    ] = None,
) -> UploadResult:
    """Upload one file or many (parts named `files`). The answer comes when all are stored; ingestion goes on."""
    ruled: list[GivenRule] = []

    def permitted(caller: Caller) -> Permit:
        permit = caller.permit([name])
        rule = None if source is None else _default_rule(caller, permit, source)
        ruled[:] = [] if rule is None else [rule]
        return permit

    await anyio.to_thread.run_sync(permitted, caller)  # whoever may not is refused before the body is taken
    permit, files, _ = await receive(request, caller, permitted)
    for rule in ruled:
        files = [item.ruled_by(rule) for item in files]
    reached("upload.received", name)
    lane = None if priority is None else Priority[priority.upper()]
    taken = await anyio.to_thread.run_sync(caller.services.ingest.intake.take, permit, files, lane)
    if len(taken) == 1 and isinstance(taken[0], Refused):
        raise taken[0].error
    if all(isinstance(item, Refused) for item in taken):
        response.status_code = 422
    caller.audit.saw(item.document_id for item in taken if not isinstance(item, Refused))
    return UploadResult(documents=[upload_out(item, caller.language) for item in taken])


def _default_rule(caller: Caller, permit: Permit, source_id: UUID) -> GivenRule | None:
    with caller.services.rag.database.read() as session:
        stored = connector.get_permitted(session, permit, source_id).access
    return None if stored is None else GivenRule.from_json(stored)


def upload_out(item: Accepted | Refused, language: UiLanguage) -> UploadOut:
    """What became of one file, as JSON."""
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
    filter: Annotated[
        str | None,
        Query(max_length=20_000, description="JSON, the same filter as at a search; media types of the newest"),
    ] = None,
    parent: Annotated[UUID | None, Query(description="only the files inside this document")] = None,
    flagged: Annotated[bool | None, Query(description="only those that wait for a curator, or only the others")] = None,
) -> DocumentPage:
    """Documents of a collection by source key, with the state of their newest version."""
    permit = caller.permit([name], where=_filter_of(filter))
    with caller.services.rag.database.read() as session:
        if parent is not None:
            document.get_permitted(session, permit, parent)
        rows = document_pages.page_permitted(
            session, permit, after=_after(session, permit, cursor), limit=limit + 1, parent=parent, flagged=flagged
        )
        named = {row.id for row in named_as_wanted(session, permit, [row for row, _ in rows[:limit]])}
        kept = [item for item in rows[:limit] if item[0].id in named]
        shown = documents_out(session, permit, kept, caller.language)
    caller.audit.listed((row.collection_id, row.id) for row, _ in kept)
    return DocumentPage(documents=shown, next_cursor=str(rows[limit - 1][0].id) if len(rows) > limit else None)


def _after(session: Session, permit: Permit, cursor: str | None) -> str | None:
    """The key that a page goes on after. A cursor is the id of a document: its key may hold what the caller may not see."""
    if cursor is None:
        return None
    try:
        return document.key_covered(session, permit, UUID(cursor))
    except ValueError:
        raise InvalidRequest(
            detail="cursor", detail_ko="cursor: 목록이 알려 준 값이 아닙니다. 첫 쪽부터 다시 요청하세요"
        ) from None


@router.post("/documents/status")
def document_status(
    body: StatusIn, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]
) -> DocumentStatus:
    """State of several documents in one request; those that the key may not see are left out."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        rows = document.with_versions(session, permit, body.ids)
        caller.audit.listed((row.collection_id, None if _on_its_way(row, newest) else row.id) for row, newest in rows)
        return DocumentStatus(documents=documents_out(session, permit, rows, caller.language))


def _on_its_way(row: Document, newest: DocumentVersion | None) -> bool:
    """Whether nothing of it was ever searched and it is still being worked on. Whoever waits for that asks several times a second
    with ids that an upload gave; on the trail such documents are counted, and named once that has ended."""
    return row.current_version_id is None and newest is not None and newest.state in UNFINISHED


def _filter_of(given: str | None) -> DocumentFilter | None:
    if given is None:
        return None
    try:
        return FilterIn.model_validate_json(given).to_domain()
    except ValidationError as error:
        raise InvalidRequest(**refused_values(error.errors(), "filter")) from error


@router.get("/documents/{document_id}")
def get_document(document_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]) -> DocumentOut:
    """One document, with state and progress of its newest version."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        return one_document(session, permit, document_id, caller.language)


@router.patch("/documents/{document_id}")
def change_document(
    document_id: UUID, body: DocumentChange, caller: Annotated[Caller, Depends(guarded(Action.CHANGE_DOCUMENTS))]
) -> DocumentOut:
    """Change the custom attributes of a document: those named are set, or removed with `null`; the others stay."""
    permit = caller.permit()
    caller.services.ingest.intake.change_attributes(permit, document_id, body.changes())
    with caller.services.rag.database.read() as session:
        return one_document(session, permit, document_id, caller.language)


@router.post("/documents/{document_id}/review")
def review_document(
    document_id: UUID, body: ReviewIn, caller: Annotated[Caller, Depends(guarded(Action.REVIEW_DOCUMENTS))]
) -> DocumentOut:
    """Clear the flags of a document, with the reason; nothing changes where it has none."""
    permit = caller.permit()
    with caller.services.rag.database.write() as session:
        review.clear(session, permit, document_id, body.reason)
    with caller.services.rag.database.read() as session:
        return one_document(session, permit, document_id, caller.language)


@router.get("/documents/{document_id}/versions")
def list_versions(document_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]) -> VersionList:
    """Every version that is kept of a document, the newest first, and when each answered questions."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        row = document.get_permitted(session, permit, document_id)
        kept = [item for item in version.of_document(session, row.id) if item.state != VersionState.DELETED]
        shown = DocumentPrivacy.of(session, permit, [row]).names_of(row)
    return VersionList(versions=[VersionOut.of(item, caller.language, shown) for item in kept])


@router.get("/documents/{document_id}/content", response_class=StreamingResponse)
def get_content(
    document_id: UUID, request: Request, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]
) -> StreamingResponse:
    """The original of the version that answers questions, as a download; of `Range`, one range of bytes is served."""
    found, name = _current_version(caller, caller.permit(), document_id)
    # Never inline: an uploaded page must not run as a page of ours.
    return download(request, caller.services.rag.blobs, found.content_hash, found.size, name)


def _current_version(caller: Caller, permit: Permit, document_id: UUID) -> tuple[DocumentVersion, str]:
    """The version that answers, and its file's name as the caller may see it."""
    with caller.services.rag.database.read() as session:
        row = document.get_permitted(session, permit, document_id)
        if row.current_version_id is None:
            raise DocumentNotFound(name=str(document_id))
        found = version.by_ids(session, [row.current_version_id])[0]
        require_original(session, permit, found)
        return found, DocumentPrivacy.of(session, permit, [row]).names_of(row)(found.filename)


@router.post("/documents/{document_id}/release", status_code=202)
def release_document(
    document_id: UUID, body: ReleaseIn, caller: Annotated[Caller, Depends(guarded(Action.MANAGE_ACCESS))]
) -> DocumentOut:
    """Let a document be searched that is held back for personal data or secrets; the reason stays on record."""
    permit = caller.permit()
    caller.services.ingest.intake.release(permit, document_id, body.reason)
    with caller.services.rag.database.read() as session:
        return one_document(session, permit, document_id, caller.language)


@router.delete("/documents/{document_id}", status_code=202)
def delete_document(
    document_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.DELETE_DOCUMENTS))]
) -> ReceiptOut:
    """Delete a document with all versions, and what lies in it: gone for every reader at once, from index, chunks and
    blobs soon after."""
    permit = caller.permit()
    deleted = caller.services.ingest.intake.delete(permit, document_id)
    with caller.services.rag.database.read() as session:
        return receipts_out(session, permit, [deleted], caller.language)[0]
