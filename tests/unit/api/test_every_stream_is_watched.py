"""No response of the API is sent in pieces past the watch that ends it when its reader may not see more."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import api

ROOT = Path(api.__path__[0])
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
IN_PIECES = {"StreamingResponse", "FileResponse", "EventSourceResponse"}
WATCHED = {("streaming.py", "EventStream"), ("download.py", "FileStream")}
LET_PASS = {
    ("openapi.py", "PublicPieces"): "the description of the API, which anybody may read",
    (
        "mcp/door.py",
        "_Conversation",
    ): "a message that reads something is a request of this application, which is watched itself",
}


def name_of(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def made(tree: ast.AST) -> Iterator[str]:
    """Responses in pieces that are made without a class of ours, or under another name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            given = (node.func, *node.args) if name_of(node.func) != "Depends" else (node.func,)
            yield from (f"line {node.lineno}" for item in given if name_of(item) in IN_PIECES)
        if isinstance(node, ast.ImportFrom):
            yield from (f"line {node.lineno}" for item in node.names if item.name in IN_PIECES and item.asname)


def own(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Classes of responses that send themselves, and whether all that they send goes through the watch."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            bases = {name_of(item) for item in node.bases}
            sends = [item for item in node.body if isinstance(item, ast.AsyncFunctionDef) and item.name == "__call__"]
            if bases & IN_PIECES or (sends and any(item.endswith("Response") for item in bases)):
                yield node.name, any(goes_through_the_watch(item) for item in sends)


def goes_through_the_watch(call: ast.AsyncFunctionDef) -> bool:
    """Whether `send` itself is given to `watched` and to nothing else."""
    inside = [item for node in ast.walk(call) if isinstance(node, ast.AsyncWith) for item in node.items]
    uses = [node for node in ast.walk(call) if isinstance(node, ast.Name) and node.id == "send"]
    return len(uses) == 1 and any(
        isinstance(item.context_expr, ast.Call)
        and name_of(item.context_expr.func) == "watched"
        and uses[0] in item.context_expr.args
        for item in inside
    )


def test_every_response_in_pieces_is_watched() -> None:
    trees = {path: ast.parse(source) for path, source in SOURCES.items()}
    assert {path: found for path, tree in trees.items() if (found := list(made(tree)))} == {}
    sending = {(path, name): watched for path, tree in trees.items() for name, watched in own(tree)}
    assert {place for place, watched in sending.items() if watched} == WATCHED
    assert {place for place, watched in sending.items() if not watched} == set(LET_PASS)


HEAD = "from starlette.responses import StreamingResponse\n"


@pytest.mark.parametrize(
    "source",
    [
        HEAD + "def f(): return StreamingResponse(parts())",
        "from starlette import responses\ndef f(): return responses.StreamingResponse(parts())",
        HEAD + "def f(): return partial(StreamingResponse, parts())",
        "from starlette.responses import FileResponse as F\ndef f(): return F('x')",
    ],
)
def test_the_scan_finds_a_response_that_nobody_watches(source: str) -> None:
    assert list(made(ast.parse(source)))


@pytest.mark.parametrize(
    ("body", "watched"),
    [
        ("async with watched(scope, send, None) as sent:\n      await super().__call__(scope, receive, sent)", True),
        ("async with watched(scope, send, None) as sent:\n      await super().__call__(scope, receive, send)", False),
        ("await super().__call__(scope, receive, send)", False),
    ],
)
def test_the_scan_tells_a_class_that_is_watched(body: str, watched: bool) -> None:
    source = f"class A(StreamingResponse):\n  async def __call__(self, scope, receive, send):\n    {body}"
    assert list(own(ast.parse(source))) == [("A", watched)]
    assert list(own(ast.parse("class A(StreamingResponse):\n  pass"))) == [("A", False)]
