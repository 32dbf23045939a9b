"""The one door to cryptography at rest. A validated module (KCMVP, FIPS) takes its place by giving the same four things."""

from __future__ import annotations

import secrets
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class WrongKeyOrChanged(Exception):
    """What was sealed can't be opened: another key, or another text, than it was sealed with."""


class Cipher(Protocol):
    """Authenticated encryption with keys of 32 bytes, nonces of 12 and tags of 16 (AES-256-GCM, ARIA-256-GCM, LEA-256-GCM)."""

    def random(self, size: int) -> bytes:
        """Random bytes that may become keys and nonces."""
        ...

    def seal(self, key: bytes, nonce: bytes, text: bytes, bound: bytes) -> bytes:
        """`text` encrypted, its tag behind it; `bound` is authenticated with it. A nonce is used once with a key."""
        ...

    def open(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        """The text.

        Raises:
            WrongKeyOrChanged: key, nonce, `bound` or a bit of `sealed` is another than it was.
        """
        ...


class AesGcm:
    """AES-256-GCM (NIST SP 800-38D) by the library `cryptography`, that is OpenSSL."""

    def random(self, size: int) -> bytes:
        """Random bytes from the system."""
        return secrets.token_bytes(size)

    def seal(self, key: bytes, nonce: bytes, text: bytes, bound: bytes) -> bytes:
        """`text` encrypted, its tag behind it."""
        return AESGCM(key).encrypt(nonce, text, bound)

    def open(self, key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        """The text.

        Raises:
            WrongKeyOrChanged: it can't be opened.
        """
        try:
            return AESGCM(key).decrypt(nonce, sealed, bound)
        except InvalidTag as error:
            raise WrongKeyOrChanged from error
