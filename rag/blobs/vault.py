"""Objects of a blob store, encrypted where there is a keyring, and read as they are: encrypted or from before.

The wrapped data key of an object lies under `keys/<identity>`, which its header names. It is written before the object and
removed after it, so at no moment is there an object without its key; a crash leaves at most a key without an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any
from uuid import uuid4

from rag.blobs import objects
from rag.blobs.envelope import HEADER_BYTES, Header, Sealer, opened, span_of
from rag.blobs.keyring import Keyring, WrappedKey
from rag.domain.errors import BlobTampered, KeyAtRestMissing

KEYS = "keys/"
_READ_BYTES = 1 << 20
_WRITE_BYTES = 5 << 20


class Vault:
    """Reads and writes whole objects by their place."""

    def __init__(self, store: Any, keyring: Keyring | None) -> None:
        self.store = self._store = store
        self._keyring = keyring

    def sealer(self) -> Sealer | None:
        """What a new object goes through; None where nothing is encrypted."""
        return Sealer(self._keyring.cipher) if self._keyring is not None else None

    def put(self, place: str, data: bytes) -> None:
        """Store an object, replacing an earlier one."""
        sealer = self.sealer()
        if sealer is None:
            objects.put(self._store, place, data)
            return
        before = self.identity_of(place)
        self.publish(sealer, place)
        objects.put(self._store, place, sealer.feed(data) + sealer.finish())
        self.forget(before)

    def get(self, place: str) -> bytes:
        """An object.

        Raises:
            FileNotFoundError: there is none.
            BlobTampered: it was changed.
            KeyAtRestMissing: its key is not among the keyring's.
        """
        return b"".join(self.stream(place))

    def stream(self, place: str) -> Iterator[bytes]:
        """An object in pieces; raises as `get`."""
        found = objects.get(self._store, place)
        pieces = found.stream(_READ_BYTES)
        first = next(pieces, b"")
        header = self._header(place, first[:HEADER_BYTES])
        if header is None:
            yield from chain([first], pieces) if first else ()
            return
        stored = found.size
        yield from self._opened(header, place, chain([first[HEADER_BYTES:]], pieces), 0, None, stored)

    def stream_range(self, place: str, start: int, length: int | None) -> Iterator[bytes]:
        """The bytes of an object from `start` on; raises as `get`, and nothing is given out unchecked."""
        if length == 0:
            return
        head = objects.get(self._store, place, {"range": (0, HEADER_BYTES)})
        stored = head.size
        header = self._header(place, head.content())
        if header is None:
            wanted: Any = {"offset": start} if length is None else (start, min(start + length, stored))
            yield from self._ranged(place, wanted)
            return
        span = span_of(start, length, stored)
        yield from self._opened(header, place, self._ranged(place, (span.start, span.end)), start, length, stored)

    def publish(self, sealer: Sealer, place: str) -> None:
        """Store the wrapped key of an object that will lie at `place`."""
        if self._keyring is None:
            raise TypeError("a sealer comes from a keyring")
        wrapped = self._keyring.wrap(sealer.data_key, sealer.header.identity, place)
        objects.put(self._store, _key_of(sealer.header.identity), wrapped.encoded())

    def identity_of(self, place: str) -> bytes | None:
        """Names the data key of the object that lies there; None where there is none, or it is not encrypted."""
        try:
            head = objects.get(self._store, place, {"range": (0, HEADER_BYTES)}).content()
        except FileNotFoundError:
            return None
        header = Header.decoded(head)
        return header.identity if header is not None else None

    def forget(self, identity: bytes | None) -> None:
        """Remove the key of an object that is gone: whatever copies of it are left can't be read any more."""
        if identity is None:
            return
        with suppress(FileNotFoundError):
            objects.delete(self._store, _key_of(identity))

    def delete(self, place: str) -> None:
        """Remove an object and its key; one that is not there is no error."""
        identity = self.identity_of(place)
        with suppress(FileNotFoundError):
            objects.delete(self._store, place)
        self.forget(identity)

    def wrapped_keys(self) -> Iterator[tuple[bytes, WrappedKey]]:
        """Every data key of the store, by identity; one that goes with its object meanwhile is passed over."""
        for page in objects.listed(self._store, KEYS):
            for meta in page:
                identity = bytes.fromhex(str(meta["path"]).rsplit("/", 1)[-1])
                try:
                    stored = objects.get(self._store, _key_of(identity)).content()
                except FileNotFoundError:
                    continue
                yield identity, WrappedKey.decoded(stored)

    def rewrap(self, identity: bytes, wrapped: WrappedKey) -> None:
        """Wrap a data key under the active key; its object is not touched.

        A key whose object is deleted meanwhile goes as well: written anew, it would open copies of what was deleted.
        """
        if self._keyring is None:
            raise TypeError("there is no keyring")
        data_key = self._keyring.unwrap(wrapped, identity, wrapped.place)
        # The object of an upload under way comes after its key, so that it is not there says nothing by itself.
        was_there = self.identity_of(wrapped.place) == identity
        if not was_there and not self._has_key(identity):
            return
        objects.put(self._store, _key_of(identity), self._keyring.wrap(data_key, identity, wrapped.place).encoded())
        if was_there and self.identity_of(wrapped.place) != identity:
            self.forget(identity)

    def encrypt(self, place: str) -> None:
        """Put an encrypted object in the place of a plain one; memory stays at one buffer whatever the size."""
        sealer = self.sealer()
        if sealer is None:
            raise TypeError("there is no keyring")
        beside = f"incoming/{uuid4().hex}"
        writer = objects.Writing(self._store, beside, _WRITE_BYTES)
        for piece in objects.get(self._store, place).stream(_READ_BYTES):
            writer.write(sealer.feed(piece))
        writer.write(sealer.finish())
        self.publish(sealer, place)
        writer.close()
        objects.rename(self._store, beside, place)

    def is_encrypted(self, place: str) -> bool:
        """Whether the object that lies there is: its header says so, and its key is there."""
        identity = self.identity_of(place)
        return identity is not None and self._has_key(identity)

    def _opened(
        self, header: Header, place: str, pieces: Iterator[bytes], start: int, length: int | None, stored: int
    ) -> Iterator[bytes]:
        wrapped = self._wrapped(header.identity)
        if self._keyring is None:
            raise KeyAtRestMissing(key=wrapped.key_id)
        data_key = self._keyring.unwrap(wrapped, header.identity, place)
        yield from opened(self._keyring.cipher, data_key, header, pieces, span_of(start, length, stored), stored, place)

    def _header(self, place: str, head: bytes) -> Header | None:
        """The header of an encrypted object; None for one from before, where those may be read."""
        header = Header.decoded(head)
        if header is not None and (self._keyring is not None or self._has_key(header.identity)):
            return header
        if self._keyring is not None and not self._keyring.plain_readable:
            raise BlobTampered(name=place)  # it was put there by somebody who has no key
        return None

    def is_there(self, place: str) -> bool:
        """Whether an object lies there."""
        try:
            objects.head(self._store, place)
        except FileNotFoundError:
            return False
        return True

    def _has_key(self, identity: bytes) -> bool:
        return self.is_there(_key_of(identity))

    def _wrapped(self, identity: bytes) -> WrappedKey:
        try:
            return WrappedKey.decoded(objects.get(self._store, _key_of(identity)).content())
        except FileNotFoundError as error:
            raise BlobTampered(name=_key_of(identity)) from error

    def _ranged(self, place: str, wanted: Any) -> Iterator[bytes]:
        yield from objects.get(self._store, place, {"range": wanted}).stream(_READ_BYTES)


def _key_of(identity: bytes) -> str:
    return f"{KEYS}{identity.hex()}"
