"""the audit trail, to which the database itself lets rows only be added; what an answer stood on

Revision ID: 0013_audit
Revises: 0012_federation
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_audit"
down_revision = "0012_federation"
branch_labels = None
depends_on = None

_CUT = "EXISTS (SELECT 1 FROM audit_cut c WHERE c.tenant_id = OLD.tenant_id AND c.through_seq >= OLD.seq)"
# Table, deed, and when it is let through all the same. Only what a recorded cut covers may leave; an end only moves on.
_REFUSED = (
    ("audit_event", "UPDATE", ""),
    ("audit_event", "DELETE", _CUT),
    ("audit_document", "UPDATE", ""),
    ("audit_document", "DELETE", _CUT),
    ("audit_cut", "UPDATE", ""),
    ("audit_cut", "DELETE", ""),
    ("audit_head", "UPDATE", "NEW.seq >= OLD.seq AND NEW.tenant_id = OLD.tenant_id"),
    ("audit_head", "DELETE", ""),
)
_TABLES = ("audit_event", "audit_document", "audit_head", "audit_cut")


def _answer_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("principal_name", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("principal_kind", sa.String(length=20), nullable=False, server_default=""),
        sa.Column("permit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("asked", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("stood_on", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("candidates", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("prompt_hash", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
    )


def upgrade() -> None:
    _create()
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        op.execute(
            "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for table, deed, let_through in _REFUSED:
        when = f"WHEN (NOT ({let_through}))" if let_through else ""
        name = f"{table}_no_{deed.lower()}"
        if not postgres:
            refuse = f"SELECT RAISE(ABORT, '{table} is append-only')"
            op.execute(f"CREATE TRIGGER {name} BEFORE {deed} ON {table} {when} BEGIN {refuse}; END")
            continue
        if "SELECT" not in let_through:
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {deed} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION audit_refuse()"
            )
    if postgres:
        _covered_by_a_cut()
        for table in _TABLES:
            op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION audit_refuse()")
    with op.batch_alter_table("answer", schema=None) as batch_op:
        for column in _answer_columns():
            batch_op.add_column(column)
    with op.batch_alter_table("answer", schema=None) as batch_op:
        for name in ("principal_name", "principal_kind", "prompt_hash"):
            batch_op.alter_column(name, server_default=None)


def _covered_by_a_cut() -> None:
    """PostgreSQL takes no query in WHEN."""
    op.execute(
        "CREATE FUNCTION audit_refuse_uncut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {_CUT} THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table, deed, let_through in _REFUSED:
        if let_through == _CUT:
            op.execute(
                f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION audit_refuse_uncut()"
            )


def _create() -> None:
    op.create_table(
        "audit_event",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=True),
        sa.Column("principal_name", sa.String(length=200), nullable=False),
        sa.Column("principal_kind", sa.String(length=20), nullable=False),
        sa.Column("credential", sa.Uuid(), nullable=True),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("surface", sa.String(length=20), nullable=False),
        sa.Column("client", sa.String(length=300), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("collections", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("documents", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("subjects", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("what", sa.String(length=500), nullable=False),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name=op.f("pk_audit_event")),
    )
    op.create_index("ix_audit_event_tenant_id_at", "audit_event", ["tenant_id", "at"])
    op.create_index("ix_audit_event_tenant_id_principal_id_seq", "audit_event", ["tenant_id", "principal_id", "seq"])
    op.create_index("ix_audit_event_tenant_id_kind_seq", "audit_event", ["tenant_id", "kind", "seq"])
    op.create_table(
        "audit_document",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "document_id", "seq", name=op.f("pk_audit_document")),
    )
    op.create_index("ix_audit_document_tenant_id_seq", "audit_document", ["tenant_id", "seq"])
    op.create_table(
        "audit_head",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.Column("anchored_seq", sa.BigInteger(), nullable=False),
        sa.Column("anchored_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "audit_cut",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("through_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("event_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "through_seq", name=op.f("pk_audit_cut")),
    )


def downgrade() -> None:
    with op.batch_alter_table("answer", schema=None) as batch_op:
        for column in _answer_columns():
            batch_op.drop_column(column.name)
    for table in ("audit_cut", "audit_head"):
        op.drop_table(table)
    op.drop_index("ix_audit_document_tenant_id_seq", table_name="audit_document")
    op.drop_table("audit_document")
    for columns in ("kind_seq", "principal_id_seq", "at"):
        op.drop_index(f"ix_audit_event_tenant_id_{columns}", table_name="audit_event")
    op.drop_table("audit_event")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_refuse_uncut()")
        op.execute("DROP FUNCTION audit_refuse()")
