"""which files the vectors of an embedding space were made with; empty until the space is opened the next time

Revision ID: 0022_fingerprints
Revises: 0021_secrets
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022_fingerprints"
down_revision = "0021_secrets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "embedding_space", sa.Column("fingerprint", sa.String(32), nullable=False, server_default=sa.text("''"))
    )


def downgrade() -> None:
    op.drop_column("embedding_space", "fingerprint")
