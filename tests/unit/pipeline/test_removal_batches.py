"""Deleting many documents: as many statements for a batch as for a few of it, and the same rows and receipts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from ingest.pipeline import maintenance, purging, removal
from ingest.pipeline.hiding import hide_many
from ingest.pipeline.steps import Pipeline
from rag.blobs.store import BlobStore
from rag.domain.errors import PurgeIncomplete
from rag.store import lifecycle
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.receipt import Actor, DeletionReason, DeletionReceipt, ReceiptKind
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState
from tests.support.stores import add_collection, add_version


class CountedIndex:
    """Remembers its calls; has a point for each version in `holds`, and never lets go of those in `resists`."""

    def __init__(self) -> None:
        self.holds: set[UUID] = set()
        self.resists: set[UUID] = set()
        self.calls = 0

    def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        self.calls += 1
        self.holds -= set(version_ids) - self.resists

    def count(self, *version_ids: UUID) -> int:
        self.calls += 1
        return len(self.holds & set(version_ids))


class World:
    """A collection with documents, and what a deletion works with."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.blobs = BlobStore("memory:")
        self.index = CountedIndex()
        self.collection = add_collection(database, name)
        self.pipeline = cast("Pipeline", SimpleNamespace(database=database, blobs=self.blobs, index=self.index))

    def add(self, key: str, content: str = "", parent: UUID | None = None, identity: UUID | None = None) -> UUID:
        """A document that answers, with everything that an ingestion leaves; returns its id."""
        data = (content or f"{self.collection.name} {key}").encode()
        self.blobs.put_original(data)
        with self.database.write() as session:
            row = Document(
                id=identity or uuid4(),
                tenant_id=self.collection.tenant_id,
                collection_id=self.collection.id,
                source_key=key,
                parent_document_id=parent,
                title=f"제목 {key}",
            )
            session.add(row)
            session.flush()
            version = add_version(session, row, 1, VersionState.ACTIVE, data)
            session.get_one(DocumentVersion, version).file_metadata = {"author": "홍길동"}
            row.current_version_id = version
        self.index.holds.add(version)
        self.blobs.put_derived(version, "parsed.json", b"{}")
        return row.id

    def delete(self) -> UUID:
        """Delete the collection, its documents not yet; returns the receipt's id."""
        with self.database.write() as session:
            row = session.get_one(Collection, self.collection.id)
            row.deleted_at = utc_now()
            item = DeletionReceipt(
                id=uuid4(),
                tenant_id=row.tenant_id,
                collection_id=row.id,
                collection_name=row.name,
                kind=ReceiptKind.COLLECTION,
                reason="request",
                actor_name="시험",
            )
            session.add(item)
        return item.id

    def receipts(self) -> dict[str, DeletionReceipt]:
        """Those of its documents, by the documents' names."""
        query = select(DeletionReceipt).where(
            DeletionReceipt.collection_id == self.collection.id, DeletionReceipt.kind == ReceiptKind.DOCUMENT
        )
        with self.database.read() as session:
            return {item.source_key: item for item in session.scalars(query)}

    def rows(self) -> dict[str, Document]:
        with self.database.read() as session:
            query = select(Document).where(Document.collection_id == self.collection.id)
            return {row.source_key: row for row in session.scalars(query)}

    def versions(self) -> list[DocumentVersion]:
        with self.database.read() as session:
            query = select(DocumentVersion).where(DocumentVersion.collection_id == self.collection.id)
            return list(session.scalars(query))


