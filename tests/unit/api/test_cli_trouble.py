"""What stands in the way of a command is told in a sentence, in the language of the terminal, and never by a stack trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.connection import failure_text
from api.cli.main import app


def said(language: str, *words: str, **environment: str) -> tuple[int, str]:
    """Exit code and all that a command writes; what it does not catch fails the test."""
    done = CliRunner().invoke(app, list(words), env={"SEOGO_LANG": language, "COLUMNS": "200", **environment})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("error", "said_of_it"),
    [
        (OSError("no disk is left"), "no disk is left"),
        (FileNotFoundError(2, "No such file", "a.txt"), "a.txt: No such file"),
    ],
)
def test_what_the_system_says_is_passed_on(error: OSError, said_of_it: str) -> None:
    assert failure_text(error).endswith(f": {said_of_it}")


def _file(tmp_path: Path) -> Path:
    file = tmp_path / "a-file"
    file.write_text("no folder")
    return file


def _below_a_file(tmp_path: Path) -> Path:
    return _file(tmp_path) / "data"


def _no_database(tmp_path: Path) -> Path:
    (tmp_path / "seogo.sqlite").write_bytes(b"not a database, but a text" * 100)
    return tmp_path


@pytest.mark.parametrize(
    "command", ["doctor --json", "keys list", "ask x", "serve --init --port 0", "db upgrade", "db current"]
)
@pytest.mark.parametrize(
    ("spoiled", "korean", "english"),
    [
        (_file, "쓸 수 없습니다", "can't be written to"),
        (_below_a_file, "쓸 수 없습니다", "can't be written to"),
        (_no_database, "손상되었거나", "is damaged, or is no database"),
    ],
    ids=["file", "below-a-file", "no-database"],
)
def test_a_data_folder_that_can_not_be_used(
    tmp_path: Path, command: str, spoiled: object, korean: str, english: str
) -> None:
    assert callable(spoiled)
    folder = spoiled(tmp_path)
    for language, expected in (("ko", korean), ("en", english)):
        code, output = said(language, "--data-dir", str(folder), *command.split())
        assert code == 1 and expected in " ".join(output.split()), output
