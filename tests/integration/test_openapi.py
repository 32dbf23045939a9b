"""The committed OpenAPI document is what the application serves."""

from __future__ import annotations

import json
from pathlib import Path

from api.export import document

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def test_the_committed_document_is_current() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == document(), "run `make openapi` and commit the result"


def test_every_operation_says_what_it_returns_on_errors() -> None:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), (method, path)
            if path.startswith("/api/v1") and "health" not in path:
                assert {"401", "403"} <= operation["responses"].keys(), (method, path)
