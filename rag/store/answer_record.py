"""Answers as they were given, with their trace, and what people say of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, String, Text, and_, delete, exists, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.principal import Permit, Principal, PrincipalKind
from rag.store.base import Base, in_groups, utc_now
from rag.store.collection import Collection
from rag.store.document import Document, covered
from rag.store.version import DocumentVersion, VersionState

SAID_BY_NOTES = frozenset({"step", "section", "section_truncated", "source"})
"""Kinds of notes that hold words of questions, headings or titles: content as much as the answer itself."""


class Rating(StrEnum):
    """Whether an answer helped."""

    UP = "up"
    DOWN = "down"


class FeedbackReason(StrEnum):
    """Why."""

    HELPFUL = "helpful"
    WRONG = "wrong"
    INCOMPLETE = "incomplete"
    OUTDATED = "outdated"
    BAD_CITATION = "bad_citation"
    NOT_ANSWERED = "not_answered"
    UNCLEAR = "unclear"
    OTHER = "other"


class AnswerRecord(Base):
    """One answer.

    Attributes:
        principal_id: the key that asked; its name and kind are those of then.
        surface: by which door: `native`, `chat` or `responses`.
        collections: ids of those that were searched.
        question, text: as they were put and shown; empty where content is not kept, or was removed since.
        citations: per citation `number`, `document_id`, `version_id`, `version`, `chunk_id`, `start`, `end` (characters of the
            passage) and `quote`; empty like `text`.
        abstained: the reason of a refusal; empty for an answer.
        notes: per note `kind` and `detail`.
        timings_ms: of the search's stages, and `total` to the last sentence.
        permit, asked, stood_on, candidates: what a replay needs, see `rag.answering.replay`; None of answers from before.
        prompt_hash: SHA-256 of the messages that the model was sent for the answer, or the first part of it, in hex: rules,
            canary and all, as JSON (`rag.generation.engine.digest_of`); empty where none was asked.
        asked_at: when the question came, before the search.
        content_removed_at: when what it quotes was deleted, and the quotes with it.
    """

    __tablename__ = "answer"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    principal_id: Mapped[UUID]
    principal_name: Mapped[str] = mapped_column(String(200), default="")
    principal_kind: Mapped[str] = mapped_column(String(20), default="")
    surface: Mapped[str] = mapped_column(String(20))
    collections: Mapped[list[Any]]
    language: Mapped[str] = mapped_column(String(10))
    question: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    citations: Mapped[list[Any]]
    abstained: Mapped[str] = mapped_column(String(40), default="")
    notes: Mapped[list[Any]]
    generator: Mapped[str] = mapped_column(String(200))
    prompt_version: Mapped[str] = mapped_column(String(100), default="")
    timings_ms: Mapped[dict[str, Any]]
    permit: Mapped[dict[str, Any] | None]
    asked: Mapped[dict[str, Any] | None]
    stood_on: Mapped[dict[str, Any] | None]
    candidates: Mapped[list[Any] | None]
    prompt_hash: Mapped[str] = mapped_column(String(64), default="")
    asked_at: Mapped[datetime | None]
    content_removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)


class AnswerSource(Base):
    """That an answer quotes a version of a document, or was written with it at hand: by it a deletion finds the words."""

    __tablename__ = "answer_source"

    answer_id: Mapped[UUID] = mapped_column(ForeignKey("answer.id", ondelete="CASCADE"), primary_key=True)
    version_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    document_id: Mapped[UUID] = mapped_column(index=True)
    collection_id: Mapped[UUID] = mapped_column(index=True)


class Feedback(Base):
    """What one caller says of an answer."""

    __tablename__ = "feedback"
    __table_args__ = (
        Index("ix_feedback_answer_id_principal_id", "answer_id", "principal_id", unique=True),
        Index("ix_feedback_tenant_id_created_at", "tenant_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    answer_id: Mapped[UUID] = mapped_column(ForeignKey("answer.id", ondelete="CASCADE"))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    principal_id: Mapped[UUID]
    principal_name: Mapped[str] = mapped_column(String(200))
    rating: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(20), default="")
    comment: Mapped[str] = mapped_column(Text, default="")
    corrected_answer: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)


def of_caller(session: Session, permit: Permit, answer_id: UUID, since: datetime | None) -> AnswerRecord | None:
    """The answer, if the permit's principal asked for it, or may see all of its tenant; None for any other.

    A principal has credentials narrower than itself: for one of some collections there are only answers from these, and
    for a page in a browser only what such pages asked, not what the maker of its token did.
    """
    principal = permit.principal
    query = select(AnswerRecord).where(AnswerRecord.id == answer_id, *_kept(permit.tenant_id, since))
    if not principal.whole_tenant:
        query = query.where(AnswerRecord.principal_id == principal.id)
    if principal.kind is PrincipalKind.WIDGET:
        query = query.where(AnswerRecord.principal_kind == PrincipalKind.WIDGET.value)
    found = session.scalar(query)
    limits = principal.collections
    if found is not None and limits is not None and not {UUID(item) for item in found.collections} <= limits:
        return None
    return found


def withheld(session: Session, permit: Permit, answer_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those of these answers whose sources the permit does not all cover now: their words are not for its principal."""
    found: set[UUID] = set()
    # Of a deleted collection no permit speaks any more: what had no rule is open, what had one stays closed.
    gone = and_(Collection.deleted_at.is_not(None), Collection.access.is_(None), Document.access_rule_id.is_(None))
    open_ones = exists().where(
        Document.id == AnswerSource.document_id,
        Document.tenant_id == permit.tenant_id,
        Collection.id == Document.collection_id,
        or_(and_(*covered(permit)), gone),
    )
    outside = ~open_ones.correlate(AnswerSource)
    for group in in_groups(answer_ids):
        found.update(session.scalars(select(AnswerSource.answer_id).where(AnswerSource.answer_id.in_(group), outside)))
    return frozenset(found)


