from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import api
import ingest
import rag
from rag.domain.principal import Permit, Principal, Scope

ISSUER = "rag/access/policy.py"
HOME = "rag/domain/principal.py"
ROOT = Path(rag.__path__[0]).parent
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for package in (rag, ingest, api)
    for path in sorted(Path(package.__path__[0]).rglob("*.py"))
    if "samples" not in path.parts
}


def names_of_permit(tree: ast.AST) -> set[str]:
    """What a module calls `Permit`, aliases included."""
    imported = (alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names)
    return {"Permit"} | {alias.asname for alias in imported if alias.name == "Permit" and alias.asname}


def without_annotations(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs, annotations left out: they may name a Permit, they can't make one."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from without_annotations(child)


def uses_of_permit(source: str) -> list[str]:
    """Expressions in which a module touches the class itself: calling it, passing it on, or reading an attribute."""
    tree = ast.parse(source)
    names = names_of_permit(tree)
    found = [
        node
        for node in without_annotations(tree)
        if (isinstance(node, ast.Name) and node.id in names) or (isinstance(node, ast.Attribute) and node.attr in names)
    ]
    return [f"line {node.lineno}" for node in found]


def narrows(source: str) -> bool:
    """Whether a module knows Permit and copies dataclasses with changes, or goes around their constructors."""
    tree = ast.parse(source)
    knows = any(
        isinstance(node, ast.ImportFrom | ast.ClassDef)
        and "Permit" in ([alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else [node.name])
        for node in ast.walk(tree)
    )
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    around = {"replace", "dataclasses.replace", "copy.replace", "object.__new__", "object.__setattr__", "__replace__"}
    return knows and bool(calls & around)


def test_only_the_policy_makes_a_permit() -> None:
    assert [path for path, source in SOURCES.items() if uses_of_permit(source)] == [ISSUER]


def test_only_the_permit_itself_is_narrowed() -> None:
    assert [path for path, source in SOURCES.items() if narrows(source)] == [HOME]


@pytest.mark.parametrize(
    "source",
    [
        "from rag.domain.principal import Permit\nPermit(p, c)",
        "from rag.domain.principal import Permit as P\nP(p, c)",
        "from rag.domain import principal\nprincipal.Permit(p, c)",
        "from rag.domain.principal import Permit\nmake = partial(Permit, p)",
        "from rag.domain.principal import Permit\nobject.__new__(Permit)",
        "def f(x: Permit = Permit(p, c)) -> None: ...",
    ],
)
def test_the_scan_finds_what_it_is_for(source: str) -> None:
    assert uses_of_permit(source)


def test_the_scan_lets_annotations_pass() -> None:
    source = (
        "from rag.domain.principal import Permit\ndef f(x: list[Permit]) -> Permit:\n  y: Permit = x[0]\n  return y"
    )
    assert uses_of_permit(source) == []
    assert narrows(source + "\nreplace(y, collections=c)")


ids = st.frozensets(st.integers(0, 9).map(lambda number: UUID(int=number)))
CALLER = Principal(UUID(int=100), "감사실", UUID(int=200), frozenset({Scope.READ}))


@given(ids, st.lists(ids, max_size=4))
def test_a_narrowed_permit_never_grows(held: frozenset[UUID], wishes: list[frozenset[UUID]]) -> None:
    permit = Permit(CALLER, held)
    for wish in wishes:
        narrowed = permit.narrowed(wish)
        assert narrowed.collections == permit.collections & wish
        assert (narrowed.principal, narrowed.as_of, narrowed.tenant_id) == (CALLER, permit.as_of, CALLER.tenant_id)
        permit = narrowed
    assert permit.collections <= held


def test_a_permit_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        Permit(CALLER, frozenset()).collections = frozenset({UUID(int=1)})  # type: ignore[misc]
