"""Where the terminal speaks Korean, help and usage errors do; the table and the command tree fit each other."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import typer.testing
from rich.cells import cell_len
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from api.cli.korean import code_help, content_help, operation_help
from api.cli.korean.speech import HELP
from api.cli.main import app

_CODE = re.compile(
    r"`[^`]+`|(?<!\w)--?[a-z][\w-]*|\b[A-Z][A-Z0-9_]+\b|\b\w+_\w+\b|\{[^}]*\}|[\w.@]+[=:/*][\w.*/=:]+|\d[\d.]*\b",
    re.ASCII,
)
"""What a user types or looks up: code, options, PLACEHOLDERS, names_with_lines, JSON, name=value, numbers."""


def commands(
    command: TyperCommand | TyperGroup, *path: str
) -> Iterator[tuple[tuple[str, ...], TyperCommand | TyperGroup]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, *path, name)


def test_keeping_in_step_has_one_word() -> None:
    told = [korean for english, korean in HELP.items() if re.search(r"(?i)\b(keep|kept)\b.* in step", english)]
    assert len(told) == 4 and not [korean for korean in told if "동기화" not in korean]


def tree() -> TyperGroup:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return root


def english() -> set[str]:
    """Every help string of the command tree, as the code has it."""
    found: set[str] = set()
    for _, command in commands(tree()):
        assert command.short_help is None and command.epilog is None, "these aren't translated"
        found.update(text for text in (command.help, *(getattr(it, "help", None) for it in command.params)) if text)
    return found


def said(*words: str, language: str = "ko", columns: int = 200) -> str:
    return CliRunner().invoke(app, list(words), env={"SEOGO_LANG": language, "COLUMNS": str(columns)}).output


def test_every_string_has_a_korean_one_and_no_korean_one_is_left_over() -> None:
    assert len(english()) > 300
    assert not english() - set(HELP)
    assert not set(HELP) - english()
    parts = (content_help.HELP, code_help.HELP, operation_help.HELP)
    assert sum(len(part) for part in parts) == len(HELP), "a string stands in two tables"


def test_nothing_that_is_typed_is_lost_in_the_korean() -> None:
    lost = {text: [code for code in _CODE.findall(text) if code not in korean] for text, korean in HELP.items()}
    assert not {text: codes for text, codes in lost.items() if codes}


def test_every_korean_string_is_korean_and_paragraphs_stay() -> None:
    assert not [text for text, korean in HELP.items() if not re.search("[가-힣]", korean)]
    assert {text.count("\n\n") == korean.count("\n\n") for text, korean in HELP.items()} == {True}


def test_no_page_of_help_has_english_in_it_or_loses_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    # One tree for all pages: `invoke` builds it anew for each, which takes longer than the pages do.
    monkeypatch.setattr(typer.testing, "_get_command", functools.cache(typer.testing._get_command))
    for path, command in commands(tree()):
        page = said(*path, "--help", columns=100)
        letters = "".join(page.replace("│", "").split())
        assert "사용법: " in page and "이도움말을보여주고끝냅니다." in letters, path
        for word in (
            "Usage:",
            "Options",
            "Commands",
            "Arguments",
            "[required]",
            "[default",
            "[env var",
            "Show this",
            "Error",
        ):
            assert word not in page, (path, word)
        assert "".join((HELP[command.help or ""]).split()) in letters, path
        assert all(cell_len(line) <= 100 for line in page.splitlines())


def test_english_stays_english_in_the_same_process() -> None:
    before = said("serve", "--help", language="en")
    assert "사용법" in said("serve", "--help")
    assert "오류" in said("nosuch")
    assert said("serve", "--help", language="en") == before
    assert "Usage:" in before and "─ Options ─" in before


@pytest.mark.parametrize(
    ("words", "korean"),
    [
        (("nosuch",), "'nosuch' 명령은 없습니다."),
        (("serv",), "'serv' 명령은 없습니다. 비슷한 명령: 'serve', 'search'"),
        (("serve", "--prt", "3"), "--prt 옵션은 없습니다. 비슷한 옵션: --port"),
        (("search", "a", "--kind"), "--kind 옵션은 없습니다."),
        (("serve", "--port", "x"), "'--port'의 값이 올바르지 않습니다: 정수를 적으세요."),
        (("serve", "--port", "70000"), "65535 이하여야 합니다."),
        (("sync", "a", "-c", "x", "--interval", "y"), "수를 적으세요."),
        (("sync", "a", "-c", "x", "--interval", "0"), "0.1 이상이어야 합니다."),
        (("sync",), "인자 'location'이(가) 없습니다."),
        (("sync", "a"), "옵션 '--collection' / '-c'이(가) 필요합니다."),
        (("sync", "a", "-c"), "옵션 '-c'에는 값이 필요합니다."),
        (("serve", "--init=3"), "옵션 '--init'에는 값을 줄 수 없습니다."),
        (("ingest", "a", "-c", "x", "--kind", "foo"), "'foo'은(는) 쓸 수 없습니다. 가능한 값: 'documents', 'code'"),
        (("sync", "a", "b", "-c", "x"), "쓰이지 않는 인자가 있습니다: b"),
        (("access", "show"), "값이 올바르지 않습니다: --document와 --collection 중 하나를 지정하세요."),
        (("sizing", "--chunks", "0"), "--chunks의 값이 올바르지 않습니다: '0'은(는) 1부터 1e12까지의 정수가 아닙니다."),
        (("code", "map", "--budget", "x"), "x은(는) 토큰 수가 아닙니다. 예: 4000, 100k"),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else "",
)
def test_usage_errors(words: tuple[str, ...], korean: str) -> None:
    done = CliRunner().invoke(app, list(words), env={"SEOGO_LANG": "ko", "COLUMNS": "200"})
    assert done.exit_code == 2
    assert korean in done.output, done.output
    assert "Usage" not in done.output and "Error" not in done.output
    assert CliRunner().invoke(app, list(words), env={"SEOGO_LANG": "en"}).exit_code == 2


@pytest.mark.parametrize("words", [(), ("keys",)], ids=["root", "group"])
def test_a_group_without_a_command_shows_its_help_alone(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, list(words), env={"SEOGO_LANG": "ko"})
    assert done.exit_code == 2 and "─ 명령 ─" in done.output and "오류" not in done.output


@pytest.mark.parametrize(("language", "loaded"), [("ko", True), ("en", False)])
def test_help_loads_nothing_heavy_and_korean_only_where_it_is_spoken(language: str, loaded: bool) -> None:
    code = (
        "import sys; sys.argv=['seogo','--help']\ntry:\n import api.cli.main as m; m.run()\nexcept SystemExit: pass\n"
        "print([n for n in ('torch','fastapi','sqlalchemy','pydantic','qdrant_edge','httpx') if n in sys.modules],"
        " 'api.cli.korean' in sys.modules)"
    )
    environment = {**os.environ, "SEOGO_LANG": language}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"[] {loaded}"


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("command", ["run", "answers"])
def test_questions_that_are_not_there_are_said(tmp_path: Path, command: str, language: str) -> None:
    words = ("--data-dir", str(tmp_path), "eval", command, str(tmp_path / "none.csv"))
    done = CliRunner().invoke(app, list(words), env={"SEOGO_LANG": language, "COLUMNS": "200"})
    assert done.exit_code == 1 and not isinstance(done.exception, KeyError)
    assert {"ko": "그런 파일이나 폴더가 없습니다", "en": "no such file or folder"}[language] in done.output
