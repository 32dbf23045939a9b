"""indexes for counting documents and for what ended of late

Revision ID: 0006_counts
Revises: 0005_provisions
"""

from __future__ import annotations

from alembic import op

revision = "0006_counts"
down_revision = "0005_provisions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_document_counts", "document", ["collection_id", "deleted_at", "tenant_id"])
    op.create_index("ix_document_version_ended", "document_version", ["tenant_id", "finished_at"])


def downgrade() -> None:
    op.drop_index("ix_document_version_ended", table_name="document_version")
    op.drop_index("ix_document_counts", table_name="document")
