"""Repositories that are kept in step, and the files that they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint, delete, or_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.errors import RepositoryNotFound
from rag.domain.principal import Permit
from rag.store.base import Base, in_groups, utc_now
from rag.store.collection import Collection
from rag.store.document import Document, covered, key_covered

WAITING = "waiting"
"""Reason of a file that was begun: it is ours, whatever a killed process has made of it."""


class RepositoryState(StrEnum):
    """What a repository is doing. A failure stays until the next try; what was indexed before goes on answering."""

    WAITING = "waiting"
    FETCHING = "fetching"
    INDEXING = "indexing"
    FILLING = "filling"
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"


class Repository(Base):
    """A git repository whose files at one branch or tag are documents of a collection.

    Attributes:
        name: first part of the source key of each of its files; unique in its collection.
        url: `https://…`, `ssh://…`, `git@host:path`, or a folder on the server.
        ref: branch or tag that is indexed; empty for the one that the remote calls its own (HEAD).
        credential: name of a credential of the settings; empty for none.
        options: `ingest.connectors.repository_options` as JSON: what is taken, who may read what, history.
        state, done, total: what it is doing, and how many files of how many.
        head: commit of `ref` when it was last fetched.
        commit: commit that the index holds; empty while it holds none.
        webhook_secret: what a webhook signs with, as `rag.access.stored_secrets` keeps it; None for none. All that it lets
            anybody do is ask for a look.
        error_code, error_params: why the last try failed.
        failures: tries in a row that failed.
        note: code of what is worth knowing of the last look, such as a history that was rewritten; empty for nothing.
        applied: the options that the index was made with; None before the first try.
        wanted_at: since when somebody wants a look at the remote; None when nobody does.
        poll_s: seconds between two looks; 0 for none but on demand.
        due_at: when the next look is due; None for none but on demand.
        job_id: durable job that works on it; empty when none does.
        receipt_id: of its deletion, which the receipts of its documents belong to.
    """

    __tablename__ = "repository"
    __table_args__ = (UniqueConstraint("collection_id", "name"), Index("ix_repository_tenant_id", "tenant_id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"))
    name: Mapped[str] = mapped_column(String(200))
    url: Mapped[str] = mapped_column(String(1000))
    ref: Mapped[str] = mapped_column(String(250), default="")
    credential: Mapped[str] = mapped_column(String(100), default="")
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    owner_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(String(20), default=RepositoryState.WAITING)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    head: Mapped[str] = mapped_column(String(64), default="")
    commit: Mapped[str] = mapped_column(String(64), default="")
    webhook_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    error_code: Mapped[str | None] = mapped_column(String(100))
    error_params: Mapped[dict[str, Any] | None]
    poll_s: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    note: Mapped[str] = mapped_column(String(40), default="", server_default=text("''"))
    applied: Mapped[dict[str, Any] | None]
    job_id: Mapped[str] = mapped_column(String(100), default="")
    wanted_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    fetched_at: Mapped[datetime | None]
    indexed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    deleted_at: Mapped[datetime | None]
    receipt_id: Mapped[UUID | None]


class RepositoryFile(Base):
    """A file of a repository at the commit that the index holds.

    Attributes:
        blob: git's hash of its content; for a submodule, the commit that it points to.
        reason: why it is not in the index, a code of `ingest.connectors.git_selection`; empty when it is.
        document_id: None when it is not in the index.
    """

    __tablename__ = "repository_file"
    __table_args__ = (Index("ix_repository_file_document_id", "document_id"),)

    repository_id: Mapped[UUID] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(String(1800), primary_key=True)
    blob: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(40), default="")
    document_id: Mapped[UUID | None]


def get_permitted(session: Session, permit: Permit, repository_id: UUID) -> Repository:
    """The repository, if the permit covers its collection.

    Raises:
        RepositoryNotFound: it does not exist, is deleted, or lies outside the permit: the caller can't tell which.
    """
    query = select(Repository).where(Repository.id == repository_id, *_visible(permit))
    found = session.scalar(query)
    if found is None:
        raise RepositoryNotFound(name=str(repository_id))
    return found


def collection_name(session: Session, row: Repository) -> str:
    """The name of the collection that a repository feeds."""
    return session.scalar(select(Collection.name).where(Collection.id == row.collection_id)) or ""


def of_permit(session: Session, permit: Permit) -> Sequence[Repository]:
    """The repositories of the permit's collections, by name."""
    query = select(Repository).where(*_visible(permit))
    return session.scalars(query.order_by(Repository.name, Repository.id)).all()


def of_reader(session: Session, permit: Permit) -> Sequence[Repository]:
    """Those of them that hold a file which the permit covers, and those that hold none yet: one whose files are all kept from a
    reader has neither name nor commit for it."""
    indexed = select(RepositoryFile.path).where(
        RepositoryFile.repository_id == Repository.id, RepositoryFile.document_id.is_not(None)
    )
    readable = indexed.join(Document, Document.id == RepositoryFile.document_id).where(
        Document.deleted_at.is_(None), *covered(permit)
    )
    query = select(Repository).where(*_visible(permit), or_(~indexed.exists(), readable.exists()))
    return session.scalars(query.order_by(Repository.name, Repository.id)).all()


def _visible(permit: Permit) -> tuple[Any, ...]:
    return (
        Repository.tenant_id == permit.tenant_id,
        Repository.collection_id.in_(permit.collections),
        Repository.deleted_at.is_(None),
    )


def files_of(session: Session, repository_id: UUID) -> dict[str, RepositoryFile]:
    """Every file by path. For synchronisation, which acts for no principal."""
    query = select(RepositoryFile).where(RepositoryFile.repository_id == repository_id)
    return {row.path: row for row in session.scalars(query)}


def page_of_files(
    session: Session, permit: Permit, repository_id: UUID, *, after: str | None, limit: int, skipped: bool = False
) -> Sequence[RepositoryFile]:
    """Files by path, after the path `after`: those in the index that the permit covers, or those that were skipped.

    Skipped ones have no document to ask, so only call for them where the permit is that of who tends the collection.
    """
    query = select(RepositoryFile).where(RepositoryFile.repository_id == repository_id)
    if skipped:
        query = query.where(RepositoryFile.reason.not_in(("", WAITING)))
    else:
        query = (
            query.where(RepositoryFile.reason == "")
            .join(Document, Document.id == RepositoryFile.document_id)
            .where(*covered(permit))
        )
    if after is not None:
        query = query.where(RepositoryFile.path > after)
    return session.scalars(query.order_by(RepositoryFile.path).limit(limit)).all()


def path_behind(session: Session, permit: Permit, repository: Repository, document_id: UUID) -> str:
    """Where a list of files that the permit covers goes on behind the one of this document, also when it went meanwhile.

    Raises:
        DocumentNotFound: the permit does not cover it.
    """
    key = key_covered(session, permit, document_id)
    of_document = RepositoryFile.repository_id == repository.id, RepositoryFile.document_id == document_id
    path = session.scalar(select(RepositoryFile.path).where(*of_document))
    return key.removeprefix(f"{repository.name}/") if path is None else path


def forget_files(session: Session, repository_id: UUID, paths: Iterable[str]) -> None:
    """Take files from what is known of a repository."""
    for group in in_groups(paths):
        session.execute(
            delete(RepositoryFile).where(RepositoryFile.repository_id == repository_id, RepositoryFile.path.in_(group))
        )
