"""groups from sign-ins are those of one provider each: who came into one by another provider's word is taken out of it

A provider that was shared so far puts its people into groups of its own with their next sign-in, which is taken over anew.

Revision ID: 0023_identity
Revises: 0022_fingerprints
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0023_identity"
down_revision = "0022_fingerprints"
branch_labels = None
depends_on = None

_group = sa.table(
    "account_group",
    sa.column("id"),
    sa.column("tenant_id"),
    sa.column("name"),
    sa.column("source"),
    sa.column("external_id"),
)
_member = sa.table("group_member", sa.column("group_id"), sa.column("member_id"))
_link = sa.table(
    "account_link",
    sa.column("account_id"),
    sa.column("tenant_id"),
    sa.column("issuer"),
    sa.column("created_at"),
    sa.column("said_hash"),
)
_LONGEST = 500


def upgrade() -> None:
    bind = op.get_bind()
    named = sa.select(_group.c.id, _group.c.tenant_id, _group.c.name).where(
        _group.c.source == "oidc", _group.c.external_id.is_(None)
    )
    for group_id, tenant_id, name in bind.execute(named).fetchall():
        issuers = _issuers(bind, tenant_id, group_id)
        if not issuers or len(f"{issuers[0]}|{name}") > _LONGEST:
            continue
        bind.execute(sa.update(_group).where(_group.c.id == group_id).values(external_id=f"{issuers[0]}|{name}"))
        of_issuer = sa.select(_link.c.account_id).where(_link.c.issuer == issuers[0])
        linked = sa.select(_link.c.account_id).where(_link.c.issuer != issuers[0])
        others = (_member.c.member_id.in_(linked), _member.c.member_id.not_in(of_issuer))
        bind.execute(sa.delete(_member).where(_member.c.group_id == group_id, *others))
    shared = sa.select(_link.c.tenant_id).group_by(_link.c.tenant_id)
    shared = shared.having(sa.func.count(sa.distinct(_link.c.issuer)) > 1)
    bind.execute(sa.update(_link).where(_link.c.tenant_id.in_(shared)).values(said_hash=None))


def _issuers(bind: Any, tenant_id: Any, group_id: Any) -> list[str]:
    """The provider that made a group, as far as can be told: whose people were first in it; of an empty one, the first of all."""
    inside = sa.select(_member.c.member_id).where(_member.c.group_id == group_id)
    query = sa.select(_link.c.issuer).where(_link.c.tenant_id == tenant_id)
    query = query.order_by(_link.c.created_at, _link.c.issuer).limit(1)
    found = bind.execute(query.where(_link.c.account_id.in_(inside))).scalars().all()
    return list(found or bind.execute(query).scalars().all())


def downgrade() -> None:
    op.execute(sa.update(_group).where(_group.c.source == "oidc").values(external_id=None))
