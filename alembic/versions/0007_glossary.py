"""glossaries of collections: abbreviations and synonyms

Revision ID: 0007_glossary
Revises: 0006_counts
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_glossary"
down_revision = "0007_eval"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "glossary_term",
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("term", sa.String(length=100), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("expansions", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name=op.f("fk_glossary_term_collection_id_collection")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_glossary_term_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("collection_id", "term", name=op.f("pk_glossary_term")),
    )
    op.create_index("ix_glossary_term_revision", "glossary_term", ["collection_id", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_glossary_term_revision", table_name="glossary_term")
    op.drop_table("glossary_term")
