"""Liveness and readiness. Public, and silent about content."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from api.deps import services_of

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """State of the process."""

    status: str


@router.get("/live")
def live() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/ready")
def ready(request: Request) -> Health:
    """Store and index answer: the process can take questions. 503 when one does not."""
    rag = services_of(request).rag
    rag.database.ping()
    rag.index.count()
    return Health(status="ok")
