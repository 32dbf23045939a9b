"""Who may read what, by random people's random questions against an oracle: how many forbidden chunks are seen anywhere.

    python -m benchmarks.access_differential [--pairs N] [--worlds N] [--seed N]

Each world has two tenants with three collections, 60 documents (attachments among them), ten people and five groups in groups
each, and rules at every level that change while it is asked; of the points, half follow. What is looked at: hits of the index
before the re-check, texts given to the reranker, passages given to the generator, citations, the answer's record, corrections of
spelling and counts. Exit code 1 when anything forbidden was seen anywhere. Some 15 to 25 ms of CPU for each pair: 100,000 take
about half an hour.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.access_world import Findings, World
from tests.support.stores import migrated


def main() -> int:
    """Print how many pairs were compared and what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--worlds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    began, total = time.monotonic(), Findings()
    for number in range(wanted.worlds):
        with tempfile.TemporaryDirectory() as folder:
            database = migrated(f"sqlite:///{Path(folder) / 'seogo.sqlite'}")
            world = World(database, wanted.seed + number)
            _add(total, world.run(wanted.pairs // wanted.worlds, changes_every=10, answers_every=20))
            database.close()
        seen = ", ".join(f"{place} {count}" for place, count in total.seen.items())
        said = f"{total.pairs} pairs, {total.answers} answers, {total.changes} changes, {total.cited} passages shown"
        print(f"{said}; forbidden: {seen}  ({time.monotonic() - began:.0f} s)", flush=True)
    return 1 if total.forbidden else 0


def _add(total: Findings, found: Findings) -> None:
    for name in ("pairs", "answers", "changes", "readable", "cited"):
        setattr(total, name, getattr(total, name) + getattr(found, name))
    for place, count in found.seen.items():
        total.seen[place] += count


if __name__ == "__main__":
    sys.exit(main())
