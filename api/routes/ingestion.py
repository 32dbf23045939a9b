"""Ingestion: how far it is, and the levers: retry, cancel, pause, resume."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Annotated
from uuid import UUID

import anyio
from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from api import errors, streaming
from api.deps import PROBLEMS, Caller, guarded
from api.document_view import one_document
from api.schemas.documents import DocumentOut
from api.schemas.ingestion import Affected, IngestionOut, RetryIn
from rag.access.policy import Action
from rag.domain.errors import SeogoError
from rag.domain.principal import Permit
from rag.store import queue
from rag.store.queue import Workload
from rag.store.version import VersionState

router = APIRouter(tags=["ingestion"], responses=PROBLEMS)

_LOOK_S = 0.5
_KEEP_ALIVE_S = 15.0
_LONGEST_S = 600.0
"""A stream ends then with the event `timeout`; a client that still waits opens another."""


@router.get("/ingestion")
def all_ingestion(caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]) -> IngestionOut:
    """What goes on in all collections that the key may see."""
    return IngestionOut.of(_workload(caller, caller.permit()))


@router.post("/ingestion/pause")
def pause_all(caller: Annotated[Caller, Depends(guarded(Action.CONTROL_ALL_INGESTION))]) -> IngestionOut:
    """Begin no new ingestion in any collection; uploads are taken and wait. What is in work is finished."""
    permit = _whole_tenant(caller)
    caller.services.ingest.intake.pause(permit, whole_tenant=True)
    return IngestionOut.of(_workload(caller, permit))


@router.post("/ingestion/resume")
def resume_all(caller: Annotated[Caller, Depends(guarded(Action.CONTROL_ALL_INGESTION))]) -> IngestionOut:
    """End the pause of all; a collection that was paused by itself stays paused."""
    permit = _whole_tenant(caller)
    caller.services.ingest.intake.resume(permit, whole_tenant=True)
    return IngestionOut.of(_workload(caller, permit))


@router.get("/collections/{name}/ingestion")
def collection_ingestion(name: str, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]) -> IngestionOut:
    """What goes on in a collection: counts by state and stage, pace, time left."""
    return IngestionOut.of(_workload(caller, caller.permit([name])))


@router.get(
    "/collections/{name}/ingestion/events",
    response_class=StreamingResponse,
    responses=streaming.DOCUMENTED,
)
def collection_events(
    name: str, caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]
) -> StreamingResponse:
    """Server-sent events: `progress` at every change, `done` when nothing is left to do, `timeout` after ten minutes."""
    caller.permit([name])
    return streaming.EventStream(_events(caller, name))


async def _events(caller: Caller, name: str) -> AsyncGenerator[str, None]:
    ends_at, alive_at = time.monotonic() + _LONGEST_S, time.monotonic() + _KEEP_ALIVE_S
    shown: IngestionOut | None = None
    try:
        while True:
            # The permit is asked for again each time: who loses the right to look sees no more.
            found = await anyio.to_thread.run_sync(lambda: _workload(caller, caller.permit([name])))
            current = IngestionOut.of(found)
            if shown is None or _changed(shown, current):
                shown = current
                alive_at = time.monotonic() + _KEEP_ALIVE_S
                yield streaming.event(current.model_dump(), "progress")
            if found.idle:
                yield streaming.event(current.model_dump(), "done")
                return
            if time.monotonic() > ends_at:
                yield streaming.event(current.model_dump(), "timeout")
                return
            if time.monotonic() > alive_at:
                alive_at = time.monotonic() + _KEEP_ALIVE_S
                yield ": keep-alive\n\n"
            await anyio.sleep(_LOOK_S)
    except SeogoError as error:
        yield streaming.event(errors.problem(error, caller.language), "error")


def _changed(before: IngestionOut, now: IngestionOut) -> bool:
    """The time left alone changes at every look; that is no news."""
    quiet = {"eta_s": None, "per_minute": 0.0}
    return before.model_copy(update=quiet) != now.model_copy(update=quiet)


@router.post("/collections/{name}/ingestion/pause")
def pause_collection(name: str, caller: Annotated[Caller, Depends(guarded(Action.CONTROL_INGESTION))]) -> IngestionOut:
    """Begin no new ingestion in a collection; uploads are taken and wait. What is in work is finished."""
    permit = caller.permit([name])
    caller.services.ingest.intake.pause(permit)
    return IngestionOut.of(_workload(caller, permit))


@router.post("/collections/{name}/ingestion/resume")
def resume_collection(name: str, caller: Annotated[Caller, Depends(guarded(Action.CONTROL_INGESTION))]) -> IngestionOut:
    """End the pause of a collection."""
    permit = caller.permit([name])
    caller.services.ingest.intake.resume(permit)
    return IngestionOut.of(_workload(caller, permit))


@router.post("/collections/{name}/ingestion/retry", status_code=202)
def retry_collection(
    name: str, body: RetryIn, caller: Annotated[Caller, Depends(guarded(Action.CONTROL_INGESTION))]
) -> Affected:
    """Try everything again that ended in one of these states."""
    states = [VersionState(state) for state in body.states if state != "in_part"]
    in_part = "in_part" in body.states
    retried = caller.services.ingest.intake.retry_all(caller.permit([name]), states, in_part=in_part)
    return Affected(documents=retried)


@router.post("/collections/{name}/ingestion/cancel", status_code=202)
def cancel_collection(name: str, caller: Annotated[Caller, Depends(guarded(Action.CONTROL_INGESTION))]) -> Affected:
    """Cancel everything that waits and was not begun."""
    return Affected(documents=caller.services.ingest.intake.cancel_waiting(caller.permit([name])))


@router.post("/documents/{document_id}/retry", status_code=202)
def retry_document(
    document_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.CONTROL_INGESTION))]
) -> DocumentOut:
    """Try the newest version again, which failed, was set aside or was cancelled; or read a searchable one anew, as another
    version, of which pages were left out for want of time or of Tesseract."""
    permit = caller.permit()
    caller.services.ingest.intake.retry(permit, document_id)
    with caller.services.rag.database.read() as session:
        return one_document(session, permit, document_id, caller.language)


@router.post("/documents/{document_id}/cancel", status_code=202)
def cancel_document(
    document_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.CONTROL_INGESTION))]
) -> DocumentOut:
    """Stop the ingestion of the newest version: at once where it waits, after its present step where it is in work."""
    permit = caller.permit()
    caller.services.ingest.intake.cancel(permit, document_id)
    with caller.services.rag.database.read() as session:
        return one_document(session, permit, document_id, caller.language)


def _whole_tenant(caller: Caller) -> Permit:
    """The permit of a key that is not limited to some collections: those of others are not its to stop.

    Raises:
        NotPermitted: it is.
    """
    caller.require_whole_tenant()
    return caller.permit()


def _workload(caller: Caller, permit: Permit) -> Workload:
    with caller.services.rag.database.read() as session:
        return queue.workload(session, permit)
