"""The audit trail of the caller's tenant: its entries, and whether it is whole. Asking for it is an entry itself."""

from __future__ import annotations

import logging
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.audit import AuditEventOut, AuditPage, VerificationOut
from api.schemas.common import Instant
from rag.access.audit_anchors import anchors_in
from rag.access.audit_verification import Verification, told_meanwhile, verify
from rag.access.policy import Action
from rag.domain.errors import AnchorsUnreadable, ConfigurationError
from rag.domain.messages import localized
from rag.store import audit_event
from rag.store.audit_event import Wanted

log = logging.getLogger(__name__)
router = APIRouter(prefix="/audit", tags=["audit"], responses=PROBLEMS)


@router.get("/events")
def list_events(
    caller: Annotated[Caller, Depends(guarded(Action.READ_AUDIT))],
    who: Annotated[str, Query(max_length=200, description="id of a principal or credential, or part of a name")] = "",
    kind: Annotated[
        list[str] | None, Query(max_length=80, description="kinds, or groups of them such as `document`")
    ] = None,
    document: Annotated[UUID | None, Query(description="entries that name this document")] = None,
    since: Annotated[Instant | None, Query()] = None,
    until: Annotated[Instant | None, Query(description="this instant is not in it")] = None,
    cursor: Annotated[
        int | None, Query(ge=1, le=2**53, description="number of the last entry of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AuditPage:
    """Entries of the tenant, the newest first. Not for a key that is limited to some collections."""
    caller.require_whole_tenant()
    kinds = tuple(item.replace("\0", "") for item in kind or ())
    wanted = Wanted(who.replace("\0", ""), kinds, document, since, until)
    tenant_id = caller.permit().tenant_id
    with caller.services.rag.database.read() as session:
        rows = audit_event.newest(session, tenant_id, wanted, before=cursor, limit=limit + 1)
        shown = [AuditEventOut.of(row) for row in rows[:limit]]
    return AuditPage(events=shown, next_cursor=shown[-1].seq if len(rows) > limit else None)


@router.get("/verification")
def verify_trail(caller: Annotated[Caller, Depends(guarded(Action.READ_AUDIT))]) -> VerificationOut:
    """Whether the tenant's chain is whole from its beginning to its end, as it was within the minute before. One looks at a
    time. Not for a key that is limited to some collections."""
    caller.require_whole_tenant()
    rag, tenant_id = caller.services.rag, caller.permit().tenant_id

    def look() -> Verification:
        path, key, older_keys = rag.settings.audit.anchor_file, rag.audit.seal_key, rag.audit.older_keys
        told, all_told = anchors_in(path), path is not None
        with rag.database.snapshot() as session:
            found = verify(session, tenant_id, key=key, older_keys=older_keys, anchors=told, all_told=all_told)
        return told_meanwhile(found, path)

    try:
        return VerificationOut.of(rag.audit.looks.of(tenant_id, look))
    except ConfigurationError as error:  # it names the file, and who administers a tenant may not run the service
        log.error("%s", localized(error, "en"))
        raise AnchorsUnreadable from None
