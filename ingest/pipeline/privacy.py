"""Looking for personal data while a document goes in, holding back what its collection blocks, and looking again when its
policy changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from ingest.pipeline import vectors as vector_file
from ingest.pipeline.discretion import withdraw_words
from ingest.pipeline.labels import write_settled
from rag.access.personal_data.scanning import detector_of, record_of, scan, scan_key
from rag.domain.document import Chunk
from rag.domain.errors import NothingToRelease, PersonalDataBlocked, Unavailable
from rag.domain.findings import ChunkFindings
from rag.domain.language import CollectionKind
from rag.domain.personal_data import PersonalDataRecord, PrivacyPolicy, Release, policy_from_json, record_from_json
from rag.domain.principal import Permit
from rag.store import chunk as chunks_table
from rag.store import collection as collections_table
from rag.store import document, queue
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import UNFINISHED, DocumentVersion, Priority, VersionState, in_index

if TYPE_CHECKING:
    from ingest.pipeline.steps import Pipeline

log = logging.getLogger(__name__)

_BUDGET_S = 20.0
"""Of one look around: it is not to keep other chores waiting."""
_MOST_AT_ONCE = 2000
"""Versions that one look reads the ids of: more than the budget has time for."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in the chunks of a version.

    Attributes:
        blocked: kinds for which it is not to be searchable.
    """

    found: list[ChunkFindings]
    record: PersonalDataRecord
    key: str
    blocked: tuple[str, ...]

    def note(self, version: DocumentVersion) -> None:
        """Put it on record."""
        version.personal_data, version.privacy_key = self.record.to_json(), self.key

    def require_searchable(self, version: DocumentVersion) -> None:
        """Raise PersonalDataBlocked where the document waits for a release."""
        if self.blocked:
            raise PersonalDataBlocked(name=version.filename, kinds=", ".join(self.blocked))


@dataclass(frozen=True, slots=True)
class Look:
    """What a version's collection wants looked for at this moment, and what was found before."""

    policy: PrivacyPolicy
    kind: CollectionKind
    before: PersonalDataRecord | None

    def judged(self, found: Sequence[ChunkFindings], *, read_anew: bool) -> Examined:
        """What follows from what was found; see `examine`."""
        record = record_of(found, self.policy, self.before.release if self.before is not None else None)
        if read_anew and self.before is not None and not record.is_within(self.before):
            record = record.held()
        return Examined(list(found), record, scan_key(self.policy, self.kind), record.blocked_by(self.policy))


def look_at(database: Database, version: DocumentVersion) -> Look:
    """What to look for in a version."""
    with database.read() as session:
        policy, kind = _policy(session, version.collection_id)
        now = session.get_one(DocumentVersion, version.id)
        return Look(policy, kind, record_from_json(now.personal_data))


def examine(database: Database, version: DocumentVersion, chunks: Sequence[Chunk], *, read_anew: bool) -> Examined:
    """Look through the chunks of a version, as its collection's policy of this moment wants it.

    Args:
        read_anew: whether the original has just been parsed. A release is for what somebody was shown: it ends where there is
            more now than on record, of any kind, as when pages are read that were left out. By number, not by value, since no
            value is kept: where another value has taken the place of one that was shown, the release goes on.
    """
    look = look_at(database, version)
    return look.judged(scan(detector_of(look.policy, look.kind), chunks), read_anew=read_anew)


def _policy(session: Session, collection_id: UUID) -> tuple[PrivacyPolicy, CollectionKind]:
    row = session.get_one(Collection, collection_id)
    return policy_from_json(row.privacy), CollectionKind(row.kind)


def release(session: Session, permit: Permit, document_id: UUID, reason: str) -> DocumentVersion:
    """Let the newest version of a document be searched although its collection blocks what is in it.

    Raises:
        DocumentNotFound: the permit does not cover it.
        NothingToRelease: it is not held back for personal data.
    """
    row = document.get_permitted(session, permit, document_id)
    version = session.get(DocumentVersion, row.latest_version_id, with_for_update=True)
    record = record_from_json(version.personal_data) if version is not None else None
    if version is None or record is None:
        raise NothingToRelease
    held = version.state == VersionState.FAILED and version.error_code == PersonalDataBlocked.code
    if not held and not record.blocked_by(_policy(session, version.collection_id)[0]):
        raise NothingToRelease
    now = datetime.now(UTC).isoformat(timespec="seconds")
    version.personal_data = record.released(Release(permit.principal.name, now, reason)).to_json()
    if held:
        queue.retry(session, version, Priority.INTERACTIVE)
    return version


