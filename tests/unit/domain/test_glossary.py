from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.errors import InvalidRequest
from rag.domain.glossary import GlossaryEntry, checked_entries, entries_from_csv, entries_to_csv

ENTRIES = [
    GlossaryEntry(
        "자보법", ("자동차손해배상 보장법", "Guarantee of Automobile Accident Compensation Act"), "법제처 약칭"
    ),
    GlossaryEntry("SSO", ("통합 인증", 'single "sign" on, all')),
]


def test_a_csv_file_goes_out_and_comes_back() -> None:
    text = entries_to_csv(ENTRIES)
    assert text.startswith("term,expansions,note\r\n자보법,자동차손해배상 보장법;Guarantee")
    assert entries_from_csv(text.encode()) == ENTRIES
    assert entries_from_csv(text.encode("utf-8-sig")) == ENTRIES
    assert entries_from_csv(text.encode("cp949")) == ENTRIES


def test_excel_files_with_a_korean_header_empty_lines_and_blanks() -> None:
    content = "용어,풀이\r\n\r\n 산재 , 산업재해; 업무상  재해 ;\r\n".encode("cp949")
    assert entries_from_csv(content) == [GlossaryEntry("산재", ("산업재해", "업무상 재해"))]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe\x00", "neither"),
        ("자보법".encode(), "line 1"),
        ("자보법,a b,c,d".encode(), "line 1"),
        ("자보법,;".encode(), "expansions"),
        ("자,자동차".encode(), "characters"),
        ("가나,다라\n가나,마바".encode(), "twice"),
        (b"SSO,aa\nsso,bb", "twice"),
        (("가" * 101 + ",다라").encode(), "characters"),
        (("가나," + ";".join(f"뜻{i}" for i in range(21))).encode(), "expansions"),
        ("\n".join(f"용어{i},뜻{i}" for i in range(10_001)).encode(), "10,000"),
        (f"가나,다라,{'메' * 501}".encode(), "note"),
        ('가나,"다라'.encode(), "CSV"),
    ],
)
def test_what_can_not_be_a_glossary_is_refused_with_its_place(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        entries_from_csv(content)


@given(st.binary(max_size=200))
def test_any_bytes_give_entries_or_a_refusal(content: bytes) -> None:
    try:
        found = entries_from_csv(content)
    except InvalidRequest:
        return
    assert checked_entries(found) == found
