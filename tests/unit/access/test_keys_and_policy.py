from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from rag.access.keys import Keys
from rag.access.operator import LocalOperator
from rag.access.policy import Action, Policy
from rag.domain.access import AccessRule, Label, Role
from rag.domain.errors import CollectionNotFound, NotAuthenticated, NotPermitted
from rag.domain.principal import CitationStyle, Principal, PrincipalKind, Scope
from rag.store import api_key
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.session import Database
from tests.support.stores import add_collection

READ = {action for action in Action if action.label in {
    "list_collections", "read_collection", "read_glossary", "read_documents", "read_cited", "search", "ask", "list_models",
    "read_code", "use_models", "read_generations", "give_feedback",
    "read_own_identity", "issue_widget_tokens"}}  # fmt: skip
WRITE = READ | {
    Action.CHANGE_GLOSSARY,
    Action.UPLOAD_DOCUMENTS,
    Action.CHANGE_DOCUMENTS,
    Action.DELETE_DOCUMENTS,
    Action.READ_RECEIPTS,
    Action.SYNC_SOURCES,
    Action.CONTROL_INGESTION,
    Action.WRITE_PROGRAMS,
    Action.MANAGE_ACCESS,
    Action.REVIEW_DOCUMENTS,
    Action.MANAGE_OWN_KEYS,
}


def principal(
    database: Database, *scopes: Scope, tenant: str = "은행", collections: list[UUID] | None = None
) -> Principal:
    keys = Keys(database)
    secret, _ = keys.create(tenant, "시험", scopes, collections)
    return keys.authenticate(secret)


def test_a_key_opens_what_it_was_made_for(database: Database) -> None:
    keys, only = Keys(database), uuid4()
    secret, row = keys.create("은행", "포털 키", [Scope.WRITE, Scope.READ], [only], utc_now() + timedelta(hours=1))
    found = keys.authenticate(secret)
    assert (found.id, found.name, found.tenant_id) == (row.id, "포털 키", row.tenant_id)
    assert found.scopes == {Scope.READ, Scope.WRITE}
    assert found.collections == frozenset([only])
    assert found.citation_style is CitationStyle.ANNOTATIONS
    secret, _ = keys.create("은행", "Open WebUI", [Scope.READ], citation_style=CitationStyle.OPEN_WEBUI)
    assert keys.authenticate(secret).citation_style is CitationStyle.OPEN_WEBUI


def test_a_secret_has_256_bits_that_are_never_repeated(sqlite: Database) -> None:
    secrets = [Keys(sqlite).create("은행", "키", [Scope.READ])[0].split("_", 2)[2] for _ in range(5)]
    assert len(set(secrets)) == 5
    assert all(len(base64.urlsafe_b64decode(secret + "=")) >= 32 for secret in secrets)


def test_only_the_hash_is_stored(sqlite: Database, tmp_path: Path) -> None:
    secret, row = Keys(sqlite).create("은행", "키", [Scope.READ])
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert row.prefix.encode() in files, "the search below would find nothing in any case"
    assert secret.encode() not in files
    assert secret.split("_", 2)[2].encode() not in files
    assert row.secret_hash == hashlib.sha256(secret.encode()).digest()
    assert row.prefix == secret[: len(row.prefix)]


