"""Rules of documents in both stores: what the record alone enforces, before the points follow."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import pytest

from rag.access.accounts import Accounts
from rag.access.grants import Grants
from rag.domain.access import Role, user
from rag.domain.principal import Scope
from rag.store import program
from rag.store.program import Program, ProgramState
from tests.support.running import Caller, Running
from tests.support.tenants import Tenant, put, readings, wait_until, world


@pytest.fixture
def tenant(service: Running) -> Tenant:
    return Tenant(service)


@pytest.fixture
def points_stay(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """No job moves points: what is seen is what the record alone enforces."""
    monkeypatch.setattr(type(service.services.ingest.jobs.upkeep), "relabel", lambda self, identity: None)


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


def test_many_at_once_by_a_filter(tenant: Tenant) -> None:
    files = {f"{part}/{number}.md": f"# {number}\n\n거북이 {number}\n" for part in ("가", "나") for number in range(3)}
    tenant.boss.ingest(tenant.collection, files)
    address = f"/api/v1/collections/{tenant.collection}/documents/access"
    body = {"deny": [tenant.subject(tenant.reader)], "filter": {"source_key": "가/"}, "limit": 2}
    first = tenant.boss.post(address, json=body).json()
    listed = tenant.boss.get(f"/api/v1/collections/{tenant.collection}/documents").json()["documents"]
    assert (first["documents"], first["changed"]) == (2, 2)
    assert [item["source_key"] for item in listed if item["id"] == first["next_cursor"]] == ["가/1.md"]
    second = tenant.boss.post(address, json={**body, "cursor": first["next_cursor"]}).json()
    assert (second["documents"], second["changed"], second["next_cursor"]) == (1, 1, None)
    assert {item["source_key"][:1] for item in tenant.reader.search("거북이")} == {"나"}
    assert tenant.writer.post(address, json=body).status_code == 404
    assert tenant.reader.post(address, json=body).status_code == 403


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


def test_clients_files_are_as_closed_as_the_documents_that_they_are(tenant: Tenant) -> None:
    store = f"vs_{UUID(tenant.boss.get(f'/api/v1/collections/{tenant.collection}').json()['id']).hex}"
    files = {"file": ("a.md", "# A\n\n거북이\n".encode()), "purpose": (None, "assistants")}
    made = tenant.writer.post("/v1/files", files=files).json()
    assert tenant.reader.get(f"/v1/files/{made['id']}/content").status_code == 404
    for caller in (tenant.writer, tenant.boss):
        assert caller.get(f"/v1/files/{made['id']}/content").status_code == 200
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


def kept_file(tenant: Tenant, collection: str, name: str, text: str) -> tuple[str, dict[str, Any]]:
    """A file that the boss uploaded and put into a collection: its id, and the document that it is."""
    store = f"vs_{UUID(tenant.boss.get(f'/api/v1/collections/{collection}').json()['id']).hex}"
    files = {"file": (name, text.encode()), "purpose": (None, "assistants")}
    made = tenant.boss.post("/v1/files", files=files).json()
    assert tenant.boss.post(f"/v1/vector_stores/{store}/files", json={"file_id": made["id"]}).status_code == 200
    found = tenant.boss.get(f"/api/v1/collections/{collection}/documents").json()["documents"]
    [document] = [item for item in found if item["source_key"] == name]
    tenant.boss.wait([document["id"]])
    return made["id"], document


def test_the_rule_of_a_collection_holds_for_clients_files_in_it(tenant: Tenant) -> None:
    file_id, document = kept_file(tenant, tenant.collection, "극비.md", "# 극비\n\n거북이\n")
    assert tenant.reader.get(f"/v1/files/{file_id}/content").status_code == 200
    closed = tenant.boss.request("PUT", f"/api/v1/collections/{tenant.collection}/access", json={"label": "C"})
    assert closed.status_code == 200
    for caller in (tenant.reader, tenant.writer):
        assert caller.get(f"/v1/files/{file_id}/content").status_code == 404
        assert file_id not in caller.get("/v1/files").text
    assert tenant.writer.delete(f"/v1/files/{file_id}").status_code == 404
    assert tenant.boss.get(f"/v1/files/{file_id}/content").status_code == 200
    assert tenant.boss.delete(f"/api/v1/documents/{document['id']}").status_code == 202
    assert tenant.writer.get(f"/v1/files/{file_id}").status_code == 404


def test_a_deleted_document_keeps_its_file_closed(tenant: Tenant) -> None:
    admin = tenant.key(Scope.ADMIN)
    file_id, document = kept_file(tenant, tenant.collection, "대외비.md", "# 대외비\n\n거북이 셋\n")
    assert admin.get(f"/v1/files/{file_id}/content").status_code == 200
    put(tenant.boss, document["id"], label="C")
    assert tenant.boss.delete(f"/api/v1/documents/{document['id']}").status_code == 202
    for caller in (tenant.reader, tenant.writer, admin):
        assert caller.get(f"/v1/files/{file_id}/content").status_code == 404
        assert file_id not in caller.get("/v1/files").text
    assert tenant.boss.get(f"/v1/files/{file_id}/content").status_code == 200
    # Put in again, it is what it was; deleted itself, nothing of it stays.
    place = f"/v1/vector_stores/{tenant.collection}/files"
    assert tenant.boss.post(place, json={"file_id": file_id}).status_code == 200
    assert tenant.boss.get(f"{place}/{file_id}").status_code == 200
    assert tenant.reader.get(f"{place}/{file_id}").status_code == 404
    assert tenant.boss.delete(f"/v1/files/{file_id}").status_code == 200
    assert tenant.boss.get(f"/v1/files/{file_id}").status_code == 404


NUMBER = "900101-1234568"


def masked(tenant: Tenant) -> None:
    body = {"privacy": {"default": "mask"}}
    assert tenant.boss.request("PATCH", f"/api/v1/collections/{tenant.collection}", json=body).status_code == 200


def test_what_is_masked_in_a_document_is_not_read_from_the_file_that_it_is(tenant: Tenant) -> None:
    masked(tenant)
    text = f"# 상담\n\n상담 고객 김민수의 주민등록번호는 {NUMBER}이다.\n"
    file_id, document = kept_file(tenant, tenant.collection, f"김민수_{NUMBER}.md", text)
    limited = tenant.key(Scope.READ, collections=[UUID(document["collection_id"])])
    for caller in (tenant.reader, limited):
        refused = caller.get(f"/v1/files/{file_id}/content")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "personal_data_hidden")
        for shown in (caller.get("/v1/files"), caller.get(f"/v1/files/{file_id}")):
            assert shown.status_code == 200 and NUMBER not in shown.text and "900101-" in shown.text
    assert NUMBER in tenant.boss.get(f"/v1/files/{file_id}/content").text
    assert NUMBER in tenant.boss.get("/v1/files").text
    # Nor from a copy of it in another collection, by whoever may upload there.
    other = tenant.boss.collection("둘")
    for body in ({"file_id": file_id}, {"file_ids": [file_id]}):
        part = "files" if "file_id" in body else "file_batches"
        assert tenant.writer.post(f"/v1/vector_stores/{other}/{part}", json=body).status_code == 403
    made = tenant.boss.ingest(tenant.collection, {"다른.md": text})
    native = f"file-{UUID(next(item['id'] for item in made if item['source_key'] == '다른.md')).hex}"
    refused = tenant.writer.post(f"/v1/vector_stores/{other}/files", json={"file_id": native})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "personal_data_hidden")
    assert tenant.boss.get(f"/api/v1/collections/{other}/documents").json()["documents"] == []


def test_a_file_is_not_put_where_its_rules_do_not_hold(tenant: Tenant) -> None:
    file_id, document = kept_file(tenant, tenant.collection, "징계.md", "# 징계\n\n거북이 징계 기록\n")
    other = tenant.boss.collection("둘")
    put(tenant.boss, document["id"], deny=[tenant.subject(tenant.reader)])
    native = f"file-{UUID(tenant.boss.ingest(tenant.collection, {'b.md': '# B'})[-1]['id']).hex}"
    name = f"neu-{uuid4().hex[:8]}"

    def refusals(wanted: str) -> set[tuple[int, str]]:
        answers = [
            tenant.boss.post(f"/v1/vector_stores/{other}/files", json={"file_id": wanted}),
            tenant.boss.post(f"/v1/vector_stores/{other}/file_batches", json={"file_ids": [wanted]}),
            tenant.boss.post("/v1/vector_stores", json={"name": name, "file_ids": [wanted]}),
        ]
        return {(item.status_code, item.json().get("error", {}).get("code", "")) for item in answers}

    assert refusals(file_id) == {(403, "not_yours_to_open")}
    tenant.boss.request("PUT", f"/api/v1/collections/{tenant.collection}/access", json={"label": "C"})
    assert refusals(native) == {(403, "not_yours_to_open")}
    tenant.boss.request("PUT", f"/api/v1/collections/{other}/access", json={"label": "C"})
    placed = tenant.boss.post(f"/v1/vector_stores/{other}/files", json={"file_id": native})
    assert placed.status_code == 200, placed.text
    assert tenant.boss.get(f"/v1/vector_stores/{name}").status_code == 404


def test_names_are_masked_wherever_they_are_told(tenant: Tenant) -> None:
    masked(tenant)
    texts = {f"김민수_{NUMBER}.md": "# 접수\n\n내용 하나\n", "하.md": "# 접수\n\n내용 둘\n"}
    documents = {item["source_key"]: item["id"] for item in tenant.boss.ingest(tenant.collection, texts)}
    address = f"/api/v1/collections/{tenant.collection}/documents"
    first = tenant.reader.get(address, params={"limit": 1})
    assert first.status_code == 200 and NUMBER not in first.text and first.json()["next_cursor"]
    second = tenant.reader.get(address, params={"limit": 1, "cursor": first.json()["next_cursor"]}).json()
    assert ([item["source_key"] for item in second["documents"]], second["next_cursor"]) == (["하.md"], None)
    for prefix, found in (("김민수_", 1), ("김민수_900101-12", 0), ("김민수_900101-13", 0)):
        listed = tenant.reader.get(address, params={"filter": json.dumps({"source_key": prefix})}).json()["documents"]
        asked = {"question": "접수 내용", "filter": {"source_key": prefix}}
        passages = tenant.reader.post("/api/v1/search", json=asked).json()["passages"]
        assert (len(listed), len({item["document_id"] for item in passages})) == (found, found), prefix
    assert tenant.reader.get(address, params={"cursor": "하.md"}).status_code == 422
    assert tenant.reader.get(address, params={"cursor": str(uuid4())}).status_code == 404
    file = tenant.reader.get(f"/v1/files/file-{UUID(documents[f'김민수_{NUMBER}.md']).hex}/content")
    assert file.status_code == 200 and NUMBER not in unquote(file.headers["content-disposition"])
    gone = tenant.writer.delete(f"/api/v1/documents/{documents[f'김민수_{NUMBER}.md']}")
    receipts = (gone, tenant.writer.get("/api/v1/receipts"), tenant.writer.get(f"/api/v1/receipts/{gone.json()['id']}"))
    assert all("김민수_900101-" in item.text and NUMBER not in item.text for item in receipts)
    assert NUMBER in tenant.boss.get("/api/v1/receipts").text


def test_a_curator_who_changes_rules_is_told_no_name_that_is_hidden_from_them(tenant: Tenant) -> None:
    body = {"privacy": {"default": "mask", "raw_from": "admin"}}
    assert tenant.boss.request("PATCH", f"/api/v1/collections/{tenant.collection}", json=body).status_code == 200
    texts = {f"김민수_{NUMBER}.md": "# 접수\n\n내용 하나\n", "하.md": "# 접수\n\n내용 둘\n"}
    documents = {item["source_key"]: item["id"] for item in tenant.boss.ingest(tenant.collection, texts)}
    hidden, rag = documents[f"김민수_{NUMBER}.md"], tenant.service.services.rag
    tenant_id = tenant.principal(tenant.boss).tenant_id
    kim = Accounts(rag.database).create(tenant_id, f"김-{uuid4().hex[:6]}")
    Grants(rag.database).add(None, tenant_id, user(kim.id), Role.CURATOR, None)
    secret, _ = rag.keys.create(tenant.name, "열쇠", [Scope.WRITE], owner_id=kim.id)
    curator = Caller(tenant.service, {"Authorization": f"Bearer {secret}", "Accept-Language": "en"})
    locked = put(curator, hidden, deny=[f"user:{kim.id}"])
    assert (locked.status_code, locked.json()["code"]) == (409, "would_lock_out")
    assert NUMBER not in locked.text and "김민수_" in locked.text
    bulk = f"/api/v1/collections/{tenant.collection}/documents/access"
    first = curator.post(bulk, json={"label": "O", "limit": 1})
    assert first.status_code == 200 and NUMBER not in first.text, first.text
    assert (first.json()["documents"], first.json()["next_cursor"]) == (1, hidden)
    second = curator.post(bulk, json={"label": "O", "limit": 5, "cursor": hidden}).json()
    assert (second["documents"], second["next_cursor"]) == (1, None)
    for prefix, found in (("김민수_", 1), ("김민수_900101-12", 0), ("김민수_900101-13", 0)):
        done = curator.post(bulk, json={"label": "O", "filter": {"source_key": prefix}}).json()
        assert done["documents"] == found, prefix
    assert curator.post(bulk, json={"label": "O", "cursor": "하.md"}).status_code == 422
    assert curator.post(bulk, json={"label": "O", "cursor": str(uuid4())}).status_code == 404


def test_what_is_read_of_documents_is_on_their_trail(tenant: Tenant) -> None:
    file_id, document = kept_file(tenant, tenant.collection, "가.md", "# 가\n\n거북이\n")
    tenant.reader.get(f"/v1/files/{file_id}/content")
    body = {"kind": "folder", "location": "/srv/가"}
    source = tenant.writer.post(f"/api/v1/collections/{tenant.collection}/sources", json=body).json()
    item = {"key": "가.md", "fingerprint": "1", "content_hash": "0" * 64, "size": 1, "document_id": document["id"]}
    tenant.writer.request("PUT", f"/api/v1/sources/{source['id']}/items", json={"items": [item]})
    bulk = f"/api/v1/collections/{tenant.collection}/documents/access"
    assert tenant.boss.post(bulk, json={"label": "O"}).status_code == 200
    events = tenant.boss.get("/api/v1/audit/events", params={"document": document["id"]}).json()["events"]
    told = {item["what"] for item in events}
    assert {f"GET /v1/files/{file_id}/content", f"PUT /api/v1/sources/{source['id']}/items", f"POST {bulk}"} <= told


def archive(tenant: Tenant, members: dict[str, str]) -> dict[str, str]:
    """Ids of the documents of an archive, by source key."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for name, text in members.items():
            made.writestr(name, text)
    tenant.boss.ingest(tenant.collection, {"자료.zip": packed.getvalue()})
    address = f"/api/v1/collections/{tenant.collection}/documents"
    found: dict[str, str] = {}

    def unpacked() -> bool:
        found.update({item["source_key"]: item["id"] for item in tenant.boss.get(address).json()["documents"]})
        return len(found) == len(members) + 1

    wait_until(unpacked)
    tenant.boss.wait(list(found.values()))
    return found


