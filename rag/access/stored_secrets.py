"""Secrets that the store keeps because somebody else signs with them: sealed at rest, and followed when keys change.

All others need no sealing: of keys, tokens and sessions the store has hashes alone, and what this service itself shows to
others (clients of providers, directories, forges, engines) lies in files that the settings name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.blobs.keyring import Keyring
from rag.blobs.sealed_text import is_sealed, key_of, rewrapped, seal, unseal
from rag.store.repository import Repository
from rag.store.session import Database


@dataclass(slots=True)
class SecretInventory:
    """What lies in a store.

    Attributes:
        keys: sealed secrets by the id of the key that they are sealed with.
        plain: secrets from before there was a key.
    """

    keys: Counter[str] = field(default_factory=Counter)
    plain: int = 0


class StoredSecrets:
    """Seals and opens secrets; without a keyring they are stored as they are."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        self._keyring = keyring
        self._nobodys = seal(keyring, "x" * 43, _NOBODY)

    def sealed_webhook(self, repository_id: UUID, secret: str) -> bytes | None:
        """What a repository's webhook signs with, as it is stored; None for an empty one."""
        return seal(self._keyring, secret, _webhook(repository_id)) if secret else None

    def webhook(self, repository_id: UUID | None, stored: bytes | None) -> str:
        """What a repository's webhook signs with; empty for none and for no repository, which takes as long to say.

        Raises:
            KeyAtRestMissing: no key file holds the key that it was sealed with.
            BlobTampered: it was changed, or is another repository's.
        """
        if repository_id is None or stored is None:
            unseal(self._keyring, self._nobodys, _NOBODY)
            return ""
        return unseal(self._keyring, stored, _webhook(repository_id))


_NOBODY = "nobody/webhook"


def inventory(database: Database) -> SecretInventory:
    """Look at every secret.

    Raises:
        BlobTampered: one was changed.
    """
    found = SecretInventory()
    with database.read() as session:
        for row in _with_secrets(session):
            if is_sealed(row[1]):
                found.keys[key_of(row[1], _webhook(row[0]))] += 1
            else:
                found.plain += 1
    return found


def rotate(database: Database, keyring: Keyring) -> int:
    """Seal every sealed secret under the active key; returns how many were not. Safe to repeat, and to break off.

    Raises:
        KeyAtRestMissing: one is sealed with a key that no file holds.
        BlobTampered: one was changed.
    """

    def turned(place: str, stored: bytes) -> bytes | None:
        if not is_sealed(stored) or key_of(stored, place) == keyring.active.id:
            return None
        return rewrapped(keyring, stored, place)

    return _changed(database, turned)


def encrypt(database: Database, keyring: Keyring) -> int:
    """Seal what was stored before there was a key; returns how many secrets. Safe to repeat, and to break off.

    What they were stands in the store's journal until `Database.empty_log`, which whoever calls this does last.
    """

    def turned(place: str, stored: bytes) -> bytes | None:
        return None if is_sealed(stored) else seal(keyring, stored.decode("utf-8", "replace"), place)

    return _changed(database, turned)


def _changed(database: Database, turned: Callable[[str, bytes], bytes | None]) -> int:
    changed = 0
    with database.read() as session:
        ids = [row[0] for row in _with_secrets(session)]
    for identity in ids:  # a transaction each: a server at work waits for none of them
        with database.write() as session:
            row = session.get(Repository, identity, with_for_update=True)
            if row is None or row.webhook_secret is None:
                continue
            became = turned(_webhook(identity), row.webhook_secret)
            if became is not None:
                row.webhook_secret = became
                changed += 1
    return changed


def _with_secrets(session: Session) -> Iterator[tuple[UUID, bytes]]:
    query = select(Repository.id, Repository.webhook_secret).where(Repository.webhook_secret.is_not(None))
    for row in session.execute(query.order_by(Repository.id)):
        if row[1] is not None:
            yield row[0], row[1]


def _webhook(repository_id: UUID) -> str:
    return f"repository/{repository_id}/webhook"
