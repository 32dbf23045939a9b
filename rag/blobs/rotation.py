"""Work on a whole store under encryption: what is encrypted with which key, other keys, and what lay there before."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from rag.blobs import objects
from rag.blobs.envelope import HEADER_BYTES, Header
from rag.blobs.keyring import Keyring
from rag.blobs.store import BlobStore
from rag.domain.errors import BlobTampered

_FOLDERS = ("originals/", "derived/", "results/")


@dataclass(slots=True)
class Inventory:
    """What lies in a store.

    Attributes:
        keys: data keys by the id of the key that wraps them.
        plain, encrypted: objects.
        keyless: places of objects that look encrypted and have no data key: what is theirs was lost or taken away.
        orphans: data keys whose object is gone, as a crash leaves them.
    """

    keys: Counter[str] = field(default_factory=Counter)
    plain: int = 0
    encrypted: int = 0
    keyless: list[str] = field(default_factory=list)
    orphans: int = 0


def inventory(blobs: BlobStore) -> Inventory:
    """Look at every object's header and every data key; what is stored and deleted meanwhile is no alarm."""
    found, used = Inventory(), set[bytes]()
    known = {identity: wrapped.key_id for identity, wrapped in blobs.vault.wrapped_keys()}
    found.keys.update(known.values())
    for place in places(blobs):
        identity = blobs.vault.identity_of(place)
        if identity is None:
            found.plain += blobs.vault.is_there(place)
        elif identity in known or blobs.vault.is_encrypted(place):  # or stored since the keys were listed
            found.encrypted += 1
            used.add(identity)
        elif blobs.vault.identity_of(place) == identity:  # else it was deleted meanwhile
            found.keyless.append(place)
    found.orphans = len(known.keys() - used)
    return found


def places(blobs: BlobStore) -> Iterator[str]:
    """Where every object lies."""
    for folder in _FOLDERS:
        for page in objects.listed(blobs.vault.store, folder):
            for meta in page:
                yield str(meta["path"])


def rotate(blobs: BlobStore, keyring: Keyring) -> int:
    """Wrap every data key under the active key; returns how many were not. Objects stay as they are, and readable meanwhile.

    Safe to repeat, to break off, and beside writers and deletions. A process that still runs with the old settings goes on
    wrapping under their first key.

    Raises:
        KeyAtRestMissing: a data key is wrapped with a key that no file holds.
        BlobTampered: a data key was changed.
    """
    changed = 0
    for identity, wrapped in blobs.vault.wrapped_keys():
        if wrapped.key_id != keyring.active.id:
            blobs.vault.rewrap(identity, wrapped)
            changed += 1
    return changed


def encrypt(blobs: BlobStore) -> int:
    """Encrypt what lies there from before; returns how many objects. Each is replaced at once, and readable all the time.

    Safe to repeat, and to break off. Not while the same content is deleted: run it on a quiet store.

    Raises:
        BlobTampered: an object looks encrypted, and its data key is gone.
    """
    changed = 0
    for place in places(blobs):
        if blobs.vault.is_encrypted(place):
            continue
        _require_plain(blobs, place)
        blobs.vault.encrypt(place)
        changed += 1
    return changed


def _require_plain(blobs: BlobStore, place: str) -> None:
    """An upload may begin as an encrypted object does; that it is one as it stands, its own name proves."""
    stream = objects.get(blobs.vault.store, place).stream(1 << 20)
    digest, first = hashlib.sha256(), b""
    for piece in stream:
        first = first or bytes(piece[:HEADER_BYTES])
        if Header.decoded(first) is None:
            return
        digest.update(bytes(piece))
    if digest.hexdigest() != place.rsplit("/", 1)[-1]:
        raise BlobTampered(name=place)
