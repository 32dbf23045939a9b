"""What stands in a text that identifies somebody or opens something: kinds, places, and how it is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

MASK = "*"
"""Stands for one hidden character, so that offsets stay right."""
CUSTOM = "custom:"
"""Begins the kind of what a pattern of a collection found; its name follows."""


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
_DASHES = "ーㅡᅳｰ"
"""Letters that are typed for a hyphen."""


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
    places = [p for p in range(end) if value[p] == MASK or (value[p].isalnum() and value[p] not in _DASHES)]
    head = _HEAD_KEPT.get(kind, 0)
    tail = _TAIL if kind in _TAIL_KEPT else 0
    if len(places) < head + tail + 2:  # a short one would be all but readable
        head, tail = 0, 0
    return [p for p in places[head : len(places) - tail] if value[p] != MASK]


IN_TEXT = -1
"""Where a finding stands in a chunk: in its text; 0 and up, in the heading of that place."""


@dataclass(frozen=True, slots=True)
class ChunkFindings:
    """What was found in one chunk: where (`IN_TEXT`, or which heading), and what."""

    found: tuple[tuple[int, Finding], ...] = ()

    def of(self, where: int) -> tuple[Finding, ...]:
        """What was found there."""
        return tuple(item for place, item in self.found if place == where)

    def only(self, kinds: Iterable[str]) -> ChunkFindings:
        """Those of these kinds."""
        wanted = frozenset(kinds)
        return ChunkFindings(tuple(one for one in self.found if one[1].kind in wanted))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each."""
        return tuple(str(item.kind) for _, item in self.found)

    def to_json(self) -> list[Any]:
        """As stored: places and kinds, never values."""
        return [[where, item.start, item.end, str(item.kind)] for where, item in self.found]

    @classmethod
    def from_json(cls, stored: Sequence[Any]) -> ChunkFindings:
        """The mirror of `to_json`."""
        return cls(tuple((where, Finding(start, end, kind)) for where, start, end, kind in stored))
