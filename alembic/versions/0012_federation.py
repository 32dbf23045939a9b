"""sign-ins with a provider, and the sessions that they begin

Revision ID: 0012_federation
Revises: 0011_identity
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rag.store.base import UtcDateTime

revision = "0012_federation"
down_revision = "0011_identity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pending_sign_in",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("redirect_uri", sa.String(2000), nullable=False),
        sa.Column("return_to", sa.String(2000), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pending_sign_in"),
        sa.UniqueConstraint("state_hash", name="uq_pending_sign_in_state_hash"),
    )
    op.create_index("ix_pending_sign_in_expires_at", "pending_sign_in", ["expires_at"])
    op.create_table(
        "portal_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("provider_session", sa.String(255), nullable=False),
        sa.Column("browser", sa.String(200), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_portal_session"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_portal_session_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_portal_session_account_id_account"),
        sa.UniqueConstraint("secret_hash", name="uq_portal_session_secret_hash"),
    )
    for column in ("account_id", "subject", "expires_at"):
        op.create_index(f"ix_portal_session_{column}", "portal_session", [column])
    op.create_table(
        "account_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("said_at", UtcDateTime(), nullable=True),
        sa.Column("said_hash", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account_link"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_account_link_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_link_account_id_account"),
        sa.UniqueConstraint("tenant_id", "issuer", "subject", name="uq_account_link_tenant_id_issuer_subject"),
        sa.UniqueConstraint("account_id", "issuer", name="uq_account_link_account_id_issuer"),
    )
    op.create_table(
        "directory_run",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.String(100), nullable=False),
        sa.Column("outcome", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_directory_run"),
    )


def downgrade() -> None:
    for table in ("directory_run", "account_link", "portal_session", "pending_sign_in"):
        op.drop_table(table)
