"""what documents of a source are ruled by, and what a generation was written from

Revision ID: 0010_acl
Revises: 0009_access
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_acl"
down_revision = "0009_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connector_source", sa.Column("access", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "generation_source",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "document_id", name="pk_generation_source"),
        sa.ForeignKeyConstraint(
            ["program_id"], ["generation.id"], name="fk_generation_source_program_id_generation", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_generation_source_document_id", "generation_source", ["document_id"])


def downgrade() -> None:
    op.drop_table("generation_source")
    op.drop_column("connector_source", "access")
