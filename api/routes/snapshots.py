"""Snapshots of web pages: the client brings the page, its address and when it was fetched."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from api.deps import PROBLEMS, Caller, guarded
from api.routes.documents import upload_out
from api.schemas.documents import UploadOut
from api.schemas.snapshots import SnapshotIn
from ingest.connectors.snapshot import received_snapshot
from ingest.jobs.intake import Refused
from ingest.pipeline.records import clean_source_key
from rag.access.policy import Action
from rag.domain.filters import checked_attributes

router = APIRouter(tags=["documents"], responses=PROBLEMS)


@router.post("/collections/{name}/snapshots", status_code=202)
def upload_snapshot(
    name: str, body: SnapshotIn, caller: Annotated[Caller, Depends(guarded(Action.UPLOAD_DOCUMENTS))]
) -> UploadOut:
    """Upload a web page. The same address again is a new version; citations show address and date."""
    permit = caller.permit([name])
    attributes = None if body.attributes is None else checked_attributes(body.attributes)
    services = caller.services
    received = received_snapshot(
        services.rag.blobs,
        body.url,
        body.html,
        body.fetched_at,
        limit=services.ingest.settings.max_upload_mb << 20,
        clean=clean_source_key,
        attributes=attributes,
        access=None if body.access is None else body.access.to_domain(),
    )
    [taken] = services.ingest.intake.take(permit, [received])
    if isinstance(taken, Refused):
        raise taken.error
    caller.audit.saw([taken.document_id])
    return upload_out(taken, caller.language)
