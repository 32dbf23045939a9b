"""Rows of the code lane, many files to a statement: documents, versions, chunks, outlines; and their activation.

The same rows as those of the ordinary way (`records.py`, `steps.py`, `rag.store.lifecycle`), which writes them file by file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from ingest.pipeline.code_cutting import CutFile, recipe_of_cut
from rag.blobs.store import BlobRef
from rag.domain.access import AccessRule, GivenRule
from rag.domain.document import Chunk, chunk_id, version_id
from rag.domain.errors import NameTaken, PersonalDataBlocked, SeogoError
from rag.domain.personal_data import PrivacyPolicy
from rag.store import access_rule, code_symbol, family, lifecycle
from rag.store import chunk as chunks_table
from rag.store.base import in_groups, utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.repository import Repository
from rag.store.version import RETRYABLE, UNFINISHED, DocumentVersion, Priority, Stage, VersionState


class FileTask(NamedTuple):
    """A file of a commit that is to be searchable.

    Attributes:
        blob: git's hash of its content.
        access: who may read it; None leaves the rule that its document has.
    """

    path: str
    blob: str
    size: int
    access: GivenRule | None = None


@dataclass(frozen=True, slots=True)
class Drafted:
    """A file on its way into the record.

    Attributes:
        document_id: deterministic, whether the document is there already or not.
        rule: its own; None leaves the one that it has.
        cut: None where nothing is cut here: it goes the ordinary way.
    """

    task: FileTask
    source_key: str
    document_id: UUID
    blob: BlobRef
    rule: AccessRule | None
    content: bytes = field(repr=False)
    cut: CutFile | SeogoError | None = field(default=None, repr=False)

    def as_cut(self, cut: CutFile | SeogoError) -> Drafted:
        """The same with what was made of it."""
        return replace(self, cut=cut)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is on record and not yet searchable.

    Attributes:
        chunks: as they are on record, with their ids.
        failed: why it will not be searchable.
    """

    draft: Drafted
    version_id: UUID
    number: int
    chunks: tuple[Chunk, ...] = ()
    failed: SeogoError | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that can't be on record under its name."""

    draft: Drafted
    error: SeogoError


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same for all files of one call.

    Attributes:
        job_id: under which versions are in work: that of the repository's job, which the queue knows to be alive; what is left of
            a job that died is taken up by the next one, or in the ordinary way.
        privacy_key: see `rag.access.personal_data.scanning.scan_key`.
    """

    repository: Repository
    commit: str
    policy: PrivacyPolicy
    privacy_key: str
    flag_from: float

    @property
    def job_id(self) -> str:
        """See above."""
        return self.repository.job_id or f"code-{self.repository.id}"

    def is_ours(self, version: DocumentVersion) -> bool:
        """Whether a version in work waits for a job, or is that of this repository's job, now or before."""
        return version.job_id in ("", self.job_id) or version.job_id.startswith(f"repository-{self.repository.id}-")


@dataclass(frozen=True, slots=True)
class Known:
    """A document that is on record, and its newest version."""

    document: Document
    latest: DocumentVersion | None

    def holds(self, content_hash: str) -> bool:
        """Whether it answers with this content."""
        return self.is_of(content_hash) and self._answers

    def is_of(self, content_hash: str) -> bool:
        """Whether its newest version has this content, and nobody has deleted it since."""
        latest = self.latest
        return latest is not None and latest.content_hash == content_hash and self.document.deleted_at is None

    @property
    def _answers(self) -> bool:
        latest = self.latest
        active = latest is not None and latest.state == VersionState.ACTIVE
        return active and self.document.deleted_at is None


def known_documents(session: Session, ids: Sequence[UUID], *, lock: bool = False) -> dict[UUID, Known]:
    """Those of these documents that are on record; with `lock` nobody else changes them in this transaction."""
    query = select(Document).where(Document.id.in_(ids)).order_by(Document.id)
    documents = session.scalars(query.with_for_update() if lock else query).all()
    latest = [item.latest_version_id for item in documents if item.latest_version_id is not None]
    found = session.scalars(select(DocumentVersion).where(DocumentVersion.id.in_(latest))) if latest else ()
    versions = {item.id: item for item in found}
    return {
        item.id: Known(item, None if item.latest_version_id is None else versions.get(item.latest_version_id))
        for item in documents
    }


