"""What others wrote does not steer the terminal that it is shown on: no escapes, no turned text, no markup of Rich."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.terminal import heard, one_line, shown

LITERAL = "[link=https://evil.example]click[/link] [/red]"
FORGED = "+ 2026-11-28 forged"
"""A line of a list, as `seogo feedback list` prints one."""
NAME = f"a\x1b]0;title\x07\x9b31m\u202e\u200b{LITERAL}\r\x1b[2Kb\x85{FORGED}\u2028c\r\n{FORGED}\n{FORGED}"
SEEN = f"a]0;title31m{LITERAL}"
ID = str(UUID(int=7))

_VERSION = {
    "state": "failed",
    "chunks": 0,
    "progress": None,
    "failure": {"message": f"cannot read {NAME}", "code": "parse_failed"},
}
_REPOSITORY = {
    "id": ID,
    "name": NAME,
    "collection": "c",
    "ref": NAME,
    "state": "idle",
    "commit": "0" * 40,
    "files": 1,
    "failure": {"message": NAME, "code": "x"},
    "note": None,
}
_GENERATION = {"id": ID, "title": NAME, "state": "done", "model": NAME, "written_tokens": 1}
_SPACE = {
    "id": ID,
    "comparison": None,
    "state": "failed",
    "forced": False,
    "error": NAME,
    "done": 0,
    "total": 0,
    "name": NAME,
}
_CODE = NAME.partition("\r")[0]
"""A line of code, which has no ends of lines in it."""
_CHANGES = {
    "repository": NAME,
    "before": {"name": NAME, "commit": "1" * 40},
    "after": {"name": "v2", "commit": "2" * 40},
    "commits": [{"commit": "2" * 40, "message": NAME, "author": NAME}],
    "files": [
        {"before": "", "path": NAME, "added": 1, "removed": 0, "patch": f"@@ -1 +1 @@\n+{_CODE}\n", "cut": False}
    ],
    "more_files": False,
    "more_commits": False,
}
_FEEDBACK = {
    "feedback": [
        {
            "feedback": {"rating": "down", "changed_at": "2026-11-29T00:00:00Z", "reason": None, "comment": NAME},
            "answer": {"question": NAME, "id": ID, "citations": []},
        }
    ],
    "next_cursor": None,
}
_PACK = {
    "text": "가\u200b나\n",
    "files": [],
    "left_out": [],
    "not_looked_at": 0,
    "tokens": 1,
    "budget": 1,
}
_PASSAGE = {"rank": 1, "score": 1.0, "text": NAME, "filename": NAME, "title": NAME, "place": NAME, "position": NAME}
_SPOT = {"place": NAME, "before": [NAME], "text": NAME, "after": []}
_DEFINITION = {"spot": _SPOT, "symbol": {"kind": "class", "path": NAME, "signature": NAME}}
_USE = {"spot": _SPOT, "sure": "sure", "enclosing": NAME}
_REPLAY = {
    "answer": {"asked_at": "2026-11-29T00:00:00Z", "asked_by_name": NAME, "question": NAME},
    "then": [],
    "identical": True,
    "differences": [],
}
ANSWERS: dict[str, Any] = {
    "/api/v1/collections": {"collections": [{"id": ID, "name": NAME, "kind": "documents", "documents": 1}]},
    "/api/v1/collections/c/documents": {
        "documents": [{"id": ID, "source_key": NAME, "version": _VERSION}],
        "next_cursor": None,
    },
    "/api/v1/repositories": {"repositories": [_REPOSITORY]},
    f"/api/v1/repositories/{ID}": _REPOSITORY | {"vectors_pending": 0},
    f"/api/v1/repositories/{ID}/files": {"files": [{"path": NAME, "message": NAME}], "next_cursor": None},
    f"/api/v1/repositories/{ID}/changes": _CHANGES,
    "/api/v1/code/search": {"matches": [{"spot": _SPOT, "symbol": NAME}], "partial": False, "more": False},
    "/api/v1/code/symbols": {"definitions": [_DEFINITION]},
    "/api/v1/code/references": {"definitions": [_DEFINITION], "uses": [_USE], "callees": [], "more": False},
    f"/api/v1/answers/{ID}/replay": _REPLAY,
    "/api/v1/collections/c": {"privacy": {"kinds": {}, "patterns": [{"name": "own", "pattern": "가\u200b\r나"}]}},
    "/api/v1/collections/c/glossary": {"terms": [{"term": "가\u200b나", "expansions": ["다"], "note": ""}]},
    "/api/v1/code/map": {"text": "가\u200b나\n"},
    "/api/v1/code/pack": _PACK,
    "/api/v1/generations": {"generations": [_GENERATION]},
    "/api/v1/admin/spaces": {"spaces": [_SPACE]},
    "/api/v1/feedback": _FEEDBACK,
    "/api/v1/search": {"passages": [_PASSAGE], "notes": []},
    "/api/v1/documents/x": None,
}


SENT: list[bytes] = []
"""Bodies of the requests."""


class _Service(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        SENT.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        found = ANSWERS.get(self.path.partition("?")[0])
        body = json.dumps(found if found is not None else {"title": NAME, "code": "refused"}, ensure_ascii=False)
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "command",
    [
        "collections list",
        "documents list c",
        "documents show x",
        "code repos",
        f"code changes {ID} v1 v2",
        "code list",
        "index spaces",
        "feedback list --reason review",
        "search x",
        f"code repo {ID}",
        f"code files {ID}",
        f"code files {ID} --skipped",
        "code search x",
        "code symbols x",
        "code uses x",
        f"audit replay {ID}",
    ],
)
def test_names_and_words_of_others_are_only_shown(command: str, tmp_path: Path) -> None:
    with service() as address:
        environment = {"COLUMNS": "500", "SEOGO_LANG": "en", "TERM": "xterm"}
        words = ["--data-dir", str(tmp_path), "--server", address, "--key", "sgk_x", *command.split()]
        done = CliRunner().invoke(app, words, env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u200b", "\r", "\x85", "\u2028"} & set(done.output)
    assert SEEN in done.output, done.output
    assert not [line for line in done.output.splitlines() if line.startswith(FORGED)]


def test_names_in_the_store_are_no_markup(tmp_path: Path) -> None:
    def said(*words: str) -> str:
        done = CliRunner().invoke(
            app, ["--data-dir", str(tmp_path), *words], env={"COLUMNS": "500", "SEOGO_LANG": "en"}
        )
        assert done.exit_code == 0, done.output
        return done.output

    said("groups", "create", LITERAL)
    said("keys", "create", LITERAL)
    for noun in ("groups", "keys"):
        assert LITERAL in said(noun, "list")


def test_json_keeps_its_form() -> None:
    given = {"a\u200b": [1, True, None, 2.5, "가\u200b나\n다\t라", {"b": "\x1b[2J"}]}
    assert heard(given) == {"a\u200b": [1, True, None, 2.5, "가나\n다\t라", {"b": "[2J"}]}
    assert heard("가\r\n나\r다\x85라\u2028마\u2029") == "가\n나 다 라 마 "
    assert shown(3) == "3" and shown("[bold]") == r"\[bold]" and shown("가\r나") == "가 나"


def test_a_policy_is_changed_as_it_is_not_as_it_is_shown(tmp_path: Path) -> None:
    SENT.clear()
    with service() as address:
        words = ["--data-dir", str(tmp_path), "--server", address, "--key", "sgk_x", "collections", "privacy", "c"]
        done = CliRunner().invoke(app, [*words, "--default", "mask"])
    assert done.exit_code == 0, done.output
    assert json.loads(SENT[-1])["privacy"]["patterns"] == [{"name": "own", "pattern": "가\u200b\r나"}]


@pytest.mark.parametrize("terminal", [False, True], ids=["file", "terminal"])
@pytest.mark.parametrize(
    "command",
    ["collections privacy c", "glossary show c", "glossary show c --json", "code map", "code pack c --task x"],
)
def test_what_is_given_back_later_is_printed_as_it_is_but_on_a_terminal(
    command: str, terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.cli.terminal._is_terminal", lambda: terminal)
    with service() as address:
        words = ["--data-dir", str(tmp_path), "--server", address, "--key", "sgk_x", *command.split()]
        done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert ("\u200b" in done.stdout) is not terminal


def test_a_context_in_a_file_is_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "pack.txt"
    with service() as address:
        words = ["--data-dir", str(tmp_path), "--server", address, "--key", "sgk_x"]
        done = CliRunner().invoke(app, [*words, "code", "pack", "c", "--task", "x", "--output", str(out)])
    assert done.exit_code == 0 and out.read_text(encoding="utf-8") == _PACK["text"], done.output


def test_the_blanks_of_a_name_are_its_own() -> None:
    assert one_line("월간  보고서  (최종).pdf") == "월간  보고서  (최종).pdf"
    assert one_line("a\r\nb\x85c\u2028d") == "a b c d"
