"""What lies in a bucket, also where the name of an object is one that obstore does not take.

S3 takes names such as `a//b.md`, `../b.md` or one with a line break. obstore refuses the whole page of a listing (a thousand
objects) for one of them, and reads none by name. So the listing goes on behind such a name, and what the page held before it
is looked up folder by folder. Only what lies in the very folder of that name, and before it, can't be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import obstore
from obstore.exceptions import InvalidPathError

from ingest.connectors.access_files import RULES

_NAMED = re.compile(r'[Pp]ath "(.*)"(?: contained|: Encountered)', re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f]")


class Odd(NamedTuple):
    """An object whose name can't be read.

    Attributes:
        folder: in which it hides what comes before it, ending in a slash; empty for the whole bucket.
        name: from the prefix on.
    """

    folder: str
    name: str


class BucketListing:
    """Reads a store once: `objects` in no order, and the `odd` names that were met."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._found: dict[tuple[str, int], Any] = {}
        self.odd: list[Odd] = []
        self._read("")

    @property
    def objects(self) -> Iterator[Any]:
        """What obstore knows of each object."""
        return iter(self._found.values())

    def _read(self, folder: str) -> None:
        """Everything below a folder (ending in a slash, empty for the whole bucket)."""
        offset = ""
        while True:
            try:
                for page in obstore.list(self._store, prefix=folder or None, offset=offset or None):
                    for meta in page:
                        self._add(meta)
                        offset = max(offset, str(meta["path"]))
                return
            except InvalidPathError as error:
                name = self._name_in(error)
                behind = _behind(name)
                if behind is None or behind <= offset:
                    raise
                self._read_before(folder, name, offset)
                offset = behind
                with suppress(FileNotFoundError):  # a listing begins behind its offset
                    self._add(obstore.head(self._store, behind))

    def _read_before(self, folder: str, name: str, known: str) -> None:
        """What lies between `known`, which was listed last, and an odd name, from `folder` on down to its own."""
        for part in [*_plain_parts(name)[folder.count("/") :], None]:
            try:
                level = obstore.list_with_delimiter(self._store, prefix=folder or None)
            except InvalidPathError:
                self._note(Odd(folder, name))
            else:
                for meta in level["objects"]:
                    if known < str(meta["path"]) < name:
                        self._add(meta)
                for below in level["common_prefixes"]:
                    if f"{below}/" < name and f"{below}0" > known and not name.startswith(f"{below}/"):
                        self._read(f"{below}/")
            folder = f"{folder}{part}/"

    def _note(self, odd: Odd) -> None:
        if odd in self.odd:
            return
        self.odd.append(odd)
        with suppress(FileNotFoundError):  # what it hides may be the rule of the folder, whose other objects are taken
            self._add(obstore.head(self._store, f"{odd.folder}{RULES}"))

    def _add(self, meta: Any) -> None:
        self._found[str(meta["path"]), int(meta["size"])] = meta

    def _name_in(self, error: InvalidPathError) -> str:
        """The name that an error tells of, from the prefix of the store on.

        Raises:
            InvalidPathError: it tells of none.
        """
        told = _NAMED.search(str(error).split("\n\nDebug source", 1)[0])
        prefix = str(getattr(self._store, "prefix", None) or "")
        if told is None or not told[1].startswith(prefix):
            raise error
        return told[1][len(prefix) + 1 :] if prefix else told[1]


def _is_odd(part: str) -> bool:
    return part in ("", ".", "..") or _CONTROL.search(part) is not None


def _plain_parts(name: str) -> list[str]:
    """The folders around an odd name that have plain names."""
    parts = name.split("/")
    return parts[: next((index for index, part in enumerate(parts) if _is_odd(part)), len(parts))]


def _behind(name: str) -> str | None:
    """The first plain name behind an odd one and all that are odd as it is; None where there is none."""
    plain = _plain_parts(name)
    parts = name.split("/")
    if len(plain) == len(parts):
        return None
    odd, around = parts[len(plain)], "".join(f"{part}/" for part in plain)
    control = _CONTROL.search(odd)
    # "0" is what follows the slash, a blank what follows the control characters.
    return f"{around}{odd[: control.start()]} " if control else f"{around}{odd}0"
