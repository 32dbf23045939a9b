from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.audit import (
    MOST_NAMED,
    AuditKind,
    Who,
    Whose,
    canonical,
    clean_text,
    cleaned,
    genesis,
    in_parts,
    link,
    seal,
)
from tests.support.audit import KEY, OTHER, TENANT, event

LARGEST = 2**53 - 1
texts = st.text(st.characters(exclude_categories=()), max_size=20)  # halves of characters and NUL too
scalars = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


def try_clean(value: Any) -> Any:
    """The clean value; None for one whose keys become the same text."""
    try:
        return cleaned(value)
    except ValueError:
        return None


def test_there_are_kinds_for_everything_that_the_law_and_an_auditor_ask_for() -> None:
    assert len(AuditKind) >= 40
    groups = {kind.group for kind in AuditKind}
    assert {"authentication", "credential", "permission", "question", "answer", "document", "export"} <= groups
    assert {"setting", "ingestion", "model", "audit", "refusal"} <= groups


def test_every_kind_is_written_somewhere() -> None:
    root = Path(__file__).parents[3]
    files = [file for folder in ("rag", "api", "ingest") for file in (root / folder).rglob("*.py")]
    used = set[str]()
    for file in files:
        if file.name not in ("audit_report.py", "audit_formats.py"):  # these read the trail
            used.update(re.findall(r"AuditKind\.([A-Z_]+)", file.read_text(encoding="utf-8")))
    assert {kind.name for kind in AuditKind} - used == set()


@given(values)
def test_a_database_and_a_reader_of_json_change_nothing(value: Any) -> None:
    clean = try_clean(value)
    read = json.loads(json.dumps(clean))
    assert read == clean
    assert canonical(read) == canonical(clean)
    assert json.loads(canonical(clean)) == clean


@given(values, st.randoms(use_true_random=False))
def test_the_order_of_keys_is_of_no_meaning(value: Any, chance: Any) -> None:
    def shuffled(item: Any) -> Any:
        if isinstance(item, dict):
            keys = list(item)
            chance.shuffle(keys)
            return {key: shuffled(item[key]) for key in keys}
        return [shuffled(part) for part in item] if isinstance(item, list) else item

    clean = try_clean(value)
    assert canonical(shuffled(clean)) == canonical(clean)


@given(values, values)
def test_two_values_never_have_one_form(one: Any, other: Any) -> None:
    first, second = try_clean(one), try_clean(other)
    if canonical(first) == canonical(second):
        assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


@given(texts)
def test_what_looks_the_same_is_written_the_same(text: str) -> None:
    clean = clean_text(text)
    for form in ("NFC", "NFD"):
        assert clean_text(unicodedata.normalize(form, clean)) == clean
    assert clean_text(clean) == clean
    assert "\0" not in clean
    clean.encode("utf-8")


def test_a_decomposed_text_is_not_taken_for_the_composed_one() -> None:
    """Otherwise somebody could put one for the other, and the hash would not notice."""
    decomposed = unicodedata.normalize("NFD", "서고")
    assert canonical(cleaned({"a": decomposed})) == canonical({"a": "서고"})
    with pytest.raises(ValueError, match="not clean"):
        canonical({"a": decomposed})


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), LARGEST + 1, -LARGEST - 1, b"bytes", {1, 2}, {"가": 1, unicodedata.normalize("NFD", "가"): 2}],
)
def test_what_has_no_one_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"beyond|one form|same text"):
        cleaned({"detail": value})


def test_the_hash_is_that_of_the_hash_before_and_the_canonical_row() -> None:
    row = event(documents=(UUID(int=9),)).fields()
    plain = {key: str(value) if isinstance(value, UUID) else value for key, value in row.items()}
    plain |= {"at": "2026-11-02T09:00:00.000000+00:00", "tenant_id": str(TENANT), "seq": 1}
    by_hand = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    before = genesis(TENANT)
    assert link(TENANT, 1, row, before) == hashlib.sha256(bytes.fromhex(before) + by_hand).hexdigest()


