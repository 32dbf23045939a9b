"""The symbol index, asked under a permit: what is defined and used in the versions that answer.

Every query joins the document, so nothing is told of what the permit does not cover; texts (signatures, documentation, lines)
are shown only by `rag.retrieval.code_lines`, which hides what the reader may not see.
"""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, cast, func, or_, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from rag.domain.code import ReferenceRole, SymbolKind
from rag.domain.language import CollectionKind
from rag.domain.principal import Permit
from rag.store.base import in_groups
from rag.store.chunk import ChunkRow
from rag.store.code_symbol import CodeReference, CodeSymbol
from rag.store.collection import Collection
from rag.store.document import Document, visible
from rag.store.filtering import conditions
from rag.store.version import DocumentVersion, VersionState
from rag.text.code import LANGUAGE_NAMES

_LAST = "\U0010ffff"
_HUMP_NAMES = 5000
"""Names that begin like an abbreviated one and are looked at closely."""
_TEXT = ChunkRow.__table__.c.text
"""For conditions alone: what a chunk says leaves the store only through `rag.access.personal_data.reading`."""


class SymbolRow(NamedTuple):
    """A definition of a file that the permit covers."""

    version_id: UUID
    collection_id: UUID
    source_key: str
    name: str
    path: str
    kind: str
    language: str
    signature: str
    doc: str
    first: int
    last: int
    test: bool


class ReferenceRow(NamedTuple):
    """Uses of a name in a file that the permit covers."""

    version_id: UUID
    collection_id: UUID
    source_key: str
    name: str
    role: str
    enclosing: str
    qualifier: str
    lines: Sequence[int]


class FileRow(NamedTuple):
    """A file of a collection of code, in the version that answers."""

    version_id: UUID
    document_id: UUID
    collection_id: UUID
    source_key: str


class ChunkPlace(NamedTuple):
    """Which lines a chunk has."""

    chunk_id: UUID
    version_id: UUID
    first: int
    last: int


class State(NamedTuple):
    """Tells whether the files of a permit are still what they were: how many, and when the newest began to answer."""

    files: int
    newest: str


_SYMBOL: tuple[Any, ...] = (
    CodeSymbol.version_id,
    CodeSymbol.collection_id,
    Document.source_key,
    CodeSymbol.name,
    CodeSymbol.path,
    CodeSymbol.kind,
    CodeSymbol.language,
    CodeSymbol.signature,
    CodeSymbol.doc,
    CodeSymbol.first_line,
    CodeSymbol.last_line,
    CodeSymbol.test,
)
_REFERENCE: tuple[Any, ...] = (
    CodeReference.version_id,
    CodeReference.collection_id,
    Document.source_key,
    CodeReference.name,
    CodeReference.role,
    CodeReference.enclosing,
    CodeReference.qualifier,
    CodeReference.lines,
)
_CODE = CollectionKind.CODE.value
_SPACES = (SymbolKind.MODULE, SymbolKind.SECTION)
_TAKEN_WHOLE = and_(
    CodeReference.role == ReferenceRole.IMPORT,
    or_(
        CodeReference.name.in_(LANGUAGE_NAMES),
        CodeReference.name.contains("::"),
        CodeReference.name.contains("\\", autoescape=True),
    ),
)
"""Imports of modules that are on record under an ending, or under all of their path (`rag.text.code_paths.imported_name`)."""


def code_collections(session: Session, permit: Permit) -> frozenset[UUID]:
    """The collections of code that the permit covers."""
    query = select(Collection.id).where(
        Collection.tenant_id == permit.tenant_id,
        Collection.id.in_(permit.collections),
        Collection.deleted_at.is_(None),
        Collection.kind == _CODE,
    )
    return frozenset(session.scalars(query))


def collections_with_symbols(session: Session, permit: Permit) -> frozenset[UUID]:
    """The collections of code that the permit covers in which any definition is known."""
    code = code_collections(session, permit)
    return frozenset(
        key for key in code if session.scalar(select(CodeSymbol.id).where(CodeSymbol.collection_id == key).limit(1))
    )


def answering(permit: Permit) -> list[ColumnElement[bool]]:
    """That a `Document`, joined with its `DocumentVersion`, is covered, and that this version answers under the permit."""
    found = [*visible(permit), *conditions(permit.where)]
    if permit.as_of is None:
        return [*found, Document.current_version_id == DocumentVersion.id, DocumentVersion.state == VersionState.ACTIVE]
    return [
        *found,
        DocumentVersion.state.in_([VersionState.ACTIVE, VersionState.RETIRED]),
        DocumentVersion.valid_from <= permit.as_of,
        DocumentVersion.valid_to.is_(None) | (DocumentVersion.valid_to > permit.as_of),
    ]


