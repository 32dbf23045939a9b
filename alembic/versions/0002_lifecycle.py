"""lifecycle: attributes, receipts, retention, sources

Revision ID: 0002_lifecycle
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_lifecycle"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "connector_source",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("location", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name=op.f("fk_connector_source_collection_id_collection")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_connector_source_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connector_source")),
        sa.UniqueConstraint(
            "collection_id", "kind", "location", name=op.f("uq_connector_source_collection_id_kind_location")
        ),
    )
    op.create_table(
        "deletion_receipt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("collection_name", sa.String(length=100), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("source_key", sa.String(length=2000), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("versions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name=op.f("fk_deletion_receipt_collection_id_collection")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_deletion_receipt_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletion_receipt")),
    )
    with op.batch_alter_table("deletion_receipt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deletion_receipt_collection_id"), ["collection_id"], unique=False)
        batch_op.create_index("ix_deletion_receipt_document_id", ["document_id"], unique=False)
        batch_op.create_index("ix_deletion_receipt_parent_id", ["parent_id"], unique=False)
        batch_op.create_index("ix_deletion_receipt_purged_at_deleted_at", ["purged_at", "deleted_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_deletion_receipt_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "connector_item",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=2000), nullable=False),
        sa.Column("fingerprint", sa.String(length=200), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["connector_source.id"],
            name=op.f("fk_connector_item_source_id_connector_source"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source_id", "key", name=op.f("pk_connector_item")),
    )
    with op.batch_alter_table("connector_item", schema=None) as batch_op:
        batch_op.create_index("ix_connector_item_document_id", ["document_id"], unique=False)

    op.create_table(
        "document_attribute",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["document.id"],
            name=op.f("fk_document_attribute_document_id_document"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("document_id", "name", name=op.f("pk_document_attribute")),
    )
    with op.batch_alter_table("document_attribute", schema=None) as batch_op:
        batch_op.create_index("ix_document_attribute_name_number", ["name", "number"], unique=False)
        batch_op.create_index("ix_document_attribute_name_text", ["name", "text"], unique=False)

    # Plain ALTERs: copying a table, as a batch does on SQLite, would drop the old one and with it, by cascade, its chunks.
    op.add_column("collection", sa.Column("retention", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("collection", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("collection", sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("document", sa.Column("author", sa.String(length=500), server_default=sa.text("''"), nullable=False))
    op.add_column("document", sa.Column("authored_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("document", sa.Column("revised_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "document", sa.Column("source_url", sa.String(length=2000), server_default=sa.text("''"), nullable=False)
    )
    op.add_column("document", sa.Column("labels_pending", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("document_version", sa.Column("file_metadata", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("document_version", sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("document_version", "fetched_at")
    op.drop_column("document_version", "file_metadata")
    op.drop_column("document", "labels_pending")
    op.drop_column("document", "source_url")
    op.drop_column("document", "revised_at")
    op.drop_column("document", "authored_at")
    op.drop_column("document", "author")
    op.drop_column("collection", "purged_at")
    op.drop_column("collection", "deleted_at")
    op.drop_column("collection", "retention")

    with op.batch_alter_table("document_attribute", schema=None) as batch_op:
        batch_op.drop_index("ix_document_attribute_name_text")
        batch_op.drop_index("ix_document_attribute_name_number")

    op.drop_table("document_attribute")
    with op.batch_alter_table("connector_item", schema=None) as batch_op:
        batch_op.drop_index("ix_connector_item_document_id")

    op.drop_table("connector_item")
    with op.batch_alter_table("deletion_receipt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deletion_receipt_tenant_id"))
        batch_op.drop_index("ix_deletion_receipt_purged_at_deleted_at")
        batch_op.drop_index("ix_deletion_receipt_parent_id")
        batch_op.drop_index("ix_deletion_receipt_document_id")
        batch_op.drop_index(batch_op.f("ix_deletion_receipt_collection_id"))

    op.drop_table("deletion_receipt")
    op.drop_table("connector_source")
