"""What goes over the wire to a Qdrant server: collections, aliases, points and queries, over REST and gRPC, and tries.

The bodies are compared with what the server's OpenAPI document asks for, as the client's models of it write them.
"""

import logging
from collections.abc import Iterator
from concurrent import futures
from typing import Any
from uuid import UUID

import grpc
import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client import grpc as messages
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc.points_service_pb2_grpc import PointsServicer, add_PointsServicer_to_server

from rag.domain.errors import ConfigurationError, IndexUnavailable
from rag.embedding.bm25 import term_id
from rag.index import qdrant, qdrant_requests
from rag.index.base import DBSF, DENSE, RRF, SPARSE, HybridQuery, IndexSchema, LegQuery
from rag.index.layout import schema_record, space_identity
from rag.index.qdrant import QdrantIndex, open_qdrant
from rag.index.qdrant_collections import behind_alias, drop_space, physical_name, point_alias, spaces_of
from rag.index.qdrant_connection import Tries
from rag.index.qdrant_requests import batches
from rag.index.registry import IndexConfig, open_index
from rag.retrieval.rarity import term_scores
from rag.settings import QdrantSettings
from tests.contract.index_contract import SCHEMA, dense, idf, meaning, numbers, permit, point, sparse, words
from tests.contract.qdrant_stub import QdrantStub
from tests.contract.test_hybrid_contract import RICH, own_words, rich, tokens

CLUSTER = QdrantSettings(
    shards=6,
    replicas=2,
    write_consistency=2,
    quantisation="turbo",
    oversampling=3.0,
    vectors_on_disk=True,
    hnsw_m=24,
    hnsw_ef_construct=200,
    hnsw_ef=96,
)
NEXT = IndexSchema("새 공간/bge-m3", SCHEMA.dimensions)
PERMITTED = {
    "must": [
        {
            "key": "scope",
            "match": {"any": [f"{UUID(int=0xA)}/{UUID(int=0xC1)}", f"{UUID(int=0xA)}/{UUID(int=0xC2)}"]},
        }
    ]
}


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with QdrantStub() as running:
        yield running


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    local = QdrantClient(":memory:")
    yield local
    local.close()


def sent(stub: QdrantStub, method: str, path: str) -> list[Any]:
    """Bodies of the requests to a path, in order, without what is not said."""
    return [_said(body) for verb, where, body in stub.recorded if verb == method and where.partition("?")[0] == path]


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _said(item) for key, item in value.items() if item is not None}
    return [_said(item) for item in value] if isinstance(value, list) else value


