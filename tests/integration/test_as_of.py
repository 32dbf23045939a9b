"""Questions as of a date: what was valid then is found, cited and opened, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ingest.pipeline import maintenance
from rag.store.base import utc_now
from tests.support.running import Caller, Running

FEES = ("500원", "700원", "900원")


def fee(amount: str) -> str:
    return f"# 수수료\n\n타행 이체 수수료는 {amount}이다.\n"


@pytest.fixture(scope="module")
def history(service: Running) -> tuple[Caller, str, list[datetime]]:
    """A document with three versions, and an instant inside the validity of each."""
    caller = service.caller()
    collection = caller.collection()
    instants = []
    for amount in FEES:
        caller.ingest(collection, {"수수료.md": fee(amount)})
        instants.append(utc_now())
    return caller, collection, instants


def found(caller: Caller, collection: str, as_of: datetime | None) -> list[str]:
    body: dict[str, Any] = {"collections": [collection]} | ({"as_of": as_of.isoformat()} if as_of else {})
    return [item["text"] for item in caller.search("타행 이체 수수료", **body)]


def test_each_version_answers_for_its_time(history: tuple[Caller, str, list[datetime]]) -> None:
    caller, collection, instants = history
    for amount, instant in zip(FEES, instants, strict=True):
        assert found(caller, collection, instant) == [f"타행 이체 수수료는 {amount}이다."]
    assert found(caller, collection, None) == [f"타행 이체 수수료는 {FEES[-1]}이다."]
    assert found(caller, collection, instants[0] - timedelta(days=1)) == []
    assert found(caller, collection, instants[-1] + timedelta(days=1)) == [f"타행 이체 수수료는 {FEES[-1]}이다."]


def test_an_answer_as_of_a_date_cites_what_can_be_opened(history: tuple[Caller, str, list[datetime]]) -> None:
    caller, collection, instants = history
    body = {"question": "타행 이체 수수료는 얼마인가요?", "collections": [collection], "as_of": instants[0].isoformat()}
    answer = caller.post("/api/v1/answers", json=body).json()
    assert "500원" in answer["text"] and "900원" not in answer["text"]
    citation = answer["sentences"][0]["citations"][0]
    assert citation["version"] == 1
    opened = caller.get(citation["url"].removeprefix("http://testserver"))
    assert opened.status_code == 200, opened.text
    assert opened.json()["text"][citation["start"] : citation["end"]] == citation["quote"]
    assert caller.get(f"/api/v1/chunks/{citation['chunk_id']}").status_code == 404, "the present has another version"


def test_a_date_without_an_offset_is_refused(history: tuple[Caller, str, list[datetime]]) -> None:
    caller, _, _ = history
    for bad in ("2026-01-01T00:00:00", "gestern"):
        response = caller.post("/api/v1/search", json={"question": "x", "as_of": bad})
        assert response.status_code == 422, bad


def test_a_deleted_document_is_gone_for_every_date(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    caller.ingest(collection, {"수수료.md": fee("500원")})
    instant = utc_now()
    [document] = caller.ingest(collection, {"수수료.md": fee("700원")})
    assert found(caller, collection, instant)
    receipt = caller.delete(f"/api/v1/documents/{document['id']}").json()
    assert found(caller, collection, instant) == []
    assert len(caller.receipt(receipt["id"])["versions"]) == 2


def test_the_archive_is_part_of_verify_and_rebuild(
    service: Running, history: tuple[Caller, str, list[datetime]]
) -> None:
    caller, collection, instants = history
    pipeline = service.services.ingest.pipeline
    before = set(pipeline.index.versions_of())
    report = maintenance.verify(pipeline)
    assert report.healthy and report.points == len(before), report
    maintenance.rebuild_index(pipeline, lambda done, total: None)
    assert set(pipeline.index.versions_of()) == before
    assert found(caller, collection, instants[1]) == [f"타행 이체 수수료는 {FEES[1]}이다."]
    assert found(caller, collection, None) == [f"타행 이체 수수료는 {FEES[2]}이다."]


def test_another_tenant_sees_no_version_of_any_date(
    service: Running, history: tuple[Caller, str, list[datetime]]
) -> None:
    _, collection, instants = history
    stranger = service.caller()
    for instant in instants:
        assert stranger.search("타행 이체 수수료", as_of=instant.isoformat()) == []
        body = {"question": "타행 이체 수수료", "collections": [collection], "as_of": instant.isoformat()}
        assert stranger.post("/api/v1/search", json=body).status_code == 404
