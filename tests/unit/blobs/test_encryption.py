"""Blobs at rest: the store behaves the same under encryption, nothing plain is left, and nothing changed is given out."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.blobs import rotation
from rag.blobs.cipher import KEY_BYTES, NONCE_BYTES, TAG_BYTES, AesGcm, Cipher, WrongKeyOrChanged
from rag.blobs.envelope import CHUNK_BYTES, HEADER_BYTES, MARK, Header, Sealer, opened, plain_size, span_of
from rag.blobs.keyring import KeyAtRest, Keyring, WrappedKey, create_key_file, read_keyring
from rag.blobs.rotation import encrypt, inventory, rotate
from rag.blobs.store import BlobRef, BlobStore
from rag.domain.errors import BlobTampered, ConfigurationError, KeyAtRestMissing

VERSION = UUID(int=7)
FIRST, SECOND = KeyAtRest.of(bytes(32)), KeyAtRest.of(b"\1" * 32)
RULE = "제15조(연차휴가) 연차휴가는 15일로 한다."


class Toy:
    """Another module behind the interface, with no library: a validated one takes its place in the same way."""

    def random(self, size: int) -> bytes:
        return os.urandom(size)

    def seal(self, key: bytes, nonce: bytes, text: bytes, bound: bytes) -> bytes:
        sealed = self._mixed(key, nonce, text)
        return sealed + self._tag(key, nonce, sealed, bound)

    def open(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        if len(sealed) < TAG_BYTES or self._tag(key, nonce, sealed[:-TAG_BYTES], bound) != sealed[-TAG_BYTES:]:
            raise WrongKeyOrChanged
        return self._mixed(key, nonce, sealed[:-TAG_BYTES])

    def _mixed(self, key: bytes, nonce: bytes, text: bytes) -> bytes:
        stream = hashlib.shake_256(key + nonce).digest(len(text))
        return bytes(one ^ other for one, other in zip(text, stream, strict=True))

    def _tag(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        return hashlib.sha256(key + nonce + len(bound).to_bytes(8, "big") + bound + sealed).digest()[:TAG_BYTES]


@pytest.fixture(params=[AesGcm, Toy])
def cipher(request: pytest.FixtureRequest) -> Cipher:
    return request.param()


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_cipher_keeps_its_contract(cipher: Cipher) -> None:
    key, nonce = cipher.random(KEY_BYTES), cipher.random(NONCE_BYTES)
    assert (len(key), len(nonce)) == (KEY_BYTES, NONCE_BYTES)
    text = RULE.encode()
    sealed = cipher.seal(key, nonce, text, b"place")
    assert len(sealed) == len(text) + TAG_BYTES
    assert cipher.open(key, nonce, sealed, b"place") == text
    assert cipher.open(key, nonce, cipher.seal(key, nonce, b"", b""), b"") == b""
    for changed in (
        (flipped(key, 0), nonce, sealed, b"place"),
        (key, flipped(nonce, 95), sealed, b"place"),
        (key, nonce, sealed, b"plac"),
        (key, nonce, sealed[:-1], b"place"),
        (key, nonce, b"", b"place"),
        *((key, nonce, flipped(sealed, bit), b"place") for bit in range(0, len(sealed) * 8, 7)),
    ):
        with pytest.raises(WrongKeyOrChanged):
            cipher.open(*changed)


def test_aes_gcm_gives_the_published_result() -> None:
    """Test case 16 of McGrew and Viega, The Galois/Counter Mode of Operation (the annex of GCM's specification)."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    text = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    bound = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    assert AesGcm().seal(key, nonce, text, bound)[-TAG_BYTES:].hex() == "76fc6ece0f4e1768cddf8853bb2d551b"


SIZES = [0, 1, 100, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 17]


def sealed_object(content: bytes, cipher: Cipher) -> tuple[bytes, bytes]:
    sealer = Sealer(cipher)
    return sealer.feed(content) + sealer.finish(), sealer.data_key


def read(stored: bytes, key: bytes, cipher: Cipher, start: int = 0, length: int | None = None) -> bytes:
    header = Header.decoded(stored[:HEADER_BYTES])
    assert header is not None
    span = span_of(start, length, len(stored))
    pieces = iter([stored[at : min(at + 1000, span.end)] for at in range(span.start, span.end, 1000)])
    return b"".join(opened(cipher, key, header, pieces, span, len(stored), "x"))


@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_back_and_is_known_beforehand(size: int) -> None:
    content = os.urandom(size)
    stored, key = sealed_object(content, AesGcm())
    assert plain_size(len(stored)) == size
    assert read(stored, key, AesGcm()) == content


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pieces_and_ranges_do_not_matter(data: st.DataObject) -> None:
    size = data.draw(st.one_of(st.integers(0, 300), st.sampled_from(SIZES)))
    content, sealer = os.urandom(size), Sealer(AesGcm())
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=5)))
    stored = (
        b"".join(sealer.feed(content[a:b]) for a, b in zip([0, *cuts], [*cuts, size], strict=True)) + sealer.finish()
    )
    start = data.draw(st.integers(0, size + 5))
    length = data.draw(st.one_of(st.none(), st.integers(0, size + 5)))
    expected = content[start:] if length is None else content[start : start + length]
    assert read(stored, sealer.data_key, AesGcm(), start, length) == expected


