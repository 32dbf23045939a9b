"""What a file says about itself, brought into the record: onto its version at once, onto its document once that one answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.document import DocumentMetadata, ParsedDocument
from rag.store.document import Document
from rag.store.version import DocumentVersion, VersionState

_MOST_ATTRIBUTES = 64
_MOST_CHARACTERS = 1000
_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?")


def note_metadata(session: Session, version: DocumentVersion, parsed: ParsedDocument) -> None:
    """Store everything that the file says on the version.

    The document learns it as soon as the version answers (`speak_for_document`): until then another version may answer, and this
    one may be refused or overtaken. A document that has no version which answers is called as its newest file says.
    """
    version.file_metadata = {"title": _stored(parsed.title)[:500], **_as_json(parsed.metadata)}
    document = session.get_one(Document, version.document_id)
    if document.current_version_id is None and document.latest_version_id == version.id:
        _speak(document, version, version.file_metadata)


def speak_for_document(session: Session, version_id: UUID) -> None:
    """Let title, author and dates of the version be those of its document, if it is the one that answers now."""
    version = session.get_one(DocumentVersion, version_id)
    if version.state == VersionState.ACTIVE and (said := own_words(version)) is not None:
        _speak(session.get_one(Document, version.document_id), version, said)


def own_words(version: DocumentVersion) -> dict[str, Any] | None:
    """What the version's file says about itself; None where only its document knows: of program code, and of what was cut
    before this was kept on versions."""
    return version.file_metadata if "title" in (version.file_metadata or {}) else None


def own_dates(said: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    """When the file was made and last changed, by its own word."""
    return claimed_instant(said.get("created_at", "")), claimed_instant(said.get("modified_at", ""))


def _speak(document: Document, version: DocumentVersion, said: dict[str, Any]) -> None:
    """A document whose earlier versions carry labels with other dates is marked: their points are labelled again."""
    document.title = said["title"] or document.source_key[:500]
    document.author = said.get("author", "")[:500]
    dates = own_dates(said)
    if version.number > 1 and dates != (document.authored_at, document.revised_at):
        document.labels_pending = True
    document.authored_at, document.revised_at = dates


def claimed_instant(text: str) -> datetime | None:
    """An instant that a file claims, in ISO 8601; without an offset it is taken as UTC, and nonsense as nothing."""
    text = text.strip()
    if found := _PARTIAL.fullmatch(text):
        text = f"{found[1]}-{found[2] or '01'}-01"
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _as_json(metadata: DocumentMetadata) -> dict[str, Any]:
    given = {"author": metadata.author, "created_at": metadata.created_at, "modified_at": metadata.modified_at}
    attributes = {
        _stored(name)[:100]: _stored(value)[:_MOST_CHARACTERS] for name, value in metadata.attributes[:_MOST_ATTRIBUTES]
    }
    return {
        **{name: _stored(value)[:_MOST_CHARACTERS] for name, value in given.items() if value},
        "attributes": attributes,
    }


def _stored(text: str) -> str:
    """Without what PostgreSQL refuses in text and in JSON: zero bytes and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()
