"""Commands about rights, keys at rest, directories and evidence speak the language of the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.texts import text
from rag.access.federation_directory import Outcome


def said(language: str, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words), env={"SEOGO_LANG": language, "COLUMNS": "200"})
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("words", "korean", "english"),
    [
        (("access", "show"), "하나를 지정하세요", "is needed"),
        (("access", "set", "-d", "x", "--filter", "{}"), "함께 쓰세요", "goes with --collection"),
        (("access", "set", "-c", "x", "--filter", "{"), "JSON이 아닙니다", "not JSON"),
        (("ldap", "sync"), "디렉터리가 없습니다", "no such directory"),
        (("keys-at-rest", "rotate"), "key_files에 키가 없습니다", "names no key"),
    ],
)
def test_refusals(tmp_path: Path, words: tuple[str, ...], korean: str, english: str) -> None:
    for language, expected in (("ko", korean), ("en", english)):
        code, output = said(language, "--data-dir", str(tmp_path), *words)
        assert code != 0 and expected in output, output


def test_a_directory_is_not_taken_over_by_a_server() -> None:
    code, output = said("ko", "--server", "http://127.0.0.1:9", "--key", "x", "ldap", "sync")
    assert code == 2 and "--server를 빼세요" in output


def test_the_state_of_encryption(tmp_path: Path) -> None:
    code, output = said("ko", "--data-dir", str(tmp_path), "keys-at-rest", "status")
    assert code == 0
    assert [line.split("  ")[0] for line in output.splitlines()] == [
        "쓰는 키",
        "암호화됨",
        "암호화 안 됨",
        "원본 없는 데이터 키",
    ]


def test_every_count_of_a_directory_has_a_name() -> None:
    assert all(text(f"ldap_{name}") for name in Outcome().to_json())


def test_only_making_something_makes_a_tenant(tmp_path: Path) -> None:
    base = ("--data-dir", str(tmp_path))
    assert said("ko", *base, "accounts", "create", "김민지", "--tenant", "은행")[0] == 0
    for words in (
        ("accounts", "list"),
        ("groups", "list"),
        ("grants", "add", "everyone", "viewer"),
        ("accounts", "show", "김민지"),
        ("groups", "members", "인사"),
    ):
        for _ in range(2):  # the first try made none either
            code, output = said("ko", *base, *words, "--tenant", "은헹")
            assert code == 1 and "은헹" in output, output
    assert "김민지" in said("ko", *base, "accounts", "list", "--tenant", "은행")[1]
    assert said("ko", *base, "groups", "create", "인사", "--tenant", "새 은행")[0] == 0
    assert "인사" in said("ko", *base, "groups", "list", "--tenant", "새 은행")[1]