STORED, STORED_KEY = sealed_object(os.urandom(2 * CHUNK_BYTES + 500), AesGcm())


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(STORED) * 8 - 1))
def test_no_bit_can_be_changed(bit: int) -> None:
    changed = flipped(STORED, bit)
    header = Header.decoded(changed[:HEADER_BYTES])
    if header is None:
        assert bit < HEADER_BYTES * 8  # it is no encrypted object any more, and would be refused as plain
        return
    with pytest.raises(BlobTampered):
        read(changed, STORED_KEY, AesGcm())


ONE = CHUNK_BYTES + TAG_BYTES
HEAD, CHUNKS = STORED[:HEADER_BYTES], [STORED[HEADER_BYTES + at : HEADER_BYTES + at + ONE] for at in (0, ONE, 2 * ONE)]


@pytest.mark.parametrize(
    "body",
    [
        [],
        CHUNKS[:1],
        CHUNKS[:2],
        [CHUNKS[1], CHUNKS[0], CHUNKS[2]],
        [CHUNKS[0], CHUNKS[0], CHUNKS[2]],
        [CHUNKS[0], CHUNKS[2]],
        [*CHUNKS, CHUNKS[2]],
        [*CHUNKS, b"x"],
        [CHUNKS[0], CHUNKS[1], CHUNKS[2][:-1]],
        [CHUNKS[0][:10]],
    ],
    ids=["nothing", "one", "two", "exchanged", "doubled", "left out", "repeated end", "more", "less", "ten bytes"],
)
def test_no_chunk_can_be_cut_off_moved_or_doubled(body: list[bytes]) -> None:
    with pytest.raises(BlobTampered):
        read(HEAD + b"".join(body), STORED_KEY, AesGcm())


def test_a_range_checks_what_it_gives_out() -> None:
    changed = flipped(STORED, (HEADER_BYTES + ONE + 5) * 8)
    assert read(changed, STORED_KEY, AesGcm(), 0, 100)
    with pytest.raises(BlobTampered):
        read(changed, STORED_KEY, AesGcm(), CHUNK_BYTES + 10, 1)


def test_memory_stays_at_a_few_chunks() -> None:
    sealer, piece = Sealer(AesGcm()), bytes(1 << 20)
    tracemalloc.start()
    for _ in range(64):
        sealer.feed(piece)
    sealer.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "원본"


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, folder: Path) -> Iterator[BlobStore]:
    yield BlobStore(folder.as_uri() if request.param == "folder" else "memory:", Keyring([FIRST]))


