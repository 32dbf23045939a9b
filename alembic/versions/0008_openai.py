"""how the client of a key shows citations

Revision ID: 0008_openai
Revises: 0008_generations
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_openai"
down_revision = "0008_generations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("citation_style", sa.String(length=20), nullable=False, server_default="annotations")
        )
    # The default is for the keys that are there; new ones bring their own.
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.alter_column("citation_style", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.drop_column("citation_style")
