"""People and groups as a directory lists them, whatever it is read by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DirectoryPerson:
    """Somebody in the directory. Names of entries (DNs) are in the form that is compared."""

    external_id: str
    dn: str
    user_name: str
    display_name: str = ""
    email: str = ""
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    disabled: bool = False
    member_of: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DirectoryGroup:
    """A group in the directory; `members` are people and groups."""

    external_id: str
    dn: str
    name: str
    members: Sequence[str] = ()
    member_of: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """All that the directory has."""

    people: Sequence[DirectoryPerson]
    groups: Sequence[DirectoryGroup]
