"""A migrated store for each test, copied: migrating one takes longer than most tests do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.store.session import Database
from tests.support.stores import migrated


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated, empty SQLite store."""
    path = tmp_path_factory.mktemp("migrated") / "seogo.sqlite"
    migrated(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty SQLite store."""
    path = tmp_path / "seogo.sqlite"
    shutil.copy(migrated_file, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()
