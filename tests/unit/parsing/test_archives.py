"""Archives: members in order with their right names, every attack ending in a refusal or a warning."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing.base import SourceFile
from ingest.parsing.identify import identify
from ingest.parsing.registry import PARSERS, best, candidates
from rag.domain.document import ParsedDocument
from rag.domain.errors import (
    FileEncrypted,
    NoTextFound,
    ParseLimitExceeded,
    SeogoError,
    UnsupportedFormat,
)
from rag.domain.messages import warning_for
from tests.unit.parsing.documents import parse, zip_bytes

FILES = {"규정/취업규칙.txt": "제1조(목적) 이 규칙은 근로조건을 정한다.".encode(), "b.csv": b"a,b\n1,2\n"}


@pytest.fixture
def opened(tmp_path: Path):
    def open_bytes(data: bytes, name: str = "자료.zip") -> ParsedDocument:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return parse(path, name)

    return open_bytes


def tar_bytes(files: dict[str, bytes], mode: str = "w", **options: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **options) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(entries: list[tuple[zipfile.ZipInfo | str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names are meant
        for entry, data in entries:
            archive.writestr(entry, data)
    return out.getvalue()


def with_flag(data: bytes, flag: int) -> bytes:
    """The archive with a general purpose bit set on every entry, in both headers."""
    changed = bytearray(data)
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := changed.find(signature, start)) >= 0:
            changed[start + at] |= flag
            start += 4
    return bytes(changed)


def contents(document: ParsedDocument) -> dict[str, bytes]:
    return {child.name: child.content for child in document.children}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zip_bytes(FILES)),
        ("a.tar", tar_bytes(FILES)),
        ("a.tgz", tar_bytes(FILES, "w:gz")),
        ("a.tar.bz2", tar_bytes(FILES, "w:bz2")),
        ("a.tar.xz", tar_bytes(FILES, "w:xz")),
        ("pax.tar", tar_bytes(FILES, format=tarfile.PAX_FORMAT)),
        ("gnu.tar", tar_bytes({"긴/" * 80 + "x.txt": b"x"} | FILES, format=tarfile.GNU_FORMAT)),
    ],
)
def test_members_come_out_byte_for_byte(opened, name, data):
    document = opened(data, name)
    assert FILES.items() <= contents(document).items()
    assert (document.elements, document.warnings, document.next_child) == ((), (), 0)


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz")])
def test_a_single_packed_file_is_one_child(opened, pack, suffix):
    text = "연차휴가는 15일이다.".encode() * 40
    assert contents(opened(pack(text), f"인사/메모.txt.{suffix}")) == {"메모.txt": text}


def test_a_tar_without_a_signature_is_told_by_its_checksum(opened):
    header = bytearray(tar_bytes({"old.txt": b"old"}, format=tarfile.USTAR_FORMAT))
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    assert contents(opened(bytes(header), "old")) == {"old.txt": b"old"}


@pytest.mark.parametrize("raw", ["취업규칙 개정안.hwp", "회의록(2026년).txt", "한글.pdf"])
def test_korean_names_without_the_utf8_flag(opened, raw):
    for charset in ("cp949", "utf-8"):
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            entry = zipfile.ZipInfo("x" * len(raw.encode(charset)))
            archive.writestr(entry, b"x")
        plain = written.getvalue().replace(b"x" * len(raw.encode(charset)), raw.encode(charset))
        assert list(contents(opened(plain))) == [raw]
    tar = tar_bytes({raw: b"x"}, format=tarfile.GNU_FORMAT, encoding="cp949")
    assert list(contents(opened(tar, "a.tar"))) == [raw]


def test_a_name_that_begins_with_nul_costs_nothing(opened):
    data = zip_of([("\u0001ab.txt", b"nameless"), ("good.txt", b"good")]).replace(b"\x01ab.txt", b"\0ab.txt")
    assert sorted(contents(opened(data)).values()) == [b"good", b"nameless"]


def test_the_unicode_path_field_wins(opened):
    entry = zipfile.ZipInfo("old.txt")
    name = "정보보호규정.txt".encode()
    body = b"\1" + zlib.crc32(b"old.txt").to_bytes(4, "little") + name
    entry.extra = struct.pack("<HH", 0x7075, len(body)) + body
    assert list(contents(opened(zip_of([(entry, b"x")])))) == ["정보보호규정.txt"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "a/./../b\x01.txt", "\u202ex"])
def test_a_members_name_is_a_label_and_never_a_path(opened, name):
    for document in (opened(zip_of([(name, b"x")])), opened(tar_bytes({name: b"x"}), "a.tar")):
        [found] = contents(document)
        assert not found.startswith("/")
        assert not {"", ".", ".."} & set(found.split("/"))
        assert found.isprintable() and "\\" not in found


def test_duplicate_names_are_all_there(opened):
    document = opened(zip_of([("a.txt", b"first"), ("a.txt", b"second")]))
    assert [(child.name, child.content) for child in document.children] == [("a.txt", b"first"), ("a.txt", b"second")]


def test_links_and_devices_are_named_and_never_followed(opened):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    document = opened(zip_of([(link, b"/etc/passwd"), ("a.txt", b"x")]))
    assert (list(contents(document)), document.warnings) == (["a.txt"], ("child_not_a_file:link",))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in (
            ("sym", tarfile.SYMTYPE),
            ("hard", tarfile.LNKTYPE),
            ("dev", tarfile.CHRTYPE),
            ("p", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../../etc/passwd"
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("leer.txt"))
    document = opened(out.getvalue(), "a.tar")
    assert list(contents(document)) == ["leer.txt"]
    assert document.warnings == tuple(f"child_not_a_file:{name}" for name in ("sym", "hard", "dev", "p"))


def test_one_encrypted_member_is_named_and_only_encrypted_ones_are_a_refusal(opened):
    locked = with_flag(zip_bytes({"비밀.txt": b"x"}), 1)
    with pytest.raises(FileEncrypted):
        opened(locked)
    mixed = bytearray(zip_bytes({"비밀.txt": b"x", "공개.txt": b"y"}))
    mixed[6] |= 1
    mixed[mixed.find(b"PK\x01\x02") + 8] |= 1
    document = opened(bytes(mixed))
    assert (list(contents(document)), document.warnings) == (["공개.txt"], ("child_encrypted:비밀.txt",))
    assert warning_for(document.warnings[0], "ko").endswith(": 비밀.txt")


def test_an_encrypted_office_file_stays_a_refusal(opened):
    with pytest.raises(FileEncrypted):
        opened(with_flag(zip_bytes({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"x"}), 1))


def test_what_operating_systems_add_is_counted(opened):
    junk = ["__MACOSX/._a.txt", ".DS_Store", "사진/Thumbs.db", "._b.txt", "desktop.ini"]
    document = opened(zip_of([(name, b"x") for name in [*junk, "a.txt"]]))
    assert (list(contents(document)), document.warnings) == (["a.txt"], ("junk_left_out:5",))
    with pytest.raises(NoTextFound):
        opened(zip_of([(name, b"x") for name in junk]))
    with pytest.raises(NoTextFound):
        opened(zip_of([]))


def test_a_damaged_member_costs_itself_only(opened):
    data = zip_of([("bad.txt", b"unlucky content"), ("good.txt", b"good")])
    entry = zipfile.ZipFile(io.BytesIO(data)).infolist()[0]
    changed = bytearray(data)
    changed[entry.header_offset + 30 + 7] ^= 0xFF
    document = opened(bytes(changed))
    assert (list(contents(document)), document.warnings) == (["good.txt"], ("child_damaged:bad.txt",))


def test_an_unknown_packing_method_is_said(opened):
    data = bytearray(zip_bytes({"a.txt": b"x", "b.txt": b"y"}))
    data[8] = 9
    data[data.find(b"PK\x01\x02") + 10] = 9
    document = opened(bytes(data))
    assert (list(contents(document)), document.warnings) == (["b.txt"], ("child_unsupported:a.txt",))


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar.gz", "bomb.gz", "bomb.tar.xz"])
def test_bombs_are_refused(opened, name):
    zeros = bytes(1 << 20)
    out = io.BytesIO()
    if name == "bomb.zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(100):
                archive.writestr(f"{number}.txt", zeros)
    elif name == "bomb.gz":
        with gzip.open(out, "wb") as file:
            for _ in range(300):
                file.write(zeros)
    else:
        info = tarfile.TarInfo("zeros.bin")
        info.size = 100 << 20
        with tarfile.open(fileobj=out, mode=f"w:{name[-2:]}") as archive:
            archive.addfile(info, _Zeros())
    with pytest.raises(ParseLimitExceeded):
        opened(out.getvalue(), name)


class _Zeros(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        return bytes(size)


def test_a_tar_with_a_header_that_promises_too_much(opened):
    data = bytearray(tar_bytes({"a.txt": b"x"}, format=tarfile.USTAR_FORMAT))
    data[124:136] = b"77777777777\0"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    with pytest.raises(SeogoError):
        opened(bytes(data), "a.tar")


def test_too_many_members(opened):
    with pytest.raises(ParseLimitExceeded):
        opened(zip_of([(str(n), b"") for n in range(20_001)]))
    assert len(contents(opened(tar_bytes({str(n): b"x" for n in range(300)}), "a.tar"))) == 300


def test_zip64_is_read(opened):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("큰.txt", "w", force_zip64=True) as entry:
        entry.write(b"content")
    data = out.getvalue()
    end = data.rfind(b"PK\x05\x06")
    count, size, start = struct.unpack_from("<HII", data, end + 10)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    closing = data[end : end + 8] + b"\xff" * 12 + data[end + 20 :]
    assert contents(opened(data[:end] + record + locator + closing)) == {"큰.txt": b"content"}
    lying = record[:40] + struct.pack("<Q", 1 << 40) + record[48:]
    with pytest.raises(SeogoError):
        opened(data[:end] + lying + locator + closing)


def test_what_does_not_fit_at_once_comes_in_further_passes(tmp_path):
    path = tmp_path / "a"
    names = [f"{n}.bin" for n in range(10)]
    big = {"huge.bin": bytes(5000)}
    for data in (
        zip_bytes({name: bytes(900) for name in names} | big),
        tar_bytes({n: bytes(900) for n in names} | big),
    ):
        path.write_bytes(data)
        identified = identify(path, "a")
        source = SourceFile("a", identified.media_type, children_bytes=2000)
        keys = candidates(identified, "a", PARSERS)
        parser = best(identified, "a", {key: PARSERS[key].factory() for key in keys})
        found, noted, passes = [], [], 0
        while True:
            document = parser.parse(path, source)
            assert sum(len(child.content) for child in document.children) <= 2000
            found += [child.name for child in document.children]
            noted += document.warnings
            passes += 1
            if not document.next_child:
                break
            source = replace(source, first_child=document.next_child)
        assert (found, noted, passes) == (names, ["child_too_large:huge.bin"], 5)


@pytest.mark.parametrize(
    ("head", "format_name"), [(b"Rar!\x1a\x07\x01\x00", "RAR"), (b"EGGA\0\1\0\0", "EGG"), (b"ALZ\x01\n\0\0\0", "ALZ")]
)
def test_formats_that_are_refused_say_what_they_are(opened, head, format_name):
    with pytest.raises(UnsupportedFormat) as caught:
        opened(head + bytes(range(256)) * 8, "자료")
    assert format_name in caught.value.message_en()


WHOLE = {
    "zip": zip_bytes(FILES | {"글.txt": "가나다라 ".encode() * 200}),
    "tar": tar_bytes(FILES, format=tarfile.PAX_FORMAT),
    "gz": tar_bytes(FILES, "w:gz"),
    "xz": tar_bytes(FILES, "w:xz"),
    "bz2": tar_bytes(FILES, "w:bz2"),
}


@pytest.mark.parametrize("kind", WHOLE)
@given(data=st.data())
def test_a_changed_archive_ends_in_a_document_or_an_error_of_ours(tmp_path_factory, kind, data):
    changed = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed) - 1))
        if data.draw(st.booleans()):
            changed[at] = data.draw(st.integers(0, 255))
        else:
            del changed[at : at + data.draw(st.integers(1, 40))]
    path = tmp_path_factory.mktemp("mutated") / "x"
    path.write_bytes(changed or b"x")
    try:
        parse(path, f"a.{kind}")
    except SeogoError:
        return
