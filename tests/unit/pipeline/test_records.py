from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from ingest.pipeline import records
from ingest.pipeline.maintenance import drop_original
from ingest.pipeline.records import Accepted, Outcome, accept, clean_source_key
from rag.blobs.store import BlobRef, BlobStore, BlobWriter
from rag.domain.document import document_id, version_id
from rag.domain.errors import FileDamaged, InvalidRequest, StoreUnavailable
from rag.store import lifecycle, queue
from rag.store import version as versions
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.queue import RetryRule
from rag.store.session import Database
from rag.store.version import DocumentVersion, Stage, VersionState
from tests.support.stores import add_collection
from tests.support.threads import at_once

NOTHING_LEFT = ["", ".", "..", "/", "//", "\\", " ", "../..", "./.", "\u200b", "..\u200b", "\x00", " .. / . "]
INVISIBLE_LETTERS = "\u115f\u1160\u2028\u2029\u3164\uffa0"
names = st.text(
    alphabet=st.sampled_from("가각ㄱ\u1100\u1161\u11a8e\u0301./\\ \t\n\x00\x7f\u00ad\u200b\u202e\ufeff\u3000aB규정"),
    max_size=30,
)


def cleaned(name: str) -> str | None:
    try:
        return clean_source_key(name)
    except InvalidRequest:
        return None


@given(names | st.text(max_size=60))
@example("../../etc/passwd")
@example("C:\\규정\\취업규칙.hwp")
@example("취업규칙\u202exod.exe")
def test_a_source_key_is_a_label_and_never_a_path(name: str) -> None:
    key = cleaned(name)
    if key is None:
        return
    parts = key.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert parts == [part.strip() for part in parts]
    assert "\\" not in key
    assert not {unicodedata.category(char) for char in key} & {"Cc", "Cf", "Cs", "Cn"}
    assert 1 <= len(key.encode()) <= 2000


@given(names)
@example("e\u200b\u0301.txt")
@example("\u1112\u200d\u1161\u11ab글.txt")
def test_a_source_key_is_nfc_and_cleaning_it_again_changes_nothing(name: str) -> None:
    key = cleaned(name)
    assert key is None or (unicodedata.is_normalized("NFC", key) and clean_source_key(key) == key)


@pytest.mark.parametrize("invisible", INVISIBLE_LETTERS)
def test_nothing_invisible_stays(invisible: str) -> None:
    assert clean_source_key(f"취업{invisible}규칙.hwp") == "취업규칙.hwp"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("취업규칙.hwp", "취업규칙.hwp"),
        (unicodedata.normalize("NFD", "취업규칙.hwp"), "취업규칙.hwp"),
        ("인사/규정/2024/취업규칙.hwp", "인사/규정/2024/취업규칙.hwp"),
        ("인사\\규정.hwp", "인사/규정.hwp"),
        ("/etc/passwd", "etc/passwd"),
        ("../../etc/passwd", "etc/passwd"),
        (" 취업 규칙 .hwp ", "취업 규칙 .hwp"),
        ("줄\n바꿈.txt", "줄바꿈.txt"),
        (".\u200b./비밀", "비밀"),
        ("...", "..."),
        ("a..b", "a..b"),
        ("가" * 666, "가" * 666),
    ],
)
def test_what_a_name_becomes(name: str, key: str) -> None:
    assert clean_source_key(name) == key


@pytest.mark.parametrize("name", [*NOTHING_LEFT, "가" * 667])
def test_a_name_of_nothing_or_too_much_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        clean_source_key(name)
    assert name not in str(refusal.value) or len(name) < 3


@dataclass(frozen=True)
class Door:
    """A collection of one store, and what it takes to upload to it."""

    database: Database
    blobs: BlobStore
    collection: Collection

    def writer(self, content: str) -> BlobWriter:
        writer = self.blobs.writer(1 << 20)
        writer.write(content.encode())
        return writer

    def put(self, content: str) -> BlobRef:
        return self.writer(content).finish("취업규칙.hwp")

    def hold(self, content: str) -> BlobRef:
        return self.writer(content).hold("취업규칙.hwp")

    def take(self, content: str, key: str = "인사/취업규칙.hwp", job: str = "job") -> Accepted:
        ids = (self.collection.tenant_id, self.collection.id)
        return accept(self.database, self.blobs, *ids, key, self.put(content), job)

    def version(self, taken: Accepted) -> DocumentVersion:
        with self.database.read() as session:
            return session.get_one(DocumentVersion, taken.version_id)

    def document(self, taken: Accepted) -> Document:
        with self.database.read() as session:
            return session.get_one(Document, taken.document_id)


@pytest.fixture
def door(database: Database) -> Iterator[Door]:
    yield Door(database, BlobStore("memory:"), add_collection(database))


def test_the_first_upload_creates_a_document_with_a_queued_version(door: Door) -> None:
    taken = door.take("첫 내용", job="ingest-1")
    row, document = door.version(taken), door.document(taken)
    assert (taken.outcome, taken.queued, taken.number, taken.source_key) == (
        Outcome.CREATED,
        True,
        1,
        "인사/취업규칙.hwp",
    )
    assert taken.document_id == document_id(door.collection.id, "인사/취업규칙.hwp") == document.id
    assert taken.version_id == version_id(document.id, 1, row.content_hash)
    assert (row.state, row.job_id, row.filename, row.size) == (VersionState.QUEUED, "ingest-1", "취업규칙.hwp", 10)
    assert (document.latest_version_id, document.current_version_id) == (row.id, None)
    assert (document.tenant_id, row.tenant_id) == (door.collection.tenant_id,) * 2


