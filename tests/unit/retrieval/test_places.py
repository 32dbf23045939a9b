"""Where the indexes of embedding spaces lie, and what is left when one is dropped."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from qdrant_client import QdrantClient, models

from rag.embedding.identity import identity_of
from rag.index import qdrant_spaces
from rag.index import spaces as places
from rag.index.base import IndexSchema
from rag.index.registry import IndexConfig, open_index
from rag.retrieval import space_changes
from rag.retrieval.spaces import Spaces, schema_of
from rag.settings import EmbeddingSettings
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState
from rag.store.session import Database
from tests.contract.qdrant_stub import QdrantStub
from tests.support.tagged_spaces import tagged_space

ONE, OTHER = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
QDRANT = IndexConfig("qdrant", url="http://qdrant:6333", collection="seogo")
FIRST = EmbeddingSettings(dense="openai_http", model="first", dimensions=8)
SECOND = EmbeddingSettings(dense="openai_http", model="second", dimensions=8)


def test_dropping_the_oldest_edge_index_leaves_the_folders_of_the_others(tmp_path: Path) -> None:
    config = IndexConfig("edge", tmp_path)
    assert places.first_place(config, ONE) == ONE
    for place in ("", ONE):
        open_index(places.at_place(config, place), IndexSchema("s", 4)).close()
    assert places.first_place(config, ONE) == ""
    places.drop(config, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [ONE, "lock"]
    assert (tmp_path / ONE / "shard").is_dir()
    places.drop(config, ONE)
    places.drop(config, ONE)  # one that is gone is no error
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_the_memory_index_has_places_in_name_only() -> None:
    config = IndexConfig("memory")
    assert places.first_place(config, ONE) == ONE
    places.announce(config, ONE)
    places.drop(config, ONE)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[QdrantClient]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = QdrantClient(":memory:")

    @contextmanager
    def connected(config: IndexConfig) -> Iterator[QdrantClient]:
        yield client

    monkeypatch.setattr(qdrant_spaces, "_client", connected)
    yield client
    client.close()


def make(engine: QdrantClient, name: str) -> None:
    engine.create_collection(name, vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))


def aliases(engine: QdrantClient) -> dict[str, str]:
    return {item.alias_name: item.collection_name for item in engine.get_aliases().aliases}


def test_the_alias_follows_the_current_space(engine: QdrantClient) -> None:
    assert places.first_place(QDRANT, ONE) == ONE
    for place in (ONE, OTHER):
        make(engine, places.at_place(QDRANT, place).collection)
        places.announce(QDRANT, place)
        assert aliases(engine) == {"seogo": f"seogo_{place}"}
    assert places.first_place(QDRANT, ONE) == ONE  # an alias is no collection from before
    places.announce(QDRANT, ONE)
    assert aliases(engine) == {"seogo": f"seogo_{ONE}"}
    places.drop(QDRANT, OTHER)
    assert [item.name for item in engine.get_collections().collections] == [f"seogo_{ONE}"]


def test_a_collection_from_before_there_were_spaces_stays_where_it_is(engine: QdrantClient) -> None:
    make(engine, "seogo")
    assert places.first_place(QDRANT, ONE) == ""
    assert places.at_place(QDRANT, "").collection == "seogo"
    make(engine, f"seogo_{ONE}")
    places.announce(QDRANT, ONE)  # the name is taken: readers of ours go by the record anyway
    assert aliases(engine) == {}
    places.drop(QDRANT, "")
    places.announce(QDRANT, ONE)
    assert aliases(engine) == {"seogo": f"seogo_{ONE}"}


def names(stub: QdrantStub) -> set[str]:
    return {item.name for item in stub.engine.get_collections().collections}


def behind(stub: QdrantStub, alias: str = "seogo") -> str | None:
    return aliases(stub.engine).get(alias)


@pytest.fixture
def server() -> Iterator[QdrantStub]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with QdrantStub() as stub:
            yield stub


@contextmanager
def opened(database: Database, config: IndexConfig, *, recreate: bool = False) -> Iterator[Spaces]:
    one = Spaces(database, config, tagged_space, FIRST)
    one.open(recreate=recreate)
    try:
        yield one
    finally:
        one.close()


def built(one: Spaces, settings: EmbeddingSettings) -> str:
    row = space_changes.begin(one, settings)
    one.in_step()  # opens its index
    with one.database.write() as session:
        session.get_one(EmbeddingSpaceRow, row.id).state = SpaceState.READY
    return row.id


def test_spaces_on_a_server_from_the_first_start_to_a_drop(database: Database, server: QdrantStub) -> None:
    config = replace(QDRANT, url=server.url)
    with opened(database, config) as one:
        first = one.current
        assert behind(server) == behind(server, f"seogo_{first.id}")  # the alias of the runbook is there from the start
        second = built(one, SECOND)
        assert space_changes.switch(one, second, max_drop=0, force=True).state == SpaceState.CURRENT
        assert behind(server) == behind(server, f"seogo_{second}")
        assert space_changes.roll_back(one).id == first.id
        assert behind(server) == behind(server, f"seogo_{first.id}")
        space_changes.switch(one, second, max_drop=0, force=True)
        space_changes.give_up(one, first.id)
        places.drop(config, first.id)
        kept = behind(server)
        assert names(server) == {kept} == {behind(server, f"seogo_{second}")}
        places.drop(config, first.id)  # one that is gone is no error
        assert names(server) == {kept}
    with opened(database, config, recreate=True) as one:
        assert names(server) == {behind(server)} == {behind(server, f"seogo_{second}")}


def test_a_switch_that_is_on_record_stands_where_the_server_is_away(database: Database, server: QdrantStub) -> None:
    config = replace(QDRANT, url=server.url)
    with opened(database, config) as one:
        second = built(one, SECOND)
        server.failure = 503
        assert space_changes.switch(one, second, max_drop=0, force=True).id == second
        server.failure = None
        assert behind(server) != behind(server, f"seogo_{second}")
    with opened(database, config):  # the next start makes it good
        assert behind(server) == behind(server, f"seogo_{second}")


def test_an_alias_that_is_the_place_of_the_oldest_space_stays_its_own(database: Database, server: QdrantStub) -> None:
    config = replace(QDRANT, url=server.url)
    open_index(config, schema_of(tagged_space(FIRST)), recreate=True).close()
    own = behind(server)
    assert own is not None
    with database.write() as session:
        identity = identity_of(tagged_space(FIRST))
        values = FIRST.model_dump(mode="json")
        row = EmbeddingSpaceRow(id=identity, name=tagged_space(FIRST).name, settings=values, place="")
        row.state = SpaceState.CURRENT
        session.add(row)
    with opened(database, config) as one:
        second = built(one, SECOND)
        space_changes.switch(one, second, max_drop=0, force=True)
        assert behind(server) == own  # it is where the index of the space lies that can be gone back to
    with opened(database, config) as one:
        assert {live.id for live in one.in_step()} == {identity, second}
        space_changes.give_up(one, identity)
        places.drop(config, "")
        assert own not in names(server)
    with opened(database, config):
        assert behind(server) == behind(server, f"seogo_{second}")
    places.drop(config, "")  # again: what the alias names now is another's
    assert names(server) == {behind(server)}
