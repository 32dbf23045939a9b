from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
READS_RAW = {
    "read_permitted": {"rag/access/personal_data/reading.py"},
    "neighbours": {"rag/access/personal_data/reading.py"},
    "of_version": {"rag/access/personal_data/reading.py", "ingest/pipeline/privacy.py"},
}
"""Functions of `rag.store.chunk` that give texts as they are, and who may call them."""


def calls(path: Path) -> set[str]:
    """What a module calls of `rag.store.chunk`, under whatever name it imports that."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    direct: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "rag.store":
            names |= {item.asname or item.name for item in node.names if item.name == "chunk"}
        if isinstance(node, ast.ImportFrom) and node.module == "rag.store.chunk":
            direct |= {item.name for item in node.names}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
    }
    return used | direct


def test_texts_are_read_for_a_reader_in_one_place_alone() -> None:
    found: dict[str, set[str]] = {name: set() for name in READS_RAW}
    for package in ("rag", "ingest", "api"):
        for path in (ROOT / package).rglob("*.py"):
            for name in calls(path) & set(READS_RAW):
                found[name].add(path.relative_to(ROOT).as_posix())
    assert found == READS_RAW


def test_nobody_selects_the_texts_by_another_way() -> None:
    users = set()
    for package in ("rag", "ingest", "api"):
        for path in (ROOT / package).rglob("*.py"):
            if "ChunkRow" in path.read_text(encoding="utf-8"):
                users.add(path.relative_to(ROOT).as_posix())
    assert {"rag/store/chunk.py", "rag/store/tables.py"} <= users
    assert {user for user in users if "ChunkRow.text" in (ROOT / user).read_text(encoding="utf-8")} == set(), users
