"""Files and vector stores, driven by the real openai client: upload, poll, search, and what others must not see."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import httpx
import openai
import pytest

from ingest.pipeline import maintenance
from rag.domain.principal import Scope
from rag.store.client_file import ClientFile, FileBatch, StoredFile
from tests.support.live import listening
from tests.support.running import Caller, Running

LEAVE = "# 휴가\n\n경조휴가는 5일이다. 결혼하는 직원에게 준다.\n".encode()
PAY = "# 급여\n\n급여는 매월 25일에 지급한다.\n".encode()
FUEL = "# 연료\n\n비상발전기는 시간당 경유 14리터를 쓴다.\n".encode()


@pytest.fixture(scope="module")
def address(service: Running) -> Iterator[str]:
    with listening(service.services) as found:
        yield found


@pytest.fixture(scope="module")
def caller(service: Running) -> Caller:
    return service.caller()


def client_of(address: str, caller: Caller) -> openai.OpenAI:
    key = caller.headers["Authorization"].split()[1]
    http = httpx.Client(headers={"Accept-Language": "en"}, trust_env=False)
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, http_client=http, max_retries=0)


@pytest.fixture(scope="module")
def client(address: str, caller: Caller) -> Iterator[openai.OpenAI]:
    with client_of(address, caller) as made:
        yield made


def test_a_file_is_kept_by_itself_and_leaves_nothing_when_deleted(service: Running, client: openai.OpenAI) -> None:
    content = f"unattached {uuid4()}".encode()
    digest = hashlib.sha256(content).hexdigest()
    made = client.files.create(file=("메모.md", content), purpose="assistants")
    assert (made.filename, made.bytes, made.purpose, made.status) == ("메모.md", len(content), "assistants", "uploaded")
    assert client.files.retrieve(made.id).id == made.id
    assert client.files.content(made.id).read() == content
    maintenance.sweep_originals(service.services.ingest.pipeline, time.time() + 60)
    assert maintenance.verify(service.services.ingest.pipeline).healthy
    assert client.files.content(made.id).read() == content, "no sweep takes it for what a crash left"
    with service.services.rag.blobs.local_copy(digest) as original:
        aside = original.rename(original.with_name("aside"))
        lost = maintenance.verify(service.services.ingest.pipeline).lost_originals
        aside.rename(original)
    assert lost == [UUID(made.id.removeprefix("file-"))]
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError) as gone:
        client.files.retrieve(made.id)
    assert gone.value.code == "document_not_found"
    assert not service.services.rag.blobs.exists(digest)
    with service.services.rag.database.read() as session:
        assert session.get(ClientFile, UUID(made.id.removeprefix("file-"))) is None


@pytest.mark.parametrize(
    ("fields", "file", "status", "code"),
    [
        ({"purpose": "fine-tune"}, b"x", 422, "invalid_request"),
        ({}, b"x", 422, "invalid_request"),
        ({"purpose": "assistants"}, b"", 422, "empty_file"),
        ({"purpose": "assistants", "expires_after[seconds]": "3600"}, b"x", 400, "unsupported_request"),
    ],
)
def test_what_is_not_honoured_is_refused_and_nothing_of_it_stays(
    caller: Caller, fields: dict[str, str], file: bytes, status: int, code: str
) -> None:
    before = caller.get("/v1/files").json()["data"]
    refused = caller.post("/v1/files", data=fields, files={"file": ("refused.md", file)})
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert caller.get("/v1/files").json()["data"] == before
    assert maintenance.verify(caller.running.services.ingest.pipeline).stray_originals == []


def test_upload_and_poll_then_search_with_filters(client: openai.OpenAI) -> None:
    store = client.vector_stores.create(name="사규", metadata={"owner": "인사"})
    assert store.id.startswith("vs_") and store.metadata == {"owner": "인사"}
    leave = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("휴가.md", LEAVE), attributes={"dept": "인사", "year": 2024, "open": True}
    )
    assert (leave.status, leave.last_error) == ("completed", None)
    assert leave.attributes == {"dept": "인사", "year": 2024, "open": "true"}
    pay = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("급여.md", PAY), attributes={"dept": "재무", "year": 2021}
    )
    found = client.vector_stores.search(store.id, query="경조휴가는 며칠인가요?").data
    assert (found[0].file_id, found[0].filename) == (leave.id, "휴가.md")
    assert "5일" in found[0].content[0].text
    assert found[0].attributes == {"dept": "인사", "year": 2024, "open": "true"}
    assert all(0 <= item.score <= 1 for item in found)

    def files(filters: dict[str, object], query: str = "직원 급여 휴가") -> set[str]:
        return {item.file_id for item in client.vector_stores.search(store.id, query=query, filters=filters).data}

    assert files({"type": "eq", "key": "dept", "value": "재무"}) == {pay.id}
    assert files({"type": "ne", "key": "dept", "value": "재무"}) == {leave.id}
    assert files({"type": "gte", "key": "year", "value": 2022}) == {leave.id}
    assert files({"type": "in", "key": "year", "value": [2021, 2024]}) == {leave.id, pay.id}
    assert files({"type": "nin", "key": "year", "value": [2021, 2024]}) == set()
    assert files({"type": "eq", "key": "open", "value": True}) == {leave.id}
    old = {"type": "lt", "key": "year", "value": 2022}
    either = {"type": "or", "filters": [old, {"type": "eq", "key": "dept", "value": "인사"}]}
    assert files(either) == {leave.id, pay.id}
    assert files({"type": "and", "filters": [either, {"type": "ne", "key": "dept", "value": "인사"}]}) == {pay.id}
    first = client.vector_stores.search(store.id, query="경조휴가", max_num_results=1).data
    assert len(first) == 1
    ranked = client.vector_stores.search(store.id, query="경조휴가 결혼 급여").data
    assert [item.file_id for item in ranked] == [leave.id, pay.id] and ranked[0].score > ranked[1].score
    high = client.vector_stores.search(
        store.id, query="경조휴가 결혼 급여", ranking_options={"score_threshold": ranked[0].score}
    ).data
    assert [item.file_id for item in high] == [leave.id]
    both = client.vector_stores.search(store.id, query=["경조휴가", "급여 지급일"], max_num_results=2).data
    assert {item.file_id for item in both} == {leave.id, pay.id}
    for wrong in (
        {"type": "eq", "key": "Dept!", "value": "x"},
        {"type": "gt", "key": "dept", "value": "인사"},
        {"type": "in", "key": "dept", "value": "인사"},
        {"type": "like", "key": "dept", "value": "인사"},
    ):
        with pytest.raises(openai.UnprocessableEntityError):
            files(wrong)
    counts = client.vector_stores.retrieve(store.id).file_counts
    assert (counts.completed, counts.total) == (2, 2)
    text = "".join(part.text or "" for part in client.vector_stores.files.content(leave.id, vector_store_id=store.id))
    assert "경조휴가는 5일이다." in text
    changed = client.vector_stores.files.update(leave.id, vector_store_id=store.id, attributes={"year": 2025})
    assert changed.attributes == {"year": 2025}
    assert client.files.retrieve(leave.id).status == "processed"


def test_a_batch_is_polled_to_its_end_and_says_what_failed(client: openai.OpenAI) -> None:
    store = client.vector_stores.create(name=f"b-{uuid4().hex[:8]}")
    files = [
        ("발전기.md", FUEL),
        ("급여.md", PAY),
        ("깨짐.pdf", b"%PDF-1.7 broken"),
        ("이진.bin", bytes(range(256)) * 8),
    ]
    batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=files)
    assert batch.status == "completed"
    assert (batch.file_counts.completed, batch.file_counts.failed, batch.file_counts.total) == (2, 2, 4)
    failed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, filter="failed").data
    codes = {item.last_error.code for item in failed if item.last_error}
    assert len(failed) == 2 and codes == {"invalid_file", "unsupported_file"}
    assert all(item.last_error.message for item in failed if item.last_error)
    assert {item.status for item in client.vector_stores.files.list(store.id)} == {"completed", "failed"}
    again = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    assert again.file_counts.completed == 2, "what has ended stays"
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.file_batches.retrieve(f"vsfb_{'0' * 32}", vector_store_id=store.id)


def test_a_batch_that_waits_can_be_cancelled(client: openai.OpenAI, caller: Caller) -> None:
    store = client.vector_stores.create(name=f"w-{uuid4().hex[:8]}")
    caller.post(f"/api/v1/collections/{store.name}/ingestion/pause")
    made = [client.files.create(file=(f"{n}.md", FUEL + bytes([n])), purpose="assistants") for n in (48, 49)]
    batch = client.vector_stores.file_batches.create(store.id, file_ids=[item.id for item in made])
    assert (batch.status, batch.file_counts.in_progress) == ("in_progress", 2)
    waiting = client.vector_stores.files.with_raw_response.retrieve(made[0].id, vector_store_id=store.id)
    assert int(waiting.headers["openai-poll-after-ms"]) > 0
    assert client.vector_stores.retrieve(store.id).status == "in_progress"
    cancelled = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    assert (cancelled.status, cancelled.file_counts.cancelled) == ("cancelled", 2)
    assert client.vector_stores.files.retrieve(made[0].id, vector_store_id=store.id).status == "cancelled"


def test_two_files_of_one_name_stay_two(client: openai.OpenAI) -> None:
    store = client.vector_stores.create(name=f"n-{uuid4().hex[:8]}")
    first = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("upload.md", LEAVE))
    second = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("upload.md", PAY))
    again = client.vector_stores.files.create_and_poll(first.id, vector_store_id=store.id)
    assert again.id == first.id
    listed = client.vector_stores.files.list(store.id, order="asc").data
    assert [item.id for item in listed] == [first.id, second.id]
    names = {item.filename for item in client.vector_stores.search(store.id, query="급여 휴가").data}
    assert names == {"upload.md", "upload (2).md"}
    client.vector_stores.files.delete(first.id, vector_store_id=store.id)
    assert [item.id for item in client.vector_stores.files.list(store.id)] == [second.id]
    assert client.files.content(first.id).read() == LEAVE, "the file itself stays"
    back = client.vector_stores.files.create_and_poll(first.id, vector_store_id=store.id)
    assert back.status == "completed"
    again = client.vector_stores.files.create_and_poll(second.id, vector_store_id=store.id)
    assert (again.id, client.vector_stores.retrieve(store.id).file_counts.total) == (second.id, 2)


def test_files_of_one_name_that_come_at_once_stay_apart(client: openai.OpenAI) -> None:
    store = client.vector_stores.create(name=f"c-{uuid4().hex[:8]}")
    made = [client.files.create(file=("급여.md", PAY + bytes([n])), purpose="assistants").id for n in range(65, 69)]
    with ThreadPoolExecutor(4) as pool:
        placed = list(pool.map(lambda item: client.vector_stores.files.create(store.id, file_id=item).id, made))
    assert placed == made
    assert {item.id for item in client.vector_stores.files.list(store.id)} == set(made)
    assert client.vector_stores.retrieve(store.id).file_counts.total == 4


def test_deleting_a_file_takes_it_out_of_every_store(service: Running, client: openai.OpenAI) -> None:
    content = FUEL + uuid4().hex.encode()
    stores = [client.vector_stores.create(name=f"d-{uuid4().hex[:8]}") for _ in range(2)]
    made = client.files.create(file=("diesel.md", content), purpose="user_data")
    for store in stores:
        client.vector_stores.files.create_and_poll(made.id, vector_store_id=store.id)
    assert client.files.delete(made.id).deleted
    for store in stores:
        assert client.vector_stores.search(store.id, query="비상발전기 경유").data == []
        assert client.vector_stores.retrieve(store.id).file_counts.total == 0
    digest = hashlib.sha256(content).hexdigest()
    deadline = time.monotonic() + 30
    while service.services.rag.blobs.exists(digest):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_document_that_came_by_another_door_is_a_file(client: openai.OpenAI, caller: Caller) -> None:
    name = caller.collection(f"native-{uuid4().hex[:8]}")
    [document] = caller.ingest(name, {"규정/발전기.md": FUEL}, attributes={"site": "north"})
    store = next(item for item in client.vector_stores.list(limit=100) if item.name == name)
    [file] = client.vector_stores.files.list(store.id).data
    assert file.id == f"file-{UUID(document['id']).hex}"
    assert (file.status, file.attributes) == ("completed", {"site": "north"})
    assert client.files.retrieve(file.id).filename == "발전기.md"
    assert client.files.content(file.id).read() == FUEL
    assert client.vector_stores.retrieve(name).id == store.id, "the collection's name will do"
    other = client.vector_stores.create(name=f"copy-{uuid4().hex[:8]}", file_ids=[file.id])
    assert other.file_counts.total == 1
    copy = client.vector_stores.files.list(other.id).data[0]
    assert client.vector_stores.files.poll(copy.id, vector_store_id=other.id).status == "completed"
    assert client.files.delete(file.id).deleted
    assert client.vector_stores.files.list(store.id).data == []
    assert client.vector_stores.search(other.id, query="비상발전기").data


def test_lists_are_paged_both_ways(service: Running, address: str) -> None:
    own = service.caller()
    with client_of(address, own) as client:
        made = [
            client.files.create(file=(f"{n}.md", FUEL + bytes([n])), purpose="assistants").id for n in range(65, 70)
        ]
        assert [item.id for item in client.files.list(order="asc", limit=2)] == made, "the client follows has_more"
        assert [item.id for item in client.files.list(limit=3)] == made[::-1]
        raw = own.get("/v1/files", params={"limit": 2, "order": "asc", "after": made[0]}).json()
        assert (raw["first_id"], raw["last_id"], raw["has_more"]) == (made[1], made[2], True)
        stores = [client.vector_stores.create(name=f"p-{n}").id for n in range(3)]
        assert [item.id for item in client.vector_stores.list(order="asc", limit=1)] == stores
        back = own.get("/v1/vector_stores", params={"limit": 1, "order": "asc", "before": stores[2]}).json()
        assert ([item["id"] for item in back["data"]], back["has_more"]) == ([stores[1]], True)
        client.vector_stores.file_batches.create(stores[0], file_ids=made)
        path = f"/v1/vector_stores/{stores[0]}/files"
        listed = [item.id for item in client.vector_stores.files.list(stores[0], limit=2)]
        assert sorted(listed) == sorted(made) and len(set(listed)) == 5
        before = own.get(path, params={"limit": 2, "before": listed[3]}).json()
        assert [item["id"] for item in before["data"]] == listed[1:3]
        assert own.get(path, params={"after": f"file-{'0' * 32}"}).status_code == 404


def test_a_store_is_changed_and_deleted(service: Running, client: openai.OpenAI) -> None:
    store = client.vector_stores.create(name=f"s-{uuid4().hex[:8]}", metadata={"a": "1"})
    file = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("a.md", FUEL))
    renamed = client.vector_stores.update(store.id, name=f"{store.name}-neu")
    assert (renamed.name, renamed.metadata) == (f"{store.name}-neu", {"a": "1"})
    assert client.vector_stores.update(store.id, metadata=None).metadata == {}
    with pytest.raises(openai.ConflictError) as taken:
        client.vector_stores.create(name=renamed.name)
    assert taken.value.code == "name_taken"
    unnamed = client.vector_stores.create()
    assert unnamed.name.startswith("vs-")
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(store.id)
    assert client.files.retrieve(file.id).status == "uploaded", "the client's file stays, in no store"
    with service.services.rag.database.read() as session:
        identity = UUID(store.id.removeprefix("vs_"))
        left = [session.query(table).filter_by(collection_id=identity).count() for table in (StoredFile, FileBatch)]
    assert left == [0, 0]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"name": "a/b"}),
        ("/file_batches", {}),
        ("/file_batches", {"file_ids": ["x"], "files": [{"file_id": "x"}]}),
        ("/search", {"query": ""}),
        ("/search", {"query": "x", "max_num_results": 51}),
    ],
)
def test_what_is_no_valid_body_of_a_store_is_said(
    client: openai.OpenAI, caller: Caller, path: str, body: object
) -> None:
    store = client.vector_stores.create()
    refused = caller.post(f"/v1/vector_stores/{store.id}{path}" if path else "/v1/vector_stores", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_after", {"anchor": "last_active_at", "days": 1}),
        ("chunking_strategy", {"type": "static", "static": {"max_chunk_size_tokens": 800}}),
    ],
)
def test_what_a_store_does_not_do_is_said(caller: Caller, field: str, value: object) -> None:
    refused = caller.post("/v1/vector_stores", json={"name": "x", field: value})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, "unsupported_request", field)


def test_automatic_chunking_is_what_is_done_anyway(client: openai.OpenAI) -> None:
    assert client.vector_stores.create(chunking_strategy={"type": "auto"}).id


def probes(store: str, file: str, batch: str) -> Iterator[tuple[str, str, object]]:
    """Every route with the ids of somebody else."""
    yield "GET", f"/v1/files/{file}", None
    yield "GET", f"/v1/files/{file}/content", None
    yield "DELETE", f"/v1/files/{file}", None
    yield "GET", f"/v1/files?after={file}", None
    root = f"/v1/vector_stores/{store}"
    yield "GET", root, None
    yield "POST", root, {"metadata": {"mine": "now"}}
    yield "DELETE", root, None
    yield "POST", f"{root}/search", {"query": "경유"}
    yield "GET", f"{root}/files", None
    yield "POST", f"{root}/files", {"file_id": file}
    yield "GET", f"{root}/files/{file}", None
    yield "POST", f"{root}/files/{file}", {"attributes": {"mine": 1}}
    yield "DELETE", f"{root}/files/{file}", None
    yield "GET", f"{root}/files/{file}/content", None
    yield "POST", f"{root}/file_batches", {"file_ids": [file]}
    yield "GET", f"{root}/file_batches/{batch}", None
    yield "POST", f"{root}/file_batches/{batch}/cancel", None
    yield "GET", f"{root}/file_batches/{batch}/files", None
    yield "GET", f"/v1/vector_stores?after={store}", None
    yield "POST", "/v1/vector_stores", {"name": "steal", "file_ids": [file]}


def test_a_stranger_learns_nothing(service: Running, address: str) -> None:
    owner, stranger = service.caller(), service.caller()
    with client_of(address, owner) as client:
        store = client.vector_stores.create(name="금고")
        batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=[("diesel.md", FUEL)])
        [file] = client.vector_stores.files.list(store.id).data
        loose = client.files.create(file=("loose.md", PAY), purpose="assistants")
    nothing = [f"{prefix}{'1' * 32}" for prefix in ("vs_", "file-", "vsfb_")]
    for file_id in (file.id, loose.id):
        theirs = [store.id, file_id, batch.id]
        for (method, path, body), (_, absent_path, absent_body) in zip(probes(*theirs), probes(*nothing), strict=True):
            refused = stranger.request(method, path, json=body)
            absent = stranger.request(method, absent_path, json=absent_body)
            assert refused.status_code == absent.status_code == 404, (method, path)
            shown = refused.text
            for one, other in zip(theirs, nothing, strict=True):
                shown = shown.replace(one, other)
            assert shown == absent.text, (method, path)
            closed = service.http.request(method, path, json=body)
            assert closed.status_code == 401, (method, path)
    assert stranger.get("/v1/files").json()["data"] == stranger.get("/v1/vector_stores").json()["data"] == []
    # a store of one's own is no way to another's file
    own = stranger.post("/v1/vector_stores", json={"name": "eigen"}).json()["id"]
    for file_id in (file.id, loose.id):
        assert stranger.post(f"/v1/vector_stores/{own}/files", json={"file_id": file_id}).status_code == 404
        assert stranger.get(f"/v1/vector_stores/{own}/files/{file_id}").status_code == 404
    assert stranger.get(f"/v1/vector_stores/{own}/file_batches/{batch.id}").status_code == 404
    kept = owner.get(f"/v1/vector_stores/{store.id}").json()
    assert (kept["file_counts"]["completed"], kept["metadata"]) == (1, {})


def test_a_limited_key_sees_its_collections_and_its_own_files(service: Running, address: str) -> None:
    tenant = f"t-{uuid4().hex[:8]}"
    owner = service.caller(tenant=tenant)
    names = [owner.collection("열린"), owner.collection("닫힌")]
    opened, _ = (UUID(owner.get(f"/api/v1/collections/{name}").json()["id"]) for name in names)
    keys = [service.key(Scope.ADMIN, tenant=tenant, collections=[opened]) for _ in range(2)]
    limited, other = (Caller(service, {"Authorization": f"Bearer {key}"}) for key in keys)
    with client_of(address, owner) as client:
        inside = client.vector_stores.files.upload_and_poll(vector_store_id=names[0], file=("a.md", LEAVE))
        outside = client.vector_stores.files.upload_and_poll(vector_store_id=names[1], file=("b.md", PAY))
        loose = client.files.create(file=("c.md", FUEL), purpose="assistants")
        native = owner.ingest(names[1], {"d.md": FUEL})[0]["id"]
    with client_of(address, limited) as client:
        own = client.files.create(file=("e.md", FUEL), purpose="assistants")
        assert {item.id for item in client.files.list()} == {inside.id, own.id}
        assert [item.name for item in client.vector_stores.list()] == [names[0]]
        for hidden in (outside.id, loose.id, f"file-{UUID(native).hex}"):
            with pytest.raises(openai.NotFoundError):
                client.files.retrieve(hidden)
        with pytest.raises(openai.PermissionDeniedError):
            client.vector_stores.create(name="neu")
        with pytest.raises(openai.PermissionDeniedError):
            client.vector_stores.update(names[0], name="neu")
        placed = client.vector_stores.files.create_and_poll(own.id, vector_store_id=names[0])
        assert placed.status == "completed"
    assert {item["id"] for item in other.get("/v1/files").json()["data"]} == {inside.id, own.id}
    # what it is in another collection is not the limited key's to delete
    owner.post(f"/v1/vector_stores/{names[1]}/files", json={"file_id": own.id})
    assert limited.delete(f"/v1/files/{own.id}").status_code == 200
    assert limited.get(f"/v1/vector_stores/{names[0]}").json()["file_counts"]["total"] == 1
    assert owner.get(f"/v1/vector_stores/{names[1]}").json()["file_counts"]["total"] == 3


def test_a_limited_key_does_not_destroy_what_others_uploaded(service: Running, address: str) -> None:
    tenant = f"t-{uuid4().hex[:8]}"
    owner = service.caller(tenant=tenant)
    names = [owner.collection("열린"), owner.collection("닫힌")]
    opened = UUID(owner.get(f"/api/v1/collections/{names[0]}").json()["id"])
    secret = service.key(Scope.WRITE, tenant=tenant, collections=[opened])
    limited = Caller(service, {"Authorization": f"Bearer {secret}"})
    with client_of(address, owner) as client:
        file = client.files.create(file=("a.md", LEAVE), purpose="assistants")
        for name in names:
            client.vector_stores.files.create_and_poll(file.id, vector_store_id=name)
        assert limited.delete(f"/v1/files/{file.id}").status_code == 200
        assert limited.get(f"/v1/files/{file.id}").status_code == 404
        assert client.files.retrieve(file.id).id == file.id
        assert client.vector_stores.files.retrieve(file.id, vector_store_id=names[1]).status == "completed"


def test_a_document_by_another_door_is_put_into_a_store_once(client: openai.OpenAI, caller: Caller) -> None:
    name = caller.collection(f"native-{uuid4().hex[:8]}")
    [document] = caller.ingest(name, {"발전기.md": FUEL})
    other = client.vector_stores.create(name=f"copy-{uuid4().hex[:8]}")
    identity = f"file-{UUID(document['id']).hex}"
    placed = {client.vector_stores.files.create(other.id, file_id=identity).id for _ in range(3)}
    assert len(placed) == len(client.vector_stores.files.list(other.id).data) == 1


def test_a_reader_writes_nothing(service: Running) -> None:
    tenant = f"t-{uuid4().hex[:8]}"
    owner, reader = service.caller(tenant=tenant), service.caller(Scope.READ, tenant=tenant)
    name = owner.collection()
    for method, path, arguments in (
        ("POST", "/v1/files", {"data": {"purpose": "assistants"}, "files": {"file": ("a.md", b"x")}}),
        ("DELETE", f"/v1/files/file-{'1' * 32}", {}),
        ("POST", "/v1/vector_stores", {"json": {"name": "x"}}),
        ("POST", f"/v1/vector_stores/{name}", {"json": {"metadata": {}}}),
        ("DELETE", f"/v1/vector_stores/{name}", {}),
        ("POST", f"/v1/vector_stores/{name}/files", {"json": {"file_id": "x"}}),
        ("POST", f"/v1/vector_stores/{name}/file_batches", {"json": {"file_ids": ["x"]}}),
    ):
        refused = reader.request(method, path, **arguments)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_permitted"), path
    assert reader.post(f"/v1/vector_stores/{name}/search", json={"query": "x"}).status_code == 200
