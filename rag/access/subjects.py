"""Whom a rule names: from what people write (`group:인사팀`, `user:hong`) to ids, and back to names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.access import EVERYONE, AccessRule, GivenRule, Subject, SubjectKind, id_of
from rag.domain.errors import InvalidRequest
from rag.store import subject as subjects_table
from rag.store.account import user_key


def resolved(
    session: Session, tenant_id: UUID, given: GivenRule, known: frozenset[Subject] = frozenset()
) -> AccessRule:
    """The rule with every subject found in the tenant.

    Args:
        known: subjects that are taken without looking: those of the rule before (an account may have gone since), and
            the caller.

    Raises:
        InvalidRequest: a subject is not there, or nobody could ever lift the rule again.
    """
    named = _found(session, tenant_id, (*given.allow, *given.deny), known)
    deny = frozenset(named[item] for item in given.deny)
    if EVERYONE in deny:
        raise InvalidRequest(
            detail="access.deny: everyone would lock it for good; delete it instead",
            detail_ko="access.deny: 모두를 거부하면 영영 잠깁니다. 대신 삭제하세요",
        )
    return AccessRule(frozenset(named[item] for item in given.allow), deny, given.label)


def resolved_one(session: Session, tenant_id: UUID, text: str) -> Subject:
    """The one subject that `text` names.

    Raises:
        InvalidRequest: it is not there.
    """
    return _found(session, tenant_id, (text,), frozenset())[text]


def _found(session: Session, tenant_id: UUID, texts: Iterable[str], known: frozenset[Subject]) -> Mapping[str, Subject]:
    read = {text: _Read.of(text) for text in texts}
    open_ones = {text: item for text, item in read.items() if item.subject is None or item.subject not in known}
    users = {item.value for item in open_ones.values() if item.kind is SubjectKind.USER}
    groups = {item.value for item in open_ones.values() if item.kind is SubjectKind.GROUP}
    by_name = subjects_table.accounts_named(session, tenant_id, {user_key(item) for item in users})
    by_group = subjects_table.groups_named(session, tenant_id, groups)
    user_ids = subjects_table.user_names(session, tenant_id, _ids(users), current=True)
    group_ids = subjects_table.group_names(session, tenant_id, _ids(groups))
    found: dict[str, Subject] = {}
    for text, item in read.items():
        if text not in open_ones or item.kind not in (SubjectKind.USER, SubjectKind.GROUP):
            found[text] = item.subject or Subject.parse(text)
            continue
        by, ids = (by_name, user_ids) if item.kind is SubjectKind.USER else (by_group, group_ids)
        value = user_key(item.value) if item.kind is SubjectKind.USER else item.value
        identity = item.identity if item.identity in ids else by.get(value)
        if identity is None:
            raise InvalidRequest(
                detail=f"access: there is no {item.kind.value} {item.value!r}",
                detail_ko=f"access: {item.kind.value} {item.value!r}이(가) 없습니다",
            )
        found[text] = Subject(item.kind, str(identity))
    return found


@dataclass(frozen=True, slots=True)
class _Read:
    """A subject as it was written. `subject`: where its text alone says which one it is."""

    kind: SubjectKind
    value: str
    subject: Subject | None

    @classmethod
    def of(cls, text: str) -> _Read:
        name, _, value = text.partition(":")
        if name in (SubjectKind.USER, SubjectKind.GROUP) and value.strip():
            kind, value = SubjectKind(name), value.strip()
            identity = id_of(value)
            return cls(kind, value, None if identity is None else Subject(kind, str(identity)))
        found = Subject.parse(text)
        return cls(found.kind, found.value, found)

    @property
    def identity(self) -> UUID | None:
        """The id, where it is one."""
        return id_of(self.value)


def _ids(values: Iterable[str]) -> list[UUID]:
    return [identity for identity in map(id_of, values) if identity is not None]


def shown_names(session: Session, tenant_id: UUID, subjects: Iterable[Subject]) -> dict[Subject, str]:
    """What people call these subjects; one that is gone is left out."""
    wanted = frozenset(subjects)
    users = {UUID(item.value) for item in wanted if item.kind is SubjectKind.USER}
    groups = {UUID(item.value) for item in wanted if item.kind is SubjectKind.GROUP}
    names = {Subject(SubjectKind.USER, str(key)): name for key, name in _users(session, tenant_id, users).items()}
    found = subjects_table.group_names(session, tenant_id, groups) if groups else {}
    names |= {Subject(SubjectKind.GROUP, str(key)): name for key, name in found.items()}
    return names


def _users(session: Session, tenant_id: UUID, ids: set[UUID]) -> dict[UUID, str]:
    return subjects_table.user_names(session, tenant_id, ids, current=False) if ids else {}
