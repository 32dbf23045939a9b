"""where personal data stands, and what a collection wants done about it

Revision ID: 0014_privacy
Revises: 0013_audit
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014_privacy"
down_revision = "0013_audit"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    op.add_column("collection", sa.Column("privacy", _JSON, nullable=True))
    op.add_column("collection", sa.Column("privacy_settled", sa.String(40), nullable=True))
    op.add_column("document_version", sa.Column("personal_data", _JSON, nullable=True))
    op.add_column("document_version", sa.Column("privacy_key", sa.String(40), nullable=True))
    op.add_column("chunk", sa.Column("findings", _JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("chunk", "findings")
    op.drop_column("document_version", "privacy_key")
    op.drop_column("document_version", "personal_data")
    op.drop_column("collection", "privacy_settled")
    op.drop_column("collection", "privacy")
