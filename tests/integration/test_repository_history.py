"""The history of a repository in the index: messages of commits, issues and merge requests of a server on loopback."""

from __future__ import annotations

import json
import re
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from rag.access.keys import Scope
from rag.store.document import Document
from rag.store.repository import Repository
from rag.store.version import DocumentVersion
from tests.support import forge_server
from tests.support.forge_server import Forge
from tests.support.git_repository import GitRepository
from tests.support.running import Caller, Running, running, settings_for

ROOT = "/api/v4/projects/pay%2Fpayments"
ISSUE: dict[str, Any] = {
    "id": 1, "iid": 12, "title": "세션 만료 오류", "state": "opened", "author": {"username": "hong"}, "user_notes_count": 0,
    "created_at": "2026-05-02T00:00:00Z", "updated_at": "2026-05-03T00:00:00Z", "description": "세션이 삼십 분 뒤에 끊어진다.",
}  # fmt: skip
REQUEST: dict[str, Any] = {
    "id": 2, "iid": 45, "title": "만료 시간 수정", "state": "merged", "author": {"username": "kim"}, "user_notes_count": 0,
    "created_at": "2026-05-04T00:00:00Z", "updated_at": "2026-05-05T00:00:00Z", "description": "만료를 한 시간으로 늘린다.",
}  # fmt: skip
PLAIN_ISSUE: dict[str, Any] = {
    "id": 3, "number": 7, "title": "한도 오류", "state": "open", "user": {"login": "hong"}, "labels": [], "comments": 1,
    "created_at": "2026-05-02T00:00:00Z", "updated_at": "2026-05-03T00:00:00Z", "body": "한도가 0원으로 보인다.",
}  # fmt: skip
PULL: dict[str, Any] = {
    "id": 4, "number": 8, "title": "한도 수정", "state": "closed", "user": {"login": "kim"}, "comments": 0,
    "created_at": "2026-05-03T00:00:00Z", "updated_at": "2026-05-04T00:00:00Z", "body": "한도를 다시 읽는다.",
    "pull_request": {"merged_at": "2026-05-04T00:00:00Z", "merged": True},
}  # fmt: skip
MAY = 1_777_600_000


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with forge_server.serving(tmp_path_factory.mktemp("forge")) as started:
        yield started


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, forge: Forge) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("history")
    (folder / "git").mkdir()
    token = folder / "token"
    token.write_text(forge_server.TOKEN)
    token.chmod(0o600)
    repositories = {
        "roots": [str(folder / "git")],
        "hosts": [forge.host],
        "ca_file": str(forge.ca_file),
        "credentials": {"gitlab": {"hosts": [forge.host], "token_file": str(token)}},
        "poll_s": 0,
    }
    overrides = {"rag": {"repositories": repositories, "embedding": {"dense": "none"}}}
    with running(settings_for(folder / "data", overrides)) as started:
        started.git_root = folder / "git"  # type: ignore[attr-defined]
        yield started


class Desk:
    """Somebody who tends a repository with its history."""

    def __init__(
        self, service: Running, forge: Forge, source: GitRepository, history: dict[str, Any] | None = None
    ) -> None:
        self.service, self.source = service, source
        self.caller = service.caller(tenant=f"t-{source.folder.name}")
        self.collection = self.caller.collection(kind="code")
        self.history = history or {
            "commits": 100,
            "api": "gitlab",
            "api_url": f"https://{forge.host}/api/v4",
            "project": "pay/payments",
        }
        body = {
            "collection": self.collection,
            "url": str(source.folder),
            "name": "pay",
            "credential": "gitlab",
            "options": {"history": self.history},
        }
        response = self.caller.post("/api/v1/repositories", json=body)
        assert response.status_code == 201, response.text
        self.id: str = response.json()["repository"]["id"]
        self.address = f"/api/v1/repositories/{self.id}"

    def settled(self) -> dict[str, Any]:
        end = time.monotonic() + 120
        while self._is_busy():
            assert time.monotonic() < end, self.caller.get(self.address).text
            time.sleep(0.1)
        found: dict[str, Any] = self.caller.get(self.address).json()
        return found

    def _is_busy(self) -> bool:
        with self.service.services.rag.database.read() as session:
            row = session.get_one(Repository, UUID(self.id))
            return bool(row.job_id) or row.wanted_at is not None

    def look(self) -> dict[str, Any]:
        response = self.caller.post(f"{self.address}/sync", json={})
        assert response.status_code == 202, response.text
        return self.settled()

    def versions(self) -> dict[str, int]:
        """Number of the version that answers, by key; once nothing waits."""
        files = self.caller.get(f"{self.address}/files").json()["files"]
        self.caller.wait([item["document_id"] for item in files])
        with self.service.services.rag.database.read() as session:
            query = (
                select(Document.source_key, DocumentVersion.number)
                .join(DocumentVersion, DocumentVersion.id == Document.current_version_id)
                .join(Repository, Repository.collection_id == Document.collection_id)
                .where(Repository.id == UUID(self.id), Document.deleted_at.is_(None))
            )
            return {row[0]: row[1] for row in session.execute(query)}

    def found(self, question: str, caller: Caller | None = None) -> list[str]:
        return [item["source_key"] for item in (caller or self.caller).search(question, collections=[self.collection])]


