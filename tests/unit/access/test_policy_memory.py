"""What the policy remembers of rules: their texts are read once, and what was forgotten is read again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from rag.access import policy as policy_module
from rag.access.policy import Action, Policy
from rag.domain.access import AccessRule, Label, Role, group
from rag.domain.principal import Principal, PrincipalKind, Scope
from rag.store import access_rule
from rag.store.collection import Collection
from rag.store.session import Database
from tests.support.stores import add_collection, add_document

TEAMS = tuple(UUID(int=number) for number in (1, 2, 3))


@contextmanager
def texts_read(database: Database) -> Iterator[list[int]]:
    """How many texts of rules each statement asks for."""
    asked: list[int] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if "access_rule.rule" in statement.partition("FROM")[0]:
            asked.append(len(parameters) - 1)  # one is the tenant

    event.listen(database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(database.engine, "before_cursor_execute", note)


def ruled(database: Database) -> tuple[Collection, list[UUID]]:
    collection = add_collection(database)
    for team in TEAMS[:2]:
        give(database, collection, team)
    return collection, list(TEAMS)


def give(database: Database, collection: Collection, team: UUID) -> None:
    with database.write() as session:
        row = add_document(session, collection, f"{team}.docx")
        access_rule.set_own_rule(session, row, AccessRule(frozenset({group(team)})))


def member(collection: Collection, *teams: UUID) -> Principal:
    return Principal(
        UUID(int=9),
        "김",
        collection.tenant_id,
        frozenset({Scope.READ}),
        kind=PrincipalKind.USER,
        role=Role.VIEWER,
        groups=frozenset(teams),
    )


def test_only_texts_of_rules_that_are_new_are_read(sqlite: Database) -> None:
    collection, teams = ruled(sqlite)
    policy = Policy(sqlite)
    with texts_read(sqlite) as asked:
        assert len(policy.authorize(member(collection, teams[0]), Action.SEARCH).rule_ids) == 1
        assert len(policy.authorize(member(collection, *teams), Action.SEARCH).rule_ids) == 2
        assert policy.authorize(member(collection), Action.SEARCH).rule_ids == frozenset()
        assert asked == [2]
        give(sqlite, collection, teams[2])
        asked.clear()
        assert len(policy.authorize(member(collection, *teams), Action.SEARCH).rule_ids) == 3
        assert asked == [1]


def test_what_was_forgotten_is_read_again(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_module, "_REMEMBERED_RULES", 1)
    collection, teams = ruled(sqlite)
    policy = Policy(sqlite)
    with texts_read(sqlite) as asked:
        for _ in range(2):
            assert len(policy.authorize(member(collection, *teams), Action.SEARCH).rule_ids) == 2
        assert asked == [2, 1]


def test_the_rule_of_a_collection_is_parsed_once_and_a_new_one_counts_at_once(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    before = policy_module._parsed
    monkeypatch.setattr(policy_module, "_parsed", lambda text: parsed.append(text) or before(text))
    collection = add_collection(sqlite)
    with sqlite.write() as session:
        session.get_one(Collection, collection.id).access = AccessRule(label=Label.SENSITIVE).to_json()
    policy, person = Policy(sqlite), member(collection)
    assert [len(policy.authorize(person, Action.SEARCH).collections) for _ in range(3)] == [0, 0, 0]
    assert len(parsed) == 1
    with sqlite.write() as session:
        session.get_one(Collection, collection.id).access = AccessRule(deny=frozenset({group(TEAMS[0])})).to_json()
    assert policy.authorize(person, Action.SEARCH).collections == {collection.id}
    assert len(parsed) == 2
