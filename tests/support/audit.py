"""Entries of an audit trail, such as an ordinary day leaves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.audit_anchors import Anchor
from rag.access.audit_verification import Verification, verify
from rag.domain.audit import AuditEvent, AuditKind, Origin, Outcome, Who, Whose
from rag.store.session import Database

TENANT, OTHER = UUID(int=11), UUID(int=22)
KEY = b"0123456789abcdef0123456789abcdef"
DAY = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PEOPLE = (("김민준", 1), ("이서연", 2), ("Auditor", 3))


def event(
    kind: AuditKind = AuditKind.DOCUMENT_READ,
    *,
    tenant_id: UUID = TENANT,
    at: datetime = DAY,
    documents: tuple[UUID, ...] = (),
    **fields: Any,
) -> AuditEvent:
    """One entry; what is left out is somebody's look at a document."""
    who = fields.pop("who", Who(UUID(int=1), "김민준", "key", UUID(int=1)))
    origin = Origin("10.1.2.3", "native", "포털/1.0", "req_1")
    whose = Whose((UUID(int=500),), documents, fields.pop("subjects", ()))
    return AuditEvent(kind, tenant_id, who, at, origin, whose, **fields)


def a_day(count: int, seed: int = 1, tenant_id: UUID = TENANT) -> Iterator[AuditEvent]:
    """So many entries of all kinds but cuts, of all people and outcomes."""
    chance = random.Random(seed)
    for number in range(count):
        name, identity = chance.choice(PEOPLE)
        yield AuditEvent(
            chance.choice([kind for kind in AuditKind if kind is not AuditKind.AUDIT_CUT]),
            tenant_id,
            Who(UUID(int=identity), name, "user", UUID(int=identity + 90)),
            DAY + timedelta(seconds=number),
            Origin(f"10.0.0.{chance.randrange(250)}", "native", "포털/1.0", f"req_{number}"),
            Whose((UUID(int=500),), tuple(UUID(int=1000 + chance.randrange(20)) for _ in range(chance.randrange(4)))),
            f"GET /api/v1/documents/{number}",
            chance.choice(list(Outcome)),
            {"status": chance.choice((200, 404, 503)), "reason": "정기 점검", "nested": {"목록": [1, True, None]}},
        )


def checked(database: Database, *, key: bytes | None = None, anchors: tuple[Anchor, ...] = ()) -> Verification:
    """What verification finds in the chain of TENANT."""
    with database.snapshot() as session:
        return verified(session, key=key, anchors=anchors)


def verified(session: Session, *, key: bytes | None = None, anchors: tuple[Anchor, ...] = ()) -> Verification:
    """The same, within a session."""
    return verify(session, TENANT, key=key, anchors=anchors)
