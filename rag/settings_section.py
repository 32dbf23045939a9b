"""What all sections of the settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section: what it does not know is refused, and nothing changes while the process runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