def draft_documents(session: Session, collection: Collection, frame: Frame, drafts: Sequence[Drafted]) -> None:
    """Make the documents that are not there yet, with their rules; those that are there get another rule where it differs."""
    known = known_documents(session, [draft.document_id for draft in drafts], lock=True)
    _follow_rules(session, known, drafts)
    _insert_documents(session, collection, frame, [draft for draft in drafts if draft.document_id not in known], {})


def _follow_rules(session: Session, known: Mapping[UUID, Known], drafts: Sequence[Drafted]) -> None:
    for draft in drafts:
        found = known.get(draft.document_id)
        if found is None or found.document.parent_document_id is not None or draft.rule is None:
            continue
        if draft.rule != AccessRule.from_json(found.document.own_rule):
            access_rule.set_own_rule(session, found.document, draft.rule)


def _insert_documents(
    session: Session,
    collection: Collection,
    frame: Frame,
    drafts: Sequence[Drafted],
    versions: Mapping[UUID, Written],
) -> None:
    """New documents, with what their first version says of them where there is one."""
    rules = {draft.rule for draft in drafts if draft.rule is not None}
    held = {rule: access_rule.ensured(session, collection, rule) for rule in rules}
    session.flush()
    rows = []
    for draft in drafts:
        row = _document_row(collection, frame, draft, None if draft.rule is None else held[draft.rule])
        version = versions.get(draft.document_id)
        rows.append(row if version is None else row | _noted(version))
    if rows:
        session.execute(insert(Document), rows)


def _document_row(collection: Collection, frame: Frame, draft: Drafted, rule_id: UUID | None) -> dict[str, Any]:
    own = None if draft.rule is None or draft.rule.trivial else draft.rule.to_json()
    return {
        "id": draft.document_id,
        "tenant_id": collection.tenant_id,
        "collection_id": collection.id,
        "source_key": draft.source_key,
        "title": "",
        "author": "",
        "source_url": "",
        "owner_id": frame.repository.owner_id,
        "own_rule": own,
        "access_rule_id": rule_id,
        "latest_version_id": None,
        "created_at": utc_now(),
    }


def write_drafts(
    session: Session, collection: Collection, frame: Frame, drafts: Sequence[Drafted]
) -> list[Written | Refusal | None]:
    """Put files on record with all that was cut from them; None for one that another job has in work, or that answers already.

    Replaying it after a crash takes up the versions that are in work and writes the same again.
    """
    lifecycle.lock_contents(session, [draft.blob.content_hash for draft in drafts])
    known = known_documents(session, [draft.document_id for draft in drafts], lock=True)
    _follow_rules(session, known, drafts)
    numbers = _newest_numbers(session, known)
    made: list[Written | Refusal | None] = []
    fresh: list[dict[str, Any]] = []
    for draft in drafts:
        found = known.get(draft.document_id)
        if found is not None and found.document.parent_document_id is not None:
            made.append(Refusal(draft, NameTaken(name=draft.source_key)))
            continue
        written = _version_of(frame, found, draft, numbers.get(draft.document_id, 0))
        made.append(written)
        if written is None:
            continue
        values = _version_values(frame, written)
        if found is not None and found.latest is not None and found.latest.id == written.version_id:
            for name, value in values.items():
                setattr(found.latest, name, value)
        else:
            fresh.append({**values, **_new_version(collection, frame, written)})
        if found is not None:
            _note(found.document, written)
    done = [item for item in made if isinstance(item, Written)]
    # Versions name no document that is not there, and chunks no version: in this order.
    new = [draft for draft in drafts if draft.document_id not in known]
    _insert_documents(session, collection, frame, new, {item.draft.document_id: item for item in done})
    session.flush()
    if fresh:
        session.execute(insert(DocumentVersion), fresh)
    _write_chunks(session, collection, done)
    return made


def _newest_numbers(session: Session, known: Mapping[UUID, Known]) -> dict[UUID, int]:
    old = [key for key, item in known.items() if item.latest is not None]
    if not old:
        return {}
    query = select(DocumentVersion.document_id, func.max(DocumentVersion.number))
    rows = session.execute(query.where(DocumentVersion.document_id.in_(old)).group_by(DocumentVersion.document_id))
    return {row[0]: row[1] for row in rows}


