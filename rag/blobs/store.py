"""Blob storage on a local folder, NFS or S3, by obstore (one code path for all of them).

Originals lie under `originals/<sha256>`, so the same content is stored once, and under `incoming/` until they are complete and on
record; derived files under `derived/<version>/<name>`; what
jobs make for their callers under `results/<job>/<name>`. With a keyring all of it is encrypted (`vault.py`); the names stay, so
whoever reads the store sees which contents are equal, and can tell whether a file that he has is among them.
User input never becomes a key.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore

from rag.blobs import objects
from rag.blobs.envelope import Sealer
from rag.blobs.keyring import Keyring
from rag.blobs.vault import Vault
from rag.domain.errors import BlobsUnavailable, ConfigurationError, EmptyFile, PayloadTooLarge

_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_NOTHING = "nothing/"
"""Nothing lies there, so that a look at it costs one short answer; unlike an object's, it tells of a bucket that is gone."""
ABANDONED_S = 2 * 86_400.0
"""What an upload left so long ago is of one that was cut off: it may take a day."""


class Held(NamedTuple):
    """An original that is complete and not yet under its hash: where it lies, and what encrypted it."""

    key: str
    sealer: Sealer | None


@dataclass(frozen=True, slots=True)
class BlobRef:
    """An original: SHA-256 in hex, and bytes.

    Attributes:
        held: it waits for `BlobStore.settle`; None: it is, or was once, under its hash.
    """

    content_hash: str
    size: int
    held: Held | None = field(default=None, compare=False, repr=False)


