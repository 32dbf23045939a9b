"""The doors of a service beside uploads and questions: repositories in step, code search, tools for models, directories, tokens
of pages, the trail. `flow.py` goes through them all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from rag.text.code import LANGUAGE_NAMES
from tests.support.git_repository import GitRepository

SCIM_USER, SCIM_GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{sort}" for sort in ("User", "Group"))
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_READY_S = 240.0
_BEACON = "http://beacon.example/x"

Step = tuple[str, str, dict[str, Any], int]
"""Method, path, arguments, and the status that it must have."""


def program_files() -> dict[str, str | bytes]:
    """A file in every language whose name tells it, each with an address that nobody must ask."""
    text = f"한도 limit\n{_BEACON}\nimport gateway\nclass Limit {{ int daily = 1; }}\n"
    found: dict[str, str | bytes] = {f"src/limit.{suffix}": text for suffix in LANGUAGE_NAMES}
    login = f'"""{_BEACON}"""\n\n\ndef daily_limit(user: str) -> int:\n    """하루 한도."""\n    return len(user)\n'
    return {**found, "src/limits.py": login, "src/pay.py": "from limits import daily_limit\n\ndaily_limit('a')\n"}


def in_step(client: httpx.Client, folder: Path) -> dict[str, Any]:
    """A repository in `folder`, added and at its commit."""
    source = GitRepository.new(folder / "pay", program_files())
    head = source.commit(f"둘째 {_BEACON}", {"docs/README.md": f"# 한도\n\n![그림]({_BEACON}.png)\n"})
    client.post("/api/v1/collections", json={"name": "code", "kind": "code"}).raise_for_status()
    body = {"collection": "code", "url": str(source.folder), "name": "pay"}
    made = client.post("/api/v1/repositories", json=body)
    made.raise_for_status()
    path = f"/api/v1/repositories/{made.json()['repository']['id']}"
    end = time.monotonic() + _READY_S
    while True:
        found: dict[str, Any] = client.get(path).json()
        if found["state"] == "ready" and found["commit"] == head:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"not in step: {found}")
        time.sleep(0.3)


def code_steps(repository: dict[str, Any]) -> Iterator[Step]:
    """What is asked of code and of a repository."""
    place = f"/api/v1/repositories/{repository['id']}"
    yield "GET", "/api/v1/repositories", {}, 200
    yield "GET", f"{place}/files", {"params": {"limit": 500}}, 200
    yield "GET", f"{place}/files/src/limits.py", {}, 200
    yield "GET", f"{place}/commits/{repository['commit']}", {}, 200
    yield "GET", f"{place}/changes", {"params": {"from": f"{repository['commit']}"}}, 200
    yield "POST", f"{place}/sync", {"json": {}}, 202
    yield "POST", "/api/v1/code/search", {"json": {"query": "daily_limit"}}, 200
    yield "GET", "/api/v1/code/symbols", {"params": {"name": "daily_limit"}}, 200
    yield "GET", "/api/v1/code/references", {"params": {"name": "daily_limit"}}, 200
    yield "POST", "/api/v1/code/map", {"json": {"task": "한도"}}, 200
    yield "POST", "/api/v1/code/pack", {"json": {"task": "한도"}}, 200


def tool_steps() -> Iterator[Step]:
    """The tools, by their routes and by the protocol in both of its eras."""
    arguments: dict[str, dict[str, Any]] = {
        "search": {"query": "한도"},
        "search_code": {"query": "daily_limit"},
        "list_knowledge_bases": {},
        "ask": {"question": "하루 한도는 어디에서 정하나요?"},
    }
    yield "GET", "/tools/openapi.json", {}, 200
    accepts = {"Accept": "application/json, text/event-stream"}
    said: dict[str, Any] = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "x", "version": "1"},
    }
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": said}
    yield "POST", "/mcp", {"json": hello, "headers": accepts}, 200
    yield "POST", "/mcp", {"json": {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, "headers": accepts}, 200
    for name, given in arguments.items():
        yield "POST", f"/tools/{name}", {"json": given}, 200
        call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": name, "arguments": given}}
        yield "POST", "/mcp", {"json": call, "headers": accepts}, 200


def people_steps() -> Iterator[Step]:
    """Accounts and groups, by hand and by a directory's SCIM; roles, keys, sign-in, the trail."""
    scim = {"headers": {"Content-Type": "application/scim+json"}}

    def pushed(**body: Any) -> dict[str, Any]:
        return {"content": json.dumps(body).encode(), **scim}

    yield "POST", "/scim/v2/Users", pushed(schemas=[SCIM_USER], userName="kim"), 201
    yield "POST", "/scim/v2/Groups", pushed(schemas=[SCIM_GROUP], displayName="여신팀"), 201
    yield "GET", "/scim/v2/Users", {"params": {"filter": 'userName eq "kim"'}}, 200
    yield "GET", "/scim/v2/Groups", {}, 200
    yield "GET", "/scim/v2/ServiceProviderConfig", {}, 200
    yield "GET", "/scim/v2/Schemas", {}, 200
    yield "POST", "/api/v1/accounts", {"json": {"user_name": "lee"}}, 201
    yield "POST", "/api/v1/groups", {"json": {"name": "심사팀"}}, 201
    yield "GET", "/api/v1/accounts", {}, 200
    yield "POST", "/api/v1/grants", {"json": {"subject": "everyone", "role": "viewer"}}, 201
    yield "POST", "/api/v1/keys", {"json": {"name": "작은 열쇠", "scopes": ["read"]}}, 201
    yield "GET", "/api/v1/keys", {}, 200
    yield "GET", "/api/v1/me", {}, 200
    yield "GET", "/auth/providers", {}, 200
    yield "GET", "/auth/nobody/login", {}, 404
    yield "GET", "/api/v1/audit/events", {"params": {"limit": 100}}, 200
    yield "GET", "/api/v1/audit/verification", {}, 200
    yield "GET", "/api/v1/feedback", {"params": {"purpose": "정기 점검"}}, 200
    yield "GET", "/api/v1/receipts", {}, 200


def of_a_page(client: httpx.Client) -> Iterator[Step]:
    """What a page in a browser does with a token of its own, and with nothing else."""
    token = client.post("/api/v1/widget-tokens", json={}).json()["token"]
    shown = {"headers": {"Authorization": f"Bearer {token}"}}
    yield "POST", "/api/v1/search", {"json": {"question": "한도"}, **shown}, 200
    yield "POST", "/api/v1/answers", {"json": {"question": "하루 한도는?", "stream": True}, **shown}, 200
    yield "GET", "/api/v1/accounts", shown, 403


def steps(client: httpx.Client, folder: Path, writes: bool) -> Iterator[Step]:
    """All of it."""
    yield from code_steps(in_step(client, folder))
    yield from tool_steps()
    yield from people_steps()
    yield from of_a_page(client)
    order = {"specification": "한도를 알려 주는 프로그램", "repositories": ["code"]}
    yield "POST", "/api/v1/generations", {"json": order}, 202 if writes else 422
    yield "GET", "/api/v1/generations", {}, 200
