"""Chains sealed with another key: when a key is exchanged, when there is one for the first time, after a seal was found broken.

None of that happens by itself: a chain goes on under the key whose seal it bears, and one whose seal does not hold stays so.
Whoever seals it anew looks at the whole chain, and what was wrong with its seal stays written in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from rag.access.audit import AuditTrail
from rag.access.audit_anchors import Anchor
from rag.access.audit_verification import Problem, Verification, Walk
from rag.domain.audit import AuditEvent, AuditKind, Origin, Who, key_name, vouch
from rag.domain.errors import ConfigurationError
from rag.store import audit_event

ACCEPTABLE = frozenset({Problem.SEAL, Problem.CUT_UNSEALED})
"""What is wrong with the seals alone."""


def reseal(
    trail: AuditTrail,
    tenant_id: UUID,
    who: Who,
    origin: Origin,
    reason: str,
    *,
    anchors: Sequence[Anchor] = (),
    accept: bool = False,
) -> Verification:
    """Seal the end of a chain with the key of the settings; returns what was found before, and seals nothing where that is bad.

    The whole chain is looked at while others add to it. It is locked only for what was added meanwhile, and for the seal; where
    its beginning was cut meanwhile (once a day at most), for all of it.

    Args:
        accept: also seal a chain without a seal that holds, or with a cut that nobody vouches for. Nothing else is ever accepted.

    Raises:
        ConfigurationError: there is no key.
    """
    if trail.seal_key is None:
        raise ConfigurationError(detail="audit.seal_key_file: there is no key to seal with")
    walk = Walk(tenant_id, anchors, (trail.seal_key, *trail.older_keys))
    with trail.database.snapshot() as session:
        found = walk.to_end(session)
    if not _may_be_sealed(found, accept):
        return found
    with trail.database.write(durable=True) as session:
        bears = trail.key_of(audit_event.locked_head(session, tenant_id))
        found = walk.to_end(session)
        if not _may_be_sealed(found, accept):
            return found
        head = audit_event.locked_head(session, tenant_id)
        detail = {
            "reason": reason,
            "key": key_name(trail.seal_key),
            "before": "" if bears is None else key_name(bears),
            "problem": "" if found.problem is None else found.problem.value,
            "seal": vouch(trail.seal_key, tenant_id, "resealed", head.seq + 1, head.hash),
        }
        what = "seogo audit reseal"
        told = AuditEvent(AuditKind.RESEALED, tenant_id, who, trail.now(), origin, what=what, detail=detail)
        audit_event.append(session, head, [told])
        head.seal = trail.sealed(tenant_id, head.seq, head.hash)
    return found


def _may_be_sealed(found: Verification, accept: bool) -> bool:
    return found.problem is None or (accept and found.problem in ACCEPTABLE)
