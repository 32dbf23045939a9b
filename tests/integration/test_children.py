"""Files inside files over their life: found, cited with their container, retired with it, deleted with it."""

from __future__ import annotations

import io
import time
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import docx

from ingest.pipeline import maintenance
from tests.support.msg_file import compound_file, message_tree
from tests.support.running import Caller, Running
from tests.unit.parsing.documents import zip_bytes


def inside(caller: Caller, collection: str, parent: str) -> dict[str, Any]:
    """What lies directly in a document, by source key."""
    page = caller.get(f"/api/v1/collections/{collection}/documents", params={"parent": parent, "limit": 500})
    assert page.status_code == 200, page.text
    return {item["source_key"]: item for item in page.json()["documents"]}


def settled(caller: Caller, collection: str, timeout_s: float = 60) -> dict[str, Any]:
    """All documents of a collection once none is queued or running."""
    deadline = time.monotonic() + timeout_s
    while True:
        page = caller.get(f"/api/v1/collections/{collection}/documents", params={"limit": 500}).json()["documents"]
        if all(item["version"]["state"] not in ("queued", "running") for item in page):
            return {item["source_key"]: item for item in page}
        assert time.monotonic() < deadline, page
        time.sleep(0.05)


def states(documents: dict[str, Any]) -> dict[str, str]:
    return {key: item["version"]["state"] for key, item in documents.items()}


def healthy(service: Running) -> None:
    found = maintenance.verify(service.services.ingest.pipeline)
    assert found.healthy and not found.unfinished, found


FERRY = "# Ferry\n\nThe night ferry to Heuksando leaves at 23:40.\n"
TRAM = "# Tram\n\nThe tram depot washes every carriage on Thursdays.\n"


def test_members_are_documents_that_are_found_and_cited_with_their_archive(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    nested = zip_bytes({"깊은/tram.md": TRAM.encode(), "blank.md": b"\n\n"})
    caller.ingest(collection, {"교통.zip": zip_bytes({"배/ferry.md": FERRY.encode(), "안.zip": nested})})
    documents = settled(caller, collection)
    assert states(documents) == {
        "교통.zip": "active",
        "교통.zip!/배/ferry.md": "active",
        "교통.zip!/안.zip": "active",
        "교통.zip!/안.zip!/깊은/tram.md": "active",
        "교통.zip!/안.zip!/blank.md": "failed",
    }
    archive = documents["교통.zip"]
    assert (archive["children"], archive["version"]["chunks"], archive["parent_id"]) == (2, 0, None)
    assert inside(caller, collection, archive["id"]).keys() == {"교통.zip!/배/ferry.md", "교통.zip!/안.zip"}
    [passage] = caller.search("When does the night ferry leave?", limit=1)
    assert passage["parent"] == {
        "document_id": archive["id"], "source_key": "교통.zip", "title": "교통.zip", "member": "배/ferry.md",
    }  # fmt: skip
    answer = caller.post("/api/v1/answers", json={"question": "When does the night ferry to Heuksando leave?"}).json()
    assert answer["sentences"][0]["citations"][0]["parent"]["member"] == "배/ferry.md"
    opened = caller.get(f"/api/v1/chunks/{passage['chunk_id']}").json()
    assert opened["parent"]["source_key"] == "교통.zip"
    body = {"model": f"rag/{collection}", "messages": [{"role": "user", "content": "When does the night ferry leave?"}]}
    message = caller.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]
    assert message["annotations"][0]["url_citation"]["title"].startswith("교통.zip › 배/ferry.md (")
    healthy(service)