BAD: dict[str, Callable[[str], str]] = {
    "cut": lambda secret: secret[:-1],
    "longer": lambda secret: secret + "x",
    "another case": str.swapcase,
    "prefix only": lambda secret: "_".join(secret.split("_")[:2]),
    "prefix and mark": lambda secret: "_".join(secret.split("_")[:2]) + "_",
    "blank before": lambda secret: " " + secret,
    "wrong body": lambda secret: "_".join([*secret.split("_")[:2], "A" * 43]),
    "empty": lambda _: "",
    "garbage": lambda _: "_'; DROP TABLE api_key; --",
    "Korean": lambda _: "열쇠_가나다_라마바",
    "emoji": lambda secret: secret[:17] + "🔑" * 20,
    "very long": lambda secret: secret + "x" * 1_000_000,
    "very long prefix": lambda _: "sgk_" + "x" * 1_000_000 + "_y",
    "NUL": lambda _: "sgk_\x00_x",
    "half a character": lambda secret: secret + "\ud800",
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_key_is_refused(database: Database, name: str) -> None:
    keys = Keys(database)
    secret, _ = keys.create("은행", "키", [Scope.ADMIN])
    spoiled = BAD[name](secret)
    with pytest.raises(NotAuthenticated) as refusal:
        keys.authenticate(spoiled)
    assert refusal.value.params == {}, "the caller must not learn why"
    assert keys.authenticate(secret)


def test_the_secret_of_one_key_does_not_open_another(sqlite: Database) -> None:
    keys = Keys(sqlite)
    (first, _), (second, _) = (keys.create("은행", name, [Scope.READ]) for name in "가나")
    with pytest.raises(NotAuthenticated):
        keys.authenticate("_".join([*first.split("_")[:2], second.split("_", 2)[2]]))


def test_an_expired_key_is_refused(database: Database) -> None:
    keys = Keys(database)
    expired, _ = keys.create("은행", "지난 키", [Scope.READ], expires_at=utc_now() - timedelta(seconds=1))
    valid, _ = keys.create("은행", "오늘 키", [Scope.READ], expires_at=utc_now() + timedelta(minutes=1))
    with pytest.raises(NotAuthenticated):
        keys.authenticate(expired)
    assert keys.authenticate(valid).name == "오늘 키"


def test_a_revoked_key_is_refused_from_the_next_request_on(database: Database) -> None:
    keys = Keys(database)
    secret, row = keys.create("은행", "키", [Scope.ADMIN])
    assert keys.any_admin()
    assert keys.authenticate(secret).id == row.id
    assert keys.revoke(row.prefix)
    assert not keys.revoke(row.prefix)
    assert not keys.any_admin()
    with pytest.raises(NotAuthenticated):
        keys.authenticate(secret)


def test_a_job_finds_the_key_as_it_is_now(database: Database) -> None:
    keys, only = Keys(database), uuid4()
    secret, row = keys.create("은행", "작업 키", [Scope.WRITE], [only], utc_now() + timedelta(hours=1))
    assert keys.current(row.id) == keys.authenticate(secret)
    assert keys.revoke(row.prefix)
    _, old = keys.create("은행", "지난 키", [Scope.WRITE], None, utc_now() - timedelta(seconds=1))
    for key_id in (row.id, old.id, uuid4()):
        with pytest.raises(NotAuthenticated):
            keys.current(key_id)


def test_revoking_what_is_not_there_changes_nothing(sqlite: Database) -> None:
    assert not Keys(sqlite).revoke("sgk_000000000000")


def test_the_list_shows_keys_of_all_tenants_and_when_they_were_used(sqlite: Database) -> None:
    keys = Keys(sqlite)
    used, _ = keys.create("은행", "쓴 키", [Scope.READ])
    keys.create("병원", "새 키", [Scope.READ])
    keys.authenticate(used)
    assert [(row.name, row.last_used_at is not None) for row in keys.list()] == [("쓴 키", True), ("새 키", False)]
    with sqlite.read() as session:
        assert [row.name for row in api_key.list_keys(session, keys.list()[1].tenant_id)] == ["새 키"]


def test_use_is_noted_once_a_minute_only(sqlite: Database) -> None:
    keys = Keys(sqlite)
    secret, _ = keys.create("은행", "키", [Scope.READ])
    keys.authenticate(secret)
    [first] = keys.list()
    keys.authenticate(secret)
    assert keys.list()[0].last_used_at == first.last_used_at


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        ([], set()),
        ([Scope.READ], READ),
        ([Scope.WRITE], WRITE),
        ([Scope.ADMIN], set(Action) - {Action.MANAGE_SPACES}),
        ([Scope.ADMIN, Scope.OPERATOR], set(Action)),
        ([Scope.READ, Scope.WRITE], WRITE),
    ],
)
def test_a_scope_implies_the_narrower_ones_and_no_wider_one(
    sqlite: Database, scopes: list[Scope], may: set[Action]
) -> None:
    caller, policy = principal(sqlite, *scopes), Policy(sqlite)
    allowed = set()
    for action in Action:
        try:
            policy.require(caller, action)
            policy.authorize(caller, action)
        except NotPermitted:
            continue
        allowed.add(action)
    assert allowed == may


