"""Bodies about personal data: a collection's policy, what was found in a document, its release."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.access.personal_data.custom import checked_patterns
from rag.domain.access import Role
from rag.domain.errors import InvalidRequest
from rag.domain.findings import CUSTOM, Kind
from rag.domain.personal_data import (
    MAX_PATTERN_LENGTH,
    MAX_PATTERNS,
    CustomPattern,
    PersonalDataRecord,
    PrivacyPolicy,
    Treatment,
)

_KINDS = frozenset(Kind)


class Pattern(Body):
    """A pattern of this collection alone."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,29}$", examples=["contract_id"])
    pattern: str = Field(
        min_length=1,
        max_length=MAX_PATTERN_LENGTH,
        description="RE2 syntax; where it has a group, what the first one matches",
        examples=[r"KB-\d{4}-\d{6}"],
    )


class Privacy(Body):
    """What is done about personal data and secrets.

    `allow`: nothing. `tag`: counted. `mask`: also hidden from the index, and from readers below `raw_from`. `block`: the
    document is not searchable until a curator releases it; then as `mask`.
    """

    default: Treatment = Field(Treatment.TAG, description="of every kind that `kinds` does not name")
    kinds: dict[Annotated[str, Field(max_length=40)], Treatment] = Field(
        default_factory=dict,
        max_length=len(Kind) + MAX_PATTERNS,
        description=f"by kind: {', '.join(Kind)}, or {CUSTOM}<name> of a pattern",
    )
    raw_from: Role = Field(
        Role.CURATOR, description="readers of this role and above see raw values and may fetch originals"
    )
    patterns: list[Pattern] = Field(default_factory=list, max_length=MAX_PATTERNS)

    def to_domain(self) -> PrivacyPolicy:
        """The policy.

        Raises:
            InvalidRequest: a kind that is none, or a pattern that can't be run.
        """
        patterns = checked_patterns([CustomPattern(item.name, item.pattern) for item in self.patterns])
        own = {item.kind for item in patterns}
        for kind in self.kinds:
            if kind not in _KINDS and kind not in own:
                raise InvalidRequest(
                    detail=f"kinds: {kind}: unknown", detail_ko=f"kinds: {kind}(이)라는 종류는 없습니다"
                )
        return PrivacyPolicy(self.default, dict(self.kinds), self.raw_from, patterns)

    @classmethod
    def of(cls, policy: PrivacyPolicy) -> Privacy:
        """The policy as JSON."""
        patterns = [Pattern(name=item.name, pattern=item.pattern) for item in policy.patterns]
        return cls(default=policy.default, kinds=dict(policy.kinds), raw_from=policy.raw_from, patterns=patterns)


class ReleaseIn(Body):
    """Why a document may be searched although its collection blocks what is in it."""

    reason: str = Field(min_length=1, max_length=500, pattern=r"\S")


class ReleaseOut(BaseModel):
    """Who released a document, when and why."""

    by: str
    at: datetime
    reason: str


class PersonalDataOut(BaseModel):
    """What was found in a version; never a value."""

    counts: dict[str, int] = Field(
        description="how often each kind occurs", examples=[{"resident_number": 2, "phone": 5}]
    )
    released: ReleaseOut | None = Field(description="set once somebody released it")

    @classmethod
    def of(cls, record: PersonalDataRecord | None) -> PersonalDataOut | None:
        """The record as JSON; None while nobody looked."""
        if record is None:
            return None
        found = record.release
        released = (
            None
            if found is None
            else ReleaseOut.model_validate({"by": found.by, "at": found.at, "reason": found.reason})
        )
        return cls(counts=dict(record.counts), released=released)
