from __future__ import annotations

from dataclasses import replace

import pytest

from rag.access.personal_data.custom import checked_patterns
from rag.access.personal_data.detector import Detector
from rag.access.personal_data.scanning import record_of, scan, scan_alone, scan_key
from rag.domain.access import Role
from rag.domain.document import Chunk, ElementKind
from rag.domain.errors import InvalidRequest
from rag.domain.findings import IN_TEXT, Kind
from rag.domain.language import CollectionKind
from rag.domain.personal_data import CustomPattern, PrivacyPolicy, Release, Treatment
from tests.support.passages import make_chunk

DETECTOR = Detector()


def cut(*texts: str, headings: tuple[str, ...] = ("고객",)) -> list[Chunk]:
    return [make_chunk(text, headings=headings) for text in texts]


def test_a_number_that_was_cut_in_two_is_hidden_in_both_pieces() -> None:
    chunks = cut("주민등록번호 900101-", "1234567 김민수")
    found = scan(DETECTOR, chunks)
    shown = [chunk.masked(one).text for chunk, one in zip(chunks, found, strict=True)]
    assert shown[1] == "******* 김민수" and found[0].kinds == found[1].kinds == (Kind.RESIDENT,)


def test_a_label_in_the_piece_before_or_in_the_heading_counts() -> None:
    after = scan(DETECTOR, cut("고객의 환불 계좌는 다음과 같다.", "110-234-567890"))
    assert after[1].kinds == (Kind.ACCOUNT,)
    [under] = scan(DETECTOR, cut("1002-123-456789", headings=("급여 계좌번호",)))
    assert under.kinds == (Kind.ACCOUNT,)
    [alone] = scan(DETECTOR, cut("1002-123-456789", headings=("부품 목록",)))
    assert alone.kinds == ()


def test_pieces_of_other_sections_and_tables_are_not_joined() -> None:
    first, second = cut("분류 900101-")[0], cut("1234567 김민수", headings=("다른 절",))[0]
    assert [one.kinds for one in scan(DETECTOR, [first, second])] == [(), ()]
    table = replace(cut("| 1234567 |")[0], kind=ElementKind.TABLE)
    assert [one.kinds for one in scan(DETECTOR, [first, table])] == [(), ()]


def test_headings_are_looked_through_too() -> None:
    [found] = scan(DETECTOR, cut("상담 내용", headings=("상담", "김민수 010-2345-6789")))
    assert [(where, item.kind) for where, item in found.found] == [(1, Kind.PHONE)]
    assert scan_alone(DETECTOR, cut("010-2345-6789")[0]).of(IN_TEXT)


def test_the_record_counts_what_the_policy_wants_and_says_what_the_index_lacks() -> None:
    found = scan(DETECTOR, cut("010-2345-6789, 010-9876-5432", "hong@bank.co.kr", "900101-1234567"))
    policy = PrivacyPolicy(
        kinds={"phone": Treatment.MASK, "email": Treatment.ALLOW, "resident_number": Treatment.BLOCK}
    )
    record = record_of(found, policy, None)
    assert record.counts == {"phone": 2, "resident_number": 1}
    assert record.hidden == ("phone", "resident_number")
    release = Release("김민수", "2026-11-28T00:00:00+00:00", "승인")
    assert record_of(found, policy, release).release == release


def test_the_key_changes_with_whatever_changes_what_is_found_or_hidden() -> None:
    policy = PrivacyPolicy()
    key = scan_key(policy, CollectionKind.DOCUMENTS)
    others = [
        scan_key(policy, CollectionKind.CODE),
        scan_key(PrivacyPolicy(Treatment.MASK), CollectionKind.DOCUMENTS),
        scan_key(PrivacyPolicy(patterns=(CustomPattern("x", "a+"),)), CollectionKind.DOCUMENTS),
    ]
    assert len({key, *others}) == 4
    assert scan_key(PrivacyPolicy(raw_from=Role.ADMIN), CollectionKind.DOCUMENTS) == key


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "[", "a*", "", "a" * 201])
def test_patterns_that_can_not_be_run_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequest):
        checked_patterns([CustomPattern("x", pattern)])


def test_a_pattern_that_would_take_forever_elsewhere_does_not() -> None:
    [pattern] = checked_patterns([CustomPattern("x", "(a|a)+(a|a)+b")])
    assert Detector((pattern,)).find("a" * 200_000) == ()


def test_names_of_patterns_are_plain_and_each_is_there_once() -> None:
    for patterns in ([CustomPattern("X-1", "a")], [CustomPattern("x", "a")] * 2):
        with pytest.raises(InvalidRequest):
            checked_patterns(patterns)
