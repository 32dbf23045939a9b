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

from ingest.connectors.access_files import MAX_BYTES, RULES, ruled, told
from ingest.connectors.bucket_listing import BucketListing, Odd
from ingest.connectors.folder import IGNORED
from ingest.connectors.sync_plan import WHOLE, FoundItem, Listing, Problem, ruled_fingerprint
from rag.blobs.objects import first_line, open_objects
from rag.domain.access import GivenRule
from rag.domain.errors import InvalidRequest

_IN_MEMORY = 8 << 20
_UNKNOWN = GivenRule(deny=("",))
"""Stands for a rule that can't be read: nothing below is taken without it, nor taken for gone."""
_LONGEST_REASON = 200
"""Characters of what obstore says."""


class _Rules:
    """Rules by folder, whose name ends with a slash; empty for the whole source."""

    def __init__(self) -> None:
        self.by_folder: dict[str, GivenRule] = {}

    def of(self, path: str) -> GivenRule | None:
        """The rule of the nearest folder around that has one."""
        folder = path.rstrip("/")
        while folder:
            folder = folder[: folder.rfind("/") + 1]
            if (found := self.by_folder.get(folder)) is not None:
                return found
            folder = folder.rstrip("/")
        return self.by_folder.get("")


class BucketSource:
    """Objects below the prefix of `url` (`s3://bucket/prefix`), with the rules of `.seogoaccess` objects as in folders.

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
            self._store = open_objects(self._url) if store is None else store
        except (BaseError, ValueError) as error:
            raise InvalidRequest(
                detail=f"{url}: {first_line(error, _LONGEST_REASON)}",
                detail_ko=f"{url}: 열 수 없습니다: {first_line(error, _LONGEST_REASON)}",
            ) from error

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
            listed = BucketListing(self._store)
            found = [meta for meta in listed.objects if not self._is_marker(meta)]
            rules = self._rules(found, problems)
        except (BaseError, OSError) as error:
            raise InvalidRequest(
                detail=f"{self._url}: {first_line(error, _LONGEST_REASON)}",
                detail_ko=f"{self._url}: 목록을 읽을 수 없습니다: {first_line(error, _LONGEST_REASON)}",
            ) from error
        for meta in found:
            self._add(meta, rules, items, problems)
        problems.extend(self._hidden(odd) for odd in listed.odd)
        return Listing(tuple(items[key] for key in sorted(items)), tuple(problems))

    def _is_marker(self, meta: Any) -> bool:
        """Whether an object is the mark by which consoles make an empty folder: `dir/`, which obstore lists as `dir`."""
        if meta["size"] or str(meta["path"]).rpartition("/")[2] == RULES:
            return False
        try:
            return bool(obstore.head(self._store, str(meta["path"]))["size"])
        except FileNotFoundError:
            return True

    def _hidden(self, odd: Odd) -> Problem:
        """Nothing that is known of the folder is taken for gone: what comes before the odd name could not be listed."""
        reason = (
            f"the object {odd.name!r} has a name that can't be read and hides what comes before it: rename or delete it"
        )
        return Problem(f"{self._key(odd.folder[:-1]) or odd.folder[:-1]}/" if odd.folder else WHOLE, reason)

    def _rules(self, found: Sequence[Any], problems: list[Problem]) -> _Rules:
        """What the objects of rules say, each with those of the folders around it.

        Raises:
            InvalidRequest: that of the whole source can't be read.
            BaseError, OSError: the store is away.
        """
        rules = _Rules()
        sizes = {str(meta["path"]): int(meta["size"]) for meta in found}
        for folder in sorted(path[: -len(RULES)] for path in sizes if path.rpartition("/")[2] == RULES):
            around = rules.of(folder)
            if around is _UNKNOWN:
                continue
            try:
                rules.by_folder[folder] = self._ruled(f"{folder}{RULES}", sizes[f"{folder}{RULES}"], around)
            except (ValueError, InvalidRequest) as error:
                if not folder:
                    raise InvalidRequest(
                        detail=f"{self._url}: {told(error)}", detail_ko=f"{self._url}: 읽을 수 없습니다: {told(error)}"
                    ) from error
                rules.by_folder[folder] = _UNKNOWN
                problems.append(Problem(f"{self._key(folder[:-1]) or folder[:-1]}/", told(error)))
        return rules

    def _ruled(self, path: str, size: int, around: GivenRule | None) -> GivenRule:
        if size > MAX_BYTES:
            raise ValueError("too long")
        return ruled(bytes(obstore.get(self._store, path).bytes()), around)

    def _add(self, meta: Any, rules: _Rules, items: dict[str, FoundItem], problems: list[Problem]) -> None:
        path = str(meta["path"])
        access = rules.of(path)
        if path.endswith("/") or self._is_ignored(path) or access is _UNKNOWN:
            return
        key = self._key(path)
        if key is None:
            problems.append(Problem(path, "the name is not valid text"))
            return
        if key in items:
            problems.append(Problem(key, "two objects have this name"))
            return
        etag = str(meta["e_tag"] or "").strip('"')
        stamp = etag or f"{meta['size']}:{meta['last_modified'].isoformat()}"
        items[key] = FoundItem(key, path, int(meta["size"]), ruled_fingerprint(stamp[:200], access), access)

    def open(self, item: FoundItem) -> BinaryIO:
        """The content of an object, in memory up to 8 MiB and beyond that in a temporary file."""
        copy = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="seogo-")  # noqa: SIM115 (the caller closes it)
        try:
            for piece in obstore.get(self._store, item.place).stream():
                copy.write(bytes(piece))
        except (BaseError, OSError) as error:
            copy.close()
            raise OSError(first_line(error, _LONGEST_REASON)) from error
        copy.seek(0)
        return cast(BinaryIO, copy)

    def _key(self, path: str) -> str | None:
        try:
            return self._clean(path)
        except InvalidRequest:
            return None

    def _is_ignored(self, path: str) -> bool:
        names = path.split("/")
        return any(
            fnmatchcase(path, pattern) or any(fnmatchcase(name, pattern) for name in names) for pattern in self._ignore
        )
