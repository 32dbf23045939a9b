"""SIGKILL while an embedding space is built: the next process goes on, and both indexes equal the record."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from ingest.pipeline.fault_points import FAULT_POINTS, MIGRATION_POINTS
from tests.e2e.lives import told_by

SCRIPT = "tests.e2e.migration_kills"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_build_killed_at_any_point_goes_on(tmp_path: Path) -> None:
    reports = told_by(SCRIPT, tmp_path)
    assert {report["point"] for report in reports if report["killed"]} == set(MIGRATION_POINTS)
    assert not reports[-1]["killed"] and reports[-1]["chunks"] >= 70
    cut_off = [one["point"] for one, following in pairwise(reports) if following["resumed"]]
    assert set(cut_off) == set(MIGRATION_POINTS) - {"migrate.ready"}


def test_the_points_are_their_own() -> None:
    assert not MIGRATION_POINTS.keys() & FAULT_POINTS.keys()
    assert all(text.strip() for text in MIGRATION_POINTS.values())
