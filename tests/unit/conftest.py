"""Fixtures for unit tests: migrated databases, and a Hypothesis profile for machines that are busy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from sqlalchemy import text

from rag.store.session import Database
from rag.store.tables import METADATA
from tests.conftest import new_database
from tests.support.stores import migrated

# A failing example is told as it was found: to make it smaller may take the five minutes that a test has at most, and whoever
# wants that has `--hypothesis-profile=default`.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target)
settings.register_profile("unit", deadline=None, max_examples=60, phases=PHASES)
settings.load_profile("unit")


# Not TRUNCATE, which makes new files for each table and index, and for whatever refers to them, be they empty or not.
_EMPTY = " ".join(f"DELETE FROM {table};" for table in METADATA.tables)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, to be copied: migrating one for each test would take longer than most of them do."""
    file = tmp_path_factory.mktemp("store") / "seogo.sqlite"
    migrated(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def sqlite(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated SQLite store in a folder of its own."""
    database = Database(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'seogo.sqlite')}")
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
            # The audit trail lets nobody do this.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(f"DO $$ BEGIN {_EMPTY} END $$"))
    return opened
