"""SIGKILL while a program is written: the next process goes on, and the program is there once and whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.pipeline.fault_points import FAULT_POINTS, PROGRAM_POINTS
from tests.e2e.lives import told_by

SCRIPT = "tests.e2e.program_kills"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_program_killed_at_any_point_is_written_once(tmp_path: Path) -> None:
    reports = told_by(SCRIPT, tmp_path)
    assert [report["point"] for report in reports if report["killed"]] == sorted(PROGRAM_POINTS)
    assert [report["programs"] for report in reports] == list(range(len(PROGRAM_POINTS) + 1))


def test_every_point_says_what_is_done_and_what_is_not() -> None:
    assert not PROGRAM_POINTS.keys() & FAULT_POINTS.keys()
    assert all(text.strip() for text in PROGRAM_POINTS.values())
