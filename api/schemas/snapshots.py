"""Bodies of the route for web pages."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas.access import AccessIn
from api.schemas.common import Body, Instant


class SnapshotIn(Body):
    """A web page as the client fetched it. The server never fetches anything."""

    url: str = Field(
        min_length=8,
        max_length=2000,
        pattern=r"^https?://[^\s]+$",
        description="its address; name and password in it are not kept",
        examples=["https://intra/notice?id=7"],
    )
    html: str = Field(min_length=1, max_length=2 << 20)
    fetched_at: Instant = Field(description="when the page was fetched; no more than a day ahead")
    attributes: dict[str, Any] | None = Field(None, description="custom attributes, as at an upload")
    access: AccessIn | None = Field(None, description="who may read it, as at an upload")
