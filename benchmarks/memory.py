"""Memory of the embedded service over many documents: does it stay flat?

    python -m benchmarks.memory [--documents N]

Uploads small distinct documents through the API of one process that also ingests, asks a question now and then, and samples the
resident memory of the process and of its parser children's parent. Prints the series and the growth per 1,000 documents after the
first fifth, where caches and pools have filled. What has to grow is the index: vectors in memory and on disk. Bar: at most
8 MB per 1,000 documents, twice what 1,000 sparse and dense vectors and their index take.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from api.cli.connection import connect
from api.cli.ingesting import ingest_files
from api.cli.options import Options

BAR_MB = 8.0
_ROUND = 500


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


def main() -> int:
    """Ingest in rounds and print the series."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    arguments = parser.parse_args()
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
    return report(series)


def report(series: list[tuple[int, float, float]]) -> int:
    """Growth after the first fifth."""
    first, last = series[len(series) // 5], series[-1]
    thousands = max(1e-9, (last[0] - first[0]) / 1000)
    service, parsers = (last[1] - first[1]) / thousands, (last[2] - first[2]) / thousands
    print(f"growth per 1,000 documents: service {service:+.2f} MB, parsers {parsers:+.2f} MB")
    reached = service <= BAR_MB and parsers <= 1.0
    print(f"  bar: service <= {BAR_MB} MB, parsers <= 1 MB: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
