"""Objects under encryption: a data key for each, in chunks that are each authenticated with their place.

An object is a header of 32 bytes (mark, identity of its data key, zeros, size of chunks) and chunks of 64 KiB, each with a tag of
16 bytes. The nonce of a chunk is its number and whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway
and Vizár, 2015): a chunk that is cut off, left out, doubled or moved opens no more. The header is bound to every chunk. A data
key is used for one object, so no nonce comes twice. The data key itself lies beside the objects, wrapped
(`rag.blobs.keyring`): to change the key-encryption key, only these few bytes are written anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rag.blobs.cipher import KEY_BYTES, TAG_BYTES, Cipher, WrongKeyOrChanged
from rag.domain.errors import BlobTampered

MARK = b"SGOENC1\0"
IDENTITY_BYTES = 16
HEADER_BYTES = 32
CHUNK_BYTES = 1 << 16
_CHUNK_EXPONENT = 16
_SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
_NONCE_ZEROS = bytes(7)


@dataclass(frozen=True, slots=True)
class Header:
    """What an encrypted object begins with."""

    identity: bytes

    def encoded(self) -> bytes:
        """As it is stored."""
        return MARK + self.identity + bytes(HEADER_BYTES - len(MARK) - IDENTITY_BYTES - 1) + bytes([_CHUNK_EXPONENT])

    @classmethod
    def decoded(cls, head: bytes) -> Header | None:
        """The header, or None where the object is not encrypted."""
        if not head.startswith(MARK) or len(head) < HEADER_BYTES:
            return None
        found = cls(head[len(MARK) : len(MARK) + IDENTITY_BYTES])
        return found if found.encoded() == head[:HEADER_BYTES] else None


class Sealer:
    """Encrypts one object piece by piece; holds one chunk.

    Attributes:
        header: of the object, new with a new data key.
        data_key: to be wrapped and stored before the object.
    """

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self.header = Header(cipher.random(IDENTITY_BYTES))
        self.data_key = cipher.random(KEY_BYTES)
        self._bound = self.header.encoded()
        self._held = bytearray()
        self._number = 0
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """What can be written after `data` more."""
        self._held += data
        written = bytearray(self._head())
        # One byte more than a chunk says that the chunk is not the last.
        while len(self._held) > CHUNK_BYTES:
            written += self._seal(bytes(self._held[:CHUNK_BYTES]), last=False)
            del self._held[:CHUNK_BYTES]
        return bytes(written)

    def finish(self) -> bytes:
        """The rest."""
        rest = self._head() + self._seal(bytes(self._held), last=True)
        self._held.clear()  # a sealer may be kept until its object has its place
        return rest

    def _head(self) -> bytes:
        begun, self._begun = self._begun, True
        return b"" if begun else self._bound

    def _seal(self, chunk: bytes, *, last: bool) -> bytes:
        sealed = self._cipher.seal(self.data_key, _nonce(self._number, last=last), chunk, self._bound)
        self._number += 1
        return sealed


def _nonce(number: int, *, last: bool) -> bytes:
    return _NONCE_ZEROS + number.to_bytes(4, "big") + bytes([last])


def plain_size(stored: int) -> int:
    """Bytes of content in an encrypted object of `stored` bytes."""
    body = max(0, stored - HEADER_BYTES)
    return max(0, body - TAG_BYTES * -(-body // _SEALED_BYTES))


@dataclass(frozen=True, slots=True)
class Span:
    """The stored bytes that a range of content lies in, and what of them belongs to it.

    Attributes:
        start, end: of the stored object.
        first: number of the first chunk.
        skip: bytes of content before the range in that chunk.
        length: of the range.
    """

    start: int
    end: int
    first: int
    skip: int
    length: int


def span_of(start: int, length: int | None, stored: int) -> Span:
    """Where the content from `start` on lies in an object of `stored` bytes; a range over the end is cut."""
    size = plain_size(stored)
    start = min(start, size)
    length = size - start if length is None else min(length, size - start)
    first = min(start // CHUNK_BYTES, max(0, size - 1) // CHUNK_BYTES)
    final = max(start + length - 1, first * CHUNK_BYTES) // CHUNK_BYTES
    end = min(stored, HEADER_BYTES + (final + 1) * _SEALED_BYTES)
    return Span(HEADER_BYTES + first * _SEALED_BYTES, end, first, start - first * CHUNK_BYTES, length)


def opened(
    cipher: Cipher, data_key: bytes, header: Header, pieces: Iterator[bytes], span: Span, stored: int, name: str
) -> Iterator[bytes]:
    """The content of `span`, chunk by chunk, from the stored bytes of it in `pieces`. Nothing that fails its check comes out.

    Raises:
        BlobTampered: a chunk was changed, moved or cut off.
    """
    bound, number, left, held = header.encoded(), span.first, span.length, bytearray()
    skip, position = span.skip, span.start
    ended = False
    while position < span.end or held:
        wanted = min(_SEALED_BYTES, span.end - position + len(held))
        while len(held) < wanted and not ended:
            piece = next(pieces, None)
            ended = piece is None
            held += piece or b""
            position += len(piece or b"")
        if len(held) < wanted or wanted < TAG_BYTES:
            raise BlobTampered(name=name)
        sealed = bytes(held[:wanted])
        del held[:wanted]
        last = HEADER_BYTES + number * _SEALED_BYTES + wanted >= stored
        try:
            text = cipher.open(data_key, _nonce(number, last=last), sealed, bound)
        except WrongKeyOrChanged as error:
            raise BlobTampered(name=name) from error
        text = text[skip : skip + left]
        skip, number, left = 0, number + 1, left - len(text)
        if text:
            yield text
    if left or stored < HEADER_BYTES + TAG_BYTES:
        raise BlobTampered(name=name)
