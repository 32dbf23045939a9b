"""Keys that encrypt keys: read from files, named by what they are, and never stored beside what they protect."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.blobs.cipher import KEY_BYTES, NONCE_BYTES, TAG_BYTES, AesGcm, Cipher, WrongKeyOrChanged
from rag.domain.errors import BlobTampered, ConfigurationError, KeyAtRestMissing
from rag.transport.secret_files import read_secret

_ID_LABEL = b"seogo key at rest"
_MARK = b"SGOKEY1\0"
_ID_BYTES = 8
_WRAPPED_BYTES = KEY_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class KeyAtRest:
    """A key-encryption key. Its id is derived from it, so a file that holds another key can't pass for it."""

    id: str
    key: bytes

    def __repr__(self) -> str:
        return f"KeyAtRest({self.id})"

    @classmethod
    def of(cls, key: bytes) -> KeyAtRest:
        """The key with its id: 64 bits of an HMAC, which tell nothing of the key."""
        return cls(hmac.new(key, _ID_LABEL, hashlib.sha256).digest()[:_ID_BYTES].hex(), key)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key, sealed under a key-encryption key, for one object of the store.

    Attributes:
        key_id: of the key-encryption key.
        place: where the object lies; bound, so that objects can't be exchanged for each other.
    """

    key_id: str
    place: str
    nonce: bytes
    sealed: bytes

    def encoded(self) -> bytes:
        """As it is stored: mark, key id, nonce, sealed key, place."""
        return _MARK + bytes.fromhex(self.key_id) + self.nonce + self.sealed + self.place.encode()

    @classmethod
    def decoded(cls, stored: bytes) -> WrappedKey:
        """Read what was stored.

        Raises:
            BlobTampered: it is no wrapped key.
        """
        head = len(_MARK) + _ID_BYTES + NONCE_BYTES + _WRAPPED_BYTES
        if not stored.startswith(_MARK) or len(stored) <= head:
            raise BlobTampered(name="a data key")
        rest = stored[len(_MARK) :]
        identity, rest = rest[:_ID_BYTES], rest[_ID_BYTES:]
        nonce, rest = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
        place = rest[_WRAPPED_BYTES:].decode("utf-8", errors="replace")
        return cls(identity.hex(), place, nonce, rest[:_WRAPPED_BYTES])


class Keyring:
    """The keys of this installation: the first one wraps new data keys, all of them unwrap.

    Args:
        keys: at least one.
        plain_readable: whether objects from before encryption may be read.
    """

    def __init__(self, keys: Sequence[KeyAtRest], cipher: Cipher | None = None, *, plain_readable: bool = True) -> None:
        if not keys:
            raise ValueError("a keyring has a key at least")
        self.cipher = cipher or AesGcm()
        self.active = keys[0]
        self.plain_readable = plain_readable
        self._keys = {key.id: key for key in keys}

    def wrap(self, data_key: bytes, identity: bytes, place: str) -> WrappedKey:
        """Seal a data key for the object at `place`; `identity` names the data key in the object's header."""
        nonce = self.cipher.random(NONCE_BYTES)
        bound = _bound(self.active.id, identity, place)
        return WrappedKey(self.active.id, place, nonce, self.cipher.seal(self.active.key, nonce, data_key, bound))

    def unwrap(self, wrapped: WrappedKey, identity: bytes, place: str) -> bytes:
        """The data key of the object at `place`.

        Raises:
            KeyAtRestMissing: no key file holds the key that it was wrapped with.
            BlobTampered: it was changed, or belongs to another object.
        """
        key = self._keys.get(wrapped.key_id)
        if key is None:
            raise KeyAtRestMissing(key=wrapped.key_id)
        try:
            return self.cipher.open(key.key, wrapped.nonce, wrapped.sealed, _bound(wrapped.key_id, identity, place))
        except WrongKeyOrChanged as error:
            raise BlobTampered(name=place) from error


def _bound(key_id: str, identity: bytes, place: str) -> bytes:
    return _MARK + bytes.fromhex(key_id) + identity + place.encode()


def read_keyring(files: Sequence[Path], *, plain_readable: bool = True) -> Keyring | None:
    """The keyring of these files, the active key first; None when there are none: nothing is encrypted then.

    Raises:
        ConfigurationError: a file can't be read, can be read by others, or holds no key.
    """
    if not files:
        return None
    return Keyring([_read_key(file) for file in files], plain_readable=plain_readable)


def _read_key(file: Path) -> KeyAtRest:
    try:
        key = bytes.fromhex(read_secret(file))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            detail=f"{file}: expected a key of {KEY_BYTES} bytes as {2 * KEY_BYTES} hexadecimal digits"
        )
    return KeyAtRest.of(key)


def create_key_file(file: Path, cipher: Cipher | None = None) -> str:
    """Write a new key to a new file that only its owner can read; returns the key's id.

    Raises:
        FileExistsError: the file is there: a key is never overwritten, since what it protects would be lost.
    """
    key = (cipher or AesGcm()).random(KEY_BYTES)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(key.hex() + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    return KeyAtRest.of(key).id
