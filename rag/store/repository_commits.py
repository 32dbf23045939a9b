"""The commits of a repository that versions on record name: to these their places lead, whatever became of the branches."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.store.document import Document
from rag.store.repository import Repository, RepositoryFile
from rag.store.version import DocumentVersion, VersionState

_STANDING = (DocumentVersion.commit.is_not(None), DocumentVersion.state != VersionState.DELETED)


def of_repository(session: Session, repository_id: UUID) -> frozenset[str]:
    """Those that versions of any of its files name. For synchronisation, which acts for no principal."""
    query = (
        select(DocumentVersion.commit)
        .distinct()
        .join(RepositoryFile, RepositoryFile.document_id == DocumentVersion.document_id)
        .where(RepositoryFile.repository_id == repository_id, *_STANDING)
    )
    return frozenset(item for item in session.scalars(query) if item)


def paths_of(session: Session, repository_id: UUID, commit: str) -> frozenset[str]:
    """The files of which a version names a commit. For synchronisation, which acts for no principal."""
    query = (
        select(RepositoryFile.path)
        .distinct()
        .join(DocumentVersion, DocumentVersion.document_id == RepositoryFile.document_id)
        .where(RepositoryFile.repository_id == repository_id, DocumentVersion.commit == commit, *_STANDING)
    )
    return frozenset(session.scalars(query))


def of_path(session: Session, repository: Repository, path: str) -> frozenset[str]:
    """Those that versions of the document at a path name. Whether the caller may read that is asked elsewhere."""
    query = (
        select(DocumentVersion.commit)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(
            Document.collection_id == repository.collection_id,
            Document.source_key == f"{repository.name}/{path}",
            *_STANDING,
        )
    )
    return frozenset(item for item in session.scalars(query) if item)
