"""What the doctor says about git and OpenSSH."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from api.cli.doctor_git import git_lines
from rag.mirrors import git


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """The language in which the tests read the lines, whatever the locale."""
    monkeypatch.setenv("SEOGO_LANG", "en")


def test_what_is_there_is_named() -> None:
    found = list(git_lines(lambda: (2, 39, 5), lambda name: f"/usr/bin/{name}"))
    assert found == [("git", "ok", "2.39.5", ""), ("ssh", "ok", "/usr/bin/ssh", "")]


@pytest.mark.parametrize("version", [None, (2, 31, 9)])
def test_what_is_missing_or_old_comes_with_advice(version: tuple[int, ...] | None) -> None:
    for _, status, _, advice in git_lines(lambda: version, lambda name: None):
        assert status == "warning" and "install" in advice


def test_the_version_is_that_of_the_installed_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    found = git.version()
    assert found is not None and ".".join(map(str, found)) in said
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.version() is None
