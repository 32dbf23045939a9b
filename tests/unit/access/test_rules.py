"""What rules may be set by whom, what a repository's paths hold back, and why somebody can read a document or can't."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from rag.access import path_rules, rules
from rag.access.explaining import Level, Why, decided, explain
from rag.access.keys import Keys
from rag.access.policy import Action, Policy
from rag.access.rules import PathDecision
from rag.domain.access import AccessRule, GivenRule, Label, Reader, Role, Subject, attribute, group, user
from rag.domain.errors import (
    DocumentNotFound,
    InvalidRequest,
    LabelAboveClearance,
    NotYoursToOpen,
    PathRuleKept,
    WouldLockOut,
)
from rag.domain.filters import DocumentFilter
from rag.domain.principal import Permit, Principal, PrincipalKind, Scope
from rag.store import access_rule
from rag.store.account import Account, AccountGroup, GroupMember
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.connector import ConnectorSource
from rag.store.document import Document
from rag.store.repository import Repository
from rag.store.role_grant import RoleGrant
from rag.store.session import Database
from rag.store.version import VersionState
from tests.support.stores import add_collection, add_version


@dataclass
class Bank:
    """A collection, its people and one document of each kind that matters here."""

    database: Database
    collection: Collection
    kim: UUID
    lee: UUID
    team: UUID

    def principal(self, who: UUID, role: Role, clearance: Label = Label.SENSITIVE) -> Principal:
        return Principal(
            who, "직원", self.collection.tenant_id, frozenset({Scope.ADMIN}), kind=PrincipalKind.USER, role=role,
            clearance=clearance, groups=frozenset({self.team}) if who == self.lee else frozenset(),
        )  # fmt: skip

    def permit(self, who: UUID, role: Role = Role.CURATOR, clearance: Label = Label.SENSITIVE) -> Permit:
        action = Action.UPLOAD_DOCUMENTS if role is Role.CONTRIBUTOR else Action.SEARCH
        return Policy(self.database).authorize(self.principal(who, role, clearance), action)

    def document(
        self, session: Session, key: str, owner: UUID | None = None, inside: UUID | None = None, *, known: bool = True
    ) -> Document:
        row = Document(
            id=uuid4(), tenant_id=self.collection.tenant_id, collection_id=self.collection.id, source_key=key,
            owner_id=owner, parent_document_id=inside,
        )  # fmt: skip
        session.add(row)
        session.flush()
        if known:
            add_version(session, row, 1, VersionState.ACTIVE)
        return row

    def repository(self, *paths: tuple[str, GivenRule], owner: UUID | None = None) -> Repository:
        options = {"path_rules": [{"paths": pattern, "access": rule.to_json()} for pattern, rule in paths]}
        return Repository(
            id=uuid4(), tenant_id=self.collection.tenant_id, collection_id=self.collection.id, name="pay", url="/srv/pay",
            options=options, owner_id=owner,
        )  # fmt: skip


@pytest.fixture
def bank(sqlite: Database) -> Bank:
    collection = add_collection(sqlite, "규정", "은행")
    kim, lee, team = uuid4(), uuid4(), uuid4()
    with sqlite.write() as session:
        for who, name in ((kim, "kim"), (lee, "lee")):
            session.add(
                Account(
                    id=who, tenant_id=collection.tenant_id, kind="user", user_name=name, user_key=name, clearance="O"
                )
            )
        session.add(AccountGroup(id=team, tenant_id=collection.tenant_id, name="여신팀"))
        session.flush()
        session.add(GroupMember(group_id=team, member_id=lee))
    return Bank(sqlite, collection, kim, lee, team)


def test_a_curator_sets_rules_on_what_is_there_and_not_above_the_own_clearance(bank: Bank) -> None:
    permit = bank.permit(bank.kim)
    with bank.database.write() as session:
        row = bank.document(session, "규정.md", bank.lee)
        assert rules.set_by_curator(session, permit, row, GivenRule(("group:여신팀",))) == [row.id]
        own = AccessRule.from_json(row.own_rule)
        assert own.allow == {group(bank.team), user(bank.lee)}, "the owner stands on every list"
        with pytest.raises(DocumentNotFound):  # the permit is older than the rule
            rules.set_by_curator(session, permit, row, GivenRule())
    permit = bank.permit(bank.kim)
    with bank.database.write() as session:
        row = session.get_one(Document, row.id)
        with pytest.raises(LabelAboveClearance):
            rules.set_by_curator(session, permit, row, GivenRule(label=Label.CONFIDENTIAL))
        with pytest.raises(WouldLockOut):
            rules.set_by_curator(session, permit, row, GivenRule(deny=("user:kim",)))
        assert rules.set_by_curator(session, permit, row, GivenRule(deny=("user:kim",)), force=True)
        gone = bank.document(session, "지난.md")
        gone.deleted_at = utc_now()
        session.flush()
        with pytest.raises(DocumentNotFound):
            rules.set_by_curator(session, permit, gone, GivenRule())


def test_an_uploader_gives_a_rule_and_takes_back_nothing_that_closes(bank: Bank) -> None:
    permit = bank.permit(bank.lee, Role.CONTRIBUTOR)
    with bank.database.write() as session:
        fresh = bank.document(session, "새.md", bank.lee, known=False)
        assert rules.set_at_upload(session, permit, fresh, GivenRule(deny=("user:kim",))) == []
        assert AccessRule.from_json(fresh.own_rule).deny == {user(bank.kim)} and fresh.access_rule_id is not None
        plain = bank.document(session, "빈.md", bank.lee, known=False)
        assert rules.set_at_upload(session, permit, plain, GivenRule()) == [] and plain.own_rule is None
        with pytest.raises(WouldLockOut):
            rules.set_at_upload(session, permit, bank.document(session, "x.md", known=False), GivenRule(("user:kim",)))
        own = bank.document(session, "내것.md", bank.lee)
        assert rules.set_by_source(session, permit, own, GivenRule(deny=("user:kim",), label=Label.SENSITIVE)) == [
            own.id
        ]
    permit = bank.permit(bank.lee, Role.CONTRIBUTOR)
    with bank.database.write() as session:
        own = session.get_one(Document, own.id)
        for weaker in (GivenRule(label=Label.SENSITIVE), GivenRule(deny=("user:kim",))):
            with pytest.raises(NotYoursToOpen):
                rules.set_by_source(session, permit, own, weaker)
        assert rules.set_by_source(session, permit, own, GivenRule(deny=("user:kim",), label=Label.SENSITIVE)) == []
        with pytest.raises(NotYoursToOpen):
            rules.set_at_upload(
                session, permit, bank.document(session, "남.md", bank.kim), GivenRule(deny=("user:kim",))
            )
        own.deleted_at = utc_now()
        session.flush()
        with pytest.raises(DocumentNotFound):
            rules.set_by_source(session, permit, own, GivenRule())


def test_a_source_keeps_its_rule_unless_a_curator_changes_it(bank: Bank) -> None:
    source = ConnectorSource(
        id=uuid4(), tenant_id=bank.collection.tenant_id, collection_id=bank.collection.id, kind="folder", location="/a"
    )
    contributor = bank.permit(bank.lee, Role.CONTRIBUTOR)
    with bank.database.write() as session:
        rules.set_on_source(session, contributor, source, GivenRule())
        assert source.access is None
        rules.set_on_source(session, contributor, source, GivenRule(("group:여신팀",)))
        assert source.access is not None
        rules.set_on_source(session, contributor, source, GivenRule(("group:여신팀",)))
        with pytest.raises(NotYoursToOpen):
            rules.set_on_source(session, contributor, source, GivenRule())
        with pytest.raises(LabelAboveClearance):
            rules.set_on_source(session, contributor, source, GivenRule(label=Label.CONFIDENTIAL))
        rules.set_on_source(session, bank.permit(bank.kim), source, GivenRule())
        assert source.access is None


def test_the_rules_of_paths_stay_where_they_hold_their_giver_back(bank: Bank) -> None:
    row, permit = bank.repository(owner=bank.lee), bank.permit(bank.kim)
    closed = PathDecision("비밀/**", GivenRule(("user:lee",), ("user:kim",)))
    opened = PathDecision("공개/**", GivenRule())
    with bank.database.write() as session:
        rules.require_paths_decidable(session, permit, row, [closed], [opened, closed])
        for after in ([], [closed, opened], [opened]):
            with pytest.raises(PathRuleKept):
                rules.require_paths_decidable(session, permit, row, [closed], after)
        rules.require_paths_decidable(session, permit, row, [opened], [opened])
        rules.require_paths_decidable(session, permit, row, [], [PathDecision("a", GivenRule(("group:여신팀",)))])
        with pytest.raises(WouldLockOut):
            rules.require_paths_decidable(session, permit, row, [], [closed])
        with pytest.raises(LabelAboveClearance):
            secret = PathDecision("b", GivenRule(label=Label.CONFIDENTIAL))
            rules.require_paths_decidable(session, permit, row, [], [secret])
        with pytest.raises(InvalidRequest):
            rules.require_paths_decidable(session, permit, row, [], [PathDecision("c", GivenRule(("user:nobody",)))])


def test_a_path_is_told_to_whom_its_rule_lets_read(bank: Bank) -> None:
    viewer, member = (bank.permit(who, Role.VIEWER) for who in (bank.kim, bank.lee))
    row = bank.repository(
        ("**", GivenRule()),
        ("src/secret/**", GivenRule(("group:여신팀",))),
        ("src/gone/**", GivenRule(("user:former",))),
    )
    paths = ["README.md", "src/secret/a.py", "src/gone/b.py"]
    read = path_rules.PathRules.of(row.options)
    assert read.rule_of("src/secret/a.py") == GivenRule(("group:여신팀",)) and read.rule_of("x") == GivenRule()
    assert path_rules.PathRules.of({}).rule_of("x") is None
    with bank.database.write() as session:
        session.add(row)
        document = bank.document(session, "pay/src/open.py")
        hidden = bank.document(session, "pay/src/hidden.py")
        access_rule.set_own_rule(session, hidden, AccessRule(allow=frozenset({user(bank.lee)})))
        assert rules.path_readable(session, viewer, row, None)
        # Nobody of the readers is left: it holds back whoever does not curate.
        assert path_rules.ruled_out(session, viewer, row, paths) == {"src/secret/a.py", "src/gone/b.py"}
        assert path_rules.ruled_out(session, member, row, paths) == {"src/gone/b.py"}
        assert path_rules.ruled_out(session, bank.permit(bank.kim), row, paths) == frozenset()
        kept = path_rules.kept_from(session, viewer, row, [*paths, "src/open.py", "src/hidden.py"])
        assert kept == {"src/secret/a.py", "src/gone/b.py", "src/hidden.py"}
        assert set(path_rules.told_at(session, viewer, row, ["src/open.py", "src/hidden.py"])) == {"src/open.py"}
        # With an owner, whoever owns the repository is among the readers of what names readers.
        row.owner_id = bank.kim
        assert path_rules.ruled_out(session, viewer, row, paths) == frozenset()
        assert rules.set_by_repository(session, document, GivenRule(("group:여신팀",))) == [document.id]
        assert rules.set_by_repository(session, document, None) == [document.id] and document.own_rule is None
        owned = bank.document(session, "pay/own.py", bank.kim)
        assert rules.of_repository(session, owned, GivenRule(("user:lee",))).allow == {user(bank.lee), user(bank.kim)}
        collection = session.get_one(Collection, bank.collection.id)
        assert access_rule.ensured(session, collection, AccessRule()) is None
        closed = access_rule.ensured(session, collection, AccessRule(deny=frozenset({user(bank.kim)})))
        assert closed is not None and closed == access_rule.ensured(
            session, collection, AccessRule(deny=frozenset({user(bank.kim)}))
        )


def test_an_explanation_names_the_level_and_the_entry_that_decide(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(bank.database)
    _, key = keys.create("은행", "열쇠", [Scope.READ], [bank.collection.id])
    _, other = keys.create("다른 은행", "남의 열쇠", [Scope.READ])
    with bank.database.write() as session:
        mail = bank.document(session, "메일.eml")
        sheet = bank.document(session, "메일.eml!/급여.xlsx", inside=mail.id)
        access_rule.set_own_rule(session, mail, AccessRule(allow=frozenset({group(bank.team)})))
        access_rule.set_own_rule(session, sheet, AccessRule(deny=frozenset({user(bank.kim)})))
        collection = session.get_one(Collection, bank.collection.id)

        def asked(subject: str) -> tuple[bool, Level, Why, Subject | None]:
            found = explain(session, sheet, collection, subject)
            decision = found.decided_by
            return found.permitted, decision.level, decision.why, decision.entry

        assert asked("user:kim") == (False, Level.PERSON, Why.NO_ROLE, None)
        session.add(
            RoleGrant(id=uuid4(), tenant_id=collection.tenant_id, subject="everyone", role="viewer", collection_id=None)
        )
        session.flush()
        assert asked("user:kim") == (False, Level.CONTAINER, Why.NOT_LISTED, None)
        assert asked("user:lee") == (True, Level.CONTAINER, Why.LISTED, group(bank.team))
        assert asked(f"user:{key.id}") == (False, Level.CONTAINER, Why.NOT_LISTED, None)
        access_rule.set_own_rule(session, mail, AccessRule())
        assert asked("user:kim") == (False, Level.DOCUMENT, Why.DENIED, user(bank.kim))
        assert asked(f"user:{key.id}") == (True, Level.DOCUMENT, Why.NOT_RESTRICTED, None)
        session.get_one(Account, bank.lee).suspended_at = utc_now()
        assert asked("user:lee") == (False, Level.PERSON, Why.SUSPENDED, None)
        for nobody in ("group:여신팀", f"user:{other.id}", f"user:{uuid4()}", "everyone"):
            with pytest.raises(InvalidRequest):
                asked(nobody)
        # Who was looked up and belongs to another tenant, or is gone since, is nobody either.
        for gone in (other.id, uuid4()):
            monkeypatch.setattr("rag.access.explaining.resolved_one", lambda *_, who=gone: user(who))
            with pytest.raises(InvalidRequest, match="there is no such user"):
                asked("user:x")


SUBJECTS = [user(UUID(int=1)), group(UUID(int=2)), attribute("dept", "A"), Subject.parse("everyone")]
some = st.frozensets(st.sampled_from(SUBJECTS))
labels = st.sampled_from(list(Label))


@given(st.builds(AccessRule, some, some, labels), st.builds(Reader, some, labels, st.booleans()))
def test_an_explanation_says_what_the_rule_does(rule: AccessRule, reader: Reader) -> None:
    assert decided(Level.DOCUMENT, rule, reader).permits == rule.permits(reader)


def test_a_permit_only_ever_shrinks(bank: Bank) -> None:
    permit = bank.permit(bank.kim)
    assert permit.masked().raw is False and permit.masked().collections == permit.collections
    assert permit.narrowed([uuid4()]).collections == frozenset()
    assert permit.passing([]).rules == frozenset()
    named = permit.filtered(DocumentFilter(source_key="규정"))
    assert named.where is not None and named.where.source_key == "규정"
    with pytest.raises(ValueError, match="is limited already"):
        named.filtered(DocumentFilter(source_key="다른"))
