"""Which messages of `/mcp` are counted by the route that they lead to, and which at the door."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.mcp.door import is_sent_on

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "휴가"}}}
READ = {"jsonrpc": "2.0", "id": "a", "method": "resources/read", "params": {"uri": "repo://pay/src/login.py"}}


def test_a_call_and_a_reading_are_counted_by_their_route() -> None:
    for message in (CALL, READ, {**CALL, "params": {"name": "list_knowledge_bases"}}):
        assert is_sent_on(json.dumps(message).encode())


@pytest.mark.parametrize(
    "message",
    [
        {**CALL, "method": "tools/list"},
        {**CALL, "params": {"name": "없는 도구", "arguments": {}}},
        {**CALL, "params": {"name": ["search"]}},
        {**CALL, "params": {"name": "search", "arguments": [1]}},
        {**CALL, "params": ["search"]},
        {name: value for name, value in CALL.items() if name != "id"},
        {**READ, "params": {"uri": "file:///etc/passwd"}},
        {**READ, "params": {"uri": {"repo://": 1}}},
        {**READ, "params": None},
        [CALL, CALL],
        "tools/call",
    ],
)
def test_what_leads_to_no_route_is_counted_at_the_door(message: Any) -> None:
    assert not is_sent_on(json.dumps(message).encode())


def test_what_is_no_message_is_counted_at_the_door() -> None:
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"method": "tools/call", "method": "tools/list", "id": 1}'):
        assert not is_sent_on(body)