def test_the_same_content_again_is_unchanged(door: Door) -> None:
    first, again = door.take("내용"), door.take("내용", job="job-2")
    assert (again.outcome, again.queued, again.version_id) == (Outcome.UNCHANGED, False, first.version_id)
    assert door.version(first).job_id == "job"


def test_other_content_is_a_new_version_and_going_back_is_another(door: Door) -> None:
    taken = [door.take(content) for content in ("가", "나", "가")]
    assert [item.outcome for item in taken] == [Outcome.CREATED, Outcome.NEW_VERSION, Outcome.NEW_VERSION]
    assert [item.number for item in taken] == [1, 2, 3]
    assert len({item.version_id for item in taken}) == 3
    assert door.document(taken[0]).latest_version_id == taken[2].version_id


def test_a_failed_version_is_tried_again_under_a_new_job(door: Door) -> None:
    first = door.take("내용")
    with door.database.write() as session:
        versions.enter_stage(session, [first.version_id], Stage.PARSE)
        error = FileDamaged(name="취업규칙.hwp", detail="끝이 없음")
        queue.record_failure(session, "job", first.version_id, error, RetryRule())
    again = door.take("내용", job="job-2")
    row = door.version(again)
    assert (again.outcome, again.queued, again.version_id) == (Outcome.RETRIED, True, first.version_id)
    assert (row.state, row.stage, row.job_id) == (VersionState.QUEUED, Stage.IDENTIFY, "job-2")
    assert (row.error_code, row.error_params, row.finished_at) == (None, None, None)


def test_a_deleted_document_comes_back_as_a_new_version(door: Door) -> None:
    first = door.take("내용")
    with door.database.write() as session:
        lifecycle.hide(session, [first.document_id])
    again = door.take("내용")
    assert (again.outcome, again.number) == (Outcome.NEW_VERSION, 2)
    assert door.version(first).state == VersionState.DELETED
    assert (door.document(again).deleted_at, door.document(again).purged_at) == (None, None)


def test_an_original_that_was_purged_meanwhile_is_not_recorded(door: Door) -> None:
    lost = BlobRef("0" * 64, 1)
    with pytest.raises(StoreUnavailable):
        accept(door.database, door.blobs, door.collection.tenant_id, door.collection.id, "규정.hwp", lost, "job")
    with door.database.read() as session:
        assert session.get(Document, document_id(door.collection.id, "규정.hwp")) is None


def test_a_purge_leaves_the_original_of_an_upload_under_way(door: Door) -> None:
    first = door.take("내용")
    with door.database.write() as session:
        lifecycle.hide(session, [first.document_id])
    held = door.hold("내용")
    drop_original(door.database, door.blobs, held.content_hash)
    assert list(door.blobs.original_hashes()) == []
    ids = (door.collection.tenant_id, door.collection.id)
    again = accept(door.database, door.blobs, *ids, "인사/취업규칙.hwp", held, "job")
    drop_original(door.database, door.blobs, held.content_hash)
    assert (again.outcome, again.number) == (Outcome.NEW_VERSION, 2)
    assert b"".join(door.blobs.stream(held.content_hash)).decode() == "내용"


def test_a_second_try_still_has_the_original(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two first uploads of one document at once: between two tries of one a purge may come that has waited for its lock."""
    held, described, tries = door.hold("내용"), records._described, list[int]()

    def overtaken(*arguments: Any) -> Any:
        taken = described(*arguments)
        tries.append(len(tries))
        if len(tries) == 1:
            raise IntegrityError("", {}, Exception())
        door.blobs.delete_original(held.content_hash)
        return taken

    monkeypatch.setattr(records, "_described", overtaken)
    ids = (door.collection.tenant_id, door.collection.id)
    accept(door.database, door.blobs, *ids, "취업규칙.hwp", held, "job")
    assert len(tries) == 2
    assert b"".join(door.blobs.stream(held.content_hash)).decode() == "내용"


def test_the_same_name_in_another_collection_is_another_document(door: Door) -> None:
    other = Door(door.database, door.blobs, add_collection(door.database, "계약서"))
    assert door.take("내용").document_id != other.take("내용").document_id


@pytest.mark.parametrize("same", [True, False], ids=["same content", "different contents"])
def test_four_first_uploads_at_once(door: Door, same: bool) -> None:
    taken = at_once([partial(door.take, "내용" if same else f"내용 {number}") for number in range(4)])
    newest = max(taken, key=lambda item: item.number)
    assert sorted(item.number for item in taken) == ([1, 1, 1, 1] if same else [1, 2, 3, 4])
    assert [item.outcome for item in taken].count(Outcome.CREATED) == 1
    assert {item.document_id for item in taken} == {newest.document_id}
    assert door.document(newest).latest_version_id == newest.version_id


def _hangul(count: int) -> str:
    return "".join(random.Random(count).choices([chr(code) for code in range(0xAC00, 0xD7A4)], k=count))


LONG_KEYS = {"file name": _hangul(600), "path": "/".join(map(_hangul, range(100, 109)))}


@pytest.mark.parametrize("kind", LONG_KEYS)
def test_a_long_key_is_refused_at_the_door_or_recorded(door: Door, kind: str) -> None:
    key = cleaned(LONG_KEYS[kind])
    assert key is None or door.take("내용", key=key).outcome is Outcome.CREATED
