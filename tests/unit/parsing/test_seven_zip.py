"""7z archives of every packing that the standard library knows, and every way in which one may be wrong."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing import media_types
from ingest.parsing.base import SourceFile
from ingest.parsing.seven_zip import SevenZipParser
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound, ParseLimitExceeded, SeogoError, UnsupportedFormat
from tests.support.seven_zip_file import DELTA, LZMA1, LZMA2, X86, seven_zip
from tests.unit.parsing.documents import parse

CALLS = b"".join(b"\xe8" + n.to_bytes(4, "little") for n in range(3000))
"""What the x86 filter changes."""
FILES = {
    "규정/취업규칙.txt": "제1조(목적) 이 규칙은 근로조건을 정한다. ".encode() * 300,
    "b.csv": b"a,b\n1,2\n",
    "zufall.bin": random.Random(7).randbytes(70_000),
    "prog.exe": CALLS,
}


@pytest.fixture
def opened(tmp_path: Path):
    def open_bytes(data: bytes, name: str = "자료.7z") -> ParsedDocument:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return parse(path, name)

    return open_bytes


def contents(document: ParsedDocument) -> dict[str, bytes]:
    return {child.name: child.content for child in document.children}


@pytest.mark.parametrize(
    "method",
    [[LZMA2], [LZMA1], [X86, LZMA2], [X86, LZMA1], [DELTA, LZMA2], [DELTA, LZMA1], "copy", "deflate", "bzip2"],
    ids=str,
)
def test_members_come_out_byte_for_byte(opened, method):
    document = opened(seven_zip(FILES, method))
    assert (document.media_type, document.warnings) == (media_types.SEVEN_ZIP, ())
    assert contents(document) == FILES


def test_folders_empty_files_and_links(opened):
    files = {"폴더": None, "link": b"/etc/passwd", "a.txt": b"x", "leer.txt": b"", "../b.txt": b"y"}
    for packed in (True, False):
        document = opened(seven_zip(files, links=["link"], pack_header=packed))
        assert contents(document) == {"a.txt": b"x", "leer.txt": b"", "b.txt": b"y"}
        assert document.warnings == ("child_not_a_file:link",)
    with pytest.raises(NoTextFound):
        opened(seven_zip({"폴더": None}))


@pytest.mark.parametrize(("method", "error"), [("aes", FileEncrypted), ("ppmd", UnsupportedFormat)])
def test_what_cannot_be_unpacked_says_why(opened, method, error):
    with pytest.raises(error):
        opened(seven_zip(FILES, method))


def test_a_directory_packed_by_another_method_says_so(opened):
    whole = seven_zip({"a.txt": b"x"})
    data = bytearray(whole)
    start = 32 + int.from_bytes(data[12:20], "little")
    at = data.index(b"\x23\x03\x01\x01", start)
    data[at : at + 4] = b"\x23\x03\x04\x01"  # PPMd
    data[28:32] = zlib.crc32(data[start:]).to_bytes(4, "little")
    with pytest.raises(UnsupportedFormat):
        opened(bytes(data))


def test_a_wrong_checksum_costs_that_member_only(opened):
    data = bytearray(seven_zip({"a.txt": b"first", "b.txt": b"second"}, "copy"))
    data[32] ^= 1
    document = opened(bytes(data))
    assert (contents(document), document.warnings) == ({"b.txt": b"second"}, ("child_damaged:a.txt",))


def test_bombs_and_lies_are_refused(opened):
    with pytest.raises(ParseLimitExceeded):
        opened(seven_zip({"zeros": bytes(80 << 20)}))
    with pytest.raises(ParseLimitExceeded):
        opened(seven_zip({"a.txt": b"x"}, count=30_000))
    with pytest.raises(FileDamaged):
        opened(seven_zip({"a.txt": b"x"}, count=7))
    whole = seven_zip(FILES)
    for cut in (40, len(whole) // 2, len(whole) - 1):
        with pytest.raises(FileDamaged):
            opened(whole[:cut])
    huge = bytearray(whole)
    huge[20:28] = (1 << 40).to_bytes(8, "little")
    with pytest.raises(ParseLimitExceeded):
        opened(bytes(huge))


def test_further_passes_go_on_inside_the_solid_block(tmp_path):
    path = tmp_path / "a.7z"
    files = {f"{n}.bin": bytes([n]) * 900 for n in range(10)} | {"huge.bin": bytes(5000), "last.txt": b"end"}
    path.write_bytes(seven_zip(files))
    source, found = SourceFile("a.7z", media_types.SEVEN_ZIP, children_bytes=2000), {}
    while True:
        document = SevenZipParser().parse(path, source)
        found |= contents(document)
        if not document.next_child:
            break
        source = replace(source, first_child=document.next_child)
    assert found == {name: data for name, data in files.items() if name != "huge.bin"}


WHOLE = {
    name: seven_zip({k: v[:500] for k, v in FILES.items()}, pack_header=name == "packed")
    for name in ("packed", "plain")
}


@pytest.mark.parametrize("kind", WHOLE)
@given(data=st.data())
def test_a_changed_archive_ends_in_a_document_or_an_error_of_ours(tmp_path_factory, kind, data):
    changed = bytearray(WHOLE[kind])
    start = 32 + int.from_bytes(changed[12:20], "little")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(start if data.draw(st.booleans()) else 6, len(changed) - 1))
        changed[at] = data.draw(st.integers(0, 255))
    # The directory's checksum is made right again, or nothing behind it would ever be reached.
    changed[28:32] = zlib.crc32(changed[start:]).to_bytes(4, "little")
    path = tmp_path_factory.mktemp("mutated") / "x"
    path.write_bytes(changed)
    try:
        parse(path, "a.7z")
    except SeogoError:
        return
