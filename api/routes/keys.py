"""Keys of a tenant, for its administrators. A secret is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from api.audit import some
from api.deps import PROBLEMS, Caller, guarded
from api.schemas.keys import KeyIn, KeyList, KeyMade, KeyOut, KeyPatch, OwnKeyIn, RotationIn
from rag.access.issuing import KeyChange, KeyIssuer, KeyWish
from rag.access.policy import Action
from rag.domain.audit import AuditKind
from rag.domain.errors import InvalidRequest
from rag.store.api_key import ApiKey
from rag.store.base import utc_now

router = APIRouter(prefix="/keys", tags=["keys"], responses=PROBLEMS)
_LATEST = timedelta(days=36_525)
KeyAdministrator = Annotated[Caller, Depends(guarded(Action.MANAGE_KEYS))]


@router.get("")
def list_keys(caller: KeyAdministrator) -> KeyList:
    """The keys of the tenant and of its accounts, oldest first."""
    rows = issuer_of(caller).list(caller.principal, own=False)
    return KeyList(keys=[KeyOut.of(row) for row in rows])


@router.post("", status_code=201)
def create_key(body: KeyIn, caller: KeyAdministrator) -> KeyMade:
    """Make a key of the tenant, or of a service account: never wider than the one by which it is made.

    People make their keys themselves (`/me/keys`), or get one from the command line.
    """
    issuer, wish = issuer_of(caller), wish_of(body, caller, body.owner_id)
    caller.audit.did(AuditKind.CREDENTIAL_CREATED, owner_id=body.owner_id and str(body.owner_id))
    secret, row = issuer.create(caller.principal, wish, own=False)
    caller.audit.did(AuditKind.CREDENTIAL_CREATED, **told(row))
    return KeyMade.with_secret(row, secret)


@router.get("/{key_id}")
def get_key(key_id: UUID, caller: KeyAdministrator) -> KeyOut:
    """One key."""
    return KeyOut.of(issuer_of(caller).get(caller.principal, key_id, own=False))


@router.patch("/{key_id}")
def change_key(key_id: UUID, body: KeyPatch, caller: KeyAdministrator) -> KeyOut:
    """Change a key that is not wider than the one by which it is changed; what is left out stays."""
    return changed_key(caller, issuer_of(caller), key_id, body, own=False)


@router.post("/{key_id}/rotate")
def rotate_key(key_id: UUID, body: RotationIn, caller: KeyAdministrator) -> KeyMade:
    """Give a key another secret; the one before opens for the grace too. Not for a key of another person."""
    grace = timedelta(minutes=body.grace_minutes)
    caller.audit.did(AuditKind.CREDENTIAL_ROTATED, key_id=str(key_id))
    secret, row = issuer_of(caller).rotate(caller.principal, key_id, grace, own=False)
    caller.audit.did(AuditKind.CREDENTIAL_ROTATED, **told(row))
    return KeyMade.with_secret(row, secret)


@router.delete("/{key_id}", status_code=204)
def revoke_key(key_id: UUID, caller: KeyAdministrator) -> None:
    """Put a key out of force: nothing is taken from it any more, and its open streams end within a second."""
    issuer = issuer_of(caller)
    caller.audit.did(AuditKind.CREDENTIAL_REVOKED, **told(issuer.get(caller.principal, key_id, own=False)))
    issuer.revoke(caller.principal, key_id, own=False)


def changed_key(caller: Caller, issuer: KeyIssuer, key_id: UUID, body: KeyPatch, *, own: bool) -> KeyOut:
    """Change a key, and have the trail say what it could do before and can do now."""
    before = told(issuer.get(caller.principal, key_id, own=own))
    row = issuer.change(caller.principal, key_id, change_of(body, caller), own=own)
    now = told(row)
    moved = {f"{name}_before": value for name, value in before.items() if now.get(name) != value}
    caller.audit.did(AuditKind.CREDENTIAL_CHANGED, **now, **moved)
    return KeyOut.of(row)


def told(row: ApiKey) -> dict[str, Any]:
    """A key for the detail of an entry."""
    said: dict[str, Any] = {"key_id": str(row.id), "owner_id": row.owner_id and str(row.owner_id)}
    said |= {"scopes": list(row.scopes), "clearance": row.clearance}
    said["expires_at"] = row.expires_at and row.expires_at.isoformat()
    return said | (some("limited_to", row.collections) if row.collections is not None else {"limited_to": None})


def issuer_of(caller: Caller) -> KeyIssuer:
    """What deals with the keys of the tenant, for a caller that is not limited to some collections."""
    caller.require_whole_tenant()
    return KeyIssuer(caller.services.rag.database)


def wish_of(body: OwnKeyIn, caller: Caller, owner_id: UUID | None = None) -> KeyWish:
    """The key that is asked for, its collections found among those that the caller may see."""
    return KeyWish(
        name=body.name,
        scopes=frozenset(body.scopes),
        collections=_collections(body.collections, caller),
        expires_at=_future(body.expires_at),
        clearance=body.clearance,
        owner_id=owner_id,
        description=body.description,
        citation_style=body.citation_style,
    )


def change_of(body: KeyPatch, caller: Caller) -> KeyChange:
    """The change that is asked for."""
    return KeyChange(
        name=body.name,
        description=body.description,
        scopes=None if body.scopes is None else frozenset(body.scopes),
        collections=_collections(body.collections, caller),
        expires_at=_future(body.expires_at),
        clearance=body.clearance,
    )


def _collections(names: Sequence[str] | None, caller: Caller) -> frozenset[UUID] | None:
    return None if names is None else caller.permit(names).collections


def _future(wanted: datetime | None) -> datetime | None:
    now = utc_now()
    if wanted is not None and not now < wanted < now + _LATEST:
        raise InvalidRequest(
            detail="expires_at: an instant in the next hundred years is needed",
            detail_ko="expires_at: 앞으로 백 년 안의 시각이어야 합니다",
            param="expires_at",
        )
    return wanted
