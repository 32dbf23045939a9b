"""Lists of keys, accounts, groups and roles: heads in the language of the terminal, whole ids, JSON for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app

HANGUL = re.compile("[가-힣]")
BASE = ("accounts", "groups", "grants", "keys")


def said(language: str, folder: Path, *words: str, columns: int = 80) -> str:
    environment = {"SEOGO_LANG": language, "COLUMNS": str(columns)}
    done = CliRunner().invoke(app, ["--data-dir", str(folder), *words], env=environment)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one of each, whose names are long. All that is done here is reading it."""
    folder = tmp_path_factory.mktemp("office")
    said("ko", folder, "accounts", "create", "kim.minji@bank.example")
    said("ko", folder, "groups", "create", "staff-of-the-head-office")
    said("ko", folder, "grants", "add", "user:kim.minji@bank.example", "viewer")
    words = ("keys", "create", "portal-of-the-head-office", "--days", "90", "--owner", "kim.minji@bank.example")
    said("ko", folder, *words)
    said("ko", folder, "keys", "create", "old")
    prefix = re.findall(r"sgk_\w+", said("en", folder, "keys", "list", columns=300))[-1]
    said("ko", folder, "keys", "revoke", prefix)
    return folder


@pytest.mark.parametrize("noun", BASE)
def test_heads_are_in_the_language_of_the_terminal(office: Path, noun: str) -> None:
    for language in ("ko", "en"):
        [head] = [
            line for line in said(language, office, noun, "list", columns=300).splitlines() if line.startswith("┃")
        ]
        cells = [cell.strip() for cell in head.strip("┃").split("┃")]
        assert all(bool(HANGUL.search(cell)) is (language == "ko") for cell in cells if cell != "id"), cells


def test_keys_as_json(office: Path) -> None:
    keys = json.loads(said("ko", office, "keys", "list", "--json"))["keys"]
    assert [item["name"] for item in keys] == ["portal-of-the-head-office", "old"]
    assert [item["revoked_at"] is None for item in keys] == [True, False]
    assert not any("secret" in name or "hash" in name for item in keys for name in item)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_keys_at_80_columns(office: Path, language: str) -> None:
    keys = json.loads(said(language, office, "keys", "list", "--json"))["keys"]
    shown = said(language, office, "keys", "list")
    for item in keys:
        assert item["prefix"] in shown
        assert item["scopes"][0] in shown
    # An instant stays in one piece, since that is what is read; a name may be folded.
    assert keys[0]["expires_at"][:16].replace("T", " ") in shown
    assert keys[1]["revoked_at"][:16].replace("T", " ") in shown


@pytest.mark.parametrize("noun", ["accounts", "groups", "grants"])
def test_ids_are_whole_at_80_columns(office: Path, noun: str) -> None:
    for item in json.loads(said("ko", office, noun, "list", "--json")):
        assert item["id"] in said("ko", office, noun, "list")
