"""Migrated databases and the rows that tests need in them."""

from __future__ import annotations

import hashlib
from uuid import UUID, uuid4, uuid5

from sqlalchemy.orm import Session

from rag.domain.document import version_id
from rag.store import schema
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database
from rag.store.tenant import DEFAULT_TENANT, ensure_tenant
from rag.store.version import DocumentVersion, VersionState


def migrated(url: str) -> Database:
    """The database at `url`, brought to the present schema by its migrations."""
    database = Database(url)
    schema.upgrade(database)
    return database


def add_collection(database: Database, name: str = "규정", tenant: str = DEFAULT_TENANT) -> Collection:
    """A collection, its tenant included."""
    with database.write() as session:
        tenant_id = ensure_tenant(session, tenant).id
        row = Collection(id=uuid5(tenant_id, name), tenant_id=tenant_id, name=name, kind="documents")
        session.add(row)
    return row


def add_document(session: Session, collection: Collection, source_key: str = "취업규칙.docx") -> Document:
    """A document without versions."""
    row = Document(id=uuid4(), tenant_id=collection.tenant_id, collection_id=collection.id, source_key=source_key)
    session.add(row)
    session.flush()
    return row


def add_version(
    session: Session,
    document: Document,
    number: int,
    state: VersionState = VersionState.RUNNING,
    content: bytes | None = None,
    job_id: str = "job",
) -> UUID:
    """The `number`-th version of a document; returns its id."""
    content_hash = hashlib.sha256(content or str(number).encode()).hexdigest()
    row = DocumentVersion(
        id=version_id(document.id, number, content_hash),
        tenant_id=document.tenant_id,
        collection_id=document.collection_id,
        document_id=document.id,
        number=number,
        content_hash=content_hash,
        size=1,
        filename=document.source_key,
        job_id=job_id,
        state=state,
    )
    session.add(row)
    document.latest_version_id = row.id
    session.flush()
    return row.id
