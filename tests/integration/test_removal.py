"""Deletion with a receipt: of documents, of versions, of collections; and what a crash in between leaves."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from ingest.pipeline import hiding, maintenance, purging, removal, retention
from ingest.pipeline.chunks_to_index import ChunksToIndex
from ingest.pipeline.steps import Batch
from rag.domain.anchor import LineAnchor
from rag.domain.document import Chunk
from rag.domain.errors import CollectionNotFound, PurgeIncomplete, StoreLogKept
from rag.domain.language import Language
from rag.index.base import PointTags
from rag.store import checkpoints
from rag.store import chunk as chunks
from rag.store import receipt as receipts
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.receipt import Actor, DeletionReason
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState
from tests.support.running import Caller, Running
from tests.unit.parsing.documents import zip_bytes

PLAN = "# 계획\n\n합병의 암호명은 왜가리이다.\n"


def file_of(text: str, number: int = 0) -> str:
    return f"# 문서\n\n{text} {number}번 문서이다.\n"


def test_a_receipt_says_who_deleted_what_and_that_nothing_is_left(service: Running) -> None:
    caller = service.caller()
    name = caller.collection("계획")
    caller.ingest(name, {"합병.md": PLAN})
    [document] = caller.ingest(name, {"합병.md": PLAN + "추가된 문단이다.\n"})
    open_receipt = caller.delete(f"/api/v1/documents/{document['id']}").json()
    assert caller.search("합병 암호명") == []
    found = caller.receipt(open_receipt["id"])
    principal = service.services.rag.authenticate(caller.headers["Authorization"].split()[1])
    assert (found["deleted_by"], found["deleted_by_name"]) == (str(principal.id), principal.name)
    assert (found["kind"], found["reason"]) == ("document", "request")
    assert (found["collection"], found["source_key"], found["document_id"]) == ("계획", "합병.md", document["id"])
    assert [item["number"] for item in found["versions"]] == [1, 2]
    assert found["versions"][0]["content_hash"] == hashlib.sha256(PLAN.encode()).hexdigest()
    assert set(found["verified"].values()) == {0}
    assert found["deleted_at"] <= found["purged_at"]
    rag = service.services.rag
    for item in found["versions"]:
        assert not rag.blobs.exists(item["content_hash"])
        assert rag.index.count(UUID(item["id"])) == rag.blobs.count_derived(UUID(item["id"])) == 0
    with rag.database.read() as session:
        row = session.get_one(Document, UUID(document["id"]))
        assert (row.title, row.author) == ("", ""), "no word of the document stays"


def test_no_word_of_what_was_deleted_stays_in_a_file_of_the_service(service: Running) -> None:
    if not service.services.rag.database.is_sqlite:
        pytest.skip("PostgreSQL's files are its own")
    caller = service.caller()
    name = caller.collection()
    word = f"zq{uuid4().hex}"
    [document] = caller.ingest(name, {"합병.md": f"# 계획\n\n합병의 암호명은 {word}이다.\n"})
    folder = Path(service.services.rag.database.url.database or "").parent
    assert files_with(word, folder), "or this finds nothing at all"
    caller.receipt(caller.delete(f"/api/v1/documents/{document['id']}").json()["id"])
    assert files_with(word, folder) == []


def test_no_word_of_an_empty_collection_or_of_a_late_chunk_stays(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not service.services.rag.database.is_sqlite:
        pytest.skip("PostgreSQL's files are its own")
    caller, rag = service.caller(), service.services.rag
    folder = Path(rag.database.url.database or "").parent
    name, word = caller.collection(), f"zq{uuid4().hex}"
    assert caller.request("PATCH", f"/api/v1/collections/{name}", json={"description": word}).status_code == 200
    assert files_with(word, folder), "or this finds nothing at all"
    caller.receipt(caller.delete(f"/api/v1/collections/{name}").json()["id"])
    assert files_with(word, folder) == []

    [document] = caller.ingest(caller.collection(), {"합병.md": PLAN + "늦게 온 조각\n"})
    version_id, late = UUID(document["version"]["id"]), f"zq{uuid4().hex}"
    empties = type(rag.database).empty_log
    emptied: list[bool] = []

    def written_behind_it(database: Database) -> None:
        empties(database)
        if not emptied:
            with database.write() as session:
                chunk = Chunk(uuid4(), 900, late, LineAnchor(1, 1), language=Language.KOREAN)
                chunks.insert_chunks(session, [(version_id, [chunk], None)])
        emptied.append(True)

    made = removal.hide_document(rag.database, permit_for(service, caller), UUID(document["id"]))
    monkeypatch.setattr(type(rag.database), "empty_log", written_behind_it)
    purging.purge_document(service.services.ingest.pipeline, UUID(document["id"]))
    assert set(caller.receipt(str(made.id))["verified"].values()) == {0}
    assert len(emptied) == 2 and files_with(late, folder) == []


def test_a_receipt_waits_for_who_reads_what_was_deleted(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    if not service.services.rag.database.is_sqlite:
        pytest.skip("a reader of PostgreSQL keeps no log open")
    monkeypatch.setattr(checkpoints, "TRIES", 2)
    caller = service.caller()
    [document] = caller.ingest(caller.collection(), {"합병.md": PLAN + "누가 읽는 중이다.\n"})
    rag, pipeline = service.services.rag, service.services.ingest.pipeline
    with rag.database.snapshot() as session:
        session.execute(select(Document.id))
        made = removal.hide_document(rag.database, permit_for(service, caller), UUID(document["id"]))
        with pytest.raises(StoreLogKept):
            purging.purge_document(pipeline, UUID(document["id"]))
        with rag.database.read() as now:
            [open_yet] = receipts.by_ids(now, [made.id])
        assert (open_yet.purged_at, open_yet.purge_error) == (None, "store_log_kept")
    purging.purge_document(pipeline, UUID(document["id"]))
    assert set(caller.receipt(str(made.id))["verified"].values()) == {0}


def files_with(word: str, folder: Path) -> list[str]:
    """Files below the folder that hold the word as it is written."""
    found = []
    for path in folder.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # work goes on meanwhile
            continue
        if word.encode() in content:
            found.append(path.relative_to(folder).as_posix())
    return found


def test_an_original_that_another_document_has_stays(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    first, second = caller.ingest(name, {"a.md": PLAN, "b.md": PLAN})
    deleted = caller.delete(f"/api/v1/documents/{first['id']}").json()
    found = caller.receipt(deleted["id"])
    assert found["verified"]["originals_shared"] == 1
    assert caller.get(f"/api/v1/documents/{second['id']}/content").content == PLAN.encode()
    assert len(caller.search("합병 암호명")) == 1
    last = caller.receipt(caller.delete(f"/api/v1/documents/{second['id']}").json()["id"])
    assert last["verified"]["originals_shared"] == 0
    assert not service.services.rag.blobs.exists(last["versions"][0]["content_hash"])


def test_receipts_are_listed_for_those_who_may_delete(service: Running) -> None:
    caller, stranger = service.caller(), service.caller()
    [document] = caller.ingest(caller.collection(), {"a.md": PLAN})
    made = caller.delete(f"/api/v1/documents/{document['id']}").json()
    listed = caller.get("/api/v1/receipts", params={"document_id": document["id"]}).json()["receipts"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert stranger.get("/api/v1/receipts").json()["receipts"] == []
    refused, absent = (stranger.get(f"/api/v1/receipts/{item}") for item in (made["id"], UUID(int=1)))
    assert refused.status_code == absent.status_code == 404
    assert refused.json()["code"] == absent.json()["code"] == "receipt_not_found"


def test_a_deleted_collection_is_gone_at_once_and_purged_with_receipts(service: Running) -> None:
    caller = service.caller()
    name, other = caller.collection("폐지"), caller.collection()
    caller.ingest(name, {f"{i}.md": file_of("폐지될 규정", i) for i in range(5)})
    caller.ingest(other, {"0.md": file_of("폐지될 규정", 0)})
    made = caller.delete(f"/api/v1/collections/{name}")
    assert made.status_code == 202 and made.json()["documents"] == 5
    assert caller.get(f"/api/v1/collections/{name}").status_code == 404
    assert caller.upload(name, {"x.md": "zu spät"}).status_code == 404
    assert len(caller.search("폐지될 규정")) == 1
    again = caller.collection("폐지")
    assert caller.get(f"/api/v1/collections/{again}").json()["documents"] == 0, "the name is free"
    found = caller.receipt(made.json()["id"])
    assert (found["kind"], found["documents"], found["verified"]["documents"]) == ("collection", 5, 0)
    children = caller.get("/api/v1/receipts", params={"parent_id": found["id"]}).json()["receipts"]
    assert sorted(item["source_key"] for item in children) == [f"{i}.md" for i in range(5)]
    assert all(item["purged_at"] and item["collection"] == "폐지" for item in children)
    shared = [item["verified"]["originals_shared"] for item in children]
    assert sum(shared) == 0, "that one file lies in another collection too is nobody's business who reads these"
    kept = caller.get(f"/api/v1/collections/{other}/documents").json()["documents"][0]
    assert caller.get(f"/api/v1/documents/{kept['id']}/content").content == file_of("폐지될 규정", 0).encode()
    assert maintenance.verify(service.services.ingest.pipeline).healthy


def test_a_collection_of_several_batches_is_deleted_in_bounded_steps(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "BATCH", 3)
    caller = service.caller()
    name = caller.collection()
    caller.ingest(name, {f"{i}.md": file_of("여러 묶음", i) for i in range(8)})
    database, pipeline = service.services.rag.database, service.services.ingest.pipeline
    permit = permit_for(service, caller, name)
    made = removal.hide_collection(database, permit)
    with pytest.raises(CollectionNotFound):
        removal.hide_collection(database, permit)
    sizes = []
    while batch := removal.hide_next(database, made.collection_id):
        sizes.append(len(batch))
        with pytest.raises(PurgeIncomplete):
            removal.close_collection(pipeline, made.collection_id)
    assert sizes == [3, 3, 2]
    while removal.purge_next(pipeline, made.collection_id):
        pass
    removal.close_collection(pipeline, made.collection_id)
    removal.close_collection(pipeline, made.collection_id)
    assert caller.receipt(str(made.id))["documents"] == 8


def test_what_a_crash_left_between_record_and_queue_is_found(service: Running) -> None:
    caller = service.caller()
    name, doomed = caller.collection(), caller.collection()
    [document] = caller.ingest(name, {"a.md": PLAN + "혼자 남은 문서\n"})
    caller.ingest(doomed, {"b.md": PLAN + "또 다른 문서\n"})
    rag = service.services.rag
    made = removal.hide_document(rag.database, permit_for(service, caller, name), UUID(document["id"]))
    all_of_it = removal.hide_collection(rag.database, permit_for(service, caller, doomed))
    with (
        rag.database.write() as session
    ):  # as if it had been deleted two minutes ago, by a process that was killed then
        for item in (made, all_of_it):
            row = session.get_one(type(made), item.id)
            row.deleted_at = row.deleted_at.replace(year=row.deleted_at.year - 1)
    service.services.ingest.jobs.upkeep.look_around()
    assert set(caller.receipt(str(made.id))["verified"].values()) == {0}
    assert caller.receipt(str(all_of_it.id))["documents"] == 1


def test_an_archive_leaves_the_index_in_one_call_for_many_members(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = service.caller()
    name = caller.collection()
    members = {f"{number}.md": file_of("압축된 규정", number).encode() for number in range(12)}
    [archive] = caller.ingest(name, {"규정.zip": zip_bytes(members)})
    deadline = time.monotonic() + 60
    while len(caller.search("압축된 규정", limit=20)) < 12:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    rag, pipeline = service.services.rag, service.services.ingest.pipeline
    removal.hide_document(rag.database, permit_for(service, caller, name), UUID(archive["id"]))
    calls: list[int] = []
    here, removes = threading.get_ident(), type(rag.index).delete_versions

    def counted(self: object, ids: Sequence[UUID]) -> None:
        if threading.get_ident() == here:  # the members' own jobs may be tidying up still
            calls.append(len(ids))
        removes(self, ids)

    with monkeypatch.context() as patched:
        patched.setattr(type(rag.index), "delete_versions", counted)
        purging.purge_document(pipeline, UUID(archive["id"]))
    assert calls == [13]
    assert maintenance.verify(pipeline).healthy


def test_a_receipt_stays_open_while_something_is_left(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = service.caller()
    name = caller.collection()
    [document] = caller.ingest(name, {"a.md": PLAN + "남는 것\n"})
    rag, pipeline = service.services.rag, service.services.ingest.pipeline
    made = removal.hide_document(rag.database, permit_for(service, caller, name), UUID(document["id"]))
    version_id = UUID(document["version"]["id"])
    with monkeypatch.context() as patched:
        patched.setattr(type(rag.index), "delete_versions", lambda self, ids: None)  # an engine that forgot to
        with pytest.raises(PurgeIncomplete):
            purging.purge_document(pipeline, UUID(document["id"]))
    with rag.database.read() as session:
        assert receipts.get_permitted(session, permit_for(service, caller), made.id).purged_at is None
    purging.purge_document(pipeline, UUID(document["id"]))
    assert rag.index.count(version_id) == 0
    assert set(caller.receipt(str(made.id))["verified"].values()) == {0}


def test_what_a_step_in_work_writes_after_the_purge_goes_with_the_next_step(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    [document] = caller.ingest(name, {"a.md": PLAN + "진행 중\n"})
    rag, pipeline = service.services.rag, service.services.ingest.pipeline
    version_id = UUID(document["version"]["id"])
    with rag.database.read() as session:
        version = session.get_one(DocumentVersion, version_id)
    chunks = ChunksToIndex(rag.database, version_id)
    caller.receipt(caller.delete(f"/api/v1/documents/{document['id']}").json()["id"])
    for points in pipeline.points(version, chunks, PointTags()):  # a step that had read the record before the deletion
        pipeline.index.upsert(points)
    assert rag.index.count(version_id) and rag.blobs.count_derived(version_id)
    assert pipeline.activate(Batch("job", (version_id,))) == [version_id]
    assert rag.index.count(version_id) == rag.blobs.count_derived(version_id) == 0


def test_retired_versions_go_by_number_and_age_and_documents_by_age(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    for amount in range(4):
        [document] = caller.ingest(name, {"요금.md": f"# 요금\n\n기본 요금은 {amount}00원이다.\n"})
    caller.ingest(name, {"다른.md": PLAN + "보존 기간\n"})
    rules = {"retired_versions": 1, "document_days": 30}
    changed = caller.request("PATCH", f"/api/v1/collections/{name}", json={"retention": rules})
    assert changed.status_code == 200, changed.text
    assert changed.json()["retention"] == {
        "retired_days": None,
        "retired_versions": 1,
        "document_days": 30,
        "dated_days": None,
    }
    preview = caller.get(f"/api/v1/collections/{name}/retention").json()
    assert preview["documents"] == []
    assert [item["number"] for item in preview["versions"]] == [1, 2]
    age(service, name, "다른.md", days=31)
    preview = caller.get(f"/api/v1/collections/{name}/retention").json()
    assert [item["source_key"] for item in preview["documents"]] == ["다른.md"]
    assert caller.get(f"/api/v1/collections/{name}").json()["documents"] == 2, "a preview deletes nothing"

    service.services.ingest.jobs.upkeep.look_around()
    deadline = time.monotonic() + 60
    while len(made := caller.get("/api/v1/receipts").json()["receipts"]) < 2 or not all(r["purged_at"] for r in made):
        assert time.monotonic() < deadline, made
        time.sleep(0.05)
    by_kind = {item["kind"]: item for item in made}
    assert [item["number"] for item in by_kind["versions"]["versions"]] == [1, 2]
    assert by_kind["versions"]["deleted_by"] is None
    assert by_kind["document"]["source_key"] == "다른.md"
    assert all(item["reason"] == "retention" for item in made)
    kept = caller.get(f"/api/v1/documents/{document['id']}/versions").json()["versions"]
    assert [(item["number"], item["state"]) for item in kept] == [(4, "active"), (3, "retired")]
    assert [item["text"] for item in caller.search("기본 요금")] == ["기본 요금은 300원이다."]
    assert maintenance.verify(service.services.ingest.pipeline).healthy


def test_every_rule_of_retention(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    for amount in range(2):
        caller.ingest(name, {"a.md": file_of("규칙", amount)})
    caller.ingest(name, {"b.md": file_of("날짜", 1)})
    database = service.services.rag.database
    collection_id = UUID(caller.get(f"/api/v1/collections/{name}").json()["id"])
    with database.write() as session:
        row = session.scalars(
            select(Document).where(Document.source_key == "b.md", Document.collection_id == collection_id)
        ).one()
        row.authored_at = utc_now().replace(year=utc_now().year - 2)

    def due(**rules: int) -> tuple[list[str], int]:
        body = {"retention": rules}
        assert caller.request("PATCH", f"/api/v1/collections/{name}", json=body).status_code == 200
        found = caller.get(f"/api/v1/collections/{name}/retention").json()
        return [item["source_key"] for item in found["documents"]], len(found["versions"])

    assert due() == ([], 0)
    assert due(retired_days=1) == ([], 0)
    assert due(retired_days=0) == ([], 1)
    assert due(retired_versions=0) == ([], 1)
    assert due(retired_versions=1) == ([], 0)
    assert due(dated_days=700) == (["b.md"], 0)
    assert due(dated_days=800) == ([], 0)
    assert sorted(due(document_days=0)[0]) == ["a.md", "b.md"]
    assert due(document_days=0, retired_versions=0)[1] == 0, "what goes as a whole is not counted twice"
    bad = caller.request("PATCH", f"/api/v1/collections/{name}", json={"retention": {"document_days": -1}})
    assert bad.status_code == 422
    with database.write() as session:
        session.get_one(Collection, collection_id).retention = None
    assert retention.expire_next(database, collection_id) == []


def permit_for(service: Running, caller: Caller, *names: str):
    from rag.access.policy import Action

    principal = service.services.rag.authenticate(caller.headers["Authorization"].split()[1])
    policy = service.services.rag.policy
    return policy.authorize(principal, Action.READ_RECEIPTS if not names else Action.DELETE_COLLECTION, names or None)


def age(service: Running, collection: str, source_key: str, *, days: int) -> None:
    """Make a document look as if it had been uploaded so many days ago."""
    from datetime import timedelta

    with service.services.rag.database.write() as session:
        query = select(DocumentVersion).join(Document, Document.id == DocumentVersion.document_id)
        query = query.join(Collection, Collection.id == Document.collection_id)
        for row in session.scalars(query.where(Collection.name == collection, Document.source_key == source_key)):
            row.created_at -= timedelta(days=days)


def test_states_of_what_was_deleted(service: Running) -> None:
    """A version that retention took is deleted on record, whatever happens to its document afterwards."""
    caller = service.caller()
    name = caller.collection()
    for amount in range(2):
        [document] = caller.ingest(name, {"a.md": file_of("상태", amount)})
    database = service.services.rag.database
    with database.write() as session:
        row = session.get_one(Document, UUID(document["id"]))
        [old] = session.scalars(
            select(DocumentVersion).where(DocumentVersion.document_id == row.id, DocumentVersion.number == 1)
        ).all()
        hiding.hide_versions(session, row, [old], Actor(None, "시험"), DeletionReason.RETENTION)
        old_id = old.id
    purging.purge_document(service.services.ingest.pipeline, UUID(document["id"]))
    with database.read() as session:
        assert session.get_one(DocumentVersion, old_id).state == VersionState.DELETED
        assert session.get_one(Document, UUID(document["id"])).purged_at is None
    assert caller.search("상태")
