"""Groups of a tenant, and who is in them. For its administrators."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from api.audit import some
from api.deps import PROBLEMS, Caller, guarded
from api.schemas.groups import GroupIn, GroupList, GroupOut, MemberList, Members
from rag.access.groups import Groups
from rag.access.policy import Action
from rag.domain.audit import AuditKind

router = APIRouter(prefix="/groups", tags=["people"], responses=PROBLEMS)
People = Annotated[Caller, Depends(guarded(Action.MANAGE_PEOPLE))]


@router.get("")
def list_groups(caller: People) -> GroupList:
    """The groups of the tenant, by name."""
    return GroupList(groups=[GroupOut.of(row) for row in _groups(caller).list(caller.principal.tenant_id)])


@router.post("", status_code=201)
def create_group(body: GroupIn, caller: People) -> GroupOut:
    """Make a group."""
    row = _groups(caller).create(caller.principal.tenant_id, body.name)
    caller.audit.did(AuditKind.GROUP_CHANGED, group_id=str(row.id), group=row.name)
    return GroupOut.of(row)


@router.get("/{group_id}")
def get_group(group_id: UUID, caller: People) -> GroupOut:
    """One group."""
    return GroupOut.of(_groups(caller).get(caller.principal.tenant_id, group_id))


@router.patch("/{group_id}")
def rename_group(group_id: UUID, body: GroupIn, caller: People) -> GroupOut:
    """Rename a group. Roles and rules go by its id, and stay."""
    groups, tenant_id = _groups(caller), caller.principal.tenant_id
    caller.audit.did(AuditKind.GROUP_CHANGED, group_id=str(group_id), group_before=groups.get(tenant_id, group_id).name)
    row = groups.change(tenant_id, group_id, body.name)
    caller.audit.did(AuditKind.GROUP_CHANGED, group=row.name)
    return GroupOut.of(row)


@router.delete("/{group_id}", status_code=204)
def delete_group(group_id: UUID, caller: People) -> None:
    """Delete a group, with its roles. Who was in it stays."""
    groups, tenant_id = _groups(caller), caller.principal.tenant_id
    row, members = groups.get(tenant_id, group_id), groups.members(tenant_id, group_id)
    groups.delete(tenant_id, group_id)
    caller.audit.did(
        AuditKind.GROUP_DELETED, group_id=str(group_id), group=row.name, **some("members_removed", members)
    )


@router.get("/{group_id}/members")
def list_members(group_id: UUID, caller: People) -> MemberList:
    """The accounts and groups that were put into a group."""
    return MemberList(members=sorted(_groups(caller).members(caller.principal.tenant_id, group_id)))


@router.put("/{group_id}/members")
def set_members(group_id: UUID, body: Members, caller: People) -> MemberList:
    """Have exactly these accounts and groups in a group. A group may be in another; circles do no harm."""
    groups, tenant_id = _groups(caller), caller.principal.tenant_id
    before = groups.members(tenant_id, group_id)
    kept = groups.set_members(tenant_id, group_id, body.members)
    _moved(caller, group_id, before, kept)
    return MemberList(members=sorted(kept))


@router.post("/{group_id}/members")
def add_members(group_id: UUID, body: Members, caller: People) -> MemberList:
    """Put accounts and groups into a group; those that are in it already are no mistake."""
    groups, tenant_id = _groups(caller), caller.principal.tenant_id
    before = groups.members(tenant_id, group_id)
    groups.add_members(tenant_id, group_id, body.members)
    _moved(caller, group_id, before, before | frozenset(body.members))
    return MemberList(members=sorted(groups.members(tenant_id, group_id)))


@router.delete("/{group_id}/members/{member_id}", status_code=204)
def remove_member(group_id: UUID, member_id: UUID, caller: People) -> None:
    """Take an account or a group out of a group; one that is not in it is no mistake."""
    groups, tenant_id = _groups(caller), caller.principal.tenant_id
    before = groups.members(tenant_id, group_id)
    groups.remove_members(tenant_id, group_id, [member_id])
    _moved(caller, group_id, before, before - {member_id})


def _moved(caller: Caller, group_id: UUID, before: frozenset[UUID], after: frozenset[UUID]) -> None:
    """Have the trail say who was put into a group, and who was taken out."""
    moved = some("members_added", after - before) | some("members_removed", before - after)
    caller.audit.did(AuditKind.GROUP_CHANGED, group_id=str(group_id), **moved)


def _groups(caller: Caller) -> Groups:
    """The groups, for a caller that is not limited to some collections."""
    caller.require_whole_tenant()
    return Groups(caller.services.rag.database)
