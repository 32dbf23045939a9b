"""documents that seem to speak to a model, and who looked at them

Revision ID: 0016_injection
Revises: 0015_rates
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_injection"
down_revision = "0015_rates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("document_version", sa.Column("injection_score", sa.Double(), nullable=True))
    op.add_column("document_version", sa.Column("injection_signs", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("document_version", sa.Column("flagged", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("document_version", sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("document_version", sa.Column("reviewed_by", sa.String(length=100), nullable=True))
    op.add_column("document_version", sa.Column("review_reason", sa.String(length=1000), nullable=True))


def downgrade() -> None:
    for name in ("review_reason", "reviewed_by", "reviewed_at", "flagged", "injection_signs", "injection_score"):
        op.drop_column("document_version", name)
