"""`/v1/models`: what this key may ask. `rag/all` answers from everything, `rag/<collection>` from one collection."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.deps import Caller, guarded
from rag.access.policy import Action
from rag.domain.errors import CollectionNotFound, UnknownModel
from rag.domain.principal import Permit
from rag.store import collection
from rag.store.collection import Collection

router = APIRouter(tags=["openai"])

PREFIX = "rag/"
ALL = "rag/all"
_OWNER = "seogo"


@router.get("/models")
def list_models(caller: Annotated[Caller, Depends(guarded(Action.LIST_MODELS))]) -> dict[str, Any]:
    """The models of this key."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        rows = collection.permitted(session, permit)
    return {"object": "list", "data": [_model(ALL, 0), *(_of_collection(row) for row in rows)]}


@router.get("/models/{model:path}")
def get_model(model: str, caller: Annotated[Caller, Depends(guarded(Action.LIST_MODELS))]) -> dict[str, Any]:
    """One model."""
    if model == ALL:
        return _model(ALL, 0)
    permit = permit_for_model(caller, model)
    with caller.services.rag.database.read() as session:
        return _of_collection(collection.permitted(session, permit)[0])


def permit_for_model(caller: Caller, model: str) -> Permit:
    """What the model may read for this caller.

    Raises:
        UnknownModel: it does not exist, or is not the caller's.
    """
    if model == ALL:
        return caller.permit()
    try:
        if model.startswith(PREFIX):
            return caller.permit([model.removeprefix(PREFIX)])
    except CollectionNotFound:
        pass
    raise UnknownModel(name=model)


def _of_collection(row: Collection) -> dict[str, Any]:
    return _model(f"{PREFIX}{row.name}", int(row.created_at.timestamp()))


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": _OWNER}