class TestRequests:
    def test_a_collection_of_a_cluster(self, stub: QdrantStub) -> None:
        open_qdrant(stub.url, RICH, settings=CLUSTER).close()
        name = physical_name("seogo", RICH)
        assert name == f"seogo_{space_identity(RICH)}" and len(space_identity(RICH)) == 12
        assert sent(stub, "PUT", f"/collections/{name}") == [
            {
                "vectors": {
                    "dense": {
                        "size": 8,
                        "distance": "Cosine",
                        "memory": "cold",
                        "quantization_config": {"turbo": {"memory": "pinned", "bits": "bits4"}},
                    },
                    "multi": {
                        "size": 4,
                        "distance": "Cosine",
                        "memory": "cold",
                        "hnsw_config": {"m": 0, "payload_m": 0},
                        "multivector_config": {"comparator": "max_sim"},
                    },
                },
                "sparse_vectors": {"sparse": {"modifier": "idf"}, "learned": {}},
                "hnsw_config": {"m": 24, "ef_construct": 200, "payload_m": 24},
                "shard_number": 6,
                "replication_factor": 2,
                "write_consistency_factor": 2,
                "metadata": {"seogo": schema_record(RICH)},
            }
        ]
        create = {"create_alias": {"collection_name": name, "alias_name": "seogo"}}
        assert sent(stub, "POST", "/collections/aliases") == [{"actions": [create]}]

    def test_scalar_quantisation_and_a_graph_per_scope(self, stub: QdrantStub) -> None:
        settings = QdrantSettings(quantisation="scalar", quantised_in_memory=False, hnsw_m=0)
        open_qdrant(stub.url, SCHEMA, settings=settings).close()
        (body,) = sent(stub, "PUT", f"/collections/{physical_name('seogo', SCHEMA)}")
        assert body["vectors"]["dense"] == {
            "size": 8,
            "distance": "Cosine",
            "memory": "cached",
            "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99, "memory": "cold"}},
        }
        assert body["hnsw_config"] == {"m": 0, "ef_construct": 128, "payload_m": 16}

    def test_payload_indexes(self, stub: QdrantStub) -> None:
        open_qdrant(stub.url, SCHEMA).close()
        path = f"/collections/{physical_name('seogo', SCHEMA)}/index"
        bodies = {body["field_name"]: body["field_schema"] for body in sent(stub, "PUT", path)}
        assert bodies["scope"] == {"type": "keyword", "is_tenant": True}
        assert bodies["labels"] == bodies["document"] == {"type": "keyword", "enable_hnsw": False}
        assert bodies["tenant"] == bodies["version"] == {"type": "keyword", "enable_hnsw": False, "memory": "cold"}
        assert bodies["valid_to"] == {"type": "integer", "lookup": False, "range": True, "enable_hnsw": False}
        assert {where for verb, where, _ in stub.recorded if where.startswith(path)} == {f"{path}?wait=true"}
        stub.recorded.clear()
        open_qdrant(stub.url, SCHEMA).close()
        assert sent(stub, "PUT", path) == []  # a second process asks for nothing that is there

    def test_writes_wait_and_keep_their_order_where_there_are_copies(self, stub: QdrantStub) -> None:
        index = open_qdrant(stub.url, RICH, settings=CLUSTER)
        stub.recorded.clear()
        index.upsert([rich(point(1, {7: 2.0}, dense(1), labels=["부서=인사"]), {5: 0.5}, tokens([1], [0, 1]))])
        index.relabel(UUID(int=1), ["부서=총무"])
        index.delete_versions([UUID(int=1)])
        index.close()
        path = f"/collections/{physical_name('seogo', RICH)}/points"
        (body,) = sent(stub, "PUT", path)
        (written,) = body["points"]
        assert written["id"] == str(UUID(int=1))
        assert written["vector"] == {
            "dense": [1.0, *[0.0] * 7],
            "sparse": {"indices": [7], "values": [2.0]},
            "learned": {"indices": [5], "values": [0.5]},
            "multi": [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]],
        }
        assert written["payload"]["labels"] == ["부서=인사"]
        of_version = {"must": [{"key": "version", "match": {"any": [str(UUID(int=1))]}}]}
        assert sent(stub, "POST", f"{path}/payload") == [{"payload": {"labels": ["부서=총무"]}, "filter": of_version}]
        assert sent(stub, "POST", f"{path}/delete") == [{"filter": of_version}]
        for _, where, _ in stub.recorded:
            assert set(where.partition("?")[2].split("&")) == {"wait=true", "ordering=medium"}

    def test_a_search_rescores_what_quantisation_preselected(self, stub: QdrantStub) -> None:
        index = open_qdrant(stub.url, SCHEMA, settings=CLUSTER)
        stub.recorded.clear()
        with pytest.warns(UserWarning, match="search_params"):  # the engine behind the stub has no use for them
            index.search(permit(), {**words(7, limit=5), **meaning(1, limit=5)})
        (body,) = sent(stub, "POST", f"/collections/{physical_name('seogo', SCHEMA)}/points/query/batch")
        lexical, semantic = body["searches"]
        assert lexical == {
            "query": {"nearest": {"indices": [7], "values": [1.0]}},
            "using": "sparse",
            "filter": PERMITTED,
            "limit": 21,
            "params": {"idf": {"corpus": PERMITTED}},
        }
        assert semantic["params"] == {
            "hnsw_ef": 96,
            "quantization": {"rescore": True, "oversampling": 3.0},
        }
        index.close()

    def test_hybrid_is_one_request_with_the_permit_in_every_part(self, stub: QdrantStub) -> None:
        index = open_qdrant(stub.url, RICH)
        stub.recorded.clear()
        legs = {**words(7, limit=50), **meaning(1, limit=40), **own_words({5: 1.0}, 30)}
        index.hybrid(permit(), HybridQuery(legs, RRF, 10, {SPARSE: 2.0}, tokens([1]), rescored=20))
        index.hybrid(permit(), HybridQuery(words(7), DBSF, 10))
        path = f"/collections/{physical_name('seogo', RICH)}/points/query/batch"
        assert [where for _, where, _ in stub.recorded] == [path, path]
        late, plain = sent(stub, "POST", path)
        fused, rescored = late["searches"]
        assert fused["query"] == {"rrf": {"k": 61, "weights": [1.0, 2.0, 1.0]}} and fused["limit"] == 26
        assert [(item["using"], item["limit"]) for item in fused["prefetch"]] == [
            ("dense", 40),
            ("sparse", 50),
            ("learned", 30),
        ]
        assert fused["prefetch"][1]["params"]["idf"] == {"corpus": PERMITTED}
        assert [item.get("score_threshold") for item in fused["prefetch"]] == [None, 1e-30, 1e-30]
        assert rescored["using"] == "multi" and rescored["query"] == {"nearest": [[1.0, 0.0, 0.0, 0.0]]}
        (inner,) = rescored["prefetch"]
        assert inner == {key: fused[key] for key in ("prefetch", "query", "filter")} | {"limit": 20}
        for part in (fused, rescored, inner, *fused["prefetch"], *inner["prefetch"]):
            assert part["filter"] == PERMITTED
        assert plain["searches"][0]["query"] == {"fusion": "dbsf"}
        index.close()

    def test_how_rare_a_term_is_costs_one_hit_however_many_score_the_same(self, stub: QdrantStub) -> None:
        """Forms and rows of tables repeat a word as often in every chunk: which of them comes is of no matter here."""
        index = open_qdrant(stub.url, SCHEMA)
        term = term_id("휴가")
        index.upsert([point(number, {term: 1.0}) for number in range(1, 41)])
        stub.recorded.clear()
        scores = term_scores(index, permit(), ["휴가", "없는낱말"])
        assert scores["휴가"] > 0 == scores["없는낱말"]
        [body] = sent(stub, "POST", f"/collections/{physical_name('seogo', SCHEMA)}/points/query/batch")
        assert [search["limit"] for search in body["searches"]] == [1, 1]
        index.close()

    def test_switching_moves_the_alias_in_one_request(self, stub: QdrantStub) -> None:
        config = IndexConfig("qdrant", url=stub.url)
        open_index(config, SCHEMA).close()
        open_qdrant(stub.url, NEXT, space_collection=True).close()
        stub.recorded.clear()
        qdrant.point_alias(config, NEXT)
        name = physical_name("seogo", NEXT)
        assert sent(stub, "POST", "/collections/aliases") == [
            {
                "actions": [
                    {"delete_alias": {"alias_name": "seogo"}},
                    {"create_alias": {"collection_name": name, "alias_name": "seogo"}},
                ]
            }
        ]
        assert [(item.name, item.space, item.current) for item in qdrant.spaces_of(config)] == sorted(
            [(physical_name("seogo", SCHEMA), SCHEMA.space, False), (name, NEXT.space, True)]
        )
        qdrant.drop_space(config, SCHEMA)
        assert [item.name for item in qdrant.spaces_of(config)] == [name]

    def test_requests_stay_below_the_limit_of_the_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert [len(batch) for batch in batches([point(n) for n in range(600)])] == [256, 256, 88]
        monkeypatch.setattr(qdrant_requests, "BATCH_NUMBERS", 1000)
        few = [rich(point(n), multi=np.full((10, 10), 0.1, dtype=np.float32)) for n in range(25)]
        assert [len(batch) for batch in batches(few)] == [9, 9, 7]  # 102 numbers each: token vectors and one term
        huge = rich(point(1), multi=np.ones((1000, 2), dtype=np.float32))
        assert [len(batch) for batch in batches([point(2), huge, point(3)])] == [1, 1, 1]


