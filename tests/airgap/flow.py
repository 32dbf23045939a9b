"""What people and programs do with a service, all surfaces, and a report of it.

    python -m tests.airgap.flow ADDRESS KEY REPORT FOLDER

Uploads a file of every kind, asks in both languages with and without a model, speaks OpenAI's protocol and the adapters', puts
a repository with programs in every language below FOLDER and goes through the doors of `doors.py`. Every step must have the
status that it names; the report holds counts and the answers.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.airgap.doors import steps
from tests.hostile.corpus import real_files
from tests.support.running import SAMPLES

QUESTION = "위험직무를 담당하는 직원의 명령휴가는 1회에 연속 며칠 동안 실시하나요?"
MODEL = "stub"
_SETTLED_S = 240.0
SURFACES = frozenset(
    [
        "documents",
        "search",
        "answers",
        "v1",
        "dify",
        "continue",
        "tools",
        "mcp",
        "scim",
        "code",
        "repositories",
        "accounts",
        "keys",
        "audit",
        "generations",
    ]
)
"""First parts of the paths that the flow must have gone to, whatever else it does."""


def files() -> dict[str, bytes]:
    """A file of every kind, by name."""
    kinds = {name: make() for name, make in real_files().items()}
    samples = {path.name: path.read_bytes() for path in sorted(SAMPLES.rglob("*")) if path.is_file()}
    # What a page or a letter would fetch if anybody rendered it.
    beacon = '<img src="http://beacon.example/x.png"><script src="https://beacon.example/x.js"></script>'
    head = '<head><link rel="stylesheet" href="//beacon.example/x.css"></head>'
    page = f"<!DOCTYPE html><html>{head}<body>{beacon}<p>공지 사항</p></body></html>"
    outline = '<!DOCTYPE x [<!ENTITY e SYSTEM "http://beacon.example/e.dtd">]>\n<x>&e;한도</x>'
    more = {
        "공지.html": page.encode(),
        "표.csv": "등급,한도\n가,1000\n".encode(),
        "설정.json": b'{"$schema": "http://beacon.example/s.json", "limit": 3}',
        "자료.xml": outline.encode(),
        "메모.txt": "메모입니다. http://beacon.example/".encode(),
        "그림.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://beacon.example/x.png"/><text>t</text></svg>',
        "안내.rst": b"Title\n=====\n\n.. image:: http://beacon.example/x.png\n\ntext\n",
        "책.adoc": b"= Title\n\nimage::http://beacon.example/x.png[]\n\ninclude::http://beacon.example/y.adoc[]\n",
        "글.rtf": rb"{\rtf1\ansi {\field{\*\fldinst{INCLUDEPICTURE http://beacon.example/x.png}}} text}",
        "일정.ics": b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\nURL:http://beacon.example/\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    }
    return {**samples, **kinds, **more}


def upload(client: httpx.Client) -> dict[str, int]:
    """Take every file in, wait for its end, count the ends."""
    client.post("/api/v1/collections", json={"name": "all-kinds"}).raise_for_status()
    ids = []
    for name, data in files().items():
        answer = client.post("/api/v1/collections/all-kinds/documents", files=[("files", (name, data))])
        answer.raise_for_status()
        ids += [item["document_id"] for item in answer.json()["documents"] if item["document_id"]]
    end = time.monotonic() + _SETTLED_S
    while True:
        found = client.post("/api/v1/documents/status", json={"ids": ids}).json()["documents"]
        states = [item["version"]["state"] for item in found]
        if not {"queued", "running"} & set(states):
            return {state: states.count(state) for state in sorted(set(states))}
        if time.monotonic() > end:
            raise TimeoutError(f"not settled: {states}")
        time.sleep(0.2)


def settled_documents(client: httpx.Client) -> list[dict[str, Any]]:
    """All documents, those inside mails and archives too, which come after what was uploaded."""
    end = time.monotonic() + _SETTLED_S
    while True:
        listed = client.get("/api/v1/collections/all-kinds/documents", params={"limit": 100}).json()["documents"]
        if not {"queued", "running"} & {item["version"]["state"] for item in listed}:
            return list(listed)
        if time.monotonic() > end:
            raise TimeoutError("files inside files are not settled")
        time.sleep(0.2)


def requests(client: httpx.Client, writes: bool, folder: Path) -> Iterator[tuple[str, str, dict[str, Any], int]]:
    """Method, path, arguments and the status that it must have; `writes`: whether there is a model."""
    asked = [{"role": "user", "content": QUESTION}]
    for document in settled_documents(client):
        yield "GET", f"/api/v1/documents/{document['id']}/content", {}, 200
    yield "GET", "/api/v1/health/ready", {}, 200
    yield "GET", "/api/v1/openapi.json", {}, 200
    yield "GET", "/docs", {}, 404
    yield "POST", "/api/v1/search", {"json": {"question": "연차휴가", "explain": True}}, 200
    yield "POST", "/api/v1/answers", {"json": {"question": QUESTION}}, 200
    yield "POST", "/api/v1/answers", {"json": {"question": QUESTION, "stream": True}}, 200
    yield "POST", "/api/v1/answers", {"json": {"question": QUESTION, "mode": "steps"}}, 200 if writes else 422
    yield "GET", "/v1/models", {}, 200
    for stream in (False, True):
        yield "POST", "/v1/chat/completions", {"json": {"model": "rag/all", "messages": asked, "stream": stream}}, 200
        yield "POST", "/v1/responses", {"json": {"model": "rag/all", "input": QUESTION, "stream": stream}}, 200
        body = {"model": f"llm/{MODEL}", "messages": asked, "stream": stream}
        yield "POST", "/v1/chat/completions", {"json": body}, 200 if writes else 404
    [embedder] = [item["id"] for item in client.get("/v1/models").json()["data"] if item["id"].startswith("embed/")]
    yield "POST", "/v1/embeddings", {"json": {"model": embedder, "input": ["a limit", "한도"]}}, 200
    yield "POST", "/v1/rerank", {"json": {"model": "rerank/x", "query": "q", "documents": ["d"]}}, 404
    form = {"files": [("file", ("메모.md", "# 메모\n\n한도".encode()))], "data": {"purpose": "assistants"}}
    yield "POST", "/v1/files", form, 200
    yield "POST", "/v1/vector_stores", {"json": {"name": "shelf"}}, 200
    dify = {"knowledge_id": "all-kinds", "query": "연차휴가", "retrieval_setting": {"top_k": 3, "score_threshold": 0}}
    yield "POST", "/dify/retrieval", {"json": dify}, 200
    yield "POST", "/continue/context", {"json": {"query": "limit", "fullInput": "limit"}}, 200
    yield from steps(client, folder, writes)


def main(address: str, key: str, report: str, folder: str) -> int:
    """Do it all and write the report."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=address, headers=headers, timeout=120, trust_env=False) as client:
        states = upload(client)
        writes = any(item["id"] == f"llm/{MODEL}" for item in client.get("/v1/models").json()["data"])
        wrong, count, surfaces = [], 0, set[str]()
        for method, path, arguments, expected in requests(client, writes, Path(folder)):
            answer = client.request(method, path, **arguments)
            count += 1
            surfaces.add(path.split("/")[3] if path.startswith("/api/v1/") else path.split("/")[1])
            if answer.status_code != expected:
                wrong.append([method, path, expected, answer.status_code, answer.text[:300]])
    summary = {"files": sum(states.values()), "states": states, "requests": count, "wrong": wrong, "writes": writes}
    summary["surfaces"] = sorted(surfaces)
    Path(report).write_text(json.dumps(summary, ensure_ascii=False))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
