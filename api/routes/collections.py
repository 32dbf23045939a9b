"""Collections."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Query

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.collections import (
    CollectionChange,
    CollectionIn,
    CollectionList,
    CollectionOut,
    DueDocument,
    DueVersion,
    RetentionPreview,
)
from api.schemas.receipts import ReceiptOut
from ingest.pipeline import retention
from rag.access.personal_data.reading import names_masked
from rag.access.policy import Action
from rag.domain.audit import AuditKind
from rag.domain.retention import rules_from_json
from rag.store import collection, document
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.session import naming

router = APIRouter(prefix="/collections", tags=["collections"], responses=PROBLEMS)
_SETTINGS = ("retention", "answer_style", "privacy")


@router.post("", status_code=201)
def create_collection(
    body: CollectionIn, caller: Annotated[Caller, Depends(guarded(Action.CREATE_COLLECTION))]
) -> CollectionOut:
    """Make a collection. Not for a key that is limited to some: it would learn which names are taken."""
    caller.require_whole_tenant()
    row = Collection(
        id=uuid4(),
        tenant_id=caller.principal.tenant_id,
        name=body.name,
        kind=body.kind,
        description=body.description,
    )
    with naming(caller.services.rag.database, body.name) as session:
        session.add(row)
    caller.audit.about(row.id, name=row.name, made_as=row.kind)
    return CollectionOut.of(row, 0)


@router.get("")
def list_collections(caller: Annotated[Caller, Depends(guarded(Action.LIST_COLLECTIONS))]) -> CollectionList:
    """All collections that the key may see."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        rows = collection.permitted(session, permit)
        counts = document.counts_by_collection(session, permit)
    return CollectionList(collections=[CollectionOut.of(row, counts.get(row.id, 0)) for row in rows])


@router.get("/{name}")
def get_collection(name: str, caller: Annotated[Caller, Depends(guarded(Action.READ_COLLECTION))]) -> CollectionOut:
    """One collection, by name or id."""
    permit = caller.permit([name])
    with caller.services.rag.database.read() as session:
        row = collection.permitted(session, permit)[0]
        counts = document.counts_by_collection(session, permit)
    return CollectionOut.of(row, counts.get(row.id, 0))


@router.patch("/{name}")
def change_collection(
    name: str, body: CollectionChange, caller: Annotated[Caller, Depends(guarded(Action.CHANGE_COLLECTION))]
) -> CollectionOut:
    """Change name, description, retention rules, style of answers or personal data policy; what is left out stays.

    Retention rules count from the next round on; what of personal data is shown, from the next question.

    A key that is limited to some collections can't change the name: it would learn which names are taken.
    """
    permit = caller.permit([name])
    if body.name is not None:
        caller.require_whole_tenant()
    privacy = body.privacy.to_domain() if body.privacy is not None else None
    with naming(caller.services.rag.database, body.name or name) as session:
        row = collection.permitted(session, permit)[0]
        before = {name: getattr(row, name) for name in _SETTINGS}
        if body.name is not None:
            row.name = body.name
        if body.description is not None:
            row.description = body.description
        if body.retention is not None:
            row.retention = body.retention.to_domain().to_json() or None
        if body.answer_style is not None:
            row.answer_style = body.answer_style.to_domain().to_json() or None
        if privacy is not None:
            row.privacy = privacy.to_json() or None
        changed = [name for name, value in before.items() if getattr(row, name) != value]
    if privacy is not None and "privacy" in changed:
        caller.audit.also(AuditKind.PERSONAL_DATA_POLICY_CHANGED, policy=privacy.to_json())
    if others := [name for name in changed if name != "privacy"]:
        caller.audit.also(AuditKind.SETTING_CHANGED, settings=others)
    with caller.services.rag.database.read() as session:  # not while others wait to write
        counts = document.counts_by_collection(session, permit)
    return CollectionOut.of(row, counts.get(row.id, 0))


@router.get("/{name}/retention")
def preview_retention(
    name: str,
    caller: Annotated[Caller, Depends(guarded(Action.CHANGE_COLLECTION))],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> RetentionPreview:
    """What the retention rules would delete now. Nothing is changed."""
    permit = caller.permit([name])
    with caller.services.rag.database.read() as session:
        row = collection.permitted(session, permit)[0]
        rules = rules_from_json(row.retention)
        found = retention.due(session, row.id, rules, utc_now(), limit, permit)
        owners = {item.id: item for item in (*found.documents, *(owner for owner, _ in found.versions))}
        shown = names_masked(session, permit, [(row.id, item.source_key) for item in owners.values()])
    caller.audit.listed((row.id, item) for item in owners)
    names = dict(zip(owners, shown, strict=True))
    return RetentionPreview(
        documents=[DueDocument(id=item.id, source_key=names[item.id]) for item in found.documents],
        versions=[
            DueVersion(
                id=item.id,
                document_id=owner.id,
                source_key=names[owner.id],
                number=item.number,
                valid_to=item.valid_to,
            )
            for owner, item in found.versions
        ],
    )


@router.delete("/{name}", status_code=202)
def delete_collection(name: str, caller: Annotated[Caller, Depends(guarded(Action.DELETE_COLLECTION))]) -> ReceiptOut:
    """Delete a collection: gone for every reader at once and its name free; its documents are purged in the background."""
    return ReceiptOut.of(caller.services.ingest.intake.delete_collection(caller.permit([name])), caller.language)