class TestSpaces:
    def test_an_index_works_on_its_own_space_wherever_the_alias_points(self, client: QdrantClient) -> None:
        old = open_qdrant(None, SCHEMA, client=client)
        old.upsert([point(1, vector=dense(1))])
        new = open_qdrant(None, NEXT, client=client, space_collection=True)
        new.upsert([point(2, vector=dense(1))])
        assert behind_alias(client, "seogo") == old.collection
        point_alias(client, "seogo", NEXT)
        assert numbers(old.search(permit(), meaning(1))[DENSE]) == [1]
        assert numbers(new.search(permit(), meaning(1))[DENSE]) == [2]
        reopened = open_qdrant(None, NEXT, client=client)
        assert (reopened.collection, reopened.count()) == (new.collection, 1)
        with pytest.raises(ConfigurationError, match="embedding space 시험용"):
            open_qdrant(None, SCHEMA, client=client)
        point_alias(client, "seogo", SCHEMA)  # and back
        assert open_qdrant(None, SCHEMA, client=client).count() == 1

    def test_what_answers_is_not_dropped(self, client: QdrantClient) -> None:
        open_qdrant(None, SCHEMA, client=client)
        with pytest.raises(ConfigurationError, match="answers questions"):
            drop_space(client, "seogo", SCHEMA)
        drop_space(client, "seogo", NEXT)  # was never there
        with pytest.raises(ConfigurationError, match="no Qdrant collection"):
            point_alias(client, "seogo", NEXT)

    def test_a_rebuild_for_another_space_leaves_nothing_of_the_old_one(self, client: QdrantClient) -> None:
        open_qdrant(None, SCHEMA, client=client).upsert([point(1)])
        rebuilt = open_qdrant(None, NEXT, client=client, recreate=True)
        assert [(item.name, item.current, item.points) for item in spaces_of(client, "seogo")] == [
            (rebuilt.collection, True, 0)
        ]

    def test_a_collection_from_before_aliases_still_opens(self, client: QdrantClient) -> None:
        _older_collection(client)
        index = open_qdrant(None, SCHEMA, client=client)
        index.upsert([point(1, vector=dense(1))])
        assert (index.collection, index.count(), behind_alias(client, "seogo")) == ("seogo", 1, None)
        assert open_qdrant(None, SCHEMA, client=client, space_collection=True).collection == "seogo"
        assert [(item.name, item.current) for item in spaces_of(client, "seogo")] == [("seogo", True)]
        open_qdrant(None, NEXT, client=client, space_collection=True)
        with pytest.raises(ConfigurationError, match="index rebuild"):
            point_alias(client, "seogo", NEXT)
        rebuilt = open_qdrant(None, SCHEMA, client=client, recreate=True)
        assert rebuilt.collection == behind_alias(client, "seogo") == physical_name("seogo", SCHEMA)

    def test_other_collections_on_the_server_are_none_of_ours(self, client: QdrantClient) -> None:
        open_qdrant(None, SCHEMA, client=client)
        client.create_collection("seogo_backup", vectors_config={})
        client.create_collection("others", vectors_config={})
        assert len(spaces_of(client, "seogo")) == 1


