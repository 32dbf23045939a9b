"""How far ingestion is, as the command line says it."""

from __future__ import annotations

from typing import Any

import pytest

from api.cli.ingesting import stage_of
from api.cli.looks import pause_after
from api.cli.queueing import described


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        ({"stage": "parse", "done": 12, "total": 340}, "parse 12/340"),
        ({"stage": "chunk", "done": 0, "total": 340}, "chunk"),
        (None, ""),
    ],
    ids=["pages", "begun", "ended"],
)
def test_a_file_is_at_a_page(progress: dict[str, Any] | None, shown: str) -> None:
    assert stage_of({"progress": progress}) == shown


def test_all_files_are_at_a_page() -> None:
    counts = {"queued": 1, "active": 2, "failed": 0, "quarantined": 0, "paused": False, "eta_s": None}
    found = {**counts, "stages": {"parse": 2, "embed": 1}, "pages_read": 11, "pages": 940}
    assert "embed 1 · parse 2 (" in described(found) and "11/940)" in described(found)
    assert " parse 2 ·" in described(found | {"pages_read": 0, "pages": 0})


def test_a_service_that_takes_long_to_say_is_asked_less_often_but_not_for_ever() -> None:
    assert pause_after(0.001, 1.0) == 0.25
    assert 0.5 < pause_after(0.1, 1.0) < 1.0
    assert pause_after(60.0, 60.0) == 5.0


def test_who_has_waited_long_is_told_a_little_later_and_its_bar_still_moves() -> None:
    assert pause_after(0.001, 10.0) == 0.25
    assert pause_after(0.001, 60.0) == 1.0
    assert pause_after(0.001, 3600.0) == 2.0