def _kept(tenant_id: UUID, since: datetime | None) -> list[ColumnElement[bool]]:
    """Answers of a tenant that are not due for removal, though the round that removes them may not have come yet."""
    return [AnswerRecord.tenant_id == tenant_id, *([AnswerRecord.created_at >= since] if since is not None else [])]


def give(
    session: Session,
    principal: Principal,
    answer: AnswerRecord,
    *,
    rating: Rating,
    reason: FeedbackReason | None,
    comment: str,
    corrected_answer: str,
) -> Feedback:
    """Note what the principal says of an answer, in place of what it said before."""
    query = select(Feedback).where(Feedback.answer_id == answer.id, Feedback.principal_id == principal.id)
    row = session.scalar(query.with_for_update())
    now = utc_now()
    if row is None:
        row = Feedback(
            id=uuid4(),
            answer_id=answer.id,
            tenant_id=answer.tenant_id,
            principal_id=principal.id,
            principal_name=principal.name,
            created_at=now,
        )
        session.add(row)
    row.rating, row.reason, row.comment = rating, reason or "", comment
    row.corrected_answer, row.changed_at = corrected_answer, now
    session.flush()
    return row


def feedback_page(
    session: Session,
    permit: Permit,
    *,
    rating: Rating | None,
    reason: FeedbackReason | None,
    since: datetime | None,
    kept_since: datetime | None,
    after: UUID | None,
    limit: int,
) -> Sequence[tuple[Feedback, AnswerRecord]]:
    """Feedback of the permit's tenant with the answers, the newest first, after the one with the id `after`."""
    query: Select[Feedback, AnswerRecord] = (
        select(Feedback, AnswerRecord)
        .join(AnswerRecord, AnswerRecord.id == Feedback.answer_id)
        .where(Feedback.tenant_id == permit.tenant_id, *_kept(permit.tenant_id, kept_since))
    )
    if rating is not None:
        query = query.where(Feedback.rating == rating)
    if reason is not None:
        query = query.where(Feedback.reason == reason)
    if since is not None:
        query = query.where(Feedback.changed_at >= since)
    if after is not None:
        last = session.scalar(select(Feedback).where(Feedback.id == after, Feedback.tenant_id == permit.tenant_id))
        if last is None:
            return []
        older = Feedback.created_at < last.created_at
        query = query.where(or_(older, and_(Feedback.created_at == last.created_at, Feedback.id < last.id)))
    rows = session.execute(query.order_by(Feedback.created_at.desc(), Feedback.id.desc()).limit(limit))
    return [(row[0], row[1]) for row in rows]


def expire(session: Session, before: datetime, limit: int) -> int:
    """Remove answers given before that moment, with what was said of them, at most `limit`; returns how many."""
    due = session.scalars(select(AnswerRecord.id).where(AnswerRecord.created_at < before).limit(limit)).all()
    if due:
        session.execute(delete(AnswerRecord).where(AnswerRecord.id.in_(due)))
    return len(due)


def remove_quotes_of_documents(session: Session, document_ids: Iterable[UUID]) -> None:
    """Remove the words of every answer that one of these documents is a source of; questions and feedback stay."""
    for group in in_groups(document_ids):
        _remove_content(session, AnswerSource.document_id.in_(group))


def remove_quotes_of_versions(session: Session, version_ids: Iterable[UUID]) -> None:
    """The same for versions of documents that stay."""
    for group in in_groups(version_ids):
        _remove_content(session, AnswerSource.version_id.in_(group))


def remove_quotes_of_collection(session: Session, collection_id: UUID) -> None:
    """The same for all that lay in a collection."""
    _remove_content(session, AnswerSource.collection_id == collection_id)


def forget_deleted(session: Session, record: AnswerRecord, sources: Sequence[AnswerSource]) -> None:
    """Remove the words of an answer that has just been written, if something that it quotes was deleted meanwhile.

    What it quotes is locked until commit: a deletion that comes later waits, and then finds the answer.
    """
    collections = select(Collection).where(Collection.id.in_({item.collection_id for item in sources}))
    documents = select(Document).where(Document.id.in_({item.document_id for item in sources}))
    versions = select(DocumentVersion).where(DocumentVersion.id.in_({item.version_id for item in sources}))
    gone = [row.deleted_at is not None for row in session.scalars(collections.with_for_update(read=True))]
    gone += [row.deleted_at is not None for row in session.scalars(documents.with_for_update(read=True))]
    gone += [row.state == VersionState.DELETED for row in session.scalars(versions.with_for_update(read=True))]
    if any(gone):
        record.text, record.citations, record.notes, record.content_removed_at = "", [], [], utc_now()


def _remove_content(session: Session, quoting: ColumnElement[bool]) -> None:
    answers = select(AnswerSource.answer_id).where(quoting)
    session.execute(
        update(AnswerRecord)
        .where(AnswerRecord.id.in_(answers))
        .values(text="", citations=[], notes=[], content_removed_at=utc_now())
        .execution_options(synchronize_session=False)
    )
