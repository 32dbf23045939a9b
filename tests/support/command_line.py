"""The command line in the process of the tests: what starts an interpreter takes seconds more and shows nothing else.

For what a command says and does. That a process of its own comes up, waits, is killed or is alone is told in `tests/e2e`.
"""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

from typer.testing import CliRunner

from api.cli.main import app


def seogo(
    data: Path, *arguments: str, language: str = "en", columns: int = 160, check: bool = True
) -> CompletedProcess[str]:
    """Run a command on a data folder.

    Raises:
        AssertionError: it failed though it was to be checked.
    """
    environment = {"SEOGO_LANG": language, "COLUMNS": str(columns)}
    found = CliRunner().invoke(app, ["--data-dir", str(data), *arguments], env=environment)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    done = CompletedProcess(list(arguments), found.exit_code, found.stdout, found.stderr)
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done
