"""Fixtures for unit tests: migrated databases, and a Hypothesis profile for machines that are busy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from rag.store.session import Database
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


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated store, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite")
        return
    opened = migrated(new_database(request.getfixturevalue("postgres_cluster")))
    yield opened
    opened.close()
