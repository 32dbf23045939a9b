"""who made a key for somebody else, or a token of a widget; who suspended an account; when the one before it was deleted

Revision ID: 0017_made_by
Revises: 0016_injection
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rag.store.base import UtcDateTime

revision = "0017_made_by"
down_revision = "0016_injection"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_key", sa.Column("made_by", sa.Uuid(), nullable=True))
    op.add_column("widget_token", sa.Column("made_by", sa.Uuid(), nullable=True))
    op.add_column("account", sa.Column("suspended_by", sa.String(10), nullable=True))
    op.add_column("account_link", sa.Column("not_before", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("account_link", "not_before")
    op.drop_column("account", "suspended_by")
    op.drop_column("widget_token", "made_by")
    op.drop_column("api_key", "made_by")
