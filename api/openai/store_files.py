"""Files of a vector store as JSON, with the state of their ingestion in OpenAI's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy.orm import Session

from api.deps import Caller
from api.errors import STATUS
from api.openai.ids import FILE, STORE, shown
from rag.access.personal_data.reading import DocumentPrivacy
from rag.domain.errors import InputError, error_type_of
from rag.domain.messages import UiLanguage, message_for
from rag.domain.principal import Permit
from rag.store import attribute, client_file
from rag.store.document import Document
from rag.store.version import RETRYABLE, UNFINISHED, DocumentVersion, VersionState

POLL_AFTER_MS = 250
"""How long clients are asked to wait before they look again; a short document takes about a second."""
_UNSUPPORTED = 415
STATES: Mapping[str, tuple[str, ...]] = {
    "in_progress": tuple(UNFINISHED),
    "completed": (VersionState.ACTIVE, VersionState.RETIRED),
    "failed": (VersionState.FAILED, VersionState.QUARANTINED),
    "cancelled": (VersionState.CANCELLED,),
}
"""OpenAI's status of a file, and the states of ours that it stands for."""
_STATUS = {state: status for status, states in STATES.items() for state in states}
Row = tuple[Document, DocumentVersion, UUID]


def files_out(session: Session, permit: Permit, rows: Sequence[Row], language: UiLanguage) -> list[dict[str, Any]]:
    """Documents of a vector store that the permit covers as `vector_store.file`s, with their attributes."""
    attributes = attribute.of_documents(session, [row.id for row, _, _ in rows])
    privacy = DocumentPrivacy.of(session, permit, [row for row, _, _ in rows])
    return [
        {
            "id": shown(FILE, file_id),
            "object": "vector_store.file",
            "created_at": int(row.created_at.timestamp()),
            "vector_store_id": shown(STORE, row.collection_id),
            "usage_bytes": newest.size,
            "status": _STATUS[newest.state],
            "last_error": _last_error(newest, language, privacy.names_of(row)),
            "attributes": {name: value.plain for name, value in attributes.get(row.id, {}).items()},
            "chunking_strategy": {"type": "other"},
        }
        for row, newest, file_id in rows
    ]


def _last_error(newest: DocumentVersion, language: UiLanguage, name: Callable[[str], str]) -> dict[str, str] | None:
    """Why it failed; the sentence names the file, as the reader may see it."""
    if newest.state not in RETRYABLE or newest.error_code is None:
        return None
    told = error_out(newest.error_code, newest.error_params or {}, language)
    return {**told, "message": name(told["message"])}


def error_out(code: str, params: dict[str, Any], language: UiLanguage) -> dict[str, str]:
    """A `last_error`: OpenAI's three codes, our sentence; our own code goes behind it in brackets."""
    kind = error_type_of(code)
    if STATUS[kind] == _UNSUPPORTED:
        named = "unsupported_file"
    else:
        named = "invalid_file" if issubclass(kind, InputError) else "server_error"
    return {"code": named, "message": f"{message_for(code, params, language)} ({code})"}


def counts_out(by_status: Mapping[str, int]) -> dict[str, int]:
    """`file_counts`."""
    found = {status: by_status.get(status, 0) for status in STATES}
    return {**found, "total": sum(found.values())}


def counted(states: Iterable[tuple[str, int]]) -> dict[str, int]:
    """How many files there are by OpenAI's status, from numbers by ours."""
    found: dict[str, int] = {}
    for state, number in states:
        if state in _STATUS:
            found[_STATUS[state]] = found.get(_STATUS[state], 0) + number
    return found


def one_file(caller: Caller, permit: Permit, file_id: UUID, given: str) -> dict[str, Any]:
    """One file of the permit's vector store.

    Raises:
        DocumentNotFound: it is not in there.
    """
    with caller.services.rag.database.read() as session:
        row = client_file.document_of(session, permit, file_id, given)
        return files_out(session, permit, [row], caller.language)[0]


def poll_again(response: Response, status: str) -> None:
    """Tell the client when to look again, as long as there is something to wait for."""
    if status == "in_progress":
        response.headers["openai-poll-after-ms"] = str(POLL_AFTER_MS)
