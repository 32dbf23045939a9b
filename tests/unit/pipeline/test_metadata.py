from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.pipeline.metadata import claimed_instant, note_metadata
from rag.domain.document import DocumentMetadata, ParsedDocument
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import DocumentVersion
from tests.support.stores import add_collection, add_document, add_version


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        ("2024-03-01T09:00:00+09:00", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024-03-01T09:00:00Z", datetime(2024, 3, 1, 9, tzinfo=UTC)),
        ("2024-03-01T09:00:00", datetime(2024, 3, 1, 9, tzinfo=UTC)),
        ("2024-03-01", datetime(2024, 3, 1, tzinfo=UTC)),
        (" 2024-03 ", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("", None),
        ("gestern", None),
        ("2024-13-01", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("D:20240301", None),
    ],
)
def test_a_claimed_instant_is_read_or_left_alone(claimed: str, expected: datetime | None) -> None:
    assert claimed_instant(claimed) == expected


def parsed(**claims: object) -> ParsedDocument:
    title = str(claims.pop("title", ""))
    return ParsedDocument(title, "text/plain", "x/1", (), metadata=DocumentMetadata(**claims))  # type: ignore[arg-type]


def test_what_a_file_says_is_on_record(database: Database) -> None:
    collection = add_collection(database)
    with database.write() as session:
        document = add_document(session, collection, "규정.hwp")
        version = session.get_one(DocumentVersion, add_version(session, document, 1))
        file = parsed(
            title="취업규칙\x00",
            author="인사팀\ud800",
            created_at="2024-03-01",
            attributes=(("message_id", "<1@bank>"), ("subject", "가" * 5000)),
        )
        note_metadata(session, version, file)
        document_id, version_id = document.id, version.id
    with database.read() as session:
        document, version = session.get_one(Document, document_id), session.get_one(DocumentVersion, version_id)
    assert (document.title, document.author) == ("취업규칙", "인사팀")
    assert (document.authored_at, document.revised_at) == (datetime(2024, 3, 1, tzinfo=UTC), None)
    assert not document.labels_pending, "a first version has no points with other labels"
    assert version.file_metadata is not None
    assert version.file_metadata["attributes"] == {"message_id": "<1@bank>", "subject": "가" * 1000}
    assert version.file_metadata["author"] == "인사팀"


def test_another_date_marks_the_labels_of_earlier_versions(database: Database) -> None:
    collection = add_collection(database)
    with database.write() as session:
        document = add_document(session, collection)
        first = session.get_one(DocumentVersion, add_version(session, document, 1))
        note_metadata(session, first, parsed(created_at="2024-03-01"))
        second = session.get_one(DocumentVersion, add_version(session, document, 2))
        note_metadata(session, second, parsed(created_at="2024-03-01"))
        assert not document.labels_pending
        note_metadata(session, second, parsed(created_at="2024-03-02"))
        assert document.labels_pending


def test_a_document_without_a_title_is_called_by_its_name(database: Database) -> None:
    collection = add_collection(database)
    with database.write() as session:
        document = add_document(session, collection, "인사/규정.hwp")
        version = session.get_one(DocumentVersion, add_version(session, document, 1))
        note_metadata(session, version, parsed())
        assert document.title == "인사/규정.hwp"
