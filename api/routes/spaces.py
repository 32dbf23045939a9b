"""Embedding spaces: building one beside the one that answers, comparing, switching, going back. For the operator alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.spaces import ComparisonIn, SpaceIn, SpaceList, SpaceOut, SwitchIn
from ingest.pipeline import migration
from rag.access.policy import Action
from rag.domain.errors import SpaceNotFound
from rag.evaluation.judging import Judge
from rag.evaluation.space_comparison import compare
from rag.retrieval import space_changes, space_conflicts
from rag.retrieval.spaces import LiveSpace
from rag.store import embedding_space
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState

router = APIRouter(prefix="/admin/spaces", tags=["spaces"], responses=PROBLEMS)

_Operator = Annotated[Caller, Depends(guarded(Action.MANAGE_SPACES))]


@router.get("")
def list_spaces(caller: _Operator) -> SpaceList:
    """Every embedding space that there is or was, oldest first."""
    caller.require_whole_tenant()
    with caller.services.rag.database.read() as session:
        return SpaceList(spaces=[SpaceOut.of(row, caller.language) for row in embedding_space.all_spaces(session)])


@router.post("", status_code=202)
def begin_space(body: SpaceIn, caller: _Operator) -> SpaceOut:
    """Build a space beside the one that answers, in the background; one that is built or in work goes on."""
    caller.require_whole_tenant()
    row = space_changes.begin(caller.services.rag.spaces, body.embedding)
    if row.state == SpaceState.BUILDING:
        caller.services.ingest.jobs.upkeep.build_space(row.id)
    return SpaceOut.of(row, caller.language)


@router.post("/rollback")
def roll_back(caller: _Operator) -> SpaceOut:
    """Let the space that was current before answer again, from the next search on."""
    caller.require_whole_tenant()
    return SpaceOut.of(space_changes.roll_back(caller.services.rag.spaces), caller.language)


@router.get("/{space_id}")
def get_space(space_id: str, caller: _Operator) -> SpaceOut:
    """One space, with how far it is built."""
    caller.require_whole_tenant()
    with caller.services.rag.database.read() as session:
        return SpaceOut.of(_found(session, space_id), caller.language)


@router.post("/{space_id}/comparison")
def compare_space(space_id: str, body: ComparisonIn, caller: _Operator) -> SpaceOut:
    """Ask the questions in this space and in the one that answers, in the collections of the caller's tenant."""
    caller.require_whole_tenant()
    rag = caller.services.rag
    permit = caller.permit(body.collections)
    questions = [item.labelled() for item in body.questions]
    judge = Judge(rag.database, rag.policy, permit)
    found = compare(rag.retriever, judge, permit, rag.spaces.current, _built(caller, space_id), questions)
    with rag.database.write() as session:
        row = _found(session, space_id)
        row.comparison = found.record()
        return SpaceOut.of(row, caller.language)


@router.post("/{space_id}/switch")
def switch_space(space_id: str, body: SwitchIn, caller: _Operator) -> SpaceOut:
    """Let this space answer from the next search on; the one before it is kept in step, for a rollback."""
    caller.require_whole_tenant()
    _built(caller, space_id)
    migration.require_complete(caller.services.ingest.pipeline, space_id)
    row = space_changes.switch(caller.services.rag.spaces, space_id, max_drop=body.max_drop, force=body.force)
    return SpaceOut.of(row, caller.language)


@router.delete("/{space_id}")
def drop_space(space_id: str, caller: _Operator) -> SpaceOut:
    """Give up a space that does not answer: end its build, write to it no longer, remove its index and vectors."""
    caller.require_whole_tenant()
    services = caller.services
    row = migration.drop_space(services.ingest.pipeline, services.rag.spaces, space_id)
    return SpaceOut.of(row, caller.language)


def _found(session: Session, space_id: str) -> EmbeddingSpaceRow:
    row = session.get(EmbeddingSpaceRow, space_id)
    if row is None:
        raise SpaceNotFound(name=space_id)
    return row


def _built(caller: Caller, space_id: str) -> LiveSpace:
    rag = caller.services.rag
    with rag.database.read() as session:
        row = _found(session, space_id)
    if row.state not in (SpaceState.READY, SpaceState.RETIRED):
        raise space_conflicts.of_state(row)
    found = next((live for live in rag.spaces.in_step() if live.id == space_id), None)
    if found is None:  # its model was changed: the look at it made it fail
        with rag.database.read() as session:
            raise space_conflicts.of_state(_found(session, space_id))
    return found