@pytest.fixture
def source(service: Running, request: pytest.FixtureRequest) -> GitRepository:
    root: Path = service.git_root  # type: ignore[attr-defined]
    made = GitRepository.new(root / re.sub(r"[^a-z]+", "-", request.node.name)[-60:])
    made.clock = MAY
    made.commit("로그인 추가\n\n세션 규칙을 따른다.", {"src/login.py": "def login() -> bool:\n    return True\n"})
    return made


@pytest.fixture
def desk(service: Running, forge: Forge, source: GitRepository) -> Desk:
    forge.failing.clear()
    forge.asked.clear()
    forge.lists |= {f"{ROOT}/issues": [ISSUE], f"{ROOT}/merge_requests": [REQUEST]}
    return Desk(service, forge, source)


def test_messages_issues_and_requests_answer_beside_the_files(desk: Desk, forge: Forge) -> None:
    ready = desk.settled()
    assert (ready["state"], ready["note"], ready["files"]) == ("ready", None, 4)
    assert desk.versions() == {
        "pay/.history/commits/2026-05.md": 1,
        "pay/.history/issues/12.md": 1,
        "pay/.history/merge_requests/45.md": 1,
        "pay/src/login.py": 1,
    }
    assert desk.found("세션이 끊어진다")[0] == "pay/.history/issues/12.md"
    assert desk.found("만료를 한 시간으로 늘린다")[0] == "pay/.history/merge_requests/45.md"

    forge.asked.clear()
    desk.source.commit("한도 추가", {"src/limit.py": "def limit() -> int:\n    return 3\n"})
    forge.lists[f"{ROOT}/issues"] = [{**ISSUE, "state": "closed", "updated_at": "2026-05-09T00:00:00Z"}]
    desk.look()
    assert desk.versions() == {
        "pay/.history/commits/2026-05.md": 2,
        "pay/.history/issues/12.md": 2,
        "pay/.history/merge_requests/45.md": 1,
        "pay/src/login.py": 1,
        "pay/src/limit.py": 1,
    }
    assert {asked.get("updated_after") for _, asked, _ in forge.asked} == {"2026-05-05T00:00:00+00:00"}

    before = desk.versions()
    desk.look()
    assert desk.versions() == before
    deleted = desk.caller.request("DELETE", desk.address)
    assert deleted.status_code in (200, 202), deleted.text
    assert desk.found("세션이 끊어진다") == []


@pytest.mark.parametrize("api", ["github", "gitea"])
def test_issues_and_pull_requests_of_other_servers_answer_too(
    service: Running, forge: Forge, source: GitRepository, api: str
) -> None:
    root = {"github": "/api/v3", "gitea": "/api/v1"}[api]
    place = f"{root}/repos/pay/payments/issues"
    told = {
        "id": 9,
        "user": {"login": "lee"},
        "body": "영업점에서도 재현했습니다.",
        "created_at": "2026-05-03T00:00:00Z",
    }
    forge.lists |= {place: [PLAIN_ISSUE, PULL], f"{place}/7/comments": [told]}
    history = {"api": api, "api_url": f"https://{forge.host}{root}", "project": "pay/payments"}
    desk = Desk(service, forge, source, history)
    ready = desk.settled()
    assert (ready["state"], ready["note"], ready["files"]) == ("ready", None, 3)
    assert desk.versions() == {
        "pay/.history/issues/7.md": 1,
        "pay/.history/pull_requests/8.md": 1,
        "pay/src/login.py": 1,
    }
    assert desk.found("한도가 0원으로 보인다")[0] == desk.found("영업점에서 재현")[0] == "pay/.history/issues/7.md"
    assert desk.found("한도를 다시 읽는다")[0] == "pay/.history/pull_requests/8.md"
    forge.lists[place] = [{**PLAIN_ISSUE, "state": "closed", "updated_at": "2026-05-20T00:00:00Z"}]
    desk.look()
    assert desk.versions()["pay/.history/issues/7.md"] == 2
    assert desk.versions()["pay/.history/pull_requests/8.md"] == 1, "what did not change is not told again, and stays"


