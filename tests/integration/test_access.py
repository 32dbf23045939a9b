"""Rules of documents through the product: set at every door, obeyed by every reader from the next request on."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from rag.access.policy import Action
from rag.domain.access import Label, group
from rag.domain.language import Language
from rag.domain.principal import Scope
from rag.index.base import SPARSE, LegQuery
from tests.support.running import Caller, Running, running, settings_for
from tests.support.tenants import Tenant, deafen, put, readings, wait_settled, wait_until, world


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """On SQLite alone: what the stores could differ in is in `test_access_stores.py`."""
    with running(settings_for(tmp_path_factory.mktemp("service"))) as started:
        yield started


@pytest.fixture
def tenant(service: Running) -> Tenant:
    return Tenant(service)


@pytest.fixture
def points_stay(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """No job moves points: what is seen is what the record alone enforces."""
    monkeypatch.setattr(type(service.services.ingest.jobs.upkeep), "relabel", lambda self, identity: None)


def test_once_the_points_have_followed_it_is_found_by_whom_the_rule_permits(tenant: Tenant) -> None:
    document_id, chunk_id = world(tenant)
    assert put(tenant.boss, document_id, allow=[tenant.subject(tenant.other)], label="O").status_code == 200
    wait_settled(tenant, document_id)
    assert all(readings(tenant, tenant.other, document_id, chunk_id).values())
    assert not any(readings(tenant, tenant.reader, document_id, chunk_id).values())
    lifted = put(tenant.boss, document_id).json()
    assert lifted["access"] == {"allow": [], "deny": [], "label": "O"}
    wait_settled(tenant, document_id)
    assert all(readings(tenant, tenant.reader, document_id, chunk_id).values())


def test_an_index_that_ignores_the_permit_lets_nothing_out(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    document_id, chunk_id = world(tenant)
    deafen(monkeypatch)
    stranger = Tenant(tenant.service)
    rag = tenant.service.services.rag
    assert put(tenant.boss, document_id, allow=[tenant.subject(tenant.other)]).status_code == 200
    wait_settled(tenant, document_id)
    permit = rag.policy.authorize(stranger.principal(stranger.reader), Action.SEARCH)
    vectors = rag.space.embed_query("구조조정 대상자", Language.KOREAN)
    found = rag.index.search(permit, {SPARSE: LegQuery(vectors.sparse, 50)})
    assert UUID(chunk_id) in {hit.chunk_id for hit in found[SPARSE]}, "what the test is about: the index leaks"
    assert all(readings(tenant, tenant.other, document_id, chunk_id).values())
    assert not any(readings(tenant, tenant.reader, document_id, chunk_id).values())
    for path in ("/api/v1/search", "/api/v1/answers"):
        told = stranger.boss.post(path, json={"question": "구조조정 대상자 reorganisation Kim"}).text
        assert "김철수" not in told and document_id not in told
    told = tenant.reader.post("/api/v1/search", json={"question": "구조조정 대상자", "explain": True}).json()
    permit = rag.policy.authorize(tenant.principal(tenant.reader), Action.SEARCH)
    trace = rag.retriever.search(permit, "구조조정 대상자", limit=10).trace
    assert trace.withheld > 0 and "김철수" not in json.dumps(told, ensure_ascii=False)
    assert told["trace"]["withheld"] == 0, "how much was held back tells a reader what words are in there"
    assert told["trace"]["candidates"] == trace.candidates - trace.withheld


def test_while_more_are_on_their_way_than_a_search_can_leave_out_a_reader_learns_nothing(
    tenant: Tenant, points_stay: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (
        "징계 대상자는 홍길동 대리이다",
        "감사실은 징계 대상자를 소환하였다",
        "징계위원회가 다음 주 대상자를 심의한다",
    )
    texts = {f"{number}.md": f"# 문서 {number}\n\n{text}.\n".encode() for number, text in enumerate(said)}
    documents = tenant.boss.ingest(tenant.collection, texts)
    monkeypatch.setattr("rag.store.access_rule.MAX_PENDING", 2)
    for item in documents[:2]:
        put(tenant.boss, item["id"], allow=[tenant.subject(tenant.other)])
    question = {"question": "징계 대상자는 누구인가?"}

    def found(caller: Caller) -> set[str]:
        return {item["document_id"] for item in caller.post("/api/v1/search", json=question).json()["passages"]}

    assert found(tenant.reader) == {documents[2]["id"]}
    put(tenant.boss, documents[2]["id"], allow=[tenant.subject(tenant.other)])
    for path in ("/api/v1/search", "/api/v1/answers"):
        refused = tenant.reader.post(path, json=question)
        assert (refused.status_code, refused.json()["code"]) == (503, "access_settling"), refused.text
        assert int(refused.headers["Retry-After"]) > 0 and "trace" not in refused.json()
    assert found(tenant.other) == found(tenant.boss) == {item["id"] for item in documents}, "who may read them goes on"


def test_a_label_is_for_the_cleared_whatever_their_role(tenant: Tenant) -> None:
    document_id, chunk_id = world(tenant)
    cleared, admin = tenant.key(Scope.READ, clearance=Label.SENSITIVE), tenant.key(Scope.ADMIN)
    assert put(tenant.boss, document_id, label="S").status_code == 200
    wait_settled(tenant, document_id)
    assert all(readings(tenant, cleared, document_id, chunk_id).values())
    assert not any(readings(tenant, admin, document_id, chunk_id).values())
    assert cleared.get(f"/api/v1/documents/{document_id}").json()["label"] == "S"
    # Whoever is not cleared can neither lower the label nor put one above its own clearance.
    assert put(admin, document_id).status_code == 404
    [open_one] = [
        item
        for item in admin.get(f"/api/v1/collections/{tenant.collection}/documents").json()["documents"]
        if item["id"] != document_id
    ]
    refused = put(admin, open_one["id"], label="C")
    assert (refused.status_code, refused.json()["code"]) == (403, "label_above_clearance")
    assert put(tenant.boss, document_id, label="C").status_code == 200
    assert cleared.get(f"/api/v1/documents/{document_id}").status_code == 404


def test_a_rule_of_a_collection_holds_for_all_in_it(tenant: Tenant) -> None:
    document_id, _ = world(tenant)
    address = f"/api/v1/collections/{tenant.collection}/access"
    team = tenant.add_group("인사팀")
    changed = tenant.boss.request("PUT", address, json={"deny": [tenant.subject(tenant.reader), "group:인사팀"]})
    assert {item["subject"] for item in changed.json()["access"]["deny"]} == {
        tenant.subject(tenant.reader),
        group(team).text,
    }
    assert tenant.reader.get(f"/api/v1/documents/{document_id}").status_code == 404
    assert tenant.reader.search("구조조정 구내식당") == []
    assert tenant.reader.get("/api/v1/collections").json()["collections"] == []
    assert tenant.other.get(f"/api/v1/documents/{document_id}").status_code == 200
    refused = tenant.boss.request("PUT", address, json={"deny": [tenant.subject(tenant.boss)]})
    assert (refused.status_code, refused.json()["code"]) == (409, "would_lock_out")
    assert tenant.boss.request("PUT", address, json={"label": "S"}).json()["access"]["label"] == "S"
    assert tenant.boss.get(f"/api/v1/documents/{document_id}").json()["label"] == "S"
    assert tenant.other.get(f"/api/v1/documents/{document_id}").status_code == 404
    assert tenant.key(Scope.ADMIN).request("PUT", address, json={}).status_code == 404


def test_who_may_say_it(tenant: Tenant) -> None:
    document_id, _ = world(tenant)
    for method, path in (("GET", "access"), ("PUT", "access"), ("GET", "access/explain?subject=user:x")):
        body = {"json": {}} if method == "PUT" else {}
        for caller, status in ((tenant.reader, 403), (tenant.writer, 404)):
            answer = caller.request(method, f"/api/v1/documents/{document_id}/{path}", **body)
            assert answer.status_code == status, (method, path)
    refused = put(tenant.boss, document_id, deny=[tenant.subject(tenant.boss)])
    assert (refused.status_code, refused.json()["code"]) == (409, "would_lock_out")
    for rule, words in (
        ({"allow": ["user:nobody"]}, "no user 'nobody'"),
        ({"allow": ["group:없음"]}, "no group '없음'"),
        ({"deny": ["everyone"]}, "for good"),
        ({"allow": ["kim"]}, "subject"),
        ({"allow": [f"user:{uuid4()}"]}, "no user"),
    ):
        refused = put(tenant.boss, document_id, **rule)
        assert refused.status_code == 422 and words in refused.json()["title"], refused.text
    assert tenant.reader.get(f"/api/v1/documents/{document_id}").status_code == 200
    locked = put(tenant.boss, document_id, deny=[tenant.subject(tenant.boss)], force=True)
    assert locked.status_code == 200
    assert tenant.boss.get(f"/api/v1/documents/{document_id}").status_code == 404


def test_a_subject_of_another_tenant_is_none(service: Running, tenant: Tenant) -> None:
    document_id, _ = world(tenant)
    stranger = Tenant(service)
    foreign = stranger.add_group("남의 팀")
    for subject in (stranger.subject(stranger.reader), group(foreign).text, "group:남의 팀"):
        assert put(tenant.boss, document_id, allow=[subject]).status_code == 422
        explained = tenant.boss.get(f"/api/v1/documents/{document_id}/access/explain", params={"subject": subject})
        assert explained.status_code == 422


def test_a_rule_comes_with_the_upload_and_its_uploader_is_on_the_list(tenant: Tenant) -> None:
    rule = {"allow": [tenant.subject(tenant.reader)]}
    own = {"b.md": {"deny": [tenant.subject(tenant.other)]}}
    files = {"a.md": "# A\n\n첫째 문서 거북이\n", "b.md": "# B\n\n둘째 문서 거북이\n"}
    documents = tenant.writer.ingest(tenant.collection, files, access=rule, file_access=own)
    first = min(documents, key=lambda item: item["source_key"])
    assert {item["source_key"] for item in tenant.reader.search("거북이")} == {"a.md", "b.md"}
    assert {item["source_key"] for item in tenant.writer.search("거북이")} == {"a.md", "b.md"}
    assert tenant.other.search("거북이") == []
    shown = tenant.boss.get(f"/api/v1/documents/{first['id']}/access").json()
    assert {item["subject"] for item in shown["access"]["allow"]} == {
        tenant.subject(tenant.reader),
        tenant.subject(tenant.writer),
    }
    assert shown["owner"]["subject"] == tenant.subject(tenant.writer)
    assert shown["settled"]


def test_an_upload_can_not_open_what_a_curator_closed(tenant: Tenant) -> None:
    [document] = tenant.writer.ingest(tenant.collection, {"a.md": "# A\n\n거북이\n"})
    assert put(tenant.boss, document["id"], deny=[tenant.subject(tenant.reader)]).status_code == 200
    again = tenant.writer.upload(tenant.collection, {"a.md": "# A\n\n거북이 둘\n"}, access={})
    assert (again.status_code, again.json()["code"]) == (403, "not_yours_to_open")
    deny = [tenant.subject(tenant.reader), tenant.subject(tenant.other)]
    assert (
        tenant.writer.upload(tenant.collection, {"a.md": "# A\n\n거북이\n"}, access={"deny": deny}).status_code == 202
    )
    assert tenant.other.get(f"/api/v1/documents/{document['id']}").status_code == 404
    stranger = tenant.key(Scope.WRITE)
    taken = stranger.upload(tenant.collection, {"a.md": "# A\n\n거북이\n"}, access={"label": "O"})
    assert (taken.status_code, taken.json()["code"]) == (403, "not_yours_to_open")
    assert put(tenant.boss, document["id"], deny=[tenant.subject(stranger)]).status_code == 200
    taken = stranger.upload(tenant.collection, {"a.md": "# A\n\n마음대로\n"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")


def test_deleting_and_uploading_again_is_no_way_around_a_rule(tenant: Tenant) -> None:
    [document] = tenant.writer.ingest(tenant.collection, {"a.md": "# A\n\n거북이\n"})
    assert put(tenant.boss, document["id"], deny=[tenant.subject(tenant.reader)]).status_code == 200
    receipt = tenant.boss.delete(f"/api/v1/documents/{document['id']}").json()
    tenant.boss.receipt(receipt["id"])
    tenant.writer.ingest(tenant.collection, {"a.md": "# A\n\n거북이\n"})
    assert tenant.reader.get(f"/api/v1/documents/{document['id']}").status_code == 404
    assert tenant.reader.search("거북이") == []
    assert [item["source_key"] for item in tenant.other.search("거북이")] == ["a.md"]


def test_what_lies_in_an_archive_is_as_closed_as_the_archive(tenant: Tenant) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("가", "나"):
            archive.writestr(f"{name}.txt", f"거북이 {name} 문서\n")
    rule = {"deny": [tenant.subject(tenant.reader)]}
    tenant.boss.ingest(tenant.collection, {"자료.zip": packed.getvalue()}, access=rule)
    wait_until(lambda: len(tenant.other.search("거북이")) == 2)
    assert tenant.reader.search("거북이") == []
    listed = tenant.other.get(f"/api/v1/collections/{tenant.collection}/documents").json()["documents"]
    child = next(item for item in listed if item["parent_id"] and item["source_key"].endswith("가.txt"))
    shown = tenant.boss.get(f"/api/v1/documents/{child['id']}/access").json()
    assert (shown["settled"], shown["owner"]["subject"]) == (True, tenant.subject(tenant.boss))
    assert [item["document_id"] for item in shown["containers"]] == [child["parent_id"]]
    # The archive is opened, one of the files in it is not.
    assert put(tenant.boss, child["id"], **rule).status_code == 200
    assert put(tenant.boss, child["parent_id"]).status_code == 200
    wait_until(lambda: len(tenant.other.search("거북이")) == 2)
    assert [item["source_key"] for item in tenant.reader.search("거북이")] == ["자료.zip!/나.txt"]


def test_why_somebody_can_or_can_not_read(tenant: Tenant) -> None:
    document_id, _ = world(tenant)

    def explained(caller: Caller) -> tuple[bool, str, str]:
        params = {"subject": tenant.subject(caller)}
        found = tenant.boss.get(f"/api/v1/documents/{document_id}/access/explain", params=params).json()
        agrees = caller.get(f"/api/v1/documents/{document_id}").status_code == 200
        assert found["permitted"] is agrees
        return found["permitted"], found["decided_by"]["level"], found["decided_by"]["why"]

    assert explained(tenant.reader) == (True, "document", "not_restricted")
    put(tenant.boss, document_id, deny=[tenant.subject(tenant.reader)])
    assert explained(tenant.reader) == (False, "document", "denied")
    put(tenant.boss, document_id, allow=[tenant.subject(tenant.reader)])
    assert explained(tenant.reader) == (True, "document", "listed")
    assert explained(tenant.other) == (False, "document", "not_listed")
    put(tenant.boss, document_id, allow=[tenant.subject(tenant.reader)], label="C")
    assert explained(tenant.reader) == (False, "document", "clearance")
    address = f"/api/v1/collections/{tenant.collection}/access"
    tenant.boss.request("PUT", address, json={"deny": [tenant.subject(tenant.other)]})
    assert explained(tenant.other) == (False, "collection", "denied")


def test_a_snapshot_brings_a_rule(tenant: Tenant) -> None:
    page = {"url": "https://intra.example/a", "html": "<p>거북이</p>", "fetched_at": "2026-01-01T00:00:00Z"}
    body = {**page, "access": {"deny": [tenant.subject(tenant.reader)]}}
    made = tenant.writer.post(f"/api/v1/collections/{tenant.collection}/snapshots", json=body).json()
    assert tenant.reader.get(f"/api/v1/documents/{made['document_id']}").status_code == 404
    assert tenant.other.get(f"/api/v1/documents/{made['document_id']}").status_code == 200


def test_receipts_name_no_document_that_may_not_be_read(tenant: Tenant) -> None:
    document_id, _ = world(tenant)
    second = tenant.key(Scope.WRITE)
    put(tenant.boss, document_id, deny=[tenant.subject(second)])
    receipt = tenant.boss.delete(f"/api/v1/documents/{document_id}").json()
    assert tenant.writer.get(f"/api/v1/receipts/{receipt['id']}").status_code == 200
    assert second.get(f"/api/v1/receipts/{receipt['id']}").status_code == 404
    assert second.get("/api/v1/receipts").json()["receipts"] == []


def test_an_admin_who_is_not_cleared_reads_no_quote_on_record(tenant: Tenant) -> None:
    document_id, _ = world(tenant)
    asked = tenant.boss.post("/api/v1/answers", json={"question": "구조조정 대상자는 누구인가?"}).json()
    assert "김철수" in asked["text"]
    given = {"rating": "down", "comment": "김철수는 아니다", "corrected_answer": "이영희"}
    assert tenant.boss.post(f"/api/v1/answers/{asked['answer_id']}/feedback", json=given).status_code == 200
    admin = tenant.key(Scope.ADMIN)
    [before] = admin.get("/api/v1/feedback?purpose=정기 점검").json()["feedback"]
    assert "김철수" in before["answer"]["text"] and not before["answer"]["content_withheld"]
    put(tenant.boss, document_id, label="S")
    [after] = admin.get("/api/v1/feedback?purpose=정기 점검").json()["feedback"]
    assert after["answer"]["content_withheld"]
    assert "김철수" not in json.dumps(after, ensure_ascii=False) and "이영희" not in json.dumps(
        after, ensure_ascii=False
    )
    [full] = tenant.boss.get("/api/v1/feedback?purpose=정기 점검").json()["feedback"]
    assert full["feedback"]["corrected_answer"] == "이영희"


def test_retention_shows_no_name_of_what_may_not_be_read(tenant: Tenant) -> None:
    document_id, _ = world(tenant)
    tenant.boss.request("PATCH", f"/api/v1/collections/{tenant.collection}", json={"retention": {"document_days": 0}})
    put(tenant.boss, document_id, label="S")
    address = f"/api/v1/collections/{tenant.collection}/retention"
    shown = tenant.key(Scope.ADMIN).get(address).json()["documents"]
    assert [item["source_key"] for item in shown] == ["공지.md"]


def test_no_correction_tells_a_word_of_what_was_closed_a_moment_ago(tenant: Tenant, points_stay: None) -> None:
    documents = tenant.boss.ingest(
        tenant.collection,
        {"a.md": "# 사규\n\n보험료를 내지 않은 자에게는 과태료를 부과한다\n", "b.md": "# 공지\n\n구내식당 안내\n"},
    )
    document_id = next(item["id"] for item in documents if item["source_key"] == "a.md")

    def told() -> str:
        answer = tenant.reader.post("/api/v1/search", json={"question": "과테료는 얼마인가요?", "explain": True}).json()
        return json.dumps(answer["trace"], ensure_ascii=False)

    assert "과태료" in told()
    put(tenant.boss, document_id, deny=[tenant.subject(tenant.reader)])
    assert "과태료" not in told()
    # Once the points have followed, what was remembered before must not come back.
    from ingest.pipeline.labels import relabel_document

    pipeline = tenant.service.services.ingest.pipeline
    relabel_document(pipeline.database, pipeline.index, UUID(document_id))
    assert "과태료" not in told()
