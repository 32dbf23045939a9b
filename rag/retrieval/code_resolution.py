"""Which definition a use is of, as far as syntax tells. Pure functions."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from rag.domain.code import ReferenceRole
from rag.domain.code_places import Sureness
from rag.store.code_query import ReferenceRow, SymbolRow
from rag.text.code_paths import imports_file, module_parts

_OWN = frozenset({"self", "this", "cls", "Self", "static", "$this", "@", "me"})
"""What a definition calls the object or class that it belongs to."""
_BASE = frozenset({"super", "super()", "parent", "base"})
"""What it calls what that inherits from."""
_PACKAGED = (".go", ".java", ".kt", ".kts", ".cs", ".scala")
"""Files that see what other files of their folder define, without an import."""
_PLACED = {"class", "interface", "struct", "enum", "trait", "type", "table", "view", "module"}

_ORDER = (Sureness.SURE, Sureness.LIKELY, Sureness.POSSIBLE)


def order(sure: Sureness) -> int:
    """Surest first."""
    return _ORDER.index(sure)


@dataclass(frozen=True, slots=True)
class FileImports:
    """The imports of one file: rows of the role `import`."""

    rows: tuple[ReferenceRow, ...] = ()

    def bring(self, name: str, target: SymbolRow) -> bool | None:
        """Whether `name` comes from the file of a definition: None where no import speaks of the name."""
        of_name = [row for row in self.rows if row.name == name]
        if not of_name:
            return None
        return any(imports_file(row.qualifier, row.name, target.source_key) for row in of_name)

    def whole(self, target: SymbolRow) -> bool:
        """Whether the file of a definition is imported, under whatever name."""
        return any(imports_file(row.qualifier, row.name, target.source_key) for row in self.rows)


def imports_by_file(rows: Sequence[ReferenceRow]) -> dict[UUID, FileImports]:
    """The imports among `rows`, by version."""
    found: dict[UUID, list[ReferenceRow]] = {}
    for row in rows:
        if row.role == ReferenceRole.IMPORT:
            found.setdefault(row.version_id, []).append(row)
    return {key: FileImports(tuple(items)) for key, items in found.items()}


def clues_for(uses: Sequence[ReferenceRow], definitions: Sequence[SymbolRow]) -> frozenset[str]:
    """Names whose imports, or classes that are inherited from, can tell which definition a use is of."""
    found = {row.name for row in definitions} | {module_parts(row.source_key)[-1] for row in definitions}
    found |= {part for row in definitions for part in row.path.split(".")}
    for use in uses:
        found |= {_head(use.qualifier), use.qualifier.rpartition(".")[2]}
    return frozenset(found - {""})


def surest(
    use: ReferenceRow,
    targets: Sequence[SymbolRow],
    others: Sequence[SymbolRow],
    imports: FileImports,
    bases: Container[str] = (),
) -> Sureness | None:
    """How sure it is that a use is one of `targets`; None when it seems to be another definition of the name, or none of these.

    Args:
        others: further definitions of the same name.
        bases: what the class around the use inherits from.
    """
    found = [item for target in targets if (item := _sure(use, target, imports, bases)) is not None]
    if Sureness.SURE in found:
        return Sureness.SURE
    if any(_sure(use, other, imports, bases) is Sureness.SURE for other in others):
        return None
    if not found:
        return None
    if Sureness.LIKELY in found:
        return Sureness.LIKELY
    return Sureness.POSSIBLE if others or len(targets) > 1 or use.qualifier else Sureness.LIKELY


def _sure(use: ReferenceRow, target: SymbolRow, imports: FileImports, bases: Container[str]) -> Sureness | None:
    """How sure it is for one definition; None when something else is meant."""
    owner = target.path.rpartition(".")[0].rpartition(".")[2]
    if use.role == ReferenceRole.IMPORT:
        return Sureness.SURE if imports_file(use.qualifier, use.name, target.source_key) and not owner else None
    same_file = use.version_id == target.version_id
    if owner:
        return _of_member(use, target, owner, same_file, imports, bases)
    head = _head(use.qualifier)
    if not use.qualifier:
        if same_file:
            return Sureness.SURE
        brought = imports.bring(use.name, target)
        if brought is not None:
            return Sureness.SURE if brought else None
        if _same_package(use, target):
            return Sureness.SURE
        return Sureness.LIKELY if imports.whole(target) else Sureness.POSSIBLE
    if head in _OWN or use.qualifier in _BASE:
        return None  # a member of something, which a definition outside of all is not
    brought = imports.bring(use.qualifier.rpartition(".")[2], target)
    if brought or imports.bring(head, target):
        return Sureness.SURE
    return None if brought is False and target.kind not in _PLACED else Sureness.POSSIBLE


def _of_member(
    use: ReferenceRow, target: SymbolRow, owner: str, same_file: bool, imports: FileImports, bases: Container[str]
) -> Sureness | None:
    """A use of something that a class (or the like) has."""
    around = use.enclosing.split(".") if use.enclosing else []
    if use.qualifier in _BASE:
        return Sureness.SURE if owner in bases else None
    if use.qualifier in _OWN or (not use.qualifier and owner in around):
        if owner in around and same_file:
            return Sureness.SURE
        if owner in bases:
            return Sureness.LIKELY
        return None if around else Sureness.POSSIBLE
    if not use.qualifier:  # implicit `this` of a class that inherits; a bare name is no member elsewhere
        return Sureness.LIKELY if owner in bases else None
    last = use.qualifier.replace("::", ".").replace("->", ".").rstrip("()").rpartition(".")[2].rstrip("()")
    if last == owner:
        brought = imports.bring(owner, target)
        return None if brought is False and not same_file else Sureness.SURE
    if _alike(last, owner):
        return Sureness.LIKELY
    return Sureness.POSSIBLE


def _head(qualifier: str) -> str:
    """The first name of what stands before a use."""
    return qualifier.partition(".")[0].partition("::")[0].partition("->")[0]


def _same_package(use: ReferenceRow, target: SymbolRow) -> bool:
    """Whether both files lie in one folder, in a language whose files see each other there."""
    here, there = use.source_key.rpartition("/")[0], target.source_key.rpartition("/")[0]
    return here == there and use.source_key.endswith(_PACKAGED)


def _alike(variable: str, owner: str) -> bool:
    """Whether a variable is called like a class: `payment_service`, `paymentService`, `_service` of `PaymentService`."""
    one, other = variable.replace("_", "").lower(), owner.replace("_", "").lower()
    return len(one) >= 4 and (one == other or other.endswith(one))


def bases_of(rows: Sequence[ReferenceRow]) -> Mapping[tuple[UUID, str], frozenset[str]]:
    """What each class inherits from, by version and path of the class: rows of the role `inherit`."""
    found: dict[tuple[UUID, str], set[str]] = {}
    for row in rows:
        if row.role == ReferenceRole.INHERIT:
            found.setdefault((row.version_id, row.enclosing), set()).add(row.name)
    return {key: frozenset(names) for key, names in found.items()}


def bases_around(use: ReferenceRow, bases: Mapping[tuple[UUID, str], frozenset[str]]) -> frozenset[str]:
    """What the classes around a use inherit from."""
    found: frozenset[str] = frozenset()
    path = use.enclosing
    while path:
        found |= bases.get((use.version_id, path), frozenset())
        path = path.rpartition(".")[0]
    return found
