"""The one seam to obstore: how a store is opened, what is asked of it, and what is said of one that can't be reached.

Every call either answers, raises `FileNotFoundError` for an object that is not there, or `BlobsUnavailable`; with an
object store that accepts connections and then says nothing, after half a minute; in the middle of a large object after a minute.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store, from_url

from rag.domain.errors import BlobsUnavailable

log = logging.getLogger(__name__)

_WORKING: Final = {"connect_timeout": "3s", "read_timeout": "30s", "timeout": "1h"}
"""A download may take long as long as something comes; 30 s is what obstore gives a whole request, such as the copy of an object
on the store's side."""
_LOOKING: Final = {"connect_timeout": "2s", "read_timeout": "2500ms", "timeout": "2500ms"}
_WORKING_RETRIES: Final = 3
_LOOKING_RETRIES: Final = 1
_RETRY_S: Final = {_WORKING_RETRIES: 20, _LOOKING_RETRIES: 2}
"""Shorter than a silence lasts, so that a store that says nothing is asked once."""
_REMEMBERED_S = 3.0
_SILENCE_S = 60.0
"""Seconds between two lines in the log about a store that is away: each request and each document meets it."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_CLIENT_KEYS = (
    "allow_http", "allow_invalid_certificates", "connect_timeout", "default_content_type", "http1_only",
    "http2_keep_alive_interval", "http2_keep_alive_timeout", "http2_keep_alive_while_idle", "http2_only",
    "pool_idle_timeout", "pool_max_idle_per_host", "proxy_ca_certificate", "proxy_excludes", "proxy_url",
    "randomize_addresses", "read_timeout", "timeout", "user_agent",
)  # fmt: skip
"""Of obstore's `ClientConfig`, what `AWS_…` in the environment sets: options that are given take the place of all of it."""

_warned: set[str] = set()
_told_at = -_SILENCE_S


def open_objects(url: str, *, briefly: bool = False) -> Any:
    """The store behind a URL. For S3 its address comes from the environment; `http://` there is meant, and warned of once.

    Args:
        briefly: for a look at whether it answers: it has three seconds.

    Raises:
        BaseError, ValueError: the URL, or what the environment says beside it, is not valid.
    """
    retries = _LOOKING_RETRIES if briefly else _WORKING_RETRIES
    retry: Any = {"max_retries": retries, "retry_timeout": timedelta(seconds=_RETRY_S[retries])}
    if not url.startswith(("s3://", "s3a://")):
        return from_url(url, retry_config=retry)
    return S3Store.from_url(url, client_options=_client_options(os.environ, briefly=briefly), retry_config=retry)


def _client_options(environment: Mapping[str, str], *, briefly: bool) -> Any:
    """The environment's word goes before ours, but for how long a look may take."""
    upper = {name.upper(): value for name, value in environment.items()}
    given = {key: upper[f"AWS_{key.upper()}"] for key in _CLIENT_KEYS if f"AWS_{key.upper()}" in upper}
    endpoint = next((upper[name] for name in _ENDPOINTS if upper.get(name)), "")
    plain: dict[str, str] = {}
    if endpoint.lower().startswith("http://"):
        plain = {"allow_http": "true"}
        _warn_of_plain(endpoint)
    return {**plain, **given, **_LOOKING} if briefly else {**plain, **_WORKING, **given}


def _warn_of_plain(endpoint: str) -> None:
    if endpoint not in _warned:
        _warned.add(endpoint)
        log.warning(
            "%s: what goes to this object store and comes from it is not encrypted on its way (no https)", endpoint
        )


def head(store: Any, place: str) -> Any:
    """What is known of an object without its content."""
    with _reaching():
        return obstore.head(store, place)


def get(store: Any, place: str, options: Any = None) -> Fetched:
    """An object, whose content is still to be read."""
    with _reaching():
        return Fetched(obstore.get(store, place, options=options))


def put(store: Any, place: str, data: bytes) -> None:
    """Store an object, replacing an earlier one."""
    with _reaching(absent=True):
        obstore.put(store, place, data)


def delete(store: Any, place: str) -> None:
    """Remove an object."""
    with _reaching():
        obstore.delete(store, place)


def rename(store: Any, place: str, to: str) -> None:
    """Move an object in the place of what lies there."""
    with _reaching():
        obstore.rename(store, place, to)


def listed(store: Any, prefix: str) -> Iterator[list[Any]]:
    """What is known of the objects below a prefix, page by page."""
    with _reaching(absent=True):
        pages = iter(obstore.list(store, prefix=prefix))
    while True:
        with _reaching(absent=True):
            page = next(pages, None)
        if page is None:
            return
        yield list(page)


class Fetched:
    """An object that was found."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self.size = int(found.meta["size"])

    def content(self) -> bytes:
        """All of it."""
        with _reaching():
            return bytes(self._found.bytes())

    def stream(self, piece_bytes: int) -> Iterator[bytes]:
        """In pieces of about this length."""
        with _reaching():
            pieces = iter(self._found.stream(min_chunk_size=piece_bytes))
        while True:
            with _reaching():
                piece = next(pieces, None)
            if piece is None:
                return
            yield memoryview(piece).tobytes()


class Writing:
    """An object that is being written."""

    def __init__(self, store: Any, place: str, buffer_bytes: int) -> None:
        with _reaching(absent=True):
            self._writer = obstore.open_writer(store, place, buffer_size=buffer_bytes)

    def write(self, data: bytes) -> None:
        """Append `data`."""
        with _reaching(absent=True):
            self._writer.write(data)

    def close(self) -> None:
        """Complete it."""
        with _reaching(absent=True):
            self._writer.close()


class Reach:
    """Whether a store answers, as of a few seconds ago. Thread-safe; while one looks, the others wait for what it sees.

    Args:
        look: raises BlobsUnavailable where it does not.
        clock: seconds that never go back.
    """

    def __init__(self, look: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._looking = threading.Lock()
        self._looked_at: float | None = None
        self._failed: BlobsUnavailable | None = None

    def require(self) -> None:
        """Look, unless that was just done.

        Raises:
            BlobsUnavailable: it does not answer.
        """
        with self._looking:
            if self._looked_at is None or self._clock() - self._looked_at >= _REMEMBERED_S:
                self._failed = None
                try:
                    self._look()
                except BlobsUnavailable as error:
                    self._failed = error
                self._looked_at = self._clock()
            failed = self._failed
        if failed is not None:
            raise BlobsUnavailable(**failed.params)


@contextmanager
def _reaching(*, absent: bool = False) -> Iterator[None]:
    """Raise BlobsUnavailable for what the store, or the way to it, is to blame for.

    Args:
        absent: whether that something is not there is such a thing as well: a bucket, where no object is asked for.
    """
    try:
        yield
    except (BaseError, OSError) as error:
        if isinstance(error, FileNotFoundError) and not absent:
            raise
        reason = first_line(error)
        _tell(reason)
        # obstore's account of an error is two hundred lines long, and its first says it all.
        raise BlobsUnavailable(detail=reason) from None


def first_line(error: Exception, longest: int = 300) -> str:
    """What obstore says of an error, without its own view of it, in so many characters at most."""
    return str(error).strip().split("\n", 1)[0][:longest]


def _tell(reason: str) -> None:
    global _told_at
    now = time.monotonic()
    if now - _told_at >= _SILENCE_S:
        _told_at = now
        log.error("the storage of originals does not answer: %s", reason)
