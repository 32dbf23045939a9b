"""Who may read a document or a collection: who may say so, what of it is allowed, and why somebody can or can't.

What is decided here is written in the caller's transaction and counts from its commit on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.personal_data.reading import names_masked
from rag.access.subjects import resolved, resolved_one
from rag.domain.access import AccessRule, EffectiveRule, GivenRule, Reader, Subject, user
from rag.domain.errors import (
    DocumentNotFound,
    InvalidRequest,
    LabelAboveClearance,
    NameTaken,
    NotYoursToOpen,
    PathRuleKept,
    WouldLockOut,
)
from rag.domain.principal import Permit
from rag.store import access_rule, family
from rag.store.collection import Collection
from rag.store.connector import ConnectorSource
from rag.store.document import Document
from rag.store.repository import Repository


def set_by_curator(
    session: Session, permit: Permit, document: Document, given: GivenRule, *, force: bool = False
) -> list[UUID]:
    """Put a rule in place of a document's own; returns the documents whose points have to follow.

    Whatever the permit covers its principal may read, so no label above its clearance can be lowered by it.

    Raises:
        DocumentNotFound: the permit does not cover it, or not any more.
        InvalidRequest: the rule names somebody who is not there.
        LabelAboveClearance: its label is above the caller's clearance.
        WouldLockOut: the caller could not read the document any more, and `force` was not said.
        TooManyRules: the collection has as many different rules as a search can tell apart.
    """
    session.refresh(document, with_for_update=True)
    if document.deleted_at is not None or not _covered(permit, document):
        raise DocumentNotFound(name=str(document.id))
    rule = _decided(session, permit, document, given)
    if not force and not _readable(session, permit, document, rule):
        [name] = names_masked(session, permit, [(document.collection_id, document.source_key)])
        raise WouldLockOut(name=name)
    return access_rule.set_own_rule(session, document, rule)


def set_at_upload(session: Session, permit: Permit, document: Document, given: GivenRule) -> list[UUID]:
    """The same with an upload, by whoever uploads; returns the documents whose points have to follow.

    A document that is new, or the caller's own, gets the rule; but an owner who is no curator can't take back what makes
    it harder to read: the label, and denials.

    Raises:
        NotYoursToOpen: the document is somebody else's, or the rule would take back one of these.
        InvalidRequest, LabelAboveClearance, WouldLockOut, TooManyRules: as in `set_by_curator`.
    """
    fresh, before = document.latest_version_id is None, AccessRule.from_json(document.own_rule)
    rule = _decided(session, permit, document, given)
    if not fresh and rule != before and not _reader(permit, document.collection_id).curates:
        weaker = before.label.rank > rule.label.rank or not before.deny <= rule.deny
        if weaker or document.owner_id != permit.principal.id:
            raise NotYoursToOpen(name=document.source_key)
    if not _readable(session, permit, document, rule):
        raise WouldLockOut(name=document.source_key)
    if not fresh:
        return access_rule.set_own_rule(session, document, rule)
    document.own_rule = None if rule.trivial else rule.to_json()
    access_rule.settle_new(session, document)
    return []


def set_by_source(session: Session, permit: Permit, document: Document, given: GivenRule) -> list[UUID]:
    """The same for a document that is there already, by whoever keeps its source in step.

    Raises: as `set_at_upload`; DocumentNotFound: the permit does not cover it any more.
    """
    session.refresh(document, with_for_update=True)
    if document.deleted_at is not None or not _covered(permit, document):
        raise DocumentNotFound(name=str(document.id))
    return set_at_upload(session, permit, document, given)


def set_by_repository(session: Session, document: Document, given: GivenRule | None) -> list[UUID]:
    """Put the rule that the options of a repository have for a file on its document; returns the documents whose points have
    to follow. Whoever set the options was allowed to (`require_paths_decidable`).

    Raises:
        InvalidRequest: the rule names somebody who is not there any more.
        TooManyRules: the collection has as many different rules as a search can tell apart.
    """
    return access_rule.set_own_rule(session, document, of_repository(session, document, given))


def of_repository(session: Session, document: Document, given: GivenRule | None) -> AccessRule:
    """The rule of a file as the record keeps it; a list of readers always holds the document's owner.

    Raises:
        InvalidRequest: it names somebody who is not there any more.
    """
    before = AccessRule.from_json(document.own_rule)
    owner = frozenset[Subject]() if document.owner_id is None else frozenset({user(document.owner_id)})
    rule = resolved(session, document.tenant_id, given or GivenRule(), before.allow | before.deny | owner)
    return _with_owner(rule, document.owner_id)


@dataclass(frozen=True, slots=True)
class PathDecision:
    """Who may read what lies at some paths of a repository, as its options say it."""

    paths: str
    given: GivenRule


def require_paths_decidable(
    session: Session, permit: Permit, row: Repository, before: Sequence[PathDecision], after: Sequence[PathDecision]
) -> None:
    """Refuse path rules that the caller may not give, before any file gets one.

    The last rule that means a path counts. So from the first rule on that holds the caller back, the rules have to stay as they
    are, at the end: whatever else is put before them opens nothing that the caller may not read.

    Args:
        row: the repository; its owner reads what has a list of readers.

    Raises:
        InvalidRequest: a new rule names somebody who is not there.
        LabelAboveClearance: its label is above the caller's clearance.
        WouldLockOut: the caller could not read by it, and so never take it back.
        PathRuleKept: a rule that holds the caller back would be gone or passed over.
    """
    reader = _reader(permit, row.collection_id)
    closed = [not _settled(session, permit, item.given, row.owner_id).permits(reader) for item in before]
    kept = list(before[closed.index(True) :]) if True in closed else []
    if kept and list(after[-len(kept) :]) != kept:
        raise PathRuleKept(name=row.name, paths=kept[0].paths)
    for item in after[: len(after) - len(kept)]:
        if item in before:
            continue
        rule = resolved(session, permit.tenant_id, item.given, frozenset({user(permit.principal.id)}))
        _require_clearance(permit, rule)
        if not _with_owner(rule, row.owner_id).permits(reader):
            raise WouldLockOut(name=row.name)


def path_readable(session: Session, permit: Permit, row: Repository, given: GivenRule | None) -> bool:
    """Whether the caller may read what a path rule is about, where there is no document to ask."""
    if given is None:
        return True
    return _settled(session, permit, given, row.owner_id).permits(_reader(permit, row.collection_id))


def _settled(session: Session, permit: Permit, given: GivenRule, owner_id: UUID | None) -> AccessRule:
    """A rule that is on record already, without those of its subjects that are gone meanwhile."""
    there: set[str] = set()
    for text in {*given.allow, *given.deny}:
        with suppress(InvalidRequest):
            resolved_one(session, permit.tenant_id, text)
            there.add(text)
    left = GivenRule(
        tuple(item for item in given.allow if item in there),
        tuple(item for item in given.deny if item in there),
        given.label,
    )
    rule = resolved(session, permit.tenant_id, left)
    if given.allow and not rule.allow:  # all of its readers are gone: it holds back whoever does not curate
        rule = AccessRule(frozenset({user(permit.tenant_id)}), rule.deny, rule.label)
    return _with_owner(rule, owner_id)


def _with_owner(rule: AccessRule, owner_id: UUID | None) -> AccessRule:
    owner = frozenset[Subject]() if owner_id is None else frozenset({user(owner_id)})
    return AccessRule(rule.allow | owner, rule.deny, rule.label) if rule.allow else rule


def set_on_source(session: Session, permit: Permit, row: ConnectorSource, given: GivenRule) -> None:
    """Say what new documents of a source get that come without a rule.

    Raises:
        NotYoursToOpen: it has another one already, and the caller is no curator.
        InvalidRequest, LabelAboveClearance: as in `set_by_curator`.
    """
    before = AccessRule.from_json(row.access)
    rule = resolved(session, permit.tenant_id, given, _known(permit, before))
    _require_clearance(permit, rule)
    if rule != before and not before.trivial and not _reader(permit, row.collection_id).curates:
        raise NotYoursToOpen(name=row.location)
    row.access = None if rule.trivial else rule.to_json()


def require_writable(permit: Permit, document: Document) -> None:
    """Refuse an upload onto a document that the permit does not cover. A deleted one keeps its rule: to delete a document and to
    upload it again is no way around it.

    Raises:
        NameTaken: it does not; the name of a document in a collection is there once only.
    """
    if not _covered(permit, document):
        raise NameTaken(name=document.source_key)


def set_on_collection(
    session: Session, permit: Permit, row: Collection, given: GivenRule, *, force: bool = False
) -> None:
    """Put a rule in place of a collection's own.

    Raises:
        InvalidRequest, LabelAboveClearance, WouldLockOut: as in `set_by_curator`.
    """
    before = AccessRule.from_json(row.access)
    rule = resolved(session, permit.tenant_id, given, _known(permit, before))
    _require_clearance(permit, rule)
    if not force and not rule.permits(_reader(permit, row.id)):
        raise WouldLockOut(name=row.name)
    row.access = None if rule.trivial else rule.to_json()


def _decided(session: Session, permit: Permit, document: Document, given: GivenRule) -> AccessRule:
    """The rule with subjects by id; a list of readers always holds the document's owner."""
    before = AccessRule.from_json(document.own_rule)
    owner = frozenset[Subject]() if document.owner_id is None else frozenset({user(document.owner_id)})
    rule = resolved(session, permit.tenant_id, given, _known(permit, before) | owner)
    _require_clearance(permit, rule)
    return AccessRule(rule.allow | owner, rule.deny, rule.label) if rule.allow else rule


def _known(permit: Permit, before: AccessRule) -> frozenset[Subject]:
    return before.allow | before.deny | {user(permit.principal.id)}


def _require_clearance(permit: Permit, rule: AccessRule) -> None:
    clearance = permit.principal.clearance
    if not clearance.covers(rule.label):
        raise LabelAboveClearance(label=rule.label.value, clearance=clearance.value)


def _reader(permit: Permit, collection_id: UUID) -> Reader:
    return permit.principal.reader_of(collection_id)


def _covered(permit: Permit, document: Document) -> bool:
    inside = document.tenant_id == permit.tenant_id and document.collection_id in permit.collections
    return inside and (document.access_rule_id is None or document.access_rule_id in permit.rule_ids)


def _readable(session: Session, permit: Permit, document: Document, rule: AccessRule) -> bool:
    effective = EffectiveRule.of([*levels_above(session, document), rule])
    return effective is None or effective.permits(_reader(permit, document.collection_id))


def levels_above(session: Session, document: Document) -> Sequence[AccessRule]:
    """The rules of the documents that this one lies in, the outermost first."""
    return [AccessRule.from_json(item.own_rule) for item in reversed(family.above(session, document))]
