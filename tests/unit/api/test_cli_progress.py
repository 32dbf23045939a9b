"""How far ingestion is, as the command line says it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from api.cli.ingesting import stage_of
from api.cli.looks import pause_after
from api.cli.queueing import bar_of, described


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


def test_what_is_in_work_and_how_long_it_takes_is_seen_in_80_columns() -> None:
    found = {"queued": 99990, "active": 12345, "failed": 12, "quarantined": 3, "paused": False, "eta_s": 5400.0}
    found |= {"stages": {"embed": 1, "parse": 12}, "pages_read": 11234, "pages": 94000}
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    bar = bar_of(console)
    bar.add_task(described(found), completed=12360, total=112363)
    console.print(bar.get_renderable())
    [line] = [line for line in console.file.getvalue().splitlines() if "parse" in line]  # type: ignore[attr-defined]
    assert all(part in line for part in ("embed 1", "parse 12 (", "11234/94000", "5400")), line


def test_counters_of_nothing_are_left_out() -> None:
    found = {"queued": 0, "active": 2, "failed": 0, "quarantined": 0, "paused": False, "eta_s": None}
    found |= {"stages": {}, "pages_read": 0, "pages": 0}
    assert described(found).count("0") == 1, "nothing waits, which is what one wants to know"
    assert described(found | {"failed": 7, "quarantined": 8}).endswith("8")


def test_a_service_that_takes_long_to_say_is_asked_less_often_but_not_for_ever() -> None:
    assert pause_after(0.001, 1.0) == 0.25
    assert 0.5 < pause_after(0.1, 1.0) < 1.0
    assert pause_after(60.0, 60.0) == 5.0


def test_who_has_waited_long_is_told_a_little_later_and_its_bar_still_moves() -> None:
    assert pause_after(0.001, 10.0) == 0.25
    assert pause_after(0.001, 60.0) == 1.0
    assert pause_after(0.001, 3600.0) == 2.0
