"""Attributes and filters: given at upload, changed later, asked for in search, answers and lists."""

from __future__ import annotations

import json
import time
import unicodedata
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from rag.store import filtering
from rag.store.document import Document
from tests.support.running import Caller, Running
from tests.unit.parsing.documents import zip_bytes


def text(number: int) -> str:
    return f"# 규정 {number}\n\n공통 조항은 모든 부서에 적용한다. 문서 번호는 {number}이다.\n"


def apart(name: str) -> str:
    """As macOS writes it."""
    return unicodedata.normalize("NFD", name)


ATTRIBUTES: dict[str, dict[str, Any]] = {
    "인사/휴가.md": {"dept": "인사", "year": 2022, "effective": "2022-03-01"},
    "인사/급여.md": {"dept": "인사", "year": 2024, "effective": "2024-07-15"},
    "총무/차량.md": {"dept": apart("총무"), "year": 2024, "weight": -0.5},
    "총무/비품.md": {},
}


@pytest.fixture(scope="module")
def shelf(service: Running) -> tuple[Caller, str]:
    caller = service.caller()
    name = caller.collection()
    files = {key: text(number) for number, key in enumerate(ATTRIBUTES)}
    caller.ingest(name, files, attributes={"origin": "시험"}, file_attributes=ATTRIBUTES)
    return caller, name


def found(caller: Caller, name: str, where: dict[str, Any], **body: Any) -> list[str]:
    passages = caller.search("공통 조항", collections=[name], filter=where, **body)
    return sorted(item["source_key"] for item in passages)


def listed(caller: Caller, name: str, where: dict[str, Any]) -> list[str]:
    page = caller.get(f"/api/v1/collections/{name}/documents", params={"filter": json.dumps(where)})
    assert page.status_code == 200, page.text
    return sorted(item["source_key"] for item in page.json()["documents"])


LEAVE, PAY, CARS, GOODS = ATTRIBUTES
CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, [PAY, LEAVE, GOODS, CARS]),
    ({"attributes": {"dept": "인사"}}, [PAY, LEAVE]),
    ({"attributes": {"dept": ["총무", "재무"]}}, [CARS]),
    ({"attributes": {"dept": apart("인사")}}, [PAY, LEAVE]),
    ({"attributes": {"dept": [apart("총무"), "재무"]}}, [CARS]),
    ({"source_key": apart("인사/")}, [PAY, LEAVE]),
    ({"title": apart("규정 0")}, [LEAVE]),
    ({"attributes": {"origin": "시험"}}, [PAY, LEAVE, GOODS, CARS]),
    ({"attributes": {"year": 2024}}, [PAY, CARS]),
    ({"attributes": {"year": "2024"}}, []),
    ({"attributes": {"year": {"gte": 2024}}}, [PAY, CARS]),
    ({"attributes": {"year": {"lt": 2024}}}, [LEAVE]),
    ({"attributes": {"year": {"gt": 2022, "lte": 2024}, "dept": "인사"}}, [PAY]),
    ({"attributes": {"weight": {"lt": 0}}}, [CARS]),
    ({"attributes": {"effective": {"gte": "2024-01-01", "lt": "2024-07-15"}}}, []),
    ({"attributes": {"effective": {"gte": "2024-01-01", "lte": "2024-07-15"}}}, [PAY]),
    ({"attributes": {"effective": "2022-03-01"}}, [LEAVE]),
    ({"attributes": {"none": "x"}}, []),
    ({"source_key": "인사/"}, [PAY, LEAVE]),
    ({"source_key": "인사/", "attributes": {"year": 2024}}, [PAY]),
    ({"title": "규정 3"}, [GOODS]),
    ({"title": "규정"}, [PAY, LEAVE, GOODS, CARS]),
    ({"title": "%"}, []),
    ({"author": "홍"}, []),
    ({"media_type": "text/markdown"}, [PAY, LEAVE, GOODS, CARS]),
    ({"media_type": ["application/pdf"]}, []),
    ({"uploaded": {"gte": "2020-01-01"}}, [PAY, LEAVE, GOODS, CARS]),
    ({"uploaded": {"lt": "2020-01-01"}}, []),
    ({"uploaded": {"lte": "9999-12-31"}}, [PAY, LEAVE, GOODS, CARS]),
    ({"created": {"gte": "1900-01-01"}}, []),
    ({"document_ids": [str(UUID(int=1))]}, []),
]


@pytest.mark.parametrize(("where", "expected"), CASES, ids=[json.dumps(case[0], ensure_ascii=True) for case in CASES])
def test_search_and_list_agree_on_a_filter(
    shelf: tuple[Caller, str], where: dict[str, Any], expected: list[str]
) -> None:
    caller, name = shelf
    assert found(caller, name, where) == sorted(expected)
    assert listed(caller, name, where) == sorted(expected)


