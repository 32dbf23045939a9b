"""Spaces of several processes on one record: two `Spaces` with a store and indexes in common stand for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.domain.errors import ConfigurationError, IndexUnavailable, SpaceConflict
from rag.index import memory as memory_backend
from rag.index.base import IndexSchema
from rag.index.memory import MemoryIndex
from rag.index.registry import IndexConfig
from rag.retrieval import space_changes, spaces
from rag.retrieval.spaces import Spaces
from rag.settings import EmbeddingSettings
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState
from rag.store.session import Database
from tests.support.tagged_spaces import tagged_space

FIRST = EmbeddingSettings(dense="openai_http", model="first", dimensions=8)
SECOND = EmbeddingSettings(dense="openai_http", model="second", dimensions=8)


@pytest.fixture(autouse=True)
def one_server(monkeypatch: pytest.MonkeyPatch) -> dict[str, MemoryIndex]:
    """Indexes that all processes see, by space: what a Qdrant server is."""
    held: dict[str, MemoryIndex] = {}
    monkeypatch.setattr(
        memory_backend, "open_memory", lambda schema: held.setdefault(schema.space, Unclosed(schema)), raising=True
    )
    monkeypatch.setattr(spaces, "LOOK_S", 0.05)
    return held


class Unclosed(MemoryIndex):
    """Outlives the connection of one process."""

    def __init__(self, schema: IndexSchema) -> None:
        super().__init__(schema)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def two(database: Database) -> Iterator[tuple[Spaces, Spaces]]:
    pair = tuple(Spaces(database, IndexConfig("memory"), tagged_space, FIRST) for _ in range(2))
    for one in pair:
        one.open()
    yield pair[0], pair[1]
    for one in pair:
        one.close()


def ready(one: Spaces, settings: EmbeddingSettings = SECOND) -> str:
    """A space that counts as built."""
    row = space_changes.begin(one, settings)
    with one.database.write() as session:
        session.get_one(EmbeddingSpaceRow, row.id).state = SpaceState.READY
    return row.id


def read_by(one: Spaces) -> str:
    with one.reading() as live:
        return live.id


def wait_for(one: Spaces, space_id: str, within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while read_by(one) != space_id:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_both_open_the_space_that_the_first_put_on_record(two: tuple[Spaces, Spaces]) -> None:
    here, there = two
    assert here.current.id == there.current.id
    assert [live.id for live in here.in_step()] == [here.current.id]


def test_another_process_notices_a_switch_and_the_way_back(two: tuple[Spaces, Spaces]) -> None:
    here, there = two
    first = here.current.id
    second = ready(here)
    assert [live.id for live in there.in_step()] == [first, second]
    space_changes.switch(here, second, max_drop=0, force=True)
    assert read_by(here) == second
    wait_for(there, second)
    assert space_changes.roll_back(there).id == first
    assert read_by(there) == first
    wait_for(here, first)


def test_a_process_that_only_reads_opens_the_new_space_aside(two: tuple[Spaces, Spaces]) -> None:
    """The old one, in step, answers until the model of the new one is warm."""
    here, there = two
    first, second = here.current.id, ready(here)
    warm = threading.Event()
    plain = there.open_space

    def slow(settings: EmbeddingSettings):  # type: ignore[no-untyped-def]
        warm.wait(5)
        return plain(settings)

    there.open_space = slow
    space_changes.switch(here, second, max_drop=0, force=True)
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        assert read_by(there) == first
        time.sleep(0.02)
    warm.set()
    wait_for(there, second)


def test_a_dropped_space_is_let_go_everywhere(two: tuple[Spaces, Spaces], one_server: dict[str, Unclosed]) -> None:
    here, there = two
    first, second = here.current, ready(here)
    there.in_step()
    space_changes.switch(here, second, max_drop=0, force=True)
    space_changes.give_up(here, first.id)
    time.sleep(0.1)
    assert read_by(there) == second  # the look finds it gone, and does not answer from it once more
    assert one_server["hash+first"].closed == 2
    with pytest.raises(SpaceConflict):
        space_changes.roll_back(here)


def test_a_space_that_cannot_be_opened_holds_writes_back(two: tuple[Spaces, Spaces]) -> None:
    here, there = two
    ready(here)

    def missing(settings: EmbeddingSettings):  # type: ignore[no-untyped-def]
        raise ConfigurationError(detail="no such folder")

    there.open_space = missing
    with pytest.raises(IndexUnavailable):
        there.in_step()
    assert read_by(there) == here.current.id


def test_the_configuration_may_lag_behind_a_switch_but_not_ask_for_a_third_space(database: Database) -> None:
    one = Spaces(database, IndexConfig("memory"), tagged_space, FIRST)
    one.open()
    second = ready(one)
    space_changes.switch(one, second, max_drop=0, force=True)
    one.close()
    for configured in (FIRST, SECOND):
        again = Spaces(database, IndexConfig("memory"), tagged_space, configured)
        again.open()
        assert again.current.id == second
        again.close()
    third = FIRST.model_copy(update={"model": "third"})
    with pytest.raises(ConfigurationError, match="seogo index migrate"):
        Spaces(database, IndexConfig("memory"), tagged_space, third).open()
    rebuilt = Spaces(database, IndexConfig("memory"), tagged_space, third)
    rebuilt.open(recreate=True)
    with database.read() as session:
        assert session.get_one(EmbeddingSpaceRow, second).state == SpaceState.DROPPED
    assert rebuilt.current.space.name == "hash+third"
    rebuilt.close()


def test_an_edge_index_in_the_old_place_is_taken_over(sqlite: Database, tmp_path: Path) -> None:
    config = IndexConfig("edge", tmp_path / "index")
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "index.json").write_text("{}")
    one = Spaces(sqlite, config, tagged_space, FIRST)
    with pytest.raises(ConfigurationError, match="seogo index rebuild"):
        one.open()
    with sqlite.read() as session:
        assert session.query(EmbeddingSpaceRow).count() == 0  # what can't be opened is not put on record
    one.open(recreate=True)
    assert (tmp_path / "index" / "shard").is_dir()
    one.close()
