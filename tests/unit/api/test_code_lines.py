"""What `seogo code search|symbols|uses|repos` say where there is nothing to show, and how they end."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli import code_search
from api.cli.main import app
from api.cli.repositories import listed

NOTHING: dict[str, Any] = {"matches": [], "definitions": [], "uses": [], "callees": [], "partial": False, "more": False}
DEFINITION: dict[str, Any] = {
    "symbol": {"kind": "function", "path": "charge", "signature": "def charge()"},
    "spot": {"place": "payments/a.py:1@abc"},
}


def said(monkeypatch: pytest.MonkeyPatch, language: str, found: dict[str, Any], *words: str) -> Result:
    monkeypatch.setattr(code_search, "_got", lambda *_: found)
    monkeypatch.setattr(code_search, "_posted", lambda *_, **__: found)
    return CliRunner().invoke(app, ["code", *words], env={"SEOGO_LANG": language})


@pytest.mark.parametrize("command", ["search", "symbols", "uses"])
@pytest.mark.parametrize(("language", "sentence"), [("ko", "찾은 것이 없습니다"), ("en", "Nothing was found")])
def test_that_nothing_was_found_is_said(
    command: str, language: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = said(monkeypatch, language, NOTHING, command, "nope")
    assert done.exit_code == 1 and sentence in done.stderr and not done.stdout


def test_what_is_defined_and_used_nowhere_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    done = said(monkeypatch, "en", NOTHING | {"definitions": [DEFINITION]}, "uses", "charge", "--of", "tests")
    assert done.exit_code == 1 and "payments/a.py:1@abc" in done.stdout
    assert "It is defined, but no tests of it were found" in done.stderr
    korean = said(monkeypatch, "ko", NOTHING | {"definitions": [DEFINITION]}, "uses", "charge", "--of", "callers")
    assert "정의는 있지만 호출하는 곳이 없습니다" in korean.stderr
    as_json = said(monkeypatch, "en", NOTHING, "uses", "charge", "--json")
    assert as_json.exit_code == 1 and not as_json.stderr


def test_the_reason_of_a_failure_stands_below_the_table_in_one_piece(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("SEOGO_LANG", "en")
    message = (
        "The repository core could not be read: it is a shallow clone, whose history is cut off: give the whole one"
    )
    row = {"name": "core", "collection": "backend", "ref": "", "state": "failed", "commit": "a" * 40, "files": 0}
    fine = row | {"name": "web", "state": "ready", "failure": None, "note": None}
    listed([row | {"failure": {"message": message, "code": "repository_not_read"}, "note": None}, fine])
    printed = capsys.readouterr().out
    assert f"core: {message} (repository_not_read)" in " ".join(printed.split("\n"))
    assert printed.count("web") == 1 and len(printed.splitlines()) <= 9, printed
