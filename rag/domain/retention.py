"""How long what is stored may stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """The rules of one collection; None switches a rule off. Days are of 24 hours.

    Attributes:
        retired_days: a version that a newer one has replaced is removed so many days after that.
        retired_versions: of those, only the newest so many stay.
        document_days: a document is deleted so many days after its newest upload.
        dated_days: a document is deleted so many days after the date that it bears itself (its last change, else its making).
    """

    retired_days: int | None = None
    retired_versions: int | None = None
    document_days: int | None = None
    dated_days: int | None = None

    @property
    def idle(self) -> bool:
        """Whether no rule is on."""
        return all(value is None for value in asdict(self).values())

    def to_json(self) -> dict[str, Any]:
        """The rules that are on."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def rules_from_json(data: Mapping[str, Any] | None) -> RetentionRules:
    """The rules that a collection stores; names that a newer release wrote are left alone."""
    known = {name: value for name, value in (data or {}).items() if name in RetentionRules.__slots__}
    return RetentionRules(**known)
