"""What is told to the outside, and what leaves when its time has come."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from rag.access import audit_anchors
from rag.access.audit import AuditTrail
from rag.access.audit_anchors import (
    Anchor,
    AnchorFile,
    Anchoring,
    anchors_in,
    open_anchoring,
    read_anchors,
    untold_since,
)
from rag.access.audit_looks import KEPT_S, Looks
from rag.access.audit_retention import AuditRetention, years_before
from rag.access.audit_verification import Problem, Verification, told_meanwhile, verify
from rag.domain.audit import AuditKind
from rag.domain.errors import AuditUnavailable, ConfigurationError, RateLimited, StoreUnavailable
from rag.settings import AuditSettings, RagSettings
from rag.store import audit_event
from rag.store.audit_event import AuditedDocument, AuditRow, Wanted
from rag.store.session import Database
from rag.store.tenant import ensure_tenant
from tests.support.audit import DAY, KEY, OTHER, TENANT, checked, event


@dataclass
class Outside:
    """Keeps what it is told, where it is there."""

    name: str = "outside"
    away: bool = False
    told: list[Anchor] = field(default_factory=list)

    def tell(self, anchors: Sequence[Anchor]) -> None:
        if self.away:
            raise ConnectionError("away")
        self.told += anchors

    def holds(self, tenant_id: UUID, seq: int) -> bool:
        return any((item.tenant_id, item.seq) == (tenant_id, seq) for item in self.told)


@dataclass
class Clock:
    """A time that tests move."""

    at: datetime = DAY

    def __call__(self) -> datetime:
        return self.at


def entries(database: Database, tenant_id: UUID = TENANT) -> list[AuditRow]:
    with database.read() as session:
        return list(audit_event.oldest(session, tenant_id, Wanted()))


def test_ends_of_chains_are_told_every_so_often(database: Database) -> None:
    trail, outside, clock = AuditTrail(database, KEY), Outside(), Clock()
    anchoring = Anchoring(trail, [outside], timedelta(minutes=5), clock)
    assert anchoring.tell_due() == 0
    trail.record(event(), event(), event(tenant_id=OTHER))
    assert anchoring.tell_due() == 2
    assert [(item.tenant_id, item.seq, item.count) for item in outside.told] == [(TENANT, 2, 2), (OTHER, 1, 1)]
    trail.record(event())
    assert anchoring.tell_due() == 0  # not yet
    clock.at += timedelta(minutes=5)
    assert anchoring.tell_due() == 1  # nothing new to say of the other
    assert (outside.told[-1].seq, outside.told[-1].count) == (3, 1)
    found = checked(database, key=KEY, anchors=tuple(outside.told))
    assert (found.whole, found.anchors, found.anchored) == (True, 2, 3)


def test_without_an_outside_nothing_is_told(database: Database) -> None:
    trail = AuditTrail(database)
    trail.record(event())
    assert Anchoring(trail, [], timedelta(minutes=5)).tell_due() == 0


def test_an_outside_that_is_away_is_on_record_and_told_later(database: Database) -> None:
    clock = Clock()
    trail, here, there = AuditTrail(database, KEY, now=clock), Outside("file"), Outside("siem", away=True)
    anchoring = Anchoring(trail, [here, there], timedelta(minutes=5), clock)
    trail.record(event())
    assert anchoring.tell_due() == 0
    failed = entries(database)[-1]
    assert (failed.kind, failed.outcome) == (AuditKind.ANCHOR_FAILED, "failed")
    assert failed.detail["to"] == ["siem"]
    assert failed.detail["seq"] == 1
    assert anchoring.tell_due() == 0  # not yet: every try that fails is one more entry
    assert len(entries(database)) == 2
    clock.at += timedelta(minutes=5)
    there.away = False
    assert anchoring.tell_due() == 1
    assert there.told[-1].seq == 2
    assert checked(database, anchors=(*here.told, *there.told)).whole


def test_what_was_told_and_is_lost_is_on_record(database: Database, tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "anchors.jsonl"
    trail = AuditTrail(database, KEY, now=clock)
    anchoring = Anchoring(trail, [AnchorFile(path), Outside()], timedelta(minutes=5), clock)

    def told_again() -> list[Any]:
        trail.record(event())
        clock.at += timedelta(minutes=5)
        assert anchoring.tell_due() == 1
        return [row.detail for row in entries(database) if row.kind == AuditKind.ANCHOR_FAILED]

    assert told_again() == told_again() == [], "nothing is missing"
    for loss in (path.unlink, lambda: path.write_bytes(b""), lambda: path.write_text(path.read_text()[:-200])):
        before = anchors_in(path)[-1].seq
        loss()
        *_, newest = told_again()
        assert newest == {"seq": before, "not_in": [str(path)]}
    assert len(told_again()) == 3, "said once for each loss"
    path.unlink()
    path.mkdir()
    trail.record(event())
    clock.at += timedelta(minutes=5)
    assert anchoring.tell_due() == 0, "what can't be looked at can't be told either, which is on record"
    assert entries(database)[-1].detail["to"] == [str(path)]


def test_a_sink_that_is_new_or_emptied_is_filled_at_once_and_said_once(database: Database, tmp_path: Path) -> None:
    clock, path, url = Clock(), tmp_path / "anchors.jsonl", Outside("http://siem")
    trail = AuditTrail(database, KEY, now=clock)
    trail.record(event())
    assert Anchoring(trail, [url], timedelta(minutes=5), clock).tell_due() == 1
    anchoring = Anchoring(trail, [AnchorFile(path), url], timedelta(minutes=5), clock)

    def later() -> int:
        clock.at += timedelta(minutes=5)
        return anchoring.tell_due()

    def said() -> list[Any]:
        return [row.detail for row in entries(database) if row.kind == AuditKind.ANCHOR_FAILED]

    assert later() == 1, "the file was added, and the chain has not grown"
    assert [(item.seq, item.count) for item in anchors_in(path)] == [(1, 0)]
    assert [item.seq for item in url.told] == [1], "who has it is not told again"
    assert said() == [{"seq": 1, "not_in": [str(path)]}]
    assert later() == 1, "that the file did not have it is an entry"
    assert [later() for _ in range(3)] == [0, 0, 0], "nothing is lacking, and nothing new"
    path.write_bytes(b"")
    assert anchoring.tell_due() == 0, "not yet"
    assert later() == 1
    assert [item.seq for item in anchors_in(path)] == [2]
    assert said()[1:] == [{"seq": 2, "not_in": [str(path)]}]


def test_a_loss_is_said_once_while_another_sink_is_away(database: Database, tmp_path: Path) -> None:
    clock, path, url = Clock(), tmp_path / "anchors.jsonl", Outside("http://siem")
    trail = AuditTrail(database, KEY, now=clock)
    anchoring = Anchoring(trail, [AnchorFile(path), url], timedelta(minutes=5), clock)
    trail.record(event())
    assert anchoring.tell_due() == 1
    path.unlink()
    url.away = True
    for _ in range(6):
        trail.record(event())
        clock.at += timedelta(minutes=5)
        assert anchoring.tell_due() == 0
    lost = [row.detail for row in entries(database) if "not_in" in row.detail]
    assert lost == [{"seq": 1, "not_in": [str(path)]}]


def test_nobody_waits_for_whoever_may_read_a_pipe(tmp_path: Path) -> None:
    path, found = tmp_path / "pipe", list[object]()
    os.mkfifo(path)

    def look_and_tell() -> None:
        found.append(AnchorFile(path).holds(TENANT, 1))
        with pytest.raises(OSError, match="No such device"):
            AnchorFile(path).tell([Anchor(TENANT, 1, "ab", DAY, 1)])
        found.append("told that nobody reads")

    thread = threading.Thread(target=look_and_tell, daemon=True)
    thread.start()
    thread.join(10)
    assert found == [True, "told that nobody reads"]


def test_whoever_reads_a_pipe_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        AnchorFile(tmp_path / "pipe").tell([Anchor(TENANT, 3, "ab", DAY, 3)])
        assert json.loads(os.read(reader, 4096))["seq"] == 3
    finally:
        os.close(reader)


def test_what_could_not_be_told_is_known_until_an_end_was_told(database: Database) -> None:
    clock, outside = Clock(), Outside(away=True)
    trail = AuditTrail(database, KEY, now=clock)
    anchoring = Anchoring(trail, [outside], timedelta(minutes=5), clock)

    def untold() -> list[str] | None:
        with database.read() as session:
            [head] = audit_event.chains(session)
            row = untold_since(session, head)
            return None if row is None else list(row.detail["to"])

    trail.record(event())
    assert untold() is None
    anchoring.tell_due()
    assert untold() == ["outside"]
    clock.at += timedelta(minutes=5)
    outside.away = False
    assert anchoring.tell_due() == 1
    assert untold() is None


def test_an_end_that_was_told_while_the_chain_was_looked_at_is_not_lost(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    trail = AuditTrail(database, KEY)
    anchoring = Anchoring(trail, [AnchorFile(path)], timedelta(0))
    trail.record(event())
    before = anchors_in(path)
    anchoring.tell_due()
    with database.snapshot() as session:
        found = verify(session, TENANT, key=KEY, anchors=before, all_told=True)
    assert found.lost == 1
    assert told_meanwhile(found, path).lost == 0
    assert told_meanwhile(told_meanwhile(found, path), None).lost == 0
    path.unlink()
    assert told_meanwhile(found, path).lost == 1


def test_a_line_that_lacks_but_its_end_is_told_all_the_same(tmp_path: Path) -> None:
    sink = AnchorFile(tmp_path / "anchors.jsonl")
    sink.tell([Anchor(TENANT, 7, "ab", DAY, 7)])
    sink.path.write_text(sink.path.read_text().rstrip("\n"))
    sink.tell([Anchor(OTHER, 3, "cd", DAY, 3)])
    assert [item.seq for item in anchors_in(sink.path)] == [7, 3]


def test_a_line_that_was_left_half_written_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "anchors"
    first, second = Anchor(TENANT, 3, "ab" * 32, DAY, 3), Anchor(TENANT, 5, "cd" * 32, DAY, 2)
    half = second.line()[:-20]
    for cut in range(1, len(second.line())):
        path.write_text(f"{first.line()}\n{second.line()[:cut]}", encoding="utf-8")
        assert anchors_in(path) == [first], cut
    path.write_text(f"{first.line()}\n{half}", encoding="utf-8")
    caplog.clear()
    AnchorFile(path).tell([second])
    assert anchors_in(path) == [first, second], "what is told next is no part of it"
    assert "line 2: half written" in caplog.text
    path.write_text(f"{first.line()}\n{half}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 2"):
        anchors_in(path)


def test_a_token_that_is_gone_is_an_outside_that_is_away(database: Database, tmp_path: Path) -> None:
    key, file = tmp_path / "token", tmp_path / "anchors.jsonl"
    key.write_text("secret")
    key.chmod(0o600)
    audit = AuditSettings(anchor_url="http://127.0.0.1:9/", anchor_key_file=key, anchor_file=file)
    trail = AuditTrail(database, KEY)
    anchoring = open_anchoring(RagSettings(data_dir=tmp_path / "data", audit=audit), trail)
    key.unlink()
    trail.record(event(), event(tenant_id=OTHER))
    assert anchoring.tell_due() == 0
    for tenant_id in (TENANT, OTHER):
        failed = entries(database, tenant_id)[-1]
        assert (failed.kind, failed.detail["to"]) == (AuditKind.ANCHOR_FAILED, ["http://127.0.0.1:9/"])
    assert {item.tenant_id for item in anchors_in(file)} == {TENANT, OTHER}, "the others are told all the same"


def test_neither_a_clock_nor_a_row_puts_off_what_is_to_be_told(database: Database) -> None:
    """The clock was years ahead and is put right; or whoever holds the database says that the future was told."""
    trail, outside, clock = AuditTrail(database, KEY), Outside(), Clock(DAY + timedelta(days=900))
    anchoring = Anchoring(trail, [outside], timedelta(minutes=5), clock)
    trail.record(event())
    assert anchoring.tell_due() == 1
    trail.record(event())
    clock.at = DAY
    assert anchoring.tell_due() == 1, "not in 900 days"
    with database.write() as session:
        audit_event.locked_head(session, TENANT).anchored_seq = 10**9
    assert checked(database, key=KEY).problem is Problem.HEAD, "what is not there can't have been told"
    trail.record(event())
    clock.at += timedelta(minutes=5)
    assert anchoring.tell_due() == 1
    assert (outside.told[-1].seq, checked(database, key=KEY).problem) == (3, None)


def test_an_end_that_can_be_neither_told_nor_recorded_is_told_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail, outside = AuditTrail(database), Outside(away=True)
    trail.record(event())

    def refused(_trail: AuditTrail, *events: Any) -> None:
        raise AuditUnavailable

    monkeypatch.setattr(AuditTrail, "record", refused)
    clock = Clock()
    anchoring = Anchoring(trail, [outside], timedelta(minutes=5), clock)
    assert anchoring.tell_due() == 0
    outside.away = False
    clock.at += timedelta(minutes=5)
    assert anchoring.tell_due() == 1


def test_what_a_file_was_told_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "밖" / "anchors.jsonl"
    path.parent.mkdir()
    told = [Anchor(TENANT, 3, "ab" * 32, DAY, 3), Anchor(OTHER, 1, "cd" * 32, DAY, 1)]
    AnchorFile(path).tell(told[:1])
    AnchorFile(path).tell(told[1:])
    assert anchors_in(path) == told
    assert AnchorFile(path).name == str(path)
    assert anchors_in(None) == anchors_in(tmp_path / "not yet") == []
    assert list(read_anchors(["\n"], "a file")) == []


@pytest.mark.parametrize("line", ["{}", "x", '{"tenant": "x", "seq": 1, "hash": "", "time": "", "count": 1}', "[]"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "anchors"
    path.write_text(f"{Anchor(TENANT, 3, 'ab', DAY, 3).line()}\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 2"):
        anchors_in(path)
    with pytest.raises(ConfigurationError, match="anchors"):
        anchors_in(tmp_path)


def test_the_file_must_lie_outside_the_data_folder(sqlite: Database, tmp_path: Path) -> None:
    trail = AuditTrail(sqlite)
    inside = AuditSettings(anchor_file=tmp_path / "data" / ".." / "data" / "anchors")
    with pytest.raises(ConfigurationError, match="data folder"):
        open_anchoring(RagSettings(data_dir=tmp_path / "data", audit=inside), trail)
    outside = AuditSettings(anchor_file=tmp_path / "anchors", anchor_every_s=60)
    opened = open_anchoring(RagSettings(data_dir=tmp_path / "data", audit=outside), trail)
    assert [sink.name for sink in opened.sinks] == [str(tmp_path / "anchors")]
    assert opened.every == timedelta(minutes=1)
    assert open_anchoring(RagSettings(data_dir=tmp_path / "data"), trail).sinks == []


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.seen.append((dict(self.headers), json.loads(self.rfile.read(int(self.headers["content-length"])))))  # type: ignore[attr-defined]
        statuses: list[int] = self.server.statuses  # type: ignore[attr-defined]
        self.send_response(statuses.pop(0) if statuses else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def receiver(*statuses: int) -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Receiver) as server:
        server.seen, server.statuses = [], list(statuses)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_address_is_posted_to_with_its_token_until_it_answers(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_anchors, "_PAUSES_S", (0.0, 0.0))
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "token").chmod(0o600)
    with receiver(503, 500) as server:
        url = f"http://127.0.0.1:{server.server_port}/anchors"
        audit = AuditSettings(anchor_url=url, anchor_key_file=tmp_path / "token")
        [sink] = open_anchoring(RagSettings(data_dir=tmp_path, audit=audit), AuditTrail(sqlite)).sinks
        sink.tell([Anchor(TENANT, 3, "ab", DAY, 3)])
        assert sink.holds(TENANT, 3), "nobody can look there"
        seen = server.seen  # type: ignore[attr-defined]
        assert len(seen) == 3
        headers, body = seen[-1]
        assert headers["Authorization"] == "Bearer s3cret"
        assert body == {
            "anchors": [{"tenant": str(TENANT), "seq": 3, "hash": "ab", "time": DAY.isoformat(), "count": 3}]
        }
        audit = AuditSettings(anchor_url=url)
        [plain] = open_anchoring(RagSettings(data_dir=tmp_path, audit=audit), AuditTrail(sqlite)).sinks
        plain.tell([])
        assert "Authorization" not in seen[-1][0]
        server.statuses += [302, 503, 503]  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            sink.tell([])


def test_an_address_must_be_one(sqlite: Database) -> None:
    with pytest.raises(ConfigurationError, match=r"audit\.anchor_url"):
        open_anchoring(RagSettings(audit=AuditSettings(anchor_url="ftp://x")), AuditTrail(sqlite))


def an_old_trail(database: Database) -> tuple[AuditTrail, UUID, datetime]:
    """Entries of three years ago, of a year and a half ago, and of now, each naming a document."""
    now = datetime(2026, 11, 28, tzinfo=UTC)
    with database.write() as session:
        tenant_id = ensure_tenant(session, "병원").id
    trail = AuditTrail(database, KEY, now=lambda: now)
    for number, years in enumerate((3.0, 3.0, 1.5, 0.0)):
        at = now - timedelta(days=365.25 * years)
        trail.record(event(tenant_id=tenant_id, at=at, documents=(UUID(int=number),)))
    trail.record(event(at=now - timedelta(days=700)))
    return trail, tenant_id, now


def whole(database: Database, tenant_id: UUID) -> tuple[Problem | None, int, int, int]:
    from rag.access.audit_verification import verify

    with database.snapshot() as session:
        found = verify(session, tenant_id, key=KEY)
    return found.problem, found.cut_through, found.first, found.last


def test_what_was_kept_long_enough_leaves_by_a_cut_that_is_an_entry(database: Database) -> None:
    trail, tenant_id, now = an_old_trail(database)
    retention = AuditRetention(trail, AuditSettings(retention_years=2), lambda: now)
    assert retention.cut_due() == 2
    kept = entries(database, tenant_id)
    assert [row.seq for row in kept] == [3, 4, 5]
    told = kept[-1]
    assert (told.kind, told.detail["through"], told.detail["years"]) == ("audit.cut", 2, 2)
    assert kept[0].prev_hash == told.detail["hash"]
    assert whole(database, tenant_id) == (None, 2, 3, 5)
    with database.read() as session:
        assert len(session.scalars(select(AuditedDocument).where(AuditedDocument.tenant_id == tenant_id)).all()) == 2
    assert retention.cut_due() == 0
    with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
        session.execute(delete(AuditRow).where(AuditRow.tenant_id == tenant_id))


def test_without_a_key_nobody_vouches_for_a_cut(database: Database) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    AuditTrail(database).record(event(at=now - timedelta(days=3 * 366)))
    assert AuditRetention(AuditTrail(database), AuditSettings(), lambda: now).cut_due() == 1
    [told] = entries(database)
    assert "seal" not in told.detail and checked(database).whole


def test_a_chain_is_cut_again_and_can_become_empty_but_for_its_cut(database: Database) -> None:
    trail, tenant_id, now = an_old_trail(database)
    for later in (0, 1, 20):
        moment = now.replace(year=now.year + later)
        trail.now = lambda moment=moment: moment  # type: ignore[misc]
        AuditRetention(trail, AuditSettings(retention_years=2), lambda moment=moment: moment).cut_due()  # type: ignore[misc]
        assert whole(database, tenant_id)[0] is None
    [last] = entries(database, tenant_id)
    assert (last.kind, last.seq) == ("audit.cut", 7)
    trail.record(event(tenant_id=tenant_id))
    assert whole(database, tenant_id) == (None, 6, 7, 8)


def test_a_chain_is_cut_once_a_day_however_busy_its_past(database: Database) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    trail = AuditTrail(database, KEY, now=lambda: now)
    began = now - timedelta(days=3 * 365 + 1)  # three years, of which one had a day more
    trail.record(*(event(at=began + timedelta(minutes=number)) for number in range(1, 60)))
    clock = Clock(now)
    retention = AuditRetention(trail, AuditSettings(), clock)
    for _ in range(60):
        clock.at += timedelta(minutes=1)
        assert retention.cut_due() == 0
    clock.at = now + timedelta(days=1, minutes=2)
    assert retention.cut_due() == 59
    assert retention.cut_due() == 0
    assert [row.kind for row in entries(database)] == ["audit.cut"]


def test_records_of_rights_are_kept_for_the_three_years_that_the_measures_ask_for() -> None:
    assert AuditSettings().retention_years == 3


def test_a_tenant_can_have_a_time_of_its_own(database: Database) -> None:
    trail, tenant_id, now = an_old_trail(database)
    settings = AuditSettings(retention_years=1, tenant_retention_years={"병원": 5})
    retention = AuditRetention(trail, settings, lambda: now)
    assert (retention.years_of("병원"), retention.years_of("은행")) == (5, 1)
    assert retention.cut_due() == 1
    assert [row.kind for row in entries(database)] == ["audit.cut"]
    assert len(entries(database, tenant_id)) == 4


def test_another_process_can_be_faster(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    trail, tenant_id, now = an_old_trail(database)
    real, looks = audit_event.due_for_cut, list[UUID]()

    def gone_at_the_second_look(session: Any, tenant: UUID, before: datetime) -> AuditRow | None:
        looks.append(tenant)
        return real(session, tenant, before) if looks.count(tenant_id) < 2 else None

    monkeypatch.setattr(audit_event, "due_for_cut", gone_at_the_second_look)
    assert AuditRetention(trail, AuditSettings(retention_years=2), lambda: now).cut_due() == 0
    assert looks.count(tenant_id) == 2
    assert whole(database, tenant_id) == (None, 0, 1, 4)


@pytest.mark.parametrize("years", [0, 6, 1.5])
def test_a_time_is_one_to_five_years(years: float) -> None:
    with pytest.raises(ValidationError):
        AuditSettings.model_validate({"retention_years": years})
    with pytest.raises(ValidationError):
        AuditSettings.model_validate({"tenant_retention_years": {"병원": years}})


def test_a_year_before_a_leap_day() -> None:
    assert years_before(datetime(2028, 2, 29, 1, tzinfo=UTC), 1) == datetime(2027, 2, 28, 1, tzinfo=UTC)
    assert years_before(datetime(2026, 3, 1, tzinfo=UTC), 5) == datetime(2021, 3, 1, tzinfo=UTC)


def test_one_looks_at_a_chain_at_a_time_and_once_a_minute() -> None:
    now, looked = [100.0], list[UUID]()
    looks, bank, hospital = Looks(lambda: now[0]), uuid4(), uuid4()

    def looking(tenant: UUID, meanwhile: Callable[[], object] = lambda: None) -> Verification:
        looked.append(tenant)
        meanwhile()
        return Verification(tenant, 1, 1, 1, 0, "", 0, 0, sealed=False)

    def others() -> None:
        with pytest.raises(RateLimited):
            looks.of(bank, lambda: looking(bank))
        looks.of(hospital, lambda: looking(hospital))

    def failing() -> Verification:
        raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        looks.of(bank, failing)
    first = looks.of(bank, lambda: looking(bank, others))
    now[0] += KEPT_S - 1
    assert looks.of(bank, lambda: looking(bank)) is first and looked == [bank, hospital]
    now[0] += 1
    assert looks.of(bank, lambda: looking(bank)) == first and looked == [bank, hospital, bank]
