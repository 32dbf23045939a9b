"""SIGKILL while an embedding space is built: the next process goes on, and both indexes equal the record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ingest.pipeline.fault_points import FAULT_POINTS, MIGRATION_POINTS

ROOT = Path(__file__).parents[2]


def lives(folder: Path, *points: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-W", "error", "-m", "tests.e2e.migration_kills", str(folder), *points]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    for report in reports:
        assert "error" not in report, report["error"]
    return reports


@pytest.mark.timeout(300)
def test_a_killed_build_goes_on(tmp_path: Path) -> None:
    [killed, last] = lives(tmp_path, "migrate.upserted")
    assert (killed["killed"], last["killed"], last["resumed"]) == (True, False, True)
    assert last["chunks"] >= 70


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_build_killed_at_any_point_goes_on(tmp_path: Path) -> None:
    reports = lives(tmp_path)
    assert {report["point"] for report in reports if report["killed"]} == set(MIGRATION_POINTS)
    assert not reports[-1]["killed"]
    cut_off = [one["point"] for one, following in pairwise(reports) if following["resumed"]]
    assert set(cut_off) == set(MIGRATION_POINTS) - {"migrate.ready"}


def test_the_points_are_their_own() -> None:
    assert not MIGRATION_POINTS.keys() & FAULT_POINTS.keys()
    assert all(text.strip() for text in MIGRATION_POINTS.values())