def test_a_collection_has_one_name_however_it_is_spelt(service: Running) -> None:
    caller = service.caller()
    made = caller.post("/api/v1/collections", json={"name": apart("취업규칙")})
    assert (made.status_code, made.json()["name"]) == (201, "취업규칙"), made.text
    assert caller.post("/api/v1/collections", json={"name": "취업규칙"}).status_code == 409
    assert caller.get(f"/api/v1/collections/{quote(apart('취업규칙'))}").json()["id"] == made.json()["id"]
    renamed = caller.request("PATCH", "/api/v1/collections/취업규칙", json={"name": apart("인사규정")})
    assert renamed.json()["name"] == "인사규정"


def test_document_ids_narrow(shelf: tuple[Caller, str]) -> None:
    caller, name = shelf
    documents = caller.get(f"/api/v1/collections/{name}/documents").json()["documents"]
    ids = [item["id"] for item in documents[:2]]
    assert found(caller, name, {"document_ids": ids}) == [item["source_key"] for item in documents[:2]]


def test_an_answer_stays_inside_the_filter(shelf: tuple[Caller, str]) -> None:
    caller, name = shelf
    body = {"question": "문서 번호는 무엇인가요?", "collections": [name], "filter": {"attributes": {"year": 2022}}}
    answer = caller.post("/api/v1/answers", json=body).json()
    assert {item["source_key"] for item in answer["passages"]} == {LEAVE}
    body["filter"] = {"attributes": {"year": 1999}}
    assert caller.post("/api/v1/answers", json=body).json()["status"] == "abstained"


@pytest.mark.parametrize(
    "bad",
    [
        {"attributes": {"부서": "인사"}},
        {"attributes": {"dept": True}},
        {"attributes": {"dept": None}},
        {"attributes": {"dept": []}},
        {"attributes": {"dept": ["인사", 3]}},
        {"attributes": {"dept": {"gte": "인사"}}},
        {"attributes": {"year": {}}},
        {"attributes": {"year": {"gte": 1, "lte": "2024-01-01"}}},
        {"attributes": {f"a{number}": 1 for number in range(17)}},
        {"owner": "x"},
        {"created": {"gte": "gestern"}},
        {"created": {"gte": "2024-01-01T10:00:00"}},
        {"uploaded": {"gt": "9999-12-31"}},
        {"uploaded": {"lt": "9999-12-31T23:59:59-14:00"}},
        {"document_ids": []},
        {"document_ids": ["x"]},
    ],
)
def test_a_bad_filter_is_refused_everywhere(shelf: tuple[Caller, str], bad: dict[str, Any]) -> None:
    caller, name = shelf
    for path in ("/api/v1/search", "/api/v1/answers"):
        response = caller.post(path, json={"question": "가", "filter": bad})
        assert response.status_code == 422, (path, response.text)
    page = caller.get(f"/api/v1/collections/{name}/documents", params={"filter": json.dumps(bad)})
    assert (page.status_code, page.json()["code"]) == (422, "invalid_request")


