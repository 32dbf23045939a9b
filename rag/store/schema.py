"""The schema's revision, moved only by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from rag.domain.errors import ConfigurationError, SchemaOutdated
from rag.store.session import Database


def migrations_folder() -> Path:
    """The Alembic scripts: beside the packages in a checkout, inside the `api` package in an installed wheel."""
    root = Path(__file__).resolve().parents[2]
    for folder in (root / "alembic", root / "api" / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigurationError(detail="the migration scripts are missing from this installation")


def _config(database: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["engine"] = database.engine
    return config


def upgrade(database: Database) -> str:
    """Bring the schema to this version's revision and return it.

    Raises:
        StoreFull, StoreDamaged, StoreReadOnly, StoreUnavailable: the database can't be used.
    """
    database.ping()
    with database.guarded():
        command.upgrade(_config(database), "head")
    return head(database)


def head(database: Database) -> str:
    """The revision that this version needs."""
    revision = ScriptDirectory.from_config(_config(database)).get_current_head()
    return revision or "base"


def current(database: Database) -> str:
    """The revision that the database is at."""
    with database.connection() as connection:
        return MigrationContext.configure(connection).get_current_revision() or "base"


def require_current(database: Database) -> None:
    """Raise SchemaOutdated unless the database is at this version's revision."""
    found, expected = current(database), head(database)
    if found != expected:
        raise SchemaOutdated(found=found, expected=expected)