def files(
    session: Session,
    permit: Permit,
    prefixes: Sequence[str] = (),
    most: int | None = None,
    suffixes: Sequence[str] = (),
) -> list[FileRow]:
    """The files of the permit's collections whose source keys begin with one of `prefixes` (all without any), by key.

    Args:
        suffixes: ends of their names behind a dot, in small letters and any case there; all without any.
    """
    query = (
        select(DocumentVersion.id, Document.id, Document.collection_id, Document.source_key)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(*answering(permit), *_beginning(session, Document.source_key, prefixes), *_ending(suffixes))
        .order_by(Document.source_key, Document.id)
    )
    return [FileRow(*row) for row in session.execute(query if most is None else query.limit(most))]


def state(session: Session, permit: Permit, prefixes: Sequence[str] = ()) -> State:
    """What changes when any file of the permit does."""
    query = (
        select(func.count(), func.max(DocumentVersion.valid_from))
        .select_from(DocumentVersion)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(*answering(permit), *_beginning(session, Document.source_key, prefixes))
    )
    count, newest = session.execute(query).one()
    return State(int(count), str(newest))


def definitions(
    session: Session,
    permit: Permit,
    names: Iterable[str],
    *,
    kinds: Container[str] = (),
    prefixes: Sequence[str] = (),
    most: int = 500,
) -> list[SymbolRow]:
    """Definitions of these names, in any case of letters, by key and line.

    Args:
        prefixes: beginnings of source keys; without any, all are looked at.
    """
    found: list[SymbolRow] = []
    for group in in_groups({name.lower()[:200] for name in names}):
        where = [_inside(CodeSymbol, permit), CodeSymbol.name_key.in_(group)]
        where += _beginning(session, Document.source_key, prefixes)
        found += _symbols(session, permit, where, kinds, most)
    return found


def definitions_like(
    session: Session,
    permit: Permit,
    beginning: str,
    *,
    kinds: Container[str] = (),
    prefixes: Sequence[str] = (),
    most: int = 200,
) -> list[SymbolRow]:
    """Definitions whose names begin with `beginning`, in any case of letters."""
    where = [_inside(CodeSymbol, permit), _starting(session, CodeSymbol.name_key, beginning.lower())]
    return _symbols(session, permit, [*where, *_beginning(session, Document.source_key, prefixes)], kinds, most)


def names_with(session: Session, permit: Permit, pieces: Sequence[str]) -> list[str]:
    """Names that are defined in the permit's collections, begin with the first of `pieces` and hold the others (lower case)."""
    first, *others = pieces
    query = (
        select(CodeSymbol.name)
        .distinct()
        .where(
            CodeSymbol.collection_id.in_(permit.collections),
            _starting(session, CodeSymbol.name_key, first),
            *(CodeSymbol.name_key.contains(piece, autoescape=True) for piece in others),
        )
        .order_by(CodeSymbol.name)
        .limit(_HUMP_NAMES)
    )
    return list(session.scalars(query))


def symbols_of(session: Session, permit: Permit, version_ids: Iterable[UUID]) -> dict[UUID, list[SymbolRow]]:
    """All definitions of these versions, as far as the permit covers them, by line."""
    found: dict[UUID, list[SymbolRow]] = {}
    for group in in_groups(version_ids):
        for row in _symbols(session, permit, [CodeSymbol.version_id.in_(group)], (), None):
            found.setdefault(row.version_id, []).append(row)
    return found


def documents_of(session: Session, version_ids: Iterable[UUID]) -> tuple[UUID, ...]:
    """The documents of these versions. The caller has them from a query under a permit."""
    found: set[UUID] = set()
    for group in in_groups(version_ids):
        found.update(session.scalars(select(DocumentVersion.document_id).where(DocumentVersion.id.in_(group))))
    return tuple(sorted(found))


def tests_in(session: Session, version_ids: Iterable[UUID]) -> frozenset[tuple[UUID, str]]:
    """Version and path of the definitions that are tests. The caller has these versions from a query under a permit."""
    found: set[tuple[UUID, str]] = set()
    for group in in_groups(version_ids):
        query = select(CodeSymbol.version_id, CodeSymbol.path).where(CodeSymbol.version_id.in_(group), CodeSymbol.test)
        found |= {(row[0], row[1]) for row in session.execute(query)}
    return frozenset(found)


def spaces_in(session: Session, version_ids: Iterable[UUID]) -> frozenset[tuple[UUID, str]]:
    """Version and path of what only holds definitions together: namespaces, packages, sections. The caller has these versions
    from a query under a permit."""
    found: set[tuple[UUID, str]] = set()
    for group in in_groups(version_ids):
        query = select(CodeSymbol.version_id, CodeSymbol.path)
        query = query.where(CodeSymbol.version_id.in_(group), CodeSymbol.kind.in_(_SPACES))
        found |= {(row[0], row[1]) for row in session.execute(query)}
    return frozenset(found)


