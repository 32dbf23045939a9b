"""Retention rules as the command line takes them."""

from __future__ import annotations

from typing import Any

import pytest

from api.cli.commands import retention_rules
from api.cli.connection import CommandFailed

NOW: dict[str, Any] = {"retired_days": 30, "retired_versions": None, "document_days": None, "dated_days": 5}


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        (["retired_versions=1"], NOW | {"retired_versions": 1}),
        (["retired_versions=1", " document_days = 9 "], NOW | {"retired_versions": 1, "document_days": 9}),
        (["retired_versions=1,document_days=9"], NOW | {"retired_versions": 1, "document_days": 9}),
        (["retired_days="], NOW | {"retired_days": None}),
        (['{"retired_days": 90}'], {"retired_days": 90}),
        (["{}"], {}),
    ],
)
def test_pairs_change_rules_and_json_replaces_them(given: list[str], rules: dict[str, Any]) -> None:
    assert retention_rules(given, lambda: NOW) == rules


@pytest.mark.parametrize(
    "given", ["retired_versions", "versions=1", "retired_days=-1", "retired_days=x", "[1]", "{", ""]
)
def test_what_is_neither_is_told_with_an_example(given: str) -> None:
    with pytest.raises(CommandFailed) as told:
        retention_rules([given], lambda: NOW)
    assert "--set retired_versions=1" in str(told.value) and '{"retired_versions": 1}' in str(told.value)
    assert "Expecting" not in str(told.value)
