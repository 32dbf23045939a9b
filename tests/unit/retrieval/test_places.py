"""Where the indexes of embedding spaces lie, and what is left when one is dropped."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from qdrant_client import QdrantClient, models

from rag.index import qdrant_spaces
from rag.index import spaces as places
from rag.index.base import IndexSchema
from rag.index.registry import IndexConfig, open_index

ONE, OTHER = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
QDRANT = IndexConfig("qdrant", url="http://qdrant:6333", collection="seogo")


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
