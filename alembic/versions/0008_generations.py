"""generations: programs written from a specification

Revision ID: 0008_generations
Revises: 0008_feedback
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_generations"
down_revision = "0008_feedback"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "generation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("key_name", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("model_used", sa.String(length=100), nullable=False),
        sa.Column("thinking", sa.Boolean(), nullable=True),
        sa.Column("spec_chars", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("failure_code", sa.String(length=100), nullable=False),
        sa.Column("failure_params", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_generation_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generation")),
    )
    op.create_index("ix_generation_tenant_id_created_at", "generation", ["tenant_id", "created_at"])
    op.create_index("ix_generation_state", "generation", ["state"])
    op.create_table(
        "generation_repository",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"],
            ["generation.id"],
            name=op.f("fk_generation_repository_program_id_generation"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name=op.f("fk_generation_repository_collection_id_collection")
        ),
        sa.PrimaryKeyConstraint("program_id", "collection_id", name=op.f("pk_generation_repository")),
    )
    op.create_index("ix_generation_repository_collection_id", "generation_repository", ["collection_id"])
    op.create_table(
        "generation_file",
        sa.Column("program_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=300), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=30), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("repaired", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"],
            ["generation.id"],
            name=op.f("fk_generation_file_program_id_generation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("program_id", "ordinal", name=op.f("pk_generation_file")),
    )


def downgrade() -> None:
    op.drop_table("generation_file")
    op.drop_index("ix_generation_repository_collection_id", table_name="generation_repository")
    op.drop_table("generation_repository")
    op.drop_index("ix_generation_state", table_name="generation")
    op.drop_index("ix_generation_tenant_id_created_at", table_name="generation")
    op.drop_table("generation")
