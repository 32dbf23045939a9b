"""Generations: programs that a model writes from a specification, as jobs that outlive a process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, String, delete, exists, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.errors import GenerationEnded, NotFound
from rag.domain.principal import Permit
from rag.store.base import Base, in_groups, utc_now
from rag.store.collection import Collection
from rag.store.document import Document, covered, visible


class ProgramState(StrEnum):
    """What became of it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ProgramStage(StrEnum):
    """What is being done, in this order."""

    QUEUED = "queued"
    SELECT = "select"
    WRITE = "write"
    CHECK = "check"
    REPAIR = "repair"
    STORE = "store"
    END = "end"


UNFINISHED = (ProgramState.QUEUED, ProgramState.RUNNING)


class Program(Base):
    """One generation. The specification and what was made lie in the blob store, under its id.

    Attributes:
        key_id: of the key that asked, or of the account; its rights are looked at again whenever the job goes on.
        model: as it was asked for; empty left the choice to the router.
        model_used: the engine that wrote it; an adapter on it stands among the facts.
        written: tokens so far, reasoning included; an estimate until the engine has counted.
        facts: for the manifest: excerpts that were read and that were left out, files that were refused, notes.
    """

    __tablename__ = "generation"
    __table_args__ = (
        Index("ix_generation_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_generation_state", "state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    key_id: Mapped[UUID]
    key_name: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(10))
    model: Mapped[str] = mapped_column(String(100), default="")
    model_used: Mapped[str] = mapped_column(String(100), default="")
    thinking: Mapped[bool | None]
    spec_chars: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default=ProgramState.QUEUED)
    stage: Mapped[str] = mapped_column(String(20), default=ProgramStage.QUEUED)
    written: Mapped[int] = mapped_column(default=0)
    facts: Mapped[dict[str, Any] | None]
    failure_code: Mapped[str] = mapped_column(String(100), default="")
    failure_params: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def writer(self) -> str:
        """What wrote it, as the router knows it by name: the engine, or `engine:adapter`."""
        adapter = (self.facts or {}).get("adapter")
        return f"{self.model_used}:{adapter}" if adapter else self.model_used


class ProgramRepository(Base):
    """A collection whose content went into a generation: whoever may not read it may not see what was made of it."""

    __tablename__ = "generation_repository"
    __table_args__ = (Index("ix_generation_repository_collection_id", "collection_id"),)

    program_id: Mapped[UUID] = mapped_column(ForeignKey("generation.id", ondelete="CASCADE"), primary_key=True)
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"), primary_key=True)


class ProgramSource(Base):
    """A document that a generation was written from: an excerpt of it was read, or its path was listed."""

    __tablename__ = "generation_source"

    program_id: Mapped[UUID] = mapped_column(ForeignKey("generation.id", ondelete="CASCADE"), primary_key=True)
    document_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)


