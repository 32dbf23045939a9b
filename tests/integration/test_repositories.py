"""Repositories by their routes, with real git: added, looked at, changed, deleted; and every way in which that can go wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from mcp import Client
from sqlalchemy import func, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from api.cli import connection
from api.cli.main import app
from ingest.jobs.repositories import apart
from ingest.pipeline import fault_points, repository_removal
from ingest.pipeline.fault_points import REPOSITORY_POINTS
from rag.domain.access import Label
from rag.domain.errors import RepositoryNotRead
from rag.domain.principal import Scope
from rag.mirrors import git
from rag.mirrors.keeping import kept, standing_for
from rag.mirrors.mirror import mirror_at
from rag.store.base import utc_now
from rag.store.chunk import ChunkRow
from rag.store.code_symbol import CodeSymbol
from rag.store.repository import Repository, RepositoryFile
from rag.store.version import DocumentVersion
from tests.conftest import new_database
from tests.support.git_repository import GitRepository
from tests.support.git_servers import PASSWORD, SSHD, SSHD_HINT, https, sshd
from tests.support.live import served
from tests.support.mcp_client import conversed
from tests.support.repository_desk import Desk, repositories_with
from tests.support.running import Caller, Running, running, settings_for

LOGIN = '''"""로그인을 처리한다."""


def login(user: str, password: str) -> bool:
    """비밀번호가 맞으면 참."""
    return verify_password(user, password)
'''
BANK = f"bank-{uuid4().hex[:8]}"
"""A tenant with sources and a credential of its own."""
FARE = "def fare(km: int) -> int:\n    # 거리 요금은 1킬로미터마다 150원\n    return km * 150\n"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    """A service that takes repositories from a folder, on each store."""
    folder: Path = tmp_path_factory.mktemp("repositories")
    (folder / "git").mkdir()
    rag: dict[str, Any] = {
        "repositories": {
            "roots": [str(folder / "git")],
            "hosts": ["127.0.0.1:9"],
            "credentials": {"은행": {"hosts": ["127.0.0.1:9"], "tenants": [BANK]}},
            "tenants": {BANK: {"roots": [str(folder / "bank")]}},
            "poll_s": 0,
        },
        "embedding": {"dense": "none"},
    }
    overrides: dict[str, Any] = {"rag": rag}
    if request.param == "postgres":
        cluster = request.getfixturevalue("postgres_cluster")
        rag["store"] = {"url": new_database(cluster)}
        overrides["ingest"] = {"queue_database_url": new_database(cluster)}
    with running(settings_for(folder / "data", overrides)) as started:
        yield started, folder / "git"


@pytest.fixture
def desk(place: tuple[Running, Path]) -> Desk:
    return Desk(place)


def test_a_repository_is_indexed_at_its_commit(desk: Desk) -> None:
    source = desk.repository({"src/login.py": LOGIN, "docs/읽기.md": "# 요금\n\n거리 요금을 설명한다.\n"})
    ready = desk.added(source)
    head = source.git("rev-parse", "HEAD")
    assert (ready["state"], ready["commit"], ready["head"], ready["files"]) == ("ready", head, head, 2)
    assert (ready["failure"], ready["note"], ready["due_at"]) == (None, None, None)
    assert desk.documents() == ["pay/docs/읽기.md", "pay/src/login.py"]
    desk.caller.wait(list(desk.files(ready["id"]).values()))
    [passage] = desk.caller.search("verify_password", collections=[desk.collection])
    assert passage["source_key"] == "pay/src/login.py"


def test_a_list_of_files_tells_no_hidden_name_by_where_it_goes_on(desk: Desk) -> None:
    policy = {"privacy": {"kinds": {"resident_number": "mask"}}}
    assert desk.caller.request("PATCH", f"/api/v1/collections/{desk.collection}", json=policy).status_code == 200
    numbers = [f"90010{day}-1234567" for day in (1, 2)]
    repository = desk.added(desk.repository({f"{number}.md": "# 기록\n" for number in numbers} | {"끝.md": "# 끝\n"}))
    viewer = desk.running.caller(Scope.READ, tenant=desk.tenant)
    address, seen = f"/api/v1/repositories/{repository['id']}/files", ""
    cursor: str | None = None
    for _ in range(3):
        page = viewer.get(address, params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
        seen += page.text
        cursor = page.json()["next_cursor"]
    assert cursor is None and seen.count("90010") == 2 and "끝.md" in seen
    assert not [number for number in numbers if number in seen]
    assert viewer.get(address, params={"cursor": f"{numbers[0]}.md"}).status_code == 422
    first = viewer.get(address, params={"limit": 1}).json()["next_cursor"]
    desk.caller.delete(f"/api/v1/documents/{first}")
    rest = viewer.get(address, params={"cursor": first}).json()["files"]
    assert len(rest) == 2, "also behind one that went meanwhile"


def test_a_commit_touches_what_it_changes_and_no_more(desk: Desk) -> None:
    source = desk.repository({"a.py": LOGIN, "b.py": FARE, "Case.py": "x = 1\n", "gone.py": "y = 2\n"})
    repository = desk.added(source)
    first = source.git("rev-parse", "HEAD")
    source.git("mv", "b.py", "moved.py")
    source.git("mv", "Case.py", "case.py")
    source.git("rm", "-q", "gone.py")
    second = source.commit("바꿈", {"a.py": LOGIN.replace("verify_password", "check_password")})
    again = desk.look(repository["id"])
    assert (again["commit"], again["files"], again["done"], again["total"]) == (second, 3, 3, 3)
    assert desk.versions() == {
        "pay/a.py": (2, second),
        "pay/moved.py": (1, second),
        "pay/case.py": (1, second),
    }
    told = str(desk.caller.search("check_password", collections=[desk.collection]))
    assert "return check_password(" in told and "verify_password" not in told
    untouched = desk.look(repository["id"])
    assert untouched["commit"] == second and desk.versions()["pay/a.py"] == (2, second)
    receipts = desk.caller.get("/api/v1/receipts").json()["receipts"]
    assert {(item["source_key"], item["reason"]) for item in receipts} == {
        (f"pay/{name}", "source") for name in ("b.py", "Case.py", "gone.py")
    }
    assert all(desk.caller.receipt(item["id"])["verified"]["points"] == 0 for item in receipts)
    assert first != second


def test_a_forced_push_and_another_branch_leave_the_tree_of_the_new_commit(desk: Desk) -> None:
    source = desk.repository({"a.py": LOGIN})
    source.commit("둘", {"b.py": FARE})
    repository = desk.added(source)
    source.git("reset", "-q", "--hard", "HEAD~1")
    forced = source.commit("다른 둘", {"c.py": "z = 3\n"})
    after = desk.look(repository["id"])
    assert (after["state"], after["commit"], after["note"]["code"]) == ("ready", forced, "history_rewritten")
    assert desk.documents() == ["pay/a.py", "pay/c.py"]
    source.git("checkout", "-q", "-b", "release/1.5")
    branch = source.commit("가지", {"d.py": "w = 4\n"})
    changed = desk.caller.request("PATCH", f"/api/v1/repositories/{repository['id']}", json={"ref": "release/1.5"})
    assert changed.status_code == 200, changed.text
    switched = desk.settled(repository["id"])
    assert (switched["commit"], switched["note"]) == (branch, None)
    assert desk.documents() == ["pay/a.py", "pay/c.py", "pay/d.py"]


def test_a_tag_is_indexed_as_it_stands_until_somebody_moves_it(desk: Desk) -> None:
    source = desk.repository({"a.py": LOGIN, "b.py": FARE})
    source.git("tag", "-a", "-m", "1.4", "v1.4")  # an object of its own, which leads to the commit
    first = source.git("rev-parse", "HEAD")
    source.git("rm", "-q", "b.py")
    second = source.commit("둘", {"a.py": LOGIN.replace("verify_password", "check_password"), "c.py": "z = 3\n"})
    repository = desk.added(source, ref="v1.4")
    assert (repository["state"], repository["commit"], repository["head"]) == ("ready", first, first)
    assert desk.versions() == {"pay/a.py": (1, first), "pay/b.py": (1, first)}
    untouched = desk.look(repository["id"])
    assert (untouched["commit"], untouched["files"]) == (first, 2), "main has gone on, the tag has not"
    source.git("tag", "-f", "v1.4")
    moved = desk.look(repository["id"])
    assert (moved["state"], moved["commit"], moved["files"]) == ("ready", second, 2)
    assert desk.versions() == {"pay/a.py": (2, second), "pay/c.py": (1, second)}
    assert "check_password" in desk.caller.search("check_password", collections=[desk.collection])[0]["text"]
    source.git("branch", "v1.4", first)  # a branch of the same name goes before
    assert desk.look(repository["id"])["commit"] == first
    assert desk.documents() == ["pay/a.py", "pay/b.py"]


def test_a_forced_push_closes_what_it_took_away_and_leaves_the_places_of_what_stayed(desk: Desk) -> None:
    source = desk.repository({"a.py": LOGIN})
    repository = desk.added(source)
    address = f"/api/v1/repositories/{repository['id']}"
    mirror = mirror_at(desk.running.services.rag.settings.mirror_folder(), UUID(repository["id"]), "pay")
    lost = source.commit("실수", {"secret.py": "PASSWORD = 'geheim'\n", "fare.py": FARE, "a.py": LOGIN + "\nX = 1\n"})
    desk.look(repository["id"])
    cited = {
        item["source_key"]: item
        for question in ("거리 요금 fare", "verify_password", "PASSWORD")
        for item in desk.caller.search(question, collections=[desk.collection])
    }
    assert {key: item["commit"] for key, item in cited.items()} == dict.fromkeys(
        ("pay/fare.py", "pay/a.py", "pay/secret.py"), lost
    )
    then = utc_now().isoformat()
    source.git("reset", "-q", "--hard", "HEAD~1")
    source.commit("다시", {"fare.py": FARE})
    assert desk.look(repository["id"])["note"]["code"] == "history_rewritten"
    git.run(mirror.folder, "gc", "--quiet", "--prune=now", name="pay")

    def opened(path: str, commit: str = lost) -> Any:
        return desk.caller.get(f"{address}/files/{path}", params={"commit": commit})

    def code_of(response: Any) -> str:
        return str(response.json().get("code", response.status_code))

    for path, text in (("fare.py", FARE), ("a.py", LOGIN + "\nX = 1\n")):  # one answers still, the other once did
        passage = cited[f"pay/{path}"]
        place = desk.caller.get(
            f"{address}/files/{path}",
            params={"commit": passage["place"].partition("@")[2], "first": 1, "last": text.count("\n")},
        )
        assert place.json()["lines"] == text.splitlines(), place.text
        assert passage["place"].startswith(f"pay/{path}:1-{text.count(chr(10))}@")
        shown = desk.caller.get(passage["url"].partition("testserver")[2], params={"as_of": then})
        assert shown.json()["text"].startswith(passage["text"]), shown.text
    assert code_of(opened("secret.py")) == "ref_not_found"
    part = standing_for(mirror, lost)
    assert part != lost and [entry.path for entry in mirror.tree(part)] == ["a.py", "fare.py"], "the rest is gone"
    assert code_of(desk.caller.get(f"{address}/commits/{lost}")) == "ref_not_found"
    assert code_of(desk.caller.get(f"{address}/changes", params={"from": lost})) == "ref_not_found"

    source.git("rm", "-q", "a.py", "fare.py")
    head = source.commit("모두 지움", {"새.py": "y = 1\n"})
    desk.look(repository["id"])
    assert kept(mirror) == {head: head}
    assert code_of(opened("fare.py")) == code_of(opened("a.py")) == "ref_not_found"
    with pytest.raises(RepositoryNotRead):
        mirror.tree(lost)


def test_what_can_not_be_fetched_ends_in_a_state_that_says_why_and_what_was_indexed_goes_on_answering(
    desk: Desk,
) -> None:
    source = desk.repository({"a.py": LOGIN})
    repository = desk.added(source, ref="main")
    source.git("branch", "-m", "trunk")
    lost = desk.look(repository["id"])
    assert (lost["state"], lost["failure"]["code"], lost["failure"]["retryable"]) == ("failed", "ref_not_found", False)
    assert "main" in lost["failure"]["message"] and lost["commit"] == repository["commit"]
    assert desk.found("verify_password") == ["pay/a.py"]
    first_pause = _pause(lost)
    source.folder.rename(source.folder.with_name("away"))
    dead = desk.look(repository["id"])
    assert (dead["state"], dead["failure"]["code"]) == ("failed", "repository_not_read")
    assert _pause(dead) > first_pause
    source.folder.with_name("away").rename(source.folder)
    source.git("branch", "-m", "main")
    back = desk.look(repository["id"])
    assert (back["state"], back["failure"], back["due_at"]) == ("ready", None, None)
    korean = desk.caller.get(f"/api/v1/repositories/{repository['id']}", headers={"Accept-Language": "ko"})
    assert korean.json()["failure"] is None


def _pause(repository: dict[str, Any]) -> float:
    """Seconds to the next look."""
    return (datetime.fromisoformat(repository["due_at"]) - utc_now()).total_seconds()


def test_a_remote_that_is_away_is_tried_again(desk: Desk) -> None:
    away = desk.added("https://127.0.0.1:9/pay.git")
    assert (away["state"], away["failure"]["code"], away["failure"]["retryable"]) == (
        "failed",
        "repository_unreachable",
        True,
    )
    assert 50 < _pause(away) < 70 and away["commit"] == ""
    korean = desk.caller.get(f"/api/v1/repositories/{away['id']}", headers={"Accept-Language": "ko"}).json()
    assert "연결할 수 없습니다" in korean["failure"]["message"]
    _make_due(desk, away["id"])
    desk.running.services.ingest.repositories.look_around()
    assert _pause(desk.settled(away["id"])) > 90  # the second pause is twice the first


def _make_due(desk: Desk, repository_id: str) -> None:
    with desk.running.services.rag.database.write() as session:
        session.get_one(Repository, UUID(repository_id)).due_at = utc_now()


def test_polling_looks_when_it_is_due_and_finds_what_was_pushed(desk: Desk) -> None:
    source = desk.repository({"a.py": LOGIN})
    repository = desk.added(source, poll_s=3600)
    assert 3200 < _pause(repository) < 4000
    jobs = desk.running.services.ingest.repositories
    pushed = source.commit("둘", {"b.py": FARE})
    jobs.look_around()
    assert desk.settled(repository["id"])["commit"] != pushed  # it is not due
    _make_due(desk, repository["id"])
    jobs.look_around()
    found = desk.settled(repository["id"])
    assert (found["commit"], found["files"]) == (pushed, 2) and _pause(found) > 3200


@pytest.mark.parametrize(
    ("signature", "event"),
    [("X-Hub-Signature-256", "X-GitHub-Event"), ("X-Gitea-Signature", "X-Gitea-Event"), ("X-Gitlab-Token", "X-Gitlab-Event")],
)  # fmt: skip
def test_a_push_that_is_signed_is_in_the_index_without_anybody_asking(desk: Desk, signature: str, event: str) -> None:
    source = desk.repository({"a.py": LOGIN})
    added = desk.add(source, webhook=True)
    repository, secret = added["repository"]["id"], added["webhook_secret"]
    before = desk.settled(repository)
    pushed = source.commit("둘", {"b.py": FARE})
    told = {
        "ref": "refs/heads/main",
        "repository": {"default_branch": "main"},
        "before": before["commit"],
        "after": pushed,
    }
    body = json.dumps(told).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    shown = {"X-Hub-Signature-256": f"sha256={digest}", "X-Gitea-Signature": digest, "X-Gitlab-Token": secret}
    name = "Push Hook" if "Gitlab" in event else "push"
    forged = {signature: shown[signature][:-1] + "~", event: name, "Content-Type": "application/json"}
    assert desk.running.http.post(added["webhook_path"], content=body, headers=forged).status_code == 401
    assert desk.settled(repository)["commit"] == before["commit"] and desk.documents() == ["pay/a.py"]
    hook = {**forged, signature: shown[signature]}
    rung = desk.running.http.post(added["webhook_path"], content=body, headers=hook)
    assert (rung.status_code, rung.json()) == (200, {"looked": True})
    found = desk.settled(repository)
    assert (found["state"], found["commit"], found["files"]) == ("ready", pushed, 2)
    assert desk.found("거리 요금 fare")[0] == "pay/b.py"


def test_wrong_credentials_end_in_a_clear_state_and_right_ones_in_an_index(desk: Desk, tmp_path: Path) -> None:
    source = desk.repository({"a.py": LOGIN})
    served = tmp_path / "served"
    served.mkdir()
    source.bare(served / "pay.git")
    token = tmp_path / "token"
    token.write_text("wrong")
    token.chmod(0o600)
    with https(tmp_path, served) as server:
        credentials = {"git": {"hosts": (server.host,), "token_file": token}}
        known = {"hosts": (server.host,), "ca_file": server.ca_file, "credentials": credentials}
        with repositories_with(desk.running, **known):
            refused = desk.added(server.url("pay.git"), credential="git")
            assert (refused["state"], refused["failure"]["code"]) == ("failed", "credentials_refused")
            assert "wrong" not in str(refused) and desk.documents() == []
            token.write_text(PASSWORD)
            ready = desk.look(refused["id"])
            assert (ready["state"], ready["files"]) == ("ready", 1)
            _require_the_next_push(desk, ready, source, served / "pay.git")
            unknown = {"collection": desk.collection, "url": server.url("pay.git"), "credential": "none", "name": "x"}
            response = desk.caller.post("/api/v1/repositories", json=unknown)
            assert (response.status_code, response.json()["code"]) == (422, "repository_refused")


def _require_the_next_push(desk: Desk, repository: dict[str, Any], source: GitRepository, served: Path) -> None:
    """What is pushed to the server is fetched as what it adds, and indexed; what it did not touch stays as it is."""
    mirror = desk.running.services.rag.settings.mirror_folder() / f"{repository['id']}.git"
    packs = {item: item.stat().st_size for item in (mirror / "objects" / "pack").glob("*.pack")}
    pushed = source.commit("둘", {"src/fare.py": FARE})
    source.git("push", "-q", str(served), "main")
    found = desk.look(repository["id"])
    assert (found["state"], found["commit"], found["files"]) == ("ready", pushed, 2)
    assert desk.versions() == {"pay/a.py": (1, repository["commit"]), "pay/src/fare.py": (1, pushed)}
    assert desk.found("거리 요금 fare") == ["pay/src/fare.py"]
    new = {item: item.stat().st_size for item in (mirror / "objects" / "pack").glob("*.pack")}
    assert packs.items() < new.items(), "nothing was cloned anew"


def test_a_repository_over_ssh_is_indexed_and_a_wrong_key_or_host_key_is_a_clear_state(
    desk: Desk, tmp_path: Path
) -> None:
    if not SSHD.is_file():
        pytest.skip(SSHD_HINT)
    source = desk.repository({"a.py": LOGIN})
    served = source.bare(tmp_path / "served.git")
    with sshd(tmp_path) as server:
        host = f"127.0.0.1:{server.port}"
        right = server.key.read_bytes()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
        server.key.write_bytes((tmp_path / "other").read_bytes())
        given = {"hosts": (host,), "ssh_key_file": server.key, "known_hosts_file": server.known_hosts}
        with repositories_with(desk.running, hosts=(host,), credentials={"git": given}):
            refused = desk.added(server.url(served), credential="git")
            assert (refused["state"], refused["failure"]["code"]) == ("failed", "credentials_refused")
            assert desk.documents() == [] and "PRIVATE KEY" not in str(refused)
            server.key.write_bytes(right)
            trusted = server.known_hosts.read_text()
            host_key = " ".join((tmp_path / "other.pub").read_text().split()[:2])
            server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {host_key}\n")
            strange = desk.look(refused["id"])
            assert (strange["state"], strange["failure"]["code"]) == ("failed", "repository_not_read")
            server.known_hosts.write_text(trusted)
            ready = desk.look(refused["id"])
            assert (ready["state"], ready["failure"], ready["files"]) == ("ready", None, 1)
            _require_the_next_push(desk, ready, source, served)


def test_a_repository_without_a_commit_and_a_commit_without_files_are_clear_states(desk: Desk) -> None:
    source = desk.repository()
    empty = desk.added(source)
    assert (empty["state"], empty["commit"], empty["note"]["code"]) == ("ready", "", "empty_repository")
    bare = source.commit("빈 커밋")
    after = desk.look(empty["id"])
    assert (after["state"], after["commit"], after["note"]["code"], after["files"]) == ("ready", bare, "no_files", 0)
    source.commit("첫 파일", {"a.py": LOGIN})
    filled = desk.look(empty["id"])
    assert (filled["files"], filled["note"]) == (1, None)
    again = desk.look(empty["id"])
    assert (again["files"], again["note"]) == (1, None), "a look that finds nothing new"
    source.git("rm", "-q", "a.py")
    source.commit("다시 빔")
    assert (desk.look(empty["id"])["files"], desk.documents()) == (0, [])


def test_a_place_that_an_upload_has_stays_its_own_until_it_is_deleted(desk: Desk) -> None:
    [uploaded] = desk.caller.ingest(desk.collection, {"pay/a.py": FARE})
    source = desk.repository({"a.py": LOGIN, "b.py": "x = 1\n"})
    repository = desk.added(source)
    assert (repository["state"], repository["files"]) == ("ready", 1)
    assert desk.files(repository["id"], skipped=True) == {"a.py": "name_taken"}
    assert desk.found("거리 요금 fare") == ["pay/a.py"]
    desk.caller.receipt(desk.caller.delete(f"/api/v1/documents/{uploaded['id']}").json()["id"])
    assert desk.look(repository["id"])["files"] == 2
    assert desk.found("verify_password") == ["pay/a.py"]
    desk.caller.delete(f"/api/v1/documents/{desk.files(repository['id'])['b.py']}")
    desk.look(repository["id"])  # the commit is the truth
    assert desk.documents() == ["pay/a.py", "pay/b.py"]


def test_what_is_left_out_is_named_with_its_reason(desk: Desk) -> None:
    source = desk.repository(
        {
            "huge.json": b"[" + b"1," * (25 << 20) + b"1]",  # 50 MB on one line
            "cp949.py": "# 로그인을 처리한다\nNAME = '한글'\n".encode("cp949"),
            "broken.py": b"def fare():\n    return '\xff\xfe\x80'\n",
            "empty.py": b"",
            "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(64),
            "secret/keys.py": "K = 1\n",
        }
    )
    (source.folder / "loop").symlink_to("loop")
    source.commit("고리")
    repository = desk.added(source, options={"exclude": ["secret/"]})
    assert desk.files(repository["id"]).keys() == {"cp949.py", "broken.py"}
    reasons = {"huge.json": "too_large", "empty.py": "empty", "logo.png": "binary", "secret/keys.py": "excluded"}
    assert desk.files(repository["id"], skipped=True) == reasons | {"loop": "symlink"}
    assert desk.found("로그인을 처리한다") == ["pay/cp949.py"]
    assert desk.found("fare") == ["pay/broken.py"], "all of it that can be read"
    changed = {"options": {"exclude": []}}
    desk.caller.request("PATCH", f"/api/v1/repositories/{repository['id']}", json=changed)
    assert desk.settled(repository["id"])["files"] == 3


@pytest.mark.slow
def test_fifty_megabytes_on_a_line_end_in_a_state_where_the_settings_let_them_in(desk: Desk) -> None:
    line = b"1," * (25 << 20)
    source = desk.repository(
        {
            "a.py": LOGIN,
            "huge.py": b"X = [" + line + b"1]\n",
            "huge.md": b"# " + line,
            "squeezed.py": b"Y = [" + line[: 2 << 20] + b"1]\n",
            "z.py": FARE,
        }
    )
    with repositories_with(desk.running, max_file_kb=100_000):
        repository = desk.added(source, options={"max_file_kb": 60_000, "exclude": ["!huge.py"]})
    assert repository["state"] == "ready", repository
    files = desk.files(repository["id"])
    assert files.keys() == {"a.py", "huge.md", "z.py"} and desk.found("verify_password") == ["pay/a.py"]
    reasons = desk.files(repository["id"], skipped=True)
    assert reasons == {"huge.py": "too_much_text", "squeezed.py": "minified"}
    [prose] = desk.caller.wait([files["huge.md"]], timeout_s=100)  # which goes the ordinary way
    assert (prose["version"]["state"], prose["searchable"]) == ("failed", False)
    assert prose["version"]["failure"]["code"] == "too_much_text", prose["version"]
    source.git("rm", "-q", "huge.py", "huge.md")
    source.commit("지움", {"b.py": "x = 1\n"})
    assert (desk.look(repository["id"])["state"], sorted(desk.documents())) == (
        "ready",
        ["pay/a.py", "pay/b.py", "pay/z.py"],
    )


def test_a_push_during_a_look_leads_to_one_more(desk: Desk) -> None:
    source = desk.repository({"a.py": LOGIN})
    repository = desk.added(source)
    source.commit("둘", {"b.py": FARE})
    pushed: list[str] = []

    def push(point: str, subject: str) -> None:
        if point == "repository.fetched" and not pushed:
            pushed.append(source.commit("셋", {"c.py": "x = 3\n"}))
            apart(desk.running.services.ingest.repositories.wish)(UUID(repository["id"]))

    fault_points.install(push)
    try:
        found = desk.look(repository["id"])
    finally:
        fault_points.install(None)
    assert (found["commit"], found["files"]) == (pushed[0], 3)


def test_a_deleted_repository_is_gone_at_once_and_leaves_nothing(desk: Desk) -> None:
    source = desk.repository({"a.py": LOGIN, "b/c.py": FARE})
    repository = desk.added(source)
    mirrors = desk.running.services.rag.settings.mirror_folder()
    assert (mirrors / f"{repository['id']}.git").is_dir()
    receipt = desk.caller.delete(f"/api/v1/repositories/{repository['id']}").json()
    assert (receipt["kind"], receipt["documents"], receipt["source_key"]) == ("repository", 2, "pay")
    assert desk.documents() == [] and desk.found("verify_password") == []
    assert desk.caller.get(f"/api/v1/repositories/{repository['id']}").status_code == 404
    again = desk.added(source)  # its name is free at once
    assert again["files"] == 2
    done = desk.caller.receipt(receipt["id"], timeout_s=120)
    assert done["verified"]["documents"] == 0
    inside = desk.caller.get("/api/v1/receipts", params={"parent_id": receipt["id"]}).json()["receipts"]
    assert {item["source_key"] for item in inside} == {"pay/a.py", "pay/b/c.py"}
    assert all(item["verified"]["chunks"] == 0 for item in inside)
    assert not list(mirrors.glob(f"{repository['id']}*"))
    with desk.running.services.rag.database.read() as session:
        assert session.get(Repository, UUID(repository["id"])) is None


IN_A_LOOK = [
    point for point in REPOSITORY_POINTS if point.partition(".")[2] not in ("hidden", "mirror_removed", "forgotten", "failed")
]  # fmt: skip
"""Every moment of a look at which somebody may delete the repository; the others are of the deletion itself."""
USUAL = ("repository.fetched", "repository.claimed", "repository.taken", "repository.finished")
"""Those of them that are looked at every time; the others are for `make test-slow`."""


@pytest.mark.parametrize(
    "moment",
    [
        *(item if item in USUAL else pytest.param(item, marks=pytest.mark.slow) for item in IN_A_LOOK),
        pytest.param("repository.failed", marks=pytest.mark.slow),
    ],
)
def test_a_repository_that_is_deleted_while_it_is_looked_at_leaves_nothing(desk: Desk, moment: str) -> None:
    source = desk.repository({"a.py": LOGIN, "b.py": FARE})
    repository: str | None = None
    if moment == "repository.removed":  # what a look takes away is purged while all is deleted
        repository = desk.added(source)["id"]
        source.git("rm", "-q", "b.py")
        source.commit("지움", {"c.py": FARE})
    receipts: list[dict[str, Any]] = []

    def ask() -> None:
        [row] = desk.caller.get("/api/v1/repositories").json()["repositories"]
        receipts.append(desk.caller.delete(f"/api/v1/repositories/{row['id']}").json() | {"mirror": row["id"]})

    def delete(point: str, subject: str) -> None:
        if point == moment and not receipts:
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()

    wanted = {"collection": desk.collection, "url": str(source.folder), "name": "pay"}
    wanted |= {"ref": "없는-가지"} if moment == "repository.failed" else {"options": {"history": {"commits": 10}}}
    fault_points.install(delete)
    try:
        if repository is not None:
            desk.caller.post(f"/api/v1/repositories/{repository}/sync", json={})
        else:  # whose answer may be that it is gone already
            desk.caller.post("/api/v1/repositories", json=wanted)
        _until(lambda: bool(receipts))
        desk.caller.receipt(receipts[0]["id"], timeout_s=120)
    finally:
        fault_points.install(None)
    assert desk.documents() == [] and desk.caller.get("/api/v1/repositories").json()["repositories"] == []
    _require_nothing_left(desk)
    mirrors = desk.running.services.rag.settings.mirror_folder()
    _until(lambda: not list(mirrors.glob(f"{receipts[0]['mirror']}*")))


def test_the_deletion_of_a_collection_takes_its_repositories_along(desk: Desk) -> None:
    repository = desk.added(desk.repository({"a.py": LOGIN}))
    collection_id = desk.collection_id
    receipt = desk.caller.delete(f"/api/v1/collections/{desk.collection}").json()
    assert desk.caller.get(f"/api/v1/repositories/{repository['id']}").status_code == 404
    desk.caller.receipt(receipt["id"], timeout_s=120)
    desk.running.services.ingest.repositories.look_around()
    mirrors = desk.running.services.rag.settings.mirror_folder()
    _until(lambda: not list(mirrors.glob(f"{repository['id']}*")))
    _until(lambda: _count(desk, Repository.id, Repository.id == UUID(repository["id"])) == 0)
    assert _count(desk, RepositoryFile.path, RepositoryFile.repository_id == UUID(repository["id"])) == 0
    assert _count(desk, ChunkRow.id, ChunkRow.version_id.in_(_versions_of(collection_id))) == 0


def _until(done: Any, timeout_s: float = 120) -> None:
    end = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def _versions_of(collection_id: UUID) -> Any:
    return select(DocumentVersion.id).where(DocumentVersion.collection_id == collection_id)


def _count(desk: Desk, column: Any, *where: Any) -> int:
    with desk.running.services.rag.database.read() as session:
        return session.scalar(select(func.count(column)).where(*where)) or 0


def _require_nothing_left(desk: Desk) -> None:
    identity = desk.collection_id
    for column, where in (
        (ChunkRow.id, ChunkRow.version_id.in_(_versions_of(identity))),
        (CodeSymbol.id, CodeSymbol.collection_id == identity),
        (Repository.id, Repository.collection_id == identity),
    ):
        _until(lambda column=column, where=where: _count(desk, column, where) == 0)
    assert not desk.found("verify_password fare")


def test_a_rule_of_paths_holds_without_a_new_version_and_can_be_taken_back(desk: Desk) -> None:
    source = desk.repository({"open.py": FARE, "hr/pay.py": LOGIN})
    desk.caller.post("/api/v1/groups", json={"name": "인사팀"})
    rules = [{"paths": "hr/", "access": {"allow": ["group:인사팀"]}}]
    repository = desk.added(source)
    running = desk.running
    reader = Caller(running, {"Authorization": f"Bearer {running.key(Scope.READ, tenant=desk.tenant)}"})
    address = f"/api/v1/repositories/{repository['id']}"
    versions = desk.versions()
    assert len(reader.get(f"{address}/files").json()["files"]) == 2
    _require_known_subjects(desk)
    answer = desk.caller.request("PATCH", address, json={"options": {"path_rules": rules}})
    assert answer.status_code == 200, answer.text
    desk.settled(repository["id"])
    assert [item["path"] for item in reader.get(f"{address}/files").json()["files"]] == ["open.py"]
    assert reader.search("verify_password", collections=[desk.collection]) == []
    source.commit("하나 더", {"hr/more.py": "def bonus():\n    pass\n"})
    desk.look(repository["id"])
    assert reader.search("bonus", collections=[desk.collection]) == []
    assert {key: versions[key] for key in versions} == {key: desk.versions()[key] for key in versions}
    desk.caller.request("PATCH", address, json={"options": {}})
    desk.settled(repository["id"])
    assert len(reader.get(f"{address}/files").json()["files"]) == 3


@pytest.mark.parametrize("between", ["nothing", "another_rule"])
def test_a_file_that_comes_back_has_no_path_rule_of_the_time_before_it_went(desk: Desk, between: str) -> None:
    """Whoever took the rule back, or gave another one meanwhile, need not know which files were away."""
    source = desk.repository({"open.py": FARE, "hr/pay.py": LOGIN, "hr/guide.md": "# 안내\n\n급여를 본다.\n"})
    reader = desk.running.caller(Scope.READ, tenant=desk.tenant)
    team = _team(desk)
    desk.caller.post("/api/v1/groups", json={"name": "감사팀"})
    repository = desk.added(source, options={"path_rules": [{"paths": "hr/", "access": {"allow": [team]}}]})
    address = f"/api/v1/repositories/{repository['id']}"

    def shown() -> list[str]:
        return [item["path"] for item in reader.get(f"{address}/files").json()["files"]]

    source.git("rm", "-q", "hr/pay.py", "hr/guide.md")
    source.commit("지움", {"a.py": "x = 1\n"})
    desk.look(repository["id"])
    if between == "another_rule":
        other = [{"paths": "*", "access": {"allow": ["group:감사팀"]}}]
        desk.caller.request("PATCH", address, json={"options": {"path_rules": other}})
        desk.settled(repository["id"])
        assert shown() == []
    desk.caller.request("PATCH", address, json={"options": {}})
    desk.settled(repository["id"])
    assert shown() == ["a.py", "open.py"]
    source.commit("다시", {"hr/pay.py": LOGIN, "hr/guide.md": "# 안내\n\n급여를 본다.\n"})
    desk.look(repository["id"])
    assert shown() == ["a.py", "hr/guide.md", "hr/pay.py", "open.py"]


MINE = {"pay": "pay/src/login.py", "taxi": "taxi/src/fare.py"}
"""The file of each of two repositories."""


class _Reader(NamedTuple):
    caller: Caller
    subject: str


def _reader(desk: Desk) -> _Reader:
    """A key that may read the tenant, and by what rules name it."""
    secret, key = desk.running.services.rag.keys.create(desk.tenant, "읽는 사람", [Scope.READ])
    return _Reader(Caller(desk.running, {"Authorization": f"Bearer {secret}"}), f"user:{key.id}")


def test_of_two_repositories_in_one_collection_each_has_readers_of_its_own(desk: Desk) -> None:
    payments, drivers, neither = _reader(desk), _reader(desk), _reader(desk)

    def closed(subject: str) -> dict[str, Any]:
        return {"options": {"path_rules": [{"paths": "*", "access": {"allow": [subject]}}]}}

    ids = {
        name: desk.added(desk.repository({path.partition("/")[2]: text}), name=name, **closed(reader.subject))["id"]
        for (name, path), text, reader in zip(MINE.items(), (LOGIN, FARE), (payments, drivers), strict=True)
    }
    texts = {"pay": "verify_password(user", "taxi": "return km * 150"}
    with served(create_app(desk.running.services)) as address:
        for reader, own in ((payments, "pay"), (drivers, "taxi"), (neither, "")):
            told = dict(_told_of(reader.caller))
            told["mcp"] = conversed(f"{address}/mcp", reader.caller.headers, _called, "auto")
            outline = reader.caller.post("/api/v1/code/map", json={"task": "login fare"}).json()
            for name, text in texts.items():
                for place, answer in told.items():
                    assert (text in answer) is (name == own), (place, own, answer)
                    assert (MINE[name] in answer) is (name == own), (place, own, answer)
                assert (MINE[name] in outline["text"]) is (name == own), (own, outline)
            assert [item["source_key"] for item in outline["files"]] == ([MINE[own]] if own else []), own
            known = [own] if own else []
            assert [item["name"] for item in outline["revisions"]] == known
            assert _names_of(reader.caller) == known
            shown = {name: reader.caller.get(f"/api/v1/repositories/{key}").status_code for name, key in ids.items()}
            assert shown == {name: 200 if name == own else 404 for name in ids}
    assert _names_of(desk.caller) == sorted(MINE), "whoever tends the collection has both"
    listed = {name: desk.caller.get("/api/v1/code/symbols", params={"name": name}).json() for name in ("login", "fare")}
    assert all(item["definitions"] for item in listed.values()), "whoever curates the collection reads both"


def _names_of(caller: Caller) -> list[str]:
    """The repositories that a caller is told of; the list of what a model may search names the same."""
    listed = [item["name"] for item in caller.get("/api/v1/repositories").json()["repositories"]]
    [known] = caller.post("/tools/list_knowledge_bases", json={}).json()["knowledge_bases"]
    assert known["repositories"] == listed
    return listed


def _told_of(caller: Caller) -> Iterator[tuple[str, str]]:
    """All that a reader is told of both repositories over HTTP, by where: its search, its maps and packs, its tools."""
    questions = ("verify_password", "return km")
    yield "search", "".join(str(caller.search(item)) for item in questions)
    yield "code search", "".join(caller.post("/api/v1/code/search", json={"query": item}).text for item in questions)
    regex = {"query": r"verify_password\(user|return km \* 150", "regex": True}
    yield "regular expression", caller.post("/api/v1/code/search", json=regex).text
    yield "pack", str(caller.post("/api/v1/code/pack", json={"task": " ".join(questions)}).json()["text"])
    yield "search_code", "".join(caller.post("/tools/search_code", json={"query": item}).text for item in questions)
    opened = [caller.post("/tools/fetch", json={"id": f"repo://{path}"}) for path in MINE.values()]
    yield "fetch", "".join(item.text for item in opened if item.status_code == 200)


async def _called(client: Client) -> str:
    """What the same tools tell a client of the Model Context Protocol."""
    found = [await client.call_tool("search_code", {"query": item}) for item in ("verify_password", "return km")]
    opened = [await client.call_tool("fetch", {"id": f"repo://{path}"}) for path in MINE.values()]
    assert not any(item.is_error for item in found)
    return "".join(str(item.structured_content) for item in (*found, *opened) if not item.is_error)


def test_a_repository_above_the_clearance_of_a_reader_tells_it_nothing(desk: Desk) -> None:
    keys = desk.running.services.rag.keys

    def cleared(scope: Scope) -> Caller:
        secret, _ = keys.create(desk.tenant, "비밀 취급", [scope], clearance=Label.SENSITIVE)
        return Caller(desk.running, {"Authorization": f"Bearer {secret}"})

    desk.added(desk.repository({"src/fare.py": FARE}), name="taxi")
    source = desk.repository({"src/login.py": LOGIN})
    body = {"collection": desk.collection, "url": str(source.folder), "name": "pay"}
    closed = {**body, "options": {"path_rules": [{"paths": "*", "access": {"label": "S"}}]}}
    refused = desk.caller.post("/api/v1/repositories", json=closed)
    assert (refused.status_code, refused.json()["code"]) == (403, "label_above_clearance"), refused.text
    added = cleared(Scope.ADMIN).post("/api/v1/repositories", json=closed)
    assert added.status_code == 201, added.text
    assert desk.settled(added.json()["repository"]["id"])["state"] == "ready"
    for caller, both in ((cleared(Scope.READ), True), (_reader(desk).caller, False), (desk.caller, False)):
        for place, answer in _told_of(caller):
            assert "return km * 150" in answer, place
            assert [text in answer for text in ("verify_password(user", MINE["pay"])] == [both] * 2, (place, answer)


def _require_known_subjects(desk: Desk) -> None:
    """A rule for somebody who is not there is refused before any file gets it."""
    refused = desk.caller.request(
        "PATCH",
        f"/api/v1/repositories/{desk.caller.get('/api/v1/repositories').json()['repositories'][0]['id']}",
        json={"options": {"path_rules": [{"paths": "*", "access": {"allow": ["group:없는 팀"]}}]}},
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), refused.text


def _second_admin(desk: Desk) -> tuple[Caller, str]:
    """Another administrator of the tenant, and by what rules name it."""
    secret, key = desk.running.services.rag.keys.create(desk.tenant, "둘째", [Scope.ADMIN])
    return Caller(desk.running, {"Authorization": f"Bearer {secret}"}), f"user:{key.id}"


def test_a_path_rule_is_not_lifted_by_whom_it_holds_back(desk: Desk) -> None:
    second, name = _second_admin(desk)
    source = desk.repository({"open.py": FARE, "hr/pay.py": LOGIN, "hr/인상안.bin": b"\x00\x01", "x.bin": b"\x00"})
    kept = [{"paths": "hr/", "access": {"deny": [name]}}, {"paths": "*.sql", "access": {}}]
    repository = desk.added(source, options={"path_rules": kept})
    address = f"/api/v1/repositories/{repository['id']}"

    def change(caller: Caller, rules: list[dict[str, Any]]) -> tuple[int, str]:
        answer = caller.request("PATCH", address, json={"options": {"path_rules": rules}})
        return answer.status_code, answer.json().get("code", "")

    refused = (403, "path_rule_kept")
    assert change(second, []) == refused
    assert change(second, kept[:1]) == refused
    assert change(second, [*kept, {"paths": "hr/pay.py", "access": {}}]) == refused
    assert change(second, [kept[1], kept[0]]) == refused
    assert change(second, [{"paths": "*.py", "access": {"label": "O"}}, *kept])[0] == 200
    desk.settled(repository["id"])
    assert second.search("verify_password", collections=[desk.collection]) == []
    skipped = second.get(f"{address}/files", params={"skipped": True})
    assert [item["path"] for item in skipped.json()["files"]] == ["x.bin"]
    assert sorted(desk.files(repository["id"], skipped=True)) == ["hr/인상안.bin", "x.bin"]
    assert change(desk.caller, [])[0] == 200
    desk.settled(repository["id"])
    end = time.monotonic() + 30
    while not second.search(
        "verify_password", collections=[desk.collection]
    ):  # points get their labels by a job of its own
        assert time.monotonic() < end
        time.sleep(0.1)


def test_nobody_gives_a_path_rule_that_holds_themselves_back(desk: Desk) -> None:
    second, name = _second_admin(desk)
    source = desk.repository({"a.py": FARE})
    body = {"collection": desk.collection, "url": str(source.folder), "name": "pay"}
    rules = [{"paths": "hr/", "access": {"deny": [name]}}]
    refused = second.post("/api/v1/repositories", json={**body, "options": {"path_rules": rules}})
    assert (refused.status_code, refused.json()["code"]) == (409, "would_lock_out")


def _team(desk: Desk) -> str:
    desk.caller.post("/api/v1/groups", json={"name": "인사팀"})
    return "group:인사팀"


def test_a_late_deletion_leaves_what_a_repository_of_its_name_has_made_since(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide, late = repository_removal.hide_rest, threading.Event()

    def hide_late(*arguments: Any) -> None:
        assert late.wait(60)
        hide(*arguments)

    monkeypatch.setattr(repository_removal, "hide_rest", hide_late)
    source = desk.repository({"fare.py": FARE})
    first = desk.added(source)
    receipt = desk.caller.delete(f"/api/v1/repositories/{first['id']}").json()
    try:
        again = desk.added(source)  # the same documents: their ids come from collection and name
    finally:
        late.set()
    assert desk.caller.receipt(receipt["id"], timeout_s=60)["verified"]["documents"] == 0
    assert list(desk.files(again["id"])) == ["fare.py"]
    assert desk.found("fare") == ["pay/fare.py"]


def test_path_rules_outlive_their_repository_and_hold_for_the_next_of_its_name(desk: Desk) -> None:
    source = desk.repository({"open.py": FARE, "hr/pay.py": LOGIN})
    reader = desk.running.caller(Scope.READ, tenant=desk.tenant)
    ruled = [{"paths": "hr/", "access": {"allow": [_team(desk)]}}]

    def read() -> list[str]:
        rows = reader.get("/api/v1/repositories").json()["repositories"]
        found = reader.get(f"/api/v1/repositories/{rows[0]['id']}/files").json()["files"]
        return [item["path"] for item in found]

    first = desk.added(source, options={"path_rules": ruled})
    desk.caller.delete(f"/api/v1/repositories/{first['id']}")
    source.commit("하나 더", {"hr/bonus.py": "def bonus():\n    pass\n"})  # which never had a document
    again = desk.add(source, options={"exclude": ["*.bin"]})
    assert again["path_rules_resumed"] == ["hr/"]
    assert [item["paths"] for item in again["repository"]["tended"]["options"]["path_rules"]] == ["hr/"]
    desk.settled(again["repository"]["id"])
    assert read() == ["open.py"]
    assert reader.search("bonus", collections=[desk.collection]) == []
    desk.caller.delete(f"/api/v1/repositories/{again['repository']['id']}")
    without = desk.add(source, options={"path_rules": []})  # an administrator who says so does without them
    assert without["path_rules_resumed"] == []
    desk.settled(without["repository"]["id"])
    assert read() == ["hr/bonus.py", "hr/pay.py", "open.py"]
    desk.caller.delete(f"/api/v1/repositories/{without['repository']['id']}")
    assert desk.add(source)["path_rules_resumed"] == []


def test_whom_a_kept_path_rule_holds_back_adds_nothing_without_it(desk: Desk) -> None:
    second, name = _second_admin(desk)
    source = desk.repository({"open.py": FARE, "hr/pay.py": LOGIN})
    first = desk.added(source, options={"path_rules": [{"paths": "hr/", "access": {"deny": [name]}}]})
    assert second.delete(f"/api/v1/repositories/{first['id']}").status_code == 202
    body = {"collection": desk.collection, "url": str(source.folder), "name": "pay"}
    refused = second.post("/api/v1/repositories", json={**body, "options": {"path_rules": []}})
    assert (refused.status_code, refused.json()["code"]) == (403, "path_rule_kept"), refused.text
    added = second.post("/api/v1/repositories", json=body).json()
    assert added["path_rules_resumed"] == ["hr/"]
    desk.settled(added["repository"]["id"])
    end = time.monotonic() + 60  # until its points have followed the rule, nobody finds it
    while not desk.found("verify_password"):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert second.search("verify_password", collections=[desk.collection]) == []


def test_readers_are_told_of_as_many_files_as_they_may_read(desk: Desk) -> None:
    _, name = _second_admin(desk)
    reader = desk.running.caller(Scope.READ, tenant=desk.tenant)
    source = desk.repository({"open.py": FARE, "hr/pay.py": LOGIN, "hr/more.py": LOGIN})
    rules = [{"paths": "hr/", "access": {"allow": [name]}}]
    address = f"/api/v1/repositories/{desk.added(source, options={'path_rules': rules})['id']}"
    assert [reader.get(address).json()[field] for field in ("files", "done", "total", "vectors_pending")] == [
        1,
        1,
        1,
        0,
    ]
    assert [desk.caller.get(address).json()[field] for field in ("files", "done", "total")] == [3, 3, 3]


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("POST", "/tools/fetch", {"id": "repo://pay/%00"}),
        ("POST", "/tools/fetch", {"id": "repo://pay/a.py%00"}),
        ("POST", "/tools/fetch", {"id": "repo://pay/%2e%2e/%2e%2e/etc/passwd"}),
        ("POST", "/tools/fetch", {"id": "repo://../pay/a.py"}),
        ("POST", "/tools/fetch", {"id": "repo://%ff%fe/\ufeff"}),
        ("POST", "/tools/fetch", {"id": "doc://" + "9" * 2000}),
        ("POST", "/tools/fetch", {"id": "doc://\0"}),
        ("POST", "/tools/search_code", {"query": "login", "repo": "\0"}),
        ("POST", "/tools/search_code", {"query": "login", "path": "\0/*.py"}),
        ("POST", "/api/v1/code/search", {"query": "\0"}),
        ("POST", "/api/v1/code/search", {"query": "\\x00", "regex": True}),
        ("POST", "/api/v1/code/search", {"symbol": "\0"}),
        ("POST", "/api/v1/code/search", {"query": "login", "path": "\0/*.py", "repositories": ["pay"]}),
        ("POST", "/api/v1/code/map", {"repositories": ["\0"]}),
        ("POST", "/api/v1/code/pack", {"task": "\0", "repositories": ["pay"]}),
        ("GET", "/api/v1/code/symbols", {"name": "\0"}),
        ("GET", "/api/v1/code/symbols", {"name": "login", "path": "a\0/b", "repositories": "pay"}),
        ("GET", "/api/v1/code/references", {"name": "\0"}),
        ("GET", "/api/v1/code/references", {"name": "\0", "of": "importers"}),
        ("GET", "/api/v1/code/references", {"name": "\0.\0", "of": "callees"}),
    ],
)
def test_odd_names_are_not_found_or_refused(odd: Desk, method: str, path: str, given: dict[str, Any]) -> None:
    sent = {"params": given} if method == "GET" else {"json": given}
    response = odd.caller.request(method, path, **sent)
    assert response.status_code in (200, 404, 422), response.text
    assert "login(user" not in response.text or given.get("task")


@pytest.fixture(scope="module")
def odd(place: tuple[Running, Path]) -> Desk:
    desk = Desk(place)
    desk.added(desk.repository({"a.py": LOGIN}))
    return desk


def test_what_is_for_one_tenant_is_not_for_another(place: tuple[Running, Path], desk: Desk) -> None:
    bank = Desk(place, BANK)
    source = GitRepository.new(place[1].parent / "bank" / uuid4().hex[:8], {"a.py": LOGIN})
    assert bank.added(source)["state"] == "ready"
    at = {"collection": desk.collection, "name": "pay", "url": str(source.folder)}
    named = {**at, "url": "https://127.0.0.1:9/pay.git", "credential": "은행"}
    for body in (at, named):
        refused = desk.caller.post("/api/v1/repositories", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "repository_refused"), refused.text
    unknown = desk.caller.post("/api/v1/repositories", json={**named, "credential": "없음"}).json()
    assert unknown["title"].replace("없음", "은행") == refused.json()["title"]
    repository = desk.added(desk.repository({"b.py": FARE}))
    with desk.running.services.rag.database.write() as session:
        session.get_one(Repository, UUID(repository["id"])).url = str(
            source.folder
        )  # as from before the settings said so
    found = desk.look(repository["id"])
    assert found["failure"]["code"] == "repository_refused"
    assert not desk.found("verify_password")


def test_who_may_only_read_sees_no_options_and_changes_nothing(desk: Desk) -> None:
    source = desk.repository({"a.py": LOGIN, "b.bin": b"\x00\x01"})
    repository = desk.added(source, options={"exclude": ["*.secret"]}, webhook=True)
    running = desk.running
    reader = Caller(running, {"Authorization": f"Bearer {running.key(Scope.READ, tenant=desk.tenant)}"})
    writer = Caller(running, {"Authorization": f"Bearer {running.key(Scope.WRITE, tenant=desk.tenant)}"})
    address = f"/api/v1/repositories/{repository['id']}"
    shown = reader.get(address).json()
    assert shown["tended"] is None and "secret" not in str(shown)
    assert desk.caller.get(address).json()["tended"]["webhook"] is True
    assert reader.get(f"{address}/files", params={"skipped": True}).status_code == 403
    assert reader.post(f"{address}/sync").status_code == 403
    assert writer.post(f"{address}/sync").status_code == 202
    body = {"collection": desk.collection, "url": str(source.folder), "name": "x"}
    for caller in (reader, writer):
        assert caller.post("/api/v1/repositories", json=body).status_code == 403
        assert caller.request("PATCH", address, json={"ref": "x"}).status_code == 403
        assert caller.delete(address).status_code == 403
    stranger = running.caller()
    assert stranger.get(address).status_code == stranger.delete(address).status_code == 404
    assert stranger.get("/api/v1/repositories").json()["repositories"] == []
    desk.settled(repository["id"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "https://elsewhere.example/pay.git"}, "repository_refused"),
        ({"url": "https://user:pass@127.0.0.1:9/pay.git"}, "repository_refused"),
        ({"url": "ext::sh -c id"}, "repository_refused"),
        ({"url": "/etc"}, "repository_refused"),
        ({"url": "--upload-pack=id"}, "repository_refused"),
        ({"name": "a/b"}, "invalid_request"),
        ({"options": {"exclude": ["a\nb"]}}, "invalid_request"),
        ({"options": {"path_rules": [{"paths": "*", "access": {"deny": ["everyone"]}}]}}, "invalid_request"),
        ({"options": {"unknown": 1}}, "invalid_request"),
    ],
)
def test_what_is_not_valid_is_refused_before_anything_is_made(desk: Desk, change: dict[str, Any], code: str) -> None:
    source = desk.repository({"a.py": LOGIN})
    body = {"collection": desk.collection, "url": str(source.folder), "name": "pay", **change}
    response = desk.caller.post("/api/v1/repositories", json=body)
    assert (response.status_code, response.json()["code"]) == (422, code), response.text
    assert desk.caller.get("/api/v1/repositories").json()["repositories"] == []


def test_a_name_is_taken_once_in_a_collection_and_documents_are_no_place_for_code(desk: Desk) -> None:
    source = desk.repository({"a.py": LOGIN})
    desk.added(source)
    taken = desk.caller.post(
        "/api/v1/repositories", json={"collection": desk.collection, "url": str(source.folder), "name": "pay"}
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    plain = desk.caller.collection()
    wrong = desk.caller.post("/api/v1/repositories", json={"collection": plain, "url": str(source.folder)})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")


def test_the_commands_add_show_look_and_remove(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    source = desk.repository({"a.py": LOGIN, "big.bin": b"\x00\x01"})
    client = TestClient(desk.running.http.app, headers=desk.caller.headers)
    monkeypatch.setattr(connection, "connect", lambda options: nullcontext(client))

    def seogo(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["code", *arguments], env={"SEOGO_LANG": "en", "COLUMNS": "200"})
        assert done.exit_code == code, done.output
        return str(done.stdout)

    name = f"new-{uuid4().hex[:8]}"
    added = json.loads(seogo("add", str(source.folder), "-c", name, "--name", "cli", "--webhook", "--json"))
    assert (added["state"], added["files"], added["collection"]) == ("ready", 1, name) and added["webhook_secret"]
    table = seogo("repos")
    assert "cli" in table and added["commit"][:12] in table
    assert added["id"] in seogo("repo", "cli", "-c", name, "--json")
    assert seogo("files", "cli").split() == ["a.py"]
    assert seogo("files", "cli", "--skipped").startswith("big.bin")
    source.folder.rename(source.folder.with_name(f"{source.folder.name}-away"))
    assert "repository_not_read" in seogo("sync", "cli", code=1)
    seogo("repo", "nobody", code=1)
    rules = [{"paths": "hr/", "access": {"allow": [_team(desk)]}}]
    changed = {"options": {"path_rules": rules}}
    assert desk.caller.request("PATCH", f"/api/v1/repositories/{added['id']}", json=changed).status_code == 200
    receipt = json.loads(seogo("remove", added["id"]))
    assert (receipt["kind"], receipt["documents"]) == ("repository", 1)
    assert "cli" not in seogo("repos")
    other = desk.repository({"a.py": LOGIN})
    again = json.loads(seogo("add", str(other.folder), "-c", name, "--name", "cli", "--json"))
    assert again["path_rules_resumed"] == ["hr/"]
