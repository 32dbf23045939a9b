"""One permission model for rules and code, over every door: the same question by a developer, a clerk and the personnel
department, each with a token of the sign-in provider, on a repository that was really taken."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from api.cli import connection
from api.cli.main import app
from rag.access.federation import open_federation
from rag.settings_identity import IdentitySettings
from tests.support.live import served
from tests.support.mcp_client import called, conversed
from tests.support.oidc_provider import FakeProvider
from tests.support.running import Caller, Running, running, settings_for
from tests.support.tagged_repository import LOGIN_NEW, LOGIN_OLD, SALARY_NEW, commit, git, working_tree

RULES = "# 이체 한도 규정\n\n인터넷뱅킹의 1회 이체 한도는 5,000,000원으로 한다.\n"
LIMITS = '"""이체 한도."""\n\n# 인터넷뱅킹의 1회 이체 한도\nTRANSFER_LIMIT = 3_000_000\n'
QUESTION = "인터넷뱅킹 1회 이체 한도는 얼마인가요?"
CHANGED = "1.4와 1.5 사이에 로그인이 어떻게 바뀌었나요?"
AUDIENCE = "https://seogo.bank.example/mcp"
IN_RULES, IN_CODE, IN_SALARY = "5,000,000", "3_000_000", "RAISE"
DEVELOPER, CLERK, PERSONNEL = "개발", "창구", "인사"
MODES = (pytest.param("legacy", marks=pytest.mark.slow), "auto")
SEES = {DEVELOPER: {IN_CODE}, CLERK: {IN_RULES}, PERSONNEL: {IN_RULES, IN_CODE, IN_SALARY}}


@dataclass
class World:
    """A served application with a book of rules and a repository of which `hr/` is for the personnel department alone."""

    service: Running
    address: str
    provider: FakeProvider
    owner: Caller
    repository: dict[str, Any]
    source: Path

    @property
    def mcp(self) -> str:
        return f"{self.address}/mcp"

    def headers(self, dept: str) -> dict[str, str]:
        claims = self.provider.claims(sub=f"u-{dept}", aud=AUDIENCE, scope="seogo.read", dept=dept)
        return {"Authorization": f"Bearer {self.provider.token(claims)}", "Accept-Language": "ko"}

    def caller(self, dept: str) -> Caller:
        return Caller(self.service, self.headers(dept))

    def call(self, dept: str, tool: str, mode: str = "auto", **arguments: Any) -> dict[str, Any]:
        result = called(self.mcp, self.headers(dept), tool, arguments, mode)
        assert not result.is_error, result.content
        return dict(result.structured_content or {})

    def refused(self, dept: str, tool: str, **arguments: Any) -> str:
        result = called(self.mcp, self.headers(dept), tool, arguments)
        assert result.is_error and result.structured_content is None
        return str(result.content[0].text).split(":")[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("permissions")
    source = working_tree(folder / "git" / "payments")
    commit(source, {"src/limits.py": LIMITS}, "한도")
    git(source, "tag", "-f", "-m", "v1.5", "v1.5")
    rag: dict[str, Any] = {
        "repositories": {"roots": [str(folder / "git")], "poll_s": 0},
        "embedding": {"dense": "none"},
    }
    with running(settings_for(folder / "data", {"rag": rag})) as service:
        tenant = f"t-{uuid4().hex[:8]}"
        owner = service.caller(tenant=tenant, language="ko")
        provider = FakeProvider(now=time.time())
        _take_tokens(service, provider, tenant)
        owner.ingest(owner.collection("규정"), {"이체한도.md": RULES}, timeout_s=180)
        owner.collection("코드", kind="code")
        for dept, name in ((DEVELOPER, "코드"), (PERSONNEL, "코드"), (CLERK, "규정"), (PERSONNEL, "규정")):
            grant = {"subject": f"attribute:dept={dept}", "role": "viewer", "collection": name}
            assert owner.post("/api/v1/grants", json=grant).status_code == 201
        kept = {"paths": "hr/", "access": {"allow": [f"attribute:dept={PERSONNEL}"]}}
        given = {
            "collection": "코드", "url": str(source), "name": "payments", "ref": "v1.5", "options": {"path_rules": [kept]},
        }  # fmt: skip
        added = owner.post("/api/v1/repositories", json=given)
        assert added.status_code == 201, added.text
        with served(create_app(service.services)) as address:
            repository = _ready(owner, added.json()["repository"]["id"])
            yield World(service, address, provider, owner, repository, source)


def _take_tokens(service: Running, provider: FakeProvider, tenant: str) -> None:
    settings = {
        "name": "sso", "tenant": tenant, "issuer": provider.issuer, "client_id": "seogo", "audiences": [AUDIENCE],
        "token_scopes": {"seogo.read": "read"}, "provision": True, "claims": {"attributes": {"dept": "dept"}},
    }  # fmt: skip
    rag = service.services.rag
    identity = IdentitySettings.model_validate({"oidc": [settings]})
    open_federation(identity, rag.database, rag.identities, rag.audit, provider.transport())


def _ready(owner: Caller, repository_id: str) -> dict[str, Any]:
    end = time.monotonic() + 120
    while True:
        found: dict[str, Any] = owner.get(f"/api/v1/repositories/{repository_id}").json()
        if found["state"] == "ready":
            return found
        assert time.monotonic() < end and found["state"] != "failed", found
        time.sleep(0.1)


@pytest.mark.parametrize("dept", SEES)
def test_an_answer_stands_on_what_the_asker_may_read_and_tells_of_nothing_else(world: World, dept: str) -> None:
    """To the personnel department rules and code are shown in one answer, to each of the others its own."""
    expected = {"이체한도.md": IN_RULES, "payments/src/limits.py": IN_CODE}
    answer = world.caller(dept).post("/api/v1/answers", json={"question": QUESTION}).json()
    assert answer["status"] == "answered", answer["abstention"]
    cited = {item["source_key"]: item for sentence in answer["sentences"] for item in sentence["citations"]}
    assert cited.keys() == {key for key, words in expected.items() if words in SEES[dept]}, answer["text"]
    assert all(expected[key] in item["quote"] for key, item in cited.items())
    told = json.dumps(answer, ensure_ascii=False)
    for key, words in expected.items():
        assert (key in told) == (words in told) == (words in SEES[dept])
    asked = world.call(dept, "ask", question=QUESTION)
    assert asked["status"] == "answered"
    assert {words for words in expected.values() if words in asked["answer"]} == SEES[dept] & set(expected.values())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dept", SEES)
def test_tokens_with_different_rights_find_different_things(world: World, dept: str, mode: str) -> None:
    listed = world.call(dept, "list_knowledge_bases", mode)["knowledge_bases"]
    readable = {"코드": IN_CODE in SEES[dept], "규정": IN_RULES in SEES[dept]}
    assert {item["name"] for item in listed} == {name for name, may in readable.items() if may}
    found = world.call(dept, "search", mode, query=QUESTION)["results"]
    texts = " ".join(world.call(dept, "fetch", mode, id=item["id"])["text"] for item in found)
    assert {words for words in (IN_RULES, IN_CODE) if words in texts} == SEES[dept] - {IN_SALARY}
    assert not [item for item in found if "hr/" in item["title"]] or dept == PERSONNEL


def test_what_one_token_found_the_other_can_not_fetch(world: World) -> None:
    found = {
        item["id"]: item["title"]
        for item in world.call(PERSONNEL, "search", query=f"{QUESTION} 임금 인상률")["results"]
    }
    kinds = {
        key: IN_SALARY if "hr/" in title else IN_CODE if "payments/" in title else IN_RULES
        for key, title in found.items()
    }
    assert set(kinds.values()) == SEES[PERSONNEL]
    for dept in (DEVELOPER, CLERK):
        for key, kind in kinds.items():
            if kind in SEES[dept]:
                assert world.call(dept, "fetch", id=key)["id"] == key
            else:
                assert world.refused(dept, "fetch", id=key) == "document_not_found"
    assert "RAISE = 4" in world.call(PERSONNEL, "fetch", id=next(k for k in kinds if kinds[k] == IN_SALARY))["text"]


@pytest.mark.parametrize("mode", MODES)
def test_a_resource_behind_a_path_rule_is_there_for_whom_the_rule_names(world: World, mode: str) -> None:
    kept, open_one = "repo://payments/hr/salary.py", "repo://payments/src/login.py#L3"

    async def read(client: Client) -> list[str]:
        return [str((await client.read_resource(uri)).contents[0].text) for uri in (kept, open_one)]

    assert conversed(world.mcp, world.headers(PERSONNEL), read, mode) == [SALARY_NEW.rstrip("\n"), "MAX_FAILURES = 3"]

    async def refused(client: Client) -> list[str]:
        said = []
        for uri in (kept, "repo://payments/hr/none.py", open_one):
            try:
                said.append(str((await client.read_resource(uri)).contents[0].text))
            except MCPError as error:
                said.append(str(error))
        return said

    hidden, absent, seen = conversed(world.mcp, world.headers(DEVELOPER), refused, mode)
    assert hidden.startswith("document_not_found")
    assert hidden.replace("hr/salary.py", "hr/none.py") == absent, "what is kept reads like what is not there"
    assert seen == "MAX_FAILURES = 3"
    for said in conversed(world.mcp, world.headers(CLERK), refused, mode):
        assert "not_found" in said and "MAX_FAILURES" not in said and "RAISE" not in said


@pytest.mark.parametrize("mode", MODES)
def test_code_is_searched_as_far_as_the_path_rule_lets(world: World, mode: str) -> None:
    asked = {"query": "로그인 임금 인상률 RAISE", "repo": "payments"}
    paths = {item["path"] for item in world.call(PERSONNEL, "search_code", mode, **asked)["results"]}
    assert {"hr/salary.py", "src/login.py"} <= paths
    mine = world.call(DEVELOPER, "search_code", mode, **asked)["results"]
    assert "src/login.py" in {item["path"] for item in mine}
    assert IN_SALARY not in json.dumps(mine) and "hr/" not in json.dumps(mine)
    assert world.call(DEVELOPER, "search_code", mode, query="RAISE", repo="payments", path="hr/")["results"] == []
    assert world.refused(CLERK, "search_code", **asked) == "repository_not_found"
    [hit] = [item for item in mine if item["path"] == "src/login.py"][:1]
    assert hit["commit"] == world.repository["commit"]


def test_every_place_of_an_answer_on_changes_is_opened_by_who_asked(world: World) -> None:
    """The repository came in by its route and its mirror was made by git: nothing of it was put there by hand."""
    texts = {
        git(world.source, "rev-list", "-1", tag).strip(): text
        for tag, text in (("v1.4", LOGIN_OLD), ("v1.5", LOGIN_NEW))
    }
    developer = world.caller(DEVELOPER)
    answer = developer.post("/api/v1/answers", json={"question": CHANGED}).json()
    assert answer["status"] == "answered", answer["abstention"]
    citations = [item for sentence in answer["sentences"] for item in sentence["citations"]]
    of_login = [item for item in citations if item["path"] == "payments/src/login.py"]
    assert {item["commit"] for item in of_login} == texts.keys()
    for item in citations:
        opened = developer.get(item["url"].partition("testserver")[2])
        assert opened.status_code == 200, item["url"]
        if item in of_login:
            first, last = (int(number) for number in (item["lines"].split("-") * 2)[:2])
            assert item["quote"] == "\n".join(texts[item["commit"]].split("\n")[first - 1 : last])
            assert "\n".join(opened.json()["lines"]) == item["quote"]
        refused = world.caller(CLERK).get(item["url"].partition("testserver")[2])
        assert refused.status_code == 404
    assert IN_SALARY not in str(answer) and "임금" not in str(answer)
    told = world.caller(PERSONNEL).get(f"/api/v1/repositories/{world.repository['id']}/changes", params={"from": "1.4"})
    assert "hr/salary.py" in {item["path"] for item in told.json()["files"]}


@pytest.fixture
def seogo(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command as somebody gives it."""

    def run(dept: str, *arguments: str, code: int = 0) -> str:
        client = TestClient(world.service.http.app, headers=world.headers(dept))
        monkeypatch.setattr(connection, "connect", lambda options: nullcontext(client))
        done = CliRunner().invoke(app, ["code", "changes", *arguments], env={"SEOGO_LANG": "ko", "COLUMNS": "200"})
        assert done.exit_code == code, done.output
        return str(done.output)

    return run


