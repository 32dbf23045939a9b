from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, select

from rag.access.policy import Action, Policy
from rag.domain.errors import SchemaOutdated
from rag.domain.principal import Principal, Scope
from rag.store import account, schema
from rag.store.account import Account, AccountGroup, GroupMember, Source
from rag.store.base import utc_now
from rag.store.chunk import ChunkRow
from rag.store.document import Document, counts_by_collection
from rag.store.session import Database
from rag.store.sign_in import AccountLink
from rag.store.tables import METADATA, TABLES
from tests.conftest import new_database
from tests.support.stores import add_collection, add_document, add_version


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without a schema, in a folder with a percent sign (Alembic's configuration interpolates those)."""
    folder = tmp_path / "100%"
    folder.mkdir()
    on_postgres = request.param == "postgres"
    url = (
        new_database(request.getfixturevalue("postgres_cluster"))
        if on_postgres
        else f"sqlite:///{folder / 'seogo.sqlite'}"
    )
    database = Database(url)
    yield database
    database.close()


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, METADATA) == []
    assert tables(database) == {table.__tablename__ for table in TABLES} == set(METADATA.tables)


def test_the_comparison_would_see_a_difference(sqlite: Database) -> None:
    with sqlite.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE tenant ADD COLUMN surprise TEXT")
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
    assert [change[0] for change in found] == ["remove_column"]


def test_an_old_schema_is_refused_until_it_is_upgraded(empty: Database) -> None:
    with pytest.raises(SchemaOutdated) as refusal:
        schema.require_current(empty)
    assert refusal.value.params == {"found": "base", "expected": schema.head(empty)}
    assert schema.upgrade(empty) == schema.current(empty) == schema.head(empty) != "base"
    schema.require_current(empty)


def test_upgrading_again_keeps_the_data(database: Database) -> None:
    collection = add_collection(database)
    schema.upgrade(database)
    with database.read() as session:
        assert session.get(type(collection), collection.id) is not None


def test_the_way_down_and_up_again(empty: Database) -> None:
    schema.upgrade(empty)
    collection = add_collection(empty)
    with empty.write() as session:
        add_version(session, add_document(session, collection), 1)
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()).replace("%", "%%"))
    config.attributes["engine"] = empty.engine
    command.downgrade(config, "base")
    assert tables(empty) == set()
    assert schema.current(empty) == "base"
    schema.upgrade(empty)
    assert tables(empty) == set(METADATA.tables)


def test_the_migrations_folder_can_never_shadow_the_library() -> None:
    assert not list(schema.migrations_folder().rglob("__init__.py"))


def test_the_numbers_of_migrations_are_their_order() -> None:
    steps = [*ScriptDirectory(str(schema.migrations_folder())).walk_revisions()][::-1]
    numbers = [int(step.revision[:4]) for step in steps]
    assert numbers == sorted(numbers)
    late = [number for number in numbers if number > 8]  # before, parts that came together share a number
    assert late == list(range(9, 9 + len(late)))
    assert [Path(step.path).stem for step in steps[1:]] == [step.revision for step in steps[1:]]


