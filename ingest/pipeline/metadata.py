"""What a file says about itself, brought into the record."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from rag.domain.document import DocumentMetadata, ParsedDocument
from rag.store.document import Document
from rag.store.version import DocumentVersion

_MOST_ATTRIBUTES = 64
_MOST_CHARACTERS = 1000
_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?")


def note_metadata(session: Session, version: DocumentVersion, parsed: ParsedDocument) -> None:
    """Store title, author and dates on the document, and everything that the file says on the version.

    A document whose earlier versions carry labels with other dates is marked: their points are labelled again.
    """
    document = session.get_one(Document, version.document_id)
    document.title = _stored(parsed.title)[:500] or document.source_key[:500]
    document.author = _stored(parsed.metadata.author)[:500]
    dates = (claimed_instant(parsed.metadata.created_at), claimed_instant(parsed.metadata.modified_at))
    if version.number > 1 and dates != (document.authored_at, document.revised_at):
        document.labels_pending = True
    document.authored_at, document.revised_at = dates
    version.file_metadata = _as_json(parsed.metadata)


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