def put(store: BlobStore, content: bytes) -> BlobRef:
    writer = store.writer(1 << 30)
    for start in range(0, len(content), 50_000):
        writer.write(content[start : start + 50_000])
    return writer.finish("규정.hwp")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_store_reads_what_it_writes(store: BlobStore) -> None:
    content = (RULE * 9000).encode()
    ref = put(store, content)
    assert ref == BlobRef(hashlib.sha256(content).hexdigest(), len(content))
    assert b"".join(store.stream(ref.content_hash)) == content
    assert b"".join(store.stream(ref.content_hash, 100_000, 50)) == content[100_000:100_050]
    assert b"".join(store.stream(ref.content_hash, len(content) - 5)) == content[-5:]
    with store.local_copy(ref.content_hash) as path:
        assert path.read_bytes() == content
    assert not path.exists()
    store.put_derived(VERSION, "parsed.json", b"{}")
    store.put_result(VERSION, "spec", RULE.encode())
    assert store.get_derived(VERSION, "parsed.json") == b"{}"
    assert store.get_result(VERSION, "spec") == RULE.encode()
    assert store.get_derived(VERSION, "other") is None
    assert list(store.original_hashes()) == [ref.content_hash]


def test_what_is_held_is_encrypted_and_has_its_key_once_it_is_settled(folder: Path) -> None:
    store = BlobStore(folder.as_uri(), Keyring([FIRST]))
    writers = [store.writer(1 << 30) for _ in range(2)]
    for writer in writers:
        writer.write(RULE.encode())
    settled, gone = [writer.hold("규정.hwp") for writer in writers]
    assert len(files(folder)) == 2
    assert not any(RULE[:9].encode() in path.read_bytes() for path in files(folder))
    assert store.settle(settled)
    store.let_go(gone)
    assert len(files(folder)) == 2  # an object and its key
    assert b"".join(store.stream(settled.content_hash)) == RULE.encode()
    store.delete_original(settled.content_hash)
    assert store.settle(settled) is False
    assert files(folder) == [], "its key does not come back"


def test_a_sealer_that_is_kept_holds_nothing_of_the_content() -> None:
    sealer = Sealer(Keyring([FIRST]).cipher)
    sealer.feed(RULE.encode())
    sealer.finish()
    assert sealer.feed(b"")[HEADER_BYTES:] == b"" and not sealer._held


def test_nothing_plain_is_left_on_the_disk_and_a_deletion_takes_the_keys(folder: Path) -> None:
    store = BlobStore(folder.as_uri(), Keyring([FIRST]))
    ref = put(store, (RULE * 9000).encode())
    put(store, (RULE * 9000).encode())
    for _ in range(2):
        store.put_derived(VERSION, "parsed.json", RULE.encode())
    aborted = store.writer(1 << 30)
    aborted.write(RULE.encode() * 9000)
    aborted.abort()
    assert len(files(folder)) == 4  # two objects, two keys: what was replaced left none
    for path in files(folder):
        stored = path.read_bytes()
        assert RULE[:9].encode() not in stored
        assert FIRST.key not in stored
    assert inventory(store).orphans == 0
    store.delete_original(ref.content_hash)
    store.delete_derived(VERSION)
    store.delete_original(ref.content_hash)
    assert files(folder) == []


def test_another_key_opens_nothing_and_says_which_is_missing(folder: Path) -> None:
    ref = put(BlobStore(folder.as_uri(), Keyring([FIRST])), RULE.encode())
    for keyring in (Keyring([SECOND]), None):
        with pytest.raises(KeyAtRestMissing, match=FIRST.id):
            list(BlobStore(folder.as_uri(), keyring).stream(ref.content_hash))
        with (
            pytest.raises(KeyAtRestMissing),
            BlobStore(folder.as_uri(), keyring).local_copy(ref.content_hash),
        ):
            pass


def test_objects_can_not_be_exchanged_for_each_other(folder: Path) -> None:
    store = BlobStore(folder.as_uri(), Keyring([FIRST]))
    ours, theirs = put(store, b"salary 1"), put(store, b"salary 2")
    paths = [folder / "originals" / ref.content_hash[:2] / ref.content_hash for ref in (ours, theirs)]
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(BlobTampered):
        list(store.stream(ours.content_hash))
    assert list(store.stream(theirs.content_hash)) == [b"salary 2"]


