"""An answer on record, and its search asked again. For administrators of the whole tenant, under their own permit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.orm import Session

from api.answer_log import answer_id, answer_log
from api.deps import PROBLEMS, Caller, base_url, guarded
from api.schemas.replay import DifferenceOut, ReplayedAnswer, ReplayedCitation, ReplayOut
from api.schemas.search import PassageOut
from rag.access.policy import Action
from rag.answering.replay import Replayer
from rag.domain.audit import AuditKind
from rag.domain.errors import NotFound
from rag.domain.passage import documents_of
from rag.domain.principal import Permit
from rag.store import answer_record, document
from rag.store.answer_record import AnswerRecord

router = APIRouter(tags=["audit"], responses=PROBLEMS)


@router.get("/answers/{answer}/replay")
def replay_answer(
    answer: Annotated[
        str, Path(max_length=100, description="its id: `answer_id`, or that of a completion or response")
    ],
    request: Request,
    caller: Annotated[Caller, Depends(guarded(Action.READ_AUDIT))],
    as_of_then: Annotated[
        bool, Query(description="read the versions of the moment of the question, where it asked for the present")
    ] = False,
) -> ReplayOut:
    """Ask again what an answer was searched for, and say what differs. Not for a key that is limited to some collections."""
    caller.require_whole_tenant()
    identity, rag = answer_id(answer), caller.services.rag
    if identity is None:
        raise NotFound
    with rag.database.read() as session:
        record = answer_record.of_caller(session, caller.permit(), identity, answer_log(caller).kept_since)
    if record is None:
        raise NotFound
    replayer = Replayer(rag.database, rag.retriever, rag.answerer.code)
    permit = caller.permit(None, _moment(record, then=as_of_then), replayer.where_of(record))
    done = replayer.replay(record, permit, then=as_of_then)
    found = done.found.passages if done.found is not None else ()
    with rag.database.read() as session:
        shown = _answer(session, caller.permit(), record)
    caller.audit.did(AuditKind.ANSWER_REPLAYED, answer_id=str(record.id), identical=done.identical)
    caller.audit.saw([*documents_of(found), *(item.document_id for item in shown.citations)])
    return ReplayOut(
        answer=shown,
        identical=done.identical,
        differences=[DifferenceOut(cause=item.cause.value, detail=dict(item.detail)) for item in done.differences],
        then=[dict(item) for item in done.then],
        now=[dict(item) for item in done.now],
        passages=[PassageOut.of(item, caller.language, base_url(request)) for item in found],
    )


def _moment(record: AnswerRecord, *, then: bool) -> datetime | None:
    """The date that the replay is asked as of."""
    given = (record.permit or {}).get("as_of")
    if given is not None:
        return datetime.fromisoformat(given)
    return record.asked_at if then else None


def _answer(session: Session, permit: Permit, record: AnswerRecord) -> ReplayedAnswer:
    """The answer, its words only where all that it was written from may be read by whoever looks."""
    cited = {UUID(item["document_id"]) for item in record.citations}
    withheld = answer_record.withheld(session, permit, [record.id])
    visible = not withheld and cited <= _visible(session, permit, sorted(cited))
    return ReplayedAnswer(
        id=record.id,
        surface=record.surface,
        asked_by=record.principal_id,
        asked_by_name=record.principal_name,
        asked_by_kind=record.principal_kind,
        question=record.question,
        text=record.text if visible else "",
        withheld=not visible,
        citations=[
            ReplayedCitation(
                number=item["number"],
                document_id=item["document_id"],
                version=item["version"],
                chunk_id=item["chunk_id"],
                quote=item["quote"] if visible else "",
            )
            for item in record.citations
        ],
        abstained=record.abstained,
        permit=record.permit,
        asked=record.asked,
        stood_on=record.stood_on,
        prompt_version=record.prompt_version,
        prompt_sha256=record.prompt_hash,
        asked_at=record.asked_at,
        created_at=record.created_at,
    )


def _visible(session: Session, permit: Permit, ids: Sequence[UUID]) -> set[UUID]:
    return {row.id for row, _ in document.with_versions(session, permit, ids)}