def _older_collection(client: QdrantClient) -> None:
    client.create_collection(
        "seogo",
        vectors_config={DENSE: models.VectorParams(size=8, distance=models.Distance.COSINE)},
        sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        metadata={"seogo": schema_record(SCHEMA)},
    )


class TestDifferences:
    def test_are_said_and_nothing_is_changed(self, stub: QdrantStub, caplog: pytest.LogCaptureFixture) -> None:
        first = open_qdrant(stub.url, SCHEMA, settings=CLUSTER)
        assert first.differences == ()
        first.close()
        stub.recorded.clear()
        with caplog.at_level(logging.WARNING, "rag.index.qdrant"):
            second = open_qdrant(stub.url, SCHEMA, settings=QdrantSettings(replicas=3, quantisation="scalar"))
        assert second.differences == (
            "shards: 6, configured 1",
            "replicas: 2, configured 3",
            "write_consistency: 2, configured 1",
            "hnsw_m: 24, configured 16",
            "hnsw_ef_construct: 200, configured 128",
            "quantisation: turbo, configured scalar",
            "vectors_on_disk: True, configured False",
        )
        assert [record.getMessage() for record in caplog.records if "replicas: 2" in record.getMessage()]
        assert {verb for verb, where, _ in stub.recorded} == {"GET"}
        second.close()

    def test_more_confirmations_than_copies_are_refused(self, client: QdrantClient) -> None:
        with pytest.raises(ConfigurationError, match="write_consistency"):
            open_qdrant(None, SCHEMA, client=client, settings=QdrantSettings(replicas=1, write_consistency=2))


