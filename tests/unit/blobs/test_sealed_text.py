"""Short secrets at rest: they come back in their place alone, under their key, and whole."""

from __future__ import annotations

import pytest

from rag.blobs.keyring import KeyAtRest, Keyring
from rag.blobs.sealed_text import MARK, is_sealed, key_of, rewrapped, seal, unseal
from rag.domain.errors import BlobTampered, KeyAtRestMissing

OLD, NEW = KeyAtRest.of(bytes(32)), KeyAtRest.of(b"\1" * 32)
RING = Keyring([OLD])
PLACE = "repository/1/webhook"


@pytest.mark.parametrize("text", ["", "x", "비밀값-" * 30, "KW8eBEVNgrYaRQ5OXQIDfB45WkFT4aYWvnQqR_qz_uw"])
def test_what_was_sealed_comes_back(text: str) -> None:
    stored = seal(RING, text, PLACE)
    assert is_sealed(stored) and key_of(stored, PLACE) == OLD.id
    assert unseal(RING, stored, PLACE) == text
    assert len(text) < 4 or text.encode() not in stored
    assert seal(RING, text, PLACE) != stored, "a data key of its own each time"


def test_nothing_that_was_changed_or_moved_opens() -> None:
    stored = seal(RING, "비밀값", PLACE)
    for bit in range(len(MARK) * 8, len(stored) * 8):
        changed = bytearray(stored)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((BlobTampered, KeyAtRestMissing)):
            unseal(RING, bytes(changed), PLACE)
    for end in range(len(MARK), len(stored)):
        with pytest.raises((BlobTampered, KeyAtRestMissing)):
            unseal(RING, stored[:end], PLACE)
    for other in ("repository/2/webhook", "", PLACE + "x"):
        with pytest.raises(BlobTampered):
            unseal(RING, stored, other)
        with pytest.raises(BlobTampered):
            rewrapped(RING, stored, other)
    with pytest.raises(BlobTampered):
        unseal(RING, stored + b"x", PLACE)


def test_another_key_opens_nothing_and_says_which_is_missing() -> None:
    stored = seal(RING, "비밀값", PLACE)
    for keyring in (Keyring([NEW]), None):
        with pytest.raises(KeyAtRestMissing, match=OLD.id):
            unseal(keyring, stored, PLACE)
    turned = rewrapped(Keyring([NEW, OLD]), stored, PLACE)
    assert (key_of(turned, PLACE), unseal(Keyring([NEW]), turned, PLACE)) == (NEW.id, "비밀값")
    with pytest.raises(KeyAtRestMissing, match=NEW.id):
        unseal(RING, turned, PLACE)


def test_without_a_key_it_is_stored_as_it_is_and_read_until_nothing_plain_may_be() -> None:
    stored = seal(None, "비밀값", PLACE)
    assert stored == "비밀값".encode() and not is_sealed(stored)
    assert unseal(None, stored, PLACE) == unseal(RING, stored, PLACE) == "비밀값"
    with pytest.raises(BlobTampered):
        unseal(Keyring([OLD], plain_readable=False), stored, PLACE)
