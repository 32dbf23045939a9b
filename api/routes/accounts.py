"""Accounts of people and services of a tenant. For its administrators."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.accounts import AccountDetail, AccountIn, AccountOut, AccountPage, AccountPatch
from rag.access.accounts import Accounts
from rag.access.policy import Action
from rag.domain.access import Label
from rag.domain.audit import AuditKind
from rag.domain.errors import NotPermitted

router = APIRouter(prefix="/accounts", tags=["people"], responses=PROBLEMS)
_STORABLE = r"^[^\x00]*$"
People = Annotated[Caller, Depends(guarded(Action.MANAGE_PEOPLE))]


@router.get("")
def list_accounts(
    caller: People,
    query: Annotated[
        str, Query(max_length=200, pattern=_STORABLE, description="how the name begins, whatever its case")
    ] = "",
    after: Annotated[
        str | None, Query(max_length=200, pattern=_STORABLE, description="`next` of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AccountPage:
    """The accounts of the tenant, by name."""
    rows = _accounts(caller).page(caller.principal.tenant_id, after, limit + 1, query)
    shown = rows[:limit]
    return AccountPage(
        accounts=[AccountOut.of(row) for row in shown], next=shown[-1].user_name if len(rows) > limit else None
    )


@router.post("", status_code=201)
def create_account(body: AccountIn, caller: People) -> AccountOut:
    """Make an account. Roles are granted, keys made, for it afterwards; its clearance is no higher than one's own."""
    accounts = _accounts(caller)
    _require_clearance(caller, Label.OPEN, body.clearance)
    row = accounts.create(caller.principal.tenant_id, **dict(body))
    caller.audit.did(AuditKind.ACCOUNT_CREATED, account=str(row.id), clearance=row.clearance)
    return AccountOut.of(row)


@router.get("/{account_id}")
def get_account(account_id: UUID, caller: People) -> AccountDetail:
    """One account, with the groups that it is in."""
    accounts, tenant_id = _accounts(caller), caller.principal.tenant_id
    return AccountDetail.with_groups(accounts.get(tenant_id, account_id), accounts.groups_of(tenant_id, account_id))


@router.patch("/{account_id}")
def change_account(account_id: UUID, body: AccountPatch, caller: People) -> AccountOut:
    """Change an account; what is left out stays. Suspended, it loses every access within a second.

    Its clearance can be raised no higher than one's own. Nor can name and address be changed, by which providers may know
    whose it is, of one with a higher clearance.
    """
    accounts, tenant_id = _accounts(caller), caller.principal.tenant_id
    before = accounts.get(tenant_id, account_id)
    held, suspended_before = Label(before.clearance), before.suspended_at is not None
    if body.clearance is not None:
        _require_clearance(caller, held, body.clearance)
    if body.user_name is not None or body.email is not None:
        _require_clearance(caller, Label.OPEN, held)
    row = accounts.change(tenant_id, account_id, body.to_domain())
    if row.clearance != held.value:
        caller.audit.also(AuditKind.CLEARANCE_CHANGED, account=str(row.id), before=held.value, after=row.clearance)
    if (suspended := row.suspended_at is not None) != suspended_before:
        caller.audit.also(AuditKind.ACCOUNT_SUSPENDED if suspended else AuditKind.ACCOUNT_RESUMED, account=str(row.id))
    return AccountOut.of(row)


@router.delete("/{account_id}", status_code=204)
def delete_account(account_id: UUID, caller: People) -> None:
    """Delete an account, with its keys, roles and memberships. What is on record of it stays."""
    _accounts(caller).delete(caller.principal.tenant_id, account_id)


def _accounts(caller: Caller) -> Accounts:
    """The accounts, for a caller that is not limited to some collections."""
    caller.require_whole_tenant()
    return Accounts(caller.services.rag.database)


def _require_clearance(caller: Caller, before: Label, wanted: Label) -> None:
    """Refuse a clearance that is raised over the caller's own."""
    if not before.covers(wanted) and not caller.principal.clearance.covers(wanted):
        raise NotPermitted
