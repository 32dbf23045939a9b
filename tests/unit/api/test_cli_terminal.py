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
from api.cli.terminal import heard, shown

LITERAL = "[link=https://evil.example]click[/link] [/red]"
NAME = f"a\x1b]0;title\x07\x9b31m\u202e\u200b{LITERAL}"
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
_CHANGES = {
    "repository": NAME,
    "before": {"name": NAME, "commit": "1" * 40},
    "after": {"name": "v2", "commit": "2" * 40},
    "commits": [{"commit": "2" * 40, "message": NAME, "author": NAME}],
    "files": [{"before": "", "path": NAME, "added": 1, "removed": 0, "patch": f"@@ -1 +1 @@\n+{NAME}\n", "cut": False}],
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
_PASSAGE = {"rank": 1, "score": 1.0, "text": NAME, "filename": NAME, "title": NAME, "place": NAME, "position": NAME}
ANSWERS: dict[str, Any] = {
    "/api/v1/collections": {"collections": [{"id": ID, "name": NAME, "kind": "documents", "documents": 1}]},
    "/api/v1/collections/c/documents": {
        "documents": [{"id": ID, "source_key": NAME, "version": _VERSION}],
        "next_cursor": None,
    },
    "/api/v1/repositories": {"repositories": [_REPOSITORY]},
    f"/api/v1/repositories/{ID}/changes": _CHANGES,
    "/api/v1/generations": {"generations": [_GENERATION]},
    "/api/v1/admin/spaces": {"spaces": [_SPACE]},
    "/api/v1/feedback": _FEEDBACK,
    "/api/v1/search": {"passages": [_PASSAGE], "notes": []},
    "/api/v1/documents/x": None,
}


class _Service(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = ANSWERS.get(self.path.partition("?")[0])
        body = json.dumps(found if found is not None else {"title": NAME, "code": "refused"}, ensure_ascii=False)
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = do_DELETE = _answer

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
    ],
)
def test_names_and_words_of_others_are_only_shown(command: str, tmp_path: Path) -> None:
    with service() as address:
        environment = {"COLUMNS": "500", "SEOGO_LANG": "en", "TERM": "xterm"}
        words = ["--data-dir", str(tmp_path), "--server", address, "--key", "sgk_x", *command.split()]
        done = CliRunner().invoke(app, words, env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u200b"} & set(done.output)
    assert SEEN in done.output, done.output


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
    assert shown(3) == "3" and shown("[bold]") == r"\[bold]"
