"""Rules of documents, as values: every document with the same rule in the same collection points to the same row."""

from __future__ import annotations

from collections.abc import Collection as AnyCollection
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ForeignKey, Integer, Text, Uuid, bindparam, delete, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.access import AccessRule, EffectiveRule, Label
from rag.domain.errors import AccessSettling, TooManyRules
from rag.domain.principal import Permit
from rag.store import family
from rag.store.base import Base, in_groups, utc_now
from rag.store.collection import Collection
from rag.store.document import Document

MAX_RULES = 2000
"""Different rules in one collection: each is a value in the condition of every search."""
MAX_PENDING = 10_000
"""Documents on their way to another rule that a search leaves out by id, as many as one call gives a rule to. With more that the
principal may not read, nothing is searched: the index would count their words, and say of what it found how much was withheld.
A search that leaves out so many costs what one of so many documents does (`rag.store.filtering.MAX_DOCUMENTS`)."""


class AccessRuleRow(Base):
    """An `EffectiveRule` of documents of one collection, as canonical JSON. Never changed: its id is made of it.

    Attributes:
        wanted_at: when a document got it last; long after, it goes if no document has it.
    """

    __tablename__ = "access_rule"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"), index=True)
    rule: Mapped[str] = mapped_column(Text)
    wanted_at: Mapped[datetime] = mapped_column(default=utc_now)


class KnownRule(NamedTuple):
    """A rule as the policy finds it; what it says, `texts_of` reads."""

    id: UUID
    collection_id: UUID
    wanted_at: datetime


_KNOWN = select(AccessRuleRow.id, AccessRuleRow.collection_id, AccessRuleRow.wanted_at).where(
    AccessRuleRow.tenant_id == bindparam("tenant", type_=Uuid()),
    AccessRuleRow.collection_id.in_(bindparam("ids", type_=Uuid(), expanding=True)),
)
"""Built once, as every request runs it."""


def of_collections(session: Session, tenant_id: UUID, ids: AnyCollection[UUID]) -> Sequence[KnownRule]:
    """All rules in these collections. Only the policy reads them for a principal."""
    if not ids:
        return []
    return [KnownRule(*row) for row in session.execute(_KNOWN, {"tenant": tenant_id, "ids": list(ids)})]


def texts_of(session: Session, tenant_id: UUID, ids: AnyCollection[UUID]) -> dict[UUID, str]:
    """What these rules say, as `EffectiveRule.parse` reads it; a rule that is gone is left out."""
    found: dict[UUID, str] = {}
    for some in in_groups(ids):
        query = select(AccessRuleRow.id, AccessRuleRow.rule).where(
            AccessRuleRow.tenant_id == tenant_id, AccessRuleRow.id.in_(some)
        )
        found |= {row[0]: row[1] for row in session.execute(query)}
    return found


def set_own_rule(session: Session, document: Document, rule: AccessRule) -> list[UUID]:
    """Give a document a rule of its own; returns all documents, itself and those inside it, whose points have to follow.

    Counts from commit on: searches obey the record at once, the points follow.

    Raises:
        TooManyRules: the collection has as many different rules as a search can tell apart.
    """
    document.own_rule = None if rule.trivial else rule.to_json()
    session.flush()
    return settle_family(session, document)


def settle_new(session: Session, document: Document) -> None:
    """Work out what holds for a document that has no version yet: there are no points that would have to follow."""
    session.flush()
    levels = [AccessRule.from_json(item.own_rule) for item in (*reversed(family.above(session, document)), document)]
    rule = EffectiveRule.of(levels)
    document.access_rule_id = None if rule is None else _ensure(session, document, rule)


def ensured(session: Session, collection: Collection, rule: AccessRule) -> UUID | None:
    """The id of what holds for documents of a collection that have this rule of their own and lie in no other document."""
    effective = EffectiveRule.of([rule])
    if effective is None:
        return None
    return _ensure(session, Document(tenant_id=collection.tenant_id, collection_id=collection.id), effective)


