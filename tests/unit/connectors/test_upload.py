from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.connectors.upload import Received, UploadReceiver
from ingest.parsing.members import decode_name
from ingest.pipeline.records import clean_source_key
from rag.blobs.store import BlobRef, BlobStore, BlobWriter
from rag.domain.errors import InvalidRequest, PayloadTooLarge
from rag.domain.messages import localized

BOUNDARY = "경계".encode().hex()
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
END = f"--{BOUNDARY}--\r\n".encode()
LIMIT = 1 << 20


def part(name: str, content: bytes, *, field: str = "files") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{field}"; filename="{name}"'
    return f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: x/y\r\n\r\n".encode() + content + b"\r\n"


def receiver(
    blobs: BlobStore | None = None, content_type: str = TYPE, limit: int = LIMIT, *, others: bool = False
) -> UploadReceiver:
    blobs = blobs or BlobStore("memory:")
    return UploadReceiver(
        blobs, content_type, limit, clean_source_key, decode=lambda raw: decode_name(raw, "utf-8"), others=others
    )


def receive(pieces: Iterable[bytes], blobs: BlobStore | None = None, limit: int = LIMIT) -> list[Received]:
    found = receiver(blobs, limit=limit)
    for piece in pieces:
        found.feed(piece)
    return found.finish()


def stored(content: bytes) -> BlobRef:
    return BlobRef(hashlib.sha256(content).hexdigest(), len(content))


