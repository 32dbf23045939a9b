"""Rules of documents on record: what lies inside follows, and what nobody has goes."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from rag.access.policy import Action, Policy
from rag.domain.access import AccessRule, EffectiveRule, Label, group, user
from rag.domain.errors import AccessSettling, TooManyRules
from rag.domain.principal import Principal, Scope
from rag.store import access_rule
from rag.store.access_rule import AccessRuleRow
from rag.store.base import utc_now
from rag.store.document import Document, get_permitted
from rag.store.session import Database
from tests.support.stores import add_collection


def add_document(
    database: Database, collection_id: UUID, tenant_id: UUID, key: str, inside: UUID | None = None
) -> UUID:
    with database.write() as session:
        row = Document(
            id=uuid4(), tenant_id=tenant_id, collection_id=collection_id, source_key=key, parent_document_id=inside
        )
        session.add(row)
    return row.id


def give(database: Database, document_id: UUID, rule: AccessRule) -> list[UUID]:
    with database.write() as session:
        return access_rule.set_own_rule(session, session.get_one(Document, document_id), rule)


def test_what_lies_inside_follows_and_every_level_counts(database: Database) -> None:
    collection = add_collection(database)
    mail = add_document(database, collection.id, collection.tenant_id, "메일.eml")
    archive = add_document(database, collection.id, collection.tenant_id, "메일.eml!/자료.zip", mail)
    sheet = add_document(database, collection.id, collection.tenant_id, "메일.eml!/자료.zip!/급여.xlsx", archive)
    other = add_document(database, collection.id, collection.tenant_id, "공지.md")
    staff, chief = group(uuid4()), user(uuid4())
    outer, inner = AccessRule(frozenset({staff})), AccessRule(deny=frozenset({chief}), label=Label.SENSITIVE)
    assert give(database, mail, outer) == [mail, archive, sheet]
    assert give(database, sheet, inner) == [sheet]
    with database.read() as session:
        rows = {row.id: row for row in session.scalars(select(Document))}
        rules = {row.id: EffectiveRule.parse(row.rule) for row in session.scalars(select(AccessRuleRow))}
    assert rows[mail].access_rule_id == rows[archive].access_rule_id != rows[sheet].access_rule_id
    assert rows[other].access_rule_id is None and not rows[other].access_pending
    assert rules[rows[sheet].access_rule_id].levels == (outer, inner)
    assert all(rows[item].access_pending and rows[item].labels_pending for item in (mail, archive, sheet))
    assert give(database, mail, outer) == []
    assert give(database, mail, AccessRule()) == [mail, archive, sheet]


def test_a_permit_passes_the_rules_that_let_its_principal_pass(database: Database) -> None:
    collection = add_collection(database)
    document = add_document(database, collection.id, collection.tenant_id, "a.md")
    mine = Principal(uuid4(), "나", collection.tenant_id, frozenset({Scope.READ}))
    give(database, document, AccessRule(frozenset({user(mine.id)})))
    other = Principal(uuid4(), "남", collection.tenant_id, frozenset({Scope.READ}))
    policy = Policy(database)
    with database.read() as session:
        assert get_permitted(session, policy.authorize(mine, Action.READ_DOCUMENTS), document).id == document
        assert policy.authorize(other, Action.READ_DOCUMENTS).rules == frozenset()
        before = policy.authorize(mine, Action.READ_DOCUMENTS)
    give(database, document, AccessRule(frozenset({user(other.id)})))
    with database.read() as session:
        # what was permitted before the change is not now, without a new permit
        for permit in (before, policy.authorize(mine, Action.READ_DOCUMENTS)):
            with pytest.raises(Exception, match="document"):
                get_permitted(session, permit, document)


def test_documents_on_their_way_are_left_out_of_searches(database: Database) -> None:
    collection = add_collection(database)
    document = add_document(database, collection.id, collection.tenant_id, "a.md")
    reader = Principal(uuid4(), "나", collection.tenant_id, frozenset({Scope.READ}))
    give(database, document, AccessRule(frozenset({user(reader.id)})))
    permit = Policy(database).authorize(reader, Action.SEARCH)
    with database.read() as session:
        assert access_rule.pending(session, permit) == {document}
        assert access_rule.pending(session, permit.narrowed([])) == frozenset()


def test_of_more_than_a_search_can_leave_out_those_stay_that_may_be_read_and_with_more_it_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_rule, "MAX_PENDING", 2)
    collection = add_collection(database)
    documents = [add_document(database, collection.id, collection.tenant_id, f"{item}.md") for item in "가나다라"]
    reader = Principal(uuid4(), "나", collection.tenant_id, frozenset({Scope.READ}))
    give(database, documents[0], AccessRule(frozenset({user(reader.id)})))
    for item in documents[1:3]:
        give(database, item, AccessRule(frozenset({user(uuid4())})))
    policy = Policy(database)
    with database.read() as session:
        assert access_rule.pending(session, policy.authorize(reader, Action.SEARCH)) == {*documents[1:3]}
    give(database, documents[3], AccessRule(frozenset({user(uuid4())})))
    with database.read() as session:
        permit = policy.authorize(reader, Action.SEARCH)
        with pytest.raises(AccessSettling):
            access_rule.pending(session, permit)
        assert access_rule.pending(session, permit.narrowed([])) == frozenset()


def test_rules_that_nobody_has_go_after_a_while(database: Database) -> None:
    collection = add_collection(database)
    document = add_document(database, collection.id, collection.tenant_id, "a.md")
    for number in range(3):
        give(database, document, AccessRule(frozenset({group(UUID(int=number))})))
    with database.write() as session:
        assert access_rule.drop_unused(session, utc_now() - timedelta(days=1)) == 0
        assert access_rule.drop_unused(session, utc_now() + timedelta(days=1)) == 2
        [left] = session.scalars(select(AccessRuleRow.id))
        assert session.get_one(Document, document).access_rule_id == left


def test_a_collection_has_no_more_rules_than_a_search_can_tell(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_rule, "MAX_RULES", 2)
    collection = add_collection(database)
    document = add_document(database, collection.id, collection.tenant_id, "a.md")
    for number in range(2):
        give(database, document, AccessRule(frozenset({group(UUID(int=number))})))
    with pytest.raises(TooManyRules):
        give(database, document, AccessRule(frozenset({group(UUID(int=9))})))
