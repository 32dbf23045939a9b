"""Rules of documents through the product: set at every door, obeyed by every reader from the next request on."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import pytest

from rag.domain.access import Label, group, user
from rag.domain.principal import Principal, Scope
from rag.store import program
from rag.store.account import AccountGroup
from rag.store.base import utc_now
from rag.store.program import Program, ProgramState
from tests.support.running import Caller, Running

SECRET = "인사팀 구조조정 대상자는 김철수 과장이다. The reorganisation concerns Kim."


class Tenant:
    """A tenant with keys of every role; `boss` is an admin who is cleared for everything."""

    def __init__(self, service: Running) -> None:
        self.service, self.name = service, f"t-{uuid4().hex[:8]}"
        self.boss = self.key(Scope.ADMIN, clearance=Label.CONFIDENTIAL)
        self.reader, self.other = self.key(Scope.READ), self.key(Scope.READ)
        self.writer, self.collection = self.key(Scope.WRITE), self.boss.collection("인사")

    def key(self, *scopes: Scope, clearance: Label = Label.OPEN, collections: list[UUID] | None = None) -> Caller:
        secret, _ = self.service.services.rag.keys.create(
            self.name, "열쇠", scopes, collections=collections, clearance=clearance
        )
        return Caller(self.service, {"Authorization": f"Bearer {secret}", "Accept-Language": "en"})

    def principal(self, caller: Caller) -> Principal:
        return self.service.services.rag.authenticate(caller.headers["Authorization"].split()[1])

    def subject(self, caller: Caller) -> str:
        return user(self.principal(caller).id).text

    def add_group(self, name: str) -> UUID:
        row = AccountGroup(id=uuid4(), tenant_id=self.principal(self.boss).tenant_id, name=name)
        with self.service.services.rag.database.write() as session:
            session.add(row)
        return row.id


@pytest.fixture
def tenant(service: Running) -> Tenant:
    return Tenant(service)


@pytest.fixture
def points_stay(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """No job moves points: what is seen is what the record alone enforces."""
    monkeypatch.setattr(type(service.services.ingest.jobs.upkeep), "relabel", lambda self, identity: None)


def put(caller: Caller, document_id: str, **rule: Any) -> Any:
    return caller.request("PUT", f"/api/v1/documents/{document_id}/access", json=rule)


def readings(tenant: Tenant, caller: Caller, document_id: str, chunk_id: str) -> dict[str, bool]:
    """By every door: whether anything of the document is seen."""
    seen: dict[str, bool] = {}
    asked = {"question": "구조조정 대상자 reorganisation Kim"}
    seen["search"] = document_id in caller.post("/api/v1/search", json={**asked, "explain": True}).text
    seen["ask"] = "김철수" in caller.post("/api/v1/answers", json=asked).text
    seen["stream"] = "김철수" in caller.post("/api/v1/answers", json={**asked, "stream": True}).text
    seen["filter"] = document_id in caller.post("/api/v1/search", json={**asked, "filter": {"source_key": "구조"}}).text
    seen["chunk"] = caller.get(f"/api/v1/chunks/{chunk_id}").status_code == 200
    seen["document"] = caller.get(f"/api/v1/documents/{document_id}").status_code == 200
    seen["content"] = caller.get(f"/api/v1/documents/{document_id}/content").status_code == 200
    seen["versions"] = caller.get(f"/api/v1/documents/{document_id}/versions").status_code == 200
    seen["status"] = document_id in caller.post("/api/v1/documents/status", json={"ids": [document_id]}).text
    seen["list"] = document_id in caller.get(f"/api/v1/collections/{tenant.collection}/documents").text
    seen["count"] = caller.get(f"/api/v1/collections/{tenant.collection}").json()["documents"] == 2
    seen["counts"] = caller.get("/api/v1/collections").json()["collections"][0]["documents"] == 2
    seen["ingestion"] = caller.get(f"/api/v1/collections/{tenant.collection}/ingestion").json()["active"] == 2
    seen["as_of"] = document_id in caller.post("/api/v1/search", json={**asked, "as_of": utc_now().isoformat()}).text
    chat = {"model": f"rag/{tenant.collection}", "messages": [{"role": "user", "content": asked["question"]}]}
    seen["chat"] = "김철수" in caller.post("/v1/chat/completions", json=chat).text
    answered = {"model": f"rag/{tenant.collection}", "input": asked["question"]}
    seen["responses"] = "김철수" in caller.post("/v1/responses", json=answered).text
    file_id = f"file-{UUID(document_id).hex}"
    seen["file"] = caller.get(f"/v1/files/{file_id}").status_code == 200
    seen["file_content"] = caller.get(f"/v1/files/{file_id}/content").status_code == 200
    seen["files"] = file_id in caller.get("/v1/files").text
    store = f"vs_{UUID(caller.get(f'/api/v1/collections/{tenant.collection}').json()['id']).hex}"
    seen["store"] = caller.get(f"/v1/vector_stores/{store}").json()["file_counts"]["total"] == 2
    seen["store_files"] = file_id in caller.get(f"/v1/vector_stores/{store}/files").text
    seen["store_file"] = caller.get(f"/v1/vector_stores/{store}/files/{file_id}/content").status_code == 200
    found = caller.post(f"/v1/vector_stores/{store}/search", json={"query": asked["question"]})
    seen["store_search"] = file_id in found.text
    return seen


def world(tenant: Tenant) -> tuple[str, str]:
    """A document that rules will be put on, beside another that stays open; its id, and that of its chunk."""
    documents = tenant.boss.ingest(
        tenant.collection, {"구조.md": f"# 인사\n\n{SECRET}\n", "공지.md": "# 공지\n\n구내식당은 여덟 시에 연다.\n"}
    )
    document_id = next(item["id"] for item in documents if item["source_key"] == "구조.md")
    [chunk_id] = [item["chunk_id"] for item in tenant.boss.search("구조조정 대상자") if item["source_key"] == "구조.md"]
    return document_id, chunk_id


def test_a_change_counts_at_every_door_before_the_points_follow(tenant: Tenant, points_stay: None) -> None:
    document_id, chunk_id = world(tenant)
    before = readings(tenant, tenant.reader, document_id, chunk_id)
    assert all(before.values()), before
    assert put(tenant.boss, document_id, deny=[tenant.subject(tenant.reader)]).status_code == 200
    after = readings(tenant, tenant.reader, document_id, chunk_id)
    assert not any(after.values()), after
    shown = tenant.boss.get(f"/api/v1/documents/{document_id}/access").json()
    assert (shown["settled"], shown["access"]["deny"][0]["name"]) == (False, "열쇠")
    # Nobody finds it until its points have followed, but who may read it reads it.
    assert tenant.other.get(f"/api/v1/documents/{document_id}").status_code == 200
    assert document_id not in tenant.other.post("/api/v1/search", json={"question": "구조조정"}).text


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


def wait_settled(tenant: Tenant, document_id: str) -> None:
    wait_until(lambda: tenant.boss.get(f"/api/v1/documents/{document_id}/access").json()["settled"])


def wait_until(holds: Callable[[], bool]) -> None:
    import time

    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


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
    first, second = sorted(documents, key=lambda item: item["source_key"])
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


def test_what_lies_in_a_mail_is_as_closed_as_the_mail(tenant: Tenant) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "거북이", "a@example.com", "b@example.com"
    mail.set_content("거북이 본문\n")
    mail.add_attachment("거북이 첨부\n", filename="첨부.txt")
    tenant.boss.ingest(
        tenant.collection, {"메일.eml": mail.as_bytes()}, access={"deny": [tenant.subject(tenant.reader)]}
    )
    wait_until(lambda: len(tenant.other.search("거북이 첨부")) == 2)
    assert tenant.reader.search("거북이 첨부") == []
    listed = tenant.other.get(f"/api/v1/collections/{tenant.collection}/documents").json()["documents"]
    child = next(item for item in listed if item["parent_id"])
    shown = tenant.boss.get(f"/api/v1/documents/{child['id']}/access").json()
    assert (shown["settled"], shown["owner"]["subject"]) == (True, tenant.subject(tenant.boss))
    assert [item["document_id"] for item in shown["containers"]] == [child["parent_id"]]
    # The mail is opened, its attachment is not.
    assert put(tenant.boss, child["id"], deny=[tenant.subject(tenant.reader)]).status_code == 200
    assert put(tenant.boss, child["parent_id"]).status_code == 200
    wait_settled(tenant, child["id"])
    wait_settled(tenant, child["parent_id"])
    assert [item["source_key"] for item in tenant.reader.search("거북이 첨부")] == ["메일.eml"]


def test_many_at_once_by_a_filter(tenant: Tenant) -> None:
    files = {f"{part}/{number}.md": f"# {number}\n\n거북이 {number}\n" for part in ("가", "나") for number in range(3)}
    tenant.boss.ingest(tenant.collection, files)
    address = f"/api/v1/collections/{tenant.collection}/documents/access"
    body = {"deny": [tenant.subject(tenant.reader)], "filter": {"source_key": "가/"}, "limit": 2}
    first = tenant.boss.post(address, json=body).json()
    assert (first["documents"], first["changed"], first["next_cursor"]) == (2, 2, "가/1.md")
    second = tenant.boss.post(address, json={**body, "cursor": first["next_cursor"]}).json()
    assert (second["documents"], second["changed"], second["next_cursor"]) == (1, 1, None)
    assert {item["source_key"][:1] for item in tenant.reader.search("거북이")} == {"나"}
    assert tenant.writer.post(address, json=body).status_code == 404
    assert tenant.reader.post(address, json=body).status_code == 403


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


def test_a_source_brings_rules(tenant: Tenant) -> None:
    body = {"kind": "folder", "location": "/srv/규정", "access": {"deny": [tenant.subject(tenant.reader)]}}
    source = tenant.writer.post(f"/api/v1/collections/{tenant.collection}/sources", json=body).json()
    assert source["access"] == {"allow": [], "deny": [tenant.subject(tenant.reader)], "label": "O"}
    upload = tenant.writer.post(
        f"/api/v1/collections/{tenant.collection}/documents",
        params={"source": source["id"]},
        files=[("files", ("a.md", "# A\n\n거북이\n".encode()))],
    )
    [made] = upload.json()["documents"]
    tenant.boss.wait([made["document_id"]])
    assert tenant.reader.search("거북이") == []
    item = {"key": "a.md", "fingerprint": "1", "content_hash": "0" * 64, "size": 1, "document_id": made["document_id"]}
    address = f"/api/v1/sources/{source['id']}/items"
    ruled = {**item, "access": {"deny": [tenant.subject(tenant.reader), tenant.subject(tenant.other)]}}
    assert tenant.writer.request("PUT", address, json={"items": [ruled]}).status_code == 200
    assert tenant.other.get(f"/api/v1/documents/{made['document_id']}").status_code == 404
    opened = tenant.writer.request("PUT", address, json={"items": [{**item, "access": {}}]})
    assert (opened.status_code, opened.json()["code"]) == (403, "not_yours_to_open")
    # Another who keeps the source in step, and may not read the document, does not see its name nor forgets it.
    second = tenant.key(Scope.WRITE)
    put(tenant.boss, made["document_id"], deny=[tenant.subject(second)])
    assert second.get(address).json()["items"] == []
    assert second.request("PUT", address, json={"items": [item]}).status_code == 404
    assert second.post(f"{address}/delete", json={"keys": ["a.md"]}).json()["receipts"] == []
    assert [one["key"] for one in tenant.boss.get(address).json()["items"]] == ["a.md"]
    weaker = second.post(f"/api/v1/collections/{tenant.collection}/sources", json={**body, "access": {}})
    assert (weaker.status_code, weaker.json()["code"]) == (403, "not_yours_to_open")


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


def test_clients_files_are_as_closed_as_the_documents_that_they_are(tenant: Tenant) -> None:
    store = f"vs_{UUID(tenant.boss.get(f'/api/v1/collections/{tenant.collection}').json()['id']).hex}"
    files = {"file": ("a.md", "# A\n\n거북이\n".encode()), "purpose": (None, "assistants")}
    made = tenant.writer.post("/v1/files", files=files).json()
    assert tenant.reader.get(f"/v1/files/{made['id']}/content").status_code == 200
    placed = tenant.writer.post(f"/v1/vector_stores/{store}/files", json={"file_id": made["id"]})
    assert placed.status_code == 200, placed.text
    [document] = tenant.boss.get(f"/api/v1/collections/{tenant.collection}/documents").json()["documents"]
    put(tenant.boss, document["id"], deny=[tenant.subject(tenant.reader), tenant.subject(tenant.writer)])
    for caller in (tenant.reader, tenant.writer):
        assert caller.get(f"/v1/files/{made['id']}/content").status_code == 404
        assert made["id"] not in caller.get("/v1/files").text
    assert tenant.other.get(f"/v1/files/{made['id']}/content").status_code == 200
    batch = tenant.boss.post(f"/v1/vector_stores/{store}/file_batches", json={"file_ids": [made["id"]]}).json()
    counted = tenant.reader.get(f"/v1/vector_stores/{store}/file_batches/{batch['id']}").json()
    assert counted["file_counts"]["total"] == 0


def test_an_admin_who_is_not_cleared_reads_no_quote_on_record(tenant: Tenant) -> None:
    document_id, _ = world(tenant)
    asked = tenant.boss.post("/api/v1/answers", json={"question": "구조조정 대상자는 누구인가?"}).json()
    assert "김철수" in asked["text"]
    given = {"rating": "down", "comment": "김철수는 아니다", "corrected_answer": "이영희"}
    assert tenant.boss.post(f"/api/v1/answers/{asked['answer_id']}/feedback", json=given).status_code == 200
    admin = tenant.key(Scope.ADMIN)
    [before] = admin.get("/api/v1/feedback").json()["feedback"]
    assert "김철수" in before["answer"]["text"] and not before["answer"]["content_withheld"]
    put(tenant.boss, document_id, label="S")
    [after] = admin.get("/api/v1/feedback").json()["feedback"]
    assert after["answer"]["content_withheld"]
    assert "김철수" not in json.dumps(after, ensure_ascii=False) and "이영희" not in json.dumps(
        after, ensure_ascii=False
    )
    [full] = tenant.boss.get("/api/v1/feedback").json()["feedback"]
    assert full["feedback"]["corrected_answer"] == "이영희"


def test_retention_shows_no_name_of_what_may_not_be_read(tenant: Tenant) -> None:
    document_id, _ = world(tenant)
    tenant.boss.request("PATCH", f"/api/v1/collections/{tenant.collection}", json={"retention": {"document_days": 0}})
    put(tenant.boss, document_id, label="S")
    address = f"/api/v1/collections/{tenant.collection}/retention"
    shown = tenant.key(Scope.ADMIN).get(address).json()["documents"]
    assert [item["source_key"] for item in shown] == ["공지.md"]


def test_a_program_is_read_by_who_may_read_all_that_it_was_written_from(tenant: Tenant) -> None:
    document_id, _ = world(tenant)
    principal = tenant.principal(tenant.boss)
    row = Program(
        id=uuid4(),
        tenant_id=principal.tenant_id,
        key_id=principal.id,
        key_name="boss",
        title="프로그램",
        language="ko",
        spec_chars=1,
        state=ProgramState.DONE,
    )
    collection_id = UUID(tenant.boss.get(f"/api/v1/collections/{tenant.collection}").json()["id"])
    with tenant.service.services.rag.database.write() as session:
        program.add(session, row, [collection_id])
        program.note_sources(session, row.id, [UUID(document_id), UUID(document_id)])
    assert tenant.reader.get(f"/api/v1/generations/{row.id}").status_code == 200
    put(tenant.boss, document_id, deny=[tenant.subject(tenant.reader)])
    for part in ("", "/manifest", "/archive", "/files/a.py"):
        assert tenant.reader.get(f"/api/v1/generations/{row.id}{part}").status_code == 404
    assert tenant.reader.get("/api/v1/generations").json()["generations"] == []
    assert tenant.other.get(f"/api/v1/generations/{row.id}").status_code == 200


def test_no_correction_tells_a_word_of_what_was_closed_a_moment_ago(tenant: Tenant, points_stay: None) -> None:
    documents = tenant.boss.ingest(
        tenant.collection, {"a.md": "# 사규\n\n연차휴가 규정과 취업규칙\n", "b.md": "# 공지\n\n구내식당 안내\n"}
    )
    document_id = next(item["id"] for item in documents if item["source_key"] == "a.md")

    def told() -> str:
        answer = tenant.reader.post("/api/v1/search", json={"question": "취업규직", "explain": True}).json()
        return json.dumps(answer["trace"], ensure_ascii=False)

    assert "취업규칙" in told()
    put(tenant.boss, document_id, deny=[tenant.subject(tenant.reader)])
    assert "취업규칙" not in told()
    # Once the points have followed, what was remembered before must not come back.
    from ingest.pipeline.labels import relabel_document

    pipeline = tenant.service.services.ingest.pipeline
    relabel_document(pipeline.database, pipeline.index, UUID(document_id))
    assert "취업규칙" not in told()
