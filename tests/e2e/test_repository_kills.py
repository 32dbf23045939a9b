"""SIGKILL while a repository is kept in step: the next process goes on, and the index equals the commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.pipeline.fault_points import FAULT_POINTS, REPOSITORY_POINTS
from tests.e2e.lives import told_by

SCRIPT = "tests.e2e.repository_kills"


@pytest.mark.timeout(300)
def test_a_killed_look_is_finished_by_the_next_process(tmp_path: Path) -> None:
    [killed, last] = told_by(SCRIPT, tmp_path, "repository.taken")
    assert (killed["killed"], last["killed"], killed["files"], last["files"]) == (True, False, 2, 2)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(3))
def test_a_look_killed_at_any_point_leaves_the_tree_of_the_commit(tmp_path: Path, part: int) -> None:
    points = sorted(REPOSITORY_POINTS)[part::3]
    reports = told_by(SCRIPT, tmp_path, *points)
    assert [report["point"] for report in reports if report["killed"]] == points
    assert {report["files"] for report in reports} == {2}


def test_every_point_says_what_is_done_and_what_is_not() -> None:
    assert not REPOSITORY_POINTS.keys() & FAULT_POINTS.keys()
    assert all(text.strip() for text in REPOSITORY_POINTS.values())
