"""Answers on code and on its history over HTTP: places that can be opened, and that only readers of the file can open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from rag.domain.access import AccessRule, user
from rag.domain.principal import Scope
from rag.mirrors.mirror import Mirror
from rag.store import access_rule
from rag.store.base import utc_now
from rag.store.document import Document
from rag.store.repository import Repository
from rag.store.version import DocumentVersion
from tests.support.running import Caller, Running
from tests.support.tagged_repository import LOGIN_NEW, LOGIN_OLD, NEW, commit, git, mirrored, working_tree

RULES = "# 이체 한도 규정\n\n인터넷뱅킹의 1회 이체 한도는 5,000,000원으로 한다.\n"
LIMITS = '"""이체 한도."""\n\n# 인터넷뱅킹의 1회 이체 한도\nTRANSFER_LIMIT = 3_000_000\n'
QUESTION = "1.4와 1.5 사이에 로그인이 어떻게 바뀌었나요?"


@dataclass
class World:
    owner: Caller
    reader: Caller
    repository: str
    mirror: Mirror

    def get(self, path: str, caller: Caller | None = None, **query: Any) -> Any:
        return (caller or self.reader).get(f"/api/v1/repositories/{self.repository}/{path}", params=query)


@pytest.fixture(scope="module")
def world(service: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    tenant = f"t-{uuid4().hex[:8]}"
    owner = service.caller(Scope.ADMIN, tenant=tenant, language="ko")
    reader = service.caller(Scope.READ, tenant=tenant, language="ko")
    code = owner.collection(kind="code")
    files = {f"payments/{path}": text for path, text in {**NEW, "src/limits.py": LIMITS}.items()}
    documents = owner.ingest(code, {name: text.encode() for name, text in files.items()}, timeout_s=180)
    rules = owner.collection()
    owner.ingest(rules, {"이체한도.md": RULES.encode()}, timeout_s=180)
    source = working_tree(tmp_path_factory.mktemp("source") / "payments")
    rag = service.services.rag
    identity = uuid4()
    mirror = mirrored(rag.settings.mirror_folder(), identity, source, "payments")
    head = mirror.resolve("v1.5")
    with rag.database.write() as session:
        ids = {UUID(item["id"]) for item in documents}
        for row in session.scalars(select(DocumentVersion).where(DocumentVersion.document_id.in_(ids))):
            row.commit = head
        document = session.scalars(select(Document).where(Document.id.in_(ids))).first()
        assert document is not None
        where = {"tenant_id": document.tenant_id, "collection_id": document.collection_id}
        session.add(
            Repository(id=identity, name="payments", url=str(source), ref="v1.5", commit=head, head=head, **where)
        )
        salary = session.scalars(
            select(Document).where(Document.source_key == "payments/hr/salary.py", Document.id.in_(ids))
        )
        access_rule.set_own_rule(session, salary.one(), AccessRule(allow=frozenset({user(uuid4())})))
    yield World(owner, reader, str(identity), mirror)


def test_changes_are_told_to_who_may_read_the_files(world: World) -> None:
    found = world.get("changes", **{"from": "1.4", "to": "1.5"})
    assert found.status_code == 200, found.text
    body = found.json()
    assert {item["path"]: (item["added"], item["removed"]) for item in body["files"]} == {
        "src/login.py": (4, 4),
        "src/report.py": (1, 1),
        "src/new_name.py": (20, 0),  # moved before the first look: where it was, no document ever was
    }
    [moved] = [item for item in body["files"] if item["path"] == "src/new_name.py"]
    assert moved["status"] == "added" and "old_name" not in str(body) and "\n-" not in moved["patch"]
    [login] = [item for item in body["files"] if item["path"] == "src/login.py"]
    assert "\n-MAX_FAILURES = 5\n+MAX_FAILURES = 3\n" in login["patch"]
    assert (body["before"]["name"], body["after"]["name"], body["more_files"]) == ("v1.4", "v1.5", False)
    assert not any("임금" in item["message"] for item in body["commits"])
    assert not any(item["patch"] for item in world.get("changes", **{"from": "1.4", "patches": "0"}).json()["files"])


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("changes", {"from": "1.4", "to": "9.9"}, "ref_not_found"),
        ("changes", {"from": "v1.4\0"}, "ref_not_found"),
        ("files/hr/salary.py", {}, "document_not_found"),
        ("files/src/none.py", {}, "document_not_found"),
        ("files/src%00login.py", {}, "document_not_found"),
        ("files/src/login.py", {"commit": "9.9"}, "ref_not_found"),
        ("commits/main~1", {}, "ref_not_found"),
    ],
)
def test_what_is_not_there_or_not_the_readers_is_not_found(
    world: World, path: str, query: dict[str, str], code: str
) -> None:
    found = world.get(path, **query)
    assert (found.status_code, found.json()["code"]) == (422 if code == "ref_not_found" else 404, code)


def test_a_commit_that_touches_what_is_kept_from_the_reader_is_not_told_of(world: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(world.mirror.folder), str(copy))
    both = {"src/login.py": "MAX_FAILURES = 2\n", "hr/salary.py": "RAISE = 9\n"}
    mixed = commit(copy, both, "로그인 실패 횟수와 9% 인상안")
    commit(copy, {"src/login.py": "MAX_FAILURES = 1\n"}, "로그인 한 번", tag="v1.6")
    git(copy, "push", "-q", "origin", "HEAD:refs/heads/next", "v1.6")
    found = world.get("changes", **{"from": "1.5", "to": "1.6"}).json()
    assert [item["path"] for item in found["files"]] == ["src/login.py"]
    assert [item["message"] for item in found["commits"]] == ["로그인 한 번"]
    assert world.get(f"commits/{mixed}").json()["code"] == "ref_not_found"
    told = world.get(f"commits/{mixed}", world.owner).json()
    assert told["paths"] == ["hr/salary.py", "src/login.py"] and "9%" in told["message"]


def test_nothing_of_the_history_is_seen_otherwise_than_it_is(world: World, tmp_path: Path) -> None:
    """Turned text makes a line read as another one (CVE-2021-42574), escapes steer the terminal that prints a patch."""
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(world.mirror.folder), str(copy))
    git(copy, "checkout", "-q", "v1.5")
    line = 'if level != "user\u202e \u2066// admins only\u2069 \u2066":  # \x1b[2J\u200b\U000e0041'
    turned = commit(copy, {"src/login.py": f"{line}\n    pass\n"}, "로그인\u202e \x1b]0;x\x07 고침", tag="v1.9")
    git(copy, "push", "-q", "origin", "HEAD:refs/heads/turned", "v1.9")
    answers = (
        world.get("changes", **{"from": "1.5", "to": "1.9"}),
        world.get(f"commits/{turned}"),
        world.get("files/src/login.py", commit="v1.9"),
    )
    shown = 'if level != "user // admins only ":  # [2J'
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert not {"\u202e", "\u2066", "\u2069", "\x1b", "\u200b", "\U000e0041"} & set(
            "".join(texts_of(answer.json()))
        )
    assert f"+{shown}\n" in answers[0].json()["files"][0]["patch"]
    assert answers[0].json()["commits"][0]["message"] == "로그인 ]0;x 고침"
    assert shown in answers[2].text.replace("\\", "")


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts_of(item)
    elif isinstance(value, str):
        yield value


@pytest.fixture
def ruled(world: World, service: Running) -> Iterator[World]:
    """The same with path rules that hold the reader back from `budget/`, where no document ever was, and from a file that is
    gone."""
    database = service.services.rag.database
    access = {"allow": [f"user:{uuid4()}"], "deny": [], "label": "O"}
    rules = [{"paths": paths, "access": access} for paths in ("budget/", "src/legacy_rates.py")]
    with database.write() as session:
        session.get_one(Repository, UUID(world.repository)).options = {"path_rules": rules}
    yield world
    with database.write() as session:
        session.get_one(Repository, UUID(world.repository)).options = {}


def test_a_path_rule_holds_for_paths_that_never_had_a_document(ruled: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(ruled.mirror.folder), str(copy))
    left_out = {"src/login.py": "MAX_FAILURES = 2\n", "budget/예산.bin": b"\x00\x01"}
    mixed = commit(copy, left_out, "감원 예산을 넣고 로그인을 고침", tag="v2.0")
    plain = commit(copy, {"src/login.py": "MAX_FAILURES = 1\n"}, "로그인 한 번", tag="v2.1")
    git(copy, "push", "-q", "origin", "HEAD:refs/heads/two", "v2.0", "v2.1")
    found = ruled.get("changes", **{"from": "1.5", "to": "2.1"}).json()
    assert [item["message"] for item in found["commits"]] == ["로그인 한 번"]
    assert ruled.get(f"commits/{mixed}").json()["code"] == "ref_not_found"
    assert ruled.get(f"commits/{plain}").json()["message"] == "로그인 한 번"
    assert "감원" in ruled.get(f"commits/{mixed}", ruled.owner).json()["message"]
    answer = ruled.reader.post(
        "/api/v1/answers", json={"question": "1.5와 2.1 사이에 로그인이 어떻게 바뀌었나요?"}
    ).json()
    assert answer["status"] == "answered" and "감원" not in str(answer)


def test_a_file_that_comes_from_a_path_with_a_rule_is_not_told_of(
    ruled: World, service: Running, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(ruled.mirror.folder), str(copy))
    text = "".join(f"ROW_{n} = {n}\n" for n in range(20))
    commit(copy, {"budget/plan.py": text}, "계획", tag="v5.0")
    commit(copy, {"budget/plan.py": None, "src/plan.py": text}, "계획을 옮김", tag="v5.1")
    git(copy, "push", "-q", "origin", "HEAD:refs/heads/five", "v5.0", "v5.1")
    with service.services.rag.database.read() as session:
        collection = session.get_one(Repository, UUID(ruled.repository)).collection_id
    ruled.owner.ingest(str(collection), {"payments/src/plan.py": text.encode()}, timeout_s=180)
    asked = {"from": "5.0", "to": "5.1"}
    assert ruled.get("changes", **asked).json()["files"] == []
    [told] = ruled.get("changes", ruled.owner, **asked).json()["files"]
    assert (told["path"], told["added"], told["removed"]) == ("src/plan.py", 20, 0)


def test_a_path_rule_holds_for_a_file_that_was_gone_before_there_was_one(
    ruled: World, service: Running, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(ruled.mirror.folder), str(copy))
    path = "src/legacy_rates.py"
    commit(copy, {path: "SPREAD = 7  # 우대 금리\n"}, "금리표", tag="v3.0")
    commit(copy, {path: None}, "금리표를 지움", tag="v3.1")
    git(copy, "push", "-q", "origin", "HEAD:refs/heads/three", "v3.0", "v3.1")
    with service.services.rag.database.read() as session:
        collection = session.get_one(Repository, UUID(ruled.repository)).collection_id
    [made] = ruled.owner.ingest(str(collection), {f"payments/{path}": b"SPREAD = 7\n"}, timeout_s=180)
    with service.services.rag.database.write() as session:  # deleted with its file, while anybody might read it
        session.get_one(Document, UUID(made["id"])).deleted_at = utc_now()
    asked = {"from": "3.0", "to": "3.1"}
    assert [item["path"] for item in ruled.get("changes", ruled.owner, **asked).json()["files"]] == [path]
    assert ruled.get("changes", **asked).json()["files"] == []
    assert ruled.get(f"files/{path}", commit="v3.0").status_code == 404
    assert ruled.get(f"files/{path}", ruled.owner, commit="v3.0").status_code == 200


def test_a_stranger_finds_no_repository(world: World, service: Running) -> None:
    for path, query in (("changes", {"from": "1.4"}), ("files/src/login.py", {}), ("commits/v1.5", {})):
        found = world.get(path, service.caller(Scope.ADMIN), **query)
        assert (found.status_code, found.json()["code"]) == (404, "repository_not_found")


def test_a_place_is_resolved_with_the_lines_around_it(world: World) -> None:
    found = world.get("files/src/login.py", commit="v1.4", first=3, last=4, around=1).json()
    lines = LOGIN_OLD.split("\n")
    assert (found["first"], found["last"], found["marked"]) == (2, 5, [3, 4])
    assert found["lines"] == lines[1:5]
    assert found["place"] == f"payments/src/login.py:3-4@{world.mirror.resolve('v1.4')[:12]}"
    assert world.get("files/src/login.py", first=500).status_code == 422


def test_an_answer_about_changes_cites_what_can_be_opened(world: World) -> None:
    answer = world.reader.post("/api/v1/answers", json={"question": QUESTION}).json()
    assert answer["status"] == "answered", answer["abstention"]
    citations = [item for sentence in answer["sentences"] for item in sentence["citations"]]
    texts = {world.mirror.resolve("v1.4"): LOGIN_OLD, world.mirror.resolve("v1.5"): LOGIN_NEW}
    opened = 0
    for item in citations:
        response = world.reader.get(item["url"].partition("testserver")[2])
        assert response.status_code == 200, item["url"]
        if item["path"] == "payments/src/login.py":
            opened += 1
            first, last = (int(number) for number in (item["lines"].split("-") * 2)[:2])
            assert item["quote"] == "\n".join(texts[item["commit"]].split("\n")[first - 1 : last])
            assert "\n".join(response.json()["lines"]) == item["quote"]
            assert item["place"] == f"{item['path']}:{item['lines']}@{item['commit'][:12]}"
            assert item["place"] in answer["text"]
        else:
            assert response.json()["message"].startswith(item["quote"])
    assert opened >= 2
    assert "RAISE" not in answer["text"] and "임금" not in answer["text"]


def fetched(world: World, name: str, caller: Caller | None = None) -> Any:
    return (caller or world.reader).post("/tools/fetch", json={"id": name})


def test_a_tool_opens_what_an_answer_about_changes_cites(world: World) -> None:
    """By the id that it gives, and by the place as people read it; a commit by its hash."""
    answer = world.reader.post("/tools/ask", json={"question": QUESTION}).json()
    assert answer["status"] == "answered"
    for item in answer["sources"]:
        for name in (item["id"], item["title"]):
            found = fetched(world, name)
            assert found.status_code == 200, (name, found.text)
            assert found.json()["title"] == item["title"]
    old = world.mirror.resolve("v1.4")[:12]
    found = fetched(world, f"payments/src/login.py:3-4@{old}").json()
    assert found["text"] == "MAX_FAILURES = 5\nLIMIT = 3_000_000"
    assert found["metadata"]["path"] == "payments/src/login.py" and found["metadata"]["commit"].startswith(old)
    assert world.reader.get(found["url"].partition("testserver")[2]).json()["lines"] == found["text"].split("\n")


def test_a_tool_opens_no_place_that_is_kept_from_the_reader(world: World, service: Running) -> None:
    new = world.mirror.resolve("v1.5")[:12]
    salary = f"payments/hr/salary.py:1@{new}"
    assert fetched(world, salary, world.owner).json()["text"] == NEW["hr/salary.py"].strip()
    for name in (
        salary,
        f"payments/src/none.py:1@{new}",
        f"payments/src/login.py:1@{'0' * 12}",
        f"payments@{'0' * 12}",
    ):
        assert (fetched(world, name).status_code, fetched(world, name).json()["code"]) == (404, "not_found"), name
    stranger = service.caller(Scope.ADMIN)
    assert fetched(world, f"payments/src/login.py:1@{new}", stranger).status_code == 404


def test_an_answer_about_changes_can_be_replayed(world: World) -> None:
    answer = world.reader.post("/api/v1/answers", json={"question": QUESTION}).json()
    replay = world.owner.get(f"/api/v1/answers/{answer['answer_id']}/replay")
    assert replay.status_code == 200, replay.text
    assert not [item for item in replay.json()["differences"] if item["cause"] in ("ranking", "wording")]


def test_chat_clients_see_path_lines_and_commit(world: World) -> None:
    body = {"model": "rag/all", "messages": [{"role": "user", "content": QUESTION}]}
    message = world.reader.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]
    titles = [item["url_citation"]["title"] for item in message["annotations"]]
    assert f"payments/src/login.py:7-9 ({world.mirror.resolve('v1.4')[:12]})" in titles


def test_rules_and_code_are_cited_in_one_answer(world: World) -> None:
    """The rule book says five million, the code three: both are shown, each with where it stands."""
    answer = world.reader.post("/api/v1/answers", json={"question": "인터넷뱅킹 1회 이체 한도는 얼마인가요?"}).json()
    assert answer["status"] == "answered", answer["abstention"]
    cited = {item["source_key"]: item for sentence in answer["sentences"] for item in sentence["citations"]}
    assert {"이체한도.md", "payments/src/limits.py"} <= cited.keys(), answer["text"]
    assert "5,000,000원" in cited["이체한도.md"]["quote"] and cited["이체한도.md"]["place"] is None
    assert "TRANSFER_LIMIT = 3_000_000" in cited["payments/src/limits.py"]["quote"]
    assert cited["payments/src/limits.py"]["place"].startswith("payments/src/limits.py:")
