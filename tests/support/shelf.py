"""Documents that can be searched without parsing, queue or models: rows, chunks and points, as ingestion leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4, uuid5

from sqlalchemy import select

from rag.access.policy import Action, Policy
from rag.domain.anchor import LineAnchor, anchor_to_json
from rag.domain.document import Chunk, chunk_id
from rag.domain.language import Language
from rag.domain.principal import Permit, Principal, Scope
from rag.embedding.space import EmbeddingSpace
from rag.index.base import IndexPoint, IndexSchema
from rag.index.memory import MemoryIndex
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import Understander
from rag.settings import RetrievalSettings
from rag.store import chunk as chunks_table
from rag.store.base import utc_now
from rag.store.chunk import ChunkRow
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database
from rag.store.tenant import ensure_tenant
from rag.store.version import DocumentVersion, VersionState
from tests.support.hash_embedder import hash_space
from tests.support.passages import make_chunk
from tests.support.questions import ANALYZER, READER
from tests.support.stores import add_document, add_version


@dataclass
class Shelf:
    """A store with a memory index, and a retriever over both."""

    database: Database
    space: EmbeddingSpace
    index: MemoryIndex
    retriever: Retriever

    def collection(self, name: str, *, tenant: str = "은행", kind: str = "documents") -> Collection:
        """A new collection."""
        with self.database.write() as session:
            tenant_id = ensure_tenant(session, tenant).id
            row = Collection(id=uuid5(tenant_id, name), tenant_id=tenant_id, name=name, kind=kind)
            session.add(row)
        return row

    def add(
        self,
        collection: Collection,
        key: str,
        texts: Sequence[str],
        *,
        title: str = "",
        language: Language = Language.ENGLISH,
    ) -> UUID:
        """A document with these chunks, line n of the document being chunk n; returns its id."""
        with self.database.write() as session:
            document = add_document(session, collection, key)
            version = add_version(session, document, 1, VersionState.ACTIVE)
            row = session.get_one(DocumentVersion, version)
            row.valid_from, row.chunk_count = utc_now(), len(texts)
            document.current_version_id, document.title = version, title
            chunks = [self._chunk(version, number, text, language) for number, text in enumerate(texts)]
            chunks_table.replace_chunks(session, version, chunks)
            identity = document.id
        vectors = self.space.embed_chunks(chunks)
        self.index.upsert(
            [
                IndexPoint(c.id, collection.tenant_id, collection.id, identity, version, v.sparse, v.dense)
                for c, v in zip(chunks, vectors, strict=True)
            ]
        )
        return identity

    def add_code(self, collection: Collection, key: str, text: str, *, commit: str = "") -> UUID:
        """A file of a repository, one chunk, at a commit; returns the document's id."""
        identity = self.add(collection, key, [text.rstrip("\n")], title=key.rpartition("/")[2], language=Language.CODE)
        with self.database.write() as session:
            document = session.get_one(Document, identity)
            row = session.get_one(DocumentVersion, document.current_version_id)
            row.commit = commit or None
            [chunk] = session.scalars(select(ChunkRow).where(ChunkRow.version_id == row.id))
            chunk.anchor = anchor_to_json(LineAnchor(1, text.rstrip("\n").count("\n") + 1))
        return identity

    def _chunk(self, version: UUID, number: int, text: str, language: Language) -> Chunk:
        line = LineAnchor(number + 1, number + 1)
        return replace(
            make_chunk(text, language=language), id=chunk_id(version, "shelf", number), ordinal=number, anchor=line
        )

    def permit(self, *collections: Collection, tenant: str = "은행") -> Permit:
        """The permit of a reader of these collections, or of all of the tenant's."""
        with self.database.write() as session:
            tenant_id = ensure_tenant(session, tenant).id
        limited = frozenset(row.id for row in collections) or None
        reader = Principal(uuid4(), "reader", tenant_id, frozenset({Scope.READ}), limited)
        return self.policy.authorize(reader, Action.SEARCH)

    @property
    def policy(self) -> Policy:
        """The one issuer of permits."""
        return Policy(self.database)


def shelf(database: Database, space: EmbeddingSpace | None = None) -> Shelf:
    """An empty one."""
    space = space or hash_space()
    index = MemoryIndex(IndexSchema(space.name, space.dimensions))
    settings = RetrievalSettings(merge_neighbours=False)  # its documents are one section each, of a line a chunk
    understander = Understander(database, index, space, ANALYZER, READER, settings)
    return Shelf(database, space, index, Retriever(database, index, space, settings, understander))
