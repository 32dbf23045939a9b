"""how repositories are kept in step: the next look, failures in a row, options in force, the secret of their webhook

Revision ID: 0019_sync
Revises: 0018_code
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rag.store.base import UtcDateTime

revision = "0019_sync"
down_revision = "0018_code"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("repository", "webhook_hash", new_column_name="webhook_secret")
    op.add_column("repository", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("repository", sa.Column("due_at", UtcDateTime(), nullable=True))
    op.add_column("repository", sa.Column("applied", sa.JSON(), nullable=True))
    op.add_column("repository", sa.Column("note", sa.String(40), nullable=False, server_default=""))
    op.add_column("repository", sa.Column("receipt_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    for name in ("receipt_id", "note", "applied", "due_at", "failures"):
        op.drop_column("repository", name)
    op.alter_column("repository", "webhook_secret", new_column_name="webhook_hash")
