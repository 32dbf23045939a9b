"""what keys and tenants use in each minute

Revision ID: 0015_rates
Revises: 0014_privacy
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_rates"
down_revision = "0014_privacy"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_count",
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("measure", sa.String(length=12), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "measure", "minute", name=op.f("pk_rate_count")),
    )


def downgrade() -> None:
    op.drop_table("rate_count")
