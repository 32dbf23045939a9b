"""The kind of a collection on the command line: a wrong one is refused, and one that is not used is said."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support import command_line


def seogo(language: str, folder: Path, *words: str) -> CompletedProcess[str]:
    return command_line.seogo(folder / "data", *words, language=language, columns=200, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where there is a folder with a rule, and a collection of documents."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.md").write_text("# 출장\n\n운임은 실비로 지급한다.\n")
    for words in (("db", "upgrade"), ("collections", "create", "규정")):
        assert seogo("ko", tmp_path, *words).returncode == 0
    return tmp_path


@pytest.mark.parametrize("command", ["ingest", "sync"])
def test_the_kind_of_a_collection_that_exists(place: Path, command: str) -> None:
    words = (command, str(place / "rules"), "-c", "규정", "--json")
    refused = seogo("ko", place, *words, "--kind", "foo")
    assert refused.returncode == 2 and "'foo'" in refused.stderr and "'code'" in refused.stderr, refused.stderr
    for language, expected in (("ko", "종류는 documents입니다"), ("en", "is of the kind documents")):
        done = seogo(language, place, *words, "--kind", "code")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(expected) == 1 and "--kind code" in done.stderr, done.stderr
        json.loads(done.stdout)
    for same in ((), ("--kind", "documents")):
        done = seogo("ko", place, *words, *same)
        assert (done.returncode, "종류는" in done.stderr) == (0, False), done.stderr


def test_a_new_collection_is_of_the_kind_that_was_said(place: Path) -> None:
    done = seogo("ko", place, "ingest", str(place / "rules"), "-c", "코드", "--kind", "code")
    assert (done.returncode, "종류는" in done.stderr) == (0, False), done.stderr
    found = json.loads(seogo("ko", place, "collections", "list", "--json").stdout)["collections"]
    assert {item["name"]: item["kind"] for item in found} == {"규정": "documents", "코드": "code"}
