"""SIGKILL while a program is written: the next process goes on, and the program is there once and whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ingest.pipeline.fault_points import FAULT_POINTS, PROGRAM_POINTS

ROOT = Path(__file__).parents[2]


def lives(folder: Path, *points: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-W", "error", "-m", "tests.e2e.program_kills", str(folder), *points]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    for report in reports:
        assert "error" not in report, report["error"]
    return reports


@pytest.mark.timeout(300)
def test_a_killed_program_is_written_by_the_next_process(tmp_path: Path) -> None:
    [killed, last] = lives(tmp_path, "program.write.streaming")
    assert (killed["killed"], last["killed"], last["programs"]) == (True, False, 1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_program_killed_at_any_point_is_written_once(tmp_path: Path) -> None:
    reports = lives(tmp_path)
    assert [report["point"] for report in reports if report["killed"]] == sorted(PROGRAM_POINTS)
    assert [report["programs"] for report in reports] == list(range(len(PROGRAM_POINTS) + 1))


def test_every_point_says_what_is_done_and_what_is_not() -> None:
    assert not PROGRAM_POINTS.keys() & FAULT_POINTS.keys()
    assert all(text.strip() for text in PROGRAM_POINTS.values())
