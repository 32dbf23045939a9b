from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from ingest.pipeline import reuse
from ingest.pipeline import vectors as vector_file
from ingest.pipeline.reuse import known_vectors
from rag.blobs.store import BlobStore
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import Chunk, chunk_id
from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.embedding.space import EmbeddingSpace
from rag.store import chunk as chunks_table
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState
from tests.support.stores import add_collection, add_document, add_version


class CountingEmbedder:
    """Counts every text that it is asked for; a vector is a function of the text alone."""

    max_tokens = 1000
    languages = frozenset(Language)

    def __init__(self, name: str, dimensions: int | None = None) -> None:
        self.name = name
        self.dimensions = dimensions
        self.learned = False
        self.multi: int | None = None
        self.texts: list[str] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        self.texts += texts
        if self.dimensions is None:
            return Embeddings(sparse=tuple(SparseVector((sum(text.encode()),), (1.0,)) for text in texts))
        rows = np.array([[len(text), sum(text.encode())] for text in texts], dtype=np.float32).reshape(-1, 2)
        return Embeddings(dense=rows / np.linalg.norm(rows, axis=1, keepdims=True))


class Shelf:
    """Versions with chunks and stored vectors, embedded as the pipeline does it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.blobs = BlobStore((folder / "blobs").as_uri())
        self.lexical, self.dense = CountingEmbedder("lexical/1"), CountingEmbedder("dense/1", 2)
        self.space = EmbeddingSpace(self.lexical, self.dense)
        self.collection = add_collection(database)

    def document(self, collection: Collection | None = None) -> Document:
        with self.database.write() as session:
            return add_document(session, collection or self.collection, f"{uuid4()}.md")

    def embed(
        self,
        document: Document,
        number: int,
        texts: Sequence[str],
        *,
        content: bytes | None = None,
        state: VersionState = VersionState.ACTIVE,
        headings: tuple[str, ...] = ("규정",),
        language: Language = Language.KOREAN,
    ) -> tuple[list[str], list[str]]:
        """Make a version; returns the texts that either leg was asked for."""
        with self.database.write() as session:
            row = session.get_one(Document, document.id)
            version_id = add_version(session, row, number, state, content or f"{document.id}{number}".encode())
            chunks = [
                Chunk(chunk_id(version_id, "x", i), i, text, ParagraphAnchor(1, 1), headings, language)
                for i, text in enumerate(texts)
            ]
            chunks_table.replace_chunks(session, version_id, chunks)
            version = session.get_one(DocumentVersion, version_id)
            version.chunk_count = len(chunks)
        before = len(self.lexical.texts), len(self.dense.texts)
        known = known_vectors(self.database, self.blobs, self.space.name, [version])
        made = self.space.embed_chunks(chunks, known)
        self.blobs.put_derived(version_id, vector_file.FILE, vector_file.pack(self.space.name, made))
        fresh = EmbeddingSpace(CountingEmbedder("lexical/1"), CountingEmbedder("dense/1", 2)).embed_chunks(chunks)
        for ours, theirs in zip(made, fresh, strict=True):
            assert ours.sparse == theirs.sparse
            np.testing.assert_allclose(ours.dense, theirs.dense, rtol=1e-6)
        return self.lexical.texts[before[0] :], self.dense.texts[before[1] :]


@pytest.fixture
def shelf(sqlite: Database, tmp_path: Path) -> Iterator[Shelf]:
    yield Shelf(sqlite, tmp_path)


def paragraphs(count: int) -> list[str]:
    return [f"제{number}조 내용이다." for number in range(count)]


def test_one_changed_paragraph_of_a_hundred_embeds_one_text(shelf: Shelf) -> None:
    document = shelf.document()
    texts = paragraphs(100)
    assert [len(leg) for leg in shelf.embed(document, 1, texts)] == [100, 100]
    texts[40] = "제40조 바뀐 내용이다."
    assert shelf.embed(document, 2, texts) == (["규정\n제40조 바뀐 내용이다."],) * 2


def test_what_moved_inside_the_document_is_not_embedded_again(shelf: Shelf) -> None:
    document = shelf.document()
    texts = paragraphs(10)
    shelf.embed(document, 1, texts)
    assert shelf.embed(document, 2, ["새 머리말이다.", *texts[::-1]]) == (["규정\n새 머리말이다."],) * 2


def test_another_heading_is_another_text(shelf: Shelf) -> None:
    document = shelf.document()
    shelf.embed(document, 1, paragraphs(3))
    assert [len(leg) for leg in shelf.embed(document, 2, paragraphs(3), headings=("새 규정",))] == [3, 3]


def test_a_renamed_file_is_not_embedded_again(shelf: Shelf) -> None:
    shelf.embed(shelf.document(), 1, paragraphs(5), content=b"same")
    assert shelf.embed(shelf.document(), 1, paragraphs(5), content=b"same") == ([], [])


def test_a_moved_code_file_keeps_its_dense_vectors(shelf: Shelf) -> None:
    """The lexical leg sees the path of code, the dense one does not: each is looked up by what it sees."""
    code = ["def add(left, right):\n    return left + right"]
    shelf.embed(shelf.document(), 1, code, content=b"code", headings=("a/sum.py",), language=Language.CODE)
    lexical, dense = shelf.embed(
        shelf.document(), 1, code, content=b"code", headings=("b/sum.py",), language=Language.CODE
    )
    assert (len(lexical), len(dense)) == (1, 0)


def test_vectors_of_another_tenant_are_not_looked_at(shelf: Shelf) -> None:
    other = add_collection(shelf.database, tenant="남의 회사")
    shelf.embed(shelf.document(other), 1, paragraphs(2), content=b"same")
    assert [len(leg) for leg in shelf.embed(shelf.document(), 1, paragraphs(2), content=b"same")] == [2, 2]


def test_vectors_of_another_space_are_of_no_use(shelf: Shelf) -> None:
    document = shelf.document()
    shelf.embed(document, 1, paragraphs(3))
    shelf.dense.name = "dense/2"
    shelf.space = EmbeddingSpace(shelf.lexical, shelf.dense)
    assert [len(leg) for leg in shelf.embed(document, 2, paragraphs(3))] == [3, 3]


@pytest.mark.parametrize("state", [VersionState.DELETED, VersionState.FAILED, VersionState.RUNNING])
def test_only_finished_versions_are_looked_into(shelf: Shelf, state: VersionState) -> None:
    document = shelf.document()
    shelf.embed(document, 1, paragraphs(3), state=state)
    assert [len(leg) for leg in shelf.embed(document, 2, paragraphs(3))] == [3, 3]


def test_a_version_whose_vectors_are_gone_or_do_not_fit_is_embedded_again(shelf: Shelf) -> None:
    document = shelf.document()
    shelf.embed(document, 1, paragraphs(3))
    with shelf.database.read() as session:
        first: UUID = session.get_one(Document, document.id).latest_version_id  # type: ignore[assignment]
    shelf.blobs.put_derived(first, vector_file.FILE, vector_file.pack(shelf.space.name, []))
    assert [len(leg) for leg in shelf.embed(document, 2, paragraphs(3), state=VersionState.RUNNING)] == [3, 3]
    shelf.blobs.delete_derived(first)
    assert [len(leg) for leg in shelf.embed(document, 3, paragraphs(3))] == [3, 3]


def test_the_look_is_bounded(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "_MOST_CHUNKS", 5)
    document = shelf.document()
    shelf.embed(document, 1, paragraphs(6))
    assert [len(leg) for leg in shelf.embed(document, 2, paragraphs(6))] == [6, 6]


def test_only_the_latest_versions_are_looked_into(shelf: Shelf) -> None:
    document = shelf.document()
    shelf.embed(document, 1, ["오래된 조항이다."], state=VersionState.RETIRED)
    for number in (2, 3):
        shelf.embed(document, number, [f"{number}차 개정이다."], state=VersionState.RETIRED)
    assert shelf.embed(document, 4, ["오래된 조항이다.", "2차 개정이다."]) == (["규정\n오래된 조항이다."],) * 2
