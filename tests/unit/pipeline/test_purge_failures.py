"""A purge that fails on one document: the others go, it is tried again after pauses, and its receipt says so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from api.cli.doctor_deletions import deletion_lines
from api.schemas.receipts import ReceiptOut
from ingest.pipeline import purging, removal
from rag.domain.errors import IndexUnavailable, PurgeIncomplete, SeogoError, Unavailable
from rag.store import queue, receipt
from rag.store.base import utc_now
from rag.store.receipt import DeletionReceipt
from rag.store.session import Database
from tests.unit.pipeline.test_removal_batches import World, hide_of


def refusing(
    world: World, monkeypatch: pytest.MonkeyPatch, *versions: UUID, error: type[Exception] = IndexUnavailable
) -> list[int]:
    """Let the index refuse every call that names one of these versions; returns how many each call named."""
    removes, calls = world.index.delete_versions, list[int]()

    def delete_versions(ids: Sequence[UUID]) -> None:
        calls.append(len(ids))
        if set(ids) & set(versions):
            raise error
        removes(ids)

    monkeypatch.setattr(world.index, "delete_versions", delete_versions)
    return calls


def version_of(world: World, key: str) -> UUID:
    document_id = world.rows()[key].id
    return next(item.id for item in world.versions() if item.document_id == document_id)


def still_open(world: World) -> set[str]:
    return {key for key, item in world.receipts().items() if item.purged_at is None}


def with_one_refused(database: Database, monkeypatch: pytest.MonkeyPatch, name: str) -> World:
    """A world of one deleted document that the index does not let go."""
    world = World(database, name)
    hide_of(world, [world.add("a.md")])
    refusing(world, monkeypatch, *world.index.holds)
    return world


def test_one_that_the_index_refuses_keeps_no_other_of_its_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(database, "거절")
    ids = [world.add(f"{number:02}.md") for number in range(20)]
    hide_of(world, ids)
    calls = refusing(world, monkeypatch, version_of(world, "07.md"))
    with pytest.raises(PurgeIncomplete) as caught:
        purging.purge_documents(world.pipeline, ids)
    assert caught.value.params["name"] == "07.md"
    assert still_open(world) == {"07.md"}
    assert len(calls) <= 16, "halves, not one by one"
    kept = world.receipts()["07.md"]
    assert (kept.purge_tries, kept.purge_error) == (1, "index_unavailable")
    assert all(
        (item.purge_tries, item.purge_error) == (0, None) for key, item in world.receipts().items() if key != "07.md"
    )


def test_one_whose_original_stays_keeps_no_other_of_its_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(database, "굳은")
    ids = [world.add(f"{number}.md") for number in range(6)]
    hide_of(world, ids)
    stuck, deletes = hashlib.sha256("굳은 2.md".encode()).hexdigest(), world.blobs.delete_original

    def delete_original(content_hash: str) -> None:
        if content_hash == stuck:
            raise PermissionError(content_hash)
        deletes(content_hash)

    monkeypatch.setattr(world.blobs, "delete_original", delete_original)
    with pytest.raises(PurgeIncomplete):
        purging.purge_documents(world.pipeline, ids)
    assert still_open(world) == {"2.md"}
    assert list(world.blobs.original_hashes()) == [stuck]
    assert world.receipts()["2.md"].purge_error == SeogoError.code
    monkeypatch.undo()
    purging.purge_documents(world.pipeline, ids)
    done = world.receipts()["2.md"]
    assert done.purged_at is not None and (done.purge_error, done.purge_retry_at) == (None, None)


def test_one_that_lies_in_another_keeps_that_one_open_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(database, "속")
    root, other = world.add("밖.zip"), world.add("곁.md")
    world.add("밖.zip!/안.md", parent=root)
    hide_of(world, [root, other])
    refusing(world, monkeypatch, version_of(world, "밖.zip!/안.md"))
    with pytest.raises(PurgeIncomplete):
        purging.purge_documents(world.pipeline, [root, other])
    assert still_open(world) == {"밖.zip"}
    monkeypatch.undo()
    purging.purge_documents(world.pipeline, [root])
    assert still_open(world) == set() and not world.index.holds


def test_where_none_can_be_removed_few_are_tried(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(database, "끊김")
    ids = [world.add(f"{number:03}.md") for number in range(60)]
    hide_of(world, ids)
    calls = refusing(world, monkeypatch, *world.index.holds)
    with pytest.raises(IndexUnavailable):
        purging.purge_documents(world.pipeline, ids)
    assert len(calls) <= 20
    assert len(still_open(world)) == 60


def test_those_that_resist_fill_no_batch(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "BATCH", 2)
    world = World(database, "많이 막힌")
    ids = [world.add(f"{number}.md", identity=UUID(int=number + 1)) for number in range(6)]
    world.delete()
    while removal.hide_next(database, world.collection.id):
        pass
    stuck = {f"{number}.md" for number in range(3)}
    refusing(world, monkeypatch, *(version_of(world, key) for key in stuck))
    for _ in range(2 * len(ids)):
        try:
            if not removal.purge_next(world.pipeline, world.collection.id):
                break
        except IndexUnavailable:
            continue
    assert still_open(world) == stuck


@pytest.mark.parametrize(
    ("error", "expected"),
    [(PermissionError, [0, 10, 40, 160, 600, 600]), (IndexUnavailable, [0, 10, 30, 30, 30, 30])],
    ids=["stubborn", "away"],
)
def test_pauses_grow_and_nobody_takes_it_up_before(
    database: Database, monkeypatch: pytest.MonkeyPatch, error: type[Exception], expected: list[float]
) -> None:
    world = World(database, "쉼")
    document_id = world.add("a.zip")
    inside = world.add("a.zip!/b.md", parent=document_id)
    hide_of(world, [document_id])
    refusing(world, monkeypatch, *world.index.holds, error=error)
    pauses = []
    for _ in expected:
        due(database, world, "a.zip")
        with pytest.raises(PurgeIncomplete):
            purging.purge_document(world.pipeline, document_id)
        kept = world.receipts()["a.zip"]
        assert kept.purge_retry_at is not None
        pauses.append(round((kept.purge_retry_at - utc_now()).total_seconds(), -1))
    assert pauses == expected
    later = utc_now() + timedelta(seconds=1)
    assert found_by_looks(database, later) == ([], [])
    with database.read() as session:  # and whoever verifies is told of both
        assert set(queue.uncleaned(session, later, 10, waiting=True)) == {document_id, inside}
    due(database, world, "a.zip")
    opened, cleaned = found_by_looks(database, later)
    assert opened == [document_id]
    assert set(cleaned) == {document_id, inside}


def test_the_stubborn_do_not_stand_in_the_way_of_the_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five that fail, older than all others, end a purge in which nothing went well before them."""
    world = World(database, "앞선")
    stubborn = [world.add(f"{number}.md") for number in range(5)]
    hide_of(world, stubborn)
    refusing(world, monkeypatch, *world.index.holds)
    good = [world.add(f"뒤 {number}.md") for number in range(8)]
    hide_of(world, good)
    for _ in range(4):
        for number in range(5):
            due(database, world, f"{number}.md")
        with database.read() as session:
            looked = receipt.open_documents(session, utc_now() + timedelta(seconds=1), 500)
        with suppress(Unavailable):
            purging.purge_as_far_as_possible(world.pipeline, looked)
    assert still_open(world) == {f"{number}.md" for number in range(5)}


