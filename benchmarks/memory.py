"""Memory of the embedded service over many documents: does it stay flat?

    python -m benchmarks.memory [--documents N]

Uploads small distinct documents through the API of one process that also ingests, asks a question now and then, and samples the
resident memory of the process and of its parser children's parent. Prints the series and the growth per 1,000 documents after the
first fifth, where caches and pools have filled. What has to grow is the embedded index: a process of its own, with as many points
of one document each and nothing else, is measured in the same run. Bar: at most twice what the index alone takes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import numpy as np
from rich.console import Console

from api.cli.connection import connect
from api.cli.ingesting import ingest_files
from api.cli.options import Options
from rag.domain.vectors import SparseVector
from rag.index.base import IndexPoint, IndexSchema
from rag.index.edge import open_edge

BAR = 2.0
"""Growth of the service as a multiple of the index's own."""
_ROUND = 500
_TERMS = 25
"""Terms of one of the documents that `write` makes."""


def resident_mb() -> tuple[float, float]:
    """Megabytes of this process, which serves and ingests, and of its children, which parse."""
    own = Path("/proc/self")
    children = [pid for task in own.glob("task/*/children") for pid in task.read_text().split()]
    return _resident(own), sum(_resident(Path("/proc") / pid) for pid in children)


def _resident(process: Path) -> float:
    return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def write(folder: Path, start: int, count: int) -> list[tuple[Path, str]]:
    """`count` short documents, each with words of its own."""
    files = []
    for number in range(start, start + count):
        path = folder / f"{number:06}.md"
        path.write_text(f"# Notice {number}\n\nCounter {number % 97} closes at {number % 24}:00 on day {number}.\n")
        files.append((path, path.name))
    return files


def index_alone(points: int) -> float:
    """Megabytes per 1,000 points that an index grows in this process, after the first fifth."""
    rng = np.random.default_rng(3)
    tenant, collection = uuid4(), uuid4()
    sizes: list[float] = []
    with tempfile.TemporaryDirectory(prefix="seogo-memory-") as folder:
        index = open_edge(Path(folder), IndexSchema("memory", 384))
        for start in range(0, points, _ROUND):
            for number in range(start, min(start + _ROUND, points)):
                terms = (*range(_TERMS - 1), 10_000 + number)
                vector = rng.standard_normal(384).astype(np.float32)
                sparse = SparseVector(terms, (1.0,) * len(terms))
                labels = ("media:text/markdown", "uploaded:2026", "uploaded:2026-01")
                identity = (uuid4(), tenant, collection, uuid4(), uuid4())
                index.upsert([IndexPoint(*identity, sparse, vector / np.linalg.norm(vector), labels)])
            sizes.append(resident_mb()[0])
        index.close()
    first = len(sizes) // 5
    return (sizes[-1] - sizes[first]) / max(1e-9, (len(sizes) - 1 - first) * _ROUND / 1000)


def measured_apart(points: int) -> float:
    """`index_alone` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", "--index-alone", "--documents", str(points)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Ingest in rounds and print the series."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--index-alone", action="store_true", help="print what the index alone grows, and nothing else")
    arguments = parser.parse_args()
    if arguments.index_alone:
        print(index_alone(arguments.documents))
        return 0
    index = measured_apart(arguments.documents)
    series: list[tuple[int, float, float]] = []
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seogo-memory-")))
        client = stack.enter_context(connect(Options(data_dir=place / "data")))
        for start in range(0, arguments.documents, _ROUND):
            files = write(place, start, min(_ROUND, arguments.documents - start))
            ingest_files(client, files, "notices", "documents", Console(quiet=True))
            client.post("/api/v1/answers", json={"question": f"When does counter {start % 97} close?"})
            for path, _ in files:
                path.unlink()
            series.append((start + len(files), *resident_mb()))
            done, service, parsers = series[-1]
            print(f"  {done:6} documents   service {service:7.1f} MB   parsers {parsers:6.1f} MB", flush=True)
    return report(series, index)


def report(series: list[tuple[int, float, float]], index: float) -> int:
    """Growth after the first fifth, beside the index's own."""
    first, last = series[len(series) // 5], series[-1]
    thousands = max(1e-9, (last[0] - first[0]) / 1000)
    service, parsers = (last[1] - first[1]) / thousands, (last[2] - first[2]) / thousands
    print(
        f"growth per 1,000 documents: service {service:+.2f} MB, parsers {parsers:+.2f} MB; the index alone {index:+.2f} MB"
    )
    reached = service <= BAR * index and parsers <= 1.0
    print(f"  bar: service <= {BAR:g} x the index, parsers <= 1 MB: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