class BlobWriter:
    """Receives an original piece by piece; memory stays at one buffer whatever the size."""

    def __init__(self, store: Any, limit: int, vault: Vault, reach: objects.Reach) -> None:
        self._store = store
        self._vault = vault
        self._reach = reach
        self._sealer = vault.sealer()
        self._limit = limit
        self._key = f"incoming/{uuid4().hex}"
        self._writer = objects.Writing(store, self._key, 5 << 20)
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append `data`.

        Raises:
            PayloadTooLarge: the limit is passed; call `abort`.
        """
        self._size += len(data)
        if self._size > self._limit:
            raise PayloadTooLarge(limit_mb=self._limit // (1 << 20))
        self._digest.update(data)
        self._writer.write(data if self._sealer is None else self._sealer.feed(data))

    def hold(self, name: str) -> BlobRef:
        """Close, and keep the content apart until `BlobStore.settle`: nobody who removes the same content takes it away.

        Raises:
            EmptyFile: nothing was written.
        """
        if self._size == 0:
            self.abort()
            raise EmptyFile(name=name)
        if self._sealer is not None:
            self._writer.write(self._sealer.finish())
        self._writer.close()
        return BlobRef(self._digest.hexdigest(), self._size, Held(self._key, self._sealer))

    def finish(self, name: str) -> BlobRef:
        """Close, and move the content under its hash; raises as `hold`."""
        ref = self.hold(name)
        _settle(self._store, self._vault, ref)
        return BlobRef(ref.content_hash, ref.size)

    def abort(self) -> None:
        """Throw away what was written; in a store that is away it stays until `BlobStore.sweep_incoming`."""
        with suppress(BlobsUnavailable):
            self._reach.require()  # each of the two would wait longer for a store that says nothing
            self._writer.close()
            objects.delete(self._store, self._key)


class BlobStore:
    """Originals and derived files."""

    def __init__(self, url: str, keyring: Keyring | None = None) -> None:
        self._root: Path | None = None
        self._store: Any
        look: Callable[[], None] = self._require_folder
        if url.startswith("file:"):
            self._root = Path(unquote(urlsplit(url).path))
            self._root.mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(self._root, mkdir=True)
        elif url == "memory:":
            self._store = MemoryStore()
        else:
            self._store, look = _opened(url)
        self._reach = objects.Reach(look)
        self._encrypted = keyring is not None
        self.vault = Vault(self._store, keyring)

    def require_reachable(self) -> None:
        """See that the store answers, within three seconds; what was seen a few seconds ago counts.

        Raises:
            BlobsUnavailable: it does not.
        """
        self._reach.require()

    def writer(self, limit: int) -> BlobWriter:
        """A writer for one original of at most `limit` bytes."""
        return BlobWriter(self._store, limit, self.vault, self._reach)

    def settle(self, ref: BlobRef) -> bool:
        """Move a held original under its hash, in the place of what lies there; whether it lies there then, which one that is not
        held, or not any more, may not.

        Call it where nobody else accepts or removes this content meanwhile: they wait, and with them on SQLite whoever writes,
        for a rename on a folder and for a copy on S3.
        """
        if ref.held is not None:
            with suppress(FileNotFoundError):  # it was moved before, or swept
                _settle(self._store, self.vault, ref)
                return True
        return self.exists(ref.content_hash)

    def let_go(self, ref: BlobRef) -> bool:
        """Throw away an original that is held; whether it was. What lies under its hash stays."""
        if ref.held is None:
            return False
        self._reach.require()  # nobody waits longer for a store that says nothing: what stays is swept
        try:
            objects.head(self._store, ref.held.key)
            objects.delete(self._store, ref.held.key)
        except FileNotFoundError:
            return False
        return True

    def exists(self, content_hash: str) -> bool:
        """Whether an original with this hash is stored."""
        try:
            objects.head(self._store, _original(content_hash))
        except FileNotFoundError:
            return False
        return True

    def stored_at(self, content_hash: str) -> float | None:
        """When the original was stored last, in seconds since the epoch; None when it is not there."""
        try:
            return float(objects.head(self._store, _original(content_hash))["last_modified"].timestamp())
        except FileNotFoundError:
            return None

    def stream(self, content_hash: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The original's bytes in pieces of about 1 MiB: all of them, or `length` from `start` on."""
        place = _original(content_hash)
        if start == 0 and length is None:
            yield from self.vault.stream(place)
        else:
            yield from self.vault.stream_range(place, start, length)

    @contextmanager
    def local_copy(self, content_hash: str) -> Iterator[Path]:
        """A readable file with the original's content: the blob itself on a folder, a temporary copy otherwise.

        A copy of what is encrypted is readable for its owner alone, and only for the length of the block.
        """
        if self._root is not None and not self._encrypted and not self.vault.is_encrypted(_original(content_hash)):
            yield self._root / _original(content_hash)
            return
        with tempfile.NamedTemporaryFile(prefix="seogo-") as copy:
            for piece in self.stream(content_hash):
                copy.write(piece)
            copy.flush()
            yield Path(copy.name)

    def put_original(self, content: bytes) -> BlobRef:
        """Store an original that is in memory; nothing is written where it is stored already."""
        found = BlobRef(hashlib.sha256(content).hexdigest(), len(content))
        if not self.exists(found.content_hash):
            self.vault.put(_original(found.content_hash), content)
        return found

    def put_derived(self, version_id: UUID, name: str, data: bytes) -> None:
        """Store a derived file of a version, replacing an earlier one."""
        self.vault.put(_derived(version_id, name), data)

    def get_derived(self, version_id: UUID, name: str) -> bytes | None:
        """A derived file; None when there is none."""
        try:
            return self.vault.get(_derived(version_id, name))
        except FileNotFoundError:
            return None

    def delete_derived(self, version_id: UUID, name: str | None = None) -> None:
        """Remove one derived file of a version, or all."""
        keys = [_derived(version_id, name)] if name else self._keys(f"derived/{version_id}/")
        self._delete(keys)

    def count_derived(self, version_id: UUID) -> int:
        """How many derived files a version has."""
        return len(self._keys(f"derived/{version_id}/"))

    def delete_original(self, content_hash: str) -> None:
        """Remove an original. The caller has made sure that no version needs it."""
        self._delete([_original(content_hash)])

    def put_result(self, job_id: UUID, name: str, data: bytes) -> None:
        """Store what a job made, or works with, replacing an earlier one of this name."""
        self.vault.put(_result(job_id, name), data)

    def get_result(self, job_id: UUID, name: str) -> bytes | None:
        """What a job made; None when there is none."""
        try:
            return self.vault.get(_result(job_id, name))
        except FileNotFoundError:
            return None

    def delete_results(self, job_id: UUID, names: Sequence[str] | None = None) -> None:
        """Remove these files of a job, or all."""
        keys = self._keys(f"results/{job_id}/") if names is None else [_result(job_id, name) for name in names]
        self._delete(keys)

    def original_hashes(self, stored_before: float | None = None) -> Iterator[str]:
        """The hash of every stored original, or of those stored before that second of the epoch."""
        for page in objects.listed(self._store, "originals/"):
            for meta in page:
                if stored_before is None or meta["last_modified"].timestamp() < stored_before:
                    yield str(meta["path"]).rsplit("/", 1)[-1]

    def derived_files(self) -> Iterator[tuple[UUID, str]]:
        """Version and name of every derived file."""
        for key in self._keys("derived/"):
            _, version, name = key.split("/", 2)
            yield UUID(version), name

    def sweep_incoming(self, before: float | None = None) -> None:
        """Remove what uploads left that a crash cut off: more than two days ago, or before that second of the epoch."""
        before = time.time() - ABANDONED_S if before is None else before
        if self._root is not None:
            # The parts of an unfinished file are no objects of the store yet, so its listing does not show them.
            for path in (self._root / "incoming").glob("*"):
                with suppress(FileNotFoundError):  # it is on record by now
                    if path.stat().st_mtime < before:
                        path.unlink()
            return
        stale = [m for page in objects.listed(self._store, "incoming/") for m in page]
        self._delete([str(m["path"]) for m in stale if m["last_modified"].timestamp() < before])

    def _require_folder(self) -> None:
        if self._root is not None and not self._root.is_dir():
            raise BlobsUnavailable(detail=f"{self._root}: there is no such folder")

    def _keys(self, prefix: str) -> list[str]:
        return [str(meta["path"]) for page in objects.listed(self._store, prefix) for meta in page]

    def _delete(self, keys: list[str]) -> None:
        for key in keys:
            self.vault.delete(key)


