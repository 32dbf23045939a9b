"""Kills a real embedded service at every fault point, restarts it, and looks for what was lost, doubled, stuck or orphaned.

    python -m tests.e2e.kill_points FOLDER SEED [POINT …]

One process imports everything once and forks a *life* per point: SQLite, the embedded index, the HTTP application, the durable
queue, all on the folder that the life before left. A life first recovers: its client sends again what the killed one never
answered, everything settles, and record, index, blobs and queue are compared. Then a workload runs that reaches every point,
and at the point of its turn (on a document that the seed chooses) the life kills itself. Only models and parser children are
replaced by light stand-ins. Prints a JSON line per life.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from starlette.testclient import TestClient

from api.app import create_app
from api.cli.services import both_lanes, upgrade_schema
from api.deps import Services
from api.settings import Settings
from ingest import bootstrap as ingest_bootstrap
from ingest.jobs.audit import verify_queue
from ingest.pipeline import fault_points, maintenance
from rag import bootstrap as rag_bootstrap
from rag.store.document import Document
from rag.store.family import CHILD_MARK
from rag.store.version import DocumentVersion
from tests.support.direct_sandbox import BROKEN, FLAKY, HOLDS, LASTING, DirectSandbox
from tests.support.hash_embedder import hash_space
from tests.support.running import settings_for

COLLECTION = "규정"
SETTLING_S = 30.0
SETTINGS = {"ingest": {"retry_pause_s": 0.0, "outage_pause_s": 0.0, "concurrency": 2, "batch_documents": 4}}


class Journal:
    """What the client asked for and what it was answered: a file, so that it outlives the service and the kill."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, **entry: Any) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def entries(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text().splitlines()]


class Client:
    """Somebody who uses the service and sends again what was not answered."""

    def __init__(self, services: Services, journal: Journal) -> None:
        self.services = services
        self.http = TestClient(create_app(services), raise_server_exceptions=True)
        self.journal = journal
        operator = services.rag.operator
        assert operator is not None
        self.headers = {"Authorization": f"Bearer {operator.token}"}

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        return self.http.request(method, f"/api/v1{path}", headers=self.headers, **arguments)

    def upload(self, texts: dict[str, str], priority: str | None = None) -> dict[str, str]:
        """Upload; returns document ids by name."""
        self.journal.note(op="upload", texts=texts, priority=priority)
        parts = [("files", (name, text.encode())) for name, text in texts.items()]
        query = {"priority": priority} if priority else {}
        answer = self.request("POST", f"/collections/{COLLECTION}/documents", files=parts, params=query)
        assert answer.status_code == 202, answer.text
        self.journal.note(op="answered")
        return {item["source_key"]: item["document_id"] for item in answer.json()["documents"]}

    def act(self, op: str, document_id: str) -> int:
        """Delete, retry or cancel; returns the status."""
        self.journal.note(op=op, document_id=document_id)
        method, path = ("DELETE", "") if op == "delete" else ("POST", f"/{op}")
        status = int(self.request(method, f"/documents/{document_id}{path}").status_code)
        assert status in (202, 404, 409), status
        self.journal.note(op="answered", status=status)
        return status

    def send_again(self) -> None:
        """What the service that was killed never answered, once more."""
        entries = self.journal.entries()
        if entries and entries[-1]["op"] != "answered":
            last = entries[-1]
            if last["op"] == "upload":
                self.upload(last["texts"], last["priority"])
            else:
                self.act(last["op"], last["document_id"])

    def wait(self, ids: list[str]) -> None:
        """Until none of these documents is in work."""
        deadline = time.monotonic() + SETTLING_S
        while True:
            found = self.request("POST", "/documents/status", json={"ids": ids}).json()["documents"]
            if all(item["version"]["state"] not in ("queued", "running") for item in found):
                return
            assert time.monotonic() < deadline, [item["version"] for item in found]
            time.sleep(0.03)


