"""The door of ingestion: what becomes of an upload that fails half way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from ingest.connectors.upload import Received
from ingest.jobs import intake
from ingest.jobs.intake import Intake
from rag.access.policy import Action, Policy
from rag.blobs.store import BlobRef, BlobStore
from rag.domain.errors import StoreUnavailable
from rag.domain.principal import Principal, Scope
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import Priority
from tests.support.stores import add_collection


@dataclass
class Jobs:
    """Counts how often it was woken."""

    woken: int = 0
    upkeep: object = field(default=None)

    def wake(self) -> None:
        self.woken += 1


class Fickle(BlobStore):
    """Has lost one original when its row is to be written."""

    lost = ""

    def exists(self, content_hash: str) -> bool:
        return content_hash != self.lost and super().exists(content_hash)


def stored(blobs: BlobStore, content: bytes) -> BlobRef:
    writer = blobs.writer(len(content))
    writer.write(content)
    return writer.finish("a.md")


def held(blobs: BlobStore, content: bytes) -> BlobRef:
    writer = blobs.writer(len(content))
    writer.write(content)
    return writer.hold("a.md")


def test_files_after_one_that_can_not_be_recorded_leave_no_original(database: Database) -> None:
    collection = add_collection(database)
    principal = Principal(collection.tenant_id, "담당자", collection.tenant_id, frozenset({Scope.WRITE}))
    permit = Policy(database).authorize(principal, Action.UPLOAD_DOCUMENTS, [collection.name])
    blobs, jobs = Fickle("memory:"), Jobs()
    contents = [b"first", b"lost", b"third", b"first"]
    files = [Received(f"{number}.md", stored(blobs, content)) for number, content in enumerate(contents)]
    blobs.lost = hashlib.sha256(b"lost").hexdigest()
    with pytest.raises(StoreUnavailable):
        Intake(database, blobs, jobs).take(permit, files)  # type: ignore[arg-type]
    with database.read() as session:
        assert session.scalars(select(Document.source_key)).all() == ["0.md"]
    assert set(blobs.original_hashes()) == {hashlib.sha256(b"first").hexdigest()}
    assert jobs.woken == 1, "what was taken need not wait for the next look"


def test_what_is_held_goes_without_the_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = BlobStore("memory:")
    refs = [stored(blobs, b"on record"), *(held(blobs, b"%d" % number) for number in range(5))]

    def away(*_arguments: Any) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(intake, "drop_original", away)
    with pytest.raises(StoreUnavailable):
        Intake(database, blobs, Jobs()).discard(refs)  # type: ignore[arg-type]
    assert len(blobs._keys("")) == 1


def test_an_upload_gives_way_for_a_moment_only(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = add_collection(database)
    principal = Principal(collection.tenant_id, "담당자", collection.tenant_id, frozenset({Scope.WRITE}))
    permit = Policy(database).authorize(principal, Action.UPLOAD_DOCUMENTS, [collection.name])
    blobs, waits = BlobStore("memory:"), list[float]()
    monkeypatch.setattr(intake, "time", SimpleNamespace(monotonic=lambda: sum(waits)))
    files = [Received(f"{number}.md", stored(blobs, b"%d" % number)) for number in range(10)]
    door = Intake(database, blobs, Jobs(), lambda: waits.append(0.4))  # type: ignore[arg-type]
    assert len(door.take(permit, files, Priority.BULK)) == 10
    assert len(waits) == 3


@pytest.mark.parametrize(("lane", "ways"), [(Priority.BULK, 3), (Priority.INTERACTIVE, 0), (None, 0)])
def test_what_comes_in_bulk_gives_way_between_two_files(database: Database, lane: Priority | None, ways: int) -> None:
    collection = add_collection(database)
    principal = Principal(collection.tenant_id, "담당자", collection.tenant_id, frozenset({Scope.WRITE}))
    permit = Policy(database).authorize(principal, Action.UPLOAD_DOCUMENTS, [collection.name])
    blobs, given = BlobStore("memory:"), list[int]()
    files = [Received(f"{number}.md", stored(blobs, b"%d" % number)) for number in range(3)]

    def give_way() -> None:
        with database.write():  # never within a transaction
            given.append(1)

    taken = Intake(database, blobs, Jobs(), give_way).take(permit, files, lane)  # type: ignore[arg-type]
    assert len(taken) == 3
    assert len(given) == ways
