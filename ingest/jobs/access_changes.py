"""Changing who may read: on record at once, for the next question; the index's points follow in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.jobs.workflows import IngestJobs
from rag.access import rules
from rag.access.personal_data.reading import named_as_wanted
from rag.domain.access import AccessRule, GivenRule
from rag.domain.principal import Permit
from rag.store import access_rule, collection, document, document_pages
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database

_UNUSED_FOR = timedelta(days=1)
"""Longer than any request lasts that has read the rule for its permit."""
_TOGETHER = 100
"""Documents changed in one transaction: others wait to write meanwhile."""


@dataclass(frozen=True, slots=True)
class BulkChange:
    """What one call changed.

    Attributes:
        ids: documents that the filter holds for and that have the rule now.
        changed: documents for which something else holds than before, files inside them included.
        next_cursor: the document after which the next call goes on; None when all are done.
    """

    ids: tuple[UUID, ...]
    changed: int
    next_cursor: UUID | None


def drop_unused_rules(database: Database) -> int:
    """Remove rules that no document has, a day after one last got them; returns how many. A chore of the upkeep."""
    with database.write() as session:
        return access_rule.drop_unused(session, utc_now() - _UNUSED_FOR)


class AccessChanges:
    """Sets rules. Every method takes the permit that the policy gave for just that."""

    def __init__(self, database: Database, jobs: IngestJobs) -> None:
        self._database = database
        self._jobs = jobs

    def set_document(self, permit: Permit, document_id: UUID, given: GivenRule, *, force: bool) -> AccessRule:
        """Put a rule on a document; what lies in it follows. Returns the document's own rule as it is now.

        Raises:
            DocumentNotFound: the permit does not cover it.
            InvalidRequest, LabelAboveClearance, WouldLockOut, TooManyRules: see `rag.access.rules`.
        """
        with self._database.write() as session:
            row = document.get_permitted(session, permit, document_id)
            changed = rules.set_by_curator(session, permit, row, given, force=force)
            rule = AccessRule.from_json(row.own_rule)
        if changed:
            self._jobs.upkeep.relabel(document_id)
        return rule

    def set_documents(
        self, permit: Permit, given: GivenRule, *, force: bool, after: UUID | None, limit: int
    ) -> BulkChange:
        """Put a rule on the documents of the permit's one collection that its filter holds for, `limit` of them by key after that
        of the document `after`. Each hundred is a transaction of its own: after an error, those before it have the rule.

        Raises: as `set_document`.
        """
        ids: list[UUID] = []
        looked = changed = 0
        while looked < limit:
            together = min(_TOGETHER, limit - looked)
            with self._database.write() as session:
                found = self._next(session, permit, after, together)
                rows = named_as_wanted(session, permit, found)
                moved = [
                    item for row in rows for item in rules.set_by_curator(session, permit, row, given, force=force)
                ]
            self._jobs.upkeep.relabel_many(moved)
            ids += [row.id for row in rows]
            looked, changed = looked + len(found), changed + len(moved)
            if len(found) < together:
                return BulkChange(tuple(ids), changed, None)
            after = found[-1].id
        return BulkChange(tuple(ids), changed, after)

    def _next(self, session: Session, permit: Permit, after: UUID | None, limit: int) -> Sequence[Document]:
        key = None if after is None else document.key_in(session, permit, after)
        rows = document_pages.page_permitted(session, permit, after=key, limit=limit)
        return [row for row, _ in rows]

    def set_collection(self, permit: Permit, given: GivenRule, *, force: bool) -> None:
        """Put a rule on the one collection of the permit: it holds for everything in it, and needs no point to move.

        Raises:
            CollectionNotFound: somebody else has just deleted it.
            InvalidRequest, LabelAboveClearance, WouldLockOut: see `rag.access.rules`.
        """
        with self._database.write() as session:
            row = collection.permitted(session, permit)[0]
            locked = session.scalars(select(Collection).where(Collection.id == row.id).with_for_update()).one()
            rules.set_on_collection(session, permit, locked, given, force=force)
