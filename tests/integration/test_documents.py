"""Documents over their life: versions, listing, deletion, and what the index makes of it."""

from __future__ import annotations

import time

from ingest.pipeline import maintenance
from tests.support.running import Running


def test_a_new_version_replaces_the_old_one_in_answers(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    caller.ingest(collection, {"fee.md": "# Fee\n\nThe transfer fee is 500 won.\n"})
    [document] = caller.ingest(collection, {"fee.md": "# Fee\n\nThe transfer fee is 700 won.\n"})
    assert document["version"]["number"] == 2
    texts = [item["text"] for item in caller.search("transfer fee")]
    assert texts == ["The transfer fee is 700 won."]
    answer = caller.post("/api/v1/answers", json={"question": "How much is the transfer fee?"}).json()
    assert "700" in answer["text"] and "500" not in answer["text"]


def test_a_failed_new_version_leaves_the_old_one_answering(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    caller.ingest(collection, {"fee.md": "# Fee\n\nThe transfer fee is 500 won.\n"})
    [document] = caller.ingest(collection, {"fee.md": b"\n\n\n"})
    assert document["version"]["state"] == "failed"
    assert document["searchable"]
    assert caller.search("transfer fee")[0]["text"] == "The transfer fee is 500 won."


def test_listing_is_paged_by_source_key(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    caller.ingest(collection, {f"doc-{i:02}.md": f"# D\n\nbody number {i}\n" for i in range(7)})
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = caller.get(f"/api/v1/collections/{collection}/documents", params=parameters).json()
        seen += [item["source_key"] for item in page["documents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"doc-{i:02}.md" for i in range(7)]


def test_a_deleted_document_is_gone_at_once_and_purged_soon(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    [document] = caller.ingest(collection, {"plan.md": "# Plan\n\nThe merger is code-named Heron.\n"})
    digest = document["version"]["content_hash"]
    assert caller.search("merger code name")
    receipt = caller.delete(f"/api/v1/documents/{document['id']}")
    assert receipt.status_code == 202
    assert len(receipt.json()["versions"]) == 1
    assert caller.search("merger code name") == []
    assert caller.get(f"/api/v1/documents/{document['id']}").status_code == 404
    deadline = time.monotonic() + 60
    while service.services.rag.blobs.exists(digest) or service.services.rag.index.count(document["version"]["id"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_deleted_document_can_be_uploaded_again(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    text = "# Menu\n\nThe canteen serves bibimbap on Mondays.\n"
    [document] = caller.ingest(collection, {"menu.md": text})
    caller.delete(f"/api/v1/documents/{document['id']}")
    [again] = caller.ingest(collection, {"menu.md": text})
    assert again["version"]["state"] == "active"
    assert again["version"]["number"] == 2
    time.sleep(1)  # the purge of the first version must not take the second one's original
    assert caller.get(f"/api/v1/documents/{again['id']}/content").content == text.encode()
    assert caller.search("bibimbap")


def test_the_original_comes_back_byte_for_byte_and_never_inline(service: Running) -> None:
    caller = service.caller()
    content = "<html><body><h1>제목</h1><p>스크립트가 아닙니다.</p></body></html>"
    [document] = caller.ingest(caller.collection(), {"페이지.html": content})
    response = caller.get(f"/api/v1/documents/{document['id']}/content")
    assert response.content == content.encode()
    assert response.headers["content-disposition"].startswith("attachment")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_citation_opens_the_passage_with_its_neighbours(service: Running) -> None:
    caller = service.caller()
    filler = "Nothing in this sentence bears on what the part is about. " * 12
    sections = "".join(f"## Part {i}\n\nParagraph {i} speaks of topic{i} alone. {filler}\n\n" for i in range(5))
    caller.ingest(caller.collection(), {"long.md": "# Long\n\n" + sections})
    answer = caller.post("/api/v1/answers", json={"question": "What does topic2 say?"}).json()
    citation = answer["sentences"][0]["citations"][0]
    opened = caller.get(citation["url"].removeprefix("http://testserver")).json()
    assert opened["text"][citation["start"] : citation["end"]] == citation["quote"]
    assert opened["before"] and opened["after"]


def test_record_index_and_originals_agree_after_all_that(service: Running) -> None:
    found = maintenance.verify(service.services.ingest.pipeline)
    assert found.healthy, found
    assert found.chunks == found.points > 0


def test_the_index_is_rebuilt_from_the_record_alone(service: Running) -> None:
    caller = service.caller()
    caller.ingest(caller.collection(), {"r.md": "# R\n\nrebuilding keeps every marmalade\n"})
    pipeline = service.services.ingest.pipeline
    before = set(pipeline.index.versions_of())
    steps: list[tuple[int, int]] = []
    maintenance.rebuild_index(pipeline, lambda done, total: steps.append((done, total)))
    assert set(pipeline.index.versions_of()) == before
    assert steps[-1][0] == steps[-1][1]
    assert caller.search("marmalade")
