"""Who may read what, by random people's random questions against an oracle: how many forbidden chunks are seen anywhere.

    python -m benchmarks.access_differential [--pairs N] [--worlds N] [--seed N] [--index memory|edge] [--answers-every N]

Each world has two tenants with three collections, 60 documents (attachments among them), ten people and services, two keys, a
page's token and five groups in groups each, and rules at every level that change while it is asked; of the points, half follow.
What is looked at: hits of the index before the re-check, texts given to the reranker, passages given to the generator,
citations, the answer's record, what the product's loggers say, corrections of spelling, what is remembered for them, previews,
lists and counts. Every second pair gets an answer. Exit code 1 when anything forbidden was seen anywhere.
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
    parser.add_argument("--index", choices=("memory", "edge"), default="memory")
    parser.add_argument("--answers-every", type=int, default=2, metavar="PAIRS")
    wanted = parser.parse_args()
    began, total = time.monotonic(), Findings()
    for number in range(wanted.worlds):
        with tempfile.TemporaryDirectory() as folder:
            database = migrated(f"sqlite:///{Path(folder) / 'seogo.sqlite'}")
            place = Path(folder) / "index" if wanted.index == "edge" else None
            world = World(database, wanted.seed + number, place)
            pairs = wanted.pairs // wanted.worlds
            _add(total, world.run(pairs, changes_every=10, answers_every=wanted.answers_every))
            world.index.close()
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
