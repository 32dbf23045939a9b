"""The symbol index: what is defined where, and what is used where."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Table, Text, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.code import CodeOutline
from rag.store.base import Base, in_groups
from rag.store.bulk_insert import insert_all

_MAX_NAME = 200
_MAX_PATH = 500
_MAX_SIGNATURE = 1000
_KEY = BigInteger().with_variant(Integer, "sqlite")


class CodeSymbol(Base):
    """A definition in one version of a file (`rag.domain.code.Symbol`). `name_key` is `name` in lower case."""

    __tablename__ = "code_symbol"
    __table_args__ = (
        Index("ix_code_symbol_version_id", "version_id"),
        Index("ix_code_symbol_name", "collection_id", "name_key"),
    )

    id: Mapped[int] = mapped_column(_KEY, primary_key=True, autoincrement=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("document_version.id", ondelete="CASCADE"))
    collection_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(_MAX_NAME))
    name_key: Mapped[str] = mapped_column(String(_MAX_NAME))
    path: Mapped[str] = mapped_column(String(_MAX_PATH))
    kind: Mapped[str] = mapped_column(String(20))
    language: Mapped[str] = mapped_column(String(20))
    signature: Mapped[str] = mapped_column(String(_MAX_SIGNATURE))
    doc: Mapped[str] = mapped_column(Text)
    first_line: Mapped[int]
    last_line: Mapped[int]
    test: Mapped[bool]


class CodeReference(Base):
    """Uses of a name in one version of a file (`rag.domain.code.Reference`).

    An import is one too: `name` is what is taken, or the last part of the module that is taken whole; `qualifier` the module.
    """

    __tablename__ = "code_reference"
    __table_args__ = (
        Index("ix_code_reference_version_id", "version_id"),
        Index("ix_code_reference_name", "collection_id", "name_key"),
    )

    id: Mapped[int] = mapped_column(_KEY, primary_key=True, autoincrement=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("document_version.id", ondelete="CASCADE"))
    collection_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(_MAX_NAME))
    name_key: Mapped[str] = mapped_column(String(_MAX_NAME))
    role: Mapped[str] = mapped_column(String(10))
    enclosing: Mapped[str] = mapped_column(String(_MAX_PATH))
    qualifier: Mapped[str] = mapped_column(String(_MAX_NAME))
    lines: Mapped[list[Any]]


_SYMBOLS, _REFERENCES = cast("Table", CodeSymbol.__table__), cast("Table", CodeReference.__table__)
_SYMBOL_COLUMNS = (
    *("version_id", "collection_id", "name", "name_key", "path", "kind", "language", "signature", "doc"),
    *("first_line", "last_line", "test"),
)
_REFERENCE_COLUMNS = ("version_id", "collection_id", "name", "name_key", "role", "enclosing", "qualifier", "lines")


def put_outlines(session: Session, outlines: Sequence[tuple[UUID, UUID, CodeOutline]]) -> None:
    """Store (version, collection, outline) in place of what was there of these versions."""
    delete_of_versions(session, [version for version, _, _ in outlines])
    insert_all(session, _SYMBOLS, _SYMBOL_COLUMNS, [row for each in outlines for row in _symbol_rows(*each)])
    insert_all(session, _REFERENCES, _REFERENCE_COLUMNS, [row for each in outlines for row in _reference_rows(*each)])


def of_version(session: Session, version_id: UUID) -> tuple[Sequence[CodeSymbol], Sequence[CodeReference]]:
    """The definitions and uses on record of one version."""
    symbols = session.scalars(select(CodeSymbol).where(CodeSymbol.version_id == version_id)).all()
    return symbols, session.scalars(select(CodeReference).where(CodeReference.version_id == version_id)).all()


def rename(row: CodeSymbol | CodeReference, name: str) -> None:
    """Put another name in the place of that of a definition or use."""
    row.name, row.name_key = name, name.lower()


def forget_words(session: Session, version_id: UUID, lines: Collection[int]) -> None:
    """Leave of the definitions that hold one of these lines their names and places alone, as if nothing else had been read."""
    ordered = sorted(lines)
    query = select(CodeSymbol.id, CodeSymbol.first_line, CodeSymbol.last_line).where(
        CodeSymbol.version_id == version_id
    )
    held = [
        key
        for key, first, last in session.execute(query)
        if (at := bisect_left(ordered, first)) < len(ordered) and ordered[at] <= last
    ]
    for group in in_groups(held):
        session.execute(update(_SYMBOLS).where(CodeSymbol.id.in_(group)).values(signature=CodeSymbol.name, doc=""))


def delete_of_versions(session: Session, version_ids: Iterable[UUID]) -> None:
    """Remove what is known of these versions."""
    for group in in_groups(version_ids):
        session.execute(delete(CodeSymbol).where(CodeSymbol.version_id.in_(group)))
        session.execute(delete(CodeReference).where(CodeReference.version_id.in_(group)))


def _symbol_rows(version_id: UUID, collection_id: UUID, outline: CodeOutline) -> list[tuple[Any, ...]]:
    """Values of `_SYMBOL_COLUMNS`."""
    return [
        (
            version_id,
            collection_id,
            item.name[:_MAX_NAME],
            item.name[:_MAX_NAME].lower(),
            item.path[-_MAX_PATH:],
            item.kind.value,
            outline.language,
            item.signature[:_MAX_SIGNATURE],
            item.doc,
            item.first,
            item.last,
            item.test,
        )
        for item in outline.symbols
    ]


def _reference_rows(version_id: UUID, collection_id: UUID, outline: CodeOutline) -> list[tuple[Any, ...]]:
    """Values of `_REFERENCE_COLUMNS`."""
    uses = [(r.name, r.role.value, r.enclosing, r.qualifier, r.lines) for r in outline.references]
    for item in outline.imports:
        last = item.module.replace("/", ".").rstrip(".").rpartition(".")[2] or item.module
        uses += [(name, "import", "", item.module, (item.line,)) for name in item.names or (last,)]
    return [
        (
            version_id,
            collection_id,
            name[:_MAX_NAME],
            name[:_MAX_NAME].lower(),
            role,
            enclosing[-_MAX_PATH:],
            qualifier[-_MAX_NAME:],
            lines,
        )
        for name, role, enclosing, qualifier, lines in uses
    ]
