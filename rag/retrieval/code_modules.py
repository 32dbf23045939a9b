"""Files, folders and modules: what they define, what they import, and who imports them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.personal_data.reading import sources_masked
from rag.domain.code import ReferenceRole
from rag.domain.code_places import FileOutline, Sureness, Use
from rag.domain.principal import Permit
from rag.retrieval.code_lines import outlined, spoken
from rag.retrieval.code_names import Asked
from rag.retrieval.code_scope import ScopedPermit, language_of
from rag.retrieval.code_uses import shown
from rag.store import code_query
from rag.store.code_query import FileRow, ReferenceRow, SymbolRow
from rag.text.code_paths import import_parts, imports_file, module_parts

_MOST_FILES = 2000
_SYMBOLS_ASKED = 400
"""Names by which the importers of files are looked up."""
_MODULES_ASKED = 20
_BY_ENDING = (".h", ".hh", ".hpp", ".hxx", ".js", ".mjs", ".cjs", ".ts", ".php", ".sh", ".bash", ".css", ".rb", ".sql")
"""Files that are imported with their ending, which such imports are on record under."""
_BY_MEMBER = (".java", ".kt", ".groovy")
"""Files of which an import may name a member: `import static bank.Gateway.charge`."""
BY_PATH = (".rs", ".php")
"""Files whose imports may be on record with all of their path."""
_TOP = {"class", "interface", "struct", "enum", "trait", "type", "function", "constant", "procedure", "table", "view"}


def files_called(session: Session, within: ScopedPermit, name: str) -> list[FileRow]:
    """The files that a path, a folder or a module means: the best way of reading it that any file answers to."""
    wanted = name.strip().strip("`'\"").strip("/")
    rows = [row for row in _all(session, within) if within.holds(row.collection_id, row.source_key)]
    for matches in (_is_file, _is_folder, _ends_in_file, _ends_in_folder, _is_module):
        if found := [row for row in rows if matches(row.source_key, wanted)]:
            return found[:_MOST_FILES]
    return []


def files_defining(session: Session, within: ScopedPermit, asked: Asked) -> list[FileRow]:
    """The files with the definitions of a name, each once."""
    rows = code_query.definitions(session, within.permit, [asked.name], prefixes=within.prefixes)
    meant = {row.version_id for row in rows if row.name == asked.name and asked.is_at(row.path)}
    return [row for row in _all(session, within) if row.version_id in meant]


def outlines(session: Session, permit: Permit, files: Sequence[FileRow]) -> tuple[FileOutline, ...]:
    """What these files define and import, those with the most definitions first."""
    symbols = code_query.symbols_of(session, permit, [row.version_id for row in files])
    imported = _imports(session, permit, files)
    sources = sources_masked(session, permit, [row.version_id for row in files])
    said = _said(session, permit, imported)
    found = []
    for row in files:
        mine = symbols.get(row.version_id, [])
        if row.version_id not in sources or not (mine or row.version_id in imported):
            continue
        seen = tuple(item for item in outlined(session, permit, mine) if item)
        taken = (said(item.collection_id, item.qualifier) for item in imported.get(row.version_id, ()))
        modules = tuple(dict.fromkeys(taken))
        language = mine[0].language if mine else language_of(row.source_key)
        last = max((item.last for item in seen), default=0)
        found.append(FileOutline(sources[row.version_id], language, seen, modules, last))
    return tuple(sorted(found, key=lambda item: (-len(item.symbols), item.source.source_key)))


def outside(session: Session, permit: Permit, files: Sequence[FileRow]) -> tuple[str, ...]:
    """Modules that these files import and that are none of them, the most imported first."""
    counted: Counter[str] = Counter()
    keys = [row.source_key for row in files]
    imported = _imports(session, permit, files)
    said = _said(session, permit, imported)
    for rows in imported.values():
        for module in {item.qualifier: item for item in rows}.values():
            if not any(imports_file(module.qualifier, module.name, key) for key in keys[:200]):
                counted[said(module.collection_id, module.qualifier)] += 1
    return tuple(name for name, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def importers(session: Session, permit: Permit, files: Sequence[FileRow], limit: int) -> tuple[Use, ...]:
    """Lines of other files that import one of these."""
    if not files:
        return ()
    symbols = code_query.symbols_of(session, permit, [row.version_id for row in files])
    names = dict.fromkeys(module_parts(row.source_key)[-1] for row in files)
    names |= dict.fromkeys(row.source_key.split("/")[-2] for row in files if "/" in row.source_key)
    tops = (item.name for rows in symbols.values() for item in rows if _may_be_imported(item))
    names |= dict.fromkeys(tops)
    rows = code_query.references(session, permit, list(names)[:_SYMBOLS_ASKED], roles=(ReferenceRole.IMPORT,))
    endings = {row.source_key.rpartition(".")[2].lower() for row in files if row.source_key.endswith(_BY_ENDING)}
    modules = [module_parts(row.source_key)[-1] for row in files if row.source_key.endswith(BY_PATH)][:_MODULES_ASKED]
    rows += code_query.imports_taken_whole(session, permit, endings, modules)
    rows.sort(key=lambda row: row.source_key)
    own = {row.version_id for row in files}
    meant = [
        row
        for row in rows
        if row.version_id not in own and any(imports_file(row.qualifier, row.name, item.source_key) for item in files)
    ]
    lines: dict[tuple[UUID, int], ReferenceRow] = {}
    for row in meant:
        for line in row.lines:
            lines.setdefault((row.version_id, int(line)), row)
    once = [row for (_, line), row in lines.items() if line == int(row.lines[0])]
    marked = code_query.tests_in(session, {row.version_id for row in once})
    return tuple(shown(session, permit, [(row, Sureness.SURE) for row in once], marked, limit))


def _may_be_imported(row: SymbolRow) -> bool:
    """Whether an import may name a definition: one at the top, and in some languages a member of a class."""
    depth = row.path.count(".")
    return (depth == 0 and row.kind in _TOP) or (depth == 1 and row.source_key.endswith(_BY_MEMBER))


def words(name: str, files: Sequence[FileOutline]) -> str:
    """A question on a module: its name, and what it defines."""
    parts = [*import_parts(name), *(item.name for file in files[:3] for item in file.symbols[:5])]
    return " ".join(dict.fromkeys(parts)) or name


def _all(session: Session, within: ScopedPermit) -> list[FileRow]:
    return code_query.files(session, within.permit, within.prefixes)


def _imports(session: Session, permit: Permit, files: Sequence[FileRow]) -> dict[UUID, list[ReferenceRow]]:
    rows = code_query.references_in(session, permit, [row.version_id for row in files], roles=(ReferenceRole.IMPORT,))
    found: dict[UUID, list[ReferenceRow]] = {}
    for row in rows:
        found.setdefault(row.version_id, []).append(row)
    return found


def _said(
    session: Session, permit: Permit, imported: Mapping[UUID, Sequence[ReferenceRow]]
) -> Callable[[UUID, str], str]:
    """How the modules that are imported may be called."""
    return spoken(session, permit, ((row.collection_id, row.qualifier) for rows in imported.values() for row in rows))


def _is_file(key: str, wanted: str) -> bool:
    return wanted in (key, key.partition("/")[2])


def _is_folder(key: str, wanted: str) -> bool:
    return key.startswith(f"{wanted}/") or key.partition("/")[2].startswith(f"{wanted}/")


def _ends_in_file(key: str, wanted: str) -> bool:
    return key.endswith(f"/{wanted}")


def _ends_in_folder(key: str, wanted: str) -> bool:
    return f"/{wanted}/" in key


def _is_module(key: str, wanted: str) -> bool:
    """Whether a dotted name is the end of the file's own, or of its folder's."""
    parts = import_parts(wanted)
    target = module_parts(key)
    return bool(parts) and (target[-len(parts) :] == parts or target[:-1][-len(parts) :] == parts)
