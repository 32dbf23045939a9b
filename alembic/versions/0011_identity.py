"""rotation and last address of keys, tokens of widgets

Revision ID: 0011_identity
Revises: 0010_acl
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rag.store.base import UtcDateTime

revision = "0011_identity"
down_revision = "0010_acl"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    op.add_column("api_key", sa.Column("description", sa.String(500), server_default="", nullable=False))
    op.add_column("api_key", sa.Column("previous_hash", sa.LargeBinary(32), nullable=True))
    op.add_column("api_key", sa.Column("previous_until", UtcDateTime(), nullable=True))
    op.add_column("api_key", sa.Column("rotated_at", UtcDateTime(), nullable=True))
    op.add_column("api_key", sa.Column("last_address", sa.String(45), nullable=True))
    op.create_table(
        "widget_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.String(20), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("collections", _JSON, nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("groups", _JSON, nullable=True),
        sa.Column("attributes", _JSON, nullable=True),
        sa.Column("origins", _JSON, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_widget_token"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_widget_token_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_widget_token_key_id_api_key"),
        sa.UniqueConstraint("prefix", name="uq_widget_token_prefix"),
    )
    op.create_index("ix_widget_token_key_id", "widget_token", ["key_id"])
    op.create_index("ix_widget_token_expires_at", "widget_token", ["expires_at"])


def downgrade() -> None:
    op.drop_table("widget_token")
    for column in ("last_address", "rotated_at", "previous_until", "previous_hash", "description"):
        op.drop_column("api_key", column)
