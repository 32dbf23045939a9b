"""Collections: named sets of documents; roles are granted on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint, Update, bindparam, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.access import AccessRule, Label
from rag.domain.language import CollectionKind
from rag.domain.personal_data import PrivacyPolicy, policy_from_json
from rag.domain.principal import Permit
from rag.domain.style import AnswerStyle, common_style, style_from_json
from rag.store.base import Base, utc_now
from rag.store.tenant import Tenant


class Collection(Base):
    """A named set of documents of one tenant. `kind` is a `CollectionKind`.

    Attributes:
        retention: `RetentionRules` as JSON; None when there is no rule.
        client_metadata: what a client of the OpenAI surface notes about it, as given; nothing here reads it.
        answer_style: `AnswerStyle` as JSON; None for the default.
        privacy: `PrivacyPolicy` as JSON; None for the default.
        privacy_settled: for which policy and detector all its versions were looked through; None while for none.
        access: `AccessRule` as JSON; None when only roles decide.
        deleted_at: set at once when the collection is deleted; its name is free from then on.
        purged_at: set when its documents are gone from index, chunks and blobs too.
        paused_at: since when no new ingestion begins in it; None when it is not paused.
    """

    __tablename__ = "collection"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(Text, default="")
    retention: Mapped[dict[str, Any] | None]
    client_metadata: Mapped[dict[str, Any] | None]
    answer_style: Mapped[dict[str, Any] | None]
    access: Mapped[dict[str, Any] | None]
    privacy: Mapped[dict[str, Any] | None]
    privacy_settled: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    deleted_at: Mapped[datetime | None]
    purged_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]


def label_of(row: Collection) -> Label:
    """The label of a collection."""
    return AccessRule.from_json(row.access).label


def of_tenant(session: Session, tenant_id: UUID) -> Sequence[Collection]:
    """All collections of a tenant, by name. Only the policy calls this; everything else has a Permit."""
    query = select(Collection).where(Collection.tenant_id == tenant_id, Collection.deleted_at.is_(None))
    return session.scalars(query.order_by(Collection.name)).all()


def deleted_of_tenant(session: Session, tenant_id: UUID) -> Sequence[Collection]:
    """The deleted collections of a tenant. For the policy: their receipts can still be read."""
    query = select(Collection).where(Collection.tenant_id == tenant_id, Collection.deleted_at.is_not(None))
    return session.scalars(query).all()


def permitted(session: Session, permit: Permit) -> Sequence[Collection]:
    """The collections of the permit, by name."""
    query = select(Collection).where(
        Collection.tenant_id == permit.tenant_id,
        Collection.id.in_(permit.collections),
        Collection.deleted_at.is_(None),
    )
    return session.scalars(query.order_by(Collection.name)).all()


_KINDS = select(Collection.id, Collection.kind).where(
    Collection.tenant_id == bindparam("tenant"),
    Collection.id.in_(bindparam("collections", expanding=True)),
    Collection.deleted_at.is_(None),
)


def kinds(session: Session, permit: Permit) -> Sequence[tuple[UUID, CollectionKind]]:
    """Id and kind of the collections of the permit: what a search has to know of them."""
    named = {"tenant": permit.tenant_id, "collections": list(permit.collections)}
    return [(row[0], CollectionKind(row[1])) for row in session.execute(_KINDS, named)]


_STYLES = select(Collection.answer_style).where(
    Collection.tenant_id == bindparam("tenant"),
    Collection.id.in_(bindparam("collections", expanding=True)),
    Collection.deleted_at.is_(None),
)


def answer_style(session: Session, permit: Permit) -> AnswerStyle:
    """The style that all collections of the permit agree on; the default where they do not."""
    named = {"tenant": permit.tenant_id, "collections": list(permit.collections)}
    return common_style(style_from_json(row[0]) for row in session.execute(_STYLES, named))


def set_paused(session: Session, permit: Permit, *, paused: bool, whole_tenant: bool) -> None:
    """Pause or resume ingestion in the permit's collections, or in the whole tenant. Pausing again keeps the first time."""
    since = utc_now() if paused else None
    change: Update
    if whole_tenant:
        change = update(Tenant).where(Tenant.id == permit.tenant_id)
        table: type[Tenant | Collection] = Tenant
    else:
        change = update(Collection).where(
            Collection.tenant_id == permit.tenant_id, Collection.id.in_(permit.collections)
        )
        table = Collection
    session.execute(change.values(paused_at=func.coalesce(table.paused_at, since) if paused else None))


_PRIVACY = select(Collection.id, Collection.privacy).where(Collection.id.in_(bindparam("collections", expanding=True)))


def privacy_of(session: Session, collection_ids: Iterable[UUID]) -> dict[UUID, PrivacyPolicy]:
    """The policies of these collections; the caller has checked the permit.

    Raises:
        ValueError: one holds what this release does not know.
    """
    rows = session.execute(_PRIVACY, {"collections": list(collection_ids)})
    return {row[0]: policy_from_json(row[1]) for row in rows}


def claim_settling(session: Session, collection_id: UUID) -> bool:
    """Until the end of this transaction, be the only one that looks through the collection again; False: another is.

    Beside SQLite no other process works on documents.
    """
    if session.get_bind().dialect.name != "postgresql":
        return True
    key = int.from_bytes(hashlib.sha256(b"settling:" + collection_id.bytes).digest()[:8], signed=True)
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(key))))
