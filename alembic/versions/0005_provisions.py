"""provisions of statutes and rules

Revision ID: 0005_provisions
Revises: 0004_mail
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_provisions"
down_revision = "0004_mail"
branch_labels = None
depends_on = None

_COLUMNS = ("provision", "provisions", "cross_references")


def upgrade() -> None:
    with op.batch_alter_table("chunk", schema=None) as batch_op:
        batch_op.add_column(sa.Column("provision", sa.String(length=200), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("provisions", sa.JSON(none_as_null=True), nullable=False, server_default="[]"))
        batch_op.add_column(
            sa.Column("cross_references", sa.JSON(none_as_null=True), nullable=False, server_default="[]")
        )
    # The defaults are for the rows that are there; new ones bring their own.
    with op.batch_alter_table("chunk", schema=None) as batch_op:
        for name in _COLUMNS:
            batch_op.alter_column(name, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("chunk", schema=None) as batch_op:
        for name in reversed(_COLUMNS):
            batch_op.drop_column(name)
