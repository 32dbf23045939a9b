"""Dify's external knowledge and Continue's context provider, called as these products call them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.support.running import Caller, Running, running, settings_for

RULES = "# 휴가\n\n경조휴가는 5일이다. 결혼하는 직원에게 준다.\n"
MANUAL = "# 게이트웨이\n\n서명 키는 발급 후 180일이 지나면 만료된다.\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service on the embedded store alone: what is asked of the record here, the tests of files ask on both."""
    with running(settings_for(tmp_path_factory.mktemp("service"))) as started:
        yield started


@pytest.fixture(scope="module")
def caller(service: Running) -> Caller:
    made = service.caller(language="ko")
    made.ingest(made.collection("사규"), {"인사/휴가.md": RULES}, attributes={"dept": "인사", "year": 2024})
    made.ingest(made.collection("manuals"), {"gateway.md": MANUAL}, attributes={"year": 2020})
    return made


def retrieval(caller: Caller, **body: Any) -> Any:
    wanted = {"query": "경조휴가는 며칠인가요?", "retrieval_setting": {"top_k": 3, "score_threshold": 0.0}, **body}
    return caller.post("/dify/retrieval", json=wanted)


def test_dify_gets_records_with_score_title_and_metadata(caller: Caller) -> None:
    [record] = retrieval(caller, knowledge_id="사규").json()["records"]
    assert "5일" in record["content"] and 0 < record["score"] <= 1
    assert record["title"]
    metadata = record["metadata"]
    assert (metadata["path"], metadata["dept"], metadata["year"]) == ("인사/휴가.md", "인사", 2024)
    assert "5일" in caller.get("/api/v1/" + metadata["url"].split("/api/v1/")[1]).json()["text"]


def test_dify_may_name_a_collection_by_its_ids_and_join_addresses_badly(caller: Caller) -> None:
    identity = caller.get("/api/v1/collections/사규").json()["id"]
    for named in (identity, f"vs_{UUID(identity).hex}"):
        assert len(retrieval(caller, knowledge_id=named).json()["records"]) == 1
    body = {"knowledge_id": "사규", "query": "경조휴가", "retrieval_setting": {"top_k": 1, "score_threshold": 0}}
    joined = caller.running.http.request("POST", "http://testserver/dify//retrieval", json=body, headers=caller.headers)
    assert joined.status_code == 200


@pytest.mark.parametrize(
    ("name", "operator", "value", "found"),
    [
        ("dept", "is", "인사", 1),
        ("dept", "is not", "인사", 0),
        ("year", "=", "2024", 1),
        ("year", "≠", 2024, 0),
        ("year", "≥", 2025, 0),
        ("year", "<", "2025", 1),
        (["dept", "team"], "is", "인사", 1),
        ("dept", "in", ["인사", "재무"], 1),
        ("dept", "not in", ["재무"], 1),
    ],
)
def test_dify_filters_by_attributes(caller: Caller, name: Any, operator: str, value: Any, found: int) -> None:
    condition = {"conditions": [{"name": name, "comparison_operator": operator, "value": value}]}
    records = retrieval(caller, knowledge_id="사규", metadata_condition=condition).json()["records"]
    assert len(records) == found


@pytest.mark.parametrize(
    ("operator", "value"),
    [("contains", "인"), ("empty", None), ("=", "많이"), ("is", None), ("before", "어제"), ("in", [])],
)
def test_dify_is_told_which_conditions_cannot_be_asked(caller: Caller, operator: str, value: Any) -> None:
    condition = {"conditions": [{"name": "dept", "comparison_operator": operator, "value": value}]}
    refused = retrieval(caller, knowledge_id="사규", metadata_condition=condition)
    assert (refused.status_code, refused.json()["error_code"]) == (422, 422)
    assert "invalid_request" in refused.json()["error_msg"]


@pytest.mark.parametrize("name", ["", "x" * 65, ["dept", ""]])
def test_dify_is_told_which_names_cannot_be_asked(caller: Caller, name: Any) -> None:
    condition = {"conditions": [{"name": name, "comparison_operator": "is", "value": "x"}]}
    refused = retrieval(caller, knowledge_id="사규", metadata_condition=condition)
    assert (refused.status_code, refused.json()["error_code"]) == (422, 422)


def test_a_list_of_many_wrong_values_has_one_error(caller: Caller) -> None:
    condition = {"conditions": [{"name": "x", "comparison_operator": "in", "value": [{}] * 200_000}]}
    refused = retrieval(caller, knowledge_id="사규", metadata_condition=condition)
    assert refused.status_code == 422
    assert len(refused.content) < 5_000


def test_a_threshold_of_dify_leaves_out_what_is_below(caller: Caller) -> None:
    setting = {"top_k": 3, "score_threshold": 1.0}
    query = "결혼 경조휴가 gateway signing"
    assert len(retrieval(caller, knowledge_id="사규", query=query).json()["records"]) == 1
    best = retrieval(caller, knowledge_id="사규", query=query, retrieval_setting=setting).json()["records"]
    assert all(item["score"] >= 1.0 for item in best)


def test_dify_gets_its_own_error_codes(service: Running, caller: Caller) -> None:
    body = {"knowledge_id": "사규", "query": "x", "retrieval_setting": {"top_k": 1, "score_threshold": 0}}
    for headers, code in (({}, 1001), ({"Authorization": "Basic x"}, 1001), ({"Authorization": "Bearer x"}, 1002)):
        refused = service.http.post("/dify/retrieval", json=body, headers=headers)
        assert (refused.status_code, refused.json()["error_code"]) == (401, code)
    missing = retrieval(caller, knowledge_id="없음")
    assert (missing.status_code, missing.json()["error_code"]) == (404, 2001)
    assert "없음" in missing.json()["error_msg"]


def test_continue_gets_items_of_context(caller: Caller) -> None:
    body = {"query": "", "fullInput": "서명 키는 며칠 뒤 만료되나요?", "workspacePath": "/home/x"}
    items = caller.post("/continue/context", json=body).json()
    assert set(items[0]) == {"name", "description", "content"}
    assert "180일" in items[0]["content"] and "gateway.md" in items[0]["content"]
    assert items[0]["description"].startswith("manuals")
    only = caller.post("/continue/context", json={**body, "options": {"collections": ["사규"], "limit": 1}}).json()
    assert all("사규" in item["description"] for item in only)
    empty = caller.post("/continue/context", json={"query": " ", "fullInput": ""})
    assert (empty.status_code, empty.json()["code"]) == (422, "invalid_request")


def test_a_stranger_learns_nothing_at_either_door(service: Running, caller: Caller) -> None:
    stranger = service.caller(language="ko")
    refused, absent = retrieval(stranger, knowledge_id="사규"), retrieval(stranger, knowledge_id="없음")
    assert refused.status_code == absent.status_code == 404
    assert refused.text.replace("사규", "없음") == absent.text
    body = {"query": "경조휴가 5일"}
    assert stranger.post("/continue/context", json=body).json() == []
    named = [
        stranger.post("/continue/context", json={**body, "options": {"collections": [n]}}) for n in ("사규", "없음")
    ]
    assert {item.status_code for item in named} == {404}
    assert named[0].text.replace("사규", "없음") == named[1].text
    assert service.http.post("/continue/context", json=body).status_code == 401
