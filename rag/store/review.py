"""Versions that were flagged for a curator, and what became of it. A flag hides nothing: it is shown wherever the text is."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.domain.principal import Permit
from rag.store import document
from rag.store.base import utc_now
from rag.store.version import DocumentVersion


def note_score(session: Session, version_id: UUID, score: float, signs: Sequence[str], *, flag_from: float) -> bool:
    """Put the score of a version on record, and flag it from `flag_from` on.

    What a curator has cleared stays cleared, unless it was read once more and says more now than the curator was shown.

    Returns whether it is flagged.
    """
    row = session.get_one(DocumentVersion, version_id)
    shown = (
        row.injection_score is not None
        and score <= row.injection_score
        and set(signs) <= set(row.injection_signs or ())
    )
    if not shown:
        row.reviewed_at = row.reviewed_by = row.review_reason = None
    row.injection_score, row.injection_signs = score, list(signs)
    row.flagged = score >= flag_from and row.reviewed_at is None
    return row.flagged


def clear(session: Session, permit: Permit, document_id: UUID, reason: str) -> int:
    """Clear every flag of a document that the permit covers; returns how many versions had one.

    Raises:
        DocumentNotFound: the permit does not cover it.
    """
    row = document.get_permitted(session, permit, document_id)
    query = select(DocumentVersion).where(DocumentVersion.document_id == row.id, DocumentVersion.flagged)
    flagged = session.scalars(query.with_for_update()).all()
    for version in flagged:
        version.flagged = False
        version.reviewed_at, version.reviewed_by, version.review_reason = utc_now(), str(permit.principal.id), reason
    return len(flagged)
