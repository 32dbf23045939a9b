"""Documents that Hangul saved for distribution (배포용 문서): their text is encrypted with a key that the file carries.

The password of such a file only guards printing and copying; nothing secret is needed to read it. Each stream of
`ViewText` begins with a record of 256 bytes: a seed, then the key behind a mask that the seed generates (specification
"배포용 문서" of HWP 5; the generator is `rand()` of Microsoft's C library). The rest is AES-128 in ECB mode.
"""

from __future__ import annotations

from ingest.parsing.hwp5_records import DISTRIBUTE, StreamDamaged, records, u32

_MASKED_BYTES = 256
_SEED_BYTES = 4
_KEY_BYTES = 16
_BLOCK_BYTES = 16


def readable(stream: bytes) -> bytes:
    """The stream as it stands in a document that is not locked, still compressed.

    Raises:
        StreamDamaged: there is no key, or the rest is no whole number of blocks.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    tag, _, start, end = next(records(stream), (0, 0, 0, 0))
    if tag != DISTRIBUTE or end - start != _MASKED_BYTES:
        raise StreamDamaged
    body = stream[end:]
    body = body[: len(body) // _BLOCK_BYTES * _BLOCK_BYTES]
    # ECB is what the format prescribes; it protects nothing here, the key lies beside it.
    decryptor = Cipher(algorithms.AES(_key(stream[start:end])), modes.ECB()).decryptor()  # noqa: S305
    return decryptor.update(body) + decryptor.finalize()


def _key(masked: bytes) -> bytes:
    """The first bytes of the password's SHA-1, written as hexadecimal digits in UTF-16."""
    seed = u32(masked, 0)
    plain = bytearray(masked)
    state, left, mask = seed, 0, 0
    for index in range(_MASKED_BYTES):
        if left == 0:
            state, mask = _next(state)
            state, run = _next(state)
            mask, left = mask & 0xFF, (run & 0xF) + 1
        if index >= _SEED_BYTES:
            plain[index] ^= mask
        left -= 1
    offset = _SEED_BYTES + (seed & 0xF)
    return bytes(plain[offset : offset + _KEY_BYTES])


def _next(state: int) -> tuple[int, int]:
    """`rand()`: the next state, and 15 bits of it."""
    state = (state * 214013 + 2531011) & 0xFFFFFFFF
    return state, state >> 16 & 0x7FFF
