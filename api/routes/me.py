"""Who one is, and the keys of one's own account."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from api.deps import PROBLEMS, Caller, guarded
from api.routes.keys import changed_key, told, wish_of
from api.schemas.accounts import GroupRef
from api.schemas.keys import KeyList, KeyMade, KeyOut, KeyPatch, MeOut, OwnKeyIn, RoleOn, RotationIn
from rag.access.issuing import KeyIssuer
from rag.access.policy import Action
from rag.domain.audit import AuditKind
from rag.store import account, collection
from rag.store.tenant import Tenant

router = APIRouter(prefix="/me", tags=["me"], responses=PROBLEMS)
Oneself = Annotated[Caller, Depends(guarded(Action.READ_OWN_IDENTITY))]
Owner = Annotated[Caller, Depends(guarded(Action.MANAGE_OWN_KEYS))]


@router.get("")
def get_me(caller: Oneself) -> MeOut:
    """Who the key, session or token stands for, with its roles and groups."""
    principal, permit = caller.principal, caller.permit()
    with caller.services.rag.database.read() as session:
        names = {row.id: row.name for row in collection.permitted(session, permit)}
        groups = account.named_groups(session, principal.tenant_id, principal.groups)
        tenant = session.get_one(Tenant, principal.tenant_id).name
    attributes: dict[str, list[str]] = {}
    for name, value in sorted(principal.attributes):
        attributes.setdefault(name, []).append(value)
    roles = [(item, principal.role_on(item)) for item, _ in principal.grants if item in names]
    return MeOut(
        id=principal.id,
        kind=principal.kind,
        name=principal.name,
        tenant=tenant,
        scopes=sorted(principal.scopes),
        role=principal.tenant_role,
        roles=[RoleOn(collection_id=item, collection=names[item], role=role) for item, role in roles if role],
        groups=GroupRef.all_of(groups),
        attributes=attributes,
        clearance=principal.clearance,
        collections=None if principal.collections is None else sorted(principal.collections),
        credential=principal.credential,
    )


@router.get("/keys")
def list_own_keys(caller: Oneself) -> KeyList:
    """The keys of one's own account, oldest first."""
    return KeyList(keys=[KeyOut.of(row) for row in _issuer(caller).list(caller.principal, own=True)])


@router.post("/keys", status_code=201)
def create_own_key(body: OwnKeyIn, caller: Owner) -> KeyMade:
    """Make a key of one's own account: never wider than what one came with."""
    secret, row = _issuer(caller).create(caller.principal, wish_of(body, caller), own=True)
    caller.audit.did(AuditKind.CREDENTIAL_CREATED, **told(row))
    return KeyMade.with_secret(row, secret)


@router.patch("/keys/{key_id}")
def change_own_key(key_id: UUID, body: KeyPatch, caller: Owner) -> KeyOut:
    """Change one of one's own keys; what is left out stays."""
    return changed_key(caller, _issuer(caller), key_id, body, own=True)


@router.post("/keys/{key_id}/rotate")
def rotate_own_key(key_id: UUID, body: RotationIn, caller: Owner) -> KeyMade:
    """Give one of one's own keys another secret; the one before opens for the grace too."""
    grace = timedelta(minutes=body.grace_minutes)
    secret, row = _issuer(caller).rotate(caller.principal, key_id, grace, own=True)
    caller.audit.did(AuditKind.CREDENTIAL_ROTATED, **told(row))
    return KeyMade.with_secret(row, secret)


@router.delete("/keys/{key_id}", status_code=204)
def revoke_own_key(key_id: UUID, caller: Owner) -> None:
    """Put one of one's own keys out of force."""
    issuer = _issuer(caller)
    caller.audit.did(AuditKind.CREDENTIAL_REVOKED, **told(issuer.get(caller.principal, key_id, own=True)))
    issuer.revoke(caller.principal, key_id, own=True)


def _issuer(caller: Caller) -> KeyIssuer:
    return KeyIssuer(caller.services.rag.database)
