"""The audit trail as rows: one chain per tenant, to which rows are only added. Triggers of the database refuse the rest.

Rows leave in one way: a cut, which is an entry of the chain itself and keeps the hash that the rest stands on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    String,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.access import id_of
from rag.domain.audit import AuditEvent, genesis, link
from rag.store.base import Base

_BATCH = 1000
"""Rows that a walk along a chain holds in memory."""
_CUT_EVERY = timedelta(days=1)
"""How much of a chain gathers behind its time before it is cut."""


class AuditRow(Base):
    """One entry.

    Attributes:
        tenant_id: whose chain; no foreign key, since a trail outlives what it is about.
        seq: place in the chain, from 1, without gaps.
        collections, documents, subjects: ids as texts, sorted.
        prev_hash, hash: SHA-256 in hex, see `rag.domain.audit.link`.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_tenant_id_at", "tenant_id", "at"),
        Index("ix_audit_event_tenant_id_principal_id_seq", "tenant_id", "principal_id", "seq"),
        Index("ix_audit_event_tenant_id_kind_seq", "tenant_id", "kind", "seq"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(60))
    outcome: Mapped[str] = mapped_column(String(20))
    principal_id: Mapped[UUID | None]
    principal_name: Mapped[str] = mapped_column(String(200))
    principal_kind: Mapped[str] = mapped_column(String(20))
    credential: Mapped[UUID | None]
    ip: Mapped[str] = mapped_column(String(45))
    surface: Mapped[str] = mapped_column(String(20))
    client: Mapped[str] = mapped_column(String(300))
    request_id: Mapped[str] = mapped_column(String(128))
    collections: Mapped[list[Any]]
    documents: Mapped[list[Any]]
    subjects: Mapped[list[Any]]
    what: Mapped[str] = mapped_column(String(500))
    detail: Mapped[dict[str, Any]]
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditedDocument(Base):
    """That an entry names a document: the way from a document to its readers. `verify` holds it against the entries."""

    __tablename__ = "audit_document"
    __table_args__ = (Index("ix_audit_document_tenant_id_seq", "tenant_id", "seq"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    document_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class AuditHead(Base):
    """The end of a tenant's chain; locked by whoever adds to it.

    Attributes:
        seal: HMAC of the end, by a key that is not in the database; empty without one.
        anchored_seq, anchored_at: the end that was last told to the outside.
    """

    __tablename__ = "audit_head"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
    seal: Mapped[str] = mapped_column(String(64))
    anchored_seq: Mapped[int] = mapped_column(BigInteger)
    anchored_at: Mapped[datetime | None]


class AuditCut(Base):
    """That entries up to `through_seq` left when their time had come.

    Attributes:
        hash: of the last one that left: what the first that stayed stands on.
        event_seq: the entry that says so.
    """

    __tablename__ = "audit_cut"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    through_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(64))
    event_seq: Mapped[int] = mapped_column(BigInteger)


HASHED = tuple(
    column.name for column in AuditRow.__table__.columns if column.name not in ("tenant_id", "seq", "prev_hash", "hash")
)
"""Columns that the hash is made of, beside tenant and place."""


def fields_of(row: AuditRow) -> dict[str, Any]:
    """What the hash of a row is made of."""
    return {name: getattr(row, name) for name in HASHED}


def locked_head(session: Session, tenant_id: UUID) -> AuditHead:
    """The end of a tenant's chain, nobody else's to move until commit; made with the first entry."""
    query = select(AuditHead).where(AuditHead.tenant_id == tenant_id).with_for_update()
    found = session.scalar(query)
    if found is not None:
        return found
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    values = {
        "tenant_id": tenant_id,
        "seq": 0,
        "hash": genesis(tenant_id),
        "seal": "",
        "anchored_seq": 0,
        "anchored_at": None,
    }
    session.execute(dialect.insert(AuditHead).values(values).on_conflict_do_nothing())
    return session.scalars(query).one()


def append(session: Session, head: AuditHead, events: Sequence[AuditEvent]) -> None:
    """Add entries behind the locked head, and move it; sealing it is for whoever has the key."""
    rows: list[dict[str, Any]] = []
    named: list[dict[str, Any]] = []
    for event in events:
        fields = event.fields()
        seq, previous = head.seq + 1, head.hash
        entry = {"tenant_id": head.tenant_id, "seq": seq, "prev_hash": previous}
        head.seq, head.hash = seq, link(head.tenant_id, seq, fields, previous)
        rows.append({**fields, **entry, "hash": head.hash})
        named += [{"tenant_id": head.tenant_id, "seq": seq, "document_id": UUID(item)} for item in fields["documents"]]
    session.execute(insert(AuditRow), rows)
    if named:
        session.execute(insert(AuditedDocument), named)


def chains(session: Session) -> Sequence[AuditHead]:
    """The ends of all chains."""
    return session.scalars(select(AuditHead).order_by(AuditHead.tenant_id)).all()


def head_of(session: Session, tenant_id: UUID) -> AuditHead | None:
    """The end of one chain, without a lock."""
    return session.get(AuditHead, tenant_id)


def tenants(session: Session) -> list[UUID]:
    """Whoever has an end, an entry or a cut: a missing end must not hide a chain."""
    found = {
        *session.scalars(select(AuditHead.tenant_id)),
        *session.scalars(select(AuditRow.tenant_id).distinct()),
        *session.scalars(select(AuditCut.tenant_id)),
    }
    return sorted(found)


class Unreadable(Exception):
    """An entry holds what this version never wrote, such as a date that is none."""

    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq


def walk(session: Session, tenant_id: UUID, behind: int | None = None) -> Iterator[tuple[AuditRow, frozenset[UUID]]]:
    """The entries of a chain in their order, each with the documents that it can be found by, a batch in memory.

    Args:
        behind: the number of an entry that is known; only those after it come. None: all.

    Raises:
        Unreadable: an entry can't be read; those before it were given.
    """
    last = behind
    while rows := _after(session, tenant_id, last):
        named = _named(session, tenant_id, rows[0].seq, rows[-1].seq)
        for row in rows:
            yield row, frozenset(named.get(row.seq, ()))
        last = rows[-1].seq
        session.expunge_all()


def _after(session: Session, tenant_id: UUID, last: int | None) -> Sequence[AuditRow]:
    """The next entries; where one of them can't be read, those before it."""
    of_tenant = [AuditRow.tenant_id == tenant_id, *([AuditRow.seq > last] if last is not None else [])]
    query = select(AuditRow).where(*of_tenant).order_by(AuditRow.seq)
    try:
        return session.scalars(query.limit(_BATCH)).all()
    except (ValueError, TypeError):
        good: list[AuditRow] = []
        numbers = iter(session.scalars(select(AuditRow.seq).where(*of_tenant).order_by(AuditRow.seq)).all())
        while True:  # it is among them
            seq = next(numbers)
            try:
                good += session.scalars(query.where(AuditRow.seq == seq)).all()
            except (ValueError, TypeError):
                if good:
                    return good
                raise Unreadable(seq) from None


def _named(session: Session, tenant_id: UUID, first: int, last: int) -> Mapping[int, list[UUID]]:
    query = select(AuditedDocument.seq, AuditedDocument.document_id).where(
        AuditedDocument.tenant_id == tenant_id, AuditedDocument.seq.between(first, last)
    )
    found: dict[int, list[UUID]] = {}
    for seq, document_id in session.execute(query):
        found.setdefault(seq, []).append(document_id)
    return found


def named_beside(session: Session, tenant_id: UUID, behind: int | None = None) -> int:
    """How many documents are said to be named by entries that are not there; of those after `behind` alone where it is given."""
    there = exists().where(AuditRow.tenant_id == AuditedDocument.tenant_id, AuditRow.seq == AuditedDocument.seq)
    query = select(func.count()).select_from(AuditedDocument).where(AuditedDocument.tenant_id == tenant_id, ~there)
    if behind is not None:
        query = query.where(AuditedDocument.seq > behind)
    return session.scalar(query) or 0


def last_cut(session: Session, tenant_id: UUID) -> AuditCut | None:
    """The cut that the chain begins with now."""
    query = select(AuditCut).where(AuditCut.tenant_id == tenant_id).order_by(AuditCut.through_seq.desc())
    return session.scalar(query.limit(1))


def due_for_cut(session: Session, tenant_id: UUID, before: datetime) -> AuditRow | None:
    """The last entry of those from the beginning that are all older than `before`, once the first is so by a day.

    Each cut leaves an entry and a row behind that stay, so that there must not be one for every minute of a busy past. Usually
    only the first entry is looked at.
    """
    of_tenant = AuditRow.tenant_id == tenant_id
    first = session.scalar(select(AuditRow.at).where(of_tenant).order_by(AuditRow.seq).limit(1))
    if first is None or first >= before - _CUT_EVERY:
        return None
    kept = session.scalar(select(AuditRow.seq).where(of_tenant, AuditRow.at >= before).order_by(AuditRow.seq).limit(1))
    query = select(AuditRow).where(of_tenant)
    if kept is not None:
        query = query.where(AuditRow.seq < kept)
    return session.scalar(query.order_by(AuditRow.seq.desc()).limit(1))


def cut(session: Session, through: AuditRow, event_seq: int) -> int:
    """Remove entries up to `through`, which the entry `event_seq` tells of; returns how many."""
    tenant_id, seq = through.tenant_id, through.seq
    session.add(AuditCut(tenant_id=tenant_id, through_seq=seq, hash=through.hash, event_seq=event_seq))
    session.flush()
    old = AuditedDocument.tenant_id == tenant_id, AuditedDocument.seq <= seq
    session.execute(delete(AuditedDocument).where(*old).execution_options(synchronize_session=False))
    gone = delete(AuditRow).where(AuditRow.tenant_id == tenant_id, AuditRow.seq <= seq).returning(AuditRow.seq)
    return len(session.scalars(gone.execution_options(synchronize_session=False)).all())


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; None and empty put no condition.

    Attributes:
        who: the id of a principal or credential, or a part of a name.
        kinds: kinds, or groups of kinds.
        since, until: `until` itself is not in it.
    """

    who: str = ""
    kinds: tuple[str, ...] = ()
    document_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def newest(session: Session, tenant_id: UUID, wanted: Wanted, *, before: int | None, limit: int) -> Sequence[AuditRow]:
    """Entries of a tenant, the newest first, those older than the one with the number `before`."""
    query = select(AuditRow).where(*_conditions(tenant_id, wanted))
    if before is not None:
        query = query.where(AuditRow.seq < before)
    return session.scalars(query.order_by(AuditRow.seq.desc()).limit(limit)).all()


def oldest(session: Session, tenant_id: UUID, wanted: Wanted) -> Iterator[AuditRow]:
    """Entries of a tenant in their order, a batch in memory."""
    last = 0
    while True:
        query = select(AuditRow).where(*_conditions(tenant_id, wanted), AuditRow.seq > last)
        rows = session.scalars(query.order_by(AuditRow.seq).limit(_BATCH)).all()
        yield from rows
        if len(rows) < _BATCH:
            return
        last = rows[-1].seq
        session.expunge_all()


def _conditions(tenant_id: UUID, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [AuditRow.tenant_id == tenant_id]
    if wanted.who:
        found.append(_is_who(wanted.who))
    if wanted.kinds:
        groups = (AuditRow.kind.startswith(f"{group}.", autoescape=True) for group in wanted.kinds)
        found.append(or_(AuditRow.kind.in_(wanted.kinds), *groups))
    if wanted.document_id is not None:
        named = and_(
            AuditedDocument.tenant_id == AuditRow.tenant_id,
            AuditedDocument.seq == AuditRow.seq,
            AuditedDocument.document_id == wanted.document_id,
        )
        found.append(exists().where(named))
    if wanted.since is not None:
        found.append(AuditRow.at >= wanted.since)
    if wanted.until is not None:
        found.append(AuditRow.at < wanted.until)
    return found


def _is_who(who: str) -> ColumnElement[bool]:
    if (identity := id_of(who)) is None:
        return AuditRow.principal_name.icontains(who, autoescape=True)
    return (AuditRow.principal_id == identity) | (AuditRow.credential == identity)