def test_an_archive_is_not_given_out_to_who_may_not_read_all_in_it(tenant: Tenant) -> None:
    found = archive(tenant, {"가.txt": "거북이 가 급여표\n", "나.txt": "거북이 나\n"})
    whole, part = found["자료.zip"], found["자료.zip!/가.txt"]
    addresses = [f"/api/v1/documents/{whole}/content", f"/v1/files/file-{UUID(whole).hex}/content"]
    assert [tenant.reader.get(item).status_code for item in addresses] == [200, 200]
    put(tenant.boss, part, label="C")
    assert [tenant.reader.get(item).status_code for item in addresses] == [403, 403]
    assert [tenant.boss.get(item).status_code for item in addresses] == [200, 200]
    assert tenant.boss.delete(f"/api/v1/documents/{part}").status_code == 202
    assert [tenant.reader.get(item).status_code for item in addresses] == [403, 403]


def test_an_archive_is_as_masked_as_what_is_in_it(tenant: Tenant) -> None:
    masked(tenant)
    found = archive(tenant, {"가.txt": f"주민등록번호 {NUMBER} 묶음\n"})
    address = f"/api/v1/documents/{found['자료.zip']}/content"
    assert tenant.reader.get(address).json()["code"] == "personal_data_hidden"
    assert tenant.boss.get(address).status_code == 200


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
