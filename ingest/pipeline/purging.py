"""Purging: what deleted versions left is removed by steps that can be repeated, and counted afterwards on their receipts."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ingest.pipeline.fault_points import reached
from ingest.pipeline.halving import Halving
from ingest.pipeline.leftovers import remove_leftovers
from ingest.pipeline.maintenance import drop_originals
from ingest.pipeline.steps import ENDED_BADLY, Pipeline
from rag.domain.errors import PurgeIncomplete, SeogoError, StoreUnavailable
from rag.store import attribute, family, lifecycle, receipt
from rag.store import chunk as chunks_table
from rag.store import version as versions_table
from rag.store.base import in_groups, utc_now
from rag.store.document import Document
from rag.store.receipt import DeletionReceipt
from rag.store.version import DocumentVersion, VersionState

log = logging.getLogger(__name__)

_REMOVED_TOGETHER = 500
"""Documents, or versions, that are purged in one go: an archive may hold thousands, and a call costs the same for one."""
_CHUNKS_TOGETHER = 20_000
"""Of versions whose rows go in one transaction: on SQLite nobody else writes meanwhile."""


def purge_document(pipeline: Pipeline, document_id: UUID) -> None:
    """`purge_documents` for one."""
    purge_documents(pipeline, [document_id])


def purge_documents(pipeline: Pipeline, document_ids: Sequence[UUID]) -> None:
    """Remove what these documents' deleted versions, those of what lay in them, and those that ended without answering left in
    index, chunks and blobs; look again, close receipts. One document that resists, or on which it fails, does not keep the
    others: it stays open, and its receipt says why and when it is due again.

    An original that is still needed stays: by another document, or for the retry of a failed version.

    Raises:
        PurgeIncomplete: something was left of at least one of them even so; the step is repeated.
    """
    if not document_ids:
        return
    reached("purge.begin", document_ids[0])
    with pipeline.database.read() as session:
        inside = family.hidden_below(session, document_ids)
    # What lies in a document goes before it: only by the document it would be found again.
    own = set(document_ids)
    ids = [*(item for item in inside if item not in own), *document_ids]
    removal = Halving()
    try:
        for start in range(0, len(ids), _REMOVED_TOGETHER):
            removal.each(ids[start : start + _REMOVED_TOGETHER], partial(_purge_group, pipeline))
    except SeogoError:
        _note_failures(pipeline, _receipts_of(pipeline, document_ids, removal.failed))
        raise
    _close_receipts(pipeline, document_ids, _receipts_of(pipeline, document_ids, removal.failed))
    if removal.failed:  # and no receipt tells of it, as where a file that failed is cleaned up after
        raise PurgeIncomplete(name=_key_of(pipeline, next(iter(removal.failed))))
    reached("purge.end", document_ids[0])


def purge_as_far_as_possible(pipeline: Pipeline, document_ids: Sequence[UUID]) -> None:
    """`purge_documents` for many of which none waits for another: what is left of some is on their receipts, and due again.

    Raises:
        Unavailable: none of them can be purged now.
    """
    try:
        purge_documents(pipeline, document_ids)
    except PurgeIncomplete as error:
        log.warning("a purge of %d documents goes on without some of them: %s", len(document_ids), error)


def _purge_group(pipeline: Pipeline, document_ids: Sequence[UUID]) -> None:
    with pipeline.database.read() as session:
        left = lifecycle.uncleaned_versions(session, document_ids)
    _remove(pipeline, left)
    hashes = {version.content_hash for version in left if version.state == VersionState.DELETED}
    if hashes:
        drop_originals(pipeline.database, pipeline.blobs, hashes)
        reached("purge.original_removed", document_ids[0])
    with pipeline.database.write() as session:
        _record_removal(session, document_ids, [version.id for version in left])
        reached("purge.row_written", document_ids[0])
    reached("purge.row_committed", document_ids[0])


def _remove(pipeline: Pipeline, versions: Sequence[DocumentVersion]) -> None:
    least = _CHUNKS_TOGETHER // _REMOVED_TOGETHER
    weighed = [(version.id, max(least, version.chunk_count)) for version in versions]
    for group in _portions(weighed, _CHUNKS_TOGETHER):
        remove_leftovers(pipeline.database, pipeline.blobs, pipeline.index, group)


def _record_removal(session: Session, document_ids: Sequence[UUID], version_ids: Sequence[UUID]) -> None:
    """Note what was removed, and that nothing is left of those documents that were not uploaded again meanwhile."""
    # A document before what lies in it, the order in which files that are being unpacked lock them.
    inside = Document.parent_document_id.is_not(None)
    query = select(Document.id, Document.deleted_at).where(Document.id.in_(document_ids)).order_by(inside, Document.id)
    gone = [row[0] for row in session.execute(query.with_for_update()) if row[1] is not None]
    for group in in_groups(version_ids):
        versions_table.mark_cleaned(session, group, ENDED_BADLY)
        session.execute(
            update(DocumentVersion)
            .where(DocumentVersion.id.in_(group), DocumentVersion.state == VersionState.DELETED)
            .values(file_metadata=None)
        )
    attribute.delete_of_documents(session, gone)
    of_gone = update(Document).where(Document.id.in_(gone))
    session.execute(of_gone.values(title="", author="", source_url=""))
    # Deleted again meanwhile, after a new upload: the next purge says so.
    again = {version.document_id for version in lifecycle.uncleaned_versions(session, gone)}
    session.execute(of_gone.where(Document.id.not_in(again)).values(purged_at=utc_now()))


def _close_receipts(pipeline: Pipeline, document_ids: Sequence[UUID], failed: Mapping[UUID, SeogoError]) -> None:
    """Close the receipts of which nothing is left.

    Args:
        failed: those that stay open, for what they tell of could not be removed: by the count nothing may be left of it, and
            still it is not on record as removed.
    """
    with pipeline.database.read() as session:
        waiting = [item for item in receipt.open_of_documents(session, document_ids) if item[0] not in failed]
    if waiting:
        _forget_overwritten(pipeline, [receipt_id for receipt_id, _ in waiting])
    resisting: list[DeletionReceipt] = []
    closing = Halving()
    try:
        for ids in _portions([(receipt_id, max(1, documents)) for receipt_id, documents in waiting], _REMOVED_TOGETHER):
            closing.each(ids, lambda some: resisting.extend(_close(pipeline, some)))
    finally:
        for item in resisting:
            log.warning("something of document %s was left after its deletion", item.document_id)
        left = {item.id: PurgeIncomplete(name=item.source_key) for item in resisting} | closing.failed | dict(failed)
        _note_failures(pipeline, left)
    if left:
        with pipeline.database.read() as session:
            raise PurgeIncomplete(name=session.get_one(DeletionReceipt, next(reversed(left))).source_key)


def _forget_overwritten(pipeline: Pipeline, receipt_ids: Sequence[UUID]) -> None:
    """Let nothing that was deleted stand in the database's log before these receipts say that it is gone.

    Raises:
        StoreUnavailable: readers left no time for it, as the receipts then tell.
    """
    try:
        pipeline.database.empty_log()
    except StoreUnavailable as error:
        _note_failures(pipeline, dict.fromkeys(receipt_ids, error))
        raise
    reached("purge.log_emptied", receipt_ids[0])


def _key_of(pipeline: Pipeline, document_id: UUID) -> str:
    with pipeline.database.read() as session:
        document = session.get(Document, document_id)
    return str(document_id) if document is None else document.source_key


def _receipts_of(
    pipeline: Pipeline, document_ids: Sequence[UUID], failed: Mapping[UUID, SeogoError]
) -> dict[UUID, SeogoError]:
    """The open receipts of these documents that tell of one which could not be removed, itself or what lies in it, and why."""
    if not failed:
        return {}
    with pipeline.database.read() as session:
        items = receipt.by_ids(session, [one for one, _ in receipt.open_of_documents(session, document_ids)])
        versions = lifecycle.uncleaned_versions(session, list(failed))
    whose = {str(version.id): version.document_id for version in versions}
    found: dict[UUID, SeogoError] = {}
    for item in items:
        named = [whose[entry["id"]] for entry in item.versions if entry["id"] in whose]
        if named:
            found[item.id] = failed[named[0]]
    return found


def _note_failures(pipeline: Pipeline, causes: Mapping[UUID, SeogoError]) -> None:
    """Say on these receipts what keeps them open."""
    if causes:
        with pipeline.database.write() as session:
            receipt.note_failures(session, causes)


def _portions(weighed: Sequence[tuple[UUID, int]], most: int) -> Iterator[list[UUID]]:
    """What is dealt with together: as many as weigh `most` in all, at least one."""
    portion: list[UUID] = []
    size = 0
    for identity, weight in weighed:
        if portion and size + weight > most:
            yield portion
            portion, size = [], 0
        portion.append(identity)
        size += weight
    if portion:
        yield portion


def _close(pipeline: Pipeline, receipt_ids: Sequence[UUID]) -> list[DeletionReceipt]:
    """Close those of these receipts of whose versions a look finds nothing; returns the others."""
    with pipeline.database.read() as session:
        items = receipt.by_ids(session, receipt_ids)
        named = versions_table.by_ids(session, {UUID(entry["id"]) for item in items for entry in item.versions})
    deleted = {str(version.id): version for version in named if version.state == VersionState.DELETED}
    own = {item.id: [deleted[entry["id"]] for entry in item.versions if entry["id"] in deleted] for item in items}
    found = _verified(pipeline, items, own)
    left = [item for item in items if _anything(found[item.id])]
    if left:  # such as what a step in work has written meanwhile
        _remove(pipeline, [version for item in left for version in own[item.id]])
        pipeline.database.empty_log()
        found |= _verified(pipeline, left, own)
    resisting = [item for item in left if _anything(found[item.id])]
    closed = {item.id for item in items} - {item.id for item in resisting}
    if closed:
        with pipeline.database.write() as session:
            for stored in receipt.by_ids(session, sorted(closed)):
                stored.verified, stored.purged_at = found[stored.id], utc_now()
                stored.purge_error = stored.purge_retry_at = None
            reached("purge.receipt_written", receipt_ids[0])
        reached("purge.receipt_committed", receipt_ids[0])
    return resisting


def _anything(found: Mapping[str, int]) -> bool:
    return any(count for name, count in found.items() if name != "originals_shared")


def _verified(
    pipeline: Pipeline, items: Sequence[DeletionReceipt], own: Mapping[UUID, Sequence[DocumentVersion]]
) -> dict[UUID, dict[str, Any]]:
    """What is left of the versions of each of these receipts, counted where it would be; by the receipts' ids.

    An original that another collection has stays as well, but is not told of: who reads the receipt may not know it.
    """
    versions = {version.id: version.content_hash for item in items for version in own[item.id]}
    hashes = set(versions.values())
    with pipeline.database.read() as session:
        chunks = chunks_table.counts(session, versions)
        needed = lifecycle.needed_among(session, hashes)
        shared = {one: lifecycle.needed_among(session, needed, one) for one in {item.collection_id for item in items}}
    points = _points(pipeline, list(versions))
    derived = {version_id: pipeline.blobs.count_derived(version_id) for version_id in versions}
    originals = {item for item in hashes - needed if pipeline.blobs.exists(item)}
    found: dict[UUID, dict[str, Any]] = {}
    for item in items:
        ids = [version.id for version in own[item.id]]
        mine = {version.content_hash for version in own[item.id]}
        found[item.id] = {
            "points": sum(points[version_id] for version_id in ids),
            "chunks": sum(chunks.get(version_id, 0) for version_id in ids),
            "derived": sum(derived[version_id] for version_id in ids),
            "originals": len(mine & originals),
            "originals_shared": len(mine & shared[item.collection_id]),
        }
    return found


def _points(pipeline: Pipeline, version_ids: Sequence[UUID]) -> Counter[UUID]:
    """Points of each version; one by one only where there are any."""
    found: Counter[UUID] = Counter()
    for start in range(0, len(version_ids), _REMOVED_TOGETHER):
        group = version_ids[start : start + _REMOVED_TOGETHER]
        if pipeline.index.count(*group):
            found.update({version_id: pipeline.index.count(version_id) for version_id in group})
    return found
