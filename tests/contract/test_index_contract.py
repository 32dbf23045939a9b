"""The index contract on every backend, what opening one promises, and Edge beside its twin."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from rag.domain.errors import ConfigurationError, IndexUnavailable, StoreInUse
from rag.index.base import IndexSchema, VectorIndex
from rag.index.edge import open_edge
from rag.index.memory import open_memory
from rag.index.qdrant import open_qdrant
from rag.index.registry import FACTORIES, IndexConfig, open_index
from tests.contract.access_contract import AccessContract
from tests.contract.index_contract import (
    DENSE,
    SCHEMA,
    IndexContract,
    dense,
    meaning,
    permit,
    point,
    words,
)
from tests.contract.openers import OPENERS, SERVER, STORED, Open
from tests.contract.qdrant_stub import QdrantStub

OTHER_SPACE = IndexSchema("bge-m3/1", SCHEMA.dimensions)
NO_DENSE = IndexSchema(SCHEMA.space, None)


@pytest.fixture(params=STORED)
def opener(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens the same stored index again and again."""
    yield from OPENERS[request.param]()


@pytest.fixture(params=["memory", *STORED])
def index(request: pytest.FixtureRequest) -> Iterator[VectorIndex]:
    if request.param == "memory":
        yield open_memory(SCHEMA)
        return
    for make in OPENERS[request.param]():
        opened = make()
        yield opened
        opened.close()


@pytest.fixture
def thread_safe(request: pytest.FixtureRequest) -> None:
    if "qdrant-local" in request.node.callspec.id:
        pytest.skip("the client's local mode, used in tests only, is not made for threads")


@pytest.mark.skipif(bool(SERVER), reason="the contract runs against the server")
def test_a_real_server() -> None:
    pytest.skip("no Qdrant server: set SEOGO_TEST_QDRANT_URL to run the contract against one")


class TestIndexContract(IndexContract):
    """Every test of the contract, on every backend."""


class TestAccessContract(AccessContract):
    """Rules of documents, on every backend."""


def test_an_index_outlives_its_object(opener: Open) -> None:
    for number in range(1, 6):
        index = opener()
        index.upsert([point(number, {7: 1.0}, dense(1, number))])
        assert index.count() == number
        index.close()
    index = opener()
    assert [hit.chunk_id.int for hit in index.search(permit(), meaning(1))[DENSE]] == [1, 2, 3, 4, 5]
    index.close()


@pytest.mark.parametrize("other", [OTHER_SPACE, NO_DENSE, IndexSchema(SCHEMA.space, 16)])
def test_an_index_of_another_schema_is_refused(opener: Open, other: IndexSchema) -> None:
    index = opener()
    index.upsert([point(1)])
    index.close()
    with pytest.raises(ConfigurationError, match="seogo index rebuild"):
        opener(other)
    index = opener()
    assert index.count() == 1
    index.close()


def test_recreate_drops_whatever_was_there(opener: Open) -> None:
    index = opener()
    index.upsert([point(1)])
    index.close()
    rebuilt = opener(OTHER_SPACE, recreate=True)
    assert (rebuilt.count(), rebuilt.schema) == (0, OTHER_SPACE)
    rebuilt.close()
    with pytest.raises(ConfigurationError):
        opener()


def test_an_index_without_a_dense_leg(opener: Open) -> None:
    index = opener(NO_DENSE)
    index.upsert([point(1, {7: 1.0}), point(2, {8: 1.0})])
    assert len(index.search(permit(), words(7))["sparse"]) == 1
    with pytest.raises(ValueError, match="dense"):
        index.upsert([point(3, vector=dense(1))])
    with pytest.raises(ValueError, match="dense"):
        index.search(permit(), meaning(1))
    index.close()


def test_two_can_share_a_collection_but_not_a_folder(tmp_path: Path) -> None:
    first = open_edge(tmp_path, SCHEMA)
    with pytest.raises(StoreInUse) as caught:
        open_edge(tmp_path, SCHEMA)
    assert caught.value.params == {"path": str(tmp_path)}
    first.close()
    open_edge(tmp_path, SCHEMA).close()
    client = QdrantClient(":memory:")
    one, two = (open_qdrant(None, SCHEMA, client=client) for _ in range(2))
    one.upsert([point(1)])
    assert two.count() == 1
    client.close()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(IndexUnavailable):
        open_qdrant("http://127.0.0.1:9", SCHEMA, timeout=1)


def test_a_server_that_goes_away_is_unavailable_and_comes_back() -> None:
    with QdrantStub() as stub:
        index = open_qdrant(stub.url, SCHEMA)
        index.upsert([point(1)])
        stub.failure = 503
        for call in (index.count, lambda: index.upsert([point(2)]), lambda: index.search(permit(), words(7))):
            with pytest.raises(IndexUnavailable):
                call()
        stub.failure = None
        assert index.count() == 1
        index.close()


def test_a_refused_key_is_a_matter_of_configuration() -> None:
    with QdrantStub() as stub:
        stub.failure = 401
        with pytest.raises(ConfigurationError, match="API key"):
            open_qdrant(stub.url, SCHEMA)


def test_the_environment_can_not_redirect_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with QdrantStub() as stub:
        index = open_qdrant(stub.url, SCHEMA)
        assert index.count() == 0
        index.close()


def test_two_processes_may_create_the_collection_at_once() -> None:
    with QdrantStub() as stub:
        first = open_qdrant(stub.url, SCHEMA)
        stub.hide_collections = True  # as the slower one saw it before the faster one's create
        second = open_qdrant(stub.url, SCHEMA)
        first.upsert([point(1)])
        assert second.count() == 1
        first.close()
        second.close()


def test_payload_indexes_are_there_before_the_first_point() -> None:
    with QdrantStub() as stub:
        open_qdrant(stub.url, SCHEMA).close()
        assert {name: params.get("is_tenant") for name, params in stub.payload_indexes.items()} == {
            "scope": True,
            "tenant": None,
            "collection": None,
            "version": None,
            "document": None,
            "labels": None,
            "valid_from": None,
            "valid_to": None,
        }
        assert stub.payload_indexes["valid_from"]["range"] and stub.payload_indexes["valid_to"]["range"]


class _OldServer(QdrantClient):
    def info(self) -> object:  # type: ignore[override]
        info = super().info()
        info.version = "1.18.3"
        return info


def test_a_server_without_permitted_idf_is_refused() -> None:
    client = _OldServer(":memory:")
    with pytest.raises(ConfigurationError, match=r"1\.19"):
        open_qdrant(None, SCHEMA, client=client)
    client.close()


def test_a_foreign_collection_is_not_taken_over() -> None:
    client = QdrantClient(":memory:")
    client.create_collection("seogo", vectors_config={})
    with pytest.raises(ConfigurationError, match="something else"):
        open_qdrant(None, SCHEMA, client=client)
    client.close()


def test_the_registry_opens_every_backend_it_names(tmp_path: Path) -> None:
    assert set(FACTORIES) == {"edge", "memory", "qdrant"}
    for config in (IndexConfig("edge", folder=tmp_path), IndexConfig("memory")):
        index = open_index(config, SCHEMA)
        assert index.schema == SCHEMA
        index.close()
    for broken in (IndexConfig("edge"), IndexConfig("qdrant"), IndexConfig("faiss")):
        with pytest.raises(ConfigurationError):
            open_index(broken, SCHEMA)
    assert "geheim" not in repr(IndexConfig("qdrant", api_key="geheim"))
