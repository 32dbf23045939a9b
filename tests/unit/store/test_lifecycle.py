from __future__ import annotations

import hashlib
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from rag.domain.errors import FileDamaged, IndexUnavailable, SeogoError
from rag.store import lifecycle, queue
from rag.store import version as versions
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.queue import RetryRule
from rag.store.session import Database
from rag.store.version import DocumentVersion, Stage, VersionState
from tests.support.stores import add_collection, add_document, add_version

DAMAGED = FileDamaged(name="취업규칙.docx", detail="끝이 없음")
ENDED = (VersionState.ACTIVE, VersionState.RETIRED, VersionState.FAILED, VersionState.DELETED)


class Story:
    """One document and what happens to its versions, each step in a transaction of its own."""

    def __init__(self, database: Database, collection: Collection | None = None) -> None:
        self.database = database
        self.collection = collection or add_collection(database)
        with database.write() as session:
            self.document_id = add_document(session, self.collection, f"{uuid4()}.docx").id

    def version(self, number: int, state: VersionState = VersionState.RUNNING, content: bytes | None = None) -> UUID:
        with self.database.write() as session:
            return add_version(session, session.get_one(Document, self.document_id), number, state, content)

    def activate(self, version_id: UUID) -> None:
        with self.database.write() as session:
            lifecycle.activate(session, version_id)

    def hide(self) -> int:
        with self.database.write() as session:
            return lifecycle.hide(session, [self.document_id])

    def row(self, version_id: UUID) -> DocumentVersion:
        with self.database.read() as session:
            return session.get_one(DocumentVersion, version_id)

    def states(self) -> list[str]:
        with self.database.read() as session:
            return [row.state for row in reversed(versions.of_document(session, self.document_id))]

    @property
    def document(self) -> Document:
        with self.database.read() as session:
            return session.get_one(Document, self.document_id)


@pytest.fixture
def story(database: Database) -> Iterator[Story]:
    yield Story(database)


def test_the_first_version_answers_from_its_activation_on(story: Story) -> None:
    first = story.version(1)
    before = utc_now()
    story.activate(first)
    row = story.row(first)
    assert story.document.current_version_id == first
    assert row.state == VersionState.ACTIVE
    assert before <= row.valid_from == row.finished_at <= utc_now()  # type: ignore[operator]
    assert row.valid_to is None


def test_the_next_version_retires_the_one_before_without_a_gap(story: Story) -> None:
    first, second = story.version(1), story.version(2)
    story.activate(first)
    story.activate(second)
    assert story.states() == [VersionState.RETIRED, VersionState.ACTIVE]
    assert story.row(first).valid_to == story.row(second).valid_from
    assert story.document.current_version_id == second


def test_a_version_that_a_newer_one_has_overtaken_never_answers(story: Story) -> None:
    first, second = story.version(1), story.version(2)
    story.activate(second)
    story.activate(first)
    assert story.states() == [VersionState.RETIRED, VersionState.ACTIVE]
    assert (story.row(first).valid_from, story.row(first).finished_at is None) == (None, False)
    assert story.document.current_version_id == second


def test_activating_again_changes_nothing(story: Story) -> None:
    first = story.version(1)
    story.activate(first)
    row = story.row(first)
    story.activate(first)
    assert (story.row(first).valid_from, story.row(first).state) == (row.valid_from, VersionState.ACTIVE)


@pytest.mark.parametrize(
    "state", [VersionState.QUEUED, VersionState.FAILED, VersionState.RETIRED, VersionState.DELETED]
)
def test_only_a_running_version_can_be_activated(story: Story, state: VersionState) -> None:
    version = story.version(1, state)
    story.activate(version)
    assert story.states() == [state]
    assert story.document.current_version_id is None


def test_a_version_deleted_while_it_was_ingested_stays_deleted(story: Story) -> None:
    first = story.version(1)
    assert story.hide() == 1
    story.activate(first)
    assert story.states() == [VersionState.DELETED]
    assert story.document.current_version_id is None


def test_hiding_ends_every_version_at_once(story: Story) -> None:
    first = story.version(1)
    story.activate(first)
    story.version(2, VersionState.FAILED)
    story.version(3)
    assert story.hide() == 3
    assert set(story.states()) == {VersionState.DELETED}
    document = story.document
    assert (document.current_version_id, document.purged_at) == (None, None)
    assert document.deleted_at == story.row(first).valid_to
    with story.database.read() as session:
        assert len(lifecycle.uncleaned_versions(session, [document.id])) == 3
    assert story.hide() == 0, "nothing is left to delete"


