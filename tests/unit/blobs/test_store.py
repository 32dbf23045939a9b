from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.blobs.store import BlobRef, BlobStore
from rag.domain.errors import EmptyFile, PayloadTooLarge

LARGE = 12 << 20
"""More than two of obstore's buffers, so that it goes to the store in parts."""
VERSION = UUID(int=7)
TRAVERSAL = ["..", "../x", "/etc/passwd", "a/b", "a\\b", ".x", "", "대장", "A", "a\n", "a\0", "x" * 101]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name has to be quoted in a URL."""
    return tmp_path / "원본 100% #1"


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, folder: Path) -> Iterator[BlobStore]:
    yield BlobStore(folder.as_uri() if request.param == "folder" else "memory:")


def put(store: BlobStore, *pieces: bytes) -> BlobRef:
    writer = store.writer(1 << 30)
    for piece in pieces:
        writer.write(piece)
    return writer.finish("취업규칙.hwp")


def read(store: BlobStore, ref: BlobRef) -> bytes:
    return b"".join(store.stream(ref.content_hash))


def test_an_original_comes_back_under_its_hash(store: BlobStore) -> None:
    content = "취업규칙 제1조".encode()
    ref = put(store, content[:5], b"", content[5:])
    assert ref == BlobRef(hashlib.sha256(content).hexdigest(), len(content))
    assert store.exists(ref.content_hash)
    assert read(store, ref) == content
    with store.local_copy(ref.content_hash) as path:
        assert path.read_bytes() == content


def test_a_large_original_is_streamed_both_ways(store: BlobStore) -> None:
    piece = bytes(range(256)) * 1024
    ref = put(store, *[piece] * (LARGE // len(piece)))
    pieces = list(store.stream(ref.content_hash))
    assert hashlib.sha256(b"".join(pieces)).hexdigest() == ref.content_hash
    with store.local_copy(ref.content_hash) as path:
        on_disk = "originals" in path.parts
    assert not on_disk or max(map(len, pieces)) < LARGE // 2


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    store, content = BlobStore("memory:"), b"".join(pieces)
    if content:
        assert put(store, *pieces) == put(store, content)
        assert list(store.original_hashes()) == [hashlib.sha256(content).hexdigest()]
    else:
        with pytest.raises(EmptyFile):
            put(store, *pieces)


def test_the_same_content_is_stored_once(folder: Path) -> None:
    store = BlobStore(folder.as_uri())
    first, second, other = put(store, "규정".encode()), put(store, "규".encode(), "정".encode()), put(store, b"other")
    assert first == second
    assert sorted(store.original_hashes()) == sorted([first.content_hash, other.content_hash])
    assert files(folder) == sorted(f"originals/{item.content_hash[:2]}/{item.content_hash}" for item in (first, other))


def test_two_writers_at_once_do_not_mix(store: BlobStore) -> None:
    first, second = store.writer(100), store.writer(100)
    first.write("가".encode())
    second.write("나".encode())
    first.write("다".encode())
    refs = second.finish("둘째"), first.finish("첫째")
    assert [read(store, ref).decode() for ref in refs] == ["나", "가다"]


@pytest.mark.parametrize(
    ("limit", "pieces", "fits"),
    [(4, [b"abcd"], True), (4, [b"ab", b"cd"], True), (4, [b"abcde"], False), (4, [b"abcd", b"e"], False)],
)
def test_the_limit_counts_all_pieces(store: BlobStore, limit: int, pieces: list[bytes], fits: bool) -> None:
    writer = store.writer(limit)
    for piece in pieces[:-1]:
        writer.write(piece)
    if fits:
        writer.write(pieces[-1])
        assert writer.finish("x").size == limit
        return
    with pytest.raises(PayloadTooLarge):
        writer.write(pieces[-1])
    writer.abort()
    assert list(store.original_hashes()) == []


def test_the_limit_is_told_in_mb() -> None:
    with pytest.raises(PayloadTooLarge) as refusal:
        BlobStore("memory:").writer(3 << 20).write(bytes((3 << 20) + 1))
    assert refusal.value.params == {"limit_mb": 3}


@pytest.mark.parametrize("size", [0, 1, LARGE])
def test_an_abort_leaves_nothing(folder: Path, size: int) -> None:
    store = BlobStore(folder.as_uri())
    writer = store.writer(1 << 30)
    for _ in range(0, size, 1 << 20):
        writer.write(b"x" * min(size, 1 << 20))
    writer.abort()
    assert files(folder) == []


def held(store: BlobStore, content: bytes) -> BlobRef:
    writer = store.writer(1 << 30)
    writer.write(content)
    return writer.hold("규정.hwp")


def test_what_is_held_comes_under_its_hash_once_it_is_settled(store: BlobStore) -> None:
    ref = held(store, "규정".encode())
    assert list(store.original_hashes()) == []
    store.delete_original(ref.content_hash)  # of the same content, by whoever deletes it
    assert store.settle(ref) is True
    assert read(store, ref) == "규정".encode()
    assert store.settle(ref) is True, "by a transaction that is tried again"
    store.delete_original(ref.content_hash)
    assert store.settle(ref) is False


def test_what_is_not_held_is_there_or_not(store: BlobStore) -> None:
    ref = put(store, b"x")
    assert store.settle(ref) is True
    store.let_go(ref)
    assert store.exists(ref.content_hash)
    assert store.settle(BlobRef("0" * 64, 1)) is False


def test_what_is_let_go_leaves_nothing(folder: Path) -> None:
    store = BlobStore(folder.as_uri())
    ref = held(store, b"x")
    assert len(files(folder)) == 1
    assert [store.let_go(ref) for _ in range(2)] == [True, False]
    assert files(folder) == []


@pytest.mark.parametrize("age", [0, 200_000])
def test_what_a_crash_left_held_is_swept_after_two_days(folder: Path, age: int) -> None:
    store = BlobStore(folder.as_uri())
    ref = held(store, b"x")
    [path] = (folder / "incoming").iterdir()
    os.utime(path, (time.time() - age,) * 2)
    store.sweep_incoming()
    assert store.settle(ref) is (age == 0)
    assert bool(files(folder)) is (age == 0)


def test_nothing_is_visible_before_the_end(folder: Path) -> None:
    store = BlobStore(folder.as_uri())
    writer = store.writer(1 << 30)
    writer.write(bytes(LARGE))
    assert list(store.original_hashes()) == []
    writer.abort()


def test_an_empty_file_is_refused_by_name_and_leaves_nothing(folder: Path) -> None:
    with pytest.raises(EmptyFile) as refusal:
        put(BlobStore(folder.as_uri()), b"")
    assert refusal.value.params == {"name": "취업규칙.hwp"}
    assert files(folder) == []


def test_what_is_not_stored_is_not_there(store: BlobStore) -> None:
    digest = "0" * 64
    assert not store.exists(digest)
    assert list(store.original_hashes()) == []
    store.delete_original(digest)
    with pytest.raises(FileNotFoundError):
        list(store.stream(digest))


def test_a_deleted_original_is_gone_and_can_be_stored_again(store: BlobStore) -> None:
    ref = put(store, "규정".encode())
    store.delete_original(ref.content_hash)
    assert not store.exists(ref.content_hash)
    assert put(store, "규정".encode()) == ref
    assert store.exists(ref.content_hash)


@pytest.mark.parametrize("digest", [*TRAVERSAL, "../" * 21 + "x", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_a_hash_that_is_none_never_becomes_a_path(store: BlobStore, digest: str) -> None:
    for use in (
        store.exists,
        lambda name: list(store.stream(name)),
        lambda name: store.local_copy(name).__enter__(),
        store.delete_original,
    ):
        with pytest.raises(ValueError, match="SHA-256"):
            use(digest)


def test_derived_files_belong_to_their_version(store: BlobStore) -> None:
    other = uuid4()
    assert store.get_derived(VERSION, "parsed.json") is None
    for version, name, data in [
        (VERSION, "parsed.json", b"1"),
        (VERSION, "vectors.npz", b"2"),
        (other, "parsed.json", b"3"),
    ]:
        store.put_derived(version, name, data)
    store.put_derived(VERSION, "parsed.json", "새것".encode())
    assert store.get_derived(VERSION, "parsed.json") == "새것".encode()
    store.delete_derived(VERSION, "parsed.json")
    assert (store.get_derived(VERSION, "parsed.json"), store.get_derived(VERSION, "vectors.npz")) == (None, b"2")
    store.delete_derived(VERSION)
    assert store.get_derived(VERSION, "vectors.npz") is None
    assert store.get_derived(other, "parsed.json") == b"3"
    store.delete_derived(VERSION)


@pytest.mark.parametrize("name", TRAVERSAL)
def test_a_derived_name_never_becomes_a_path(folder: Path, name: str) -> None:
    store = BlobStore(folder.as_uri())
    with pytest.raises(ValueError, match="derived"):
        store.put_derived(VERSION, name, b"x")
    with pytest.raises(ValueError, match="derived"):
        store.get_derived(VERSION, name)
    assert files(folder) == []


def test_originals_outlive_the_process(folder: Path) -> None:
    ref = put(BlobStore(folder.as_uri()), "규정".encode())
    assert read(BlobStore(folder.as_uri()), ref) == "규정".encode()
