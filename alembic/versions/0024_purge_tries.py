"""how often the purge of a deletion failed, of what, and when it is tried again

Revision ID: 0024_purge_tries
Revises: 0023_identity
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rag.store.base import UtcDateTime

revision = "0024_purge_tries"
down_revision = "0023_identity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deletion_receipt", sa.Column("purge_tries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("deletion_receipt", sa.Column("purge_error", sa.String(64), nullable=True))
    op.add_column("deletion_receipt", sa.Column("purge_retry_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    for name in ("purge_retry_at", "purge_error", "purge_tries"):
        op.drop_column("deletion_receipt", name)
