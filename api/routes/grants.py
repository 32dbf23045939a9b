"""Roles: granted and taken back by administrators, of the tenant or of single collections."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.grants import GrantIn, GrantList, GrantOut
from rag.access.grants import Grants
from rag.access.policy import Action
from rag.domain.access import Subject
from rag.domain.audit import AuditKind

router = APIRouter(prefix="/grants", tags=["people"], responses=PROBLEMS)
Administrator = Annotated[Caller, Depends(guarded(Action.MANAGE_ROLES))]


@router.get("")
def list_grants(caller: Administrator) -> GrantList:
    """The grants on collections that one administers, and, of an administrator of the tenant, all."""
    rows = Grants(caller.services.rag.database).list(caller.principal, caller.principal.tenant_id)
    return GrantList(grants=[GrantOut.of(row) for row in rows])


@router.post("", status_code=201)
def add_grant(body: GrantIn, caller: Administrator) -> GrantOut:
    """Grant a role on a collection, or in the whole tenant. It counts from the next request on."""
    collection_id = None if body.collection is None else next(iter(caller.permit([body.collection]).collections))
    subject = Subject.parse(body.subject)
    said = {"subject": subject.text, "role": body.role.value, "collection": collection_id and str(collection_id)}
    caller.audit.did(AuditKind.ROLE_GRANTED, **said)
    row = Grants(caller.services.rag.database).add(
        caller.principal, caller.principal.tenant_id, subject, body.role, collection_id
    )
    return GrantOut.of(row)


@router.delete("/{grant_id}", status_code=204)
def remove_grant(grant_id: UUID, caller: Administrator) -> None:
    """Take a grant back. It counts from the next request on."""
    row = Grants(caller.services.rag.database).remove(caller.principal, caller.principal.tenant_id, grant_id)
    collection = row.collection_id and str(row.collection_id)
    caller.audit.did(AuditKind.ROLE_REVOKED, subject=row.subject, role=row.role, collection=collection)
