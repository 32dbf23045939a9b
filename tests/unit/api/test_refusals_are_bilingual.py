"""What refuses a request says why in Korean, too: `detail` never goes without `detail_ko`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from api.errors import install
from api.hardening.json_shape import check_shape
from rag.domain.errors import InvalidRequest

_REFUSALS = {"InvalidRequest", "UnsupportedRequest", "PatternRefused"}
_ROOT = Path(__file__).parents[3]


def _one_sided(file: Path) -> Iterator[str]:
    """Where a refusal with a detail has it in English alone. A detail that is handed over as `**…` has both."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = {word.arg for word in node.keywords}
        if name in _REFUSALS and "detail" in given and "detail_ko" not in given:
            yield f"{file.relative_to(_ROOT)}:{node.lineno} {ast.unparse(node)}"


@pytest.mark.parametrize("package", ["api", "ingest", "rag"])
def test_no_refusal_of_a_request_is_english_alone(package: str) -> None:
    files = sorted((_ROOT / package).rglob("*.py"))
    assert len(files) > 50
    assert not [place for file in files for place in _one_sided(file)]


def test_a_refusal_in_english_alone_is_found(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "raise InvalidRequest(detail='a')\nraise e.InvalidRequest(detail='a', detail_ko='가')\n", encoding="utf-8"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "_ROOT", tmp_path)
        assert [place.partition(" ")[0] for place in _one_sided(file)] == ["x.py:1"]


@pytest.mark.parametrize(
    ("body", "korean", "english"),
    [
        (b"[" * 9 + b"]" * 9, "JSON이 3단계보다 깊습니다", "JSON nested deeper than 3 levels"),
        (b"[" + b"1," * 30 + b"1]", "JSON에 든 값이 20개를 넘습니다", "JSON with more than 20 values"),
    ],
    ids=["deep", "wide"],
)
def test_what_the_framework_wraps_is_told_as_it_was(body: bytes, korean: str, english: str) -> None:
    app = FastAPI()
    install(app)

    @app.post("/x")
    async def read(given: Request) -> None:
        try:  # as FastAPI does with whatever reading a body raises
            check_shape(await given.body(), depth=3, members=20)
        except InvalidRequest as error:
            raise HTTPException(400, "There was an error parsing the body") from error

    client = TestClient(app)
    for language, expected in (("ko", korean), ("en", english)):
        answer = client.post("/x", content=body, headers={"Accept-Language": language})
        assert answer.status_code == 422 and answer.json()["code"] == "invalid_request"
        assert expected in answer.json()["title"]