def test_every_part_of_a_wrapped_key_is_checked(folder: Path) -> None:
    store = BlobStore(folder.as_uri(), Keyring([FIRST]))
    ref = put(store, RULE.encode())
    [path] = (folder / "keys").iterdir()
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        path.write_bytes(flipped(whole, bit))
        # The place stands there for rotation; reading knows it already, so a changed one shows when it is rotated.
        if bit >= (len(whole) - len(WrappedKey.decoded(whole).place)) * 8:
            with pytest.raises(BlobTampered):
                _rotated(folder)
        else:
            with pytest.raises((BlobTampered, KeyAtRestMissing)):
                list(store.stream(ref.content_hash))
    path.write_bytes(b"")
    with pytest.raises(BlobTampered):
        list(store.stream(ref.content_hash))
    path.unlink()
    with pytest.raises(BlobTampered):
        list(store.stream(ref.content_hash))
    assert inventory(store).keyless == [f"originals/{ref.content_hash[:2]}/{ref.content_hash}"]


def _rotated(folder: Path) -> int:
    keyring = Keyring([SECOND, FIRST])
    return rotate(BlobStore(folder.as_uri(), keyring), keyring)


def test_rotation_writes_keys_and_no_blobs(folder: Path) -> None:
    old = BlobStore(folder.as_uri(), Keyring([FIRST]))
    refs = [put(old, f"{RULE} {number}".encode()) for number in range(5)]
    before = {path: path.read_bytes() for path in files(folder) if "keys" not in path.parts}
    assert _rotated(folder) == 5
    assert _rotated(folder) == 0
    assert {path: path.read_bytes() for path in files(folder) if "keys" not in path.parts} == before
    new = BlobStore(folder.as_uri(), Keyring([SECOND]))
    for number, ref in enumerate(refs):
        assert b"".join(new.stream(ref.content_hash)).decode() == f"{RULE} {number}"
    with pytest.raises(KeyAtRestMissing, match=SECOND.id):
        list(old.stream(refs[0].content_hash))
    assert inventory(new).keys == {SECOND.id: 5}


class Meanwhile(Keyring):
    """A keyring that lets something happen whenever a data key is unwrapped: between the reading and the writing of it."""

    happens: Callable[[WrappedKey], None]

    def unwrap(self, wrapped: WrappedKey, identity: bytes, place: str) -> bytes:
        data_key = super().unwrap(wrapped, identity, place)
        self.happens(wrapped)
        return data_key


def test_rotation_that_is_killed_leaves_all_readable_and_goes_on(folder: Path) -> None:
    old = BlobStore(folder.as_uri(), Keyring([FIRST]))
    refs = [put(old, f"{RULE} {number}".encode()) for number in range(6)]
    dying, seen = Meanwhile([SECOND, FIRST]), list[str]()

    def die(wrapped: WrappedKey) -> None:
        seen.append(wrapped.place)
        if len(seen) == 4:
            raise KeyboardInterrupt

    dying.happens = die
    with pytest.raises(KeyboardInterrupt):
        rotate(BlobStore(folder.as_uri(), dying), dying)
    both = BlobStore(folder.as_uri(), Keyring([SECOND, FIRST]))
    assert inventory(both).keys == {SECOND.id: 3, FIRST.id: 3}
    late = put(old, b"by a process that still has the old settings")
    for ref in (*refs, late):
        assert b"".join(both.stream(ref.content_hash))
    assert _rotated(folder) == 4
    new = BlobStore(folder.as_uri(), Keyring([SECOND]))
    for ref in (*refs, late):
        assert b"".join(new.stream(ref.content_hash))


def test_what_is_deleted_while_keys_turn_is_no_damage_and_its_key_does_not_come_back(folder: Path) -> None:
    old = BlobStore(folder.as_uri(), Keyring([FIRST]))
    refs = [put(old, f"{RULE} {number}".encode()) for number in range(6)]
    keyring, deleted = Meanwhile([SECOND, FIRST]), list[str]()

    def delete(wrapped: WrappedKey) -> None:
        """The object whose key is being turned, and one whose key is listed and was not read yet."""
        if not deleted:
            own = wrapped.place.rsplit("/", 1)[-1]
            deleted.extend((own, next(ref.content_hash for ref in reversed(refs) if ref.content_hash != own)))
            for content_hash in deleted:
                old.delete_original(content_hash)

    keyring.happens = delete
    assert rotate(BlobStore(folder.as_uri(), keyring), keyring) >= 4
    new = BlobStore(folder.as_uri(), Keyring([SECOND]))
    found = inventory(new)
    assert (found.encrypted, found.orphans, found.keys) == (4, 0, {SECOND.id: 4})
    assert all(b"".join(new.stream(ref.content_hash)) for ref in refs if ref.content_hash not in deleted)


