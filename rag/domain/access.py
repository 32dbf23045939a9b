"""Who may read what: labels and clearances, roles, and the rules of documents and collections.

A rule is a value: two documents with the same rule share its id, and a change of a document's rule is another id. What
decides is `AccessRule.permits`, in one place, for the index, the record and everything derived.

Labels are those of N2SF, the national network security framework: C (confidential), S (sensitive), O (open).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from rag.domain.document import NAMESPACE
from rag.domain.errors import InvalidRequest

MAX_SUBJECTS = 200
"""Subjects that one list of a rule may name; more of them are a group."""
_MAX_VALUE = 200
_MAX_NAMED = 300


class Label(StrEnum):
    """Classification of a document, or the clearance of a reader: it reads what is not above its own."""

    OPEN = "O"
    SENSITIVE = "S"
    CONFIDENTIAL = "C"

    @property
    def rank(self) -> int:
        """Higher is more secret."""
        return _LABELS.index(self)

    def covers(self, label: Label) -> bool:
        """Whether this clearance suffices for `label`."""
        return self.rank >= label.rank


_LABELS = (Label.OPEN, Label.SENSITIVE, Label.CONFIDENTIAL)


class Role(StrEnum):
    """What a subject may do in a collection, or in the whole tenant; each includes those before it."""

    VIEWER = "viewer"
    """Reads, searches, asks."""
    CONTRIBUTOR = "contributor"
    """Uploads, changes and deletes documents that it may read."""
    CURATOR = "curator"
    """Decides who reads a document, and is held back by no list of readers itself."""
    ADMIN = "admin"
    """Changes the collection, or the tenant: its people, keys and settings."""

    @property
    def rank(self) -> int:
        """Higher includes lower."""
        return _ROLES.index(self)

    def includes(self, role: Role) -> bool:
        """Whether who has this role has `role` too."""
        return self.rank >= role.rank


_ROLES = (Role.VIEWER, Role.CONTRIBUTOR, Role.CURATOR, Role.ADMIN)


def highest(roles: Iterable[Role | None]) -> Role | None:
    """The role that includes all of these; None when there is none."""
    return max((role for role in roles if role is not None), key=lambda role: role.rank, default=None)


class SubjectKind(StrEnum):
    """What a rule or a grant can name."""

    USER = "user"
    """An account (a person or a service), or a key without an account; by id."""
    GROUP = "group"
    """By id; whoever is in a group inside it counts too."""
    ATTRIBUTE = "attribute"
    """`name=value`, as the directory says of a person."""
    EVERYONE = "everyone"
    """Whoever belongs to the tenant."""


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """Whom a rule or a grant is about; `value` is empty for everyone."""

    kind: SubjectKind
    value: str = ""

    @property
    def text(self) -> str:
        """As it is written in JSON: `group:<id>`, `attribute:dept=HR`, `everyone`."""
        return self.kind.value if self.kind is SubjectKind.EVERYONE else f"{self.kind.value}:{self.value}"

    @classmethod
    def parse(cls, text: str) -> Subject:
        """The subject that `text` names by id; the mirror of `text`.

        Raises:
            InvalidRequest: it names none.
        """
        name, colon, value = text.partition(":")
        try:
            kind = SubjectKind(name)
        except ValueError:
            raise InvalidRequest(
                detail="subject: user:…, group:…, attribute:name=value or everyone is needed",
                detail_ko="subject: user:…, group:…, attribute:name=value 또는 everyone으로 적으세요",
            ) from None
        if kind is SubjectKind.EVERYONE:
            if colon:
                raise InvalidRequest(
                    detail="subject: everyone takes no value", detail_ko="subject: everyone에는 값을 붙이지 않습니다"
                )
            return cls(kind)
        return cls(kind, _checked(kind, value))


EVERYONE = Subject(SubjectKind.EVERYONE)


def id_of(text: str) -> UUID | None:
    """The id that `text` is; None when it is none, such as a name."""
    try:
        return UUID(text)
    except ValueError:
        return None


def user(identity: UUID) -> Subject:
    """The subject of an account, or of a key without one."""
    return Subject(SubjectKind.USER, str(identity))


def group(identity: UUID) -> Subject:
    """The subject of a group."""
    return Subject(SubjectKind.GROUP, str(identity))


def attribute(name: str, value: str) -> Subject:
    """The subject of all who have this attribute."""
    return Subject(SubjectKind.ATTRIBUTE, f"{name}={value}")


def _checked(kind: SubjectKind, value: str) -> str:
    if kind is SubjectKind.ATTRIBUTE:
        name, equals, rest = value.partition("=")
        if not (name and equals and rest) or len(value) > _MAX_VALUE or "\x00" in value:
            raise InvalidRequest(
                detail="subject: attribute:name=value is needed", detail_ko="subject: attribute:name=value로 적으세요"
            )
        return value
    try:
        return str(UUID(value))
    except ValueError:
        raise InvalidRequest(
            detail=f"subject: {kind.value}:<id> is needed", detail_ko=f"subject: {kind.value}:<ID>로 적으세요"
        ) from None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who wants to read, as a rule sees it.

    Attributes:
        subjects: all that name the reader: itself, its groups (nested ones too), its attributes, everyone.
        curates: curator or more where the document lies.
        behind: all that name whoever made the reader's credential: what denies them denies it too.
    """

    subjects: frozenset[Subject]
    clearance: Label
    curates: bool = False
    behind: frozenset[Subject] = frozenset()


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may read one document, or one collection.

    Attributes:
        allow: when not empty, only who is among them (and curators) may read.
        deny: nobody among them may, whatever else holds.
        label: nobody without this clearance may.
    """

    allow: frozenset[Subject] = frozenset()
    deny: frozenset[Subject] = frozenset()
    label: Label = Label.OPEN

    def permits(self, reader: Reader) -> bool:
        """Whether `reader` may read. Deny wins; a label goes by clearance for everybody; then the list of readers."""
        if not reader.clearance.covers(self.label) or not self.deny.isdisjoint(reader.subjects | reader.behind):
            return False
        return not self.allow or reader.curates or not self.allow.isdisjoint(reader.subjects)

    @property
    def trivial(self) -> bool:
        """Whether it holds nobody back."""
        return not self.allow and not self.deny and self.label is Label.OPEN

    def to_json(self) -> dict[str, Any]:
        """Canonical: sorted, nothing left out."""
        return {
            "allow": sorted(item.text for item in self.allow),
            "deny": sorted(item.text for item in self.deny),
            "label": self.label.value,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> AccessRule:
        """The rule as `to_json` wrote it; None is the one that holds nobody back."""
        if stored is None:
            return OPEN_RULE
        return cls(
            frozenset(Subject.parse(item) for item in stored["allow"]),
            frozenset(Subject.parse(item) for item in stored["deny"]),
            Label(stored["label"]),
        )


OPEN_RULE = AccessRule()


@dataclass(frozen=True, slots=True)
class EffectiveRule:
    """What holds for a document: its own rule and those of the documents that it lies in. Every level must permit.

    The rule of the collection is not among them: who may not read that has no permit for the collection at all.
    """

    levels: tuple[AccessRule, ...]

    @classmethod
    def of(cls, levels: Sequence[AccessRule]) -> EffectiveRule | None:
        """The rule of these levels, the outermost first; None when none of them holds anybody back."""
        kept = tuple(dict.fromkeys(level for level in levels if not level.trivial))
        return cls(kept) if kept else None

    def permits(self, reader: Reader) -> bool:
        """Whether every level permits."""
        return all(level.permits(reader) for level in self.levels)

    @property
    def label(self) -> Label:
        """The highest label of all levels."""
        return max((level.label for level in self.levels), key=lambda label: label.rank)

    @property
    def text(self) -> str:
        """Canonical JSON."""
        return json.dumps([level.to_json() for level in self.levels], ensure_ascii=False, sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> EffectiveRule:
        """The mirror of `text`."""
        return cls(tuple(AccessRule.from_json(level) for level in json.loads(text)))

    def id_in(self, collection_id: UUID) -> UUID:
        """The id of this rule for documents of a collection: the same rule elsewhere is another."""
        return uuid5(NAMESPACE, f"access:{collection_id}:{self.text}")


@dataclass(frozen=True, slots=True)
class GivenRule:
    """A rule as somebody states it: subjects by name or id (`group:인사팀`, `user:hong`), not looked up yet."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    label: Label = Label.OPEN

    @classmethod
    def from_json(cls, given: object) -> GivenRule:
        """The rule of a JSON object with any of `allow`, `deny` (lists of subjects) and `label` (C, S or O).

        Raises:
            InvalidRequest: it is none.
        """
        if not isinstance(given, Mapping) or not given.keys() <= {"allow", "deny", "label"}:
            raise InvalidRequest(
                detail="access: an object with allow, deny and label is needed",
                detail_ko="access: allow, deny, label만 담은 JSON 객체여야 합니다",
            )
        try:
            label = Label(given.get("label", Label.OPEN))
        except ValueError:
            raise InvalidRequest(
                detail="access.label: C, S or O is needed", detail_ko="access.label: C, S, O 가운데 하나여야 합니다"
            ) from None
        return cls(_listed(given, "allow"), _listed(given, "deny"), label)

    @property
    def trivial(self) -> bool:
        """Whether it would hold nobody back."""
        return not self.allow and not self.deny and self.label is Label.OPEN

    def to_json(self) -> dict[str, Any]:
        """The mirror of `from_json`."""
        return {"allow": list(self.allow), "deny": list(self.deny), "label": self.label.value}


def _listed(given: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = given.get(name, [])
    if not isinstance(found, list) or len(found) > MAX_SUBJECTS or not all(_is_subject(item) for item in found):
        raise InvalidRequest(
            detail=f"access.{name}: a list of at most {MAX_SUBJECTS} subjects is needed",
            detail_ko=f"access.{name}: 주체의 목록이어야 하며 {MAX_SUBJECTS}개까지 됩니다",
        )
    return tuple(found)


def _is_subject(item: object) -> bool:
    return isinstance(item, str) and 0 < len(item) <= _MAX_NAMED and "\x00" not in item
