"""accounts, groups, roles, and the rules of documents

Revision ID: 0009_access
Revises: 0008_openai
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rag.store.base import UtcDateTime

revision = "0009_access"
down_revision = "0008_openai"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True)
_NAMED = sa.text("external_id is not null")
_PENDING = sa.text("access_pending")


def upgrade() -> None:
    _accounts()
    _rules()


def _accounts() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("user_name", sa.String(200), nullable=False),
        sa.Column("user_key", sa.String(200), nullable=False),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("external_id", sa.String(500), nullable=True),
        sa.Column("attributes", _JSON, nullable=True),
        sa.Column("clearance", sa.String(1), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("suspended_at", UtcDateTime(), nullable=True),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_account_tenant_id_tenant"),
        sa.UniqueConstraint("tenant_id", "user_key", name="uq_account_tenant_id_user_key"),
    )
    op.create_table(
        "account_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("external_id", sa.String(500), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account_group"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_account_group_tenant_id_tenant"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_account_group_tenant_id_name"),
    )
    for table in ("account", "account_group"):
        op.create_index(
            f"ix_{table}_external_id",
            table,
            ["tenant_id", "source", "external_id"],
            unique=True,
            sqlite_where=_NAMED,
            postgresql_where=_NAMED,
        )
    op.create_table(
        "group_member",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "member_id", name="pk_group_member"),
        sa.ForeignKeyConstraint(
            ["group_id"], ["account_group.id"], name="fk_group_member_group_id_account_group", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_group_member_member_id", "group_member", ["member_id"])
    op.create_table(
        "role_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=True),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_role_grant"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_role_grant_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["collection_id"], ["collection.id"], name="fk_role_grant_collection_id_collection"),
    )
    op.create_index("ix_role_grant_subject", "role_grant", ["tenant_id", "subject"])
    op.create_index("ix_role_grant_collection_id", "role_grant", ["collection_id"])


def _rules() -> None:
    op.create_table(
        "access_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("wanted_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_rule"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_access_rule_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["collection_id"], ["collection.id"], name="fk_access_rule_collection_id_collection"),
    )
    op.create_index("ix_access_rule_collection_id", "access_rule", ["collection_id"])
    op.add_column("collection", sa.Column("access", _JSON, nullable=True))
    op.add_column("document", sa.Column("owner_id", sa.Uuid(), nullable=True))
    op.add_column("document", sa.Column("own_rule", _JSON, nullable=True))
    op.add_column("document", sa.Column("access_rule_id", sa.Uuid(), nullable=True))
    op.add_column("document", sa.Column("access_pending", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.drop_index("ix_document_counts", "document")
    op.create_index("ix_document_counts", "document", ["collection_id", "deleted_at", "tenant_id", "access_rule_id"])
    op.create_index("ix_document_access_rule_id", "document", ["access_rule_id"])
    op.create_index(
        "ix_document_access_pending", "document", ["tenant_id"], sqlite_where=_PENDING, postgresql_where=_PENDING
    )
    op.add_column("api_key", sa.Column("owner_id", sa.Uuid(), nullable=True))
    op.add_column("api_key", sa.Column("clearance", sa.String(1), server_default="O", nullable=False))
    op.create_index("ix_api_key_owner_id", "api_key", ["owner_id"])


def downgrade() -> None:
    op.drop_index("ix_api_key_owner_id", "api_key")
    op.drop_column("api_key", "clearance")
    op.drop_column("api_key", "owner_id")
    op.drop_index("ix_document_access_pending", "document")
    op.drop_index("ix_document_access_rule_id", "document")
    op.drop_index("ix_document_counts", "document")
    op.create_index("ix_document_counts", "document", ["collection_id", "deleted_at", "tenant_id"])
    for column in ("access_pending", "access_rule_id", "own_rule", "owner_id"):
        op.drop_column("document", column)
    op.drop_column("collection", "access")
    for table in ("access_rule", "role_grant", "group_member", "account_group", "account"):
        op.drop_table(table)
