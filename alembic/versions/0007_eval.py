"""fusion weights learned on labelled questions

Revision ID: 0007_eval
Revises: 0006_counts
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_eval"
down_revision = "0006_counts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fusion_weight",
        sa.Column("space", sa.String(length=500), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("lexical", sa.Double(), nullable=False),
        sa.Column("learned", sa.Double(), nullable=False),
        sa.Column("learned_on", sa.String(length=500), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("space", "kind", "language", name=op.f("pk_fusion_weight")),
    )


def downgrade() -> None:
    op.drop_table("fusion_weight")