def workload(client: Client, turn: int) -> None:
    """Uploads of every kind of fate, in both lanes, then the levers. Reaches every fault point."""
    client.upload({f"{turn}-바뀌는.md": f"# 규정 {turn}\n\n처음 내용 {turn}입니다.\n"})
    first = client.upload({f"{turn}-{n}.md": f"# 문서 {n}\n\n낱말{turn}x{n} 하나.\n" for n in range(3)}, "bulk")
    client.wait(list(first.values()))
    again = client.upload(
        {
            f"{turn}-바뀌는.md": f"# 규정 {turn}\n\n바뀐 내용 {turn}입니다.\n",
            f"{turn}-빈.md": " \n\t\n" * (turn + 1),
            f"{turn}-가끔.md": f"# 가끔 {turn}\n\n{FLAKY} {turn}\n",
            f"{turn}-늘.md": f"# 늘 {turn}\n\n{BROKEN} {turn}\n",
            f"{turn}-긴.md": f"# 긴 {turn}\n\n{LASTING} 쪽{turn}\n",
            f"{turn}-꾸러미.md": f"# 꾸러미 {turn}\n\n{HOLDS} 한 벌{turn}\n",
            f"{turn}-헌꾸러미.md": f"# 헌 꾸러미 {turn}\n\n{HOLDS} 헌 벌{turn}\n",
        }
    )
    client.wait(list(again.values()))
    assert client.act("retry", again[f"{turn}-늘.md"]) == 202
    stopped = client.upload({f"{turn}-그만.md": f"# 그만 {turn}\n\n취소될 문서 {turn}.\n"}, "bulk")
    client.act("cancel", stopped[f"{turn}-그만.md"])
    assert client.act("delete", first[f"{turn}-0.md"]) == 202
    assert client.act("delete", again[f"{turn}-헌꾸러미.md"]) == 202
    settle(client)


def settle(client: Client) -> maintenance.Verification:
    """Wait until nothing is left to do; then everything must agree."""
    settings = client.services.ingest.settings
    url = ingest_bootstrap.queue_url(settings, client.services.rag.settings)
    pipeline = client.services.ingest.pipeline
    deadline = time.monotonic() + SETTLING_S
    while True:
        found = maintenance.verify(pipeline, tidied_after=timedelta(0))
        verify_queue(found, pipeline.database, url, timedelta(seconds=settings.lease_s))
        held = [path.name for path in (client.services.rag.settings.data_dir / "blobs" / "incoming").glob("*")]
        if found.settled and not held:
            return found
        left = {key: value for key, value in asdict(found).items() if value}
        assert time.monotonic() < deadline, (left, held)
        time.sleep(0.05)


def check_promises(client: Client) -> int:
    """What the client was promised is there, once; returns the number of documents looked at."""
    texts: dict[str, list[str]] = {}
    acts: dict[str, set[str]] = {}
    entries = client.journal.entries()
    for entry, answer in zip(entries, [*entries[1:], {}][: len(entries)], strict=True):
        if entry["op"] == "upload":
            for name, text in entry["texts"].items():
                if text not in texts.setdefault(name, []):
                    texts[name].append(text)
        elif answer.get("status") == 202 or (entry["op"], answer.get("status")) == ("delete", 404):
            # Asked again, a deletion finds nothing: it was carried out, only not answered.
            acts.setdefault(entry["document_id"], set()).add(entry["op"])
    with client.services.rag.database.read() as session:
        documents = {row.source_key: row for row in session.scalars(select(Document))}
        versions: dict[UUID, list[DocumentVersion]] = {}
        for version in session.scalars(select(DocumentVersion).order_by(DocumentVersion.number)):
            versions.setdefault(version.document_id, []).append(version)
    inside = {key for key in documents if CHILD_MARK in key}
    assert documents.keys() - inside == texts.keys()
    for name in (name for name, contents in texts.items() if HOLDS in contents[0]):
        check_inside(
            name, [documents[key] for key in inside if key.startswith(f"{name}{CHILD_MARK}")], documents, versions
        )
    for name, contents in texts.items():
        row = documents[name]
        own = versions[row.id]
        done = acts.get(str(row.id), set())
        assert len(own) == len(contents), f"{name}: {len(own)} versions of {len(contents)} contents"
        states = [version.state for version in own]
        assert states[:-1] in ([], ["retired"]), (name, states)
        assert states[-1] in _ends(name, done), (name, states, own[-1].error_code)
        assert (row.deleted_at is None) == ("delete" not in done)
        assert (row.purged_at is None) == ("delete" not in done)
    return len(texts)