def test_attributes_are_shown_and_changed(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    [document] = caller.ingest(name, {"a.md": text(1)}, attributes={"dept": "인사", "year": 2024})
    assert document["attributes"] == {"dept": "인사", "year": 2024}
    path = f"/api/v1/documents/{document['id']}"
    changed = caller.request("PATCH", path, json={"attributes": {"dept": "총무", "year": None, "note": "개정"}})
    assert changed.status_code == 200, changed.text
    assert changed.json()["attributes"] == {"dept": "총무", "note": "개정"}
    eventually(lambda: found(caller, name, {"attributes": {"dept": "총무"}}) == ["a.md"])
    assert found(caller, name, {"attributes": {"dept": "인사"}}) == []
    assert found(caller, name, {"attributes": {"year": {"gte": 0}}}) == []
    for bad in ({"A": 1}, {"x": "가" * 201}, {f"b{number}": 1 for number in range(15)}):
        assert caller.request("PATCH", path, json={"attributes": bad}).status_code == 422
    assert caller.get(path).json()["attributes"] == {"dept": "총무", "note": "개정"}, "a refused change changes nothing"
    with service.services.rag.database.read() as session:
        assert not session.get_one(Document, UUID(document["id"])).labels_pending


def test_filters_find_what_lies_in_an_archive_by_what_is_said_of_the_archive(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    content = zip_bytes({"규정/a.md": text(1).encode()})
    [archive] = caller.ingest(name, {"규정.zip": content}, attributes={"dept": "인사"})
    member = "규정.zip!/규정/a.md"
    eventually(lambda: found(caller, name, {"attributes": {"dept": "인사"}}) == [member])
    caller.request("PATCH", f"/api/v1/documents/{archive['id']}", json={"attributes": {"dept": "총무"}})
    eventually(lambda: found(caller, name, {"attributes": {"dept": "총무"}}) == [member])
    assert found(caller, name, {"attributes": {"dept": "인사"}}) == []
    caller.upload(name, {"규정.zip": content}, attributes={"dept": "재무"})
    eventually(lambda: found(caller, name, {"attributes": {"dept": "재무"}}) == [member])


def test_the_same_file_with_other_attributes_changes_them_and_without_any_keeps_them(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    caller.ingest(name, {"a.md": text(1)}, attributes={"dept": "인사"})
    again = caller.upload(name, {"a.md": text(1)}, attributes={"dept": "총무"}).json()["documents"][0]
    assert again["outcome"] == "unchanged"
    eventually(lambda: found(caller, name, {"attributes": {"dept": "총무"}}) == ["a.md"])
    [document] = caller.ingest(name, {"a.md": text(2)})
    assert document["attributes"] == {"dept": "총무"}
    assert found(caller, name, {"attributes": {"dept": "총무"}}) == ["a.md"]
    [document] = caller.ingest(name, {"a.md": text(3)}, attributes={})
    assert document["attributes"] == {}


def test_attributes_hold_as_of_a_date_too(service: Running) -> None:
    """Attributes are the document's, not the version's: the archive learns of a change as well."""
    caller = service.caller()
    name = caller.collection()
    caller.ingest(name, {"a.md": text(1)}, attributes={"dept": "인사"})
    instant = datetime.now(UTC).isoformat()
    [document] = caller.ingest(name, {"a.md": text(2)})
    assert found(caller, name, {"attributes": {"dept": "인사"}}, as_of=instant) == ["a.md"]
    caller.request("PATCH", f"/api/v1/documents/{document['id']}", json={"attributes": {"dept": "총무"}})
    eventually(lambda: found(caller, name, {"attributes": {"dept": "총무"}}, as_of=instant) == ["a.md"])


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"attributes": [1]}, "object"),
        ({"attributes": {"A": 1}}, "name"),
        ({"attributes": {f"a{number}": 1 for number in range(17)}}, "16"),
        ({"file_attributes": {"b.md": {"dept": "x"}}}, "b.md"),
        ({"file_attributes": {"a.md": 3}}, "object"),
    ],
)
def test_bad_attributes_refuse_the_upload_and_leave_nothing(
    service: Running, fields: dict[str, Any], detail: str
) -> None:
    caller = service.caller()
    name = caller.collection()
    before = set(service.services.rag.blobs.original_hashes())
    response = caller.upload(name, {"a.md": f"{detail} {fields}"}, **fields)
    assert response.status_code == 422 and detail in response.json()["title"]
    assert set(service.services.rag.blobs.original_hashes()) == before
    assert caller.get(f"/api/v1/collections/{name}/documents").json()["documents"] == []


def test_a_prefix_that_holds_for_too_much_says_so(
    service: Running, shelf: tuple[Caller, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, name = shelf
    monkeypatch.setattr(filtering, "MAX_DOCUMENTS", 3)
    body = {"question": "공통 조항", "collections": [name], "filter": {"title": "규정"}}
    response = caller.post("/api/v1/search", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "filter_too_wide")
    assert found(caller, name, {"source_key": "인사/"}) == [PAY, LEAVE]


def test_a_filter_opens_nothing_of_others(service: Running, shelf: tuple[Caller, str]) -> None:
    caller, name = shelf
    stranger = service.caller()
    ids = [item["id"] for item in caller.get(f"/api/v1/collections/{name}/documents").json()["documents"]]
    for where in ({"document_ids": ids}, {"source_key": "인사/"}, {"attributes": {"dept": "인사"}}):
        assert stranger.search("공통 조항", filter=where) == []
    response = stranger.request("PATCH", f"/api/v1/documents/{ids[0]}", json={"attributes": {"dept": "x"}})
    assert response.status_code == 404


def test_labels_that_never_reached_the_index_are_made_good(service: Running) -> None:
    """The change is on record and its job was lost: the next look around queues it again."""
    caller = service.caller()
    name = caller.collection()
    [document] = caller.ingest(name, {"a.md": text(7)})
    rag = service.services.rag
    from ingest.pipeline.records import change_attributes
    from rag.domain.filters import checked_attributes

    with rag.database.write() as session:
        row = session.get_one(Document, UUID(document["id"]))
        assert change_attributes(session, row, checked_attributes({"dept": "법무"}))
    assert found(caller, name, {"attributes": {"dept": "법무"}}) == []
    service.services.ingest.jobs.upkeep.look_around()
    eventually(lambda: found(caller, name, {"attributes": {"dept": "법무"}}) == ["a.md"])


def eventually(holds: Any, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
