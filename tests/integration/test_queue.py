"""The queue as its users see it: pause, priorities, fairness, tries, quarantine, retry, cancel, progress."""

from __future__ import annotations

import collections
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from dbos import DBOS
from dbos._dbos import _get_dbos_instance
from sqlalchemy import event, select, update
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine.default import DefaultDialect

from api.routes import ingestion
from rag.domain.errors import NotPermitted, ParserCrashed
from rag.domain.principal import Scope
from rag.store.collection import Collection
from rag.store.tenant import Tenant
from rag.store.version import DocumentVersion
from tests.support.running import Caller, Running


def eventually(condition: Callable[[], Any], timeout_s: float = 60) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def note(text: str) -> str:
    return f"# 알림\n\n{text} 알림입니다.\n"


def upload(caller: Caller, collection: str, names: list[str], priority: str | None = None) -> list[str]:
    parts = [("files", (name, note(f"{collection} {name}").encode())) for name in names]
    parameters = {"priority": priority} if priority else {}
    response = caller.post(f"/api/v1/collections/{collection}/documents", files=parts, params=parameters)
    assert response.status_code == 202, response.text
    return [item["document_id"] for item in response.json()["documents"]]


def progress(caller: Caller, collection: str) -> dict[str, Any]:
    response = caller.get(f"/api/v1/collections/{collection}/ingestion")
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_ingestion_expects_questions_and_nothing_else(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    expected: list[int] = []

    def refuse(*_: object) -> None:
        raise NotPermitted

    caller, stranger = service.caller(), service.caller()
    stranger.headers = {"Authorization": "Bearer nobody"}
    collection = caller.collection()
    monkeypatch.setattr(service.services.rag.traffic, "expect", lambda: expected.append(1))
    body = {"question": "연차휴가"}
    assert caller.post("/api/v1/search", json=body).status_code == 200
    assert caller.post("/api/v1/answers", json=body).status_code == 200
    assert len(expected) == 2
    ids = upload(caller, collection, ["a.md"])
    caller.wait(ids)  # by POST, twenty times a second
    progress(caller, collection)
    assert stranger.post("/api/v1/answers", json=body).status_code == 401
    monkeypatch.setattr(service.services.rag.policy, "require", refuse)
    assert caller.post("/api/v1/answers", json=body).status_code == 403
    assert len(expected) == 2


def test_a_file_is_not_asked_whether_it_is_alive(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    looks: list[str] = []

    def ping(_: SQLiteDialect, connection: object) -> bool:
        asked.append(connection)
        return True

    def watched(dialect: SQLiteDialect, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        if "workflow_status" in statement:
            looks.append(statement)
        DefaultDialect.do_execute(dialect, cursor, statement, parameters, context)  # type: ignore[no-untyped-call]

    if service.services.rag.database.engine.dialect.name != "sqlite":
        pytest.skip("the queue lies on a server, which can go away")
    monkeypatch.setattr(SQLiteDialect, "do_ping", ping, raising=False)
    monkeypatch.setattr(SQLiteDialect, "do_execute", watched, raising=False)

    eventually(lambda: len(looks) > 20)
    assert not asked


@pytest.fixture
def broken(service: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Files named in here crash their parser so many times."""
    left: dict[str, int] = {}
    sandbox = service.services.ingest.pipeline.sandbox
    parse = sandbox.parse

    def crash(path: Any, name: str, **how: Any) -> Any:
        if left.get(name, 0) > 0:
            left[name] -= 1
            raise ParserCrashed(name=name)
        return parse(path, name, **how)

    monkeypatch.setattr(sandbox, "parse", crash)
    pipeline = service.services.ingest.pipeline
    patient = pipeline.retries
    object.__setattr__(pipeline, "retries", replace(patient, pause=patient.pause / 100))
    yield left
    object.__setattr__(pipeline, "retries", patient)


def test_an_idle_service_looks_at_its_queues_seldom(service: Running) -> None:
    """A look is some statements in a thread of its own: eight queues at ten looks a second took 16 % of a processor for ever."""
    assert service.services.ingest is not None
    looks = {queue.name: 1 / queue.polling_interval_sec for queue in DBOS.list_queues()}
    assert {"ingest", "ingest_interactive", "ingest_long", "purge", "repositories", "spaces"} <= set(looks)
    assert sum(looks.values()) <= 50


def test_a_look_into_an_empty_queue_asks_no_more_than_whether_it_is_empty(service: Running) -> None:
    engine = _get_dbos_instance()._sys_db.engine
    looks: collections.Counter[str] = collections.Counter()

    def noted(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        looks.update(name for name in ("application_versions", "FROM queues", "workflow_status") if name in statement)

    event.listen(engine, "before_cursor_execute", noted)
    try:
        eventually(lambda: looks["workflow_status"] > 40)  # about a second
    finally:
        event.remove(engine, "before_cursor_execute", noted)
    assert looks["application_versions"] == 0
    assert looks["FROM queues"] <= looks["workflow_status"] / 2


def test_a_paused_collection_takes_uploads_and_begins_nothing(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    paused = caller.post(f"/api/v1/collections/{name}/ingestion/pause").json()
    assert paused["paused"]
    ids = upload(caller, name, ["하나.md", "둘.md"])
    other = caller.collection()
    caller.ingest(other, {"옆.md": note("옆 컬렉션")})  # goes on meanwhile
    found = progress(caller, name)
    assert (found["queued"], found["running"], found["active"], found["eta_s"]) == (2, 0, 0, None)
    assert not caller.post(f"/api/v1/collections/{name}/ingestion/resume").json()["paused"]
    assert {item["version"]["state"] for item in caller.wait(ids)} == {"active"}
    found = progress(caller, name)
    assert (found["queued"], found["active"], found["eta_s"]) == (0, 2, 0.0)
    assert found["per_minute"] >= 2


def test_a_paused_tenant_begins_nothing_anywhere_and_another_tenant_goes_on(service: Running) -> None:
    caller, neighbour = service.caller(), service.caller()
    name = caller.collection()
    assert caller.post("/api/v1/ingestion/pause").json()["paused"]
    ids = upload(caller, name, ["a.md"])
    neighbour.ingest(neighbour.collection(), {"b.md": note("이웃")})
    assert progress(caller, name)["queued"] == 1
    assert progress(caller, name)["paused"]
    caller.post("/api/v1/ingestion/resume")
    assert caller.wait(ids)[0]["version"]["state"] == "active"


def test_a_key_for_one_collection_can_not_pause_all(service: Running) -> None:
    owner = service.caller()
    row = owner.get(f"/api/v1/collections/{owner.collection()}").json()
    principal = service.services.rag.authenticate(owner.headers["Authorization"].split()[1])
    with service.services.rag.database.read() as session:
        tenant = session.get_one(Tenant, principal.tenant_id).name
    key = service.key(Scope.ADMIN, tenant=tenant, collections=[UUID(row["id"])])
    limited = Caller(service, {"Authorization": f"Bearer {key}"})
    assert limited.post("/api/v1/ingestion/pause").status_code == 403
    assert not owner.get("/api/v1/ingestion").json()["paused"]


def ended_later(caller: Caller, name: str, document: dict[str, Any]) -> int:
    """How many of a collection's documents were ready after this one, by the record: all may be before anybody looks."""
    its_end = datetime.fromisoformat(document["version"]["finished_at"])
    listed = caller.get(f"/api/v1/collections/{name}/documents", params={"limit": 100}).json()["documents"]
    return sum(datetime.fromisoformat(item["version"]["finished_at"]) > its_end for item in listed)


def test_a_few_files_do_not_wait_behind_a_bulk_upload(service: Running) -> None:
    caller = service.caller()
    bulk, single = caller.collection(), caller.collection()
    upload(caller, bulk, [f"{n:03}.md" for n in range(60)])
    [document_id] = upload(caller, single, ["급한.md"])
    [document] = caller.wait([document_id])
    assert document["version"]["state"] == "active"
    assert document["version"]["priority"] == "interactive"
    eventually(lambda: progress(caller, bulk)["active"] == 60)
    assert ended_later(caller, bulk, document)


def test_a_slow_file_of_one_does_not_hold_up_the_small_file_of_another(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both wait for their files: a scan takes minutes, a page does not."""
    sandbox = service.services.ingest.pipeline.sandbox
    parse, begun, gate = sandbox.parse, threading.Event(), threading.Event()

    def slow(path: Any, name: str, *rest: Any, **named: Any) -> Any:
        if name == "스캔.md":
            begun.set()
            gate.wait(60)
        return parse(path, name, *rest, **named)

    monkeypatch.setattr(sandbox, "parse", slow)
    first, second = service.caller(), service.caller()
    scan = upload(first, first.collection(), ["스캔.md"], "interactive")
    try:
        assert begun.wait(30)
        [document] = second.wait(upload(second, second.collection(), ["급한.md"], "interactive"), timeout_s=15)
        assert document["version"]["state"] == "active"
    finally:
        gate.set()
    assert first.wait(scan)[0]["version"]["state"] == "active"


def test_a_bulk_upload_does_not_starve_another_tenants(service: Running) -> None:
    """By the record, however fast the machine is: both begin to wait at one moment, and at most one batch goes before."""
    loud, quiet = service.caller(), service.caller()
    crowded, lonely = loud.collection(), quiet.collection()
    for caller, name in ((loud, crowded), (quiet, lonely)):
        assert caller.post(f"/api/v1/collections/{name}/ingestion/pause").json()["paused"]
    many = upload(loud, crowded, [f"{n:03}.md" for n in range(80)], "bulk")
    [one] = upload(quiet, lonely, ["하나.md"], "bulk")
    database, jobs = service.services.rag.database, service.services.ingest.jobs
    with database.write() as session:
        session.execute(update(Collection).where(Collection.name.in_([crowded, lonely])).values(paused_at=None))
    jobs.wake()
    assert quiet.wait([one])[0]["version"]["state"] == "active"
    assert {item["version"]["state"] for item in loud.wait(many)} == {"active"}
    with database.read() as session:
        query = select(DocumentVersion.document_id, DocumentVersion.claimed_at)
        given = {
            row[0]: row[1]
            for row in session.execute(query.where(DocumentVersion.document_id.in_(map(UUID, [*many, one]))))
        }
    its_turn = given.pop(UUID(one))
    assert (
        sum(turn < its_turn for turn in given.values()) <= service.services.ingest.settings.batch_documents < len(many)
    )


def test_a_file_that_crashes_its_parser_twice_is_read_at_the_third_try(
    service: Running, broken: dict[str, int]
) -> None:
    caller = service.caller()
    name = caller.collection()
    broken["가끔.md"] = 2
    [document] = caller.ingest(name, {"가끔.md": note("가끔")})
    assert (document["version"]["state"], document["version"]["tries"]) == ("active", 2)
    assert document["version"]["failure"] is None


def test_after_three_tries_it_is_set_aside_with_its_reason_until_somebody_retries(
    service: Running, broken: dict[str, int]
) -> None:
    caller = service.caller()
    name = caller.collection()
    broken["늘.md"] = 3
    bad, good = upload(caller, name, ["늘.md", "좋은.md"])
    documents = {item["id"]: item["version"] for item in caller.wait([bad, good])}
    assert documents[good]["state"] == "active"
    assert (documents[bad]["state"], documents[bad]["tries"]) == ("quarantined", 3)
    assert documents[bad]["failure"]["code"] == "parser_crashed"
    assert documents[bad]["failure"]["retryable"]
    assert progress(caller, name)["quarantined"] == 1
    again = caller.post(f"/api/v1/documents/{bad}/retry")
    assert (again.status_code, again.json()["version"]["state"]) == (202, "queued")
    assert caller.wait([bad])[0]["version"]["state"] == "active"
    refused = caller.post(f"/api/v1/documents/{bad}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_retry")


def test_everything_set_aside_is_retried_at_once(service: Running, broken: dict[str, int]) -> None:
    caller = service.caller()
    name = caller.collection()
    broken |= {"1.md": 3, "2.md": 3}
    ids = upload(caller, name, ["1.md", "2.md", "3.md"])
    caller.wait(ids)
    assert progress(caller, name)["quarantined"] == 2
    assert caller.post(f"/api/v1/collections/{name}/ingestion/retry", json={}).json() == {"documents": 2}
    assert {item["version"]["state"] for item in caller.wait(ids)} == {"active"}


@pytest.mark.parametrize("how", ["one", "all"])
def test_a_searchable_document_that_was_read_in_part_is_read_anew(
    service: Running, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    caller = service.caller()
    name = caller.collection()
    sandbox = service.services.ingest.pipeline.sandbox
    parse, gate, cut_off = sandbox.parse, threading.Event(), [True]

    def hurried(path: Any, name_: str, **named: Any) -> Any:
        parsed = parse(path, name_, **named)
        if name_ != "스캔.md":
            return parsed
        if cut_off:
            return replace(parsed, elements=parsed.elements[:2], warnings=("ocr_out_of_time:2-9",))
        assert gate.wait(60)
        return parsed

    monkeypatch.setattr(sandbox, "parse", hurried)
    files = {"스캔.md": note("앞쪽") + "\n## 뒤쪽\n\n맨 뒤쪽 별지.\n", "온전.md": note("온전")}
    found = {document["source_key"]: document for document in caller.ingest(name, files)}
    first, whole = found["스캔.md"], found["온전.md"]
    assert [first["version"]["state"], first["version"]["warnings"][0]["code"]] == ["active", "ocr_out_of_time"]
    cut_off.clear()
    retried = f"/api/v1/documents/{first['id']}/retry"
    if how == "one":
        again = caller.post(retried)
        assert (again.status_code, again.json()["version"]["state"]) == (202, "queued")
    else:
        everything = caller.post(f"/api/v1/collections/{name}/ingestion/retry", json={"states": ["in_part"]})
        assert everything.json() == {"documents": 1}
    assert any(
        "앞쪽" in passage["text"] for passage in caller.search("앞쪽 알림", collections=[name])
    )  # it goes on answering
    assert caller.post(retried).status_code == 409
    gate.set()
    [now] = caller.wait([first["id"]])
    assert (now["version"]["state"], now["version"]["number"], now["version"]["warnings"]) == ("active", 2, [])
    assert any("별지" in passage["text"] for passage in caller.search("맨 뒤쪽 별지", collections=[name]))
    for complete in (first, whole):
        assert caller.post(f"/api/v1/documents/{complete['id']}/retry").json()["code"] == "nothing_to_retry"


def test_a_waiting_document_is_cancelled_at_once(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    caller.post(f"/api/v1/collections/{name}/ingestion/pause")
    first, second, third = upload(caller, name, ["1.md", "2.md", "3.md"])
    cancelled = caller.post(f"/api/v1/documents/{first}/cancel")
    assert (cancelled.status_code, cancelled.json()["version"]["state"]) == (202, "cancelled")
    assert caller.post(f"/api/v1/documents/{first}/cancel").json()["code"] == "nothing_to_cancel"
    assert caller.post(f"/api/v1/collections/{name}/ingestion/cancel").json() == {"documents": 2}
    caller.post(f"/api/v1/collections/{name}/ingestion/resume")
    found = progress(caller, name)
    assert (found["queued"], found["active"], found["cancelled"]) == (0, 0, 3)
    caller.post(f"/api/v1/documents/{second}/retry")
    assert caller.wait([second])[0]["version"]["state"] == "active"
    assert caller.get(f"/api/v1/documents/{third}").json()["version"]["state"] == "cancelled"


def test_a_document_in_work_is_cancelled_at_its_next_step_and_leaves_nothing(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = service.caller()
    name = caller.collection()
    sandbox = service.services.ingest.pipeline.sandbox
    parse = sandbox.parse

    def cancelled_meanwhile(path: Any, name_: str, **how: Any) -> Any:
        parsed = parse(path, name_, **how)
        if name_ == "멈출.md":
            [row] = caller.get(f"/api/v1/collections/{name}/documents").json()["documents"]
            assert caller.post(f"/api/v1/documents/{row['id']}/cancel").status_code == 202
        return parsed

    monkeypatch.setattr(sandbox, "parse", cancelled_meanwhile)
    [document] = caller.ingest(name, {"멈출.md": note("멈출")})
    assert document["version"]["state"] == "cancelled"
    assert caller.search("멈출 알림") == []
    blobs = service.services.rag.blobs
    eventually(lambda: not any(str(v) == document["version"]["id"] for v, _ in blobs.derived_files()))


def test_events_tell_of_every_change_and_end(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    caller.post(f"/api/v1/collections/{name}/ingestion/pause")
    upload(caller, name, [f"{n}.md" for n in range(3)])
    idle = events(caller, name)
    assert [kind for kind, _ in idle] == ["progress", "done"]  # paused: nothing will happen
    caller.post(f"/api/v1/collections/{name}/ingestion/resume")
    told = events(caller, name)
    assert told[0][0] == "progress" and told[-1][0] == "done"
    assert told[-1][1]["active"] == 3 and told[-1][1]["queued"] == 0


def events(caller: Caller, collection: str) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    path = f"/api/v1/collections/{collection}/ingestion/events"
    with caller.running.http.stream("GET", path, headers=caller.headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((kind, json.loads(line.removeprefix("data: "))))
    return found


def test_a_stream_of_events_says_that_it_lives_and_ends_in_time(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = service.caller()
    name = caller.collection()
    sandbox = service.services.ingest.pipeline.sandbox
    parse = sandbox.parse
    told = threading.Event()

    def held_up(path: Any, name_: str, **how: Any) -> Any:
        assert told.wait(60)
        return parse(path, name_, **how)

    monkeypatch.setattr(sandbox, "parse", held_up)
    monkeypatch.setattr(ingestion, "_KEEP_ALIVE_S", 0.6)
    monkeypatch.setattr(ingestion, "_LONGEST_S", 5.0)
    ids = upload(caller, name, ["오래.md"])
    text = caller.get(f"/api/v1/collections/{name}/ingestion/events").text
    told.set()
    assert ": keep-alive\n\n" in text
    assert text.count("event: progress") >= 1 and text.count("event: timeout") == 1
    assert caller.wait(ids)[0]["version"]["state"] == "active"