def _opened(url: str) -> tuple[Any, Callable[[], None]]:
    """An object store, and what looks at it.

    Raises:
        ConfigurationError: the URL, or what the environment says beside it, is not valid.
    """
    try:
        store, brief = objects.open_objects(url), objects.open_objects(url, briefly=True)
    except (BaseError, ValueError) as error:
        reason = objects.first_line(error)
        detail_ko = f"blobs.url: {url}: 열 수 없습니다: {reason}"
        raise ConfigurationError(detail=f"blobs.url: {url}: {reason}", detail_ko=detail_ko) from None

    def look() -> None:
        for _ in objects.listed(brief, _NOTHING):
            return

    return store, look


def _settle(store: Any, vault: Vault, ref: BlobRef) -> None:
    if ref.held is None:
        raise TypeError("the original is not held")
    place, before = _original(ref.content_hash), None
    objects.head(store, ref.held.key)  # before its key comes back
    if ref.held.sealer is not None:
        before = vault.identity_of(place)
        vault.publish(ref.held.sealer, place)
    objects.rename(store, ref.held.key, place)
    vault.forget(before)


def _original(content_hash: str) -> str:
    if not _HASH.fullmatch(content_hash):
        raise ValueError("not a SHA-256 in hex")
    return f"originals/{content_hash[:2]}/{content_hash}"


def _derived(version_id: UUID, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a derived file's name: {name!r}")
    return f"derived/{version_id}/{name}"


def _result(job_id: UUID, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a result's name: {name!r}")
    return f"results/{job_id}/{name}"
