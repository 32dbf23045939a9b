"""What stands in the way of a command is told in a sentence, in the language of the terminal, and never by a stack trace."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from api.cli.addresses import at
from api.cli.connection import CommandFailed, failure_text
from api.cli.ingesting import find_files, ingest_files
from api.cli.main import app
from api.cli.serving import require_free


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


@pytest.mark.parametrize(
    ("words", "code", "korean", "english"),
    [
        (
            "--server http://127.0.0.1:1 --key k ask x",
            1,
            "연결할 수 없습니다: http://127.0.0.1:1",
            "reached: http://127.0.0.1:1",
        ),
        ("--server 127.0.0.1:8080 --key k ask x", 1, "http:// 또는 https://로 시작", "begins with http:// or https://"),
        ("--server ftp://x --key k ask x", 1, "http:// 또는 https://로 시작", "begins with http:// or https://"),
        ("--server http://127.0.0.1:1 ask x", 2, "키가 필요합니다", "needs a key"),
        ("--server http://127.0.0.1:1 --key k doctor", 2, "직접 다룹니다", "works on the local store"),
        ("--server http://127.0.0.1:1 --key k index verify", 2, "직접 다룹니다", "works on the local store"),
        ("--server http://127.0.0.1:1 --key k ingest /no/such -c c", 1, "파일이나 폴더가 없습니다", "no such file"),
        ("--server http://127.0.0.1:1 --key k search x --as-of 9999-12-31", 1, "YYYY-MM-DD", "YYYY-MM-DD"),
        ("--server http://127.0.0.1:1 --key k search x --as-of 0001-01-01T00:00", 1, "YYYY-MM-DD", "YYYY-MM-DD"),
    ],
)
def test_a_server_or_an_option_that_can_not_be_used(words: str, code: int, korean: str, english: str) -> None:
    for language, expected in (("ko", korean), ("en", english)):
        got, output = said(language, *words.split(), SEOGO_API_KEY="", TZ="Asia/Seoul")
        assert got == code and expected in output, output


@pytest.mark.parametrize("words", ["eval run --help", "eval --help", "doctor --help", "search --help"])
def test_help_is_shown_whatever_the_environment_says(words: str) -> None:
    """`SEOGO_SERVER` stands in a shell all day; help on what works on the store itself was refused there."""
    for language, heading in (("ko", "사용법"), ("en", "Usage")):
        code, output = said(language, *words.split(), SEOGO_SERVER="http://127.0.0.1:1", SEOGO_API_KEY="")
        assert code == 0 and heading in output, output


def test_a_key_file_on_the_command_line_goes_before_a_key_in_the_environment(tmp_path: Path) -> None:
    words = ("--server", "http://127.0.0.1:1", "--key-file", str(tmp_path / "no-key"), "ask", "x")
    code, output = said("en", *words, SEOGO_API_KEY="sgk_other")
    assert code == 1 and "no-key" in output, output
    code, output = said("en", *words[:2], "ask", "x", SEOGO_API_KEY="k", SEOGO_API_KEY_FILE=str(tmp_path / "no-key"))
    assert code == 1 and "no-key" not in output, output


def test_the_version() -> None:
    code, output = said("en", "--version")
    assert code == 0 and output.startswith("seogo ") and output.split()[1][0].isdigit(), output


def test_two_files_of_one_name_are_not_taken_for_two_versions_of_one(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "rules.md").write_text(folder)
    first, second = tmp_path / "a" / "rules.md", tmp_path / "b" / "rules.md"
    with pytest.raises(CommandFailed, match=r"rules\.md"):
        find_files([first, second])
    assert find_files([first, first]) == [(first, "rules.md")]
    assert [name for _, name in find_files([tmp_path / "a", tmp_path / "b"])] == ["a/rules.md", "b/rules.md"]


def test_a_name_never_leads_out_of_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "rules.md").write_text("x")
    monkeypatch.chdir(tmp_path / "inner")
    assert [name for _, name in find_files([Path("..")])] == [f"{tmp_path.name}/rules.md"]


def test_a_collection_is_asked_for_by_its_whole_name_and_a_file_that_can_not_be_read_fails_alone(
    tmp_path: Path,
) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        if request.method == "GET":
            return httpx.Response(200, json={})
        document = {"source_key": "good.md", "outcome": "created", "document_id": "d", "failure": None}
        if request.url.path.endswith("/status"):
            version = {"state": "active", "chunks": 1, "progress": None, "failure": None}
            return httpx.Response(200, json={"documents": [{"id": "d", "children": 0, "version": version}]})
        return httpx.Response(202, json={"documents": [document]})

    good = tmp_path / "good.md"
    good.write_text("x")
    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://seogo") as client:
        files = [(tmp_path / "gone.md", "gone.md"), (good, "good.md")]
        outcomes = ingest_files(client, files, "규정#1?", "documents", Console(quiet=True))
    assert {item.source_key: item.state for item in outcomes} == {"good.md": "active", "gone.md": "refused"}
    assert asked[:2] == [at("collections", "규정#1?"), at("collections", "규정#1?", "documents")]
    assert "%23" in asked[0] and "%3F" in asked[0]


def test_an_answer_that_is_no_json_is_told_by_its_status(tmp_path: Path) -> None:
    good = tmp_path / "good.md"
    good.write_text("x")
    proxy = httpx.MockTransport(lambda request: httpx.Response(200 if request.method == "GET" else 502, text="<html>"))
    with httpx.Client(transport=proxy, base_url="http://seogo") as client, pytest.raises(CommandFailed, match="502"):
        ingest_files(client, [(good, "good.md")], "c", "documents", Console(quiet=True))


def test_one_file_that_is_refused_beside_one_that_can_not_be_read_ends_nothing(tmp_path: Path) -> None:
    good, gone = tmp_path / "good.md", tmp_path / "gone.md"
    good.write_text("x")
    told = {"code": "payload_too_large", "title": "too large"}
    server = httpx.MockTransport(lambda asked: httpx.Response(200 if asked.method == "GET" else 413, json=told))
    with httpx.Client(transport=server, base_url="http://seogo") as client:
        files = [(gone, "gone.md"), (good, "good.md")]
        outcomes = ingest_files(client, files, "c", "documents", Console(quiet=True))
    assert {item.source_key: item.code for item in outcomes} == {
        "good.md": "payload_too_large",
        "gone.md": "not_readable",
    }


def test_a_file_that_vanishes_while_names_are_collected_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rules.md"
    file.write_text("x")
    stat, seen = Path.stat, []

    def vanishing(self: Path, **named: Any) -> Any:
        if self == file and seen:
            raise FileNotFoundError(2, "No such file or directory", str(file))
        if self == file:
            seen.append(self)
        return stat(self, **named)

    monkeypatch.setattr(Path, "stat", vanishing)
    assert find_files([file]) == [(file, "rules.md")]


def test_every_address_of_a_name_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One family that this machine does not have is passed over, as the server does; one that is taken is told."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = [
            (kind, socket.SOCK_STREAM, 0, "", ("127.0.0.1", at)) for kind, at in ((9999, 0), (socket.AF_INET, port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **named: found)
        with pytest.raises(CommandFailed):
            require_free("localhost", port)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **named: found[:1])
        require_free("localhost", port)


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["", "init"])
def test_an_address_that_is_taken_is_told_before_anything_is_made(tmp_path: Path, init: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for language, expected in (("ko", "서비스할 수 없습니다"), ("en", "can't be listened on")):
            code, output = said(language, "--data-dir", str(tmp_path / "data"), "serve", "--port", port, *init)
            assert code == 1 and expected in output and port in output, output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("host", "port", "code"), [("192.0.2.1", "0", 1), ("no such host", "0", 1), ("127.0.0.1", "99999", 2)]
)
def test_an_address_of_another_machine_is_told(tmp_path: Path, host: str, port: str, code: int) -> None:
    got, output = said("en", "--data-dir", str(tmp_path / "data"), "serve", "--host", host, "--port", port)
    assert got == code and "Serving" not in output, output
    assert not (tmp_path / "data").exists()
