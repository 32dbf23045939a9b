from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from rag.domain.errors import SchemaOutdated
from rag.store import schema
from rag.store.session import Database
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
