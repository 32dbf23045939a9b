"""Exports in the words of others, held against the published schema; and who saw what."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from ocsf_json_schema import OcsfJsonSchemaEmbedded
from ocsf_json_schema.loader import get_ocsf_schema

from rag.access.audit import AuditTrail
from rag.access.audit_formats import FORMATS, OCSF_VERSION, as_cef, as_json, as_ocsf
from rag.access.audit_report import sights
from rag.domain.audit import AuditKind, Origin, Outcome, Who, genesis, link
from rag.store import audit_event
from rag.store.audit_event import AuditRow, Wanted
from rag.store.session import Database
from tests.support.audit import DAY, OTHER, TENANT, a_day, event
from tests.support.stores import add_collection, add_document


@cache
def ocsf(name: str) -> Draft202012Validator:
    """Holds events against the published schema of a class, closed: a field that it does not know is an error."""
    found = OcsfJsonSchemaEmbedded(get_ocsf_schema(OCSF_VERSION)).get_class_schema(name, [])
    for part in (found, *found["$defs"].values()):
        if part.get("properties"):
            part["additionalProperties"] = False
    found["properties"]["unmapped"] = {"type": "object"}
    return Draft202012Validator(found)


def row_of(kind: AuditKind, **fields: Any) -> AuditRow:
    """An entry as it is read from the store."""
    entry = event(kind, documents=(UUID(int=7),), **fields).fields()
    return AuditRow(
        tenant_id=TENANT, seq=1, prev_hash=genesis(TENANT), hash=link(TENANT, 1, entry, genesis(TENANT)), **entry
    )


@pytest.mark.parametrize("kind", list(AuditKind))
def test_every_kind_is_an_event_of_ocsf(kind: AuditKind) -> None:
    for outcome in Outcome:
        who = Who() if outcome is Outcome.DENIED else Who(UUID(int=1), "김민준", "user", UUID(int=2))
        found = json.loads(as_ocsf(row_of(kind, outcome=outcome, who=who, detail={"status": 200}), "1.0"))
        name = "authentication" if kind.group == "authentication" else "api_activity"
        ocsf(name).validate(found)
        assert found["type_uid"] == found["class_uid"] * 100 + found["activity_id"]
        assert found["status_id"] in (0, 1, 2)
        assert found["time"] == int(DAY.timestamp() * 1000)


def test_the_schema_finds_a_field_that_is_not_of_ocsf() -> None:
    found = json.loads(as_ocsf(row_of(AuditKind.ASKED), "1.0"))
    for wrong in ({"who": "x"}, {"severity_id": "high"}, {"actor": {"usr": {}}}):
        with pytest.raises(ValidationError):
            ocsf("api_activity").validate(found | wrong)
    del found["src_endpoint"]
    with pytest.raises(ValidationError):
        ocsf("api_activity").validate(found)


@pytest.mark.parametrize(
    ("kind", "activity"),
    [
        (AuditKind.ASKED, "Read"),
        (AuditKind.DOCUMENT_DELETED, "Delete"),
        (AuditKind.COLLECTION_CREATED, "Create"),
        (AuditKind.RULE_CHANGED, "Update"),
        (AuditKind.RATE_LIMITED, "Other"),
    ],
)
def test_what_was_done_is_an_activity_of_ocsf(kind: AuditKind, activity: str) -> None:
    assert json.loads(as_ocsf(row_of(kind), "1.0"))["activity_name"] == activity


def test_an_address_that_is_none_is_a_name() -> None:
    row = row_of(AuditKind.ASKED)
    for ip, endpoint in (("::1", {"ip": "::1"}), ("local", {"name": "local"}), ("", {"name": "native"})):
        row.ip = ip
        assert json.loads(as_ocsf(row, "1"))["src_endpoint"] == endpoint
        assert ("src=::1" in as_cef(row, "1")) == (ip == "::1")


def parsed_cef(line: str) -> tuple[list[str], dict[str, str]]:
    """Head and extension of a line, as a SIEM reads it."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    pairs = re.split(r" (?=[A-Za-z0-9]+=)", parts[7])
    return parts[:7], dict(item.split("=", 1) for item in pairs)


def test_an_event_of_cef() -> None:
    row = row_of(AuditKind.DENIED, what="GET /a|b=c\nx", outcome=Outcome.DENIED, subjects=("가-17",))
    head, extension = parsed_cef(as_cef(row, "1.0|x"))
    assert head == ["CEF:0", "Seogo", "Seogo", "1.0\\|x", "refusal.denied", "refusal denied", "6"]
    assert extension["request"] == "GET /a|b\\=c\\nx"
    assert extension["cs1"] == str(UUID(int=7))
    assert (extension["suser"], extension["src"], extension["cs6"]) == ("김민준", "10.1.2.3", "가-17")
    assert extension["rt"] == str(int(DAY.timestamp() * 1000))