def _version_of(frame: Frame, found: Known | None, draft: Drafted, newest: int) -> Written | None:
    """The version that a file becomes: the one in work with the same content, one that had failed, or a new one."""
    latest, content_hash = None if found is None else found.latest, draft.blob.content_hash
    number = newest + 1
    if found is not None and latest is not None and found.is_of(content_hash):
        if latest.state == VersionState.ACTIVE or (latest.state in UNFINISHED and not frame.is_ours(latest)):
            return None
        if latest.state in (*UNFINISHED, *RETRYABLE):
            number = latest.number
    elif latest is not None and latest.state in UNFINISHED and latest.job_id and frame.is_ours(latest):
        # What it left is cleaned up by upkeep.
        latest.state, latest.finished_at, latest.priority = VersionState.CANCELLED, utc_now(), latest.priority_at_end
    identity = version_id(draft.document_id, number, content_hash)
    if not isinstance(draft.cut, CutFile):
        return Written(draft, identity, number, failed=draft.cut or SeogoError())
    recipe = recipe_of_cut(draft.cut)
    chunks = tuple(chunk.identified(chunk_id(identity, recipe, chunk.ordinal)) for chunk in draft.cut.chunks)
    blocked = draft.cut.record.blocked_by(frame.policy)
    if blocked:
        held_back = PersonalDataBlocked(name=_filename(draft), kinds=", ".join(blocked))
        return Written(draft, identity, number, failed=held_back)
    return Written(draft, identity, number, chunks)


def _filename(draft: Drafted) -> str:
    return draft.source_key.rpartition("/")[2]


def _version_values(frame: Frame, written: Written) -> dict[str, Any]:
    """What is said of a version in work, or of one that has ended at once."""
    now, failed, cut = utc_now(), written.failed, written.draft.cut
    values: dict[str, Any] = {
        "state": VersionState.RUNNING if failed is None else VersionState.FAILED,
        "stage": Stage.INDEX,
        "job_id": frame.job_id,
        "priority": Priority.BULK,
        "claimed_at": now,
        "started_at": now,
        "stage_started_at": None,
        "finished_at": None if failed is None else now,
        "error_code": None if failed is None else failed.code,
        "error_params": None if failed is None else dict(failed.params),
        "retryable": failed is not None and failed.retryable,
        "tries": 0,
        "crashes": 0,
        "retry_at": None,
        "cleaned_at": None if failed is None else now,
        "chunk_count": len(written.chunks),
        "dense_pending": False,
    }
    if isinstance(cut, CutFile):
        flagged = cut.suspect.value >= frame.flag_from
        values |= {
            "media_type": cut.media_type,
            "parser": cut.parser,
            "warnings": list(cut.warnings),
            "file_metadata": {"attributes": {}},
            "personal_data": cut.record.to_json(),
            "privacy_key": frame.privacy_key,
            "injection_score": cut.suspect.value,
            "injection_signs": list(cut.suspect.signs),
            "flagged": flagged,
        }
    else:
        values |= {"media_type": "", "parser": "", "warnings": [], "file_metadata": None, "personal_data": None}
        values |= {"privacy_key": None, "injection_score": None, "injection_signs": None, "flagged": False}
    return values


def _new_version(collection: Collection, frame: Frame, written: Written) -> dict[str, Any]:
    draft = written.draft
    return {
        "id": written.version_id,
        "tenant_id": collection.tenant_id,
        "collection_id": collection.id,
        "document_id": draft.document_id,
        "number": written.number,
        "content_hash": draft.blob.content_hash,
        "size": draft.blob.size,
        "filename": _filename(draft),
        "created_at": utc_now(),
        "commit": frame.commit,
        "pages": 0,
        "done": 0,
        "total": 0,
    }


def _note(document: Document, written: Written) -> None:
    """What a new version changes on its document, as an upload does."""
    for name, value in _noted(written).items():
        setattr(document, name, value)
    document.deleted_at, document.purged_at = None, None


def _noted(written: Written) -> dict[str, Any]:
    """What a document says of its newest version."""
    draft = written.draft
    titled = {"title": draft.cut.title[:500] or draft.source_key[:500]} if isinstance(draft.cut, CutFile) else {}
    return {"latest_version_id": written.version_id, **titled}


