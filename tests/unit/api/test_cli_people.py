"""`seogo accounts`, `groups`, `grants` and `keys`: the first administrator, and who is called what."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from rag.access.identities import Identities, Presented
from rag.access.keys import Keys
from rag.access.policy import Action, Policy
from rag.domain.access import Label, Role
from rag.domain.audit import INSTALLATION, AuditKind
from rag.domain.errors import NotAuthenticated
from rag.store import audit_event
from rag.store.audit_event import AuditRow, Wanted
from rag.store.session import Database
from rag.store.tenant import tenant_id_of
from tests.support.stores import add_collection


class Operator:
    """Whoever sits at the command line of a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints; it has to end with `code`."""
        done = CliRunner().invoke(app, ["--data-dir", str(self.folder), *words], env={"SEOGO_LANG": "ko"})
        assert done.exit_code == code, done.output
        return done.stdout.strip() if code == 0 else done.output


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def test_the_first_administrator_is_made_here(operator: Operator) -> None:
    kim = operator.run(
        "accounts", "create", "김민지", "--admin", "-a", "dept=인사", "-a", "dept=노무", "--clearance", "S"
    )
    operator.run("accounts", "create", "봇", "--service", "--name", "배치")
    secret = operator.run("keys", "create", "개인", "--owner", "김민지", "--scope", "admin", "--clearance", "C")
    [database] = (Database(f"sqlite:///{path}") for path in operator.folder.glob("seogo.sqlite"))
    try:
        keys = Keys(database)
        found = Identities(database, keys).resolve(Presented(secret.splitlines()[-1]))
        assert (str(found.id), found.role, found.clearance) == (kim, Role.ADMIN, Label.SENSITIVE)
        assert found.attributes == {("dept", "인사"), ("dept", "노무")}
        Policy(database).require(found, Action.MANAGE_PEOPLE)
        prefix = keys.list()[0].prefix
        rotated = operator.run("keys", "rotate", prefix, "--grace", "1")
        assert keys.authenticate(rotated.splitlines()[-1]) == keys.authenticate(secret.splitlines()[-1])
        refused = operator.run("accounts", "suspend", "김민지", code=1)
        assert "last_administrator" in refused
        operator.run("grants", "add", "user:봇", "admin")
        operator.run("accounts", "suspend", "김민지")
        with pytest.raises(NotAuthenticated):
            keys.authenticate(secret.splitlines()[-1])
        listed = json.loads(operator.run("accounts", "list", "--json"))
        assert [(item["user_name"], item["kind"], item["display_name"]) for item in listed] == [
            ("김민지", "user", ""),
            ("봇", "service", "배치"),
        ]
    finally:
        database.close()


def test_nothing_is_done_whose_record_could_not_be_sealed(operator: Operator) -> None:
    operator.run("accounts", "create", "김민지")
    key = operator.folder / "audit-seal.key"
    key.chmod(0o644)  # as after a careless restore
    for words in (
        ("accounts", "create", "이서연", "--admin"),
        ("accounts", "suspend", "김민지"),
        ("keys", "create", "열쇠", "--scope", "admin"),
        ("grants", "add", "user:김민지", "admin"),
    ):
        assert "audit-seal.key" in operator.run(*words, code=1)
    key.chmod(0o600)
    assert [
        (item["user_name"], item["suspended_at"]) for item in json.loads(operator.run("accounts", "list", "--json"))
    ] == [("김민지", None)]
    assert json.loads(operator.run("grants", "list", "--json")) == []
    database = Database(f"sqlite:///{operator.folder / 'seogo.sqlite'}")
    try:
        assert Keys(database).list() == []
    finally:
        database.close()


def test_the_first_administrator_and_a_clearance_are_on_the_trail(operator: Operator) -> None:
    kim = operator.run("accounts", "create", "김민지", "--admin")
    operator.run("accounts", "set", "김민지", "--clearance", "S")
    told = [(row.kind, row.detail) for row in trail_of(operator, tenant_id_of("default"))]
    assert told == [
        (AuditKind.ACCOUNT_CREATED, {"account": kim, "admin": True}),
        (AuditKind.ROLE_GRANTED, {"subject": f"user:{kim}", "role": "admin"}),
        (AuditKind.ACCOUNT_CHANGED, {"account": kim}),
        (AuditKind.CLEARANCE_CHANGED, {"account": kim, "after": "S"}),
    ]


def test_the_first_key_and_keys_at_rest_are_on_the_trail(operator: Operator, tmp_path: Path) -> None:
    _prepare_store(operator)
    [row] = trail_of(operator, tenant_id_of("default"))
    assert (row.kind, row.what, row.surface) == ("credential.created", "seogo serve --init", "cli")
    kek, config = tmp_path / "kek", tmp_path / "seogo.yaml"
    operator.run("keys-at-rest", "new", str(kek))
    config.write_text(f"rag:\n  encryption: {{key_files: [{kek}]}}\n", encoding="utf-8")
    for command in ("encrypt", "rotate"):
        operator.run("--config", str(config), "keys-at-rest", command)
    told = [(row.kind, row.what, row.detail["blobs"]) for row in trail_of(operator, INSTALLATION)]
    assert told == [("setting.changed", f"seogo keys-at-rest {command}", 0) for command in ("encrypt", "rotate")]


def _prepare_store(operator: Operator) -> None:
    from api.cli.options import Options
    from api.cli.serving import make_first_key

    make_first_key(Options(None, operator.folder).settings())


def trail_of(operator: Operator, tenant_id: UUID) -> list[AuditRow]:
    database = Database(f"sqlite:///{operator.folder / 'seogo.sqlite'}")
    try:
        with database.read() as session:
            return list(audit_event.oldest(session, tenant_id, Wanted()))
    finally:
        database.close()


def test_groups_and_roles_by_their_names(operator: Operator) -> None:
    operator.run("accounts", "create", "Kim")
    for name in ("인사팀", "본부"):
        operator.run("groups", "create", name)
    operator.run("groups", "add", "본부", "group:인사팀")
    operator.run("groups", "add", "인사팀", "user:KIM")
    assert operator.run("groups", "members", "본부") == "group:인사팀"
    assert operator.run("groups", "members", "인사팀") == "user:Kim"
    database = Database(f"sqlite:///{operator.folder / 'seogo.sqlite'}")
    try:
        collection = add_collection(database, "규정")
    finally:
        database.close()
    given = operator.run("grants", "add", "group:본부", "curator", "-c", "규정")
    shown = json.loads(operator.run("grants", "list", "--json"))
    assert [(item["id"], item["collection_id"], item["granted_by"]) for item in shown] == [
        (given, str(collection.id), None)
    ]
    assert "group:본부" in operator.run("grants", "list")
    shown_kim = json.loads(operator.run("accounts", "show", "kim"))
    assert [item["name"] for item in shown_kim["groups"]] == ["본부", "인사팀"] and shown_kim["grants"] == []
    operator.run("groups", "remove", "인사팀", "user:Kim")
    assert operator.run("groups", "members", "인사팀") == ""
    operator.run("grants", "remove", given)
    assert json.loads(operator.run("grants", "list", "--json")) == []


WRONG = (
    (("accounts", "show", "없는사람"), "account_not_found"),
    (("groups", "members", "없는팀"), "group_not_found"),
    (("grants", "remove", "x"), "grant_not_found"),
    (("grants", "add", "user:없는사람", "viewer"), "account_not_found"),
    (("grants", "add", "everyone", "king"), "invalid_request"),
    (("accounts", "create", "김", "--clearance", "X"), "invalid_request"),
    (("accounts", "create", "김", "-a", "dept"), "invalid_request"),
    (("keys", "create", "x", "--owner", "없는사람"), "account_not_found"),
    (("keys", "create", "Eve\x1b[2J"), "invalid_request"),
    (("keys", "create", "Eve\u202e"), "invalid_request"),
    (("keys", "create", " "), "invalid_request"),
    (("keys", "create", "가" * 201), "invalid_request"),
)


def test_what_is_not_there_is_said_in_a_sentence(operator: Operator) -> None:
    for words, says in WRONG:
        assert says in operator.run(*words, code=1), words
    assert "36525" in operator.run("keys", "create", "x", "--days", "99999999999", code=2)
    assert json.loads(operator.run("keys", "list", "--json")) == {"keys": []}