def test_a_permit_covers_the_tenants_collections_and_says_whose_it_is(database: Database) -> None:
    rules, contracts = (add_collection(database, name, "은행") for name in ("규정", "계약서"))
    add_collection(database, "진료 기록", "병원")
    caller, policy, moment = principal(database, Scope.READ), Policy(database), utc_now()
    permit = policy.authorize(caller, Action.SEARCH, as_of=moment)
    assert permit.collections == {rules.id, contracts.id}
    assert (permit.principal, permit.as_of) == (caller, moment)
    for wanted in ("규정", str(rules.id)):
        assert policy.authorize(caller, Action.SEARCH, [wanted]).collections == {rules.id}
    assert policy.authorize(caller, Action.SEARCH, ["규정", "계약서", "규정"]).collections == {rules.id, contracts.id}


def test_a_name_is_met_in_either_form_and_the_very_same_first(sqlite: Database) -> None:
    name, apart = "규정", unicodedata.normalize("NFD", "규정")
    plain = add_collection(sqlite, name, "은행")
    policy, caller = Policy(sqlite), principal(sqlite, Scope.READ)
    assert policy.authorize(caller, Action.SEARCH, [apart]).collections == {plain.id}
    before = add_collection(sqlite, apart, "은행")
    assert policy.authorize(caller, Action.SEARCH, [apart]).collections == {before.id}
    assert policy.authorize(caller, Action.SEARCH, [name]).collections == {plain.id}


def test_no_collections_asked_for_means_none(sqlite: Database) -> None:
    add_collection(sqlite, "규정", "은행")
    assert Policy(sqlite).authorize(principal(sqlite, Scope.READ), Action.SEARCH, []).collections == frozenset()


def refusal(database: Database, caller: Principal, wanted: list[str]) -> CollectionNotFound:
    with pytest.raises(CollectionNotFound) as caught:
        Policy(database).authorize(caller, Action.SEARCH, wanted)
    return caught.value


@pytest.mark.parametrize("named", [lambda row: row.name, lambda row: str(row.id)], ids=["name", "id"])
def test_another_tenants_collection_is_unknown(database: Database, named: Callable[[Collection], str]) -> None:
    own = add_collection(database, "규정", "은행")
    foreign = add_collection(database, "진료 기록", "병원")
    caller = principal(database, Scope.ADMIN)
    found, unknown = (
        refusal(database, caller, [own.name, named(foreign)]),
        refusal(database, caller, [own.name, "없음"]),
    )
    assert str(found) == str(unknown).replace("없음", named(foreign))
    assert found.params == {"name": named(foreign)}


def test_the_same_name_in_two_tenants_is_two_collections(sqlite: Database) -> None:
    bank, hospital = (add_collection(sqlite, "규정", tenant) for tenant in ("은행", "병원"))
    policy = Policy(sqlite)
    assert policy.authorize(principal(sqlite, Scope.READ), Action.ASK, ["규정"]).collections == {bank.id}
    doctor = principal(sqlite, Scope.READ, tenant="병원")
    assert policy.authorize(doctor, Action.ASK, ["규정"]).collections == {hospital.id}


def test_a_limited_key_sees_its_collections_only(sqlite: Database) -> None:
    rules, contracts = (add_collection(sqlite, name, "은행") for name in ("규정", "계약서"))
    foreign = add_collection(sqlite, "진료 기록", "병원")
    caller = principal(sqlite, Scope.ADMIN, collections=[rules.id, foreign.id, uuid4()])
    assert Policy(sqlite).authorize(caller, Action.SEARCH).collections == {rules.id}
    for wanted in (contracts.name, str(contracts.id), foreign.name):
        assert refusal(sqlite, caller, [wanted]).params == {"name": wanted}


