"""SIGKILL at every fault point of ingestion: nothing lost, doubled, stuck or orphaned. See `kill_points.py`."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ingest.pipeline import fault_points
from ingest.pipeline.fault_points import FAULT_POINTS

ROOT = Path(__file__).parents[2]
SAMPLE = ("upload.received", "dispatch.committed", "parse.blob_written", "index.upserted", "activate.row_committed")


def lives(folder: Path, seed: int, *points: str) -> list[dict[str, Any]]:
    """What each life said; every one must have come to the end that it was meant to have."""
    command = [sys.executable, "-W", "error", "-m", "tests.e2e.kill_points", str(folder), str(seed), *points]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-4000:]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    for report in reports:
        assert "error" not in report, report["error"]
    return reports


def killed(reports: list[dict[str, Any]]) -> set[str]:
    return {report["point"] for report in reports if report["killed"]}


def test_a_killed_service_resumes(tmp_path: Path) -> None:
    reports = lives(tmp_path, 1, *SAMPLE)
    assert reports[0]["unreached"] == []  # the workload reaches every point there is
    assert killed(reports) == set(SAMPLE)
    assert reports[-1]["chunks"] >= 4 * len(SAMPLE)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("third", [0, 1, 2])
def test_a_service_killed_at_any_point_resumes(tmp_path: Path, third: int) -> None:
    points = sorted(FAULT_POINTS)[third::3]
    seed = random.SystemRandom().randrange(1 << 30)
    sys.stdout.write(f"seed {seed}\n")  # shown when the test fails
    assert killed(lives(tmp_path, seed, *points)) == set(points)


def test_there_are_enough_points_and_each_is_explained() -> None:
    assert len(FAULT_POINTS) >= 40
    assert all(text.strip() for text in FAULT_POINTS.values())


def test_a_service_has_no_hook() -> None:
    assert fault_points._hook is None
    fault_points.reached("no such point")  # and looks at nothing
