"""Which uses are of a definition, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.personal_data.reading import shown_whole
from rag.domain.code import ReferenceRole, SymbolKind
from rag.domain.code_places import Callee, Sureness, Use
from rag.domain.principal import Permit
from rag.retrieval.code_lines import CONTEXT, defined, read_lines, spoken
from rag.retrieval.code_names import Asked
from rag.retrieval.code_resolution import (
    FileImports,
    bases_around,
    bases_of,
    clues_for,
    imports_by_file,
    is_named,
    order,
    surest,
)
from rag.store import code_query
from rag.store.code_query import ReferenceRow, SymbolRow
from rag.text.code_paths import is_test_path

_DEFINITIONS = 3
"""Definitions of something called that are shown."""
_HELPERS = 50
_CALLED = (SymbolKind.FUNCTION, SymbolKind.METHOD, SymbolKind.PROCEDURE)
_LINES = 10
"""Calls of one name that are read at most, on average."""

Judged = tuple[ReferenceRow, Sureness]


def judged(
    session: Session,
    permit: Permit,
    rows: Sequence[ReferenceRow],
    targets: Sequence[SymbolRow],
    others: Sequence[SymbolRow],
    asked: Asked,
) -> list[tuple[ReferenceRow, Sureness]]:
    """The uses that may be of one of the targets. Of a name that is defined nowhere, every use is."""
    if not targets:
        wanted = asked.enclosing.rpartition(".")[2]
        return [(row, Sureness.POSSIBLE) for row in rows if not wanted or row.qualifier.endswith(wanted)]
    roles = (ReferenceRole.IMPORT, ReferenceRole.INHERIT)
    names = clues_for(rows, (*targets, *others))
    around = code_query.references_in(session, permit, {row.version_id for row in rows}, roles=roles, names=names)
    imports, bases = imports_by_file(around), bases_of(around)
    spaces = code_query.spaces_in(session, {row.version_id for row in (*targets, *others)})
    found = []
    for row in rows:
        known = imports.get(row.version_id, FileImports())
        sure = surest(row, targets, others, known, bases_around(row, bases), spaces)
        if sure is not None:
            found.append((row, sure))
    return found


def in_test(row: ReferenceRow, marked: frozenset[tuple[UUID, str]]) -> bool:
    """Whether a use stands in a test: in a definition that is one, or in a file of tests."""
    return _of_test(row, marked) or is_test_path(row.source_key)


def through_helpers(
    session: Session,
    permit: Permit,
    found: Sequence[Judged],
    marked: frozenset[tuple[UUID, str]],
    prefixes: Sequence[str],
) -> tuple[list[Judged], frozenset[tuple[UUID, str]]]:
    """What tests do through one helper: their calls of definitions in files of tests that are no tests and have one of the uses.

    Returns: the calls, at most likely, for nothing tells whether a call comes as far as the use; and the tests among the
    definitions of their files.
    """
    held = {
        (row.version_id, row.enclosing)
        for row, _ in found
        if row.enclosing and is_test_path(row.source_key) and not _of_test(row, marked)
    }
    symbols = code_query.symbols_of(session, permit, {version for version, _ in held})
    helpers = [
        row for rows in symbols.values() for row in rows if (row.version_id, row.path) in held and row.kind in _CALLED
    ][:_HELPERS]
    names = {row.name for row in helpers}
    if not names:
        return [], frozenset()
    rows = code_query.references(session, permit, names, roles=(ReferenceRole.CALL,), prefixes=prefixes)
    tests = code_query.tests_in(session, {row.version_id for row in rows})
    defined_so = code_query.definitions(session, permit, names)
    hops: list[Judged] = []
    for name in sorted(names):
        mine = [row for row in helpers if row.name == name]
        others = [row for row in defined_so if row.name == name and row not in mine]
        calls = [row for row in rows if row.name == name and _of_test(row, tests)]
        for row, sure in judged(session, permit, calls, mine, others, Asked(name, "")):
            hops.append((row, Sureness.LIKELY if sure is Sureness.SURE else sure))
    known = {(row.version_id, row.enclosing, row.name, row.qualifier) for row, _ in found}
    return [
        (row, sure) for row, sure in hops if (row.version_id, row.enclosing, row.name, row.qualifier) not in known
    ], tests


def _of_test(row: ReferenceRow, marked: frozenset[tuple[UUID, str]]) -> bool:
    """Whether a use stands in a definition that is a test."""
    path = row.enclosing
    while path:
        if (row.version_id, path) in marked:
            return True
        path = path.rpartition(".")[0]
    return False


def shown(
    session: Session,
    permit: Permit,
    found: Sequence[tuple[ReferenceRow, Sureness]],
    marked: frozenset[tuple[UUID, str]],
    limit: int,
) -> list[Use]:
    """The first uses with their lines, one for each line.

    Where a collection hides personal data, a line in which the reader does not see the name is told of nobody.
    """
    places = [(row, sure, int(line)) for row, sure in found for line in row.lines][:limit]
    whole = shown_whole(session, permit, {row.collection_id for row, _, _ in places})
    wanted: dict[UUID, list[tuple[int, int]]] = {}
    for row, _, line in places:
        wanted.setdefault(row.version_id, []).append((line, line))
    read = read_lines(session, permit, wanted, around=CONTEXT)
    said = spoken(
        session, permit, ((row.collection_id, n) for row, _, _ in places for n in (row.enclosing, row.qualifier))
    )
    uses = []
    for row, sure, line in places:
        lines = read.get(row.version_id)
        spot = None if lines is None else lines.spot(line, line, CONTEXT)
        if spot is not None and (row.collection_id in whole or row.name in spot.text):
            role = ReferenceRole(row.role)
            around, before = said(row.collection_id, row.enclosing), said(row.collection_id, row.qualifier)
            uses.append(Use(row.name, role, around, before, spot, sure, in_test(row, marked)))
    return uses


def callees(session: Session, permit: Permit, targets: Sequence[SymbolRow], limit: int) -> tuple[Callee, ...]:
    """What these definitions call, in the order of their lines: each name with what stands before it once."""
    used = code_query.references_in(session, permit, {row.version_id for row in targets})
    imports, bases = imports_by_file(used), bases_of(used)
    calls = [row for row in _inside(used, targets) if row.role == ReferenceRole.CALL]
    named: dict[tuple[str, str], list[ReferenceRow]] = {}
    for row in sorted(calls, key=lambda row: (row.source_key, row.lines[:1])):
        named.setdefault((row.name, row.qualifier), []).append(row)
    kept = dict(list(named.items())[:limit])
    rows = code_query.definitions(session, permit, {name for name, _ in kept}, most=2000)
    spaces = code_query.spaces_in(session, {row.version_id for row in rows})
    best: dict[tuple[str, str], tuple[list[SymbolRow], Sureness]] = {}
    for key, uses in kept.items():
        candidates = [row for row in rows if is_named(uses[0], row)]
        best[key] = _best(uses[0], candidates, imports, bases_around(uses[0], bases), spaces)
    marked = code_query.tests_in(session, {row.version_id for row in calls})
    rated = [(use, best[key][1]) for key, uses in kept.items() for use in uses]
    seen: dict[tuple[str, str], list[Use]] = {}
    said = spoken(session, permit, ((row.collection_id, row.qualifier) for row in calls))
    as_said = {(row.name, said(row.collection_id, row.qualifier)): (row.name, row.qualifier) for row in calls}
    for use in shown(session, permit, rated, marked, _LINES * limit):
        seen.setdefault(as_said[use.name, use.qualifier], []).append(use)
    wanted = [row for found, _ in best.values() for row in found]
    heads = {row: item for row, item in zip(wanted, defined(session, permit, wanted), strict=True) if item}
    return tuple(
        Callee(key[0], sure, tuple(heads[row] for row in found if row in heads), tuple(seen[key]))
        for key, (found, sure) in best.items()
        if key in seen
    )


def _inside(rows: Sequence[ReferenceRow], targets: Sequence[SymbolRow]) -> list[ReferenceRow]:
    """What is used inside of definitions."""
    paths = {(row.version_id, row.path) for row in targets}
    return [
        row for row in rows if any((row.version_id, path) in paths for path in (row.enclosing, *_outer(row.enclosing)))
    ]


def _outer(path: str) -> list[str]:
    found = []
    while path := path.rpartition(".")[0]:
        found.append(path)
    return found


def _best(
    use: ReferenceRow,
    candidates: Sequence[SymbolRow],
    imports: Mapping[UUID, FileImports],
    bases: frozenset[str],
    spaces: frozenset[tuple[UUID, str]],
) -> tuple[list[SymbolRow], Sureness]:
    """The definitions that something called may be, surest first."""
    known = imports.get(use.version_id, FileImports())
    rated = []
    for row in candidates:
        others = [other for other in candidates if other is not row]
        sure = surest(use, [row], others, known, bases, spaces)
        if sure is not None:
            rated.append((order(sure), row.source_key, row.first, row, sure))
    rated.sort(key=lambda item: item[:3])
    if not rated:
        return [], Sureness.POSSIBLE
    best = [row for place, _, _, row, _ in rated if place == rated[0][0]]
    return best[:_DEFINITIONS], rated[0][4]