def test_a_key_limited_to_nothing_sees_nothing(sqlite: Database) -> None:
    add_collection(sqlite, "규정", "은행")
    caller = principal(sqlite, Scope.ADMIN, collections=[])
    assert Policy(sqlite).authorize(caller, Action.SEARCH).collections == frozenset()


def test_a_new_collection_counts_from_the_next_request(sqlite: Database) -> None:
    caller, policy = principal(sqlite, Scope.READ), Policy(sqlite)
    assert policy.authorize(caller, Action.SEARCH).collections == frozenset()
    added = add_collection(sqlite, "규정", "은행")
    assert policy.authorize(caller, Action.SEARCH).collections == {added.id}


def test_the_local_operator_is_whoever_holds_its_token(sqlite: Database) -> None:
    operator, other = LocalOperator(sqlite), LocalOperator(sqlite)
    assert operator.principal_of(operator.token).scopes == {Scope.ADMIN, Scope.OPERATOR}  # type: ignore[union-attr]
    for wrong in ("", other.token, operator.token[:-1], operator.token + "x", "열쇠"):
        assert operator.principal_of(wrong) is None


def test_a_role_counts_where_it_was_granted(sqlite: Database) -> None:
    tenant = principal(sqlite, Scope.ADMIN).tenant_id
    with sqlite.write() as session:
        rows = [Collection(id=uuid4(), tenant_id=tenant, name=name, kind="documents") for name in ("인사", "총무")]
        session.add_all(rows)
    staff, office = (row.id for row in rows)
    grants = ((staff, Role.CURATOR), (office, Role.VIEWER))
    everything = frozenset({Scope.ADMIN})
    person = Principal(uuid4(), "김", tenant, everything, kind=PrincipalKind.USER, grants=grants)
    policy = Policy(sqlite)
    assert policy.authorize(person, Action.SEARCH).collections == {staff, office}
    assert policy.authorize(person, Action.UPLOAD_DOCUMENTS).collections == {staff}
    assert policy.authorize(person, Action.MANAGE_ACCESS).collections == {staff}
    assert policy.authorize(person, Action.CHANGE_COLLECTION).collections == frozenset()
    for action in (Action.CREATE_COLLECTION, Action.MANAGE_PEOPLE, Action.READ_AUDIT):
        with pytest.raises(NotPermitted):
            policy.require(person, action)
    stranger = Principal(uuid4(), "이", tenant, everything, kind=PrincipalKind.USER)
    assert policy.authorize(stranger, Action.SEARCH).collections == frozenset()
    policy.require(person, Action.USE_MODELS)
    elsewhere = Principal(
        uuid4(), "박", tenant, everything, frozenset({uuid4()}), kind=PrincipalKind.USER, grants=grants
    )
    for nobody in (stranger, elsewhere):  # a model reads no collection, and is for those who have a role all the same
        with pytest.raises(NotPermitted):
            policy.require(nobody, Action.USE_MODELS)


def test_the_rule_of_a_collection_closes_it_for_everything(sqlite: Database) -> None:
    tenant = principal(sqlite, Scope.ADMIN).tenant_id
    rule = AccessRule(label=Label.SENSITIVE)
    with sqlite.write() as session:
        row = Collection(id=uuid4(), tenant_id=tenant, name="감사", kind="documents", access=rule.to_json())
        session.add(row)
    policy = Policy(sqlite)
    for clearance, held in ((Label.OPEN, frozenset()), (Label.SENSITIVE, {row.id}), (Label.CONFIDENTIAL, {row.id})):
        person = Principal(
            uuid4(),
            "박",
            tenant,
            frozenset({Scope.ADMIN}),
            kind=PrincipalKind.USER,
            role=Role.ADMIN,
            clearance=clearance,
        )
        assert policy.authorize(person, Action.SEARCH).collections == held
