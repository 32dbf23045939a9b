"""Kills a real embedded service while it deletes many documents at once, restarts it, and looks at what is left.

    python -m tests.e2e.deletion_kills FOLDER [POINT[:TIME] …]

Each life is a forked process on the folder that the life before left (see `kill_points.py`). It waits until nothing is left to be
done, asks again for what the one before was not answered, and compares record, index and blobs. Then it takes documents and
versions away in each of the ways that take many: what a source has no longer, what a rule lets expire, a whole collection;
in batches of a few, so that some are behind and some before it when it is killed. Prints a JSON line per life.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from starlette.testclient import TestClient

from api.app import create_app
from api.deps import Services
from ingest.jobs import upkeep
from ingest.pipeline import fault_points, maintenance, purging, removal, retention
from rag.store.document import Document
from rag.store.receipt import DeletionReceipt, ReceiptKind
from rag.store.version import DocumentVersion
from tests.e2e import kill_points
from tests.e2e.lives import kill_at, note, tell

KEPT = {f"남는-{n}.md": f"# 남는 문서\n\n지우지 않는 내용 {n}입니다.\n" for n in range(3)}
KEPT_COLLECTION = "남는"
DOCUMENTS = 9
OF_SOURCE = 4
"""Of them, those that their source has no longer."""
CHANGED = 3
"""Those that get a second version, whose first one a rule lets expire."""
IN_THE_MIDDLE = [f"{name}:{turn}" for name in fault_points.FAULT_POINTS if name.startswith("purge.") for turn in (1, 3)]
POINTS = [
    *sorted(fault_points.DELETION_POINTS),
    "collection.batch_committed:2",
    "collection.batch_purged:2",
    *IN_THE_MIDDLE,
]


class Client(kill_points.Client):
    """Somebody who deletes, and asks again where he was not answered."""

    def __init__(self, services: Services, folder: Path) -> None:
        super().__init__(services, kill_points.Journal(folder / "journal"))
        self.http = TestClient(create_app(services))

    def asked(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self.request(method, path, **arguments)
        assert answer.is_success, answer.text
        return answer.json()

    def put(self, collection: str, texts: dict[str, str]) -> dict[str, str]:
        """Upload and wait; ids by name."""
        parts = [("files", (name, text.encode())) for name, text in texts.items()]
        answer = self.asked("POST", f"/collections/{collection}/documents", files=parts)
        ids = {item["source_key"]: item["document_id"] for item in answer["documents"]}
        self.wait(list(ids.values()))
        return ids

    def fill(self, turn: int) -> str:
        """A collection with documents, some of a source, some with two versions, one with an original that stays; its name."""
        name = f"규정 {turn}"
        self.asked("POST", "/collections", json={"name": name})
        texts = {f"{turn}-{n}.md": f"# 문서 {n}\n\n낱말{turn}x{n} 하나.\n" for n in range(DOCUMENTS - 1)}
        ids = self.put(name, texts | {f"{turn}-같은.md": KEPT["남는-0.md"]})
        changed = list(texts)[-CHANGED:]
        self.put(name, {key: f"{texts[key]}\n낱말{turn} 둘.\n" for key in changed})
        source = self.asked("POST", f"/collections/{name}/sources", json={"kind": "folder", "location": f"/{turn}"})[
            "id"
        ]
        items = [
            {"key": key, "fingerprint": "1", "content_hash": "0" * 64, "size": 1, "document_id": ids[key]}
            for key in list(texts)[:OF_SOURCE]
        ]
        self.asked("PUT", f"/sources/{source}/items", json={"items": items})
        kill_points.settle(self)
        return name

    def empty(self, turn: int) -> None:
        """Take away all that lies in the collection of this turn, in three ways; what is gone already is left alone."""
        name = f"규정 {turn}"
        if self.request("GET", f"/collections/{name}").status_code == 404:
            return
        for source in self.asked("GET", f"/collections/{name}/sources")["sources"]:
            keys = [f"{turn}-{n}.md" for n in range(OF_SOURCE)]
            self.asked("POST", f"/sources/{source['id']}/items/delete", json={"keys": keys})
        self.asked("PATCH", f"/collections/{name}", json={"retention": {"retired_versions": 0}})
        self.services.ingest.jobs.upkeep.look_around()
        kill_points.settle(self)
        self.asked("DELETE", f"/collections/{name}")
        self.settle()

    def settle(self) -> None:
        """Until nothing is left to do and every receipt is closed."""
        deadline = kill_points.time.monotonic() + kill_points.SETTLING_S
        while True:
            kill_points.settle(self)
            with self.services.rag.database.read() as session:
                opened = session.scalars(select(DeletionReceipt).where(DeletionReceipt.purged_at.is_(None))).all()
            if not opened:
                return
            assert kill_points.time.monotonic() < deadline, [(item.kind, item.source_key) for item in opened]
            kill_points.time.sleep(0.05)

    def check(self) -> dict[str, int]:
        """What was to go is gone, each document with one receipt; what was to stay is there and can be read."""
        with self.services.rag.database.read() as session:
            rows = {row.id: row for row in session.scalars(select(Document))}
            versions = list(session.scalars(select(DocumentVersion)))
            receipts = list(session.scalars(select(DeletionReceipt)))
        kept = {key: row for row in rows.values() if (key := row.source_key) in KEPT}
        assert kept.keys() == KEPT.keys() and all(row.deleted_at is None for row in kept.values())
        stored = set(self.services.rag.blobs.original_hashes())
        assert stored == {hashlib.sha256(text.encode()).hexdigest() for text in KEPT.values()}
        gone = {row.id for row in rows.values() if row.source_key not in KEPT}
        assert all(rows[item].deleted_at and rows[item].purged_at and not rows[item].title for item in gone)
        own = [item.document_id for item in receipts if item.kind == ReceiptKind.DOCUMENT]
        assert Counter(own) == Counter(gone), "each once"
        told = Counter(entry["id"] for item in receipts for entry in item.versions)
        assert told == Counter(str(item.id) for item in versions if item.document_id in gone), "each version once"
        assert all(set((item.verified or {}).values()) <= {0} for item in receipts), [
            item.verified for item in receipts
        ]
        return {"gone": len(gone), "versions": len(told), "kept": len(kept)}


@contextmanager
def service(folder: Path) -> Iterator[Services]:
    """The service of `kill_points`, with batches of a few and a look every second."""
    kill_points.SETTINGS["ingest"]["upkeep_every_s"] = 1
    kill_points.SETTLING_S = 120.0  # a life takes three seconds on a free processor
    upkeep._LOST_AFTER = timedelta(seconds=1)
    upkeep._FEW = 2
    upkeep._RETENTION_EVERY_S = 1
    removal.BATCH = retention.BATCH = 2
    purging._REMOVED_TOGETHER = 1
    maintenance._LOCKED_TOGETHER = 2
    with kill_points.service(folder) as services:
        yield services


def live(folder: Path, turn: int, point: str) -> None:
    """One life, as far as it comes."""
    with service(folder) as services:
        client = Client(services, folder)
        if turn == 0:
            client.asked("POST", "/collections", json={"name": KEPT_COLLECTION})
            client.put(KEPT_COLLECTION, KEPT)
        else:
            client.empty(turn - 1)
        client.settle()
        note(folder, turn, client.check())
        if point:
            client.fill(turn)
            kill_at(point)
            client.empty(turn)


if __name__ == "__main__":
    tell(live, Path(sys.argv[1]), sys.argv[2:] or POINTS)