def settle_family(session: Session, document: Document) -> list[UUID]:
    """Work out what holds for a document and for those inside it; returns the ids of those for which that changed."""
    outer = [AccessRule.from_json(item.own_rule) for item in reversed(family.above(session, document))]
    changed: list[UUID] = []
    level = [(document, outer)]
    while level:
        below: list[tuple[Document, list[AccessRule]]] = []
        for item, around in level:
            levels = [*around, AccessRule.from_json(item.own_rule)]
            if _settle(session, item, EffectiveRule.of(levels)):
                changed.append(item.id)
            below += [(child, levels) for child in _children(session, item.id)]
        level = below
    return changed


def _children(session: Session, document_id: UUID) -> Sequence[Document]:
    return session.scalars(select(Document).where(Document.parent_document_id == document_id).with_for_update()).all()


def _settle(session: Session, document: Document, rule: EffectiveRule | None) -> bool:
    wanted = None if rule is None else _ensure(session, document, rule)
    if document.access_rule_id == wanted:
        return False
    document.access_rule_id = wanted
    document.access_pending = document.labels_pending = True
    return True


def _ensure(session: Session, document: Document, rule: EffectiveRule) -> UUID:
    """The row of a rule, made when it is new."""
    identity = rule.id_in(document.collection_id)
    stored = session.get(AccessRuleRow, identity, with_for_update=True)
    if stored is not None:
        stored.wanted_at = utc_now()  # so that a removal of unused rules, waiting for this row, leaves it
    else:
        known = select(AccessRuleRow.id).where(AccessRuleRow.collection_id == document.collection_id).limit(MAX_RULES)
        if len(session.scalars(known).all()) >= MAX_RULES:
            raise TooManyRules(limit=MAX_RULES)
        row = AccessRuleRow(
            id=identity, tenant_id=document.tenant_id, collection_id=document.collection_id, rule=rule.text
        )
        session.add(row)
        session.flush()
    return identity


def holds_back(session: Session, permit: Permit) -> bool:
    """Whether a rule in the permit's collections keeps its principal out of anything."""
    query = select(AccessRuleRow.id).where(
        AccessRuleRow.tenant_id == permit.tenant_id, AccessRuleRow.collection_id.in_(permit.collections)
    )
    return not permit.rule_ids.issuperset(session.scalars(query))


def labels_of(session: Session, tenant_id: UUID, ids: AnyCollection[UUID]) -> dict[UUID, Label]:
    """The highest label in each of these rules."""
    return {key: EffectiveRule.parse(text).label for key, text in texts_of(session, tenant_id, ids).items()}


_PENDING = (
    select(Document.id)
    .where(
        Document.access_pending,
        Document.tenant_id == bindparam("tenant", type_=Uuid()),
        Document.collection_id.in_(bindparam("collections", type_=Uuid(), expanding=True)),
    )
    .limit(bindparam("most", type_=Integer()))
)
"""Built once, as every search runs it."""
_BARRED = _PENDING.where(
    Document.access_rule_id.not_in(bindparam("passed", type_=Uuid(), expanding=True)),
    Document.access_rule_id.is_not(None),
)


def pending(session: Session, permit: Permit) -> frozenset[UUID]:
    """Documents in the permit's collections whose points do not know their rule yet.

    A search leaves them out: where their points lie says nothing about who may read them now. Of more than `MAX_PENDING` only
    those that the permit does not cover are left out; what it covers may be found wherever it lies.

    Raises:
        AccessSettling: there are more than that of these too.
    """
    if not permit.revision:
        return frozenset()  # there is no rule in these collections, nor was there one of late
    named = {"tenant": permit.tenant_id, "collections": list(permit.collections), "most": MAX_PENDING + 1}
    found = frozenset(session.scalars(_PENDING, named))
    if len(found) > MAX_PENDING:
        found = frozenset(session.scalars(_BARRED, named | {"passed": list(permit.rule_ids)}))
    if len(found) > MAX_PENDING:
        raise AccessSettling
    return found


def drop_unused(session: Session, before: datetime) -> int:
    """Remove rules that no document has got since `before` and none has now; returns how many."""
    used = exists().where(Document.access_rule_id == AccessRuleRow.id)
    unused = (AccessRuleRow.wanted_at < before, ~used)
    ids = session.scalars(select(AccessRuleRow.id).where(*unused)).all()
    for some in in_groups(ids):
        session.execute(delete(AccessRuleRow).where(AccessRuleRow.id.in_(some), *unused))
    return len(ids)