def test_the_command_shows_commits_files_and_lines(world: World, seogo: Any) -> None:
    shown = seogo(DEVELOPER, "payments", "1.4", "1.5")
    assert "payments v1.4 (" in shown and "→ v1.5 (" in shown
    assert "로그인에 2단계 인증을 더한다" in shown and "감사 지적 사항" not in shown, "the first line of each message"
    lines = shown.splitlines()
    files = [line for line in lines if re.fullmatch(r"\S+ \+\d+ -\d+", line)]
    assert files == ["src/limits.py +4 -0", "src/login.py +4 -4", "src/new_name.py +20 -0", "src/report.py +1 -1"]
    assert "-MAX_FAILURES = 5" in lines and "+MAX_FAILURES = 3" in lines
    assert "hr/" not in shown and "임금" not in shown and IN_SALARY not in shown
    assert "hr/salary.py +1 -1" in seogo(PERSONNEL, "payments", "1.4", "1.5").splitlines()


def test_the_command_takes_a_path_an_id_and_gives_json(world: World, seogo: Any) -> None:
    found = json.loads(seogo(DEVELOPER, world.repository["id"], "v1.4", "--path", "src/report.py", "--json"))
    assert [item["path"] for item in found["files"]] == ["src/report.py"]
    assert found["files"][0]["patch"] and found["after"]["commit"] == world.repository["commit"]
    bare = seogo(DEVELOPER, "payments", "1.4", "1.5", "--no-patch")
    assert "src/login.py +4 -4" in bare.splitlines() and "MAX_FAILURES" not in bare
    assert "src/" not in seogo(DEVELOPER, "payments", "1.5", "1.5")


def test_the_command_says_why_there_is_nothing_to_show(world: World, seogo: Any) -> None:
    assert "payments (" in seogo(DEVELOPER, "nothing", "1.4", code=1), "what there is"
    assert "ref_not_found" in seogo(DEVELOPER, "payments", "9.9", code=1)
    assert "payments" not in seogo(CLERK, "nothing", "1.4", code=1)
