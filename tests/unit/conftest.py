"""Fixtures for unit tests: migrated databases, and a Hypothesis profile for machines that are busy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, make_url, text

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


@pytest.fixture(scope="session")
def postgres_template(postgres_cluster: str) -> str:
    """URL of a migrated PostgreSQL database that nobody is connected to, to be copied."""
    url = new_database(postgres_cluster)
    migrated(url).close()
    return url


def _copy(template: str) -> str:
    """URL of a new database with the content of `template`."""
    source, name = make_url(template), f"t_{uuid4().hex[:12]}"
    engine = create_engine(source.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{source.database}"'))
    engine.dispose()
    return source.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated store, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite")
        return
    opened = Database(_copy(request.getfixturevalue("postgres_template")))
    yield opened
    opened.close()
