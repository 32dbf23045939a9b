"""Queue: lanes, tries, pauses, leases of workers

Revision ID: 0003_durability
Revises: 0002_lifecycle
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_durability"
down_revision = "0002_lifecycle"
branch_labels = None
depends_on = None

_COUNTERS = (("priority", "5"), ("tries", "0"), ("crashes", "0"))
_INSTANTS = ("retry_at", "claimed_at", "cleaned_at")
_INDEXES = {
    "ix_document_version_queue": ["state", "job_id", "priority", "collection_id", "created_at"],
    "ix_document_version_progress": ["collection_id", "state", "finished_at"],
    "ix_document_version_cleaning": ["state", "cleaned_at"],
}


def upgrade() -> None:
    # ADD COLUMN, not a batch: SQLite's batch copies the table, which other tables refer to.
    for name, default in _COUNTERS:
        column = sa.Column(name, sa.SmallInteger(), nullable=False, server_default=default)
        op.add_column("document_version", column)
    for name in _INSTANTS:
        op.add_column("document_version", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    for name, columns in _INDEXES.items():
        op.create_index(name, "document_version", columns)
    for table in ("tenant", "collection"):
        op.add_column(table, sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "worker",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )


def downgrade() -> None:
    op.drop_table("worker")
    for table in ("collection", "tenant"):
        op.drop_column(table, "paused_at")
    for name in _INDEXES:
        op.drop_index(name, "document_version")
    for name in _INSTANTS:
        op.drop_column("document_version", name)
    for name, _ in _COUNTERS:
        op.drop_column("document_version", name)
