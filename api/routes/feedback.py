"""What people say of answers: given by whoever asked, read by the admin of the tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.orm import Session

from api.answer_log import answer_id, answer_log
from api.deps import PROBLEMS, Caller, guarded
from api.schemas.common import Instant
from api.schemas.feedback import (
    FeedbackIn,
    FeedbackOut,
    FeedbackPage,
    FeedbackWithAnswer,
    KeptAnswer,
    KeptCitation,
    KeptNote,
)
from rag.access.policy import Action
from rag.domain.audit import AuditKind
from rag.domain.errors import InvalidRequest, NotFound
from rag.domain.principal import Permit
from rag.store import answer_record, collection, document
from rag.store.answer_record import SAID_BY_NOTES, AnswerRecord, Feedback, FeedbackReason, Rating
from rag.store.document import Document

router = APIRouter(tags=["feedback"], responses=PROBLEMS)


@router.post("/answers/{answer}/feedback")
def give_feedback(
    answer: Annotated[
        str, Path(max_length=100, description="its id: `answer_id`, or that of a completion or response")
    ],
    body: FeedbackIn,
    caller: Annotated[Caller, Depends(guarded(Action.GIVE_FEEDBACK))],
) -> FeedbackOut:
    """Say of an answer whether it helped; again, the new word replaces the old one. For the key that asked, or one that may
    see the whole tenant."""
    permit, identity = caller.permit(), answer_id(answer)
    if identity is None:
        raise NotFound
    with caller.services.rag.database.write() as session:
        found = answer_record.of_caller(session, permit, identity, answer_log(caller).kept_since)
        if found is None or _hidden(session, permit, found):
            raise NotFound
        row = answer_record.give(
            session,
            caller.principal,
            found,
            rating=body.rating,
            reason=body.reason,
            comment=body.comment,
            corrected_answer=body.corrected_answer,
        )
        return FeedbackOut.of(row)


def _hidden(session: Session, permit: Permit, answer: AnswerRecord) -> bool:
    """Whether it is somebody else's answer, and quotes what the caller may not read: then it is not there for it."""
    asked_it = answer.principal_id == permit.principal.id
    return not asked_it and answer.id in answer_record.withheld(session, permit, [answer.id])


@router.get("/feedback")
def list_feedback(
    caller: Annotated[Caller, Depends(guarded(Action.READ_FEEDBACK))],
    purpose: Annotated[
        str,
        Query(min_length=2, max_length=1000, description="why it is read; it is put on the trail with what is shown"),
    ],
    rating: Annotated[Rating | None, Query()] = None,
    reason: Annotated[FeedbackReason | None, Query()] = None,
    since: Annotated[Instant | None, Query(description="given or changed at this instant or later")] = None,
    cursor: Annotated[UUID | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> FeedbackPage:
    """What was said of answers in the tenant, with the answers. Not for a key that is limited to some collections."""
    caller.require_whole_tenant()
    if not purpose.strip():
        raise InvalidRequest(detail="purpose", detail_ko="purpose: 쓸 수 없는 값입니다")
    caller.audit.did(AuditKind.FEEDBACK_EXPORTED, purpose=purpose.strip())
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        rows = answer_record.feedback_page(
            session,
            permit,
            rating=rating,
            reason=reason,
            since=since,
            kept_since=answer_log(caller).kept_since,
            after=cursor,
            limit=limit + 1,
        )
        shown = _with_answers(session, permit, rows[:limit])
    caller.audit.saw(item.document_id for one in shown for item in one.answer.citations)
    caller.audit.did(AuditKind.FEEDBACK_EXPORTED, answers=len(shown))
    return FeedbackPage(feedback=shown, next_cursor=shown[-1].feedback.id if len(rows) > limit else None)


def _with_answers(
    session: Session, permit: Permit, rows: Sequence[tuple[Feedback, AnswerRecord]]
) -> list[FeedbackWithAnswer]:
    quoted = {UUID(item["document_id"]) for _, answer in rows for item in answer.citations}
    documents = {row.id: row for row, _ in document.with_versions(session, permit, list(quoted))}
    names = {row.id: row.name for row in collection.permitted(session, permit)}
    hidden = answer_record.withheld(session, permit, {answer.id for _, answer in rows})
    return [
        FeedbackWithAnswer(
            feedback=FeedbackOut.of(given, withheld=answer.id in hidden),
            answer=_kept(answer, documents, names, withheld=answer.id in hidden),
        )
        for given, answer in rows
    ]


def _kept(
    row: AnswerRecord, documents: Mapping[UUID, Document], names: Mapping[UUID, str], *, withheld: bool
) -> KeptAnswer:
    """The answer as it is shown; `withheld`: without the words that it took from what the caller may not read."""
    cited = [(item, documents.get(UUID(item["document_id"]))) for item in row.citations]
    notes = [item for item in row.notes if not (withheld and item["kind"] in SAID_BY_NOTES)]
    return KeptAnswer(
        id=row.id,
        surface=row.surface,
        asked_by=row.principal_id,
        question=row.question,
        text="" if withheld else row.text,
        language=row.language,
        status="abstained" if row.abstained else "answered",
        citations=[_citation(item, found, names) for item, found in cited if found is not None],
        notes=[KeptNote(**item) for item in notes],
        generator=row.generator,
        prompt_version=row.prompt_version,
        timings_ms=row.timings_ms,
        content_withheld=withheld,
        content_removed_at=row.content_removed_at,
        created_at=row.created_at,
    )


def _citation(item: Mapping[str, Any], found: Document, names: Mapping[UUID, str]) -> KeptCitation:
    return KeptCitation(
        number=item["number"],
        document_id=found.id,
        collection=names[found.collection_id],
        source_key=found.source_key,
        title=found.title or found.source_key,
        version=item["version"],
        chunk_id=item["chunk_id"],
        start=item["start"],
        end=item["end"],
        quote=item["quote"],
    )
