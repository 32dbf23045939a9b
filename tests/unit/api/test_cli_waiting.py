"""A terminal shows what was found to who waits for a model."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pytest
from rich.console import Console

from api.cli.commands import print_answer
from api.cli.connection import CommandFailed

FOUND = {"passages": [{"place": "rules.md:4"}]}
MORE = {"passages": [{"place": "rules.md:4"}, {"place": "travel.md:9"}]}
WAITING = {"code": "engine_slow", "message": "Still waiting."}
SENTENCE = {"rendered": "It is 15 days.", "citations": []}
DONE = {"status": "answered", "abstention": None}
ERROR = {"title": "Too late", "code": "model_timeout"}


def shown(*events: tuple[str, dict[str, Any]], fails: bool = False) -> str:
    """What `seogo ask` writes for such a stream."""
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=text))
    console = Console(file=io.StringIO(), width=200)
    with httpx.Client(transport=transport, base_url="http://seogo") as client:
        if fails:
            with pytest.raises(CommandFailed):
                print_answer(client, "How many days?", None, console)
        else:
            assert print_answer(client, "How many days?", None, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_was_found_is_shown_as_soon_as_a_model_is_slow() -> None:
    text = shown(("passages", FOUND), ("waiting", WAITING), ("sentence", SENTENCE), ("done", DONE))
    assert text.index("Still waiting.") < text.index("rules.md:4") < text.index("It is 15 days.")


def test_who_need_not_wait_is_shown_the_answer_alone() -> None:
    assert "rules.md:4" not in shown(("passages", FOUND), ("sentence", SENTENCE), ("done", DONE))


def test_what_was_shown_while_waiting_is_not_shown_again_with_an_error() -> None:
    assert shown(("passages", FOUND), ("waiting", WAITING), ("error", ERROR), fails=True).count("rules.md:4") == 1


def test_what_was_found_since_is_shown_with_an_error() -> None:
    text = shown(("passages", FOUND), ("waiting", WAITING), ("passages", MORE), ("error", ERROR), fails=True)
    assert text.count("rules.md:4") == text.count("travel.md:9") == 1
