"""Bodies of the ingestion routes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.store.queue import Workload
from rag.store.version import VersionState


class IngestionOut(BaseModel):
    """What goes on in a collection, or in all that the key may see. Counts are of uploads (versions)."""

    paused: bool = Field(description="whether nothing new begins; what is in work is finished")
    queued: int
    running: int
    active: int = Field(description="searchable now")
    failed: int = Field(description="can't be read as they are; of documents uploaded again only the newest counts")
    quarantined: int = Field(description="went wrong three times and were set aside; a retry can help")
    cancelled: int
    stages: dict[str, int] = Field(description="of those running, by stage", examples=[{"parse": 20, "embed": 12}])
    pages_read: int = Field(description="of the files in the stage `parse` whose pages are being read")
    pages: int = Field(description="that those files have")
    per_minute: float = Field(description="uploads that ended in the last minute")
    eta_s: float | None = Field(
        description="seconds until nothing is left, at the pace of late; none while nothing is known, or when paused"
    )

    @classmethod
    def of(cls, found: Workload) -> IngestionOut:
        """The workload as JSON."""
        return cls(
            paused=found.paused,
            queued=found.states.get(VersionState.QUEUED, 0),
            running=found.states.get(VersionState.RUNNING, 0),
            active=found.states.get(VersionState.ACTIVE, 0),
            failed=found.states.get(VersionState.FAILED, 0),
            quarantined=found.states.get(VersionState.QUARANTINED, 0),
            cancelled=found.states.get(VersionState.CANCELLED, 0),
            stages=dict(found.stages),
            pages_read=found.pages_read,
            pages=found.pages,
            per_minute=round(found.per_minute, 1),
            eta_s=found.eta_s,
        )


class RetryIn(Body):
    """What to try again."""

    states: list[Literal["failed", "quarantined", "cancelled", "in_part"]] = Field(
        ["quarantined"],
        min_length=1,
        max_length=4,
        description="`in_part`: searchable, but pages were left out; they are read anew, and answer as they are until then",
    )


class Affected(BaseModel):
    """How many uploads a request concerned."""

    documents: int
