"""A Qdrant server's REST interface in front of the client's local mode: the real wire, without the real engine.

It answers the requests that `rag/index/qdrant.py` makes, validates their bodies with the client's own models, and fails
on demand. What it can't show is the server's own behaviour; for that, set SEOGO_TEST_QDRANT_URL.
"""

import json
import threading
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from pydantic import TypeAdapter
from qdrant_client import QdrantClient, models

CLUSTER = ("shard_number", "replication_factor", "write_consistency_factor")
Answer = Callable[["QdrantStub", str, Any], Any]


class QdrantStub:
    """`with QdrantStub() as stub:` serves at `stub.url`."""

    def __init__(self) -> None:
        self.engine = QdrantClient(":memory:")
        self.guard = threading.Lock()  # the local mode is not made for threads
        self.failure: int | None = None
        self.failures: list[int] = []  # for the next requests, one each
        self.hide_collections = False
        self.payload_indexes: dict[str, Any] = {}
        self.created: dict[str, Any] = {}
        self.recorded: list[tuple[str, str, Any]] = []
        handler = type("Handler", (_Handler,), {"stub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "QdrantStub":
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.engine.close()


def _create(stub: QdrantStub, name: str, body: Any) -> bool:
    if stub.engine.collection_exists(name):
        raise FileExistsError
    request = models.CreateCollection.model_validate(body)
    stub.created[name] = request
    return stub.engine.create_collection(
        name,
        vectors_config=request.vectors,
        sparse_vectors_config=request.sparse_vectors,
        metadata=request.metadata,
    )


def _info(stub: QdrantStub, name: str, body: Any) -> Any:
    """The local mode keeps no settings; a server says those of the request."""
    info = stub.engine.get_collection(name).model_dump(mode="json", exclude_none=True)
    asked = stub.created[name].model_dump(mode="json", exclude_none=True)
    info["config"]["params"].update({key: asked[key] for key in (*CLUSTER, "vectors") if key in asked})
    info["config"]["hnsw_config"].update(asked.get("hnsw_config", {}))
    info["payload_schema"] = {
        field: {"data_type": params["type"], "params": params, "points": 0}
        for field, params in stub.payload_indexes.items()
    }
    return info


def _move_aliases(stub: QdrantStub, name: str, body: Any) -> bool:
    return stub.engine.update_collection_aliases(models.ChangeAliasesOperation.model_validate(body).actions)


def _drop(stub: QdrantStub, name: str, body: Any) -> bool:
    stub.payload_indexes.clear()
    return stub.engine.delete_collection(name)


def _index_field(stub: QdrantStub, name: str, body: Any) -> Any:
    request = models.CreateFieldIndex.model_validate(body)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stub.payload_indexes[request.field_name] = request.model_dump(mode="json")["field_schema"]
    return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


def _upsert(stub: QdrantStub, name: str, body: Any) -> Any:
    return stub.engine.upsert(name, models.PointsList.model_validate(body).points)


def _delete(stub: QdrantStub, name: str, body: Any) -> Any:
    return stub.engine.delete(name, models.FilterSelector.model_validate(body))


def _set_payload(stub: QdrantStub, name: str, body: Any) -> Any:
    request = models.SetPayload.model_validate(body)
    return stub.engine.set_payload(name, request.payload, points=request.filter)


def _count(stub: QdrantStub, name: str, body: Any) -> Any:
    request = models.CountRequest.model_validate(body)
    return stub.engine.count(name, count_filter=request.filter, exact=True)


def _query(stub: QdrantStub, name: str, body: Any) -> Any:
    request = models.QueryRequestBatch.model_validate(body)
    return stub.engine.query_batch_points(name, request.searches)


def _scroll(stub: QdrantStub, name: str, body: Any) -> Any:
    request = models.ScrollRequest.model_validate(body)
    points, offset = stub.engine.scroll(
        name,
        limit=request.limit or 10,
        offset=request.offset,
        with_payload=request.with_payload or False,
        with_vectors=request.with_vector or False,
    )
    return {"points": points, "next_page_offset": offset}


ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "exists"): lambda stub, name, _: {
        "exists": stub.engine.collection_exists(name) and not stub.hide_collections
    },
    ("GET", "aliases"): lambda stub, *_: {"aliases": []} if stub.hide_collections else stub.engine.get_aliases(),
    ("GET", "collections"): lambda stub, *_: stub.engine.get_collections(),
    ("POST", "aliases"): _move_aliases,
    ("GET", ""): _info,
    ("PUT", ""): _create,
    ("DELETE", ""): _drop,
    ("PUT", "index"): _index_field,
    ("PUT", "points"): _upsert,
    ("POST", "points/delete"): _delete,
    ("POST", "points/payload"): _set_payload,
    ("POST", "points/count"): _count,
    ("POST", "points/query/batch"): _query,
    ("POST", "points/scroll"): _scroll,
}


def _parted(path: str) -> tuple[str, str]:
    """The collection and the rest of a path."""
    parts = [part for part in path.split("/") if part]
    if parts in (["aliases"], ["collections"], ["collections", "aliases"]):
        return "", parts[-1]
    return (parts[1], "/".join(parts[2:])) if len(parts) > 1 else ("", "")


class _Handler(BaseHTTPRequestHandler):
    stub: QdrantStub

    def _serve(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        path = self.path.partition("?")[0]
        name, route = _parted(path)
        self.stub.recorded.append((self.command, self.path, body))
        if self.stub.failures:
            self._send(self.stub.failures.pop(0), {"status": {"error": "as told"}})
        elif self.stub.failure:
            self._send(self.stub.failure, {"status": {"error": "as told"}})
        elif path == "/":
            self._send(200, {"title": "qdrant", "version": "1.20.0"})
        else:
            try:
                with self.stub.guard:
                    result = ROUTES[self.command, route](self.stub, name, body)
            except FileExistsError:
                self._send(409, {"status": {"error": "exists"}})
            except ValueError as error:
                self._send(404, {"status": {"error": str(error)}})
            else:
                self._send(200, {"time": 0.0, "status": "ok", "result": result})

    do_GET = do_PUT = do_POST = do_DELETE = _serve

    def _send(self, status: int, content: Any) -> None:
        payload = TypeAdapter(Any).dump_json(content)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        pass