class TestTries:
    @pytest.fixture
    def pauses(self) -> list[float]:
        return []

    def opened(self, stub: QdrantStub, pauses: list[float], most: int = 3, within: float = 30.0) -> QdrantIndex:
        index = open_qdrant(stub.url, SCHEMA)
        index._tries = Tries(most, within, pauses.append)
        return index

    def test_a_server_that_is_busy_is_asked_again(self, stub: QdrantStub, pauses: list[float]) -> None:
        index = self.opened(stub, pauses)
        stub.failures = [503, 500]
        index.upsert([point(1), point(2)])
        assert (index.count(), pauses) == (2, [0.1, 0.4])
        stub.failures = [502, 504]
        found = index.search(permit(), words(7))[SPARSE]
        assert [hit.score for hit in found] == pytest.approx([idf(2, 2)] * 2, abs=1e-4)
        index.close()

    def test_the_last_try_fails(self, stub: QdrantStub, pauses: list[float]) -> None:
        index = self.opened(stub, pauses)
        stub.failure = 503
        stub.recorded.clear()
        with pytest.raises(IndexUnavailable):
            index.count()
        assert (len(stub.recorded), len(pauses)) == (3, 2)
        index.close()

    @pytest.mark.parametrize("status", [400, 404, 413, 422])
    def test_a_no_is_not_asked_twice(self, stub: QdrantStub, pauses: list[float], status: int) -> None:
        index = self.opened(stub, pauses)
        stub.failure = status
        stub.recorded.clear()
        with pytest.raises(IndexUnavailable):
            index.upsert([point(1)])
        assert (len(stub.recorded), pauses) == (1, [])
        index.close()

    def test_no_try_begins_when_the_time_is_up(self, stub: QdrantStub, pauses: list[float]) -> None:
        index = self.opened(stub, pauses, within=0.05)
        stub.failures = [503]
        with pytest.raises(IndexUnavailable):
            index.count()
        assert pauses == []
        index.close()


