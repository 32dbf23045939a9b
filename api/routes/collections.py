"""Collections."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends
from sqlalchemy.exc import IntegrityError

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.collections import CollectionIn, CollectionList, CollectionOut
from rag.access.policy import Action
from rag.domain.errors import NameTaken
from rag.store import collection, document
from rag.store.collection import Collection

router = APIRouter(prefix="/collections", tags=["collections"], responses=PROBLEMS)


@router.post("", status_code=201)
def create_collection(
    body: CollectionIn, caller: Annotated[Caller, Depends(guarded(Action.CREATE_COLLECTION))]
) -> CollectionOut:
    """Make a collection."""
    row = Collection(
        id=uuid4(),
        tenant_id=caller.principal.tenant_id,
        name=body.name,
        kind=body.kind,
        description=body.description,
    )
    try:
        with caller.services.rag.database.write() as session:
            session.add(row)
    except IntegrityError as error:
        raise NameTaken(name=body.name) from error
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
