"""The Model Context Protocol, driven by its own client in both of its eras, and the same tools as plain HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from sqlalchemy import update

from api.app import create_app
from api.hardening.settings import AllowanceSettings, RateSettings
from rag.domain.principal import Scope
from rag.retrieval.opening import PART_CHARACTERS
from rag.store import audit_event
from rag.store.audit_event import Wanted
from rag.store.document import Document
from rag.store.repository import Repository
from rag.store.version import DocumentVersion
from tests.support.live import served
from tests.support.mcp_client import ERAS, PLAIN, InTurn, called, connected, conversed, told
from tests.support.running import Caller, Running, running, settings_for

RULES = "# 휴가\n\n경조휴가는 5일이다. 결혼하는 직원에게 준다.\n"
QUESTION = "경조휴가는 며칠인가요?"
LOGIN = (
    'def approve(amount):\n    """승인 한도를 본다."""\n    return amount < 100\n\n\ndef refuse():\n    return None\n'
)
COMMIT = "abc123def4567890abc123def4567890abc12345"
NAMES = ["search", "fetch", "search_code", "list_knowledge_bases", "ask"]
DIRECT: Any = {"trust_env": False, "timeout": 60, "verify": PLAIN}
BOTH = (pytest.param("legacy", marks=pytest.mark.slow), "auto")
"""Of what needs an application of its own: the older era is for `make test-slow`."""
LONG = "\n\n".join(f"# 제{number}장\n\n{'결재 절차를 정한다. ' * 60}{number}번째." for number in range(60))


@dataclass
class World:
    """A served application, the owner of what is in it, and the ids of that."""

    service: Running
    address: str
    owner: Caller
    rules: str
    code: str
    long: str

    @property
    def mcp(self) -> str:
        return f"{self.address}/mcp"

    def headers(self, caller: Caller | None = None, language: str = "en") -> dict[str, str]:
        return {**(caller or self.owner).headers, "Accept-Language": language}

    def call(self, tool: str, mode: str = "auto", **arguments: Any) -> Any:
        """What a tool gives to the owner; its text and its structured content are the same."""
        result = called(self.mcp, self.headers(), tool, arguments, mode)
        assert not result.is_error, result.content
        [item] = result.content
        assert json.loads(item.text) == result.structured_content
        return result.structured_content

    def refused(self, caller: Caller, tool: str, language: str = "en", **arguments: Any) -> str:
        """The error of a tool."""
        result = called(self.mcp, self.headers(caller, language), tool, arguments)
        assert result.is_error and result.structured_content is None
        return str(result.content[0].text)

    def trail(self) -> list[Any]:
        """The owner's tenant's entries, newest last."""
        tenant = self.service.services.rag.authenticate(self.owner.headers["Authorization"].split()[1]).tenant_id
        with self.service.services.rag.database.read() as session:
            return [
                (row.kind, row.surface, row.outcome, list(row.documents))
                for row in audit_event.oldest(session, tenant, Wanted())
            ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(settings_for(tmp_path_factory.mktemp("service"))) as service:
        owner = service.caller()
        [rules] = owner.ingest(owner.collection("사규"), {"인사/휴가.md": RULES}, timeout_s=300)
        [long] = owner.ingest(owner.collection("절차"), {"결재.md": LONG}, timeout_s=300)
        [code] = owner.ingest(owner.collection("src", "code"), {"payments/src/로그인.py": LOGIN}, timeout_s=300)
        with service.services.rag.database.write() as session:
            of_code = DocumentVersion.document_id == UUID(code["id"])
            session.execute(update(DocumentVersion).where(of_code).values(commit=COMMIT))
            session.add(_repository(session.get_one(Document, UUID(code["id"]))))
        with served(create_app(service.services)) as address:
            yield World(service, address, owner, rules["id"], code["id"], long["id"])


def _repository(file: Document) -> Repository:
    """The repository that a file says it is of."""
    return Repository(
        id=uuid4(), tenant_id=file.tenant_id, collection_id=file.collection_id, name="payments", url="/srv/git/payments"
    )


@pytest.mark.parametrize("mode", ERAS)
def test_the_tools_are_few_described_in_both_languages_and_only_read(world: World, mode: str) -> None:
    async def listed(client: Client) -> Any:
        assert client.server_capabilities.tools is not None and client.server_capabilities.resources is not None
        assert "근거" in (client.instructions or "") or "사내" in (client.instructions or "")
        return client.protocol_version, (await client.list_tools()).tools, await client.list_resource_templates()

    version, tools, templates = conversed(world.mcp, world.headers(), listed, mode)
    assert version == {"legacy": "2025-11-25", "auto": "2026-07-28"}[mode]
    assert [item.name for item in tools] == NAMES
    for item in tools:
        assert item.annotations is not None
        assert (item.annotations.read_only_hint, item.annotations.open_world_hint) == (True, False)
        assert (
            item.description and len(item.description) < 250 and any("가" <= char <= "힣" for char in item.description)
        )
        assert item.input_schema["additionalProperties"] is False and item.output_schema is not None
    by_name = {item.name: item for item in tools}
    assert list(by_name["search"].input_schema["properties"]) == ["query"]
    assert list(by_name["fetch"].input_schema["properties"]) == ["id"]
    assert list(by_name["search_code"].input_schema["properties"]) == ["query", "repo", "path", "lang"]
    assert by_name["search_code"].input_schema["required"] == ["query"]
    assert [item.uri_template for item in templates.resource_templates] == ["repo://{repository}/{+path}", "doc://{id}"]


@pytest.mark.parametrize("mode", ERAS)
def test_search_and_fetch_have_the_shapes_that_clients_expect(world: World, mode: str) -> None:
    found = world.call("search", mode, query=QUESTION)
    assert list(found) == ["results"]
    assert all(set(item) == {"id", "title", "url"} for item in found["results"])
    best = found["results"][0]
    assert best["title"].startswith("휴가") and best["url"].startswith(f"{world.address}/api/v1/chunks/")
    fetched = world.call("fetch", mode, id=best["id"])
    assert set(fetched) == {"id", "title", "text", "url", "metadata"}
    assert (fetched["id"], fetched["url"], fetched["title"]) == (best["id"], best["url"], best["title"])
    assert "경조휴가는 5일이다." in fetched["text"]
    assert fetched["metadata"]["collection"] == "사규" and fetched["metadata"]["document"] == f"doc://{world.rules}"
    opened = httpx.get(fetched["url"], headers=world.headers(), **DIRECT)
    assert opened.status_code == 200 and "5일" in opened.json()["text"]


@pytest.mark.parametrize("mode", ERAS)
def test_answers_cite_or_refuse(world: World, mode: str) -> None:
    answer = world.call("ask", mode, question=QUESTION)
    assert (answer["status"], answer["answer"]) == ("answered", "경조휴가는 5일이다. [1]")
    [source] = answer["sources"]
    assert source["mark"] == 1 and "5일" in world.call("fetch", id=source["id"])["text"]
    refused = world.call("ask", mode, question="화성 탐사선의 발사 비용은 얼마인가?")
    assert (refused["status"], refused["sources"]) == ("abstained", [])
    assert world.owner.post(f"/api/v1/answers/{answer['answer_id']}/feedback", json={"rating": "up"}).status_code == 200


@pytest.mark.parametrize("mode", ERAS)
def test_collections_and_code(world: World, mode: str) -> None:
    listed = world.call("list_knowledge_bases", mode)["knowledge_bases"]
    assert {(item["name"], item["kind"], item["documents"]) for item in listed} == {
        ("사규", "documents", 1),
        ("절차", "documents", 1),
        ("src", "code", 1),
    }
    assert {item["name"]: item["repositories"] for item in listed}["src"] == ["payments"]
    [hit] = world.call("search_code", mode, query="승인 한도 approve")["results"]
    assert (hit["repo"], hit["path"], hit["commit"], hit["lang"]) == ("payments", "src/로그인.py", COMMIT, "python")
    assert hit["title"].startswith("payments/src/로그인.py:") and hit["title"].endswith(f"@{COMMIT[:12]}")
    assert "승인 한도를 본다" in hit["text"]
    first, last = map(int, hit["lines"].split("-"))
    assert hit["text"].split("\n") == LOGIN.split("\n")[first - 1 : last] and last - first >= 2, (
        "with what stands around"
    )
    assert hit["title"] == f"payments/src/로그인.py:{first}-{last}@{COMMIT[:12]}"
    assert world.call("search_code", mode, query="approve", repo="payments", path="src/")["results"]
    assert world.call("search_code", mode, query="approve", path="**/*.py", lang="python")["results"]
    assert world.call("search_code", mode, query="approve", repo="payments", path="test/")["results"] == []
    assert "repository_not_found" in world.refused(world.owner, "search_code", query="approve", repo="other")
    assert world.call("search_code", mode, query=QUESTION, lang="cobol")["results"] == []


@pytest.mark.parametrize("mode", ERAS)
def test_resources_are_files_lines_and_documents(world: World, mode: str) -> None:
    async def read(client: Client) -> list[str]:
        uris = (
            "repo://payments/src/%EB%A1%9C%EA%B7%B8%EC%9D%B8.py",
            "repo://payments/src/로그인.py#L1-L3",
            "repo://payments/src/로그인.py#L6",
            f"doc://{world.rules}",
        )
        results = [await client.read_resource(uri) for uri in uris]
        assert [item.contents[0].uri for item in results] == list(uris)
        assert (await client.list_resources()).resources == []
        return [item.contents[0].text for item in results]

    file, head, line, document = conversed(world.mcp, world.headers(), read, mode)
    assert file == LOGIN.rstrip("\n")
    assert head == "\n".join(LOGIN.split("\n")[:3])
    assert line == "def refuse():"
    assert "경조휴가는 5일이다." in document


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("repo://payments/src/nowhere.py", "document_not_found"),
        ("repo://payments/src/로그인.py#L900", "not_found"),
        ("repo://payments/src/로그인.py#top", "invalid_request"),
        (f"doc://{UUID(int=7)}", "document_not_found"),
        ("doc://../etc/passwd", "not_found"),
        ("file:///etc/passwd", "begins with"),
    ],
)
def test_what_is_no_resource_is_said_to_be_none(world: World, uri: str, code: str) -> None:
    async def read(client: Client) -> None:
        with pytest.raises(MCPError, match=code) as refused:
            await client.read_resource(uri)
        assert refused.value.code == -32602

    conversed(world.mcp, world.headers(), read, "auto")


def test_a_long_document_comes_in_parts_that_are_the_whole(world: World) -> None:
    name, parts = f"doc://{world.long}", list[dict[str, Any]]()
    while name:
        parts.append(world.call("fetch", id=name))
        assert len(parts[-1]["text"]) < PART_CHARACTERS + 2000
        name = parts[-1]["metadata"].get("next", "")
    assert len(parts) > 1 and {item["metadata"]["parts"] for item in parts} == {len(parts)}
    text = "\n".join(item["text"] for item in parts)
    assert [f"{number}번째." in text for number in range(60)] == [True] * 60
    assert "not_found" in world.refused(world.owner, "fetch", id=f"doc://{world.long}?part={len(parts) + 1}")


def test_who_may_not_read_finds_nothing_and_learns_nothing(world: World) -> None:
    stranger = world.service.caller()
    assert called(world.mcp, world.headers(stranger), "search", {"query": QUESTION}).structured_content == {
        "results": []
    }
    chunk = world.call("search", query=QUESTION)["results"][0]["id"]
    hidden, nothing = (world.refused(stranger, "search_code", query="x", repo=item) for item in ("payments", "nowhere"))
    assert hidden.replace("payments", "nowhere") == nothing and nothing.startswith("repository_not_found")
    for name in (chunk, world.rules, f"doc://{world.rules}", "repo://payments/src/로그인.py"):
        absent = str(uuid4()) if "/" not in name else "doc://" + str(uuid4())
        refused, nothing = (world.refused(stranger, "fetch", id=item) for item in (name, absent))
        assert refused.split(":")[0] == nothing.split(":")[0] == "document_not_found"
    knows = called(world.mcp, world.headers(stranger), "list_knowledge_bases", {}).structured_content
    assert knows == {"knowledge_bases": []}
    assert called(world.mcp, world.headers(stranger), "search_code", {"query": "approve"}).structured_content == {
        "results": []
    }


def test_a_key_for_one_collection_sees_that_alone(world: World) -> None:
    keys = world.owner.post("/api/v1/keys", json={"name": "src", "scopes": ["read"], "collections": ["src"]})
    limited = Caller(world.service, {"Authorization": f"Bearer {keys.json()['secret']}"})
    assert "document_not_found" in world.refused(limited, "fetch", id=f"doc://{world.rules}")
    listed = called(world.mcp, world.headers(limited), "list_knowledge_bases", {}).structured_content
    assert listed is not None and [item["name"] for item in listed["knowledge_bases"]] == ["src"]


@pytest.mark.parametrize("mode", ERAS)
def test_a_wrong_key_and_none_are_no_way_in(world: World, mode: str) -> None:
    for headers in ({"Authorization": "Bearer sgk_000000000000_wrong"}, {}):
        answered = httpx.post(world.mcp, json={}, headers=headers, **DIRECT)
        assert (answered.status_code, answered.headers["www-authenticate"]) == (401, "Bearer")
        assert answered.json()["code"] == "not_authenticated"
        with pytest.raises(BaseException) as refused:
            called(world.mcp, headers, "search", {"query": QUESTION}, mode)
        assert "MCPError" in told(refused.value)


def test_a_token_of_a_widget_is_no_way_in(world: World) -> None:
    token = world.owner.post("/api/v1/widget-tokens", json={}).json()["token"]
    answered = httpx.post(world.mcp, json={}, headers={"Authorization": f"Bearer {token}"}, **DIRECT)
    assert (answered.status_code, answered.json()["code"]) == (403, "not_permitted")


@pytest.mark.parametrize("mode", ERAS)
def test_whoever_is_suspended_meanwhile_is_cut_off(world: World, mode: str) -> None:
    made = world.owner.post("/api/v1/keys", json={"name": "for a while", "scopes": ["read"]}).json()
    headers = {"Authorization": f"Bearer {made['secret']}"}

    async def talk(client: Client) -> None:
        assert (await client.call_tool("search", {"query": QUESTION})).structured_content is not None
        gone = await asyncio.to_thread(world.owner.delete, f"/api/v1/keys/{made['id']}")
        assert gone.status_code < 300
        with pytest.raises(MCPError):
            await client.call_tool("search", {"query": QUESTION})

    conversed(world.mcp, headers, talk, mode)


class Slow:
    """An answerer that does not come to an end."""

    generator_name = "slow"

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = False

    async def complete(self, *arguments: Any) -> None:
        self.begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.ended = True


@pytest.mark.parametrize("mode", BOTH)
def test_an_answer_that_is_being_written_ends_with_the_key(world: World, mode: str) -> None:
    made = world.owner.post("/api/v1/keys", json={"name": "mid-answer", "scopes": ["read"]}).json()
    slow, services = Slow(), world.service.services
    app = create_app(replace(services, rag=replace(services.rag, answerer=slow)))  # type: ignore[arg-type]

    async def talk(client: Client) -> Any:
        asking = asyncio.create_task(client.call_tool("ask", {"question": QUESTION}))
        while not slow.begun.is_set():
            await asyncio.sleep(0.05)
        await asyncio.to_thread(world.owner.delete, f"/api/v1/keys/{made['id']}")
        return await asking

    with served(app) as address:
        result = conversed(
            f"{address}/mcp", {**world.headers(), "Authorization": f"Bearer {made['secret']}"}, talk, mode
        )
    assert result.is_error and result.content[0].text.startswith("access_ended: ")
    assert slow.ended


@pytest.mark.parametrize("mode", BOTH)
def test_who_hangs_up_ends_the_work(world: World, mode: str) -> None:
    slow, services = Slow(), world.service.services
    app = create_app(replace(services, rag=replace(services.rag, answerer=slow)))  # type: ignore[arg-type]

    async def talk(address: str) -> None:
        async with connected(f"{address}/mcp", world.headers(), mode) as client:
            asking = asyncio.create_task(client.call_tool("ask", {"question": QUESTION}))
            while not slow.begun.is_set():
                await asyncio.sleep(0.05)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        for _ in range(200):
            if slow.ended:
                return
            await asyncio.sleep(0.05)

    with served(app) as address:
        asyncio.run(talk(address))
        assert slow.ended


@pytest.mark.parametrize(
    ("language", "sentence"), [("ko", "요청 형식이 올바르지 않습니다"), ("en", "The request is not valid")]
)
def test_errors_are_told_in_the_callers_language(world: World, language: str, sentence: str) -> None:
    said = world.refused(world.owner, "search", language, query="연차" * 3000)
    assert said.startswith(f"invalid_request: {sentence}") and "연차연차" not in said
    for arguments in ({}, {"query": 5}, {"query": "x", "more": 1}, {"query": ""}):
        assert world.refused(world.owner, "search", language, **arguments).startswith("invalid_request")


def test_what_is_no_tool_is_an_error_of_the_protocol(world: World) -> None:
    with pytest.raises(BaseException) as refused:
        called(world.mcp, world.headers(), "delete_everything", {})
    assert "There is no tool" in told(refused.value)


def _sent(world: World, content: bytes, **headers: str) -> httpx.Response:
    usual = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    return httpx.post(world.mcp, content=content, headers=world.headers() | usual | headers, **DIRECT)


def test_what_is_no_message_is_refused(world: World) -> None:
    whole = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'
    assert _sent(world, whole).status_code == 200
    assert _sent(world, b"{").status_code == 400
    assert _sent(world, b"[]").status_code == 400
    assert _sent(world, b" " * (3 << 20) + whole).status_code == 413
    assert _sent(world, b"[" * 500 + b"]" * 500).status_code in (400, 422)
    assert _sent(world, whole, **{"MCP-Protocol-Version": "2031-01-01"}).status_code == 400
    for kind in ("", "text/plain", "application/xml"):
        untold = _sent(world, whole, **{"Content-Type": kind})
        assert (untold.status_code, untold.json()["code"]) == (422, "invalid_request")
    assert _sent(world, whole, Accept="text/html").status_code == 406
    for method in ("GET", "DELETE", "PUT"):
        refused = httpx.request(method, world.mcp, headers=world.headers(), **DIRECT)
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert httpx.post(f"{world.mcp}/", content=whole, headers=world.headers(), **DIRECT).status_code != 404


def test_only_known_names_of_this_service_are_answered(world: World) -> None:
    whole = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'
    assert _sent(world, whole, Host="rebound.example").status_code == 421
    assert _sent(world, whole, Origin="https://rebound.example").status_code == 403
    assert _sent(world, whole, Host="localhost:4711", Origin="http://localhost:4711").status_code == 200
    services = world.service.services
    named = services.settings.model_copy(update={"public_url": "https://seogo.bank.example/"})
    with served(create_app(replace(services, settings=named))) as address:
        other = replace(world, address=address)
        assert _sent(other, whole, Host="seogo.bank.example").status_code == 200
        assert _sent(other, whole, Host="seogo.bank.example:443").status_code == 200
        assert _sent(other, whole, Host="other.bank.example").status_code == 421


def test_each_call_is_a_request_on_the_trail(world: World) -> None:
    async def talk(client: Client) -> None:
        await client.list_tools()
        await client.call_tool("search", {"query": QUESTION})
        await client.call_tool("fetch", {"id": f"doc://{world.rules}"})
        await client.read_resource(f"doc://{world.rules}")
        await client.call_tool("fetch", {"id": str(UUID(int=9))})
        await client.call_tool("list_knowledge_bases", {})
        await client.call_tool("ask", {"question": QUESTION})

    for mode in ERAS:
        since = len(world.trail())
        conversed(world.mcp, world.headers(), talk, mode)
        told = world.trail()[since:]
        assert {surface for _, surface, _, _ in told} == {"mcp"}
        assert [(kind, outcome) for kind, _, outcome, _ in told] == [
            ("question.searched", "done"),
            ("document.read", "done"),
            ("document.read", "done"),
            ("document.read", "not_found"),
            ("collection.listed", "done"),
            ("question.asked", "done"),
            ("answer.given", "done"),
        ]
        assert told[1][3] == told[2][3] == [world.rules]
        assert world.rules in told[0][3] and world.rules in told[5][3]


def test_a_refusal_at_the_door_is_on_the_trail(world: World) -> None:
    token = world.owner.post("/api/v1/widget-tokens", json={}).json()["token"]
    since = len(world.trail())
    httpx.post(world.mcp, json={}, headers={"Authorization": f"Bearer {token}"}, **DIRECT)
    assert [(kind, surface) for kind, surface, _, _ in world.trail()[since:]] == [("refusal.denied", "mcp")]


@pytest.mark.parametrize("mode", BOTH)
def test_a_call_counts_once_and_is_refused_when_the_rate_is_used_up(world: World, mode: str) -> None:
    services = world.service.services
    rates = RateSettings(key=AllowanceSettings(requests=6, concurrent=1))
    app = create_app(replace(services, settings=services.settings.model_copy(update={"rates": rates})))

    async def talk(client: Client) -> list[str]:
        found = []
        for _ in range(7):
            result = await client.call_tool("list_knowledge_bases", {})
            found.append(result.content[0].text.split(":")[0] if result.is_error else "")
        return found

    key = world.service.key(Scope.READ, tenant=f"t-{uuid4().hex[:8]}")
    with served(app) as address:
        found = conversed(f"{address}/mcp", {"Authorization": f"Bearer {key}", "Accept-Language": "en"}, talk, mode)
        # What the client asks beside the calls counts too: its introduction, of one message or two, and the list of tools.
        assert found.index("rate_limited") == {"legacy": 3, "auto": 4}[mode]
        listing = httpx.post(
            f"{address}/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
            headers={"Authorization": f"Bearer {key}"},
            **DIRECT,
        )
        assert listing.status_code == 429 and int(listing.headers["retry-after"]) > 0


@pytest.mark.parametrize("mode", BOTH)
def test_two_servers_behind_one_address_are_one(world: World, mode: str) -> None:
    async def talk(addresses: list[str]) -> InTurn:
        turns = InTurn(*addresses)
        async with connected(f"{addresses[0]}/mcp", world.headers(), mode, turns) as client:
            for _ in range(3):
                result = await client.call_tool("search", {"query": QUESTION})
                assert result.structured_content is not None and result.structured_content["results"]
                assert (await client.read_resource(f"doc://{world.rules}")).contents
        return turns

    with ExitStack() as stack:
        addresses = [world.address, stack.enter_context(served(create_app(world.service.services)))]
        turns = asyncio.run(talk(addresses))
    assert len(set(turns.asked)) == 2 and len(turns.asked) >= 7


def test_an_application_that_was_not_started_says_so(world: World) -> None:
    answered = world.owner.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert (answered.status_code, answered.json()["code"]) == (503, "unavailable")


def test_the_twin_describes_the_tools_and_does_the_same(world: World) -> None:
    described = httpx.get(f"{world.address}/tools/openapi.json", **DIRECT).json()
    [server] = described["servers"]
    assert server["url"] == f"{world.address}/tools"
    by_name = {operation["post"]["operationId"]: path for path, operation in described["paths"].items()}
    assert list(by_name) == NAMES
    assert "#/components/schemas/" in json.dumps(described)
    for reference in set(json.dumps(described).split('"#/components/schemas/')[1:]):
        assert reference.split('"')[0] in described["components"]["schemas"]
    arguments = {
        "search": {"query": QUESTION},
        "fetch": {"id": f"doc://{world.rules}"},
        "search_code": {"query": "approve", "repo": "payments"},
        "list_knowledge_bases": {},
    }
    for name, body in arguments.items():
        answered = httpx.post(f"{server['url']}{by_name[name]}", json=body, headers=world.headers(), **DIRECT)
        assert answered.status_code == 200
        assert answered.json() == world.call(name, **body)
    asked = httpx.post(f"{server['url']}/ask", json={"question": QUESTION}, headers=world.headers(), **DIRECT)
    assert asked.json()["answer"] == "경조휴가는 5일이다. [1]"
    assert httpx.post(f"{server['url']}/ask", json={"question": QUESTION}, **DIRECT).status_code == 401


def test_what_a_reader_may_not_see_is_hidden_here_too(world: World) -> None:
    name = world.owner.collection()
    [document] = world.owner.ingest(
        name, {"직원.md": "# 연락처\n\n담당자 휴대전화 010-1234-5678 이다.\n"}, timeout_s=300
    )
    hide = {"privacy": {"default": "mask"}}
    assert world.owner.request("PATCH", f"/api/v1/collections/{name}", json=hide).status_code == 200
    reader = world.owner.post("/api/v1/keys", json={"name": "reader", "scopes": ["read"]}).json()["secret"]
    headers = {"Authorization": f"Bearer {reader}"}
    for wanted in (f"doc://{document['id']}", document["id"]):
        shown = called(world.mcp, headers, "fetch", {"id": wanted}).structured_content
        assert shown is not None and "휴대전화" in shown["text"] and "010-1234-5678" not in shown["text"]
