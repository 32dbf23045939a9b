"""A service that is killed at one point of its work after another: each life a forked process on what the one before left.

A script calls `tell` with its life; its test reads what was told with `told_by`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ingest.pipeline import fault_points

ROOT = Path(__file__).parents[2]
Life = Callable[[Path, int, str], None]
"""Folder, number of the life from 0, and the point at which it ends; empty for one that may live."""


def kill_at(point: str) -> None:
    """This process dies when it comes to `point`; never, where that is empty. `point:3` is the third time that it comes there."""
    wanted, _, turn = point.partition(":")
    seen = 0
    guard = threading.Lock()

    def kill(name: str, subject: str) -> None:
        nonlocal seen
        with guard:
            seen += name == wanted
        if name == wanted and seen >= int(turn or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    fault_points.install(kill if point else None)


def note(folder: Path, turn: int, report: dict[str, Any]) -> None:
    """What a life has seen before it is killed."""
    (folder / f"life-{turn}").write_text(json.dumps(report))


def tell(live: Life, folder: Path, points: Iterable[str]) -> None:
    """A life for each point and one that is not killed; prints a JSON line for each."""
    for turn, point in enumerate([*points, ""]):
        sys.stdout.write(json.dumps(_fork(live, folder, turn, point), ensure_ascii=False) + "\n")
        sys.stdout.flush()


def told_by(module: str, folder: Path, *points: str) -> list[dict[str, Any]]:
    """What the script `module` says of its lives, none of which may have failed."""
    command = [sys.executable, "-W", "error", "-m", module, str(folder), *points]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    for report in reports:
        assert "error" not in report, report["error"]
    return reports


def _fork(live: Life, folder: Path, turn: int, point: str) -> dict[str, Any]:
    """A life in a process of its own; says how it ended."""
    child = os.fork()
    if child == 0:
        status = 0
        try:
            live(folder, turn, point)
        except BaseException:
            (folder / f"error-{turn}").write_text(traceback.format_exc())
            status = 1
        os._exit(status)
    _, status = os.waitpid(child, 0)
    report: dict[str, Any] = {"point": point, "killed": os.WIFSIGNALED(status)}
    for name in (f"life-{turn}", f"error-{turn}"):
        if (folder / name).exists():
            text = (folder / name).read_text()
            report |= json.loads(text) if name.startswith("life") else {"error": text[-3000:]}
    return report
