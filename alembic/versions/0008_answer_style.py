"""how a collection wants its answers

Revision ID: 0008_answer_style
Revises: 0007_spaces
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_answer_style"
down_revision = "0007_spaces"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("collection", sa.Column("answer_style", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("collection", "answer_style")
