"""A tenant with keys of every role, and everything by which a document of it can be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from rag.domain.access import Label, user
from rag.domain.principal import Principal, Scope
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
    return seen


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
