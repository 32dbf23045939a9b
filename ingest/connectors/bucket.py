"""The bucket connector: lists the objects below a prefix of an S3-compatible store for a synchronisation.

Address and credentials come from the environment of the command (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, …), as for every
other tool; the server never sees them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from ingest.connectors.folder import IGNORED
from ingest.connectors.sync_plan import FoundItem, Listing, Problem
from rag.domain.errors import InvalidRequest

_IN_MEMORY = 8 << 20


class BucketSource:
    """Objects below the prefix of `url` (`s3://bucket/prefix`).

    Args:
        store: takes the place of the store behind `url`; its keys are relative to the prefix.
    """

    kind = "bucket"

    def __init__(
        self, url: str, clean: Callable[[str], str], *, ignore: Sequence[str] = (), store: Any | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._clean = clean
        self._ignore = (*IGNORED, *ignore)
        try:
            self._store = from_url(self._url) if store is None else store
        except (BaseError, ValueError) as error:
            raise InvalidRequest(detail=f"{url}: {_first_line(error)}") from error

    @property
    def location(self) -> str:
        """The address."""
        return self._url

    def listing(self) -> Listing:
        """Every object, sorted by key. The fingerprint is the etag, where there is none size and time.

        Raises:
            InvalidRequest: the store can't be listed.
        """
        items: dict[str, FoundItem] = {}
        problems: list[Problem] = []
        try:
            for page in obstore.list(self._store):
                for meta in page:
                    self._add(meta, items, problems)
        except (BaseError, OSError) as error:
            raise InvalidRequest(detail=f"{self._url}: {_first_line(error)}") from error
        return Listing(tuple(items[key] for key in sorted(items)), tuple(problems))

    def _add(self, meta: Any, items: dict[str, FoundItem], problems: list[Problem]) -> None:
        path = str(meta["path"])
        if path.endswith("/") or self._is_ignored(path):
            return
        try:
            key = self._clean(path)
        except InvalidRequest:
            problems.append(Problem(path, "the name is not valid text"))
            return
        if key in items:
            problems.append(Problem(key, "two objects have this name"))
            return
        etag = str(meta["e_tag"] or "").strip('"')
        stamp = etag or f"{meta['size']}:{meta['last_modified'].isoformat()}"
        items[key] = FoundItem(key, path, int(meta["size"]), stamp[:200])

    def open(self, item: FoundItem) -> BinaryIO:
        """The content of an object, in memory up to 8 MiB and beyond that in a temporary file."""
        copy = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="seogo-")  # noqa: SIM115 (the caller closes it)
        try:
            for piece in obstore.get(self._store, item.place).stream():
                copy.write(bytes(piece))
        except (BaseError, OSError) as error:
            copy.close()
            raise OSError(_first_line(error)) from error
        copy.seek(0)
        return cast(BinaryIO, copy)

    def _is_ignored(self, path: str) -> bool:
        names = path.split("/")
        return any(
            fnmatchcase(path, pattern) or any(fnmatchcase(name, pattern) for name in names) for pattern in self._ignore
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:200]
