"""Options that every command shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.settings import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """What stands before the command, or in the environment."""

    config: Path | None = None
    data_dir: Path | None = None
    server: str | None = None
    key: str | None = None

    def settings(self) -> Settings:
        """The configuration that these options name."""
        from api.settings import load_settings

        return load_settings(self.config, self.data_dir)