def hide_of(world: World, document_ids: Sequence[UUID]) -> None:
    with world.database.write() as session:
        hide_many(session, document_ids, Actor(None, "시험"), DeletionReason.SOURCE)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    found: list[str] = []

    def note(*given: Any) -> None:
        found.append(given[2])

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def test_a_batch_takes_as_many_statements_as_a_few_documents(database: Database) -> None:
    hidden, purged, calls = [], [], []
    for number in (4, 60):
        world = World(database, f"규정 {number}")
        for place in range(number - 2):
            world.add(f"{place:03}.md")
        world.add("자료.zip!/안.md", parent=world.add("자료.zip"))
        world.delete()
        with statements(database) as found:
            removal.hide_next(database, world.collection.id)
        hidden.append(len(found))
        world.index.calls = 0
        with statements(database) as found:
            removal.purge_next(world.pipeline, world.collection.id)
        purged.append(len(found))
        calls.append(world.index.calls)
        assert not world.index.holds and not list(world.blobs.original_hashes())
        assert all(item.purged_at for item in world.receipts().values())
    assert hidden[0] == hidden[1] <= 25
    assert purged[0] == purged[1] <= 40
    assert calls[0] == calls[1] <= 4


def test_what_lies_in_a_document_of_the_batch_goes_with_whichever_comes_first(database: Database) -> None:
    world = World(database, "묶음")
    root = world.add("밖.zip", identity=UUID(int=2))
    middle = world.add("밖.zip!/안.zip", parent=root, identity=UUID(int=1))
    world.add("밖.zip!/안.zip!/깊은.md", parent=middle, identity=UUID(int=3))
    world.add("밖.zip!/곁.md", parent=root, identity=UUID(int=4))
    other = world.add("밖의 것.md", identity=UUID(int=5))
    parent_id = world.delete()
    assert len(removal.hide_next(database, world.collection.id)) == 5
    assert removal.hide_next(database, world.collection.id) == []
    found = world.receipts()
    assert {key: item.documents for key, item in found.items()} == {"밖.zip": 2, "밖.zip!/안.zip": 2, "밖의 것.md": 1}
    named = {key: {entry["id"] for entry in item.versions} for key, item in found.items()}
    by_document = {item.document_id: str(item.id) for item in world.versions()}
    assert named["밖.zip"] == {by_document[UUID(int=2)], by_document[UUID(int=4)]}
    assert named["밖.zip!/안.zip"] == {by_document[UUID(int=1)], by_document[UUID(int=3)]}
    assert named["밖의 것.md"] == {by_document[other]}
    assert found["밖.zip"].versions[0]["id"] == by_document[root], "its own before those of what lies in it"
    assert all(
        (item.parent_id, item.reason, item.actor_name) == (parent_id, "collection", "시험") for item in found.values()
    )
    assert {item.state for item in world.versions()} == {VersionState.DELETED}
    assert removal.purge_next(world.pipeline, world.collection.id) == 3
    assert all(row.purged_at and row.title == "" for row in world.rows().values())
    assert all(item.file_metadata is None and item.cleaned_at for item in world.versions())
    zeros = {"points": 0, "chunks": 0, "derived": 0, "originals": 0, "originals_shared": 0}
    assert all(item.verified == zeros for item in world.receipts().values())


def test_one_that_resists_keeps_no_other_of_its_batch_open(database: Database) -> None:
    world = World(database, "끈질긴")
    for key in ("a.md", "b.md", "c.md"):
        world.add(key)
    world.delete()
    removal.hide_next(database, world.collection.id)
    stubborn = world.receipts()["b.md"]
    world.index.resists = {UUID(stubborn.versions[0]["id"])}
    assert removal.purge_next(world.pipeline, world.collection.id) == 3
    with pytest.raises(PurgeIncomplete):
        removal.close_collection(world.pipeline, world.collection.id)
    assert {key for key, item in world.receipts().items() if item.purged_at is None} == {"b.md"}
    world.index.resists = set()
    assert removal.purge_next(world.pipeline, world.collection.id) == 1
    assert world.receipts()["b.md"].purged_at is not None
    assert removal.purge_next(world.pipeline, world.collection.id) == 0


