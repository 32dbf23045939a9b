"""what webhooks of repositories sign with, as bytes: sealed under the keys at rest, or as it was until it is

Revision ID: 0021_secrets
Revises: 0020_repositories
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021_secrets"
down_revision = "0020_repositories"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.alter_column("repository", "webhook_secret", new_column_name="webhook_text")
    op.add_column("repository", sa.Column("webhook_secret", sa.LargeBinary(), nullable=True))
    if sqlite:
        op.execute("PRAGMA secure_delete=ON")
        op.execute("UPDATE repository SET webhook_secret = CAST(webhook_text AS BLOB) WHERE webhook_text <> ''")
    else:
        op.execute("UPDATE repository SET webhook_secret = convert_to(webhook_text, 'UTF8') WHERE webhook_text <> ''")
    op.drop_column("repository", "webhook_text")


def downgrade() -> None:
    # What is sealed can't be opened here: those webhooks get a new secret (PATCH with "webhook": true).
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.alter_column("repository", "webhook_secret", new_column_name="webhook_bytes")
    op.add_column("repository", sa.Column("webhook_secret", sa.String(64), nullable=False, server_default=""))
    if sqlite:
        op.execute(
            "UPDATE repository SET webhook_secret = CAST(webhook_bytes AS TEXT) WHERE length(webhook_bytes) <= 64"
        )
    else:
        op.execute(
            "UPDATE repository SET webhook_secret = convert_from(webhook_bytes, 'UTF8') WHERE length(webhook_bytes) <= 64"
        )
    op.drop_column("repository", "webhook_bytes")
