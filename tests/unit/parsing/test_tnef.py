"""`winmail.dat`, attribute by attribute."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing import media_types
from rag.domain.errors import FileDamaged, SeogoError
from tests.unit.parsing.documents import parse, texts


def attribute(level: int, kind: int, value: bytes) -> bytes:
    return struct.pack("<BII", level, kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def variable(form: int, tag: int, value: bytes) -> bytes:
    return struct.pack("<HHII", form, tag, 1, len(value)) + value + bytes(-len(value) % 4)


def winmail(*attributes: bytes) -> bytes:
    return b"\x78\x9f\x3e\x22\x01\x00" + attribute(1, 0x00069007, struct.pack("<II", 949, 0)) + b"".join(attributes)


RTF = rb"{\rtf1\ansi\ansicpg949 \'c8\'b8\'c0\'c7 10:00\par}"
STORED = len(RTF).to_bytes(4, "little") * 2 + b"MELA" + bytes(4) + RTF
NAMED = struct.pack("<HH16sII", 0x1F, 0x8001, bytes(16), 1, 6) + "abc".encode("utf-16-le") + bytes(2)
NAMED += struct.pack("<II", 1, 2) + b"x\0" + bytes(2)
PROPERTIES = struct.pack("<I", 3) + struct.pack("<HHI", 3, 0x0017, 1) + NAMED + variable(0x0102, 0x1009, STORED)
FILE = (
    attribute(2, 0x00069002, bytes(14))
    + attribute(2, 0x00018010, "짧은.TXT".encode("cp949") + b"\0")
    + attribute(2, 0x0006800F, b"content")
    + attribute(
        2, 0x00069005, struct.pack("<I", 1) + variable(0x1F, 0x3707, "긴 이름의 규정.txt\0".encode("utf-16-le"))
    )
)
WHOLE = winmail(
    attribute(1, 0x00018004, "주간 회의".encode("cp949") + b"\0"), attribute(1, 0x00069003, PROPERTIES), FILE
)


def test_subject_body_and_attachments(tmp_path: Path) -> None:
    path = tmp_path / "winmail.dat"
    path.write_bytes(WHOLE)
    document = parse(path)
    assert (document.media_type, texts(document)) == (media_types.TNEF, ["주간 회의", "회의 10:00"])
    assert [(child.name, child.content) for child in document.children] == [("긴 이름의 규정.txt", b"content")]


def test_a_file_cut_off_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "winmail.dat"
    path.write_bytes(WHOLE[:-10])
    with pytest.raises(FileDamaged):
        parse(path)


@given(st.data())
def test_a_changed_file_ends_in_a_document_or_an_error_of_ours(tmp_path_factory, data) -> None:
    changed = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(6, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("mutated") / "x"
    path.write_bytes(changed)
    try:
        parse(path, "winmail.dat")
    except SeogoError:
        return
