from __future__ import annotations

import pytest

from rag.domain.access import Role
from rag.domain.document import Chunk
from rag.domain.findings import IN_TEXT, ChunkFindings, Finding, Kind, masked
from rag.domain.personal_data import (
    DEFAULT_POLICY,
    CustomPattern,
    PersonalDataRecord,
    PrivacyPolicy,
    Release,
    Treatment,
    policy_from_json,
    record_from_json,
)
from tests.support.passages import make_chunk


def test_by_default_everything_is_counted_and_nothing_hidden() -> None:
    assert DEFAULT_POLICY.to_json() == {} and policy_from_json(None) == policy_from_json({}) == DEFAULT_POLICY
    assert DEFAULT_POLICY.counts(Kind.PHONE) and not DEFAULT_POLICY.hides(Kind.PHONE)
    assert DEFAULT_POLICY.shows_raw(None) and DEFAULT_POLICY.shows_raw(Role.VIEWER)


def test_a_policy_is_stored_whole() -> None:
    policy = PrivacyPolicy(
        Treatment.MASK,
        {"phone": Treatment.ALLOW, "custom:x": Treatment.BLOCK},
        Role.ADMIN,
        (CustomPattern("x", "a+"),),
    )
    assert policy_from_json(policy.to_json()) == policy
    assert policy.blocked(["phone", "custom:x", "email"]) == ("custom:x",)
    assert policy.hides("custom:x") and policy.hides("email") and not policy.hides("phone")
    assert not policy.counts("phone")


@pytest.mark.parametrize("stored", [{"default": "show"}, {"kinds": {"phone": "?"}}, {"raw_from": "guest"}])
def test_a_policy_that_is_not_understood_shows_nothing(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        policy_from_json(stored)


@pytest.mark.parametrize(("role", "raw"), [(None, False), (Role.CONTRIBUTOR, False), (Role.CURATOR, True)])
def test_the_role_decides_who_sees_raw_values(role: Role | None, raw: bool) -> None:
    assert PrivacyPolicy(Treatment.MASK).shows_raw(role) is raw


def test_a_block_holds_until_it_is_released() -> None:
    policy = PrivacyPolicy(kinds={"phone": Treatment.BLOCK})
    record = PersonalDataRecord({"phone": 2, "email": 1}, ("phone",))
    assert record.blocked_by(policy) == ("phone",) and record.blocked_by(DEFAULT_POLICY) == ()
    released = record.released(Release("김민수", "2026-11-28T00:00:00+00:00", "승인"))
    assert released.blocked_by(policy) == ()
    assert record_from_json(released.to_json()) == released and record_from_json(record.to_json()) == record
    assert record_from_json(None) is None


def test_a_chunk_is_masked_in_text_and_headings() -> None:
    chunk: Chunk = make_chunk("번호 010-2345-6789", headings=("가", "900101-1234567 상담"))
    found = ChunkFindings(((IN_TEXT, Finding(3, 16, Kind.PHONE)), (1, Finding(0, 14, Kind.RESIDENT))))
    shown = chunk.masked(found)
    assert (shown.text, shown.heading_path) == ("번호 010-****-6789", ("가", "900101-1****** 상담"))
    assert shown.id == chunk.id and shown.anchor == chunk.anchor
    assert chunk.masked(found.only([Kind.RESIDENT])).text == chunk.text
    assert ChunkFindings.from_json(found.to_json()) == found
    assert chunk.masked(ChunkFindings()) is chunk


def test_a_short_value_is_hidden_whole() -> None:
    assert masked("사번 12345", [Finding(3, 8, Kind.EMPLOYEE)]) == "사번 1****"
    assert masked("a@b.kr", [Finding(0, 6, Kind.EMAIL)]) == "*@b.kr"
    assert masked("1588-2345", [Finding(0, 9, Kind.PHONE)]) == "****-****"
