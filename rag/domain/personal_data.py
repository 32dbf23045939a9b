"""What a collection wants done about personal data and secrets, and what is on record about a version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from rag.domain.access import Role
from rag.domain.findings import CUSTOM

PATTERN_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
MAX_PATTERNS = 20
MAX_PATTERN_LENGTH = 200


class Treatment(StrEnum):
    """What is done about a kind."""

    ALLOW = "allow"
    """Nothing: it is not even counted."""
    TAG = "tag"
    """It is counted, and shown to whoever may read the document."""
    MASK = "mask"
    """It is hidden from the index, and from readers below the role."""
    BLOCK = "block"
    """The document is not searchable until somebody releases it; then as `mask`."""


_HIDDEN = frozenset({Treatment.MASK, Treatment.BLOCK})


@dataclass(frozen=True, slots=True)
class CustomPattern:
    """A pattern of one collection, in RE2's syntax, which runs in linear time whatever it says.

    Attributes:
        name: of `a-z`, `0-9`, `_`; the kind of what it finds is `custom:` and this.
    """

    name: str
    pattern: str

    @property
    def kind(self) -> str:
        """The kind of what it finds."""
        return CUSTOM + self.name


@dataclass(frozen=True, slots=True)
class PrivacyPolicy:
    """What a collection wants done about personal data and secrets.

    Attributes:
        default: of every kind that `kinds` does not name.
        raw_from: readers of this role and above see raw values.
    """

    default: Treatment = Treatment.TAG
    kinds: Mapping[str, Treatment] = field(default_factory=dict)
    raw_from: Role = Role.CURATOR
    patterns: tuple[CustomPattern, ...] = ()

    def treatment(self, kind: str) -> Treatment:
        """What is done about `kind`."""
        return self.kinds.get(kind, self.default)

    def hides(self, kind: str) -> bool:
        """Whether readers below the role don't see it, nor the index."""
        return self.treatment(kind) in _HIDDEN

    def counts(self, kind: str) -> bool:
        """Whether it is put on record."""
        return self.treatment(kind) is not Treatment.ALLOW

    def blocked(self, kinds: Iterable[str]) -> tuple[str, ...]:
        """Those of `kinds` that keep a document from being searchable."""
        return tuple(sorted(kind for kind in kinds if self.treatment(kind) is Treatment.BLOCK))

    def shows_raw(self, role: Role | None) -> bool:
        """Whether a reader of this role sees everything as it is."""
        return not self.hides_any or (role is not None and role.includes(self.raw_from))

    @property
    def hides_any(self) -> bool:
        """Whether anything is hidden from anybody."""
        return self.default in _HIDDEN or any(item in _HIDDEN for item in self.kinds.values())

    def to_json(self) -> dict[str, Any]:
        """What differs from the default policy."""
        plain = {
            "default": self.default.value,
            "kinds": {kind: item.value for kind, item in sorted(self.kinds.items())},
            "raw_from": self.raw_from.value,
            "patterns": [[item.name, item.pattern] for item in self.patterns],
        }
        return {name: value for name, value in plain.items() if value != _DEFAULT_JSON[name]}


_DEFAULT_JSON: Mapping[str, Any] = {
    "default": Treatment.TAG.value,
    "kinds": {},
    "raw_from": Role.CURATOR.value,
    "patterns": [],
}
DEFAULT_POLICY = PrivacyPolicy()


def policy_from_json(data: Mapping[str, Any] | None) -> PrivacyPolicy:
    """The policy that a collection stores.

    Raises:
        ValueError: it holds what this release does not know; nothing is read then, rather than shown by mistake.
    """
    if not data:
        return DEFAULT_POLICY
    whole = {**_DEFAULT_JSON, **data}
    return PrivacyPolicy(
        default=Treatment(whole["default"]),
        kinds={kind: Treatment(item) for kind, item in whole["kinds"].items()},
        raw_from=Role(whole["raw_from"]),
        patterns=tuple(CustomPattern(name, pattern) for name, pattern in whole["patterns"]),
    )


@dataclass(frozen=True, slots=True)
class Release:
    """Who released a blocked document, when and why."""

    by: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class PersonalDataRecord:
    """What is on record about a version: how often each kind occurs in it, never a value.

    Attributes:
        hidden: kinds that the version's points in the index were made without.
        release: set once somebody released it.
    """

    counts: Mapping[str, int]
    hidden: tuple[str, ...] = ()
    release: Release | None = None

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        release = self.release
        return {
            "counts": dict(sorted(self.counts.items())),
            "hidden": sorted(self.hidden),
            "release": None if release is None else {"by": release.by, "at": release.at, "reason": release.reason},
        }

    def released(self, release: Release) -> PersonalDataRecord:
        """The same, released."""
        return replace(self, release=release)

    def held(self) -> PersonalDataRecord:
        """The same, as long as nobody releases it."""
        return replace(self, release=None)

    def is_within(self, other: PersonalDataRecord) -> bool:
        """Whether it has no more of any kind than the other, by number alone: no value is kept, so another one in the place
        of one that was known is not seen."""
        return all(number <= other.counts.get(kind, 0) for kind, number in self.counts.items())

    def blocked_by(self, policy: PrivacyPolicy) -> tuple[str, ...]:
        """Kinds in it for which the policy blocks it; none once it is released."""
        return () if self.release is not None else policy.blocked(self.counts)


def record_from_json(data: Mapping[str, Any] | None) -> PersonalDataRecord | None:
    """What a version stores; None where nobody looked yet."""
    if data is None:
        return None
    release = data.get("release")
    return PersonalDataRecord(
        counts=dict(data["counts"]),
        hidden=tuple(data["hidden"]),
        release=None if release is None else Release(release["by"], release["at"], release["reason"]),
    )