def test_a_look_at_a_store_at_work_gives_no_false_alarm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BlobStore(folder.as_uri(), Keyring([FIRST]))
    put(store, b"stays")
    goes = put(store, b"goes")
    listed = rotation.places

    def busy(blobs: BlobStore) -> Iterator[str]:
        """What is stored when the keys were listed, what is deleted when the objects were."""
        put(store, b"comes")
        for place in list(listed(blobs)):
            if place.endswith(goes.content_hash):
                store.delete_original(goes.content_hash)
            yield place

    monkeypatch.setattr(rotation, "places", busy)
    found = inventory(store)
    assert (found.keyless, found.plain, found.encrypted) == ([], 0, 2)


def test_a_store_from_before_is_read_and_encrypted_in_place(folder: Path) -> None:
    plain = BlobStore(folder.as_uri())
    large, looks_encrypted = (
        (RULE * 9000).encode(),
        Header(b"i" * 16).encoded() + b"a file that begins like one of ours",
    )
    refs = [put(plain, content) for content in (b"x", large, looks_encrypted)]
    plain.put_derived(VERSION, "parsed.json", b"{}")
    mixed = BlobStore(folder.as_uri(), Keyring([FIRST]))
    assert list(mixed.stream(refs[0].content_hash)) == [b"x"]
    later = put(mixed, b"later")
    assert encrypt(mixed) == 4
    assert encrypt(mixed) == 0
    strict = BlobStore(folder.as_uri(), Keyring([FIRST], plain_readable=False))
    for ref, content in zip([*refs, later], [b"x", large, looks_encrypted, b"later"], strict=True):
        assert b"".join(strict.stream(ref.content_hash)) == content
    assert strict.get_derived(VERSION, "parsed.json") == b"{}"
    found = inventory(strict)
    assert (found.plain, found.encrypted, found.keyless, found.orphans) == (0, 5, [], 0)


def test_after_the_change_nobody_without_a_key_can_slip_something_in(folder: Path) -> None:
    ref = put(BlobStore(folder.as_uri()), b"slipped in")
    strict = BlobStore(folder.as_uri(), Keyring([FIRST], plain_readable=False))
    with pytest.raises(BlobTampered):
        list(strict.stream(ref.content_hash))
    with pytest.raises(BlobTampered):
        list(strict.stream(ref.content_hash, 1, 2))


def test_an_object_whose_key_is_gone_is_not_taken_for_a_plain_one(folder: Path) -> None:
    store = BlobStore(folder.as_uri(), Keyring([FIRST]))
    put(store, RULE.encode())
    for path in (folder / "keys").iterdir():
        path.unlink()
    with pytest.raises(BlobTampered):
        encrypt(store)


def test_a_key_file_is_private_new_and_gives_its_key(tmp_path: Path) -> None:
    first, second = tmp_path / "첫째.key", tmp_path / "second.key"
    identity = create_key_file(first)
    assert first.stat().st_mode & 0o777 == 0o600
    create_key_file(second)
    with pytest.raises(FileExistsError):
        create_key_file(first)
    keyring = read_keyring([first, second])
    assert keyring is not None
    assert keyring.active.id == identity
    assert first.read_text().strip() not in repr(keyring.active)
    assert read_keyring([]) is None


@pytest.mark.parametrize("content", ["", "00" * 31, "zz" * 32, "00" * 33])
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match="key") as refused:
        read_keyring([file])
    assert not content or content not in str(refused.value)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    create_key_file(file)
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_keyring([file])


def test_the_mark_is_not_one_of_a_document() -> None:
    assert MARK.endswith(b"\0")
    assert not any(MARK.startswith(known) for known in (b"%PDF", b"PK", b"\xd0\xcf\x11\xe0", b"HWP"))
