"""`seogo sync` against a running service: incremental, resumable, careful with deletions."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest
import typer
from obstore.store import MemoryStore

from api.cli import syncing
from api.cli.connection import CommandFailed
from api.cli.options import Options
from api.cli.syncing import SyncOptions, SyncReport, Told, source_at, synchronise
from ingest.connectors import folder
from ingest.connectors.bucket import BucketSource
from ingest.pipeline.records import clean_source_key
from rag.domain.principal import Scope
from tests.support.running import Caller, Running


class Desk:
    """A caller as the command line's client, with a folder and a collection of its own."""

    def __init__(self, service: Running, root: Path) -> None:
        self.service = service
        self.caller: Caller = service.caller()
        self.root = root
        self.name = f"폴더-{root.name}"
        self.client: httpx.Client = _client(service, self.caller)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def sync(self, **options: Any) -> SyncReport:
        wanted = SyncOptions(self.name, **options)
        return synchronise(self.client, source_at(str(self.root), wanted), wanted)

    def listed(self) -> list[str]:
        response = self.caller.get(f"/api/v1/collections/{self.name}/documents")
        return [item["source_key"] for item in response.json()["documents"]]


def _client(service: Running, caller: Caller) -> httpx.Client:
    client = service.http

    class AsCaller(httpx.Client):
        def request(self, method: str, url: Any, **arguments: Any) -> Any:
            headers = {**caller.headers, **(arguments.pop("headers", None) or {})}
            known = {k: v for k, v in arguments.items() if k in ("json", "params", "files", "data")}
            return client.request(method, url, headers=headers, **known)

    return AsCaller()


@pytest.fixture
def desk(service: Running, tmp_path: Path) -> Desk:
    made = Desk(service, tmp_path)
    for number in range(6):
        made.write(f"규정/{number}.md", f"# 규정 {number}\n\n제{number}호 규정의 내용이다.\n")
    return made


def test_a_second_round_has_nothing_to_do(desk: Desk) -> None:
    first = desk.sync()
    assert len(first.new) == 6 and first.clean
    assert desk.listed() == [f"규정/{number}.md" for number in range(6)]
    second = desk.sync()
    assert (second.new, second.changed, second.touched, second.unchanged) == ([], [], [], 6)
    assert not second.did_something