def settle(pipeline: Pipeline, budget_s: float = _BUDGET_S, clock: Callable[[], float] = time.monotonic) -> int:
    """Look through versions again whose collection's policy, or the detector, changed since; returns how many.

    As many as `budget_s` has time for, one at least; a collection that another process is at is left to it. What a reader
    sees follows the policy at once, whatever this has got to.
    """
    until = clock() + budget_s
    with pipeline.database.read() as session:
        rows = session.scalars(select(Collection).where(Collection.deleted_at.is_(None))).all()
        open_ones = [
            (row.id, key)
            for row in rows
            if row.privacy_settled != (key := scan_key(policy_from_json(row.privacy), CollectionKind(row.kind)))
        ]
    done = 0
    for collection_id, key in open_ones:
        if done and clock() >= until:
            break
        # For as long as this session is open, which reads nothing else: whoever dies lets go of it.
        with pipeline.database.read() as claim:
            if collections_table.claim_settling(claim, collection_id):
                done += _settle_collection(pipeline, collection_id, key, lambda: clock() >= until)
    return done


def _settle_collection(pipeline: Pipeline, collection_id: UUID, key: str, out_of_time: Callable[[], bool]) -> int:
    stale = or_(DocumentVersion.privacy_key.is_(None), DocumentVersion.privacy_key != key)
    inside = (DocumentVersion.collection_id == collection_id, stale)
    with pipeline.database.read() as session:
        ids = session.scalars(select(DocumentVersion.id).where(*inside, in_index()).limit(_MOST_AT_ONCE)).all()
    done = 0
    for identity in ids:
        pipeline.pause()
        done += _looked_again(pipeline, identity)
        if out_of_time():
            break
    if not ids:
        with pipeline.database.write() as session:
            in_work = session.scalar(select(exists().where(*inside, DocumentVersion.state.in_(UNFINISHED))))
            row = session.get_one(Collection, collection_id, with_for_update=True)
            if not in_work and scan_key(policy_from_json(row.privacy), CollectionKind(row.kind)) == key:
                row.privacy_settled = key
    return done


def _looked_again(pipeline: Pipeline, identity: UUID) -> bool:
    """Whether it worked; a version that can't be looked through is not to keep all others waiting."""
    with pipeline.database.read() as session:
        version = session.get(DocumentVersion, identity)
    if version is None:
        return False
    try:
        _look_again(pipeline, version)
    except Unavailable:  # the others would fare no better
        raise
    except Exception:  # the next look tries it again
        log.warning("the version %s could not be looked through again", identity, exc_info=True)
        return False
    return True


def _look_again(pipeline: Pipeline, version: DocumentVersion) -> None:
    """Search a version anew; where the index knows more or less than it should now, make its points again.

    The key is put on record last: a crash before that has it done again.
    """
    with pipeline.database.read() as session:
        chunks = chunks_table.of_version(session, version.id)
    examined = examine(pipeline.database, version, chunks, read_anew=False)
    with pipeline.database.write() as session:
        # Documents first, as everywhere: whoever places one again could wait crosswise.
        session.get_one(Document, version.document_id, with_for_update=True)
        row = session.get_one(DocumentVersion, version.id, with_for_update=True)
        before = record_from_json(row.personal_data)
        chunks_table.set_findings(session, dict(zip([c.id for c in chunks], examined.found, strict=True)))
        withdrawn = withdraw_words(session, version.id, chunks, examined.found, examined.record)
        row.personal_data, row.privacy_key = examined.record.to_json(), None
    hidden = before.hidden if before is not None else ()
    again = before is not None and version.privacy_key is None and bool(examined.record.hidden)
    if hidden != examined.record.hidden or again or withdrawn:
        _write_again(pipeline, version)
    with pipeline.database.write() as session:
        session.get_one(DocumentVersion, version.id).privacy_key = examined.key


def _write_again(pipeline: Pipeline, version: DocumentVersion) -> None:
    """Embed a version's chunks anew, in every space, from what the index may see now."""
    for target in pipeline.targets():
        for name in (vector_file.file_of(target.id), vector_file.FILE):
            pipeline.blobs.delete_derived(version.id, name)
        write_settled(pipeline.database, target, version, pipeline.write)
