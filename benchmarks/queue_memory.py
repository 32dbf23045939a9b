"""Memory of the serving process while a hundred thousand files wait: does it stay flat?

    python -m benchmarks.queue_memory [--documents N]

One embedded process takes 10,000 tiny files through its intake into a paused collection, so that all of them wait, then gets
the rows of the other files as the intake writes them (in bulk, which saves minutes), and prints its resident memory on the
way; then the collection is resumed, and it ingests for some seconds with the backlog behind it. Prints too how long the queue
takes to find the next batch, and how long the status of the collection takes. Bars: at most 10 MB more between 1,000 waiting
files and the last, as for a process that keeps nothing per file, and 60 MB more while it works on them.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert, update

from api.cli.services import both_lanes, upgrade_schema
from api.deps import Services
from api.settings import load_settings
from benchmarks.memory import resident_mb
from ingest.connectors.upload import Received
from rag.access.policy import Action
from rag.blobs.store import BlobRef
from rag.domain.document import document_id, version_id
from rag.domain.principal import Permit, Principal, Scope
from rag.store import queue
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.queue import BatchLimits
from rag.store.tenant import ensure_tenant
from rag.store.version import DocumentVersion, Priority, VersionState

BAR_WAITING_MB = 10.0
BAR_WORKING_MB = 60.0
_CONTENTS = 200
_TAKEN = 10_000
_GROUP = 500
_WORK_S = 20.0


def main() -> int:
    """Fill the queue, then let it work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="seogo-queue-") as folder:
        settings = load_settings(None, Path(folder))
        upgrade_schema(settings)
        with both_lanes(settings, listen=True, local_operator=False) as services:
            services.rag.warm_up()
            permit = _collection(services)
            services.ingest.intake.pause(permit)
            waiting = fill(services, permit, arguments.documents)
            look_up(services, permit)
            working = work(services, permit)
    first, last = waiting[0], waiting[-1]
    grown, peak = last[1] - first[1], max(working) - last[1]
    print(f"growth from {first[0]:,} to {last[0]:,} waiting files {grown:+.1f} MB (bar {BAR_WAITING_MB}); "
          f"while working {peak:+.1f} MB (bar {BAR_WORKING_MB})")  # fmt: skip
    reached = grown <= BAR_WAITING_MB and peak <= BAR_WORKING_MB
    print(f"  bars: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


def _collection(services: Services) -> Permit:
    with services.rag.database.write() as session:
        tenant_id = ensure_tenant(session, "bench").id
        session.add(Collection(id=uuid4(), tenant_id=tenant_id, name="bench", kind="documents"))
    principal = Principal(uuid4(), "benchmark", tenant_id, frozenset({Scope.ADMIN}))
    return services.rag.policy.authorize(principal, Action.UPLOAD_DOCUMENTS, ["bench"])


def fill(services: Services, permit: Permit, documents: int) -> list[tuple[int, float]]:
    """Take the files; (waiting, MB) at 1,000, at 10,000 and at the end."""
    contents = [_store(services, number) for number in range(_CONTENTS)]
    series: list[tuple[int, float]] = []
    start = time.monotonic()
    for done in range(0, min(documents, _TAKEN), _GROUP):
        files = [Received(f"{n:07}.md", contents[n % _CONTENTS]) for n in range(done, min(done + _GROUP, documents))]
        services.ingest.intake.take(permit, files, Priority.BULK)
        taken = done + len(files)
        if taken in (1000, _TAKEN, documents):
            series.append((taken, resident_mb()[0]))
            rate = taken / (time.monotonic() - start)
            print(f"  {taken:7,} waiting   {series[-1][1]:7.1f} MB   {rate:6.0f} files a second taken", flush=True)
    for done in range(_TAKEN, documents, _GROUP):
        record(services, permit, [(f"{n:07}.md", contents[n % _CONTENTS]) for n in range(done, done + _GROUP)])
    if documents > _TAKEN:
        series.append((documents, resident_mb()[0]))
        print(f"  {documents:7,} waiting   {series[-1][1]:7.1f} MB", flush=True)
    return series


def record(services: Services, permit: Permit, files: Sequence[tuple[str, BlobRef]]) -> None:
    """The rows of accepted files, without the door."""
    (collection_id,) = permit.collections
    documents, versions = [], []
    for name, blob in files:
        document = document_id(collection_id, name)
        version = version_id(document, 1, blob.content_hash)
        shared = {"tenant_id": permit.tenant_id, "collection_id": collection_id}
        documents.append({**shared, "id": document, "source_key": name, "latest_version_id": version})
        versions.append(
            {**shared, "id": version, "document_id": document, "number": 1, "content_hash": blob.content_hash,
             "size": blob.size, "filename": name}
        )  # fmt: skip
    with services.rag.database.write() as session:
        session.execute(insert(Document), documents)
        session.execute(insert(DocumentVersion), versions)


def _store(services: Services, number: int) -> BlobRef:
    writer = services.rag.blobs.writer(1 << 20)
    writer.write(f"# 공지 {number}\n\n창구 {number}번은 {number % 24}시에 닫습니다.\n".encode())
    return writer.finish("notice.md")


def look_up(services: Services, permit: Permit) -> None:
    """How long the questions take that are asked again and again while the backlog is long."""
    database = services.rag.database

    def claim() -> None:
        with database.write() as session:
            limits = BatchLimits(32, 32 << 20)
            queue.claim(session, Priority.BULK, "bench", limits, {})
            session.rollback()

    def status() -> None:
        with database.read() as session:
            queue.workload(session, permit)

    with database.write() as session:  # a paused collection has no next batch
        session.execute(update(Collection).values(paused_at=None))
    print(f"  next batch {_median_ms([claim] * 5):.1f} ms, status {_median_ms([status] * 5):.1f} ms", flush=True)


def _median_ms(calls: Sequence[Callable[[], None]]) -> float:
    taken = []
    for call in calls:
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return sorted(taken)[len(taken) // 2]


def work(services: Services, permit: Permit) -> list[float]:
    """Let it ingest for some seconds; MB twice a second."""
    services.ingest.intake.resume(permit)
    series: list[float] = []
    deadline = time.monotonic() + _WORK_S
    while time.monotonic() < deadline:
        time.sleep(0.5)
        series.append(resident_mb()[0])
    with services.rag.database.read() as session:
        found = queue.workload(session, permit)
    jobs = found.states.get(VersionState.RUNNING, 0)
    print(f"  working: {max(series):7.1f} MB at most, {found.states.get(VersionState.ACTIVE, 0):,} active, "
          f"{jobs} running, {found.states.get(VersionState.QUEUED, 0):,} queued")  # fmt: skip
    return series


if __name__ == "__main__":
    sys.exit(main())
