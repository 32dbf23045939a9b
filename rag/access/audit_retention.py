"""How long the trail is kept: entries leave from the beginning of a chain, by a cut that is an entry itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rag.access.audit import AuditTrail
from rag.domain.audit import AuditEvent, AuditKind, Origin, Who, Whose, vouch
from rag.settings import AuditSettings
from rag.store import audit_event
from rag.store.base import utc_now
from rag.store.tenant import Tenant

_LEAP_DAY = (2, 29)


@dataclass(slots=True)
class AuditRetention:
    """Cuts what has been kept for as long as the settings say."""

    trail: AuditTrail
    settings: AuditSettings
    now: Callable[[], datetime] = utc_now

    def cut_due(self) -> int:
        """Cut every chain that begins before its time; returns how many entries left."""
        with self.trail.database.read() as session:
            names = {row.id: row.name for row in session.query(Tenant)}
            chains = [head.tenant_id for head in audit_event.chains(session)]
        return sum(self._cut(tenant_id, self.years_of(names.get(tenant_id, ""))) for tenant_id in chains)

    def years_of(self, tenant_name: str) -> int:
        """How long the entries of a tenant are kept."""
        return self.settings.tenant_retention_years.get(tenant_name, self.settings.retention_years)

    def _cut(self, tenant_id: UUID, years: int) -> int:
        now = self.now()
        before = years_before(now, years)
        with self.trail.database.read() as session:
            if audit_event.due_for_cut(session, tenant_id, before) is None:
                return 0
        with self.trail.database.write(durable=True) as session:
            head = audit_event.locked_head(session, tenant_id)
            if not self.trail.holds(head):  # what was altered is kept for whoever looks into it
                return 0
            through = audit_event.due_for_cut(session, tenant_id, before)
            if through is None:  # another process was faster
                return 0
            detail = {"through": through.seq, "hash": through.hash, "before": before.isoformat(), "years": years}
            key = self.trail.key_of(head)
            if key is not None:
                detail["seal"] = vouch(key, tenant_id, "cut", through.seq, through.hash, before.isoformat())
            entry = AuditEvent(
                AuditKind.AUDIT_CUT,
                tenant_id,
                Who(None, "retention", "service"),
                now,
                Origin(surface="upkeep"),
                Whose(),
                what="cut the audit trail",
                detail=detail,
            )
            self.trail.append(session, head, [entry])
            return audit_event.cut(session, through, head.seq)


def years_before(moment: datetime, years: int) -> datetime:
    """The same moment so many years ago; of a leap day, the day before it."""
    if (moment.month, moment.day) == _LEAP_DAY:
        moment = moment.replace(day=28)
    return moment.replace(year=moment.year - years)