def references(
    session: Session,
    permit: Permit,
    names: Iterable[str],
    *,
    any_case: Container[str] = (),
    roles: Sequence[ReferenceRole] = (),
    prefixes: Sequence[str] = (),
    most: int = 2000,
) -> list[ReferenceRow]:
    """Uses of exactly these names, by key: at most `most` rows, each of one name, role and enclosing definition.

    Args:
        any_case: those of the names that are meant in any case of letters.
    """
    wanted = set(names)
    found: list[ReferenceRow] = []
    for group in in_groups(wanted):
        keys = {name.lower()[:200] for name in group}
        loose = {name.lower()[:200] for name in group if name in any_case}
        exact = CodeReference.name.in_(group)
        where = [_inside(CodeReference, permit), CodeReference.name_key.in_(keys)]
        where.append(or_(exact, CodeReference.name_key.in_(loose)) if loose else exact)
        where += _beginning(session, Document.source_key, prefixes)
        if roles:
            where.append(CodeReference.role.in_(roles))
        found += _references(session, permit, where, most)
    return found


def references_in(
    session: Session,
    permit: Permit,
    version_ids: Iterable[UUID],
    *,
    roles: Sequence[ReferenceRole] = (),
    names: Iterable[str] | None = None,
) -> list[ReferenceRow]:
    """What is used in these versions, as far as the permit covers them: everything, or these names and, where imports are asked
    for, the modules that are on record under another name than their own."""
    found: list[ReferenceRow] = []
    wanted = None if names is None else set(names)
    for group in in_groups(version_ids):
        where: list[ColumnElement[bool]] = [CodeReference.version_id.in_(group)]
        if roles:
            where.append(CodeReference.role.in_(roles))
        if wanted is not None:
            named = CodeReference.name.in_(wanted)
            where.append(or_(named, _TAKEN_WHOLE) if ReferenceRole.IMPORT in roles else named)
        found += _references(session, permit, where, None)
    return found


def imports_taken_whole(
    session: Session, permit: Permit, endings: Container[str], modules: Sequence[str], most: int = 2000
) -> list[ReferenceRow]:
    """Imports of modules that are on record under another name than their own, by key.

    Args:
        endings: endings of files (`h`, `js`) under which such modules are on record.
        modules: last parts of modules that are on record with all of their path: `gateway` of `crate::gateway`.
    """
    meant: list[ColumnElement[bool]] = []
    if endings:
        meant.append(CodeReference.name_key.in_(endings))
    for name in modules:
        meant += [CodeReference.name.endswith(mark + name, autoescape=True) for mark in ("::", "\\")]
    if not meant:
        return []
    where = [_inside(CodeReference, permit), CodeReference.role == ReferenceRole.IMPORT, or_(*meant)]
    return _references(session, permit, where, most)


def every_definition(session: Session, permit: Permit, files: Sequence[FileRow]) -> Iterator[tuple[int, str]]:
    """Every definition in these files, which the caller has from a query under the permit: the file's place among them, and the
    name. Half a million have to be read at once, so the rows are as small as they can be."""
    place_of = _places(session, files)
    query = select(_plain(session, CodeSymbol.version_id), CodeSymbol.name)
    for version, name in session.connection().execute(query.where(_inside_in_bulk(CodeSymbol, permit))):
        place = place_of.get(version)
        if place is not None:
            yield place, name


def every_use(session: Session, permit: Permit, files: Sequence[FileRow]) -> Iterator[tuple[int, str, str, str]]:
    """Every use in these files of a name that is defined in the permit's collections, and every import: the file's place, name,
    role and qualifier."""
    place_of = _places(session, files)
    defined = select(CodeSymbol.name_key).where(_inside(CodeSymbol, permit))
    version = _plain(session, CodeReference.version_id)
    query = select(version, CodeReference.name, CodeReference.role, CodeReference.qualifier).where(
        _inside_in_bulk(CodeReference, permit),
        or_(CodeReference.role == ReferenceRole.IMPORT, CodeReference.name_key.in_(defined)),
    )
    for key, name, role, qualifier in session.connection().execute(
        query
    ):  # the session would look at every row once more
        place = place_of.get(key)
        if place is not None:
            yield place, name, role, qualifier


def chunk_places(session: Session, version_ids: Iterable[UUID]) -> dict[UUID, list[ChunkPlace]]:
    """Which lines the chunks of these versions have, in order. The caller has these versions from a query under a permit."""
    found: dict[UUID, list[ChunkPlace]] = {}
    for group in in_groups(version_ids):
        query = select(ChunkRow.id, ChunkRow.version_id, ChunkRow.anchor).where(ChunkRow.version_id.in_(group))
        for key, version_id, anchor in session.execute(query.order_by(ChunkRow.version_id, ChunkRow.ordinal)):
            if anchor.get("kind") == "lines":
                place = ChunkPlace(key, version_id, int(anchor["first"]), int(anchor["last"]))
                found.setdefault(version_id, []).append(place)
    return found