def test_originals_that_others_have_stay_and_are_told_of_within_the_collection_only(database: Database) -> None:
    here, there = World(database, "여기"), World(database, "저기")
    there.blobs = here.blobs
    both = here.add("양쪽.md", "같은 내용")
    there.add("양쪽.md", "같은 내용")
    first, second, stays = here.add("x.md", "셋"), here.add("y.md", "셋"), here.add("z.md", "셋")
    hide_of(here, [both, first, second])
    purging.purge_documents(here.pipeline, [both, first, second])
    shared = {key: (item.verified or {})["originals_shared"] for key, item in here.receipts().items()}
    assert shared == {"양쪽.md": 0, "x.md": 1, "y.md": 1}
    for content in ("같은 내용", "셋"):
        assert here.blobs.exists(hashlib.sha256(content.encode()).hexdigest())
    hide_of(here, [stays])
    purging.purge_document(here.pipeline, stays)
    assert not here.blobs.exists(hashlib.sha256("셋".encode()).hexdigest())
    assert here.blobs.exists(hashlib.sha256("같은 내용".encode()).hexdigest())


def test_what_was_uploaded_again_before_the_purge_keeps_what_is_new(database: Database) -> None:
    world = World(database, "다시")
    gone, back = world.add("a.md"), world.add("b.md")
    hide_of(world, [gone, back])
    with database.write() as session:
        row = session.get_one(Document, back)
        row.deleted_at = None
        row.current_version_id = add_version(session, row, 2, VersionState.ACTIVE, b"again")
        world.index.holds.add(row.current_version_id)
    purging.purge_documents(world.pipeline, [gone, back])
    rows = world.rows()
    assert [(row.title, row.purged_at is None) for row in (rows["a.md"], rows["b.md"])] == [
        ("", False),
        ("제목 b.md", True),
    ]
    assert world.index.holds == {rows["b.md"].current_version_id}
    assert all(item.purged_at is not None for item in world.receipts().values())


def test_more_than_fit_into_one_statement_or_one_go(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.base._TOGETHER", 2)
    monkeypatch.setattr(purging, "_REMOVED_TOGETHER", 2)
    world = World(database, "많은")
    roots = [world.add(f"{number}.zip") for number in range(3)]
    for place, root in enumerate(roots):
        for member in range(3):
            world.add(f"{place}.zip!/{member}.md", parent=root)
    hide_of(world, roots)
    assert {key: item.documents for key, item in world.receipts().items()} == {"0.zip": 4, "1.zip": 4, "2.zip": 4}
    purging.purge_documents(world.pipeline, roots)
    assert all(row.purged_at for row in world.rows().values())
    assert all(item.purged_at for item in world.receipts().values())
    assert not world.index.holds and not list(world.blobs.original_hashes())


def test_locks_and_rows_of_a_purge_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "_LOCKED_TOGETHER", 2)
    monkeypatch.setattr(purging, "_CHUNKS_TOGETHER", 25)
    locked, removed = list[int](), list[int]()
    lock, remove = lifecycle.lock_contents, purging.remove_leftovers

    def noted_lock(session: Session, hashes: Sequence[str]) -> None:
        locked.append(len(hashes))
        lock(session, hashes)

    def noted_removal(store: Database, blobs: BlobStore, index: Any, ids: Sequence[UUID]) -> None:
        removed.append(len(ids))
        remove(store, blobs, index, ids)

    monkeypatch.setattr(lifecycle, "lock_contents", noted_lock)
    monkeypatch.setattr(purging, "remove_leftovers", noted_removal)
    world = World(database, "큰")
    ids = [world.add(f"{number}.md") for number in range(5)]
    with database.write() as session:
        for version in session.scalars(select(DocumentVersion).where(DocumentVersion.document_id.in_(ids))):
            version.chunk_count = 10
    hide_of(world, ids)
    purging.purge_documents(world.pipeline, ids)
    assert all(row.purged_at for row in world.rows().values())
    assert (locked, removed) == ([2, 2, 1], [2, 2, 1])
