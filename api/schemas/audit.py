"""Bodies of the audit routes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from rag.access.audit_verification import Verification
from rag.store.audit_event import AuditRow


class AuditWho(BaseModel):
    """Who did it."""

    id: UUID | None = Field(description="null where nobody was recognised")
    name: str
    kind: str
    credential: UUID | None


class AuditOrigin(BaseModel):
    """From where."""

    ip: str
    surface: str
    client: str
    request_id: str


class AuditWhose(BaseModel):
    """Whose data."""

    collections: list[str]
    documents: list[str]
    subjects: list[str] = Field(description="persons that the documents are about, where an attribute names them")


class AuditEventOut(BaseModel):
    """One entry of the trail."""

    seq: int
    at: datetime
    kind: str
    outcome: str
    who: AuditWho
    origin: AuditOrigin
    whose: AuditWhose
    what: str
    detail: dict[str, Any]
    prev_hash: str
    hash: str

    @classmethod
    def of(cls, row: AuditRow) -> AuditEventOut:
        """The row as JSON."""
        return cls(
            seq=row.seq,
            at=row.at,
            kind=row.kind,
            outcome=row.outcome,
            who=AuditWho(
                id=row.principal_id, name=row.principal_name, kind=row.principal_kind, credential=row.credential
            ),
            origin=AuditOrigin(ip=row.ip, surface=row.surface, client=row.client, request_id=row.request_id),
            whose=AuditWhose(collections=row.collections, documents=row.documents, subjects=row.subjects),
            what=row.what,
            detail=row.detail,
            prev_hash=row.prev_hash,
            hash=row.hash,
        )


class AuditPage(BaseModel):
    """Entries, the newest first."""

    events: list[AuditEventOut]
    next_cursor: int | None


class VerificationOut(BaseModel):
    """Whether the tenant's chain is whole."""

    whole: bool
    entries: int = Field(description="entries that hold, up to the first that does not")
    first: int
    last: int
    last_hash: str
    cut_through: int = Field(description="entries up to this one left when their time had come")
    anchors: int = Field(description="ends that the outside was told, and that were compared")
    anchored: int = Field(description="the last of them")
    sealed: bool
    proven: bool = Field(
        description="whether a seal or an anchor speaks for it, and no anchor is lost: else whoever holds the database can have "
        "written it anew"
    )
    lost: int = Field(description="the last end that was told, where the file that keeps them ends before; else 0")
    problem: str | None
    at: int | None = Field(description="the first entry with which something is wrong")

    @classmethod
    def of(cls, found: Verification) -> VerificationOut:
        """What was found as JSON."""
        return cls(
            whole=found.whole,
            entries=found.entries,
            first=found.first,
            last=found.last,
            last_hash=found.last_hash,
            cut_through=found.cut_through,
            anchors=found.anchors,
            anchored=found.anchored,
            sealed=found.sealed,
            proven=found.proven,
            lost=found.lost,
            problem=None if found.problem is None else found.problem.value,
            at=None if found.problem is None else found.at,
        )
