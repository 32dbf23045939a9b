"""What the commands for repositories print, in words."""

from __future__ import annotations

from typing import Any

import pytest

from api.cli.repositories import _show


def repository(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": "payments", "ref": "", "commit": "a" * 40, "state": "filling"}
    found |= {"files": 931, "vectors_pending": 930}
    return found | {"failure": None, "note": None} | changes


@pytest.mark.parametrize(("language", "said"), [("ko", "검색할 수 있습니다"), ("en", "Searchable")])
def test_what_waits_for_vectors_is_searchable_and_that_is_said(
    language: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEOGO_LANG", language)
    _show(repository(), False)
    first, second = capsys.readouterr().out.splitlines()
    assert "931" in first and said in second and "930" in second
    _show(repository(state="ready", vectors_pending=0), False)
    assert said not in capsys.readouterr().out
