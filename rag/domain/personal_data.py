"""Personal data and secrets in texts: what kinds there are, where they stand, and what a collection wants done about them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

MASK = "*"
"""Stands for one hidden character, so that offsets stay right."""
CUSTOM = "custom:"
"""Begins the kind of what a pattern of a collection found; its name follows."""
PATTERN_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
MAX_PATTERNS = 20
MAX_PATTERN_LENGTH = 200


class Kind(StrEnum):
    """What a piece of text identifies or opens."""

    RESIDENT = "resident_number"
    FOREIGNER = "foreigner_number"
    PASSPORT = "passport"
    DRIVER = "driver_licence"
    CARD = "card"
    ACCOUNT = "bank_account"
    PHONE = "phone"
    EMAIL = "email"
    PATIENT = "patient_number"
    EMPLOYEE = "employee_number"
    BUSINESS = "business_number"
    CORPORATION = "corporation_number"
    PRIVATE_KEY = "private_key"
    CLOUD_KEY = "cloud_key"
    TOKEN = "token"  # noqa: S105 - a kind, no secret
    CREDENTIALS = "credentials"
    """A password inside the address of a service."""
    SECRET = "secret"  # noqa: S105
    """What program text assigns to a name such as `password`."""


SECRETS = frozenset({Kind.PRIVATE_KEY, Kind.CLOUD_KEY, Kind.TOKEN, Kind.CREDENTIALS, Kind.SECRET})
_TAIL_KEPT = frozenset({Kind.CARD, Kind.PHONE})
_HEAD_KEPT: Mapping[str, int] = {
    Kind.RESIDENT: 7,
    Kind.FOREIGNER: 7,
    Kind.PASSPORT: 1,
    Kind.DRIVER: 4,
    Kind.CARD: 6,
    Kind.ACCOUNT: 3,
    Kind.PHONE: 3,
    Kind.EMAIL: 1,
    Kind.PATIENT: 1,
    Kind.EMPLOYEE: 1,
    Kind.BUSINESS: 5,
    Kind.CORPORATION: 6,
}
"""Characters that stay readable at the beginning: what says of which kind it is, as Korean forms show it (`900101-1******`)."""
_TAIL = 4


class Finding(NamedTuple):
    """The characters `start`..`end` of a text, and what they are: a `Kind`, or `custom:` and a name."""

    start: int
    end: int
    kind: str


def masked(text: str, findings: Iterable[Finding]) -> str:
    """`text` with what was found in it hidden: the same length, white space and punctuation where they were."""
    out: list[str] | None = None
    for start, end, kind in findings:
        if out is None:
            out = list(text)
        for place in _hidden_places(text[start:end], kind):
            out[start + place] = MASK
    return text if out is None else "".join(out)


def _hidden_places(value: str, kind: str) -> list[int]:
    """Places of `value` that are hidden: letters and digits behind what is kept."""
    end = value.rfind("@") if kind == Kind.EMAIL and "@" in value else len(value)
    places = [place for place in range(end) if value[place].isalnum() or value[place] == MASK]
    head = _HEAD_KEPT.get(kind, 0)
    tail = _TAIL if kind in _TAIL_KEPT else 0
    if len(places) < head + tail + 2:  # a short one would be all but readable
        head, tail = 0, 0
    return [p for p in places[head : len(places) - tail] if value[p] != MASK]


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


class RawRole(StrEnum):
    """From which role on raw values are shown."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    CURATOR = "curator"
    ADMIN = "admin"


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
    raw_from: RawRole = RawRole.CURATOR
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

    @property
    def hides_any(self) -> bool:
        """Whether anything is hidden from anybody."""
        return self.default in _HIDDEN or any(item in _HIDDEN for item in self.kinds.values())

    @property
    def patterns_key(self) -> str:
        """Tells whether a text was searched with these patterns; empty without any."""
        if not self.patterns:
            return ""
        told = json.dumps([[item.name, item.pattern] for item in self.patterns])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

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
    "raw_from": RawRole.CURATOR.value,
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
        raw_from=RawRole(whole["raw_from"]),
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
        detector: version of the detector that looked.
        patterns_key: of the collection's patterns that were looked for.
        hidden: kinds that the version's points in the index were made without.
        release: set once somebody released it.
    """

    counts: Mapping[str, int]
    detector: int
    patterns_key: str = ""
    hidden: tuple[str, ...] = ()
    release: Release | None = None

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        release = self.release
        return {
            "counts": dict(sorted(self.counts.items())),
            "detector": self.detector,
            "patterns_key": self.patterns_key,
            "hidden": sorted(self.hidden),
            "release": None if release is None else {"by": release.by, "at": release.at, "reason": release.reason},
        }

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
        detector=int(data["detector"]),
        patterns_key=str(data["patterns_key"]),
        hidden=tuple(data["hidden"]),
        release=None if release is None else Release(release["by"], release["at"], release["reason"]),
    )
