"""Files inside files on record: repeatable at any point, within the caps, gone with their parent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select

from ingest.pipeline import retention
from ingest.pipeline.children import ChildLimits, Expansion
from ingest.pipeline.custom_attributes import change_attributes
from ingest.pipeline.records import INTERACTIVE_FILES
from rag.access.policy import Action, Policy
from rag.blobs.store import BlobStore
from rag.domain.anchor import LineAnchor
from rag.domain.document import ChildFile, Element, ElementKind, ParsedDocument
from rag.domain.errors import ParseLimitExceeded, ParserCrashed
from rag.domain.filters import MAX_ATTRIBUTES, AttributeValue
from rag.domain.principal import Principal, Scope
from rag.domain.retention import RetentionRules
from rag.store import attribute, family, lifecycle, queue
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.receipt import DeletionReceipt
from rag.store.session import Database
from rag.store.version import RETRYABLE, DocumentVersion, Priority, VersionState
from tests.support.stores import add_collection, add_document, add_version

LIMITS = ChildLimits(batch=3)


@pytest.fixture
def blobs() -> BlobStore:
    return BlobStore("memory:")


@pytest.fixture
def collection(database: Database) -> Collection:
    return add_collection(database)


def running(
    database: Database, collection: Collection, key: str = "자료.zip", number: int = 1, size: int = 1000
) -> UUID:
    """A version that is being parsed; returns its id."""
    with database.write() as session:
        document = session.scalar(select(Document).where(Document.source_key == key))
        document = document or add_document(session, collection, key)
        found = add_version(session, document, number, content=f"{key}{number}".encode(), job_id=f"job-{number}")
        session.get_one(DocumentVersion, found).size = size
    return found


def parsed(files: dict[str, bytes] | Sequence[ChildFile], next_child: int = 0, **fields: object) -> ParsedDocument:
    children = tuple(ChildFile(*item) for item in files.items()) if isinstance(files, dict) else tuple(files)
    return ParsedDocument("", "application/zip", "zip/1", (), children=children, next_child=next_child, **fields)


def expand(
    database: Database,
    blobs: BlobStore,
    version_id: UUID,
    result: ParsedDocument,
    limits: ChildLimits = LIMITS,
    more=None,
) -> list[str]:
    with database.read() as session:
        version = session.get_one(DocumentVersion, version_id)
    return Expansion(database, blobs, limits, version, more).run(result)


def record(database: Database) -> dict[str, list[tuple[int, str, str]]]:
    """Versions by source key: number, state, content hash."""
    query = select(Document.source_key, DocumentVersion).join(Document, Document.id == DocumentVersion.document_id)
    found: dict[str, list[tuple[int, str, str]]] = {}
    with database.read() as session:
        for key, version in session.execute(query.order_by(DocumentVersion.number)):
            found.setdefault(key, []).append((version.number, str(version.state), version.content_hash[:8]))
    return found


def finish(database: Database, version_id: UUID) -> None:
    with database.write() as session:
        lifecycle.activate(session, version_id)


def child_of(database: Database, key: str) -> UUID:
    """The newest version of the document with this key, as running."""
    with database.write() as session:
        document = session.scalar(select(Document).where(Document.source_key == key))
        assert document is not None and document.latest_version_id is not None
        session.get_one(DocumentVersion, document.latest_version_id).state = VersionState.RUNNING
        return document.latest_version_id


FILES = {"규정/a.txt": b"first", "b.txt": b"second", "c.txt": b"third", "d.txt": b"fourth"}


def test_repeating_the_step_changes_nothing(database: Database, blobs: BlobStore, collection: Collection) -> None:
    version = running(database, collection)
    assert expand(database, blobs, version, parsed(FILES)) == []
    before = record(database)
    assert set(before) == {"자료.zip"} | {f"자료.zip!/{name}" for name in FILES}
    assert held_back(database) == set()
    assert all(blobs.exists(hashlib.sha256(content).hexdigest()) for content in FILES.values())
    assert expand(database, blobs, version, parsed(FILES)) == []
    assert record(database) == before


def held_back(database: Database) -> set[str]:
    """Files inside that no job may take up, by name."""
    with database.read() as session:
        query = select(DocumentVersion.filename).where(
            DocumentVersion.state == VersionState.QUEUED, DocumentVersion.job_id != ""
        )
        return set(session.scalars(query))


def test_a_child_waits_held_back_until_its_original_is_stored(database: Database, collection: Collection) -> None:
    version, blobs = running(database, collection), Torn(1)
    with pytest.raises(KeyboardInterrupt):
        expand(database, blobs, version, parsed(FILES))
    assert held_back(database)
    blobs.left = 99
    expand(database, blobs, version, parsed(FILES))
    assert held_back(database) == set()


@pytest.mark.parametrize(("files", "lane"), [(3, Priority.INTERACTIVE), (INTERACTIVE_FILES + 1, Priority.BULK)])
def test_many_files_inside_do_not_stand_before_the_next_small_upload(
    database: Database, blobs: BlobStore, collection: Collection, files: int, lane: Priority
) -> None:
    version = running(database, collection)
    with database.write() as session:
        session.get_one(DocumentVersion, version).priority = Priority.INTERACTIVE
    limits = replace(LIMITS, documents=100, batch=32)
    expand(database, blobs, version, parsed({f"{n}.txt": f"text {n}".encode() for n in range(files)}), limits)
    with database.read() as session:
        query = select(DocumentVersion.priority).where(DocumentVersion.id != version)
        assert set(session.scalars(query)) == {lane}


class Torn(BlobStore):
    """Breaks off at the `n`-th original, as a killed process does."""

    def __init__(self, n: int) -> None:
        super().__init__("memory:")
        self.left = n

    def writer(self, limit: int):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().writer(limit)


@pytest.mark.parametrize("at", range(4))
def test_a_process_killed_anywhere_leaves_what_the_repetition_completes(
    database: Database, collection: Collection, at: int
) -> None:
    version, blobs = running(database, collection), Torn(at)
    with pytest.raises(KeyboardInterrupt):
        expand(database, blobs, version, parsed(FILES))
    blobs.left = 99
    expand(database, blobs, version, parsed(FILES))
    found = record(database)
    assert len(found) == 5 and all(len(versions) == 1 for versions in found.values())
    assert set(blobs.original_hashes()) == {hashlib.sha256(content).hexdigest() for content in FILES.values()}


def test_a_parent_deleted_meanwhile_takes_all_with_it(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    version = running(database, collection)
    expand(database, blobs, version, parsed({"a.txt": b"first"}))
    with database.write() as session:
        document = session.get_one(Document, session.get_one(DocumentVersion, version).document_id)
        assert lifecycle.hide(session, family.taken_along(session, [document.id])) == 2
    expand(database, blobs, version, parsed(FILES))
    assert set(record(database)) == {"자료.zip", "자료.zip!/a.txt"}
    assert {state for versions in record(database).values() for _, state, _ in versions} == {"deleted"}


def test_a_document_between_root_and_parent_that_was_deleted_stops_what_lies_in_it(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    expand(database, blobs, running(database, collection), parsed({"in.zip": b"archive"}))
    middle = child_of(database, "자료.zip!/in.zip")
    expand(database, blobs, middle, parsed({"deep.zip": b"deeper"}))
    deep = child_of(database, "자료.zip!/in.zip!/deep.zip")
    with database.write() as session:
        found = session.scalar(select(Document).where(Document.source_key == "자료.zip!/in.zip"))
        assert found is not None
        found.deleted_at = found.created_at  # at this moment what lies in it is not hidden yet
    assert expand(database, blobs, deep, parsed({"x.txt": b"x"})) == []
    assert "자료.zip!/in.zip!/deep.zip!/x.txt" not in record(database)


def test_what_somebody_deleted_stays_deleted_when_the_step_is_repeated(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    version = running(database, collection)
    expand(database, blobs, version, parsed(FILES))
    with database.write() as session:
        child = session.scalar(select(Document).where(Document.source_key == "자료.zip!/b.txt"))
        assert child is not None
        lifecycle.hide(session, [child.id])
    expand(database, blobs, version, parsed(FILES))
    assert [state for _, state, _ in record(database)["자료.zip!/b.txt"]] == ["deleted"]
    finish(database, version)
    expand(database, blobs, running(database, collection, number=2), parsed(FILES))
    assert [state for _, state, _ in record(database)["자료.zip!/b.txt"]] == ["deleted", "queued"]


def test_a_newer_version_on_its_way_is_not_retired_by_an_older_one(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    first = running(database, collection)
    expand(database, blobs, first, parsed({"old.txt": b"old"}))
    second = running(database, collection, number=2)
    expand(database, blobs, second, parsed({"new.txt": b"new"}))
    finish(database, first)
    assert [record(database)[f"자료.zip!/{name}"][0][1] for name in ("old.txt", "new.txt")] == ["queued", "queued"]
    finish(database, second)
    assert [record(database)[f"자료.zip!/{name}"][0][1] for name in ("old.txt", "new.txt")] == ["retired", "queued"]


@pytest.mark.parametrize("newer", ["brought files", "answers"])
def test_a_version_that_comes_last_but_is_older_changes_nothing(
    database: Database, blobs: BlobStore, collection: Collection, newer: str
) -> None:
    first, second = running(database, collection), running(database, collection, number=2)
    files = {"same.txt": b"new"} if newer == "brought files" else {}
    expand(database, blobs, second, parsed(files))
    if newer == "answers":
        finish(database, second)
    before = record(database)
    assert expand(database, blobs, first, parsed({"same.txt": b"old", "gone.txt": b"gone"})) == []
    assert record(database) == before
    with database.read() as session:
        assert family.is_overtaken(session, session.get_one(DocumentVersion, first))
        assert not family.is_overtaken(session, session.get_one(DocumentVersion, second))
    finish(database, second)
    finish(database, first)
    assert [state for _, state, _ in record(database)["자료.zip"]] == ["retired", "active"]
    assert set(record(database)) == {"자료.zip", *(f"자료.zip!/{name}" for name in files)}


def test_a_newer_version_that_was_given_up_is_no_reason_to_wait(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    first, second = running(database, collection), running(database, collection, number=2)
    expand(database, blobs, second, parsed({"same.txt": b"new"}))
    with database.write() as session:
        session.get_one(DocumentVersion, second).state = VersionState.CANCELLED
    expand(database, blobs, first, parsed({"same.txt": b"old"}))
    assert [number for number, _, _ in record(database)["자료.zip!/same.txt"]] == [1, 2]


def test_files_that_a_newer_version_holds_too_count_for_the_older_one(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    first, second = running(database, collection), running(database, collection, number=2)
    third = running(database, collection, number=3)
    expand(database, blobs, first, parsed({"a.txt": b"a"}))
    expand(database, blobs, second, parsed({"a.txt": b"a"}))
    with database.read() as session:
        found = [
            family.has_children(session, session.get_one(DocumentVersion, item)) for item in (first, second, third)
        ]
    assert found == [True, True, False]


def test_what_retention_removed_after_it_had_vanished_comes_back(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    files = {"a.txt": b"first"}
    first = running(database, collection)
    expand(database, blobs, first, parsed(files))
    finish(database, child_of(database, "자료.zip!/a.txt"))
    finish(database, first)
    finish(database, running(database, collection, number=2))
    with database.write() as session:
        session.get_one(Collection, collection.id).retention = RetentionRules(retired_versions=0).to_json()
    assert len(retention.expire_next(database, collection.id)) == 2
    assert retention.expire_next(database, collection.id) == []
    with database.read() as session:
        child = session.scalar(select(Document).where(Document.source_key == "자료.zip!/a.txt"))
        assert child is not None and child.deleted_at is not None, "no version is left of it"
        kinds = session.scalars(select(DeletionReceipt.kind).order_by(DeletionReceipt.source_key)).all()
        assert kinds == ["versions", "document"]
    expand(database, blobs, running(database, collection, number=3), parsed(files))
    assert [state for _, state, _ in record(database)["자료.zip!/a.txt"]] == ["deleted", "queued"]


def test_a_version_that_retention_removed_is_no_reason_to_take_a_file_for_unchanged(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    expand(database, blobs, running(database, collection), parsed({"a.txt": b"first"}))
    child = child_of(database, "자료.zip!/a.txt")
    with database.write() as session:  # as an earlier release left it: the document stayed
        session.get_one(DocumentVersion, child).state = VersionState.DELETED
    expand(database, blobs, running(database, collection, number=2), parsed({"a.txt": b"first"}))
    assert [state for _, state, _ in record(database)["자료.zip!/a.txt"]] == ["deleted", "queued"]


def test_cancelling_an_archive_cancels_what_it_brought_at_any_depth(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    version = running(database, collection)
    expand(database, blobs, version, parsed({"in.zip": b"archive", "a.txt": b"a", "done.txt": b"done"}))
    inner = child_of(database, "자료.zip!/in.zip")
    expand(database, blobs, inner, parsed({"x.txt": b"x"}))
    finish(database, inner)
    finish(database, child_of(database, "자료.zip!/done.txt"))
    assert cancel(database, version) == 2
    states = {key: versions[0][1] for key, versions in record(database).items()}
    assert states == {
        "자료.zip": "cancelled", "자료.zip!/in.zip": "active", "자료.zip!/in.zip!/x.txt": "cancelled",
        "자료.zip!/a.txt": "cancelled", "자료.zip!/done.txt": "active",
    }  # fmt: skip


def cancel(database: Database, version_id: UUID) -> int:
    with database.write() as session:
        version = session.get_one(DocumentVersion, version_id)
        assert queue.cancel(session, version)
        return queue.cancel_brought(session, version)


def test_cancelling_a_new_version_leaves_what_the_answering_one_brought(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    first = running(database, collection)
    expand(database, blobs, first, parsed({"stays.txt": b"stays", "changes.txt": b"old"}))
    finish(database, first)
    second = running(database, collection, number=2)
    expand(database, blobs, second, parsed({"stays.txt": b"stays", "changes.txt": b"new"}))
    assert cancel(database, second) == 1
    assert [state for _, state, _ in record(database)["자료.zip!/stays.txt"]] == ["queued"]
    assert [state for _, state, _ in record(database)["자료.zip!/changes.txt"]] == ["queued", "cancelled"]


def test_what_is_held_back_waits_too_and_can_be_cancelled(database: Database, collection: Collection) -> None:
    version, blobs = running(database, collection), Torn(1)
    with pytest.raises(KeyboardInterrupt):
        expand(database, blobs, version, parsed({"a.txt": b"a", "b.txt": b"b"}))
    principal = Principal(collection.tenant_id, "운영자", collection.tenant_id, frozenset({Scope.WRITE}))
    permit = Policy(database).authorize(principal, Action.CONTROL_INGESTION)
    with database.write() as session:
        assert queue.cancel_waiting(session, permit) == 2
    blobs.left = 99
    expand(database, blobs, version, parsed({"a.txt": b"a", "b.txt": b"b"}))
    assert {versions[0][1] for key, versions in record(database).items() if "!/" in key} == {"queued"}


def test_what_failed_and_vanished_is_not_tried_again(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    first = running(database, collection)
    expand(database, blobs, first, parsed({"gone.txt": b"gone", "stays.txt": b"stays"}))
    for name in ("gone.txt", "stays.txt"):
        child = child_of(database, f"자료.zip!/{name}")
        with database.write() as session:
            session.get_one(DocumentVersion, child).state = VersionState.QUARANTINED
    finish(database, first)
    second = running(database, collection, number=2)
    with database.write() as session:  # the new version holds it too
        kept = session.scalar(select(Document).where(Document.source_key == "자료.zip!/stays.txt"))
        assert kept is not None
        kept.parent_version_id = second
    finish(database, second)
    assert [record(database)[f"자료.zip!/{name}"][0][1] for name in ("gone.txt", "stays.txt")] == [
        "retired",
        "quarantined",
    ]
    with database.write() as session:
        assert queue.retry_all(session, collection.id, RETRYABLE, 10) == 1
    expand(database, blobs, running(database, collection, number=3), parsed({"gone.txt": b"gone"}))
    assert [state for _, state, _ in record(database)["자료.zip!/gone.txt"]] == ["retired", "queued"]


def said(database: Database) -> dict[str, dict[str, str]]:
    """Attributes by source key."""
    with database.read() as session:
        keys = {row.id: row.source_key for row in session.scalars(select(Document))}
        found = attribute.of_documents(session, keys)
    return {keys[one]: {name: item.text for name, item in values.items()} for one, values in found.items()}


def say(database: Database, key: str, **values: str) -> bool:
    """Change what is said of a document; whether points carry other labels now."""
    with database.write() as session:
        document = session.scalar(select(Document).where(Document.source_key == key).with_for_update())
        assert document is not None
        return change_attributes(
            session, document, {name: AttributeValue("text", value) for name, value in values.items()}
        )


def marked(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Document.source_key).where(Document.labels_pending)))


def test_what_lies_in_an_archive_takes_over_its_attributes_and_follows_their_changes(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    first = running(database, collection)
    assert say(database, "자료.zip", dept="인사", year="2024")
    expand(database, blobs, first, parsed({"in.zip": b"archive", "a.txt": b"a"}))
    expand(database, blobs, child_of(database, "자료.zip!/in.zip"), parsed({"x.txt": b"x"}))
    inner, deep = "자료.zip!/in.zip", "자료.zip!/in.zip!/x.txt"
    assert said(database) == {
        key: {"dept": "인사", "year": "2024"} for key in ["자료.zip", inner, "자료.zip!/a.txt", deep]
    }
    finish(database, child_of(database, deep))
    say(database, deep, dept="인사", year="1999", note="따로")
    assert say(database, "자료.zip", dept="총무")
    assert said(database)[inner] == {"dept": "총무"}
    assert said(database)[deep] == {"dept": "총무", "note": "따로", "year": "1999"}, "what was said of it alone stays"
    assert marked(database) == {"자료.zip", inner, deep}, "what was not begun has no points"
    assert not say(database, "자료.zip", dept="총무")
    second = running(database, collection, number=2)
    expand(database, blobs, second, parsed({"new.txt": b"new", "a.txt": b"other"}))
    assert said(database)["자료.zip!/new.txt"] == {"dept": "총무"} == said(database)["자료.zip!/a.txt"]


def test_a_file_inside_never_has_more_attributes_than_are_allowed(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    version = running(database, collection)
    expand(database, blobs, version, parsed({"a.txt": b"a"}))
    say(database, "자료.zip!/a.txt", **{f"own{number}": "1" for number in range(MAX_ATTRIBUTES - 1)})
    say(database, "자료.zip", dept="총무", year="2026", place="세종")
    assert len(said(database)["자료.zip!/a.txt"]) == MAX_ATTRIBUTES


def test_what_vanished_leaves_the_index_with_all_below_it(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    first = running(database, collection)
    expand(database, blobs, first, parsed({"in.zip": b"archive"}))
    inner = child_of(database, "자료.zip!/in.zip")
    expand(database, blobs, inner, parsed({"x.txt": b"x"}))
    deep = child_of(database, "자료.zip!/in.zip!/x.txt")
    for version in (first, inner, deep):
        finish(database, version)
    second = running(database, collection, number=2)
    finish(database, second)
    with database.read() as session:
        assert set(lifecycle.not_active_siblings(session, [second])) == {first, inner, deep}
        assert family.above(session, session.get_one(Document, session.get_one(DocumentVersion, deep).document_id))
    third = running(database, collection, number=3)
    finish(database, third)
    with database.read() as session:
        assert set(lifecycle.not_active_siblings(session, [third])) == {first, second}, "the past is settled"


def test_the_depth_cap(database: Database, blobs: BlobStore, collection: Collection) -> None:
    limits = replace(LIMITS, depth=1)
    expand(database, blobs, running(database, collection), parsed({"in.zip": b"archive"}), limits)
    inner = child_of(database, "자료.zip!/in.zip")
    with pytest.raises(ParseLimitExceeded):
        expand(database, blobs, inner, parsed(FILES), limits)
    mail = replace(parsed(FILES), elements=(Element(ElementKind.TEXT, "본문", LineAnchor(1, 1)),))
    assert expand(database, blobs, inner, mail, limits) == ["children_too_deep"]
    assert len(record(database)) == 2


def test_the_caps_on_number_and_size_hold_for_the_whole_family(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    limits = replace(LIMITS, documents=5, size=1000)
    root = running(database, collection)
    assert expand(database, blobs, root, parsed({"in.zip": b"archive", "a.txt": b"x" * 500}), limits) == []
    inner = child_of(database, "자료.zip!/in.zip")
    files = {"big.txt": b"y" * 600, "1.txt": b"1", "2.txt": b"2", "3.txt": b"3", "4.txt": b"4"}
    warnings = expand(database, blobs, inner, parsed(files), limits)
    assert warnings == ["child_over_limit:big.txt", "child_over_limit:4.txt"]
    finish(database, root)
    again = running(database, collection, number=2)
    assert expand(database, blobs, again, parsed({"in.zip": b"archive", "a.txt": b"x" * 500}), limits) == []


def test_the_ratio_cap(
    database: Database, blobs: BlobStore, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.pipeline.children._RATIO_MATTERS_BYTES", 100)
    limits = replace(LIMITS, ratio=2)
    version = running(database, collection, size=300)
    assert expand(database, blobs, version, parsed({"a": b"x" * 500, "b": b"y" * 200}), limits) == [
        "child_over_limit:b"
    ]


def test_empty_files_are_named_and_many_names_are_counted(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    version = running(database, collection)
    warnings = expand(database, blobs, version, parsed({f"{n}.txt": b"" for n in range(25)}))
    assert warnings == [*(f"child_empty:{n}.txt" for n in range(20)), "child_empty:+5"]


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["a.txt", "a.txt", "b/../a.txt"], ["a.txt", "a (2).txt", "b/a.txt"]),
        (["../../etc/passwd", "/etc/passwd"], ["etc/passwd", "etc/passwd (2)"]),
        (["e\u0301.txt", "é.txt", "é\u200b.txt"], ["é.txt", "é (2).txt", "é (3).txt"]),
        ([".gitignore", ".gitignore"], [".gitignore", ".gitignore (2)"]),
    ],
)
def test_names_become_keys_that_differ(
    database: Database, blobs: BlobStore, collection: Collection, names: list[str], keys: list[str]
) -> None:
    version = running(database, collection)
    files = [ChildFile(name, f"{number}".encode()) for number, name in enumerate(names)]
    assert expand(database, blobs, version, parsed(files)) == []
    assert sorted(record(database)) == sorted(["자료.zip", *(f"자료.zip!/{key}" for key in keys)])


def test_names_that_are_none_or_too_long(database: Database, blobs: BlobStore, collection: Collection) -> None:
    version = running(database, collection)
    files = [ChildFile("..", b"1"), ChildFile("긴" * 3000 + ".txt", b"2"), ChildFile("긴" * 3000 + ".pdf", b"3")]
    assert expand(database, blobs, version, parsed(files)) == []
    keys = record(database)
    assert len(keys) == 4 and all(len(key.encode()) <= 2000 for key in keys)
    assert sum(key.endswith(".pdf") for key in keys) == 1


def test_further_passes_are_asked_for_and_one_that_goes_nowhere_is_an_error(
    database: Database, blobs: BlobStore, collection: Collection
) -> None:
    version = running(database, collection)
    passes = {
        4: parsed({"e.txt": b"fifth"}, next_child=5, warnings=("w",)),
        5: parsed({"f.txt": b"sixth"}, warnings=("w",)),
    }
    assert expand(database, blobs, version, parsed(FILES, next_child=4), more=passes.__getitem__) == ["w"]
    assert len(record(database)) == 7
    with pytest.raises(ParserCrashed):
        expand(database, blobs, version, parsed(FILES, next_child=4), more=lambda first: parsed({}, next_child=first))
