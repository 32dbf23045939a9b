"""What refuses a request says why in Korean, too: `detail` never goes without `detail_ko`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

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
