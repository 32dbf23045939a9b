"""How many events a second the audit trail takes, and how long a caller waits, on SQLite and PostgreSQL.

    python -m benchmarks.audit            # SQLite in a temporary folder
    python -m benchmarks.audit --postgres postgresql+psycopg://…/empty_database
    python -m benchmarks.audit --beside   # how long a caller waits while four threads write something else

Every event is committed, flushed to disk, before its caller goes on. `alone` writes each in a transaction of its own.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from rag.access.audit import AuditTrail
from rag.access.audit_verification import verify
from rag.domain.audit import AuditEvent, AuditKind, Origin, Who, Whose
from rag.store import schema
from rag.store.session import Database
from rag.store.tenant import ensure_tenant

_KEY = b"k" * 32
_DOCUMENTS = tuple(UUID(int=number) for number in range(8))


def an_event(tenant_id: UUID) -> AuditEvent:
    """A search that showed eight documents."""
    return AuditEvent(
        AuditKind.SEARCHED,
        tenant_id,
        Who(UUID(int=1), "김민준", "user", UUID(int=2)),
        datetime.now(UTC),
        Origin("10.1.2.3", "native", "Portal/1.0", "req_0123456789abcdef"),
        Whose((UUID(int=9),), _DOCUMENTS),
        "POST /api/v1/search",
        detail={"status": 200, "question_characters": 24},
    )


def measure(database: Database, callers: int, events: int, *, alone: bool = False) -> tuple[float, float, float]:
    """Events a second, and how long a caller waits (median and 95th percentile, ms)."""
    trail, tenant_id, waits = AuditTrail(database, _KEY), uuid4(), list[float]()
    one_at_a_time = threading.Lock()

    def one(_: int) -> None:
        begin = time.perf_counter()
        if alone:
            with one_at_a_time:
                trail.record(an_event(tenant_id))
        else:
            trail.record(an_event(tenant_id))
        waits.append((time.perf_counter() - begin) * 1000)

    begin = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(one, range(events)))
    took = time.perf_counter() - begin
    with database.snapshot() as session:
        found = verify(session, tenant_id, key=_KEY)
    if not found.whole or found.entries != events:
        raise AssertionError(found)
    return events / took, statistics.median(waits), statistics.quantiles(waits, n=20)[18]


def beside(database: Database, seconds: float) -> None:
    """Print how long a caller waits while four others hold the store for 2 to 40 ms at a time, as an ingestion does."""
    schema.upgrade(database)
    trail, stop, waits = AuditTrail(database, _KEY), threading.Event(), list[float]()

    def work(seed: int) -> int:
        held, count = random.Random(seed), 0
        while not stop.is_set():
            with database.write() as session:
                ensure_tenant(session, f"t-{seed}-{count}")
                time.sleep(held.uniform(0.002, 0.04))
            count += 1
            time.sleep(0.002)
        return count

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(work, seed) for seed in range(4)]
        tenant_id, end = uuid4(), time.perf_counter() + seconds
        while time.perf_counter() < end:
            begin = time.perf_counter()
            trail.record(an_event(tenant_id))
            waits.append((time.perf_counter() - begin) * 1000)
            time.sleep(0.01)
        stop.set()
        written = sum(item.result() for item in others)
    high = statistics.quantiles(waits, n=20)[18]
    print(
        f"{len(waits)} events beside {written} transactions: p50 {statistics.median(waits):.0f}, p95 {high:.0f}, ",
        end="",
    )
    print(f"max {max(waits):.0f} ms")


def run(database: Database, events: int) -> None:
    """Print a table, and how fast a chain is verified."""
    schema.upgrade(database)
    print(f"{'callers':>8} {'events/s':>10} {'p50 ms':>8} {'p95 ms':>8}")
    for callers, alone in ((1, False), (16, True), (16, False), (64, False)):
        rate, median, high = measure(database, callers, events, alone=alone)
        label = f"{callers}{' alone' if alone else ''}"
        print(f"{label:>8} {rate:>10.0f} {median:>8.2f} {high:>8.2f}")
    tenant_id = uuid4()
    trail = AuditTrail(database, _KEY)
    for _ in range(10):
        trail.record(*(an_event(tenant_id) for _ in range(events // 10)))
    begin = time.perf_counter()
    with database.snapshot() as session:
        found = verify(session, tenant_id, key=_KEY)
    print(f"verified {found.entries / (time.perf_counter() - begin):.0f} entries/s, whole: {found.whole}")


def main() -> None:
    """Run on one store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", help="URL of an empty database; SQLite when left out")
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--beside", action="store_true", help="beside writers of something else, for ten seconds")
    arguments = parser.parse_args()
    measured = partial(beside, seconds=10.0) if arguments.beside else partial(run, events=arguments.events)
    if arguments.postgres:
        database = Database(arguments.postgres)
        measured(database)
        database.close()
        return
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'seogo.sqlite'}")
        measured(database)
        database.close()


if __name__ == "__main__":
    main()
