"""repositories with their files; definitions and uses in source code; what a chunk of code knows of itself

Revision ID: 0018_code
Revises: 0017_made_by
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rag.store.base import UtcDateTime

revision = "0018_code"
down_revision = "0017_made_by"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PENDING = sa.text("dense_pending")


def upgrade() -> None:
    op.add_column("chunk", sa.Column("code", sa.JSON(), nullable=True))
    op.add_column("document_version", sa.Column("commit", sa.String(64), nullable=True))
    op.add_column(
        "document_version", sa.Column("dense_pending", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index(
        "ix_document_version_dense_pending",
        "document_version",
        ["collection_id"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
    _create_repositories()
    _create_symbols()


def _create_repositories() -> None:
    op.create_table(
        "repository",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant_id", sa.Uuid(), sa.ForeignKey("tenant.id"), nullable=False),
        sa.Column("collection_id", sa.Uuid(), sa.ForeignKey("collection.id"), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("url", sa.String(1000), nullable=False),
        sa.Column("ref", sa.String(250), nullable=False),
        sa.Column("credential", sa.String(100), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("commit", sa.String(64), nullable=False),
        sa.Column("webhook_hash", sa.String(64), nullable=False),
        sa.Column("error_code", sa.String(100), nullable=True),
        sa.Column("error_params", sa.JSON(), nullable=True),
        sa.Column("poll_s", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(100), nullable=False),
        sa.Column("wanted_at", UtcDateTime(), nullable=True),
        sa.Column("fetched_at", UtcDateTime(), nullable=True),
        sa.Column("indexed_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.UniqueConstraint("collection_id", "name"),
    )
    op.create_index("ix_repository_tenant_id", "repository", ["tenant_id"])
    op.create_table(
        "repository_file",
        sa.Column("repository_id", sa.Uuid(), sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("path", sa.String(1800), primary_key=True),
        sa.Column("blob", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
    )
    op.create_index("ix_repository_file_document_id", "repository_file", ["document_id"])


def _create_symbols() -> None:
    version = sa.ForeignKey("document_version.id", ondelete="CASCADE")
    op.create_table(
        "code_symbol",
        sa.Column("id", _KEY, primary_key=True, autoincrement=True),
        sa.Column("version_id", sa.Uuid(), version, nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_key", sa.String(200), nullable=False),
        sa.Column("path", sa.String(500), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("language", sa.String(20), nullable=False),
        sa.Column("signature", sa.String(1000), nullable=False),
        sa.Column("doc", sa.Text(), nullable=False),
        sa.Column("first_line", sa.Integer(), nullable=False),
        sa.Column("last_line", sa.Integer(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_code_symbol_version_id", "code_symbol", ["version_id"])
    op.create_index("ix_code_symbol_name", "code_symbol", ["collection_id", "name_key"])
    version = sa.ForeignKey("document_version.id", ondelete="CASCADE")
    op.create_table(
        "code_reference",
        sa.Column("id", _KEY, primary_key=True, autoincrement=True),
        sa.Column("version_id", sa.Uuid(), version, nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_key", sa.String(200), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("enclosing", sa.String(500), nullable=False),
        sa.Column("qualifier", sa.String(200), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
    )
    op.create_index("ix_code_reference_version_id", "code_reference", ["version_id"])
    op.create_index("ix_code_reference_name", "code_reference", ["collection_id", "name_key"])


def downgrade() -> None:
    op.drop_table("code_reference")
    op.drop_table("code_symbol")
    op.drop_table("repository_file")
    op.drop_table("repository")
    op.drop_index("ix_document_version_dense_pending", "document_version")
    op.drop_column("document_version", "dense_pending")
    op.drop_column("document_version", "commit")
    op.drop_column("chunk", "code")