class WatchedBlobs(BlobStore):
    """Keeps every writer, so that one which is only forgotten, not aborted, does not clean up after itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder.as_uri())
        self.writers: list[BlobWriter] = []

    def writer(self, limit: int) -> BlobWriter:
        self.writers.append(super().writer(limit))
        return self.writers[-1]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# Contents that look like the end of a part, in whole or in part.
fragments = st.sampled_from(
    [
        b"\r\n",
        b"--",
        b"\r\n--",
        f"\r\n--{BOUNDARY[:5]}".encode(),
        BOUNDARY.encode(),
        b"\r",
        b"\n",
        b"-",
        "규정".encode(),
    ]
)
contents = st.lists(fragments | st.binary(min_size=1, max_size=20), min_size=1, max_size=8).map(b"".join)
bodies = st.lists(
    contents.filter(lambda content: f"\r\n--{BOUNDARY}".encode() not in b"\r\n" + content), min_size=1, max_size=4
)


@settings(max_examples=150)
@given(bodies, st.lists(st.integers(0, 400), max_size=12))
def test_any_split_of_the_body_gives_the_same_files(contents_of_parts: list[bytes], cuts: list[int]) -> None:
    body = b"".join(part(f"규정 {number}.hwp", content) for number, content in enumerate(contents_of_parts)) + END
    edges = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    pieces = [body[start:end] for start, end in pairwise(edges)]
    expected = [Received(f"규정 {number}.hwp", stored(content)) for number, content in enumerate(contents_of_parts)]
    assert receive(pieces) == expected


def test_byte_by_byte_is_no_different() -> None:
    body = part("취업규칙.hwp", "제1조".encode()) + part("급여.xlsx", b"\r\n--") + END
    assert receive(body[i : i + 1] for i in range(len(body))) == receive([body])


@settings(max_examples=150)
@given(st.data())
def test_a_body_that_ends_early_is_refused_and_leaves_nothing(data: st.DataObject) -> None:
    body = part("취업규칙.hwp", "제1조 목적".encode()) + part("급여.xlsx", b"2") + END
    cut = data.draw(st.integers(0, len(body) - len(b"-\r\n")))
    found = receiver(blobs := BlobStore("memory:"))
    with pytest.raises(InvalidRequest):
        found.feed(body[:cut])
        found.finish()
    complete = found.abort()
    assert complete == [stored(content) for content in ("제1조 목적".encode(), b"2")][: len(complete)]
    assert sorted(blobs._keys("")) == sorted(ref.held.key for ref in complete if ref.held is not None)
    for ref in complete:
        blobs.let_go(ref)
    assert blobs._keys("") == []


def test_many_files_keep_their_order_and_names() -> None:
    names = [f"인사/{number}년 규정.pdf" for number in range(300)]
    found = receive([b"".join(part(name, name.encode()) for name in names) + END])
    assert found == [Received(name, stored(name.encode())) for name in names]


def test_more_files_than_allowed_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="1000 files"):
        receive([b"".join(part(f"{number}.txt", b"x") for number in range(1001)) + END])
    assert len(receive([b"".join(part(f"{number}.txt", b"x") for number in range(1000)) + END])) == 1000


def written(name: str, value: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def test_fields_of_other_names_are_passed_over_where_clients_may_know_more() -> None:
    found = receiver(others=True)
    found.feed(written("memo", "메모") + part("규정.hwp", b"1") + written("memo", "메모") + END)
    assert found.finish() == [Received("규정.hwp", stored(b"1"))]
    found = receiver(others=True)
    found.feed(written("memo", "메모") + END)
    with pytest.raises(InvalidRequest, match="files: there is no file") as told:
        found.finish()
    assert "files: 파일이 없습니다" in localized(told.value, "ko")


@pytest.mark.parametrize("name", ["acces", "Access", "attribute", ""])
def test_a_field_that_is_not_known_is_refused_and_not_left_undone(tmp_path: Path, name: str) -> None:
    """A rule that is passed over leaves a document open to those whom it was to keep out."""
    found = receiver(WatchedBlobs(tmp_path))
    with pytest.raises(InvalidRequest, match="there is no such field; known are files, attributes") as told:
        found.feed(part("급여.hwp", b"1") + written(name, '{"deny": []}'))
    assert "없는 필드" in localized(told.value, "ko")
    assert found.abort() == [stored(b"1")]


@pytest.mark.parametrize("field", ["file", "attributes", "Files", ""])
def test_a_file_in_another_field_is_refused_before_it_is_taken(tmp_path: Path, field: str) -> None:
    blobs = WatchedBlobs(tmp_path)
    found = receiver(blobs)
    with pytest.raises(InvalidRequest, match="a file goes into the field 'files'") as refused:
        found.feed(part("가.txt", b"1") + part("나.txt", b"2", field=field))  # the end of the body is not waited for
    assert f"{field!r}: 파일은 'files' 필드에 넣으세요" in localized(refused.value, "ko")
    assert found.abort() == [stored(b"1")] and len(blobs.writers) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "/규정.hwp", "..\\..\\boot.ini"])
def test_names_are_cleaned(name: str) -> None:
    assert [item.name for item in receive([part(name, b"1") + END])] == [clean_source_key(name)]


def test_names_in_cp949_are_read_and_stay_apart() -> None:
    names = ["급여규정.hwp", "보고서.hwp", "견적서.hwp", "大韓民國.hwp", "【공지】①.hwp"]
    body = b"".join(part("NAME", b"1").replace(b"NAME", name.encode("cp949")) for name in names) + END
    assert [(item.name, item.error) for item in receive([body])] == [(name, None) for name in names]


@pytest.mark.parametrize("raw", ["就業規則".encode("shift_jis"), b"\xff\xfe\xff", "\ufffd\ufffd".encode()])
def test_a_name_that_cannot_be_read_is_refused_and_the_others_are_taken(raw: bytes) -> None:
    body = part("NAME.hwp", b"1").replace(b"NAME", raw) + part("규정.hwp", b"2") + END
    refused, taken = receive([body])
    assert isinstance(refused.error, InvalidRequest)
    assert refused.blob is None
    assert (taken.name, taken.blob) == ("규정.hwp", stored(b"2"))


def test_an_empty_file_is_refused_and_the_others_are_taken() -> None:
    found = receive([part("빈 파일.txt", b"") + part("규정.hwp", b"1") + END])
    assert [(item.name, item.blob, item.error and item.error.code) for item in found] == [
        ("빈 파일.txt", None, "empty_file"),
        ("규정.hwp", stored(b"1"), None),
    ]


def test_a_file_at_the_limit_fits_and_one_byte_more_does_not() -> None:
    assert receive([part("규정.hwp", bytes(10)) + END], limit=10)[0].blob == stored(bytes(10))
    with pytest.raises(PayloadTooLarge):
        receive([part("규정.hwp", bytes(11)) + END], limit=10)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/mixed; boundary=x",
        "text/plain; boundary=x",
        f"multipart/form-data; boundary={'b' * 300}",
    ],
)
def test_a_content_type_without_a_usable_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        receiver(content_type=content_type)


@pytest.mark.parametrize(
    "content_type",
    [f"Multipart/Form-Data; boundary={BOUNDARY}", f'multipart/form-data; charset=utf-8; boundary="{BOUNDARY}"'],
)
def test_the_content_type_may_be_written_in_other_ways(content_type: str) -> None:
    found = receiver(content_type=content_type)
    found.feed(part("규정.hwp", b"1") + END)
    assert len(found.finish()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"no multipart at all",
        b"--other\r\n\r\n",
        f"--{BOUNDARY}\r\nno colon here\r\n\r\n".encode(),
        f"--{BOUNDARY}\r\n: empty name\r\n\r\n".encode(),
        f"--{BOUNDARY}X\r\n".encode(),
    ],
)
def test_a_body_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        receive([body])


def header_bombs() -> dict[str, Sequence[bytes]]:
    start = f"--{BOUNDARY}\r\n".encode()
    return {
        "long value": [start, b"X-Bomb: ", *[b"A" * 1000] * 100],
        "long name": [start, *[b"A" * 1000] * 100],
        "long value at once": [start + b"X-Bomb: " + b"A" * 100_000 + b"\r\n\r\n"],
        "many headers": [start, *[b"X-Bomb: A\r\n"] * 10_000],
        "many folded": [start, b"X-Bomb: A", *[b"\r\n A"] * 10_000],
        "long file name": [part("가" * 50_000, b"1") + END],
    }


@pytest.mark.parametrize("name", header_bombs())
def test_a_header_bomb_is_refused_while_it_is_small(name: str) -> None:
    found, fed = receiver(), 0
    with pytest.raises(InvalidRequest):
        for piece in header_bombs()[name]:
            found.feed(piece)
            fed += len(piece)
    assert fed < 20_000


def test_memory_does_not_grow_with_the_upload(tmp_path: Path) -> None:
    found, piece = receiver(BlobStore(tmp_path.as_uri()), limit=1 << 30), bytes(1 << 18)
    found.feed(part("큰 파일.zip", piece)[: -len(b"\r\n")])
    before, highest = resident_mb(), 0.0
    for number in range(512):
        found.feed(piece)
        if number % 32 == 0:
            highest = max(highest, resident_mb())
    found.feed(b"\r\n" + END)
    assert found.finish()[0].blob == stored(piece * 513)
    assert highest - before < 64, "128 MB went through"


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / (1 << 20)


def test_an_abort_leaves_no_blob_of_the_file_in_work(tmp_path: Path) -> None:
    blobs = WatchedBlobs(tmp_path)
    found = receiver(blobs, limit=1 << 30)
    found.feed(part("규정.hwp", "완전한 파일".encode()))
    found.feed(part("큰 파일.zip", bytes(12 << 20))[:-2])
    [complete] = found.abort()
    assert complete == stored("완전한 파일".encode())
    assert [path.read_bytes() for path in files(tmp_path)] == ["완전한 파일".encode()]
    assert len(found.abort()) == 1, "a second abort does no harm"
    blobs.let_go(complete)
    assert files(tmp_path) == []


def test_a_file_that_is_too_large_leaves_nothing(tmp_path: Path) -> None:
    found = receiver(WatchedBlobs(tmp_path), limit=6 << 20)
    with pytest.raises(PayloadTooLarge):
        found.feed(part("큰 파일.zip", bytes(12 << 20)) + END)
    assert found.abort() == []
    assert files(tmp_path) == []


@pytest.mark.parametrize("name", ["", "..", "\u200b"])
def test_a_name_of_nothing_leaves_nothing(tmp_path: Path, name: str) -> None:
    found = receiver(BlobStore(tmp_path.as_uri()))
    found.feed(part(name, b"1") + part("b.txt", b"2") + END)
    refused, taken = found.finish()
    assert isinstance(refused.error, InvalidRequest) and refused.blob is None
    assert taken.name == "b.txt" and taken.blob is not None
    assert len(files(tmp_path)) == 1


def test_aborting_at_once_is_fine() -> None:
    assert receiver().abort() == []