def check_inside(
    name: str, own: list[Document], documents: dict[str, Document], versions: dict[UUID, list[DocumentVersion]]
) -> None:
    """Both files inside are there, once each, and alive as long as what holds them."""
    expected = "deleted" if documents[name].deleted_at else "active"
    assert sorted(row.source_key for row in own) == [f"{name}{CHILD_MARK}{n}.txt" for n in (1, 2)], own
    assert [version.state for row in own for version in versions[row.id]] == [expected] * 2, name


def _ends(name: str, done: set[str]) -> set[str]:
    """States that the newest version of a document may end in."""
    if "delete" in done:
        return {"deleted"}
    if "cancel" in done:
        return {"cancelled"}
    kind = name.split("-", 1)[1].removesuffix(".md")
    return {"빈": {"failed"}, "늘": {"quarantined"}, "그만": {"active", "cancelled"}}.get(kind, {"active"})


class Executioner:
    """Kills this process at the n-th time that a point is reached."""

    def __init__(self, point: str, turn: int) -> None:
        self.point = point
        self.turn = turn
        self.seen: Counter[str] = Counter()
        self._guard = threading.Lock()

    def __call__(self, name: str, subject: str) -> None:
        assert name in fault_points.FAULT_POINTS, name
        with self._guard:
            self.seen[name] += 1
            if name == self.point and self.seen[name] == self.turn:
                os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def service(folder: Path) -> Any:
    """An embedded service on `folder`, its models and parser children replaced."""
    settings: Settings = settings_for(folder / "data", SETTINGS)
    rag_bootstrap.build_space = lambda *_: hash_space()  # type: ignore[assignment]
    ingest_bootstrap.ParseSandbox = lambda *_, **__: DirectSandbox(folder)  # type: ignore[misc, assignment]
    if not (folder / "data" / "seogo.sqlite").exists():
        upgrade_schema(settings)
    with both_lanes(settings, listen=True, local_operator=True) as services:
        yield services


def live(folder: Path, turn: int, executioner: Executioner) -> dict[str, Any]:
    """One life, as far as it comes: recover, check, then work until killed."""
    began = time.monotonic()
    with service(folder) as services:
        client = Client(services, Journal(folder / "journal"))
        if client.request("GET", f"/collections/{COLLECTION}").status_code == 404:
            client.request("POST", "/collections", json={"name": COLLECTION})
        client.send_again()
        found = settle(client)
        documents = check_promises(client)
        report = {"documents": documents, "chunks": found.chunks, "recovered_s": round(time.monotonic() - began, 2)}
        (folder / f"life-{turn}").write_text(json.dumps(report))
        fault_points.install(executioner)
        try:
            workload(client, turn)
        finally:
            fault_points.install(None)
        settle(client)
        check_promises(client)
    return {**report, "seen": dict(executioner.seen)}


def fork(folder: Path, turn: int, point: str, occurrence: int) -> dict[str, Any]:
    """A life in a process of its own; says how it ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            result = live(folder, turn, Executioner(point, occurrence))
            status = 0
        except BaseException:
            result = {"error": traceback.format_exc()[-3000:]}
        os.write(writer, json.dumps(result, ensure_ascii=False).encode()[:60_000])
        os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123 (a descriptor, not a path)
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    recovered = folder / f"life-{turn}"
    report: dict[str, Any] = {"point": point, "occurrence": occurrence, "killed": os.WIFSIGNALED(status)}
    if recovered.exists():
        report |= json.loads(recovered.read_text())
    return report | (json.loads(said) if said else {})


def tell(report: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def main(folder: Path, seed: int, points: list[str]) -> int:
    """A life without a kill, one per point, and a last one that only recovers."""
    chance = random.Random(seed)
    rehearsal = fork(folder, 0, "", 0)
    seen = rehearsal.get("seen", {})
    rehearsal["unreached"] = sorted(fault_points.FAULT_POINTS.keys() - seen.keys())
    tell(rehearsal)
    if "error" in rehearsal:
        return 1
    turn = 0
    for point in points or chance.sample(sorted(fault_points.FAULT_POINTS), len(fault_points.FAULT_POINTS)):
        for occurrence in (chance.randint(1, max(1, seen.get(point, 1) // 2)), 1):
            turn += 1
            report = fork(folder, turn, point, occurrence)
            tell(report)
            if report["killed"] or "error" in report:
                break
    last = fork(folder, turn + 1, "", 0)
    tell(last | {"point": "end"})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
