"""`seogo audit` on a store, in both languages, with exit codes that a script can go by."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from api.cli import auditing, doctor
from api.cli.main import app
from api.settings import Settings
from rag.access.audit import AuditTrail, open_seal_key
from rag.access.audit_anchors import Anchor, AnchorFile, Anchoring
from rag.access.audit_verification import Verification
from rag.domain.audit import INSTALLATION, AuditKind, Who
from rag.domain.errors import StoreUnavailable
from rag.settings import AuditSettings, RagSettings, StoreSettings
from rag.store import audit_event
from rag.store.audit_event import Wanted
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.tenant import tenant_id_of
from tests.support import command_line
from tests.support.audit import DAY, event
from tests.support.running import running, settings_for
from tests.support.stores import add_collection, add_document, migrated

Office = tuple[Path, UUID, UUID]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store with six entries of somebody's day."""
    path = tmp_path_factory.mktemp("store") / "seogo.sqlite"
    migrated(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def office(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A data folder with entries, its tenant and a document."""
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "seogo.sqlite").write_bytes(made.read_bytes())
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    collection = add_collection(database)
    with database.write() as session:
        document = add_document(session, collection, "=급여.xlsx")
    trail = AuditTrail(database, open_seal_key(RagSettings(data_dir=folder)))
    people = (Who(UUID(int=1), "김민준", "user"), Who(UUID(int=2), "Lee", "user"))
    for number in range(6):
        kind = AuditKind.SEARCHED if number % 2 else AuditKind.DOCUMENT_DOWNLOADED
        trail.record(
            event(kind, tenant_id=collection.tenant_id, who=people[number % 2], documents=(document.id,), at=DAY)
        )
    database.close()
    return folder, collection.tenant_id, document.id


def run(folder: Path, *arguments: str, language: str = "en") -> tuple[int, str, str]:
    environment = {"LC_ALL": "ko_KR.UTF-8" if language == "ko" else "en_US.UTF-8", "COLUMNS": "200"}
    found = CliRunner().invoke(app, ["--data-dir", str(folder), "audit", *arguments], env=environment)
    return found.exit_code, found.stdout, found.stderr


def kinds(folder: Path, tenant_id: UUID) -> list[str]:
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    with database.read() as session:
        found = [row.kind for row in audit_event.oldest(session, tenant_id, Wanted())]
    database.close()
    return found


def alter(folder: Path, *statements: str) -> None:
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    database.close()


def test_a_whole_trail_is_verified_and_that_is_on_it(office: Office) -> None:
    folder, tenant_id, _ = office
    code, out, _ = run(folder, "verify")
    assert code == 0
    assert "default: whole (6, " in out and "seal checked" in out and "nothing told to the outside" in out
    assert kinds(folder, tenant_id)[-1] == "audit.verified"
    code, out, _ = run(folder, "verify", "--tenant", "default", language="ko")
    assert (code, "온전합니다 (7" in out) == (0, True)
    code, out, _ = run(folder, "verify", "--json")
    [chain] = json.loads(out)["chains"]
    assert (code, chain["whole"], chain["tenant"], chain["entries"]) == (0, True, "default", 8)


def test_the_first_entry_that_does_not_hold_is_named(office: Office) -> None:
    folder, _, _ = office
    alter(folder, "DROP TRIGGER audit_event_no_update", "UPDATE audit_event SET what = 'x' WHERE seq = 4")
    for language, sentence in (
        ("en", "default: NOT whole. First entry that does not hold: 4: it was changed (changed)"),
        ("ko", "default: 온전하지 않습니다. 처음 어긋난 기록 4: 내용이 바뀌었습니다 (changed)"),
    ):
        code, out, _ = run(folder, "verify", language=language)
        assert (code, out.strip()) == (1, sentence)


def test_what_was_told_to_the_outside_is_compared(office: Office, tmp_path: Path) -> None:
    folder, tenant_id, _ = office
    told = tmp_path / "anchors"
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    with database.read() as session:
        head = audit_event.head_of(session, tenant_id)
    database.close()
    assert head is not None
    AnchorFile(told).tell([Anchor(tenant_id, head.seq, head.hash, DAY, 6)])
    assert "told to the outside up to 6" in run(folder, "verify", "--anchors", str(told))[1]
    AnchorFile(told).tell([Anchor(tenant_id, 90, "ab" * 32, DAY, 84)])
    code, out, _ = run(folder, "verify", "--anchors", str(told))
    assert (code, "90: it is not what the outside was told" in out) == (1, True)
    told.write_text("nonsense")
    for language, sentence in ("en", f"anchors, {told}, line 1: not an anchor"), ("ko", f"{told}의 1째 줄"):
        code, _, err = run(folder, "verify", "--anchors", str(told), language=language)
        assert (code, sentence in err) == (2, True), err


def test_an_export_needs_a_reason_and_is_on_record(office: Office, tmp_path: Path) -> None:
    folder, tenant_id, document_id = office
    code, _, err = run(folder, "export", "--reason", " ")
    assert (code, "A reason is needed" in err) == (1, True)
    target = tmp_path / "out.jsonl"
    code, _, err = run(
        folder, "export", "--reason", "정기 점검", "-o", str(target), "--who", "Lee", "--document", str(document_id)
    )
    assert (code, err.strip()) == (0, "Entries exported: 3")
    assert target.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert {(line["principal_name"], line["kind"]) for line in lines} == {("Lee", "question.searched")}
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    with database.read() as session:
        [told] = audit_event.oldest(session, tenant_id, Wanted(kinds=("export",)))
        assert (told.detail["reason"], told.detail["who"], told.detail["format"]) == ("정기 점검", "Lee", "jsonl")
    database.close()
    for form, beginning in (("cef", "CEF:0|Seogo|"), ("ocsf", '{"activity_id"')):
        code, out, _ = run(folder, "export", "--reason", "SIEM", "--format", form, "--kind", "document")
        assert (code, len(out.splitlines())) == (0, 3)
        assert out.startswith(beginning)
    assert run(folder, "export", "--reason", "x", "--format", "xml")[0] == 1
    assert run(folder, "export", "--reason", "x", "--tenant", "nobody")[0] == 1
    assert run(folder, "export", "--reason", "x", "--document", "nonsense")[0] == 1


def test_who_saw_what_as_a_table_and_as_a_sheet(office: Office, tmp_path: Path) -> None:
    folder, tenant_id, document_id = office
    code, out, _ = run(folder, "report", language="ko")
    assert code == 0
    assert "김민준" in out and "document.downloaded" in out and "사람" in out
    sheet = tmp_path / "report.csv"
    sheet.write_text("something longer than the report will be " * 40)
    sheet.chmod(0o644)
    period = ("--since", "2026-11-01", "--until", "2026-11-03")
    assert run(folder, "report", "--csv", str(sheet), "--who", "김민", *period)[0] == 0
    [head, row] = list(csv.reader(sheet.read_text(encoding="utf-8-sig").splitlines()))
    assert head[:2] == ["Who", "Principal id"]
    assert sheet.stat().st_mode & 0o777 == 0o600
    assert row[:6] == ["김민준", str(UUID(int=1)), "'=급여.xlsx", str(document_id), "document.downloaded", "3"]
    assert run(folder, "report", "--csv", str(sheet), "--since", "2026-12-01")[0] == 0
    assert len(sheet.read_text(encoding="utf-8-sig").splitlines()) == 1
    assert kinds(folder, tenant_id)[-3:] == ["audit.reported"] * 3


def test_these_commands_work_on_the_store_itself(office: Office) -> None:
    folder, _, _ = office
    for command in ("verify", "report", "export"):
        arguments = ["--server", "http://x", "--key", "k", "--data-dir", str(folder), "audit", command]
        found = CliRunner().invoke(app, [*arguments, *(["--reason", "x"] if command == "export" else [])])
        assert (found.exit_code, "works on the local store" in found.stderr) == (2, True)


def test_keys_that_are_made_and_revoked_are_on_the_trail(office: Office) -> None:
    folder, tenant_id, _ = office
    made = CliRunner().invoke(app, ["--data-dir", str(folder), "keys", "create", "감사", "--scope", "read"])
    assert made.exit_code == 0, made.output
    prefix = "_".join(made.stdout.strip().split("_")[:2])
    assert CliRunner().invoke(app, ["--data-dir", str(folder), "keys", "revoke", prefix]).exit_code == 0
    assert kinds(folder, tenant_id)[-2:] == ["credential.created", "credential.revoked"]
    assert run(folder, "verify")[0] == 0


def entries(folder: Path, tenant_id: UUID, kind: AuditKind) -> list[tuple[str, str, str, list[str], dict[str, object]]]:
    """What, by whom, with which outcome, in which collections, with which detail."""
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    with database.read() as session:
        rows = list(audit_event.oldest(session, tenant_id, Wanted(kinds=(kind.value,))))
    database.close()
    return [(row.what, row.principal_name, row.outcome, row.collections, row.detail) for row in rows]


def seogo(folder: Path, *arguments: str) -> tuple[int, str]:
    environment = {"SEOGO_RAG__EMBEDDING__DENSE": "none", "LC_ALL": "ko_KR.UTF-8", "COLUMNS": "200"}
    found = CliRunner().invoke(app, ["--data-dir", str(folder), *arguments], env=environment)
    return found.exit_code, found.output


def test_who_rebuilds_the_index_is_on_the_trail(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _, _ = office
    assert seogo(folder, "index", "rebuild")[0] == 0
    begun, done = entries(folder, INSTALLATION, AuditKind.INDEX_REBUILT)
    assert begun == ("seogo index rebuild", "operator", "begun", [], {})
    assert done == ("seogo index rebuild", "operator", "done", [], {"points": 0})

    def refuse(self: AuditTrail, batch: object) -> None:
        raise StoreUnavailable

    index = {path: path.stat().st_ino for path in (folder / "index").rglob("*")}
    with monkeypatch.context() as patch:
        patch.setattr(AuditTrail, "_commit", refuse)
        code, output = seogo(folder, "index", "rebuild")
    assert code == 1 and "audit_unavailable" in output
    assert {path: path.stat().st_ino for path in (folder / "index").rglob("*")} == index, "nothing was begun"


def test_who_changes_the_spaces_is_on_the_trail(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, tenant_id, _ = office
    # In a process of its own: the service that the command starts for itself keeps hold of a runner's streams.
    monkeypatch.setenv("SEOGO_RAG__EMBEDDING__DENSE", "none")
    done = command_line.seogo(folder, "index", "migrate", "--to", "none", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    told = entries(folder, tenant_id, AuditKind.SPACE_CHANGED)
    assert next((what, outcome) for what, _, outcome, _, _ in told) == ("POST /api/v1/admin/spaces", "begun")


def test_who_evaluates_is_on_the_trail_with_the_collections(office: Office, tmp_path: Path) -> None:
    folder, home, _ = office
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    own, _ = add_collection(database, "여비"), add_collection(database, "남의 것", tenant="다른 은행")
    database.close()
    sheet = tmp_path / "질문.csv"
    sheet.write_text("question,document\n여비는 얼마인가?,없는 문서.md\n", encoding="utf-8")
    code, output = seogo(folder, "eval", "run", str(sheet), "--out", str(tmp_path / "out"), "-c", "여비")
    assert code == 1 and "없는 문서.md" in output
    told = entries(folder, home, AuditKind.EVALUATED)
    assert [item[:3] for item in told] == [("seogo eval run", "operator", outcome) for outcome in ("begun", "failed")]
    assert all(item[3] == [str(own.id)] for item in told)
    assert seogo(folder, "eval", "weights")[0] == seogo(folder, "eval", "weights", "--reset")[0] == 0
    for kind, detail in ((AuditKind.SETTING_READ, {}), (AuditKind.SETTING_CHANGED, {"weights_forgotten": 0})):
        begun, done = entries(folder, home, kind)
        assert (begun[0], begun[2], done[2], done[4]) == ("seogo eval weights", "begun", "done", detail)


def test_what_an_evaluation_shows_is_named_on_the_trail(tmp_path: Path) -> None:
    folder, tenant = tmp_path / "data", "default"
    with running(settings_for(folder, {"rag": {"embedding": {"dense": "none"}}})) as service:
        admin = service.caller(tenant=tenant)
        name = admin.collection("여비")
        files = {"여비.md": "# 여비\n\n숙박비는 하루 7만원이다.\n", "회의.md": "# 회의\n\n월요일에 모인다.\n"}
        ids = {item["source_key"]: item["id"] for item in admin.ingest(name, files)}
    sheet = tmp_path / "질문.csv"
    sheet.write_text("question,document\n숙박비는 하루 얼마인가?,여비.md\n", encoding="utf-8")
    for command, *more in (("run",), ("answers",)):
        out = str(tmp_path / command)
        code, output = seogo(folder, "eval", command, str(sheet), "--out", out, "-c", name, *more)
        assert code == 0, output
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    with database.read() as session:
        rows = list(audit_event.oldest(session, tenant_id_of(tenant), Wanted(kinds=(AuditKind.EVALUATED.value,))))
    database.close()
    assert [(row.what, row.outcome) for row in rows] == [
        (f"seogo eval {command}", outcome) for command in ("run", "answers") for outcome in ("begun", "done")
    ]
    for row in rows:
        ended = row.outcome == "done"
        assert row.documents == ([ids["여비.md"]] if ended else [])
        assert row.detail == ({"questions": 1} if ended else {})


def test_what_nothing_outside_the_database_speaks_for_is_not_said_to_be_whole(office: Office, tmp_path: Path) -> None:
    """As on a shared database without a key and without anchors: an emptied or rewritten trail holds in itself."""
    folder, tenant_id, _ = office
    found = Verification(tenant_id, 3, 1, 3, 0, "ab" * 32, 0, 0, sealed=False)
    assert found.whole and not found.proven
    assert auditing._sentence(found, "은행", outside=False).startswith("은행: UNPROVEN: it holds in itself")
    plain = tmp_path / "plain"
    plain.mkdir()
    shutil.copy(folder / "seogo.sqlite", plain)
    shared = RagSettings(data_dir=plain, store=StoreSettings(url=f"sqlite:///{plain / 'seogo.sqlite'}"))
    assert open_seal_key(shared) is None
    database = Database(shared.store.url or "")
    with database.write() as session:
        head = audit_event.locked_head(session, tenant_id)
        head.seal = ""
    database.close()
    environment = {"SEOGO_RAG__STORE__URL": f"sqlite:///{plain / 'seogo.sqlite'}", "LC_ALL": "en_US.UTF-8"}
    for form, expected in ((), "UNPROVEN"), (("--json",), '"proven": false'):
        done = CliRunner().invoke(app, ["--data-dir", str(plain), "audit", "verify", *form], env=environment)
        assert (done.exit_code, expected in done.stdout) == (3, True), done.output
    database = Database(shared.store.url or "")
    with database.engine.begin() as connection:
        for trigger in (
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        ):
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        for table in ("audit_event", "audit_document", "audit_head"):
            connection.execute(text(f"DELETE FROM {table}"))
    database.close()
    emptied = CliRunner().invoke(app, ["--data-dir", str(plain), "audit", "verify"], env=environment)
    assert (emptied.exit_code, "default: UNPROVEN" in emptied.stdout) == (3, True), emptied.output


def test_nobody_speaks_to_the_terminal_of_an_auditor(office: Office, tmp_path: Path) -> None:
    """A key from before its name was looked at, or what else others may call themselves."""
    folder, tenant_id, document_id = office
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    trail = AuditTrail(database, open_seal_key(RagSettings(data_dir=folder)))
    who = Who(UUID(int=3), "Eve\x1b[2J\u202e", "key")
    trail.record(event(AuditKind.DOCUMENT_READ, tenant_id=tenant_id, who=who, documents=(document_id,), at=DAY))
    database.close()
    sheet = tmp_path / "report.csv"
    shown = run(folder, "report", "--who", "Eve")[1]
    assert run(folder, "report", "--who", "Eve", "--csv", str(sheet))[0] == 0
    for text_shown in (shown, sheet.read_text(encoding="utf-8-sig")):
        assert not {"\x1b", "\u202e"} & set(text_shown) and "Eve" in text_shown
    assert "Eve\\x1b[2J\\u202e" in sheet.read_text(encoding="utf-8-sig")


def test_an_end_that_was_told_is_missed_where_its_file_is_lost_or_cut_short(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, tenant_id, _ = office
    anchors = tmp_path / "anchors.jsonl"
    environment = {"SEOGO_RAG__AUDIT__ANCHOR_FILE": str(anchors), "LC_ALL": "en_US.UTF-8"}

    def verified(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["--data-dir", str(folder), "audit", "verify", *more], env=environment)
        return done.exit_code, done.output

    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    trail = AuditTrail(database, open_seal_key(RagSettings(data_dir=folder)))
    clock = iter(utc_now() + timedelta(hours=hours) for hours in range(9))
    anchoring = Anchoring(trail, [AnchorFile(anchors)], timedelta(minutes=5), lambda: next(clock))
    anchoring.tell_due()
    assert verified()[0] == 0
    anchoring.tell_due()
    with database.read() as session:
        told = audit_event.locked_head(session, tenant_id).anchored_seq
    lines = anchors.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["seq"] == told > json.loads(lines[0])["seq"]
    for kept in ("".join(lines[:-1]), None):
        anchors.unlink() if kept is None else anchors.write_text(kept)
        code, output = verified()
        assert (code, f"NOT among the anchors, though it was told: {told}" in output) == (3, True), output
        code, output = verified("--json")
        [chain] = [item for item in json.loads(output)["chains"] if item["tenant_id"] == str(tenant_id)]
        assert (code, chain["whole"], chain["proven"], chain["lost"]) == (3, True, False, told)
    anchors.write_text("".join(lines))
    assert verified()[0] == 0
    copy = tmp_path / "copy.jsonl"
    copy.write_text(lines[0])
    code, output = verified("--anchors", str(copy))
    assert (code, "NOT among" in output) == (0, False), "somebody's own copy is not all that was told"
    anchors.write_text("".join(lines) + lines[-1][:-30])
    code, output = verified()
    assert (code, f"line {len(lines) + 1}: half written" in caplog.text) == (0, True), output
    database.close()


def test_the_doctor_says_that_ends_can_not_be_told(office: Office, tmp_path: Path) -> None:
    folder, _, _ = office
    taken = tmp_path / "anchors"
    rag = RagSettings(data_dir=folder, audit=AuditSettings(anchor_file=taken))
    settings = Settings().model_copy(update={"rag": rag})
    assert [item.status for item in doctor._anchors(settings)] == ["ok"]
    database = Database(f"sqlite:///{folder / 'seogo.sqlite'}")
    clock = iter(utc_now() + timedelta(hours=hours) for hours in range(9))
    trail = AuditTrail(database, open_seal_key(RagSettings(data_dir=folder)))
    anchoring = Anchoring(trail, [AnchorFile(taken)], timedelta(minutes=5), lambda: next(clock))
    taken.mkdir()
    anchoring.tell_due()
    [found] = doctor._anchors(settings)
    assert (found.status, str(taken) in found.detail) == ("error", True)
    taken.rmdir()
    anchoring.tell_due()
    assert [item.status for item in doctor._anchors(settings)] == ["ok"], "they were told since"
    database.close()


@pytest.mark.parametrize(("anchored", "status"), [(False, "error"), (True, "warning")])
def test_the_doctor_says_that_a_shared_trail_has_no_seal(tmp_path: Path, anchored: bool, status: str) -> None:
    audit = AuditSettings(anchor_file=tmp_path / "anchors" if anchored else None)
    for store, expected in ((StoreSettings(), "ok"), (StoreSettings(url="postgresql+psycopg://db/seogo"), status)):
        rag = RagSettings(data_dir=tmp_path, store=store, audit=audit)
        [found] = doctor._seal(Settings().model_copy(update={"rag": rag}))
        assert (found.status, "seal_key_file" in found.advice) == (expected, expected != "ok")


def test_the_key_of_seals_is_exchanged_and_the_reason_is_on_the_trail(office: Office, tmp_path: Path) -> None:
    folder, tenant_id, _ = office
    old, new = folder / "audit-seal.key", tmp_path / "new.key"
    new.write_text("n" * 40)
    new.chmod(0o600)
    environment = {"SEOGO_RAG__AUDIT__SEAL_KEY_FILE": str(new), "LC_ALL": "en_US.UTF-8"}
    command = ["--data-dir", str(folder), "audit", "reseal", "--reason"]
    refused = CliRunner().invoke(app, [*command, "새 열쇠"], env=environment)
    assert (refused.exit_code, "the seal of the end does not fit" in refused.stdout) == (1, True)
    assert CliRunner().invoke(app, [*command, " "], env=environment).exit_code == 1
    environment["SEOGO_RAG__AUDIT__OLDER_SEAL_KEY_FILES"] = json.dumps([str(old)])
    done = CliRunner().invoke(app, [*command, "새 열쇠"], env=environment)
    assert (done.exit_code, done.stdout.strip()) == (0, "default: sealed anew")
    [told] = entries(folder, tenant_id, AuditKind.RESEALED)
    assert (told[0], told[1], told[4]["reason"], told[4]["problem"]) == (
        "seogo audit reseal",
        "operator",
        "새 열쇠",
        "",
    )
    del environment["SEOGO_RAG__AUDIT__OLDER_SEAL_KEY_FILES"]
    verified = CliRunner().invoke(app, ["--data-dir", str(folder), "audit", "verify"], env=environment)
    assert (verified.exit_code, "seal checked" in verified.stdout) == (0, True)


@pytest.mark.parametrize(
    ("language", "words"),
    [("ko", "알렸으나 외부 확인점 파일에 없는 끝: 9"), ("en", "NOT among the anchors, though it was told: 9")],
)
def test_an_end_that_is_not_among_the_anchors_is_told(
    monkeypatch: pytest.MonkeyPatch, language: str, words: str
) -> None:
    monkeypatch.setenv("SEOGO_LANG", language)
    found = Verification(INSTALLATION, 3, 1, 3, 0, "0" * 64, anchors=1, anchored=3, sealed=True, lost=9)
    assert words in auditing._sentence(found, "x", outside=True)
