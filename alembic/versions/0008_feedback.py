"""answers with their trace, and what people say of them

Revision ID: 0008_feedback
Revises: 0008_files
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_feedback"
down_revision = "0008_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("surface", sa.String(length=20), nullable=False),
        sa.Column("collections", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("citations", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("abstained", sa.String(length=40), nullable=False),
        sa.Column("notes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("generator", sa.String(length=200), nullable=False),
        sa.Column("prompt_version", sa.String(length=100), nullable=False),
        sa.Column("timings_ms", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("content_removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_answer_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
    )
    op.create_index("ix_answer_created_at", "answer", ["created_at"])
    op.create_table(
        "answer_source",
        sa.Column("answer_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["answer_id"], ["answer.id"], name=op.f("fk_answer_source_answer_id_answer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("answer_id", "version_id", name=op.f("pk_answer_source")),
    )
    op.create_index("ix_answer_source_version_id", "answer_source", ["version_id"])
    op.create_index("ix_answer_source_document_id", "answer_source", ["document_id"])
    op.create_index("ix_answer_source_collection_id", "answer_source", ["collection_id"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("answer_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("principal_name", sa.String(length=200), nullable=False),
        sa.Column("rating", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("corrected_answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["answer_id"], ["answer.id"], name=op.f("fk_feedback_answer_id_answer"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_feedback_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index("ix_feedback_answer_id_principal_id", "feedback", ["answer_id", "principal_id"], unique=True)
    op.create_index("ix_feedback_tenant_id_created_at", "feedback", ["tenant_id", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_feedback_tenant_id_created_at", table_name="feedback")
    op.drop_index("ix_feedback_answer_id_principal_id", table_name="feedback")
    op.drop_table("feedback")
    op.drop_index("ix_answer_source_collection_id", table_name="answer_source")
    op.drop_index("ix_answer_source_document_id", table_name="answer_source")
    op.drop_index("ix_answer_source_version_id", table_name="answer_source")
    op.drop_table("answer_source")
    op.drop_index("ix_answer_created_at", table_name="answer")
    op.drop_table("answer")
