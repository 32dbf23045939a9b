"""There is one way from a credential to a principal, and few places that make one: none in the API, none in ingestion."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.unit.access.test_policy_is_the_only_issuer import SOURCES, without_annotations

MAKERS = {
    "rag/access/holding.py": "of an account as it is on record: sessions and tokens of providers",
    "rag/access/keys.py": "of a key as it is on record",
    "rag/access/widgets.py": "of a token of a widget, and its maker, as they are on record",
    "rag/access/operator.py": "of the operator of this process, whose token was never stored",
    "rag/access/explaining.py": "of whom an explanation is about, from the record; it is given to nobody",
}


@pytest.fixture(scope="module")
def trees() -> Iterator[dict[str, ast.Module]]:
    """Every source, parsed once for the tests here, and forgotten behind them: all together they take some hundred MB."""
    parsed = {path: ast.parse(source) for path, source in SOURCES.items()}
    yield parsed
    parsed.clear()


def makes(tree: ast.Module) -> list[int]:
    """Lines in which a module touches the class itself: calls it, passes it on, goes around its constructor."""
    imported = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    names = {"Principal"} | {alias.asname for alias in imported if alias.name == "Principal" and alias.asname}
    asked = {id(item) for node in ast.walk(tree) for item in type_tests(node)}
    return [
        node.lineno
        for node in without_annotations(tree)
        if id(node) not in asked
        and (
            (isinstance(node, ast.Name) and node.id in names)
            or (isinstance(node, ast.Attribute) and node.attr in names)
        )
    ]


def type_tests(node: ast.AST) -> list[ast.AST]:
    """The class as the second argument of `isinstance`, or in the base of a generic type: what makes nothing."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
        return [item for argument in node.args[1:] for item in ast.walk(argument)]
    return list(ast.walk(node.slice)) if isinstance(node, ast.Subscript) else []


def test_only_these_make_principals(trees: dict[str, ast.Module]) -> None:
    found = {path for path, tree in trees.items() if makes(tree)}
    assert found - {"rag/domain/principal.py"} == set(MAKERS)


def test_a_principal_is_copied_with_changes_only_where_it_is_made(trees: dict[str, ast.Module]) -> None:
    """`replace(principal, scopes=…)` would be another way to more rights."""
    found = set[str]()
    for path, tree in trees.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        copies = [node for node in calls if ast.unparse(node.func).rpartition(".")[2] == "replace" and node.args]
        if any("principal" in ast.unparse(node.args[0]).lower() for node in copies):
            found.add(path)
    assert found == {"rag/access/federation_sessions.py"}, "an admin's session may administrate"


def test_credentials_are_resolved_in_one_place(trees: dict[str, ast.Module]) -> None:
    """The guard of the routes asks the service, the service `Identities`; nobody asks a resolver of one kind."""
    found: dict[str, set[str]] = {}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                asked = ast.unparse(node.func)
                resolves = asked.endswith(("identities.resolve", "resolver.resolve"))
                if resolves or node.func.attr in ("authenticate", "principal_of"):
                    found.setdefault(path, set()).add(asked)
    assert found == {
        "api/deps.py": {"services.rag.authenticate"},
        "api/cli/evaluation.py": {"rag.authenticate"},
        "rag/bootstrap.py": {"self.identities.resolve"},
        "rag/access/identities.py": {"resolver.resolve", "self._operator.principal_of", "self._keys.authenticate"},
        "rag/access/federation_bearer.py": {"tokens.principal_of"},
    }


@pytest.mark.parametrize(
    "source",
    [
        "from rag.domain.principal import Principal\nPrincipal(i, n, t, s)",
        "from rag.domain.principal import Principal as P\nP(i, n, t, s)",
        "from rag.domain import principal\nprincipal.Principal(i, n, t, s)",
        "from rag.domain.principal import Principal\nmake = partial(Principal, i)",
        "from rag.domain.principal import Principal\nobject.__new__(Principal)",
    ],
)
def test_the_scan_finds_what_it_is_for(source: str) -> None:
    assert makes(ast.parse(source))


def test_the_scan_lets_types_pass() -> None:
    source = (
        "from rag.domain.principal import Principal\ndef f(x: Principal) -> list[Principal]:\n"
        "  y = dict[str, Principal]()\n  return [x] if isinstance(x, Principal) else []"
    )
    assert makes(ast.parse(source)) == []