@pytest.mark.parametrize("packed", [False, True])
def test_an_export_answers_as_it_is_now(service: Running, forge: Forge, source: GitRepository, packed: bool) -> None:
    folder = source.folder.with_name(f"{source.folder.name}-export")
    place = Path(f"{folder}.tar.gz") if packed else folder

    def write(issues: list[dict[str, Any]]) -> None:
        project = folder / "tree" / "project"
        project.mkdir(parents=True, exist_ok=True)
        lists = {"issues": issues, "merge_requests": [REQUEST]}
        for name, items in lists.items():
            (project / f"{name}.ndjson").write_text("".join(f"{json.dumps(item)}\n" for item in items))
        if packed:
            with tarfile.open(place, "w:gz") as archive:
                archive.add(folder, arcname="export")

    note = {"author": {"username": "lee"}, "note": "영업점에서도 재현했습니다.", "created_at": "2026-05-03T00:00:00Z"}
    write([{**ISSUE, "notes": [note]}])
    desk = Desk(service, forge, source, {"export": str(place)})
    ready = desk.settled()
    assert (ready["state"], ready["note"], ready["files"]) == ("ready", None, 3)
    assert desk.versions() == {
        "pay/.history/issues/12.md": 1,
        "pay/.history/merge_requests/45.md": 1,
        "pay/src/login.py": 1,
    }
    assert desk.found("세션이 삼십 분 뒤에 끊어진다")[0] == "pay/.history/issues/12.md"
    assert desk.found("영업점에서 재현")[0] == "pay/.history/issues/12.md"
    other = {**ISSUE, "id": 3, "iid": 13, "title": "출금 오류", "description": "출금이 두 번 된다."}
    write([other])  # an export is read as a whole: what it has no more is gone
    desk.look()
    assert desk.versions() == {
        "pay/.history/issues/13.md": 1,
        "pay/.history/merge_requests/45.md": 1,
        "pay/src/login.py": 1,
    }
    assert desk.found("출금이 두 번 된다")[0] == "pay/.history/issues/13.md"
    place.rename(place.with_name(f"{place.name}-away"))
    lost = desk.look()
    assert (lost["state"], lost["note"]["code"]) == ("ready", "history_not_read")
    assert "pay/.history/issues/13.md" in desk.versions(), "what was read before stays"


def test_files_are_indexed_where_the_history_can_not_be_read(desk: Desk, forge: Forge) -> None:
    desk.settled()
    desk.source.commit("한도 추가", {"src/limit.py": "def limit() -> int:\n    return 3\n"})
    forge.failing += [403, 403]
    ready = desk.look()
    assert ready["state"] == "ready"
    assert ready["note"]["code"] == "history_not_read", ready["note"]
    versions = desk.versions()
    assert versions["pay/src/limit.py"] == versions["pay/.history/issues/12.md"] == 1
    forge.failing.clear()
    assert desk.look()["note"] is None
    assert desk.versions()["pay/.history/commits/2026-05.md"] == 2


def test_what_there_was_no_time_for_is_read_by_the_next_looks(
    desk: Desk, service: Running, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.settled()
    numbers = range(1, 9)
    forge.lists[f"{ROOT}/issues"] = [
        {**ISSUE, "id": n, "iid": n, "user_notes_count": 1, "updated_at": f"2026-06-0{n}T00:00:00Z"} for n in numbers
    ]
    forge.lists |= {f"{ROOT}/issues/{n}/notes": [] for n in numbers}
    monkeypatch.setattr(forge, "slow_s", 0.2)
    sync = service.services.ingest.repositories._sync
    monkeypatch.setattr(sync, "settings", sync.settings.model_copy(update={"history_timeout_s": 1}))
    read: list[int] = []
    found: dict[str, Any] = {"note": True}
    while found["note"]:
        found = desk.look()
        assert found["state"] == "ready"
        if found["note"]:
            assert found["note"]["code"] == "history_unfinished" and found["due_at"] is not None
        read.append(sum("/issues/" in key for key in desk.versions()))
        assert len(read) < 12
    assert len(read) > 1 and read == sorted(read) and read[0] < read[-1] == 9, read
    assert found["due_at"] is None and desk.versions()["pay/src/login.py"] == 1


def test_a_message_is_shown_to_whoever_may_read_what_its_commit_touches(desk: Desk, service: Running) -> None:
    desk.source.commit("급여 계산식을 고침", {"hr/pay.py": "def pay() -> int:\n    return 1\n"})
    desk.look()
    desk.versions()
    key = service.key(Scope.READ, tenant=f"t-{desk.source.folder.name}")
    reader = Caller(service, {"Authorization": f"Bearer {key}"})
    assert "pay/.history/commits/2026-05.md" in desk.found("급여 계산식", reader)
    desk.caller.post("/api/v1/groups", json={"name": "인사팀"})
    rules = [{"paths": "hr/", "access": {"allow": ["group:인사팀"]}}]
    changed = {"options": {"history": desk.history, "path_rules": rules}}
    answer = desk.caller.request("PATCH", desk.address, json=changed)
    assert answer.status_code == 200, answer.text
    desk.settled()
    desk.look()
    commits = [key for key in desk.versions() if "/commits/" in key]
    assert len(commits) == 2, "what everybody may read, and what touches hr/"
    told = desk.found("급여 계산식", reader)
    assert not [key for key in told if "/commits/" in key and "급여" in _text(reader, desk, key)]
    assert [key for key in desk.found("로그인 추가 세션 규칙", reader) if "/commits/" in key]
    assert [key for key in desk.found("급여 계산식") if "/commits/" in key], "whoever curates reads all"
    desk.caller.request("PATCH", desk.address, json={"options": {"history": desk.history}})
    desk.settled()
    desk.look()
    desk.versions()
    assert "pay/.history/commits/2026-05.md" in desk.found("급여 계산식", reader)


def _text(reader: Caller, desk: Desk, key: str) -> str:
    found = reader.search("급여 계산식", collections=[desk.collection])
    return " ".join(str(item) for item in found if item["source_key"] == key)
