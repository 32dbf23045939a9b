"""Files inside a file, taken out within the caps. What stays inside is named in a warning, never left out silently."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.parsing.base import SourceFile
from ingest.parsing.charset import detect_charset
from ingest.parsing.containers import MAX_ENTRIES
from ingest.parsing.media_types import format_name
from rag.domain.document import ChildFile, ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound, ParseLimitExceeded, UnsupportedFormat

ENCRYPTED = "child_encrypted"
DAMAGED = "child_damaged"
TOO_LARGE = "child_too_large"
NOT_A_FILE = "child_not_a_file"
UNSUPPORTED = "child_unsupported"
CUT_OFF = "container_cut_off"

_SHOWN_NAMES = 20
_SHOWN_CHARACTERS = 200
_MAX_NAME_CHARACTERS = 1000
_JUNK_FOLDERS = frozenset({"__macosx"})
_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


@dataclass(slots=True)
class LeftOut:
    """What was left out, for the warnings: of each kind the first names, then how many more."""

    names: dict[str, list[str]] = field(default_factory=dict)
    more: Counter[str] = field(default_factory=Counter)

    def add(self, code: str, name: str) -> None:
        """`name` was left out for the reason `code`."""
        names = self.names.setdefault(code, [])
        if len(names) < _SHOWN_NAMES:
            names.append(name[:_SHOWN_CHARACTERS])
        else:
            self.more[code] += 1

    def warnings(self) -> list[str]:
        """Codes with their details, as in `ParsedDocument.warnings`."""
        found: list[str] = []
        for code, names in self.names.items():
            found += [f"{code}:{name}" for name in names]
            if self.more[code]:
                found.append(f"{code}:+{self.more[code]}")
        return found


class Members:
    """Collects the files inside a file in their order, from number `source.first_child` on.

    Attributes:
        next_child: number of the first that did not fit; 0 while all did.
    """

    def __init__(self, source: SourceFile) -> None:
        self._source = source
        self._children: list[ChildFile] = []
        self._left = LeftOut()
        self._number = 0
        self._used = 0
        self._junk = 0
        self.next_child = 0

    def add(self, name: str, size: int, read: Callable[[], bytes], skip: Callable[[], None] = lambda: None) -> bool:
        """Take one of `size` bytes, by `read` if there is room for it, else go past it by `skip`.

        False when the parser should stop here.
        `read` may raise `FileDamaged`, which costs that file only.
        """
        name, number = member_name(name), self._number
        if is_junk(name):
            self._junk += 1
            skip()
            return True
        self._number += 1
        if self._number > MAX_ENTRIES:
            raise ParseLimitExceeded(name=self._source.name, resource="files inside")
        room = self._source.children_bytes
        if number < self._source.first_child or size > room:
            if number >= self._source.first_child:
                self._left.add(TOO_LARGE, name)
            skip()
            return True
        if self._used + size > room:
            self.next_child = number
            return False
        try:
            content = read()
        except FileDamaged:
            self._left.add(DAMAGED, name)
            return True
        if self._used + len(content) > room:
            self._left.add(TOO_LARGE, name)
            return True
        self._used += len(content)
        self._children.append(ChildFile(name, content))
        return True

    def leave_out(self, code: str, name: str) -> None:
        """Note a file that can't be taken, unless an earlier pass noted it."""
        self._number += 1
        if self._number > self._source.first_child:
            self._left.add(code, member_name(name))

    def cut_off(self) -> None:
        """Note that what follows can't be read."""
        self._left.names.setdefault(CUT_OFF, [""])

    def children(self) -> tuple[ChildFile, ...]:
        """What was taken."""
        return tuple(self._children)

    def warnings(self) -> tuple[str, ...]:
        """What was not."""
        found = [warning.removesuffix(":") for warning in self._left.warnings()]
        return tuple(found) + ((f"junk_left_out:{self._junk}",) if self._junk else ())

    def document(self, parser: str) -> ParsedDocument:
        """The result for a file that is nothing but its members.

        Raises:
            FileEncrypted, FileDamaged, UnsupportedFormat, ParseLimitExceeded, NoTextFound: there is nothing to take, and why.
        """
        source = self._source
        if not self._children and not self.next_child and not source.first_child:
            if ENCRYPTED in self._left.names:
                raise FileEncrypted(name=source.name)
            if TOO_LARGE in self._left.names:
                raise ParseLimitExceeded(name=source.name, resource="unpacked size")
            if UNSUPPORTED in self._left.names:
                found = format_name(source.media_type)
                raise UnsupportedFormat(
                    name=source.name, found=f"{found} (packed by another method)", found_ko=f"{found}(다른 압축 방식)"
                )
            if DAMAGED in self._left.names:
                raise FileDamaged(name=source.name, detail=", ".join(self._left.names[DAMAGED])[:_SHOWN_CHARACTERS])
            raise NoTextFound(name=source.name)
        return ParsedDocument(
            title="",
            media_type=source.media_type,
            parser=parser,
            elements=(),
            warnings=self.warnings(),
            children=self.children(),
            next_child=self.next_child,
        )


def member_name(name: str) -> str:
    """A label: NFC, forward slashes, no way up and no root, nothing that does not print."""
    shown = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", name.replace("\\", "/")))
    # Again for the end of a long name, since the cut can leave a root or a way up at its beginning.
    return _parts_joined(_parts_joined(shown)[-_MAX_NAME_CHARACTERS:]) or "unnamed"


def _parts_joined(name: str) -> str:
    parts = (part.strip() for part in name.split("/"))
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def decode_name(raw: bytes, otherwise: str) -> str:
    """A name without a declared encoding: UTF-8 or CP949 (Korean Windows) where it looks so, else `otherwise`."""
    charset = detect_charset(raw)
    return raw.decode(charset if charset in ("utf-8", "cp949") else otherwise, errors="replace")


def is_junk(name: str) -> bool:
    """What operating systems add to archives: macOS's shadow files, thumbnails, folder settings."""
    *folders, base = name.lower().split("/")
    return base in _JUNK_NAMES or base.startswith("._") or any(folder in _JUNK_FOLDERS for folder in folders)
