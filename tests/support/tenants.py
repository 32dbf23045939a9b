"""A tenant with keys of every role, and everything by which a document of it can be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from rag.domain.access import Label, user
from rag.domain.principal import Principal, Scope
from rag.index import edge
from rag.index.layout import SCOPE, Conditions, NoneOf
from rag.store.account import AccountGroup
from rag.store.base import utc_now
from tests.support.running import Caller, Running

SECRET = "인사팀 구조조정 대상자는 김철수 과장이다. The reorganisation concerns Kim."


class Tenant:
    """A tenant with keys of every role; `boss` is an admin who is cleared for everything."""

    def __init__(self, service: Running) -> None:
        self.service, self.name = service, f"t-{uuid4().hex[:8]}"
        self.boss = self.key(Scope.ADMIN, clearance=Label.CONFIDENTIAL)
        self.reader, self.other = self.key(Scope.READ), self.key(Scope.READ)
        self.writer, self.collection = self.key(Scope.WRITE), self.boss.collection("인사")

    def key(self, *scopes: Scope, clearance: Label = Label.OPEN, collections: list[UUID] | None = None) -> Caller:
        secret, _ = self.service.services.rag.keys.create(
            self.name, "열쇠", scopes, collections=collections, clearance=clearance
        )
        return Caller(self.service, {"Authorization": f"Bearer {secret}", "Accept-Language": "en"})

    def principal(self, caller: Caller) -> Principal:
        return self.service.services.rag.authenticate(caller.headers["Authorization"].split()[1])

    def subject(self, caller: Caller) -> str:
        return user(self.principal(caller).id).text

    def add_group(self, name: str) -> UUID:
        row = AccountGroup(id=uuid4(), tenant_id=self.principal(self.boss).tenant_id, name=name)
        with self.service.services.rag.database.write() as session:
            session.add(row)
        return row.id


def put(caller: Caller, document_id: str, **rule: Any) -> Any:
    return caller.request("PUT", f"/api/v1/documents/{document_id}/access", json=rule)


def readings(tenant: Tenant, caller: Caller, document_id: str, chunk_id: str) -> dict[str, bool]:
    """By every door: whether anything of the document is seen."""
    seen: dict[str, bool] = {}
    asked = {"question": "구조조정 대상자 reorganisation Kim"}
    seen["search"] = document_id in caller.post("/api/v1/search", json={**asked, "explain": True}).text
    seen["ask"] = "김철수" in caller.post("/api/v1/answers", json=asked).text
    seen["stream"] = "김철수" in caller.post("/api/v1/answers", json={**asked, "stream": True}).text
    seen["filter"] = document_id in caller.post("/api/v1/search", json={**asked, "filter": {"source_key": "구조"}}).text
    seen["chunk"] = caller.get(f"/api/v1/chunks/{chunk_id}").status_code == 200
    seen["document"] = caller.get(f"/api/v1/documents/{document_id}").status_code == 200
    seen["content"] = caller.get(f"/api/v1/documents/{document_id}/content").status_code == 200
    seen["versions"] = caller.get(f"/api/v1/documents/{document_id}/versions").status_code == 200
    seen["status"] = document_id in caller.post("/api/v1/documents/status", json={"ids": [document_id]}).text
    seen["list"] = document_id in caller.get(f"/api/v1/collections/{tenant.collection}/documents").text
    seen["count"] = caller.get(f"/api/v1/collections/{tenant.collection}").json()["documents"] == 2
    seen["counts"] = caller.get("/api/v1/collections").json()["collections"][0]["documents"] == 2
    seen["ingestion"] = caller.get(f"/api/v1/collections/{tenant.collection}/ingestion").json()["active"] == 2
    seen["as_of"] = document_id in caller.post("/api/v1/search", json={**asked, "as_of": utc_now().isoformat()}).text
    chat = {"model": f"rag/{tenant.collection}", "messages": [{"role": "user", "content": asked["question"]}]}
    seen["chat"] = "김철수" in caller.post("/v1/chat/completions", json=chat).text
    answered = {"model": f"rag/{tenant.collection}", "input": asked["question"]}
    seen["responses"] = "김철수" in caller.post("/v1/responses", json=answered).text
    file_id = f"file-{UUID(document_id).hex}"
    seen["file"] = caller.get(f"/v1/files/{file_id}").status_code == 200
    seen["file_content"] = caller.get(f"/v1/files/{file_id}/content").status_code == 200
    seen["files"] = file_id in caller.get("/v1/files").text
    store = f"vs_{UUID(caller.get(f'/api/v1/collections/{tenant.collection}').json()['id']).hex}"
    seen["store"] = caller.get(f"/v1/vector_stores/{store}").json()["file_counts"]["total"] == 2
    seen["store_files"] = file_id in caller.get(f"/v1/vector_stores/{store}/files").text
    seen["store_file"] = caller.get(f"/v1/vector_stores/{store}/files/{file_id}/content").status_code == 200
    found = caller.post(f"/v1/vector_stores/{store}/search", json={"query": asked["question"]})
    seen["store_search"] = file_id in found.text
    seen["explore"] = document_id in caller.get("/api/v1/search", params=asked).text
    seen["all_ingestion"] = caller.get("/api/v1/ingestion").json()["active"] == 2
    seen["events"] = '"active": 2' in caller.get(f"/api/v1/collections/{tenant.collection}/ingestion/events").text
    dify = {"knowledge_id": tenant.collection, "query": asked["question"]}
    seen["dify"] = document_id in caller.post("/dify/retrieval", json=dify).text
    seen["continue"] = "김철수" in caller.post("/continue/context", json={"query": asked["question"]}).text
    return seen | _tools(caller, asked["question"], document_id, chunk_id)


def _tools(caller: Caller, question: str, document_id: str, chunk_id: str) -> dict[str, bool]:
    """By the tools for models, called as routes and through `/mcp`."""
    seen: dict[str, bool] = {}
    seen["tool_search"] = chunk_id in caller.post("/tools/search", json={"query": question}).text
    seen["tool_fetch"] = "김철수" in caller.post("/tools/fetch", json={"id": chunk_id}).text
    seen["tool_fetch_whole"] = "김철수" in caller.post("/tools/fetch", json={"id": f"doc://{document_id}"}).text
    seen["tool_ask"] = "김철수" in caller.post("/tools/ask", json={"question": question}).text
    [listed] = caller.post("/tools/list_knowledge_bases", json={}).json()["knowledge_bases"]
    seen["tool_list"] = listed["documents"] == 2
    with caller.running.http:  # what answers there lives as long as the application runs
        wanted = {"Accept": "application/json, text/event-stream", "Host": "localhost"}

        def told(method: str, **params: Any) -> str:
            message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            answered = caller.post("/mcp", json=message, headers=wanted)
            assert answered.status_code == 200, answered.text
            return str(answered.text)

        seen["mcp_search"] = chunk_id in told("tools/call", name="search", arguments={"query": question})
        seen["mcp_fetch"] = "김철수" in told("tools/call", name="fetch", arguments={"id": chunk_id})
        seen["mcp_ask"] = "김철수" in told("tools/call", name="ask", arguments={"question": question})
        seen["mcp_resource"] = "김철수" in told("resources/read", uri=f"doc://{document_id}")
    return seen


CODE = {
    "staff/reorganise.py": (
        'def move_staff(amount: int) -> None:\n    """구조조정 대상자는 김철수 과장이다."""\n    print(amount)\n'
    ),
    "staff/main.py": "from reorganise import move_staff\n\n\ndef main() -> None:\n    move_staff(1)\n",
}


def code_world(tenant: Tenant) -> str:
    """A file of code that rules will be put on, beside another that calls it and stays open; its id."""
    name = tenant.boss.collection(f"code-{uuid4().hex[:8]}", kind="code")
    documents = tenant.boss.ingest(name, CODE, timeout_s=240)
    return next(item["id"] for item in documents if item["source_key"] == "staff/reorganise.py")


def code_readings(caller: Caller, document_id: str) -> dict[str, bool]:
    """By every door of code: whether anything of the file is seen."""
    seen: dict[str, bool] = {}

    def posted(path: str, **body: Any) -> str:
        return str(caller.post(path, json=body).text)

    def got(path: str, **params: Any) -> str:
        return str(caller.get(path, params=params).text)

    seen["code_words"] = document_id in posted("/api/v1/code/search", query="구조조정 대상자 move_staff")
    seen["code_pattern"] = document_id in posted("/api/v1/code/search", query="def move_.*", regex=True)
    seen["code_symbol"] = document_id in posted("/api/v1/code/search", symbol="move_staff")
    seen["code_symbols"] = document_id in got("/api/v1/code/symbols", name="move_staff")
    seen["code_uses"] = document_id in got("/api/v1/code/references", name="move_staff")
    seen["code_callees"] = document_id in got("/api/v1/code/references", name="main", of="callees")
    seen["code_map"] = "def move_staff" in posted("/api/v1/code/map", budget=500, task="move_staff")
    seen["code_pack"] = "김철수" in posted("/api/v1/code/pack", budget=2000, task="move_staff must log")
    seen["code_search"] = document_id in posted("/api/v1/search", question="move_staff")
    seen["tool_search_code"] = "staff/reorganise.py" in posted("/tools/search_code", query="move_staff")
    seen["tool_search_code_words"] = "staff/reorganise.py" in posted("/tools/search_code", query="구조조정 대상자")
    return seen


def deafen(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the embedded engine ignores the permit, and gives out whatever it finds: what is held back is so by the record
    alone."""
    everything = Conditions(*[(NoneOf(SCOPE, ("nothing",)),)] * 2)
    monkeypatch.setattr(edge, "conditions_of", lambda permit, selection: everything)
    monkeypatch.setattr(edge, "impossible", lambda permit, selection: False)


def world(tenant: Tenant) -> tuple[str, str]:
    """A document that rules will be put on, beside another that stays open; its id, and that of its chunk."""
    documents = tenant.boss.ingest(
        tenant.collection, {"구조.md": f"# 인사\n\n{SECRET}\n", "공지.md": "# 공지\n\n구내식당은 여덟 시에 연다.\n"}
    )
    document_id = next(item["id"] for item in documents if item["source_key"] == "구조.md")
    [chunk_id] = [item["chunk_id"] for item in tenant.boss.search("구조조정 대상자") if item["source_key"] == "구조.md"]
    return document_id, chunk_id


def wait_settled(tenant: Tenant, document_id: str) -> None:
    wait_until(lambda: tenant.boss.get(f"/api/v1/documents/{document_id}/access").json()["settled"])


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
