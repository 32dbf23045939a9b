"""A service on a temporary folder, filled without the queue: for benchmarks that measure something else than ingestion."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import select

from api.cli.services import retrieval_lane, upgrade_schema
from api.settings import Settings, load_settings
from rag.access.policy import Action
from rag.bootstrap import Rag
from rag.domain.document import Chunk, document_id, version_id
from rag.domain.principal import Permit, Principal, Scope
from rag.index.base import IndexPoint
from rag.store import chunk as chunks_table
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.tenant import ensure_tenant
from rag.store.version import DocumentVersion, VersionState

_GROUP = 512


@dataclass(frozen=True, slots=True)
class Workbench:
    """A retrieval lane and one collection in it."""

    rag: Rag
    settings: Settings
    tenant_id: UUID
    collection_id: UUID

    def permit(self) -> Permit:
        """Everything that this workbench holds."""
        principal = Principal(uuid4(), "benchmark", self.tenant_id, frozenset({Scope.READ}))
        return self.rag.policy.authorize(principal, Action.SEARCH)

    def version_for(self, source_key: str) -> UUID:
        """The version id that `add` uses for a document."""
        return version_id(document_id(self.collection_id, source_key), 1, "0" * 64)

    def add(self, documents: Sequence[tuple[str, Sequence[Chunk]]]) -> None:
        """Record, embed and index documents given as (source key, chunks)."""
        self.record(documents)
        flat = [(self.version_for(key), document_id(self.collection_id, key), c) for key, cs in documents for c in cs]
        for start in range(0, len(flat), _GROUP):
            part = flat[start : start + _GROUP]
            vectors = self.rag.space.embed_chunks([c for _, _, c in part])
            self.rag.index.upsert(
                [
                    IndexPoint(c.id, self.tenant_id, self.collection_id, doc, version, v.sparse, v.dense)
                    for (version, doc, c), v in zip(part, vectors, strict=True)
                ]
            )

    def record(self, documents: Sequence[tuple[str, Sequence[Chunk]]]) -> None:
        """Put documents and chunks on record as active."""
        with self.rag.database.write() as session:
            for key, chunks in documents:
                doc, version = document_id(self.collection_id, key), self.version_for(key)
                session.add(
                    Document(
                        id=doc, tenant_id=self.tenant_id, collection_id=self.collection_id, source_key=key,
                        current_version_id=version, latest_version_id=version,
                    )
                )  # fmt: skip
                session.flush()
                session.add(
                    DocumentVersion(
                        id=version, tenant_id=self.tenant_id, collection_id=self.collection_id, document_id=doc,
                        number=1, content_hash="0" * 64, size=1, filename=key, state=VersionState.ACTIVE,
                        chunk_count=len(chunks), valid_from=utc_now(),
                    )
                )  # fmt: skip
                session.flush()
                chunks_table.replace_chunks(session, version, chunks)


@contextmanager
def workbench(kind: str, folder: Path | None = None) -> Iterator[Workbench]:
    """An empty workbench whose collection is of this kind; in a `folder` that had one, that one with all it holds."""
    with tempfile.TemporaryDirectory(prefix="seogo-bench-") as temporary:
        settings = load_settings(None, folder or Path(temporary))
        upgrade_schema(settings)
        with retrieval_lane(settings, local_operator=False) as rag:
            collection_id = uuid4()
            with rag.database.write() as session:
                tenant_id = ensure_tenant(session, "bench").id
                kept = session.scalar(select(Collection.id).where(Collection.tenant_id == tenant_id))
                if kept is None:
                    session.add(Collection(id=collection_id, tenant_id=tenant_id, name="bench", kind=kind))
            collection_id = kept or collection_id
            yield Workbench(rag, settings, tenant_id, collection_id)