def test_a_step_that_repeats_itself_counts_once_until_it_is_due(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = with_one_refused(database, monkeypatch, "되풀이")
    for _ in range(5):
        with pytest.raises(PurgeIncomplete):
            purging.purge_document(world.pipeline, world.rows()["a.md"].id)
    assert world.receipts()["a.md"].purge_tries == 2


def test_a_receipt_stays_open_where_its_removal_is_not_on_record(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal fails for a moment, and what a look finds afterwards is gone: author and title were still there."""
    world = World(database, "순간")
    ids = [world.add(f"{number}.md") for number in range(6)]
    hide_of(world, ids)
    record, fails = purging._record_removal, {ids[2]: 3}

    def flickering(session: Session, document_ids: Sequence[UUID], version_ids: Sequence[UUID]) -> None:
        if ids[2] in document_ids and fails[ids[2]]:
            fails[ids[2]] -= len(document_ids) == 1
            raise OSError
        record(session, document_ids, version_ids)

    monkeypatch.setattr(purging, "_record_removal", flickering)
    with pytest.raises(PurgeIncomplete) as caught:
        purging.purge_documents(world.pipeline, ids)
    assert caught.value.params["name"] == "2.md"
    assert still_open(world) == {"2.md"}
    purging.purge_as_far_as_possible(world.pipeline, ids)  # such a failure ends no job
    assert still_open(world) == {"2.md"}
    fails[ids[2]] = 0
    purging.purge_documents(world.pipeline, ids)
    assert still_open(world) == set()
    assert all(row.purged_at is not None for row in world.rows().values())


def due(database: Database, world: World, key: str) -> None:
    """Let the time pass until this deletion is due again."""
    with database.write() as session:
        kept = session.get_one(DeletionReceipt, world.receipts()[key].id)
        if kept.purge_retry_at is not None:
            kept.purge_retry_at = utc_now() - timedelta(seconds=1)


def test_a_deletion_that_fails_again_and_again_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOGO_LANG", "en")
    world = with_one_refused(database, monkeypatch, "알림")
    document_id = world.rows()["a.md"].id
    told = []
    for _ in range(3):
        due(database, world, "a.md")
        with pytest.raises(PurgeIncomplete):
            purging.purge_document(world.pipeline, document_id)
        with database.read() as session:
            told.append(list(deletion_lines(session)))
    item = world.receipts()["a.md"]
    assert [lines[0][1] for lines in told] == ["ok", "ok", "warning"]
    assert "index_unavailable" in told[2][0][2] and str(item.id) in told[2][0][2]
    monkeypatch.setenv("SEOGO_LANG", "ko")
    with database.read() as session:
        said = next(deletion_lines(session))[2]
    assert said.startswith("삭제 1건을 거듭 끝내지 못했습니다(index_unavailable)")
    assert said.endswith(f"확인서: {item.id}"), "as the command names it that shows one"
    shown = ReceiptOut.of(item, "ko", "a.md").trouble
    assert shown is not None and (shown.code, shown.tries) == ("index_unavailable", 3)
    assert "색인" in shown.message and shown.retry_at == item.purge_retry_at
    monkeypatch.undo()
    purging.purge_document(world.pipeline, document_id)
    assert ReceiptOut.of(world.receipts()["a.md"], "ko", "a.md").trouble is None
    monkeypatch.setenv("SEOGO_LANG", "ko")
    with database.read() as session:
        assert next(deletion_lines(session))[2] == "거듭 실패한 삭제가 없습니다"


def found_by_looks(database: Database, before: object) -> tuple[list[UUID], list[UUID]]:
    """What the two looks for unfinished deletions find."""
    with database.read() as session:
        opened = list(receipt.open_documents(session, before, 10))  # type: ignore[arg-type]
        return opened, list(queue.uncleaned(session, before, 10))  # type: ignore[arg-type]