def test_hiding_keeps_when_an_old_version_had_ended(story: Story) -> None:
    first, second = story.version(1), story.version(2)
    story.activate(first)
    story.activate(second)
    ended = story.row(first).valid_to
    story.hide()
    assert story.row(second).valid_to == story.document.deleted_at
    assert story.row(first).valid_to == ended


def test_hiding_gives_no_end_to_what_never_began(story: Story) -> None:
    failed = story.version(1, VersionState.FAILED)
    story.hide()
    assert (story.row(failed).valid_from, story.row(failed).valid_to) == (None, None)


def test_hiding_one_document_leaves_the_others(story: Story) -> None:
    other = Story(story.database, story.collection)
    other.activate(other.version(1))
    story.version(1)
    story.hide()
    assert other.states() == [VersionState.ACTIVE]
    assert other.document.deleted_at is None


def test_an_original_is_needed_until_its_last_version_is_deleted(story: Story) -> None:
    content = "같은 내용".encode()
    digest = hashlib.sha256(content).hexdigest()

    def needed() -> bool:
        with story.database.read() as session:
            return lifecycle.is_needed(session, digest)

    assert not needed()
    story.version(1, VersionState.RETIRED, content)
    assert needed()
    copy = Story(story.database, story.collection)
    copy.version(1, VersionState.FAILED, content)
    story.hide()
    assert needed()
    copy.hide()
    assert not needed()


def test_more_ids_than_one_statement_takes(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.base._TOGETHER", 2)
    made = [story.version(number) for number in range(1, 8)]
    for version in made:
        story.activate(version)
    with story.database.read() as session:
        assert [version.id for version in versions.by_ids(session, [*made, uuid4()])] == made
        assert {version.id for version in lifecycle.archived_among(session, made)} == set(made[:-1])
        assert list(lifecycle.not_in_index_among(session, made)) == []
    assert story.hide() == 7


@pytest.mark.parametrize(
    ("state", "leaves"),
    [
        (VersionState.RETIRED, True),
        (VersionState.DELETED, True),
        (VersionState.ACTIVE, False),
        (VersionState.RUNNING, False),
        (VersionState.QUEUED, False),
        (VersionState.FAILED, True),
    ],
)
def test_what_has_to_leave_the_index_is_read_from_the_record(story: Story, state: VersionState, leaves: bool) -> None:
    sibling, newest = story.version(1, state), story.version(2)
    with story.database.read() as session:
        found = list(lifecycle.not_active_siblings(session, [newest]))
        assert lifecycle.not_active_siblings(session, []) == []
    assert found == ([sibling] if leaves else [])


def test_unfinished_versions_are_found(story: Story) -> None:
    waiting, running = story.version(1, VersionState.QUEUED), story.version(2)
    for number, state in enumerate(ENDED, start=3):
        story.version(number, state)
    with story.database.read() as session:
        assert list(lifecycle.unfinished(session)) == [waiting, running]


def test_a_stage_begins_with_no_progress_and_keeps_when_the_work_began(story: Story) -> None:
    version = story.version(1, VersionState.QUEUED)
    with story.database.write() as session:
        versions.enter_stage(session, [version], Stage.PARSE)
        versions.report_progress(session, version, 3, 9)
    began = story.row(version)
    with story.database.write() as session:
        versions.enter_stage(session, [version], Stage.EMBED)
    row = story.row(version)
    assert (began.state, began.stage, began.done, began.total) == (VersionState.RUNNING, Stage.PARSE, 3, 9)
    assert (row.stage, row.done, row.started_at) == (Stage.EMBED, 0, began.started_at)
    assert row.stage_started_at > began.stage_started_at  # type: ignore[operator]


@pytest.mark.parametrize("state", ENDED)
def test_a_finished_version_enters_no_stage_and_does_not_fail(story: Story, state: VersionState) -> None:
    version = story.version(1, state)
    with story.database.write() as session:
        versions.enter_stage(session, [version], Stage.PARSE)
        queue.record_failure(session, "job", version, DAMAGED, RetryRule())
    row = story.row(version)
    assert (row.state, row.stage, row.error_code) == (state, Stage.IDENTIFY, None)


@pytest.mark.parametrize(
    ("error", "state"), [(DAMAGED, VersionState.FAILED), (IndexUnavailable(), VersionState.QUARANTINED)]
)
def test_a_failure_is_recorded_with_its_reason(story: Story, error: SeogoError, state: VersionState) -> None:
    version = story.version(1)
    with story.database.write() as session:
        queue.record_failure(session, "job", version, error, RetryRule(tries=1))
    row = story.row(version)
    assert (row.state, row.error_code, row.error_params) == (state, error.code, error.params)
    assert row.retryable is error.retryable
    assert row.finished_at is not None
