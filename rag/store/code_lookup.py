"""What the ranking of code asks of the symbol index, under a permit: who is defined by a name, and which chunk begins with it.

Statements are built once and start from an index; texts are not read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.orm import Session

from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeContext
from rag.domain.language import CollectionKind
from rag.domain.principal import Permit
from rag.store.base import in_groups
from rag.store.chunk import ChunkRow
from rag.store.code_symbol import CodeSymbol
from rag.store.collection import Collection
from rag.store.document import Document, visible
from rag.store.filtering import conditions
from rag.store.version import DocumentVersion, VersionState


class Definition(NamedTuple):
    """A definition that the permit covers.

    Attributes:
        name, path: as in `rag.domain.code.Symbol`.
        first: its first line.
    """

    document_id: UUID
    version_id: UUID
    name: str
    path: str
    kind: str
    first: int
    test: bool


_NAMED = select(CodeSymbol.id).where(
    CodeSymbol.collection_id.in_(bindparam("collections", expanding=True)),
    CodeSymbol.name_key.in_(bindparam("names", expanding=True)),
)
_COLUMNS = (
    Document.id.label("document_id"),
    CodeSymbol.version_id,
    CodeSymbol.name,
    CodeSymbol.path,
    CodeSymbol.kind,
    CodeSymbol.first_line,
    CodeSymbol.test,
)
_SCANNED = 20
"""Rows of the symbol index looked at for each one that is wanted: what was replaced keeps its rows beside what answers."""


def definitions(
    session: Session, permit: Permit, name_keys: Sequence[str], *, most: int, path: str = ""
) -> list[Definition]:
    """At most `most` definitions by these names (`CodeSymbol.name_key`) in the documents that the permit covers now.

    A name that has more in the whole of the permit's collections than `_SCANNED` times as many is looked at in part only: it
    tells nothing apart.

    Args:
        path: how their paths end, in whole names: `PaymentService.approve`.
    """
    if not name_keys or not permit.collections:
        return []
    named = _NAMED
    if path:
        named = named.where((CodeSymbol.path == path) | CodeSymbol.path.endswith(f".{path}", autoescape=True))
    query = (
        select(*_COLUMNS)
        .join(DocumentVersion, DocumentVersion.id == CodeSymbol.version_id)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(
            CodeSymbol.id.in_(named.limit(most * _SCANNED).scalar_subquery()),
            *visible(permit),
            *_answering(permit),
            *conditions(permit.where),
        )
        .order_by(CodeSymbol.id)
        .limit(most)
    )
    wanted = {"collections": list(permit.collections), "names": list(name_keys)}
    return [Definition(*row) for row in session.execute(query, wanted)]


def _answering(permit: Permit) -> list[ColumnElement[bool]]:
    """That a version answers questions now, or at the permit's date."""
    if permit.as_of is None:
        return [Document.current_version_id == DocumentVersion.id, DocumentVersion.state == VersionState.ACTIVE]
    return [
        DocumentVersion.state.in_([VersionState.ACTIVE, VersionState.RETIRED]),
        DocumentVersion.valid_from <= permit.as_of,
        DocumentVersion.valid_to.is_(None) | (DocumentVersion.valid_to > permit.as_of),
    ]


_PLACES = select(ChunkRow.id, ChunkRow.version_id, ChunkRow.anchor).where(
    ChunkRow.version_id.in_(bindparam("versions", expanding=True))
)


def defining_chunks(session: Session, found: Sequence[Definition]) -> dict[Definition, UUID]:
    """The chunk in which each definition begins: of several, the one that begins last."""
    places: dict[UUID, list[tuple[int, int, UUID]]] = {}
    for row in session.execute(_PLACES, {"versions": list({item.version_id for item in found})}):
        first, last = row.anchor.get("first"), row.anchor.get("last")
        if row.anchor["kind"] == LineAnchor.kind and isinstance(first, int) and isinstance(last, int):
            places.setdefault(row.version_id, []).append((first, last, row.id))
    chunks: dict[Definition, UUID] = {}
    for item in found:
        around = [place for place in places.get(item.version_id, ()) if place[0] <= item.first <= place[1]]
        if around:
            chunks[item] = max(around)[2]
    return chunks


_CONTEXTS = select(ChunkRow.id, ChunkRow.code).where(
    ChunkRow.id.in_(bindparam("ids", expanding=True)), ChunkRow.code.is_not(None)
)


def contexts(session: Session, chunk_ids: Iterable[UUID]) -> dict[UUID, CodeContext]:
    """What chunks of code know of themselves; others are left out. The caller has the ids from a search under its permit."""
    return {
        row[0]: CodeContext.from_json(row[1])
        for ids in in_groups(chunk_ids)
        for row in session.execute(_CONTEXTS, {"ids": ids})
    }


class Origin(NamedTuple):
    """The file that a chunk is of.

    Attributes:
        language: in which it is written, as in `rag.domain.code.CodeOutline`; empty for what is no source code.
    """

    language: str
    source_key: str


_ORIGINS = (
    select(ChunkRow.id, ChunkRow.code["language"].as_string(), Document.source_key)
    .join(DocumentVersion, DocumentVersion.id == ChunkRow.version_id)
    .join(Document, Document.id == DocumentVersion.document_id)
    .join(Collection, Collection.id == Document.collection_id)
    .where(ChunkRow.id.in_(bindparam("ids", expanding=True)), Collection.kind == CollectionKind.CODE)
)


def origins(session: Session, chunk_ids: Iterable[UUID]) -> dict[UUID, Origin]:
    """The files of these chunks, as far as they lie in collections of code. The caller has the ids from a search under its
    permit, and shows nothing of this."""
    return {
        row[0]: Origin(row[1] or "", row[2])
        for ids in in_groups(chunk_ids)
        for row in session.execute(_ORIGINS, {"ids": ids})
    }


_WAITING = (
    select(ChunkRow.id)
    .join(DocumentVersion, DocumentVersion.id == ChunkRow.version_id)
    .where(ChunkRow.id.in_(bindparam("ids", expanding=True)), DocumentVersion.dense_pending.is_(True))
)
_ANY_WAITING = (
    select(DocumentVersion.id)
    .where(
        DocumentVersion.collection_id.in_(bindparam("collections", expanding=True)),
        DocumentVersion.dense_pending.is_(True),
    )
    .limit(1)
)


def without_vectors(session: Session, permit: Permit, chunk_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of these chunks whose version still waits for the vectors of a model."""
    if not chunk_ids or session.scalar(_ANY_WAITING, {"collections": list(permit.collections)}) is None:
        return frozenset()
    return frozenset(session.scalars(_WAITING, {"ids": list(chunk_ids)}))