def test_every_field_is_in_the_hash() -> None:
    row = event().fields()
    before = link(TENANT, 1, row, genesis(TENANT))
    others: dict[str, Any] = {"at": row["at"] + timedelta(microseconds=1), "detail": {"x": 1}, "principal_id": None}
    others |= {"credential": UUID(int=5)} | {name: ["x"] for name in ("collections", "documents", "subjects")}
    for name in row:
        changed = row | {name: others.get(name, "x")}
        assert link(TENANT, 1, changed, genesis(TENANT)) != before, name
    assert link(TENANT, 2, row, genesis(TENANT)) != before
    assert link(OTHER, 1, row, genesis(TENANT)) != before
    assert genesis(OTHER) != genesis(TENANT)
    assert seal(KEY, TENANT, 1, before) != seal(KEY[::-1], TENANT, 1, before)


Linked = list[tuple[dict[str, Any], str]]
"""Rows of one chain in their order, each with the hash that is stored beside it."""


def chained(details: list[Any]) -> Linked:
    rows: Linked = []
    for seq, detail in enumerate(details, 1):
        row = event(kind=list(AuditKind)[seq % len(AuditKind)], detail={"x": detail}).fields()
        rows.append((row, link(TENANT, seq, row, rows[-1][1] if rows else genesis(TENANT))))
    return rows


def whole(rows: Linked, sealed: str) -> bool:
    """What a verifier computes: every link from the one before it, and the seal of the end."""
    before = genesis(TENANT)
    for seq, (row, stored) in enumerate(rows, 1):
        if link(TENANT, seq, row, before) != stored:
            return False
        before = stored
    return seal(KEY, TENANT, len(rows), before) == sealed


def edited(rows: Linked, draw: Any) -> Linked:
    """The rows after one thing that somebody who writes into the table could do, hashes of other rows at hand."""
    found, place = list(rows), draw(st.integers(0, len(rows) - 1))
    row, stored = found[place]
    other = draw(st.integers(0, len(rows) - 1))
    match draw(st.sampled_from(["edit", "delete", "swap", "repeat", "hash", "cut", "rewrite"])):
        case "edit":
            name = draw(st.sampled_from(["what", "kind", "principal_name", "ip", "outcome"]))
            found[place] = (row | {name: clean_text(draw(texts))}, stored)
        case "delete":
            del found[place]
        case "swap":
            found[place], found[other] = found[other], found[place]
        case "repeat":
            found.insert(other, found[place])
        case "hash":
            found[place] = (row, rows[other][1])
        case "cut":
            found = found[:place]
        case "rewrite":  # whoever can compute the links, and has no key for the seal
            before, found = genesis(TENANT), []
            for seq, (each, _) in enumerate(rows, 1):
                each = each | ({"what": "지운 것"} if seq == place + 1 else {})
                before = link(TENANT, seq, each, before)
                found.append((each, before))
    return found


@given(st.lists(values.map(try_clean), min_size=1, max_size=6), st.data())
def test_whatever_is_done_to_a_chain_it_no_longer_holds(details: list[Any], data: st.DataObject) -> None:
    rows = chained(details)
    sealed = seal(KEY, TENANT, len(rows), rows[-1][1])
    assert whole(rows, sealed)
    changed = rows
    for _ in range(data.draw(st.integers(1, 3))):
        changed = edited(changed, data.draw) if changed else changed
    assert whole(changed, sealed) == (changed == rows)


def test_an_instant_is_the_same_in_every_zone() -> None:
    seoul = event(at=datetime(2026, 11, 2, 18, 0, tzinfo=timezone(timedelta(hours=9)))).fields()
    assert seoul["at"] == datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    assert link(TENANT, 1, seoul, genesis(TENANT)) == link(TENANT, 1, event().fields(), genesis(TENANT))


def test_texts_are_cut_to_what_the_columns_hold() -> None:
    long = event(who=Who(None, "가" * 500, "k" * 99), what="\0" + "나" * 900).fields()
    assert (len(long["principal_name"]), len(long["principal_kind"]), len(long["what"])) == (200, 20, 500)
    assert long["what"].startswith("\ufffd나")


def test_an_entry_names_so_many_documents_and_the_next_one_the_rest() -> None:
    named = tuple(UUID(int=number) for number in range(2 * MOST_NAMED + 1))
    parts = in_parts(event(documents=named))
    assert [len(part.whose.documents) for part in parts] == [MOST_NAMED, MOST_NAMED, 1]
    assert tuple(item for part in parts for item in part.whose.documents) == named
    assert in_parts(event()) == [event()]
    assert Whose() == Whose((), (), ())
