"""How the contract opens each backend; a new one gets its opener here."""

import os
import uuid
from collections.abc import Callable, Iterator

from qdrant_client import QdrantClient

from rag.index.base import VectorIndex
from rag.index.edge import open_edge
from rag.index.qdrant import open_qdrant
from rag.index.qdrant_collections import spaces_of
from tests.contract.index_contract import SCHEMA, fast_folder
from tests.contract.qdrant_stub import QdrantStub

Open = Callable[..., VectorIndex]
SERVER = os.environ.get("SEOGO_TEST_QDRANT_URL")
STORED = ["edge", "qdrant-local", "qdrant-rest", *(["qdrant-server"] if SERVER else [])]


def edge_opener() -> Iterator[Open]:
    with fast_folder() as folder:
        yield lambda schema=SCHEMA, **options: open_edge(folder / "색인", schema, **options)


def server_opener() -> Iterator[Open]:
    name = f"seogo-test-{uuid.uuid4()}"
    yield lambda schema=SCHEMA, **options: open_qdrant(SERVER, schema, collection_name=name, **options)
    cleaner = QdrantClient(url=SERVER, check_compatibility=False)
    for space in spaces_of(cleaner, name):
        cleaner.delete_collection(space.name)
    cleaner.close()


def local_opener() -> Iterator[Open]:
    client = QdrantClient(":memory:")
    yield lambda schema=SCHEMA, **options: open_qdrant(None, schema, client=client, **options)
    client.close()


def rest_opener() -> Iterator[Open]:
    with QdrantStub() as stub:
        yield lambda schema=SCHEMA, **options: open_qdrant(stub.url, schema, **options)


OPENERS: dict[str, Callable[[], Iterator[Open]]] = {
    "edge": edge_opener,
    "qdrant-local": local_opener,
    "qdrant-rest": rest_opener,
    "qdrant-server": server_opener,
}