def test_watching_outlives_a_restart_of_the_server_and_a_share_that_is_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = desk.root.with_name(f"{desk.root.name}-빠짐")
    send = desk.client.request

    def refuse(*_: Any, **__: Any) -> Any:
        raise httpx.ConnectError("connection refused")

    def gateway(*_: Any, **__: Any) -> httpx.Response:
        return httpx.Response(502, text="<html>Bad Gateway</html>")

    def restart() -> None:
        monkeypatch.setattr(desk.client, "request", refuse)

    def starts() -> None:
        desk.write("그새.md", "# 그새\n\n서버가 없는 사이에 쓴 문서이다.\n")
        monkeypatch.setattr(desk.client, "request", gateway)

    def unmounted() -> None:
        monkeypatch.setattr(desk.client, "request", send)
        desk.root.rename(away)

    def over() -> None:
        raise KeyboardInterrupt

    events = iter([restart, lambda: None, starts, unmounted, lambda: away.rename(desk.root), lambda: None, over])
    monkeypatch.setattr(syncing.time, "sleep", lambda seconds: next(events)() if seconds == 77 else None)
    monkeypatch.setattr(syncing, "connect", lambda _: nullcontext(desk.client))
    monkeypatch.setattr(syncing, "_QUIET_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        syncing.sync(Options(), str(desk.root), SyncOptions(desk.name, watch=True, interval_s=77), as_json=True)
    told = capsys.readouterr()
    assert [json.loads(line)["new"] for line in told.out.splitlines()][1:] == [["그새.md"]]
    assert "그새.md" in desk.listed()
    complaints = [line for line in told.err.splitlines() if line]
    assert len(complaints) == 4, "the same trouble is told once, and its end"
    assert "connection refused" in complaints[0] and "502" in complaints[1] and desk.root.name in complaints[2]


def test_what_is_wrong_from_the_beginning_ends_watching(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(syncing, "connect", lambda _: nullcontext(desk.client))
    with pytest.raises(typer.Exit):
        syncing.sync(Options(), str(desk.root / "없음"), SyncOptions(desk.name, watch=True), as_json=True)
    assert "없음" in capsys.readouterr().err


def test_a_round_does_not_wait_for_a_collection_that_is_paused(desk: Desk) -> None:
    desk.caller.collection(desk.name)
    desk.caller.post(f"/api/v1/collections/{desk.name}/ingestion/pause")
    report = desk.sync()
    assert len(report.new) == 6 and not report.clean
    assert sorted(report.waiting) == [f"규정/{number}.md" for number in range(6)]
    assert not desk.sync().waiting, "it is taken, and not offered again"
    desk.caller.post(f"/api/v1/collections/{desk.name}/ingestion/resume")
    rows = desk.caller.get(f"/api/v1/collections/{desk.name}/documents").json()["documents"]
    assert {row["version"]["state"] for row in desk.caller.wait([row["id"] for row in rows])} == {"active"}


def test_only_what_changed_is_uploaded(desk: Desk) -> None:
    desk.sync()
    desk.write("규정/1.md", "# 규정 1\n\n개정된 내용이다.\n")
    (desk.root / "규정/2.md").touch()
    desk.write("새것.md", "# 새것\n\n새 문서이다.\n")
    report = desk.sync()
    assert (report.changed, report.touched, report.new) == (["규정/1.md"], ["규정/2.md"], ["새것.md"])
    assert desk.sync().unchanged == 7
    assert "개정된 내용이다." in [item["text"] for item in desk.caller.search("개정된 내용")]


def test_content_that_kept_size_and_time_is_uploaded(desk: Desk) -> None:
    path = desk.root / "규정/1.md"
    desk.sync()
    before = path.stat()
    desk.write("규정/1.md", "# 규정 1\n\n제1호 규정의 내용이네.\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    report = desk.sync()
    assert (report.changed, report.unchanged) == (["규정/1.md"], 5)


def test_other_fingerprints_of_the_same_content_upload_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(folder, "_fingerprint", lambda state: f"{state.st_size}:{state.st_mtime_ns}")
        assert len(desk.sync().new) == 6
    with monkeypatch.context() as watched:
        watched.setattr(syncing._Round, "_upload", lambda self, fresh: {} if not fresh else pytest.fail("uploaded"))
        report = desk.sync()
    assert (len(report.touched), report.changed, report.new, report.clean) == (6, [], [], True)
    assert desk.sync().unchanged == 6


def test_deletions_are_followed_when_told_and_leave_receipts(desk: Desk) -> None:
    desk.sync()
    (desk.root / "규정/3.md").unlink()
    kept = desk.sync()
    assert (kept.missing, kept.deleted) == (["규정/3.md"], [])
    assert "규정/3.md" in desk.listed()
    gone = desk.sync(delete_missing=True)
    assert gone.deleted == ["규정/3.md"]
    assert "규정/3.md" not in desk.listed()
    [receipt] = desk.caller.get("/api/v1/receipts").json()["receipts"]
    assert (receipt["reason"], receipt["source_key"]) == ("source", "규정/3.md")
    assert desk.sync(delete_missing=True).missing == []
    desk.write("규정/3.md", "# 규정 3\n\n제3호 규정의 내용이다.\n")
    assert desk.sync().new == ["규정/3.md"]
    assert "규정/3.md" in desk.listed()


def test_half_a_folder_is_not_deleted_without_force(desk: Desk) -> None:
    desk.sync()
    for number in range(4):
        (desk.root / f"규정/{number}.md").unlink()
    held = desk.sync(delete_missing=True)
    assert held.held_back and not held.clean and held.deleted == []
    assert len(desk.listed()) == 6
    forced = desk.sync(delete_missing=True, force=True)
    assert len(forced.deleted) == 4
    assert desk.listed() == ["규정/4.md", "규정/5.md"]


def test_a_renamed_folder_is_no_loss_and_embeds_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sync()
    (desk.root / "규정").rename(desk.root / "사규")
    seen: list[str] = []
    space = desk.service.services.rag.space
    lexical = space._lexical
    real = type(lexical).embed
    monkeypatch.setattr(
        type(lexical), "embed", lambda self, texts, role: (seen.extend(texts), real(self, texts, role))[1]
    )
    report = desk.sync(delete_missing=True)
    assert len(report.new) == len(report.deleted) == 6 and not report.held_back
    assert seen == [], "titles and texts are the same, so are their vectors"
    assert desk.listed() == [f"사규/{number}.md" for number in range(6)]


def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    report = desk.sync(dry_run=True)
    assert len(report.new) == 6
    assert desk.caller.get(f"/api/v1/collections/{desk.name}").status_code == 404
    desk.sync()
    (desk.root / "규정/0.md").unlink()
    desk.write("규정/1.md", "anders\n")
    report = desk.sync(dry_run=True, delete_missing=True)
    assert (report.changed, report.missing, report.deleted) == (["규정/1.md"], ["규정/0.md"], [])
    assert len(desk.listed()) == 6
    assert desk.sync().changed == ["규정/1.md"], "a dry run notes nothing"


def test_a_killed_round_goes_on_where_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    import api.cli.syncing as syncing

    monkeypatch.setattr(syncing, "_BATCH_FILES", 2)
    real, calls = syncing._Round._note, []

    def dying(self: Any, opened: Any, documents: Any) -> None:
        calls.append(len(opened))
        if len(calls) == 2:
            raise KeyboardInterrupt  # uploaded, but not noted
        real(self, opened, documents)

    with monkeypatch.context() as patched:
        patched.setattr(syncing._Round, "_note", dying)
        with pytest.raises(KeyboardInterrupt):
            desk.sync()
    report = desk.sync()
    assert report.unchanged == 2 and len(report.new) == 4
    documents = desk.caller.get(f"/api/v1/collections/{desk.name}/documents").json()["documents"]
    assert [item["version"]["number"] for item in documents] == [1] * 6, "nothing was taken twice"
    assert desk.sync().unchanged == 6


def test_what_is_refused_or_fails_is_said_and_the_others_go_in(desk: Desk) -> None:
    desk.write("leer.md", "")
    desk.write("kaputt.pdf", "%PDF-1.4 abgeschnitten")
    report = desk.sync()
    assert [item["key"] for item in report.refused] == ["leer.md"]
    assert [item["key"] for item in report.failed] == ["kaputt.pdf"]
    assert report.new == [f"규정/{number}.md" for number in range(6)] and not report.clean
    again = desk.sync()
    assert again.unchanged == 7, "a file that fails is not uploaded again until it changes"
    assert (again.refused, again.failed) == (report.refused, report.failed), "and is told of all the same"
    assert not again.new and not again.clean
    desk.write("규정/1.md", "")
    desk.write("kaputt.pdf", "%PDF-1.4 immer noch abgeschnitten")
    third = desk.sync()
    assert sorted(item["key"] for item in third.refused) == ["leer.md", "규정/1.md"]
    assert ([item["key"] for item in third.failed], third.changed) == (["kaputt.pdf"], [])
    desk.write("kaputt.pdf", "# 이제 글\n\n고친 문서이다.\n")
    mended = desk.sync()
    assert (mended.changed, mended.failed) == (["kaputt.pdf"], [])


def test_watching_tells_of_a_failure_once(desk: Desk) -> None:
    desk.write("kaputt.pdf", "%PDF-1.4 abgeschnitten")
    wanted = SyncOptions(desk.name)
    assert desk.sync().failed
    told = Told()
    rounds = [synchronise(desk.client, source_at(str(desk.root), wanted), wanted, told) for _ in range(2)]
    assert [[item["key"] for item in report.failed] for report in rounds] == [["kaputt.pdf"], []]
    assert not rounds[1].did_something
    (desk.root / "kaputt.pdf").write_text("%PDF-1.4 wieder abgeschnitten")
    report = synchronise(desk.client, source_at(str(desk.root), wanted), wanted, told)
    assert [item["key"] for item in report.failed] == ["kaputt.pdf"], "it is another file now"


def test_a_document_deleted_by_hand_comes_back(desk: Desk) -> None:
    desk.sync()
    [document, *_] = desk.caller.get(f"/api/v1/collections/{desk.name}/documents").json()["documents"]
    desk.caller.delete(f"/api/v1/documents/{document['id']}")
    assert desk.sync().new == [document["source_key"]]


def test_a_bucket_is_synchronised_the_same_way(desk: Desk) -> None:
    store = MemoryStore()
    for number in range(3):
        obstore.put(store, f"규정/{number}.md", f"# 규정\n\n버킷의 제{number}호이다.\n".encode())
    wanted = SyncOptions(desk.name, delete_missing=True)
    source = BucketSource("s3://docs", clean_source_key, store=store)
    assert len(synchronise(desk.client, source, wanted).new) == 3
    assert synchronise(desk.client, source, wanted).unchanged == 3
    obstore.delete(store, "규정/0.md")
    obstore.put(store, "규정/1.md", "# 규정\n\n바뀐 버킷이다.\n".encode())
    report = synchronise(desk.client, source, wanted)
    assert (report.changed, report.deleted) == (["규정/1.md"], ["규정/0.md"])
    assert desk.caller.search("바뀐 버킷")[0]["source_key"] == "규정/1.md"


@pytest.fixture
def masking(desk: Desk) -> Desk:
    """Hides resident numbers in names from who synchronises, a contributor."""
    tenant = desk.caller.get("/api/v1/me").json()["tenant"]
    body = {"privacy": {"kinds": {"resident_number": "mask"}}}
    desk.caller.collection(desk.name)
    assert desk.caller.request("PATCH", f"/api/v1/collections/{desk.name}", json=body).status_code == 200
    desk.client = _client(desk.service, desk.service.caller(Scope.WRITE, tenant=tenant))
    return desk


def test_names_of_persons_in_keys_are_hidden_and_the_source_is_followed_all_the_same(
    masking: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "_PAGE", 2)
    numbers = [f"90010{day}-1234567" for day in range(1, 6)]
    for number in numbers:
        masking.write(f"인사/{number}.md", f"# 인사\n\n{number[5]}번 기록의 내용이다.\n")
    assert len(masking.sync().new) == 11
    [source] = masking.client.get(f"/api/v1/collections/{masking.name}/sources").json()["sources"]
    seen, cursor = "", None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = masking.client.get(f"/api/v1/sources/{source['id']}/items", params=query)
        seen += page.text
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
    assert not [number for number in numbers if number in seen] and "인사/900101-1******.md" in seen
    assert masking.sync(delete_missing=True).unchanged == 11, "what it has itself, it knows by name"
    (masking.root / f"인사/{numbers[0]}.md").unlink()
    masking.write(f"인사/{numbers[1]}.md", "# 인사\n\n바뀐 내용이다.\n")
    report = masking.sync(delete_missing=True)
    assert (report.changed, report.deleted) == ([f"인사/{numbers[1]}.md"], ["인사/900101-1******.md"])
    assert len(masking.listed()) == 10
    again = masking.client.get(f"/api/v1/sources/{source['id']}/items", params={"cursor": "규정/0.md"})
    assert again.status_code == 422


def test_a_key_that_may_only_read_synchronises_nothing(desk: Desk) -> None:
    desk.client = _client(desk.service, desk.service.caller(Scope.READ))
    with pytest.raises(CommandFailed, match="not_permitted"):
        desk.sync()


def test_sources_are_a_matter_of_their_tenant(desk: Desk) -> None:
    desk.sync()
    [source] = desk.caller.get(f"/api/v1/collections/{desk.name}/sources").json()["sources"]
    assert source["location"] == str(desk.root) and source["synced_at"]
    items = desk.caller.get(f"/api/v1/sources/{source['id']}/items").json()["items"]
    stranger = desk.service.caller()
    for method, path, body in (
        ("GET", f"/api/v1/sources/{source['id']}/items", None),
        ("PUT", f"/api/v1/sources/{source['id']}/items", {"items": items}),
        ("POST", f"/api/v1/sources/{source['id']}/items/delete", {"keys": [item["key"] for item in items]}),
        ("GET", f"/api/v1/collections/{desk.name}/sources", None),
    ):
        assert stranger.request(method, path, json=body).status_code == 404, path
    assert len(desk.listed()) == 6
    foreign = stranger.collection()
    [theirs] = stranger.ingest(foreign, {"x.md": "# X\n\n남의 문서\n"})
    own_source = desk.caller.get(f"/api/v1/sources/{source['id']}/items").json()["items"][0]
    stolen = {"items": [{**own_source, "document_id": theirs["id"]}]}
    assert desk.caller.request("PUT", f"/api/v1/sources/{source['id']}/items", json=stolen).status_code == 404


def test_a_snapshot_is_cited_with_address_and_date(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    head = "<head><meta charset='euc-kr'><title>공지</title></head>"
    page = f"<html>{head}<body><h1>공지</h1><p>구내식당은 8시에 연다.</p></body></html>"
    body = {"url": "https://intra.example/notice?id=7", "html": page, "fetched_at": "2026-03-01T09:00:00+09:00"}
    taken = caller.post(f"/api/v1/collections/{name}/snapshots", json={**body, "attributes": {"site": "intra"}})
    assert taken.status_code == 202, taken.text
    [document] = caller.wait([taken.json()["document_id"]])
    assert document["version"]["state"] == "active", document
    assert (document["source_key"], document["source_url"]) == ("intra.example/notice?id=7.html", body["url"])
    assert document["attributes"] == {"site": "intra"}
    answer = caller.post("/api/v1/answers", json={"question": "구내식당은 몇 시에 여나요?"}).json()
    citation = answer["sentences"][0]["citations"][0]
    assert (citation["source_url"], citation["fetched_at"]) == (body["url"], "2026-03-01T00:00:00Z")
    again = caller.post(f"/api/v1/collections/{name}/snapshots", json={**body, "fetched_at": "2026-04-01T00:00:00Z"})
    assert again.json()["outcome"] == "unchanged"
    [passage] = caller.search("구내식당")
    assert passage["fetched_at"] == "2026-04-01T00:00:00Z"
    newer = {**body, "html": page.replace("8시", "9시"), "fetched_at": "2026-05-01T00:00:00Z"}
    assert caller.post(f"/api/v1/collections/{name}/snapshots", json=newer).json()["version"] == 2


def test_a_snapshot_is_kept_without_the_credentials_of_who_fetched_it(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    body = {
        "url": "https://hong:geheim@X.KR:443/a",
        "html": "<p>경비실은 2층이다.</p>",
        "fetched_at": "2026-03-01T00:00:00Z",
    }
    taken = caller.post(f"/api/v1/collections/{name}/snapshots", json=body)
    [document] = caller.wait([taken.json()["document_id"]])
    assert (document["source_key"], document["source_url"]) == ("x.kr/a.html", "https://x.kr/a")
    [passage] = caller.search("경비실")
    assert passage["source_url"] == "https://x.kr/a"
    again = caller.post(f"/api/v1/collections/{name}/snapshots", json={**body, "url": "https://x.kr/a"})
    assert (again.json()["outcome"], again.json()["document_id"]) == ("unchanged", document["id"])


def test_a_page_that_is_not_fetched_yet_is_refused(service: Running) -> None:
    caller = service.caller()
    address = f"/api/v1/collections/{caller.collection()}/snapshots"
    body = {"url": "https://x.kr/a", "html": "<p>x</p>"}
    now = datetime.now(UTC)
    ahead = caller.post(address, json={**body, "fetched_at": (now + timedelta(hours=20)).isoformat()})
    assert ahead.status_code == 202, "a clock that is ahead, or a zone that was left out"
    refused = caller.post(address, json={**body, "fetched_at": (now + timedelta(days=2)).isoformat()})
    assert refused.status_code == 422 and "fetched_at" in refused.json()["title"]


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "file:///etc/passwd"},
        {"url": "https:///x"},
        {"url": "ftp://a/b"},
        {"url": "https://[bad/x"},
        {"html": ""},
        {"html": "\ud800"},
        {"fetched_at": "2026-03-01T09:00:00"},
        {"attributes": {"A": 1}},
    ],
)
def test_a_bad_snapshot_is_refused(service: Running, bad: dict[str, Any]) -> None:
    caller = service.caller()
    good = {"url": "https://a.example/b", "html": "<p>x</p>", "fetched_at": "2026-03-01T09:00:00+09:00"}
    import json

    content = json.dumps({**good, **bad})
    response = caller.post(
        f"/api/v1/collections/{caller.collection()}/snapshots",
        content=content,
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 422, response.text


def test_a_folder_says_who_may_read_what_lies_in_it(desk: Desk) -> None:
    tenant = desk.service.services.rag.authenticate(desk.caller.headers["Authorization"].split()[1])
    rule = {"deny": [f"user:{tenant.id}"]}  # a rule that shuts its own author out is refused, loudly
    desk.write("규정/.seogoaccess", json.dumps(rule))
    refused = desk.sync()
    assert len(refused.refused) == 6 and desk.listed() == []
    desk.write("규정/.seogoaccess", json.dumps({"deny": ["attribute:부서=외부"]}))
    assert desk.sync().clean
    document = desk.caller.get(f"/api/v1/collections/{desk.name}/documents").json()["documents"][0]
    address = f"/api/v1/documents/{document['id']}/access"
    assert [item["name"] for item in desk.caller.get(address).json()["access"]["deny"]] == ["부서=외부"]
    desk.write("규정/.seogoaccess", json.dumps({"allow": ["everyone"]}))
    changed = desk.sync()
    assert (len(changed.touched), changed.changed, changed.new) == (6, [], [])
    assert "everyone" in {item["subject"] for item in desk.caller.get(address).json()["access"]["allow"]}
    (desk.root / "규정" / ".seogoaccess").unlink()
    assert len(desk.sync().touched) == 6
    assert desk.caller.get(address).json()["access"] == {"allow": [], "deny": [], "label": "O"}
    assert desk.sync().unchanged == 6


def test_a_source_has_a_rule_for_what_is_new(desk: Desk) -> None:
    assert desk.sync(access={"deny": ["attribute:부서=외부"]}).clean
    document = desk.caller.get(f"/api/v1/collections/{desk.name}/documents").json()["documents"][0]
    found = desk.caller.get(f"/api/v1/documents/{document['id']}/access").json()
    assert [item["subject"] for item in found["access"]["deny"]] == ["attribute:부서=외부"]
