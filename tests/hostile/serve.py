"""A real service fed with the corpus, in a process of its own: what becomes of each file, of memory, of files and packets.

    python -m tests.hostile.serve CORPUS DATA REPORT [FAMILY …]

Run it in a network namespace of its own, with `TMPDIR` and `HOME` in folders that stay empty. The corpus was made by another
process, so that what is measured here is what serving takes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from ingest.jobs.heap import resident_bytes
from rag.store.chunk import ChunkRow
from tests.hostile.contents import CANARY
from tests.support.running import SAMPLES, Caller, Running, running, settings_for

PARSING = {"parse_cpu_s": 10, "parse_wall_s": 25, "child_documents": 200}
"""Seconds; a service has more patience, a test has not."""

_FILE_S = 120.0
_WARM_UP_S = 300.0
"""A first use loads models and libraries, on a machine that may have more to do."""
_SETTLED = ("active", "failed", "quarantined")


def resident_mb() -> float:
    """Megabytes of this process, after what it no longer needs went back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return _resident_mb()


def _resident_mb() -> float:
    """Of what no file stands behind: pages of libraries and of the index's files are the system's to drop (`RssAnon`)."""
    return resident_bytes() / 2**20


def index_mb(data: Path) -> float:
    """Megabytes that the index of a service that has ended takes, in a process of its own, beside what that needs anyway."""
    command = [sys.executable, "-m", "tests.hostile.index_alone", str(data)]
    grown = [
        float(subprocess.run([*command, *dry], check=True, capture_output=True, text=True).stdout)
        for dry in ([], ["--dry"])
    ]
    return grown[0] - grown[1]


def packets(process: int | str = "self") -> int:
    """Packets received and sent on all interfaces of a process's network namespace, loopback included."""
    total = 0
    for line in Path(f"/proc/{process}/net/dev").read_text().splitlines()[2:]:
        numbers = line.split(":")[1].split()
        total += int(numbers[1]) + int(numbers[9])
    return total


def outcome_of(caller: Caller, collection: str, name: str, data: bytes) -> dict[str, Any]:
    """Upload one file and wait for its end: `{"state", "code", "message"}`; `refused` at the door is an end too."""
    response = caller.upload(collection, {name: data})
    if response.status_code != 202:
        body = response.json()
        return {
            "state": "refused",
            "code": body.get("code"),
            "message": body.get("title"),
            "status": response.status_code,
        }
    [item] = response.json()["documents"]
    if item["document_id"] is None:
        return {"state": "refused", **{key: item["failure"].get(key) for key in ("code", "message")}, "status": 202}
    [document] = caller.wait([item["document_id"]], _FILE_S)
    version = document["version"]
    failure = version.get("failure") or {}
    return {"state": version["state"], "code": failure.get("code"), "message": failure.get("message")}


def chunks_with_canary(service: Running) -> int:
    """Chunks that hold what only a file outside of the corpus says."""
    with service.services.rag.database.read() as session:
        query = select(func.count()).select_from(ChunkRow).where(ChunkRow.text.contains(CANARY))
        return int(session.scalar(query) or 0)


def warm_up(caller: Caller) -> None:
    """Load what is loaded at the first use: parsers, analysers, pools."""
    collection = caller.collection()
    samples = {path.name: path.read_bytes() for path in sorted(SAMPLES.iterdir()) if path.is_file()}
    samples["a.html"] = b"<p>a</p>"
    samples["a.csv"] = b"a,b\n1,2\n"
    for _ in range(2):
        caller.ingest(collection, samples, _WARM_UP_S)
        caller.search("연차휴가", collections=[collection])
        samples = {f"2-{name}": data + b"\n" for name, data in samples.items()}


def entries(corpus: Path, families: set[str]) -> Iterator[dict[str, str]]:
    """The index of the corpus, or some families of it."""
    with (corpus / "index.jsonl").open(encoding="utf-8") as index:
        for line in index:
            entry = json.loads(line)
            if not families or entry["family"] in families:
                yield entry


def main() -> int:
    """Feed the corpus and write the report."""
    corpus, data, report = (Path(argument) for argument in sys.argv[1:4])
    overrides = {"rag": {"embedding": {"dense": "none"}}, "ingest": PARSING}
    with running(settings_for(data, overrides)) as service:
        caller = service.caller()
        warm_up(caller)
        results: list[dict[str, Any]] = []
        zygote = service.services.ingest.pipeline.sandbox._zygote().pid
        before, sent = resident_mb(), packets() + packets(zygote)
        collection = caller.collection()
        for entry in entries(corpus, set(sys.argv[4:])):
            begin = time.monotonic()
            result = outcome_of(caller, collection, entry["name"], (corpus / entry["file"]).read_bytes())
            results.append(
                {**entry, **result, "seconds": round(time.monotonic() - begin, 2), "mb": round(_resident_mb())}
            )
        untrimmed = _resident_mb()
        zygote = service.services.ingest.pipeline.sandbox._zygote().pid
        [alive] = caller.ingest(collection, {"끝.md": "# 끝\n\n서비스는 여전히 한도 규정에 답합니다.\n"})
        summary = {
            "results": results,
            "growth_mb": resident_mb() - before,
            "growth_untrimmed_mb": untrimmed - before,
            "packets": packets() + packets(zygote) - sent,
            "canary": chunks_with_canary(service),
            "alive": alive["version"]["state"] == "active" and bool(caller.search("여전히 한도 규정에 답합니다")),
            "unsettled": [item["name"] for item in results if item["state"] not in (*_SETTLED, "refused")],
        }
    summary["index_mb"] = index_mb(data)
    report.write_text(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