def test_nothing_of_an_entry_speaks_to_the_terminal_that_shows_it() -> None:
    row = row_of(AuditKind.ASKED, what="a\x1b]0;x\x07\r\nb", who=Who(UUID(int=1), "Eve\x1b[2J\u202e=\x9b", "user"))
    for write in FORMATS.values():
        assert not {"\x1b", "\x07"} & set(write(row, "1"))
    _, extension = parsed_cef(as_cef(row, "1\x1b[2J"))
    assert extension["suser"] == "Eve\\\\x1b[2J\\\\u202e\\=\\\\x9b"
    assert extension["request"] == "a\\\\x1b]0;x\\\\x07\\r\\nb"


@given(st.text(max_size=40))
def test_no_text_breaks_out_of_its_line_or_field(text: str) -> None:
    row = row_of(AuditKind.ASKED, what=text, who=Who(UUID(int=1), text, "user"))
    for write in FORMATS.values():
        assert len(write(row, "1").splitlines()) == 1 or not text.isprintable()
        assert "\n" not in write(row, "1")
    assert as_cef(row, "1").isprintable()
    head, extension = parsed_cef(as_cef(row, "1"))
    assert head[4] == "question.asked"
    assert "outcome" in extension


def test_lines_of_json_hold_all_that_the_hash_is_made_of(sqlite: Database) -> None:
    AuditTrail(sqlite).record(*a_day(6))
    previous = genesis(TENANT)
    with sqlite.read() as session:
        lines = [as_json(row, "1") for row in audit_event.oldest(session, TENANT, Wanted())]
    for line in lines:
        given = json.loads(line)
        seq, told = given.pop("seq"), given.pop("hash")
        assert (given.pop("tenant_id"), given.pop("prev_hash")) == (str(TENANT), previous)
        previous = link(TENANT, seq, given, previous)
        assert previous == told


def test_who_saw_what(database: Database) -> None:
    collection = add_collection(database)
    with database.write() as session:
        document = add_document(session, collection, "취업규칙.docx")
    tenant, seen, gone = collection.tenant_id, document.id, UUID(int=404)
    other = Who(UUID(int=2), "이서연", "user", UUID(int=3))
    at = iter(DAY + timedelta(minutes=number) for number in range(20))
    AuditTrail(database).record(
        event(AuditKind.SEARCHED, tenant_id=tenant, documents=(seen, gone), at=next(at)),
        event(AuditKind.SEARCHED, tenant_id=tenant, documents=(seen,), at=next(at)),
        event(AuditKind.DOCUMENT_DOWNLOADED, tenant_id=tenant, documents=(seen,), at=next(at), who=other),
        event(AuditKind.DOCUMENT_READ, tenant_id=tenant, documents=(seen,), outcome=Outcome.NOT_FOUND, at=next(at)),
        event(AuditKind.DOCUMENT_DELETED, tenant_id=tenant, documents=(gone,), at=next(at)),
        event(AuditKind.SEARCHED, tenant_id=OTHER, documents=(seen,), at=next(at)),
        event(AuditKind.SIGN_IN_FAILED, tenant_id=tenant, who=Who(), documents=(), at=next(at)),
        event(AuditKind.DOCUMENT_READ, tenant_id=tenant, who=Who(), documents=(seen,), at=next(at)),
        event(AuditKind.FEEDBACK_EXPORTED, tenant_id=tenant, documents=(seen,), at=next(at), who=other),
        event(AuditKind.PROGRAM_READ, tenant_id=tenant, documents=(seen,), at=next(at), who=other),
    )

    def report(**wanted: Any) -> list[tuple[str, str, str, int]]:
        with database.snapshot() as session:
            found = sights(session, tenant, Wanted(**wanted))
        return [(item.name, item.source_key, item.kind, item.times) for item in found]

    assert report() == [
        ("", "취업규칙.docx", "document.read", 1),
        ("김민준", "", "question.searched", 1),
        ("김민준", "취업규칙.docx", "question.searched", 2),
        ("이서연", "취업규칙.docx", "document.downloaded", 1),
        ("이서연", "취업규칙.docx", "export.feedback", 1),
        ("이서연", "취업규칙.docx", "program.read", 1),
    ]
    assert report(document_id=gone) == [("김민준", "", "question.searched", 1)]
    assert report(who="이서연", kinds=("document",)) == [("이서연", "취업규칙.docx", "document.downloaded", 1)]
    assert report(until=DAY) == []
    with database.snapshot() as session:
        [twice] = sights(session, tenant, Wanted(who="김민준", document_id=seen))
    assert (twice.first, twice.last, twice.origins) == (DAY, DAY + timedelta(minutes=1), {Origin("10.1.2.3").ip})


def test_the_report_names_no_document_that_is_deleted(sqlite: Database) -> None:
    collection = add_collection(sqlite)
    with sqlite.write() as session:
        document = add_document(session, collection)
        document.deleted_at = DAY
    AuditTrail(sqlite).record(event(AuditKind.SEARCHED, tenant_id=collection.tenant_id, documents=(document.id,)))
    with sqlite.snapshot() as session:
        [found] = sights(session, collection.tenant_id, Wanted())
    assert (found.document_id, found.source_key, found.title) == (document.id, "", "")
