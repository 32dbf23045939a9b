"""SIGKILL while many documents are deleted: nothing of them is left, nothing else is lost, and every receipt is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.pipeline.fault_points import DELETION_POINTS, FAULT_POINTS
from tests.e2e.deletion_kills import CHANGED, DOCUMENTS, KEPT, POINTS
from tests.e2e.lives import told_by

SCRIPT = "tests.e2e.deletion_kills"


def killed_and_recovered(folder: Path, points: list[str]) -> None:
    reports = told_by(SCRIPT, folder, *points)
    assert [report["point"] for report in reports if report["killed"]] == points
    turns = range(len(points) + 1)
    assert [report["gone"] for report in reports] == [DOCUMENTS * turn for turn in turns]
    assert [report["versions"] for report in reports] == [(DOCUMENTS + CHANGED) * turn for turn in turns]
    assert {report["kept"] for report in reports} == {len(KEPT)}


@pytest.mark.timeout(300)
def test_a_deletion_of_many_that_is_killed_in_the_middle_is_finished_by_the_next_process(tmp_path: Path) -> None:
    killed_and_recovered(tmp_path, ["collection.batch_committed:2", "purge.blob_removed:3"])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(6))
def test_a_deletion_of_many_that_is_killed_at_any_point_is_finished(tmp_path: Path, part: int) -> None:
    killed_and_recovered(tmp_path, POINTS[part::6])


def test_every_point_says_what_is_done_and_what_is_not() -> None:
    assert not DELETION_POINTS.keys() & FAULT_POINTS.keys()
    assert all(text.strip() for text in DELETION_POINTS.values())