def _write_chunks(session: Session, collection: Collection, written: Sequence[Written]) -> None:
    """Chunks and outlines, in place of what a process that died had written of them."""
    chunks_table.delete_of_versions(session, [item.version_id for item in written])
    outlines = []
    chunks = []
    for item in written:
        cut = item.draft.cut
        if isinstance(cut, CutFile) and item.failed is None:
            chunks.append((item.version_id, item.chunks, cut.found))
            if cut.outline is not None:
                outlines.append((item.version_id, collection.id, cut.outline))
    chunks_table.insert_chunks(session, chunks)
    code_symbol.put_outlines(session, outlines)


def activate_all(session: Session, frame: Frame, written: Sequence[Written], pending: set[UUID]) -> list[UUID]:
    """Let versions answer and retire those before them, as `rag.store.lifecycle.activate` does one by one.

    Args:
        pending: those that wait for the vectors of a model.

    Returns those that answer now; whatever was cancelled, deleted or given to another job meanwhile is left alone.
    """
    documents = _locked_documents(session, [item.draft.document_id for item in written])
    ids = [item.version_id for item in written]
    mine = (DocumentVersion.state == VersionState.RUNNING, DocumentVersion.job_id == frame.job_id)
    locked = select(DocumentVersion.id).where(DocumentVersion.id.in_(ids), *mine).order_by(DocumentVersion.id)
    running = set(session.scalars(locked.with_for_update()))
    newest = {row.latest_version_id for row in documents}
    ready = [item for item in written if item.version_id in running and item.version_id in newest]
    active = [item.version_id for item in ready]
    now = utc_now()
    _retire_current(session, documents, set(active), now)
    done = update(DocumentVersion).where(DocumentVersion.id.in_(active))
    values = {"state": VersionState.ACTIVE, "valid_from": now, "finished_at": now, "error_code": None}
    session.execute(done.values(values), execution_options=_UNREAD)
    flagged = [key for key in active if key in pending]
    for group in in_groups(flagged):
        waiting = update(DocumentVersion).where(DocumentVersion.id.in_(group)).values(dense_pending=True)
        session.execute(waiting, execution_options=_UNREAD)
    answering = update(Document).where(Document.id.in_([item.draft.document_id for item in ready]))
    session.execute(answering.values(current_version_id=Document.latest_version_id), execution_options=_UNREAD)
    session.expire_all()
    _retire_vanished(session, ready)
    for version in running.difference(active):
        lifecycle.activate(session, version)  # another upload was faster
    return active


_UNREAD = {"synchronize_session": False}
"""Rows in memory are not made to follow, one by one: they are given up afterwards."""


_Versions = Row[UUID, UUID | None, UUID | None]
"""A document with its latest and its current version."""


def _locked_documents(session: Session, ids: Sequence[UUID]) -> Sequence[_Versions]:
    """Which versions these documents have; nobody else changes them in this transaction."""
    columns = (Document.id, Document.latest_version_id, Document.current_version_id)
    return session.execute(select(*columns).where(Document.id.in_(ids)).order_by(Document.id).with_for_update()).all()


def _retire_current(session: Session, documents: Sequence[_Versions], active: set[UUID], now: datetime) -> None:
    """Retire what answers now in those documents whose newest version is about to."""
    current = [
        row.current_version_id
        for row in documents
        if row.latest_version_id in active and row.current_version_id not in (None, row.latest_version_id)
    ]
    if current:
        retired = update(DocumentVersion).where(DocumentVersion.id.in_(current))
        session.execute(retired.values(state=VersionState.RETIRED, valid_to=now), execution_options=_UNREAD)


def _retire_vanished(session: Session, ready: Sequence[Written]) -> None:
    """Files inside an earlier version of one of these documents, which then was no source code."""
    inside = select(Document.parent_document_id).where(
        Document.parent_document_id.in_([item.draft.document_id for item in ready])
    )
    parents = set(session.scalars(inside))
    for item in ready:
        if item.draft.document_id in parents:
            family.retire_vanished(session, session.get_one(DocumentVersion, item.version_id))


_CLEAR = (
    update(DocumentVersion).where(DocumentVersion.id.in_(bindparam("ids", expanding=True))).values(dense_pending=False)
)


def clear_pending(session: Session, version_ids: Sequence[UUID]) -> None:
    """Note that versions have all their vectors."""
    if version_ids:
        session.execute(_CLEAR, {"ids": list(version_ids)})
