"""path rules of repositories that were deleted, for one that gets the same name in the same collection

Revision ID: 0020_repositories
Revises: 0019_sync
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rag.store.base import UtcDateTime

revision = "0020_repositories"
down_revision = "0019_sync"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_path_rules",
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("path_rules", sa.JSON(), nullable=False),
        sa.Column("kept_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_kept_path_rules_collection_id_collection"
        ),
        sa.PrimaryKeyConstraint("collection_id", "name", name="pk_kept_path_rules"),
    )


def downgrade() -> None:
    op.drop_table("kept_path_rules")
