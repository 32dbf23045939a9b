"""What belongs to a person is that person's: answers and files, which no other user sees, whatever the scopes of the key."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from rag.access.policy import Action, Policy
from rag.domain.access import AccessRule, Label, Role
from rag.domain.errors import DocumentNotFound
from rag.domain.principal import Permit, Principal, PrincipalKind, Scope
from rag.store import access_rule, answer_record, client_file
from rag.store.answer_record import AnswerRecord, AnswerSource
from rag.store.base import utc_now
from rag.store.client_file import ClientFile, StoredFile
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database
from tests.support.stores import add_collection, add_document, add_version


def person(collection: Collection, role: Role, clearance: Label = Label.OPEN) -> Principal:
    scopes = frozenset({Scope.ADMIN})
    kind = PrincipalKind.USER
    return Principal(uuid4(), "김", collection.tenant_id, scopes, kind=kind, role=role, clearance=clearance)


def permit(database: Database, principal: Principal) -> Permit:
    return Policy(database).authorize(principal, Action.SEARCH)


def add_answer(database: Database, owner: Principal, document: Document | None = None) -> UUID:
    row = AnswerRecord(
        id=uuid4(),
        tenant_id=owner.tenant_id,
        principal_id=owner.id,
        surface="native",
        collections=[],
        language="ko",
        question="몇 일인가?",
        text="15일이다.",
        citations=[],
        notes=[],
        generator="extractive",
        timings_ms={},
        created_at=utc_now(),
    )
    with database.write() as session:
        session.add(row)
        session.flush()
        if document is not None:
            quoted = {"document_id": document.id, "collection_id": document.collection_id}
            session.add(AnswerSource(answer_id=row.id, version_id=uuid4(), **quoted))
    return row.id


def add_file(database: Database, owner: Principal) -> UUID:
    row = ClientFile(
        id=uuid4(),
        tenant_id=owner.tenant_id,
        owner_id=owner.id,
        filename="급여.xlsx",
        purpose="assistants",
        content_hash="0" * 64,
        size=1,
    )
    with database.write() as session:
        session.add(row)
    return row.id


def test_a_user_sees_its_own_answers_and_files_alone(database: Database) -> None:
    collection = add_collection(database)
    mine, other, admin = (person(collection, role) for role in (Role.VIEWER, Role.CURATOR, Role.ADMIN))
    answer, file = add_answer(database, mine), add_file(database, mine)
    with database.read() as session:
        for principal, sees in ((mine, True), (other, False), (admin, True)):
            held = permit(database, principal)
            assert (answer_record.of_caller(session, held, answer, None) is not None) is sees
            listed = client_file.page_permitted(session, held, after=None, limit=9, order="asc", purpose=None)
            assert [item.id for item in listed] == ([file] if sees else [])
            if not sees:
                with pytest.raises(DocumentNotFound):
                    client_file.get_permitted(session, held, file, "file-1")


def test_a_file_and_a_quote_are_as_restricted_as_their_document(database: Database) -> None:
    collection = add_collection(database)
    mine, admin = person(collection, Role.VIEWER), person(collection, Role.ADMIN)
    cleared = person(collection, Role.ADMIN, Label.SENSITIVE)
    with database.write() as session:
        document = add_document(session, collection)
        add_version(session, document, 1)
    answer, free, file = add_answer(database, mine, document), add_answer(database, mine), add_file(database, mine)
    with database.write() as session:
        link = {"file_id": file, "tenant_id": collection.tenant_id, "collection_id": collection.id}
        session.add(StoredFile(document_id=document.id, **link))
        row = session.get_one(Document, document.id)
        access_rule.set_own_rule(session, row, AccessRule(label=Label.SENSITIVE))
    with database.read() as session:
        for principal, sees in ((mine, False), (admin, False), (cleared, True)):
            held = permit(database, principal)
            files = client_file.page_permitted(session, held, after=None, limit=9, order="asc", purpose=None)
            assert [item.id for item in files] == ([file] if sees else [])
            hidden = answer_record.withheld(session, held, [answer, free])
            assert hidden == (frozenset() if sees else {answer})
    with database.write() as session:
        session.get_one(Collection, collection.id).deleted_at = utc_now()
    with database.read() as session:
        # Nobody's permit speaks of a deleted collection: what had a rule there stays closed.
        assert answer_record.withheld(session, permit(database, cleared), [answer, free]) == {answer}