def test_a_new_version_retires_what_vanished_and_keeps_what_stayed(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    members = {"ferry.md": FERRY.encode(), "in.zip": zip_bytes({"tram.md": TRAM.encode()}), "c.md": b"# C\n\ncedar\n"}
    caller.ingest(collection, {"a.zip": zip_bytes(members)})
    before = settled(caller, collection)
    caller.ingest(collection, {"a.zip": zip_bytes({"ferry.md": members["ferry.md"], "c.md": b"# C\n\njuniper\n"})})
    after = settled(caller, collection)
    assert states(after) == {
        "a.zip": "active", "a.zip!/ferry.md": "active", "a.zip!/c.md": "active",
        "a.zip!/in.zip": "retired", "a.zip!/in.zip!/tram.md": "retired",
    }  # fmt: skip
    assert after["a.zip!/ferry.md"]["version"] == before["a.zip!/ferry.md"]["version"]
    assert after["a.zip!/c.md"]["version"]["number"] == 2
    assert not any(item["source_key"].startswith("a.zip!/in.zip") for item in caller.search("tram depot carriage"))
    found = [item["text"] for item in caller.search("cedar juniper")]
    assert found[0] == "juniper" and not any("cedar" in text for text in found)
    healthy(service)
    caller.ingest(collection, {"a.zip": zip_bytes(members)})
    assert set(states(settled(caller, collection)).values()) == {"active"}
    assert caller.search("tram depot carriage")[0]["parent"]["source_key"] == "a.zip!/in.zip"
    healthy(service)


def test_a_failed_new_version_leaves_the_old_members_answering(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    whole = zip_bytes({"ferry.md": FERRY.encode()})
    caller.ingest(collection, {"a.zip": whole})
    settled(caller, collection)
    [broken] = caller.ingest(collection, {"a.zip": whole[:-30]})
    assert broken["version"]["state"] == "failed"
    assert caller.search("night ferry")[0]["source_key"] == "a.zip!/ferry.md"


def mail_with(attachments: dict[str, bytes], subject: str = "출장 정산 안내") -> bytes:
    message = EmailMessage()
    message["From"] = "김민수 <kim@example.com>"
    message["Date"] = "Mon, 02 Mar 2026 10:00:00 +0900"
    message["Subject"] = subject
    message["Message-ID"] = "<a@example.com>"
    message.set_content("출장 정산은 돌아온 날부터 7일 안에 신청합니다.\n")
    for name, content in attachments.items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def test_a_mail_in_an_archive_with_an_attachment_is_searched_and_cited_at_every_level(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    rules = io.BytesIO()
    document = docx.Document()
    document.add_paragraph(f"숙박비 상한은 1박에 9만 5천 원이며 제주도는 13만 원이다. {collection}")
    document.save(rules)
    outlook = compound_file(
        message_tree({0x0037: "주차 등록", 0x1000: "방문 차량은 지하 3층에 하루 전까지 등록합니다."})
    )
    mail = mail_with({"숙박비 기준.docx": rules.getvalue(), "주차.msg": outlook})
    whole = {"메일/정산.eml": mail, "note.md": FERRY.encode()}
    caller.ingest(collection, {"보관.zip": zip_bytes(whole)})
    documents = settled(caller, collection)
    key = "보관.zip!/메일/정산.eml"
    expected = {"보관.zip", key, f"{key}!/숙박비 기준.docx", f"{key}!/주차.msg", "보관.zip!/note.md"}
    assert states(documents) == dict.fromkeys(expected, "active")
    assert documents[key]["title"] == "출장 정산 안내"
    for question, source, member, kind in (
        ("출장 정산은 며칠 안에 신청하나요?", key, "메일/정산.eml", "message"),
        ("제주도 숙박비 상한은 얼마인가요?", f"{key}!/숙박비 기준.docx", "숙박비 기준.docx", "paragraph"),
        ("방문 차량은 어디에 등록하나요?", f"{key}!/주차.msg", "주차.msg", "message"),
    ):
        answer = caller.post("/api/v1/answers", json={"question": question}).json()
        citation = answer["sentences"][0]["citations"][0]
        assert (citation["source_key"], citation["parent"]["member"]) == (source, member)
        assert citation["anchor"]["kind"] == kind
    caller.ingest(collection, {"보관.zip": zip_bytes({"메일/정산.eml": mail_with({}), "note.md": FERRY.encode()})})
    after = settled(caller, collection)
    assert {name for name, state in states(after).items() if state == "retired"} == {
        f"{key}!/숙박비 기준.docx",
        f"{key}!/주차.msg",
    }
    assert not any("제주도" in item["text"] for item in caller.search("제주도 숙박비 상한"))
    healthy(service)
    caller.delete(f"/api/v1/documents/{documents['보관.zip']['id']}")
    assert settled(caller, collection) == {}
    versions = [item["version"] for item in documents.values() if item["source_key"] != "보관.zip!/note.md"]
    gone(service, [item["id"] for item in versions], [item["content_hash"] for item in versions[:2]])
    healthy(service)


def gone(service: Running, version_ids: list[str], digests: list[str]) -> None:
    rag = service.services.rag
    deadline = time.monotonic() + 60
    while any(map(rag.blobs.exists, digests)) or any(rag.index.count(UUID(item)) for item in version_ids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_deleting_the_archive_deletes_all_that_lies_in_it(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    nested = zip_bytes({"tram.md": f"{TRAM}\n{collection}\n".encode()})
    caller.ingest(collection, {"a.zip": zip_bytes({"ferry.md": f"{FERRY}\n{collection}\n".encode(), "in.zip": nested})})
    documents = settled(caller, collection)
    receipt = caller.delete(f"/api/v1/documents/{documents['a.zip']['id']}")
    assert (receipt.status_code, len(receipt.json()["versions"])) == (202, 4)
    assert settled(caller, collection) == {}
    assert caller.search("night ferry tram depot") == []
    versions = [item["version"] for item in documents.values()]
    gone(service, [item["id"] for item in versions], [item["content_hash"] for item in versions])
    healthy(service)


def test_a_member_can_be_deleted_alone(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    content = zip_bytes({"ferry.md": f"{FERRY}\n{collection}\n".encode(), "tram.md": TRAM.encode()})
    caller.ingest(collection, {"a.zip": content})
    documents = settled(caller, collection)
    receipt = caller.delete(f"/api/v1/documents/{documents['a.zip!/ferry.md']['id']}").json()
    assert (len(receipt["versions"]), receipt["documents"]) == (1, 1)
    left = settled(caller, collection)
    assert left.keys() == {"a.zip", "a.zip!/tram.md"} and left["a.zip"]["children"] == 1
    gone(
        service,
        [documents["a.zip!/ferry.md"]["version"]["id"]],
        [documents["a.zip!/ferry.md"]["version"]["content_hash"]],
    )
    assert caller.search("tram depot")
    healthy(service)


def test_a_members_key_cannot_be_taken_by_an_upload(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    caller.ingest(collection, {"a.zip": zip_bytes({"ferry.md": FERRY.encode()}), "b.zip!/x.md": "# X\n\nmine alone\n"})
    settled(caller, collection)
    response = caller.upload(collection, {"a.zip!/ferry.md": "# Forged\n\nThe ferry leaves never.\n"})
    assert (response.status_code, response.json()["code"]) == (409, "name_taken")
    assert "23:40" in caller.search("night ferry Heuksando")[0]["text"]
    caller.ingest(collection, {"b.zip": zip_bytes({"x.md": b"# X\n\ntheirs instead\n"})})
    assert settled(caller, collection).keys() >= {"b.zip!/x.md", "b.zip!/x (2).md"}
    assert {item["text"] for item in caller.search("mine alone theirs instead")} >= {"mine alone", "theirs instead"}
    healthy(service)


def test_nesting_ends_at_the_depth_cap_with_a_reason(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    content = zip_bytes({"ferry.md": FERRY.encode()})
    for _ in range(4):
        content = zip_bytes({"in.zip": content})
    caller.ingest(collection, {"deep.zip": content})
    documents = settled(caller, collection)
    deepest = documents[max(documents, key=len)]
    assert len(documents) == 4
    assert deepest["version"]["failure"]["code"] == "parse_limit_exceeded"
    assert "nesting depth" in deepest["version"]["failure"]["message"]
    assert [item["version"]["state"] for item in documents.values()].count("active") == 3
