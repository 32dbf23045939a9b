"""Short secrets under encryption, for a field of the store: a data key for each, as objects have (`envelope.py`, `keyring.py`).

What is stored is a mark, the length of the wrapped data key, the wrapped data key, and the text as an object of one chunk. The
data key is bound to the place of the field, so what was copied from another row opens no more. Without a keyring the text is
stored as it is: no secret of ours begins with the mark.
"""

from __future__ import annotations

from rag.blobs.envelope import HEADER_BYTES, Header, Sealer, opened, span_of
from rag.blobs.keyring import Keyring, WrappedKey
from rag.domain.errors import BlobTampered, KeyAtRestMissing

MARK = b"SGOSEC1\0"
_LENGTH_BYTES = 2


def seal(keyring: Keyring | None, text: str, place: str) -> bytes:
    """`text` as it is stored at `place`; encrypted where there is a keyring."""
    if keyring is None:
        return text.encode()
    sealer = Sealer(keyring.cipher)
    body = sealer.feed(text.encode()) + sealer.finish()
    return _joined(keyring.wrap(sealer.data_key, sealer.header.identity, place), body)


def unseal(keyring: Keyring | None, stored: bytes, place: str) -> str:
    """The text that is stored at `place`.

    Raises:
        KeyAtRestMissing: no key file holds the key that it was sealed with.
        BlobTampered: it was changed, comes from another place, or is plain where nothing plain may be read.
    """
    if not is_sealed(stored):
        if keyring is not None and not keyring.plain_readable:
            raise BlobTampered(name=place)  # it was put there by somebody who has no key
        return stored.decode("utf-8", "replace")
    wrapped, header, body = _parts(stored, place)
    if keyring is None:
        raise KeyAtRestMissing(key=wrapped.key_id)
    size = HEADER_BYTES + len(body)
    data_key = keyring.unwrap(wrapped, header.identity, place)
    pieces = opened(keyring.cipher, data_key, header, iter([body]), span_of(0, None, size), size, place)
    return b"".join(pieces).decode()


def rewrapped(keyring: Keyring, stored: bytes, place: str) -> bytes:
    """What was sealed, its data key under the active key; the text is not opened. Raises as `unseal`."""
    wrapped, header, body = _parts(stored, place)
    data_key = keyring.unwrap(wrapped, header.identity, place)
    return _joined(keyring.wrap(data_key, header.identity, place), header.encoded() + body)


def is_sealed(stored: bytes) -> bool:
    """Whether it is encrypted."""
    return stored.startswith(MARK)


def key_of(stored: bytes, place: str) -> str:
    """Id of the key that what is sealed was sealed with.

    Raises:
        BlobTampered: it was changed.
    """
    return _parts(stored, place)[0].key_id


def _joined(wrapped: WrappedKey, body: bytes) -> bytes:
    key = wrapped.encoded()
    return MARK + len(key).to_bytes(_LENGTH_BYTES, "big") + key + body


def _parts(stored: bytes, place: str) -> tuple[WrappedKey, Header, bytes]:
    """Wrapped data key, header and what follows it."""
    start = len(MARK) + _LENGTH_BYTES
    end = start + int.from_bytes(stored[len(MARK) : start], "big")
    header = Header.decoded(stored[end : end + HEADER_BYTES])
    wrapped = WrappedKey.decoded(stored[start:end])
    if header is None or wrapped.place != place:
        raise BlobTampered(name=place)
    return wrapped, header, stored[end + HEADER_BYTES :]