def test_the_step_from_the_first_schema_keeps_every_row(empty: Database) -> None:
    """On SQLite a table that is copied is dropped, and a drop cascades: chunks would be gone with their versions."""
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()).replace("%", "%%"))
    config.attributes["engine"] = empty.engine
    command.upgrade(config, "0001")
    ids = {name: uuid4().hex if empty.is_sqlite else str(uuid4()) for name in ("t", "c", "d", "v", "k")}
    now = "2026-01-01 00:00:00"
    zero = "0" if empty.is_sqlite else "false"
    with empty.engine.begin() as connection:
        for statement in (
            f"INSERT INTO tenant VALUES ('{ids['t']}', 'x', '{now}')",
            f"INSERT INTO collection (id, tenant_id, name, kind, description, created_at) "
            f"VALUES ('{ids['c']}', '{ids['t']}', 'x', 'documents', '', '{now}')",
            f"INSERT INTO document (id, tenant_id, collection_id, source_key, title, created_at) "
            f"VALUES ('{ids['d']}', '{ids['t']}', '{ids['c']}', 'a.md', 'A', '{now}')",
            f"INSERT INTO document_version (id, tenant_id, collection_id, document_id, number, content_hash, size, filename, "
            f"media_type, parser, job_id, state, stage, done, total, pages, chunk_count, warnings, retryable, created_at) "
            f"VALUES ('{ids['v']}', '{ids['t']}', '{ids['c']}', '{ids['d']}', 1, 'h', 1, 'a.md', '', '', '', 'active', "
            f"'activate', 0, 0, 0, 1, '[]', {zero}, '{now}')",
            f"INSERT INTO chunk (id, version_id, ordinal, text, heading_path, anchor, line_anchors, language, kind, tokens) "
            f"VALUES ('{ids['k']}', '{ids['v']}', 0, '본문', '[]', '{{}}', '[]', 'ko', 'text', 1)",
        ):
            connection.exec_driver_sql(statement)
    command.upgrade(config, "head")
    with empty.read() as session:
        assert session.scalars(select(ChunkRow.text)).all() == ["본문"]
        row = session.scalars(select(Document)).one()
        assert (row.author, row.source_url, row.labels_pending) == ("", "", False)
    command.downgrade(config, "0001")
    with empty.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT text FROM chunk").scalar() == "본문"


def test_a_group_that_two_providers_shared_is_that_of_the_first_from_then_on(empty: Database) -> None:
    schema.upgrade(empty)
    tenant_id, now = add_collection(empty).tenant_id, utc_now()
    people = {name: uuid4() for name in ("ours", "theirs", "both", "by hand")}
    ours, theirs = "https://sso.bank.example", "https://sso.partner.example"
    links = [("ours", ours), ("theirs", theirs), ("both", theirs), ("both", ours)]
    group = AccountGroup(id=uuid4(), tenant_id=tenant_id, name="여신팀", source=Source.OIDC)
    kept = AccountGroup(id=uuid4(), tenant_id=tenant_id, name="우리 모임")
    with empty.write() as session:
        session.add_all([group, kept])
        for name, key in people.items():
            session.add(Account(id=key, tenant_id=tenant_id, user_name=name, user_key=name, kind="user"))
        session.flush()
        session.add_all(
            GroupMember(group_id=item.id, member_id=key) for key in people.values() for item in (group, kept)
        )
        for number, (name, issuer) in enumerate(links):
            at = {"created_at": now + timedelta(seconds=number), "said_at": now, "said_hash": bytes(32)}
            link = {"issuer": issuer, "subject": f"{name}-{number}", "account_id": people[name]}
            session.add(AccountLink(id=uuid4(), tenant_id=tenant_id, **link, **at))
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()).replace("%", "%%"))
    config.attributes["engine"] = empty.engine
    command.downgrade(config, "0021_secrets")
    command.upgrade(config, "head")
    with empty.read() as session:
        rows = {row.name: row.external_id for row in session.scalars(select(AccountGroup))}
        assert rows == {"여신팀": f"{ours}|여신팀", "우리 모임": None}
        assert account.direct_members(session, group.id) == {people[name] for name in ("ours", "both", "by hand")}
        assert account.direct_members(session, kept.id) == {*people.values()}
        assert {*session.scalars(select(AccountLink.said_hash))} == {None}, "all are taken over anew"


def test_documents_are_counted_from_an_index_alone(sqlite: Database) -> None:
    collection = add_collection(sqlite)
    principal = Principal(uuid4(), "담당자", collection.tenant_id, frozenset({Scope.READ}))
    permit = Policy(sqlite).authorize(principal, Action.LIST_COLLECTIONS)
    with sqlite.write() as session:
        add_document(session, collection)
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            rows = connection.connection.driver_connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in rows)

    event.listen(sqlite.engine, "before_cursor_execute", explain)
    with sqlite.read() as session:
        assert counts_by_collection(session, permit) == {collection.id: 1}
    assert any("COVERING INDEX ix_document_counts" in plan for plan in plans), plans
