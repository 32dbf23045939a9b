"""files that clients keep here before they belong to a collection, and batches of them

Revision ID: 0008_files
Revises: 0008_answer_style
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_files"
down_revision = "0008_answer_style"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "client_file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("filename", sa.String(length=2000), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_client_file_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_file")),
    )
    op.create_index("ix_client_file_tenant_id_created_at", "client_file", ["tenant_id", "created_at"])
    op.create_index("ix_client_file_content_hash", "client_file", ["content_hash"])
    op.create_table(
        "stored_file",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["client_file.id"], name=op.f("fk_stored_file_file_id_client_file"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_stored_file_tenant_id_tenant")),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name=op.f("fk_stored_file_collection_id_collection")
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_stored_file")),
    )
    op.create_index("ix_stored_file_file_id_collection_id", "stored_file", ["file_id", "collection_id"], unique=True)
    op.create_table(
        "file_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("entries", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name=op.f("fk_file_batch_collection_id_collection")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_file_batch_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_batch")),
    )
    op.create_index("ix_file_batch_collection_id", "file_batch", ["collection_id"])
    op.add_column("collection", sa.Column("client_metadata", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("collection", "client_metadata")
    op.drop_index("ix_file_batch_collection_id", table_name="file_batch")
    op.drop_table("file_batch")
    op.drop_index("ix_stored_file_file_id_collection_id", table_name="stored_file")
    op.drop_table("stored_file")
    op.drop_index("ix_client_file_content_hash", table_name="client_file")
    op.drop_index("ix_client_file_tenant_id_created_at", table_name="client_file")
    op.drop_table("client_file")
