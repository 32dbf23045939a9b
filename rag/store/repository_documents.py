"""The documents behind the paths of a repository, as far as a permit covers them: of these its history may be told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from rag.domain.principal import Permit
from rag.store.base import in_groups
from rag.store.document import Document, covered, key_begins
from rag.store.filtering import conditions
from rag.store.repository import Repository, RepositoryFile
from rag.store.version import DocumentVersion


class PathDocument(NamedTuple):
    """The document at a path.

    Attributes:
        version_id, version: its newest, which stands for it where what is told is in no version.
        access: id of the rule that holds for it; None when nobody is held back.
        gone: whether it was deleted with its file: its rule is that of then.
    """

    document_id: UUID
    version_id: UUID
    version: int
    media_type: str
    access: UUID | None
    flagged: bool
    gone: bool = False


def at_paths(session: Session, permit: Permit, repository: Repository, paths: Iterable[str]) -> dict[str, PathDocument]:
    """The documents at these paths that the permit covers, by path.

    A document that is gone because its file is gone from the repository counts: its history may be told to who might read it.
    One that somebody deleted while the file is there does not, and neither does what never was a document.
    """
    prefix = f"{repository.name}/"
    found: dict[str, PathDocument] = {}
    for group in in_groups(dict.fromkeys(prefix + path for path in paths)):
        query = (
            select(
                Document.source_key,
                Document.id,
                DocumentVersion.id,
                DocumentVersion.number,
                DocumentVersion.media_type,
                Document.access_rule_id,
                DocumentVersion.flagged,
                Document.deleted_at,
            )
            .join(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
            .where(
                Document.collection_id == repository.collection_id,
                Document.source_key.in_(group),
                *covered(permit),
                *conditions(permit.where),
            )
        )
        rows = session.execute(query).all()
        gone = [row[0].removeprefix(prefix) for row in rows if row[7] is not None]
        there = _in_tree(session, repository.id, gone)
        for key, document_id, version_id, number, media_type, access, flagged, deleted_at in rows:
            path = key.removeprefix(prefix)
            if deleted_at is None or path not in there:
                found[path] = PathDocument(
                    document_id, version_id, number, media_type, access, flagged, gone=deleted_at is not None
                )
    return found


def lies_at(session: Session, permit: Permit, repository: Repository, path: str) -> bool:
    """Whether a document that the permit covers lies at a path, or in the folder that it is."""
    if "\0" in path:
        return False
    key = f"{repository.name}/{path}"
    at = or_(Document.source_key == key, key_begins(f"{key}/"))
    query = select(Document.id).where(Document.collection_id == repository.collection_id, at, *covered(permit))
    return session.scalar(query.where(*conditions(permit.where)).limit(1)) is not None


def held_back(session: Session, permit: Permit, repository: Repository, paths: Iterable[str]) -> frozenset[str]:
    """Those of these paths at which a document is, or was, that the permit does not cover."""
    prefix = f"{repository.name}/"
    found: set[str] = set()
    for group in in_groups(dict.fromkeys(prefix + path for path in paths)):
        inside = (Document.collection_id == repository.collection_id, Document.source_key.in_(group))
        open_ones = set(session.scalars(select(Document.source_key).where(*inside, *covered(permit))))
        found.update(set(session.scalars(select(Document.source_key).where(*inside))) - open_ones)
    return frozenset(key.removeprefix(prefix) for key in found)


def _in_tree(session: Session, repository_id: UUID, paths: list[str]) -> frozenset[str]:
    """Those of these paths that the repository has a file at."""
    if not paths:
        return frozenset()
    query = select(RepositoryFile.path).where(
        RepositoryFile.repository_id == repository_id, RepositoryFile.path.in_(paths)
    )
    return frozenset(session.scalars(query))
