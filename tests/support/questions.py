"""A retriever on an index in memory, for tests of how questions are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4, uuid5

from rag.access.policy import Action, Policy
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import Chunk
from rag.domain.glossary import GlossaryEntry
from rag.domain.language import Language
from rag.domain.principal import Permit, Principal, Scope
from rag.domain.provision import ProvisionMark
from rag.domain.vectors import Embeddings
from rag.embedding.base import Embedder, Role
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.space import EmbeddingSpace
from rag.generation.chat import ChatMessage, ChatModel
from rag.index.base import IndexPoint, IndexSchema
from rag.index.memory import MemoryIndex
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import Understander
from rag.settings import RetrievalSettings
from rag.store import chunk as chunks_table
from rag.store import glossary as glossary_table
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState
from rag.text.analysis import Analyzer
from rag.text.question import QuestionReader
from tests.support.hash_embedder import HashEmbedder
from tests.support.stores import add_collection, add_document, add_version


class RecordingEmbedder(HashEmbedder):
    """A dense embedder that keeps the questions it was given."""

    def __init__(self, languages: frozenset[Language]) -> None:
        super().__init__(dense=True)
        self.languages = languages
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        if role is Role.QUERY:
            self.asked += texts
        return super().embed(texts, role)


class ScriptedChat:
    """A chat model that says what the test wrote, or raises it."""

    name = "scripted"

    def __init__(self, *replies: str | Exception) -> None:
        self.replies = list(replies)
        self.calls: list[Sequence[ChatMessage]] = []
        self.deadlines: list[float | None] = []
        self.tenants: list[str] = []

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        deadline: float | None = None,
        tenant: str = "",
    ) -> str:
        self.calls.append(messages)
        self.tenants.append(tenant)
        self.deadlines.append(deadline)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


ANALYZER = Analyzer()
READER = QuestionReader(ANALYZER)


@dataclass
class Library:
    """Documents in memory, and the retriever that reads them."""

    database: Database
    index: MemoryIndex
    space: EmbeddingSpace
    retriever: Retriever

    @classmethod
    def open(
        cls,
        database: Database,
        dense: Embedder | None = None,
        chat: ChatModel | None = None,
        settings: RetrievalSettings | None = None,
    ) -> Library:
        settings = settings or RetrievalSettings()
        space = EmbeddingSpace(KiwiBm25Embedder(ANALYZER), dense)
        index = MemoryIndex(IndexSchema(space.name, space.dimensions))
        understander = Understander(database, index, space, ANALYZER, READER, settings, chat)
        return cls(database, index, space, Retriever(database, index, space, settings, understander))

    def collection(self, name: str = "규정", tenant: str = "default") -> Collection:
        return add_collection(self.database, name, tenant)

    def add(
        self,
        collection: Collection,
        texts: Mapping[str, str],
        language: Language = Language.KOREAN,
        provisions: Mapping[str, Sequence[ProvisionMark]] | None = None,
    ) -> None:
        """One document with one chunk for each name and text."""
        for name, text in texts.items():
            with self.database.write() as session:
                document = add_document(session, collection, name)
                version = add_version(session, document, 1, VersionState.ACTIVE)
                document.current_version_id = version
                chunk = Chunk(
                    id=uuid5(version, "0"),
                    ordinal=0,
                    text=text,
                    anchor=ParagraphAnchor(1, 1),
                    language=language,
                    provisions=tuple((provisions or {}).get(name, ())),
                )
                row = session.get_one(DocumentVersion, version)
                row.valid_from = utc_now()
                chunks_table.replace_chunks(session, version, [chunk])
                document_id = document.id
            [vectors] = self.space.embed_chunks([chunk])
            point = IndexPoint(
                chunk.id, collection.tenant_id, collection.id, document_id, version, vectors.sparse, vectors.dense
            )
            self.index.upsert([point])

    def glossary(self, collection: Collection, **terms: Sequence[str]) -> None:
        """Put a glossary."""
        entries = [GlossaryEntry(term, tuple(expansions)) for term, expansions in terms.items()]
        with self.database.write() as session:
            glossary_table.replace_all(session, collection.tenant_id, collection.id, entries)

    def permit(self, *collections: Collection) -> Permit:
        """The right to read these."""
        principal = Principal(uuid4(), "담당자", collections[0].tenant_id, frozenset({Scope.READ}))
        names: list[str] = [str(item.id) for item in collections]
        return Policy(self.database).authorize(principal, Action.SEARCH, names)
