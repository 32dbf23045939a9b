"""Who may read a document or a collection: shown, changed and explained, for curators."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from api.audit import some
from api.deps import PROBLEMS, Caller, guarded
from api.schemas.access import (
    AccessChange,
    AccessOut,
    BulkAccess,
    BulkAccessIn,
    CollectionAccess,
    ContainerAccess,
    DocumentAccess,
    DocumentRule,
    ExplanationOut,
    SubjectOut,
    SubjectText,
    subjects_in,
)
from api.schemas.filters import filter_of
from ingest.jobs.access_changes import AccessChanges
from rag.access.explaining import explain
from rag.access.personal_data.reading import names_masked
from rag.access.policy import Action
from rag.access.subjects import shown_names
from rag.domain.access import AccessRule, GivenRule, user
from rag.domain.audit import AuditKind
from rag.domain.principal import Permit
from rag.store import collection, document, family
from rag.store.collection import Collection

router = APIRouter(tags=["access"], responses=PROBLEMS)

Curator = Annotated[Caller, Depends(guarded(Action.MANAGE_ACCESS))]


@router.get("/documents/{document_id}/access")
def get_document_access(document_id: UUID, caller: Curator) -> DocumentAccess:
    """Who may read a document, at every level. For curators of its collection."""
    return _document(caller, caller.permit(), document_id)


@router.put("/documents/{document_id}/access")
def put_document_access(document_id: UUID, body: AccessChange, caller: Curator) -> DocumentRule:
    """Put a rule in place of the document's own; it counts from the next request on, and for what lies in it too.

    The owner is always among a list of readers. A label above the caller's own clearance is refused.
    """
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        before = AccessRule.from_json(document.get_permitted(session, permit, document_id).own_rule)
    rule = _changes(caller).set_document(permit, document_id, body.to_domain(), force=body.force)
    caller.audit.did(AuditKind.RULE_CHANGED, **_told("before", before), **_told("after", rule))
    _note_label(caller, before, rule)
    with caller.services.rag.database.read() as session:
        names = shown_names(session, caller.principal.tenant_id, subjects_in([rule]))
    return DocumentRule(document_id=document_id, access=AccessOut.of(rule, names))


@router.get("/documents/{document_id}/access/explain")
def explain_document_access(
    document_id: UUID, subject: Annotated[SubjectText, Query()], caller: Curator
) -> ExplanationOut:
    """Why `user:…` can or can't read a document: the level and the entry that decide. For curators of its collection."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        row = document.get_permitted(session, permit, document_id)
        found = explain(session, row, session.get_one(Collection, row.collection_id), subject)
        named = {found.subject, *(item.entry for item in found.decisions if item.entry is not None)}
        return ExplanationOut.of(found, shown_names(session, permit.tenant_id, named))


@router.get("/collections/{name}/access")
def get_collection_access(name: str, caller: Curator) -> CollectionAccess:
    """The rule of a collection; the roles in it are granted elsewhere."""
    permit = caller.permit([name])
    with caller.services.rag.database.read() as session:
        return _collection(session, permit)


@router.put("/collections/{name}/access")
def put_collection_access(name: str, body: AccessChange, caller: Curator) -> CollectionAccess:
    """Put a rule in place of the collection's own: it holds for everything in it, beside the rules of the documents."""
    permit = caller.permit([name])
    with caller.services.rag.database.read() as session:
        before = AccessRule.from_json(collection.permitted(session, permit)[0].access)
    _changes(caller).set_collection(permit, body.to_domain(), force=body.force)
    with caller.services.rag.database.read() as session:
        after = AccessRule.from_json(collection.permitted(session, permit)[0].access)
        caller.audit.did(AuditKind.RULE_CHANGED, **_told("before", before), **_told("after", after))
        _note_label(caller, before, after)
        return _collection(session, permit)


@router.post("/collections/{name}/documents/access")
def put_documents_access(name: str, body: BulkAccessIn, caller: Curator) -> BulkAccess:
    """Put a rule on every document that a filter holds for, in order of their keys; those that the caller can't see stay
    as they are. After an error, the documents before it have the rule."""
    permit, given = caller.permit([name], where=filter_of(body.filter)), body.to_domain()
    caller.audit.did(AuditKind.RULE_CHANGED, **_told("after", given))
    done = _changes(caller).set_documents(permit, given, force=body.force, after=body.cursor, limit=body.limit)
    caller.audit.saw(done.ids)
    caller.audit.did(AuditKind.RULE_CHANGED, documents=len(done.ids), changed=done.changed)
    return BulkAccess(documents=len(done.ids), changed=done.changed, next_cursor=done.next_cursor)


def _told(when: str, rule: AccessRule | GivenRule) -> dict[str, Any]:
    """A rule for the detail of an entry; one that is given names its subjects as it does, not by ids."""
    said = rule.to_json()
    lists = some(f"{when}_allow", said["allow"]) | some(f"{when}_deny", said["deny"])
    return lists | {f"{when}_label": said["label"]}


def _note_label(caller: Caller, before: AccessRule, after: AccessRule) -> None:
    if before.label is not after.label:
        caller.audit.also(AuditKind.LABEL_CHANGED, before=before.label.value, after=after.label.value)


def _changes(caller: Caller) -> AccessChanges:
    return AccessChanges(caller.services.rag.database, caller.services.ingest.jobs)


def _document(caller: Caller, permit: Permit, document_id: UUID) -> DocumentAccess:
    with caller.services.rag.database.read() as session:
        row = document.get_permitted(session, permit, document_id)
        around = list(reversed(family.above(session, row)))
        outer = AccessRule.from_json(session.get_one(Collection, row.collection_id).access)
        own, levels = AccessRule.from_json(row.own_rule), [AccessRule.from_json(item.own_rule) for item in around]
        owner = None if row.owner_id is None else user(row.owner_id)
        every = [outer, *levels, own]
        names = shown_names(session, permit.tenant_id, subjects_in(every) | ({owner} if owner else set()))
        keys = names_masked(session, permit, [(item.collection_id, item.source_key) for item in around])
    return DocumentAccess(
        document_id=row.id,
        owner=None if owner is None else SubjectOut.of(owner, names),
        access=AccessOut.of(own, names),
        containers=[
            ContainerAccess(document_id=item.id, source_key=key, access=AccessOut.of(rule, names))
            for item, key, rule in zip(around, keys, levels, strict=True)
        ],
        collection=AccessOut.of(outer, names),
        label=max((rule.label for rule in every), key=lambda label: label.rank),
        settled=not row.access_pending,
    )


def _collection(session: Session, permit: Permit) -> CollectionAccess:
    row = collection.permitted(session, permit)[0]
    rule = AccessRule.from_json(row.access)
    names = shown_names(session, permit.tenant_id, subjects_in([rule]))
    return CollectionAccess(collection_id=row.id, access=AccessOut.of(rule, names))
