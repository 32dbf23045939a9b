"""documents inside documents

Revision ID: 0004_mail
Revises: 0003_durability
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_mail"
down_revision = "0003_durability"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Never by a copy of the table: on SQLite that would drop one that versions refer to.
    with op.batch_alter_table("document", recreate="never") as batch_op:
        batch_op.add_column(sa.Column("parent_document_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("parent_version_id", sa.Uuid(), nullable=True))
        batch_op.create_index(batch_op.f("ix_document_parent_document_id"), ["parent_document_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("document", recreate="never") as batch_op:
        batch_op.drop_index(batch_op.f("ix_document_parent_document_id"))
        batch_op.drop_column("parent_version_id")
        batch_op.drop_column("parent_document_id")
