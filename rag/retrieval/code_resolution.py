"""Which definition a use is of, as far as syntax tells. Pure functions.

What encloses a definition either has it (a class), or only holds it together with others (a namespace, a package, a section of
COBOL: a *space*). What a space holds is used by its bare name from anywhere inside of that space, in whatever file, and from
outside with the name of the space before it.
"""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from rag.domain.code import ReferenceRole, SymbolKind
from rag.domain.code_places import Sureness
from rag.store.code_query import ReferenceRow, SymbolRow
from rag.text.code import CASELESS_LANGUAGES, LANGUAGE_NAMES
from rag.text.code_paths import import_parts, imported_name, imports_file, module_parts

_OWN = frozenset({"self", "this", "cls", "Self", "static", "$this", "@", "me"})
"""What a definition calls the object or class that it belongs to."""
_BASE = frozenset({"super", "super()", "parent", "base"})
"""What it calls what that inherits from."""
_PACKAGED = (".go", ".java", ".kt", ".kts", ".cs", ".scala")
"""Files that see what other files of their folder define, without an import."""
_SPLIT = (".h", ".hpp", ".hh", ".hxx", ".cc", ".cpp", ".cxx", ".ipp", ".cs", ".rb", ".rs", ".swift", ".m")
"""Files of languages in which one class may stand in several of them."""
_STATIC = (".java", ".kt", ".kts", ".scala", ".groovy")
"""Files of languages in which all members of a class may be imported at once, which reads like an import of the class."""
_ALIASED = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue")
"""Files of languages in which a module that is taken whole is used by a name of the file's own, which imports do not keep."""
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
        of_name = [row for row in self.rows if name in (row.name, _last_of_path(row))]
        if not of_name:
            return None
        return any(imports_file(row.qualifier, row.name, target.source_key) for row in of_name)

    def bring_member(self, name: str, owner: str, target: SymbolRow) -> bool:
        """Whether a member comes by its own name: `import static bank.Gateway.charge`."""
        of_member = (row for row in self.rows if row.name == name and import_parts(row.qualifier)[-2:] == (owner, name))
        return any(imports_file(row.qualifier, name, target.source_key) for row in of_member)

    def bring_space(self, space: str) -> bool:
        """Whether all that a namespace holds is taken: `using Bank.Pay`."""
        parts = tuple(space.split("."))
        return any(import_parts(row.qualifier)[-len(parts) :] == parts for row in self.rows)

    def module(self, target: SymbolRow) -> bool:
        """Whether the file of a definition is imported as a module, under whatever name: `import * as gw from './gateway'`."""
        last = module_parts(target.source_key)[-1:]
        return any(
            (imported_name(row.qualifier, row.name),) == last and import_parts(row.qualifier)[-1:] == last
            for row in self.rows
            if imports_file(row.qualifier, row.name, target.source_key)
        )

    def whole(self, target: SymbolRow) -> bool:
        """Whether the file of a definition is imported, under whatever name."""
        return any(imports_file(row.qualifier, row.name, target.source_key) for row in self.rows)


def _last_of_path(row: ReferenceRow) -> str:
    """What an import brings that is on record with all of its path: `Gateway` of `Bank\\Gateway`. A file that is included
    (`gateway.h`) brings no name of its own."""
    return imported_name(row.qualifier, row.name) if "::" in row.name or "\\" in row.name else row.name


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
        found |= {use.name, _head(use.qualifier), _dotted(use.qualifier).rpartition(".")[2]}
    return frozenset(found - {""})


