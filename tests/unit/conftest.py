"""Fixtures for unit tests: migrated databases, and a Hypothesis profile for machines that are busy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import text

from rag.store.session import Database
from rag.store.tables import METADATA
from tests.conftest import new_database
from tests.support.stores import migrated

settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """A migrated SQLite store in a folder of its own."""
    database = migrated(f"sqlite:///{tmp_path / 'seogo.sqlite'}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgres(postgres_cluster: str) -> Iterator[Database]:
    """A migrated PostgreSQL store, shared by all tests: one for each would take longer than the tests do."""
    database = migrated(new_database(postgres_cluster))
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated, empty store, once on SQLite and once on PostgreSQL."""
    opened: Database = request.getfixturevalue(request.param)
    if not opened.is_sqlite:
        with opened.engine.begin() as connection:
            connection.execute(
                text("SET LOCAL session_replication_role = replica")
            )  # the audit trail lets nobody do this
            connection.execute(text(f"TRUNCATE {', '.join(METADATA.tables)}"))
    return opened