def chunks_holding(
    session: Session, version_ids: Sequence[UUID], literals: Sequence[str], *, any_case: bool
) -> list[tuple[UUID, UUID]]:
    """Chunk and version of the pieces of these versions that hold one of the literals (all pieces without any), in order.

    The caller has the versions from a query under a permit, and reads the texts under it.
    """
    sqlite = session.get_bind().dialect.name == "sqlite"
    query = select(ChunkRow.id, ChunkRow.version_id).where(ChunkRow.version_id.in_(version_ids))
    if literals:
        query = query.where(or_(*(_holding(item, sqlite, any_case) for item in literals)))
    return [(row[0], row[1]) for row in session.execute(query.order_by(ChunkRow.version_id, ChunkRow.ordinal))]


def _holding(literal: str, sqlite: bool, any_case: bool) -> ColumnElement[bool]:
    """That a text holds a literal, as fast as the engine can tell. LIKE of SQLite ignores the case of ASCII letters."""
    if any_case:
        return _TEXT.contains(literal, autoescape=True) if sqlite else _TEXT.icontains(literal, autoescape=True)
    return func.instr(_TEXT, literal) > 0 if sqlite else func.strpos(_TEXT, literal) > 0


def _inside(table: type[CodeSymbol | CodeReference], permit: Permit) -> ColumnElement[bool]:
    """The collection of a row, for the index by names. Beside ids of versions it would mislead SQLite to that very index, and so
    through the whole collection; what the permit covers is asked of the document in any case."""
    return table.collection_id.in_(permit.collections)


def _inside_in_bulk(table: type[CodeSymbol | CodeReference], permit: Permit) -> ColumnElement[bool]:
    """The same for all rows of collections, past the index: most of the table is read, and in its own order that takes a third of
    the time (337,000 rows of 4,500 files on SQLite: 0.32 s instead of 1.0 s)."""
    return func.coalesce(table.collection_id, table.collection_id).in_(permit.collections)


def _symbols(
    session: Session,
    permit: Permit,
    where: Sequence[ColumnElement[bool]],
    kinds: Container[str],
    most: int | None,
) -> list[SymbolRow]:
    query = _joined(select(*_SYMBOL), CodeSymbol.version_id).where(*where, *answering(permit))
    if kinds:
        query = query.where(CodeSymbol.kind.in_(kinds))
    query = query.order_by(Document.source_key, CodeSymbol.first_line, CodeSymbol.id)
    return [SymbolRow(*row) for row in session.execute(query if most is None else query.limit(most))]


def _references(
    session: Session, permit: Permit, where: Sequence[ColumnElement[bool]], most: int | None
) -> list[ReferenceRow]:
    query = _joined(select(*_REFERENCE), CodeReference.version_id).where(*where, *answering(permit))
    query = query.order_by(Document.source_key, CodeReference.id)
    return [ReferenceRow(*row) for row in session.execute(query if most is None else query.limit(most))]


def _joined(query: Select[Any], version_id: InstrumentedAttribute[UUID]) -> Select[Any]:
    return query.join(DocumentVersion, DocumentVersion.id == version_id).join(
        Document, Document.id == DocumentVersion.document_id
    )


def _places(session: Session, files: Sequence[FileRow]) -> dict[str, int]:
    sqlite = session.get_bind().dialect.name == "sqlite"
    keys = (row.version_id.hex if sqlite else str(row.version_id) for row in files)
    return {key: place for place, key in enumerate(keys)}


def _plain(session: Session, column: InstrumentedAttribute[UUID]) -> ColumnElement[str]:
    """A UUID as the engine writes it: an object for each row would take longer than the query."""
    if session.get_bind().dialect.name == "sqlite":
        return type_coerce(column, String)
    return cast(column, String)


def _starting(session: Session, column: InstrumentedAttribute[str], beginning: str) -> ColumnElement[bool]:
    """That a column begins so, by its index where the engine can."""
    if session.get_bind().dialect.name == "sqlite":
        return and_(column >= beginning, column < beginning + _LAST)
    return column.startswith(beginning, autoescape=True)


def _ending(suffixes: Sequence[str]) -> list[ColumnElement[bool]]:
    key = func.lower(Document.source_key)
    return [or_(*(key.endswith(f".{suffix}", autoescape=True) for suffix in suffixes))] if suffixes else []


def _beginning(
    session: Session, column: InstrumentedAttribute[str], prefixes: Sequence[str]
) -> list[ColumnElement[bool]]:
    return [or_(*(_starting(session, column, prefix) for prefix in prefixes))] if prefixes else []