class ProgramFile(Base):
    """One file that was made.

    Attributes:
        ordinal: its place in the answer, and the name of its blob.
        sha256, size: of its content in UTF-8; hex, and bytes.
        verdict: `ok`, `error` or `unchecked`.
        repaired: whether its syntax was mended in a second round.
    """

    __tablename__ = "generation_file"

    program_id: Mapped[UUID] = mapped_column(ForeignKey("generation.id", ondelete="CASCADE"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(String(300))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    language: Mapped[str] = mapped_column(String(30))
    verdict: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str] = mapped_column(String(500), default="")
    repaired: Mapped[bool] = mapped_column(default=False)


def add(session: Session, row: Program, repositories: Sequence[UUID]) -> None:
    """Record a new one."""
    session.add(row)
    session.flush()
    session.add_all(ProgramRepository(program_id=row.id, collection_id=item) for item in repositories)


def _covered(permit: Permit) -> tuple[ColumnElement[bool], ...]:
    """That the permit covers every collection that went into it, and every document that it was written from."""
    outside = exists().where(
        ProgramRepository.program_id == Program.id, ProgramRepository.collection_id.not_in(permit.collections)
    )
    readable = exists().where(Document.id == ProgramSource.document_id, *covered(permit)).correlate(ProgramSource)
    barred = exists().where(ProgramSource.program_id == Program.id, ~readable).correlate(Program)
    return (Program.tenant_id == permit.tenant_id, ~outside, ~barred)


def get_permitted(session: Session, permit: Permit, program_id: UUID) -> Program:
    """The generation, if the permit covers all that went into it.

    Raises:
        NotFound: it does not exist or lies outside the permit: the caller can't tell which.
    """
    found = session.scalar(select(Program).where(Program.id == program_id, *_covered(permit)))
    if found is None:
        raise NotFound
    return found


def newest_permitted(
    session: Session, permit: Permit, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Program]:
    """Generations that the permit covers, newest first, older than `before`."""
    query = select(Program).where(*_covered(permit))
    if before is not None:
        moment, identity = before
        query = query.where(or_(Program.created_at < moment, (Program.created_at == moment) & (Program.id < identity)))
    return session.scalars(query.order_by(Program.created_at.desc(), Program.id.desc()).limit(limit)).all()


def repositories_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Collections by generation."""
    query = select(ProgramRepository).where(ProgramRepository.program_id.in_(ids))
    found: dict[UUID, list[UUID]] = {}
    for row in session.scalars(query.order_by(ProgramRepository.collection_id)):
        found.setdefault(row.program_id, []).append(row.collection_id)
    return found


def note_sources(session: Session, program_id: UUID, document_ids: Iterable[UUID]) -> None:
    """Put these documents in place of what it was written from. Safe to repeat."""
    session.execute(delete(ProgramSource).where(ProgramSource.program_id == program_id))
    session.flush()
    session.add_all(ProgramSource(program_id=program_id, document_id=item) for item in sorted(set(document_ids)))


def sources_of(session: Session, program_id: UUID) -> Sequence[UUID]:
    """Documents that it was written from."""
    return session.scalars(select(ProgramSource.document_id).where(ProgramSource.program_id == program_id)).all()


def files_of(session: Session, program_id: UUID) -> Sequence[ProgramFile]:
    """Its files in the order in which they were written."""
    query = select(ProgramFile).where(ProgramFile.program_id == program_id)
    return session.scalars(query.order_by(ProgramFile.ordinal)).all()


def file_at(session: Session, program_id: UUID, path: str) -> ProgramFile:
    """Its file at this path.

    Raises:
        NotFound: there is none.
    """
    found = session.scalar(select(ProgramFile).where(ProgramFile.program_id == program_id, ProgramFile.path == path))
    if found is None:
        raise NotFound
    return found


def advance(session: Session, program_id: UUID, stage: ProgramStage, *, written: int | None = None) -> bool:
    """Note what is being done; False when it was cancelled or deleted meanwhile."""
    values: dict[str, Any] = {"state": ProgramState.RUNNING, "stage": stage}
    values["started_at"] = func.coalesce(Program.started_at, utc_now())
    if written is not None:
        values["written"] = written
    change = update(Program).where(Program.id == program_id, Program.state.in_(UNFINISHED)).values(**values)
    return session.execute(change.returning(Program.id)).first() is not None


def note(session: Session, program_id: UUID, **facts: Any) -> None:
    """Add facts for the manifest."""
    row = session.get(Program, program_id, with_for_update=True)
    if row is not None:
        row.facts = {**(row.facts or {}), **facts}


def finish(session: Session, program_id: UUID, files: Sequence[ProgramFile]) -> bool:
    """Record what was made; False when it was cancelled or deleted meanwhile. Safe to repeat."""
    if not _end(session, program_id, {"state": ProgramState.DONE, "stage": ProgramStage.END}):
        return False
    session.execute(delete(ProgramFile).where(ProgramFile.program_id == program_id))
    session.add_all(files)
    return True


def fail(session: Session, program_id: UUID, code: str, params: dict[str, Any]) -> bool:
    """Record that it failed; False when it has ended already."""
    failed = {"state": ProgramState.FAILED, "failure_code": code, "failure_params": params}
    return _end(session, program_id, failed)


def cancel(session: Session, row: Program) -> None:
    """Stop it; a job at work on it sees that within a second.

    Raises:
        GenerationEnded: it has ended.
    """
    if not _end(session, row.id, {"state": ProgramState.CANCELLED}):
        raise GenerationEnded(name=row.title)
    session.refresh(row)


def _end(session: Session, program_id: UUID, values: dict[str, Any]) -> bool:
    change = update(Program).where(Program.id == program_id, Program.state.in_(UNFINISHED))
    return session.execute(change.values(ended_at=utc_now(), **values).returning(Program.id)).first() is not None


def remove(session: Session, program_id: UUID) -> None:
    """Remove it with the list of its files; the blobs are the caller's to remove first."""
    for table in (ProgramFile, ProgramRepository, ProgramSource):
        session.execute(delete(table).where(table.program_id == program_id))
    session.execute(delete(Program).where(Program.id == program_id))


def unfinished(session: Session, created_before: datetime) -> Sequence[UUID]:
    """Those that should be queued or running."""
    query = select(Program.id).where(Program.state.in_(UNFINISHED), Program.created_at < created_before)
    return session.scalars(query.order_by(Program.created_at)).all()


def count_unfinished(session: Session, tenant_id: UUID) -> int:
    """How many of a tenant's wait or are being written."""
    query = select(func.count()).select_from(Program)
    return session.scalar(query.where(Program.tenant_id == tenant_id, Program.state.in_(UNFINISHED))) or 0


def due(session: Session, ended_before: datetime, limit: int) -> Sequence[UUID]:
    """Those whose time is over, and those of which a repository was deleted."""
    gone = (
        exists()
        .where(ProgramRepository.program_id == Program.id, ProgramRepository.collection_id == Collection.id)
        .where(Collection.deleted_at.is_not(None))
    )
    query = select(Program.id).where(or_(Program.ended_at < ended_before, gone))
    return session.scalars(query.order_by(Program.created_at).limit(limit)).all()


def paths_permitted(session: Session, permit: Permit, limit: int) -> list[tuple[str, UUID, UUID]]:
    """Paths, ids and collections of the documents that answer questions in the permit's collections, in order."""
    query = select(Document.source_key, Document.id, Document.collection_id)
    query = query.where(*visible(permit), Document.current_version_id.is_not(None))
    rows = session.execute(query.order_by(Document.source_key, Document.id).limit(limit))
    return [(row[0], row[1], row[2]) for row in rows]


def still_permitted(session: Session, permit: Permit, document_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those of these documents that the permit covers now."""
    found: set[UUID] = set()
    for group in in_groups(set(document_ids)):
        found.update(session.scalars(select(Document.id).where(Document.id.in_(group), *visible(permit))))
    return frozenset(found)