class _Points(PointsServicer):
    """The server's gRPC interface for points in front of the stub's engine."""

    def __init__(self, engine: QdrantClient) -> None:
        self.engine = engine
        self.calls: list[Any] = []
        self.failures: list[grpc.StatusCode] = []

    def _begin(self, request: Any, context: grpc.ServicerContext) -> None:
        self.calls.append(request)
        if self.failures:
            context.abort(self.failures.pop(0), "as told")

    def Upsert(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._begin(request, context)
        points = [
            models.PointStruct(
                id=GrpcToRest.convert_point_id(item.id),
                vector=GrpcToRest.convert_vectors(item.vectors),
                payload=GrpcToRest.convert_payload(item.payload),
            )
            for item in request.points
        ]
        self.engine.upsert(request.collection_name, points)
        return messages.PointsOperationResponse(result=messages.UpdateResult(operation_id=0, status=2), time=0.0)

    def Count(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._begin(request, context)
        counted = self.engine.count(request.collection_name, exact=True).count
        return messages.CountResponse(result=messages.CountResult(count=counted), time=0.0)

    def QueryBatch(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._begin(request, context)
        asked = [_from_message(item) for item in request.query_points]
        found = self.engine.query_batch_points(request.collection_name, asked)
        batches = [
            messages.BatchResult(result=[RestToGrpc.convert_scored_point(hit) for hit in item.points]) for item in found
        ]
        return messages.QueryBatchResponse(result=batches, time=0.0)


def _from_message(item: Any) -> models.QueryRequest:
    return models.QueryRequest(
        query=GrpcToRest.convert_query(item.query),
        using=item.using if item.HasField("using") else None,
        filter=GrpcToRest.convert_filter(item.filter),
        limit=item.limit,
        params=GrpcToRest.convert_search_params(item.params) if item.HasField("params") else None,
        prefetch=[GrpcToRest.convert_prefetch_query(part) for part in item.prefetch] or None,
    )


class TestGrpc:
    @pytest.fixture
    def points(self, stub: QdrantStub) -> Iterator[tuple[_Points, int]]:
        servicer = _Points(stub.engine)
        server = grpc.server(futures.ThreadPoolExecutor(2))
        add_PointsServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield servicer, port
        server.stop(None).wait()

    def test_points_and_queries_take_the_port(
        self, stub: QdrantStub, points: tuple[_Points, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # which gRPC would heed by itself
        servicer, port = points
        index = open_qdrant(stub.url, RICH, settings=QdrantSettings(grpc_port=port))
        stub.recorded.clear()
        index.upsert([rich(point(n, {7: n / 10}, dense(1, n)), {5: 0.5}, tokens([1, n])) for n in range(1, 4)])
        assert index.count() == 3
        found = index.search(permit(), {**words(7), **meaning(1), **own_words({5: 1.0})})
        assert [numbers(hits) for hits in found.values()] == [[3, 2, 1], [1, 2, 3], [1, 2, 3]]
        assert found[SPARSE][0].score == pytest.approx(0.3 * idf(3, 3), abs=1e-4)
        legs = {**words(7), **meaning(1)}
        hits = index.hybrid(permit(), HybridQuery(legs, RRF, 5, {SPARSE: 3.0}, tokens([1])))
        assert numbers(hits) == [1, 2, 3]
        assert stub.recorded == []
        index.close()
        idf_corpus = servicer.calls[2].query_points[0].params.idf
        assert len(idf_corpus.corpus.must) == 1

    def test_errors_mean_the_same(self, stub: QdrantStub, points: tuple[_Points, int]) -> None:
        servicer, port = points
        index = open_qdrant(stub.url, SCHEMA, settings=QdrantSettings(grpc_port=port))
        pauses: list[float] = []
        index._tries = Tries(3, 30.0, pauses.append)
        servicer.failures = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
        index.upsert([point(1)])
        assert (len(servicer.calls), pauses) == (3, [0.1, 0.4])
        servicer.failures = [grpc.StatusCode.INVALID_ARGUMENT]
        with pytest.raises(IndexUnavailable):
            index.search(permit(), {DENSE: LegQuery(dense(1), 3)})
        servicer.failures = [grpc.StatusCode.UNAUTHENTICATED]
        with pytest.raises(ConfigurationError, match="API key"):
            index.count()
        assert len(pauses) == 2
        index.close()

    def test_a_key_without_encryption_is_mentioned(self, stub: QdrantStub, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, "rag.index.qdrant_connection"):
            open_qdrant(stub.url, SCHEMA, api_key="not-a-real-key").close()
        assert "unencrypted" in caplog.text and "not-a-real-key" not in caplog.text


def test_sparse_queries_are_unchanged_by_settings_for_vectors(client: QdrantClient) -> None:
    index = open_qdrant(None, SCHEMA, client=client, settings=CLUSTER)
    index.upsert([point(1, {7: 1.0}), point(2, {8: 1.0})])
    assert [hit.score for hit in index.search(permit(), {SPARSE: LegQuery(sparse({7: 1.0}), 5)})[SPARSE]] == (
        pytest.approx([idf(2, 1)], abs=1e-4)
    )