def surest(
    use: ReferenceRow,
    targets: Sequence[SymbolRow],
    others: Sequence[SymbolRow],
    imports: FileImports,
    bases: Container[str] = (),
    spaces: Container[tuple[UUID, str]] = (),
) -> Sureness | None:
    """How sure it is that a use is one of `targets`; None when it seems to be another definition of the name, or none of these.

    Args:
        others: further definitions of the same name.
        bases: what the class around the use inherits from.
        spaces: version and path of what only holds definitions together.
    """
    around = _Around(imports, bases, spaces)
    found = [item for target in targets if (item := around.sure(use, target)) is not None]
    if Sureness.SURE in found:
        return Sureness.SURE
    if any(around.sure(use, other) is Sureness.SURE for other in others):
        return None
    if not found:
        return None
    if Sureness.LIKELY in found:
        return Sureness.LIKELY
    return Sureness.POSSIBLE if others or len(targets) > 1 or use.qualifier else Sureness.LIKELY


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around a use: the imports of its file, what its class inherits from, and the spaces of the definitions."""

    imports: FileImports
    bases: Container[str]
    spaces: Container[tuple[UUID, str]]

    def sure(self, use: ReferenceRow, target: SymbolRow) -> Sureness | None:
        """How sure it is for one definition; None when something else is meant."""
        holder = target.path.rpartition(".")[0]
        of_schema = target.language == "sql" and target.kind != SymbolKind.FIELD
        space = holder if of_schema or (target.version_id, holder) in self.spaces else ""
        owner = "" if space else holder.rpartition(".")[2]
        if use.role == ReferenceRole.IMPORT:
            meant = not owner or import_parts(use.qualifier)[-2:] == (owner, use.name)
            return Sureness.SURE if meant and imports_file(use.qualifier, use.name, target.source_key) else None
        bases = self.bases
        if is_caseless(use.source_key):
            use = use._replace(enclosing=use.enclosing.lower(), qualifier=use.qualifier.lower())
            owner, space, bases = owner.lower(), space.lower(), {item.lower() for item in bases}
        if owner:
            return self._of_member(use, target, owner, bases)
        if not use.qualifier:
            return self._bare(use, target, space)
        return self._qualified(use, target, space)

    def _bare(self, use: ReferenceRow, target: SymbolRow, space: str) -> Sureness | None:
        """A bare name of something that no class has."""
        if use.version_id == target.version_id:
            return Sureness.SURE
        brought = self.imports.bring(use.name, target)
        if brought is not None:
            return Sureness.SURE if brought else None
        if _same_package(use, target) or (space and f"{use.enclosing}.".startswith(f"{space}.")):
            return Sureness.SURE
        known = self.imports.whole(target) or (space and self.imports.bring_space(space))
        return Sureness.LIKELY if known else Sureness.POSSIBLE

    def _qualified(self, use: ReferenceRow, target: SymbolRow, space: str) -> Sureness | None:
        """A name with something before it, of something that no class has."""
        head = _head(use.qualifier)
        if head in _OWN or use.qualifier in _BASE:
            return None  # a member of something, which a definition outside of all is not
        before = _dotted(use.qualifier)
        if space and (f".{space}".endswith(f".{before}") or f".{before}".endswith(f".{space}")):
            return Sureness.SURE
        brought = self.imports.bring(before.rpartition(".")[2], target)
        if brought or self.imports.bring(head, target):
            return Sureness.SURE
        if brought is False and target.kind not in _PLACED:
            return None
        aliased = brought is None and before.isidentifier() and use.source_key.endswith(_ALIASED)
        return Sureness.LIKELY if aliased and self.imports.module(target) else Sureness.POSSIBLE

    def _of_member(self, use: ReferenceRow, target: SymbolRow, owner: str, bases: Container[str]) -> Sureness | None:
        """A use of something that a class (or the like) has."""
        same_file = use.version_id == target.version_id
        around = use.enclosing.split(".") if use.enclosing else []
        if use.qualifier in _BASE:
            return Sureness.SURE if owner in bases else None
        if use.qualifier in _OWN or (not use.qualifier and owner in around):
            if owner in around and same_file:
                return Sureness.SURE
            if owner in bases or (owner in around and use.source_key.endswith(_SPLIT)):
                return Sureness.LIKELY
            return None if around else Sureness.POSSIBLE
        if not use.qualifier:
            # Implicit `this` of a class that inherits; elsewhere a bare name is no member, unless it is imported as one.
            if owner in bases:
                return Sureness.LIKELY
            if self.imports.bring_member(use.name, owner, target):
                return Sureness.SURE
            static = use.source_key.endswith(_STATIC) and self.imports.bring(owner, target)
            return Sureness.POSSIBLE if static else None
        last = _dotted(use.qualifier).rstrip("()").rpartition(".")[2].rstrip("()")
        if last == owner:
            brought = self.imports.bring(owner, target)
            return None if brought is False and not same_file else Sureness.SURE
        if _alike(last, owner):
            return Sureness.LIKELY
        return Sureness.POSSIBLE


def is_caseless(source_key: str) -> bool:
    """Whether a file is in a language in which the case of letters tells nothing."""
    return LANGUAGE_NAMES.get(source_key.rpartition(".")[2].lower(), "") in CASELESS_LANGUAGES


def is_named(use: ReferenceRow, target: SymbolRow) -> bool:
    """Whether a use has the name of a definition."""
    if target.name == (imported_name(use.qualifier, use.name) if use.role == ReferenceRole.IMPORT else use.name):
        return True
    return is_caseless(use.source_key) and use.name.lower() == target.name.lower()


def _dotted(qualifier: str) -> str:
    """What stands before a use, in the form of paths: `bank.pay` of `bank::pay`."""
    return qualifier.replace("::", ".").replace("->", ".").replace("=>", ".").replace("\\", ".")


def _head(qualifier: str) -> str:
    """The first name of what stands before a use."""
    return _dotted(qualifier).partition(".")[0]


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
