"""Fixtures for all tests. The service fixture runs every test that uses it on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from tests.support import postgres
from tests.support.running import Running, running, settings_for


@pytest.fixture(scope="session", autouse=True)
def shared_model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One folder of converted models for all services of this run, in whichever worker, and the commands that tests start."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "models"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEOGO_RAG__CACHE_DIR", str(folder))
        yield


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[str]:
    """URL of a PostgreSQL cluster of this test run."""
    if postgres.bin_dir() is None:
        pytest.skip(postgres.HINT)
    with postgres.cluster() as url:
        yield url


def new_database(cluster: str) -> str:
    """URL of a new, empty database in the cluster."""
    name = f"t_{uuid4().hex[:12]}"
    engine = create_engine(f"{cluster}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return f"{cluster}/{name}"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running service with real models, on each store."""
    folder: Path = tmp_path_factory.mktemp("service")
    rag: dict[str, Any] = {"audit": {"anchor_file": str(tmp_path_factory.mktemp("outside") / "anchors.jsonl")}}
    overrides: dict[str, Any] = {"rag": rag}
    if request.param == "postgres":
        cluster = request.getfixturevalue("postgres_cluster")
        rag["store"] = {"url": new_database(cluster)}
        overrides["ingest"] = {"queue_database_url": new_database(cluster)}
    with running(settings_for(folder, overrides)) as started:
        yield started


SLOW_ON_POSTGRES = {
    "test_bad_input",
    "test_engine_failures",
    "test_injection",
    "test_long_scans",
    "test_open_streams",
    "test_privacy",
    "test_repositories",
    "test_route_probes",
    "test_widget_tokens",
}
"""Modules of `integration` whose half on PostgreSQL takes much of a minute or more and tells little that SQLite's does not:
`make test-slow` runs it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark those halves as slow."""
    for item in items:
        listed = item.path.parent.name == "integration" and item.path.stem in SLOW_ON_POSTGRES
        if listed and "postgres" in item.name.rpartition("[")[2]:
            item.add_marker(pytest.mark.slow)
