"""Outlook messages for tests: a writer of compound files ([MS-CFB] version 3) and of the properties in them ([MS-OXMSG])."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Union

Node = Union[bytes, "Tree"]
Tree = Mapping[str, Node]
"""Streams and storages by name."""

_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


def compound_file(tree: Tree) -> bytes:
    """A compound file that holds `tree`."""
    return _Writer(tree).whole()


@dataclass
class _Writer:
    tree: Tree
    entries: list[bytes] = field(default_factory=list)
    sectors: bytearray = field(default_factory=bytearray)
    fat: list[int] = field(default_factory=list)
    mini: bytearray = field(default_factory=bytearray)
    mini_fat: list[int] = field(default_factory=list)

    def whole(self) -> bytes:
        self.entries.append(b"")
        child = self._storage(self.tree)
        mini_start = self._chain(bytes(self.mini)) if self.mini else _END
        self.entries[0] = _entry("Root Entry", 5, child=child, start=mini_start, size=len(self.mini))
        while len(self.entries) % 4:
            self.entries.append(_entry("", 0))
        directory = self._chain(b"".join(self.entries))
        mini_table = b"".join(item.to_bytes(4, "little") for item in self.mini_fat)
        mini_fat = (
            self._chain(mini_table.ljust(-(-len(mini_table) // _SECTOR) * _SECTOR, b"\xff")) if mini_table else _END
        )
        mini_sectors = -(-len(mini_table) // _SECTOR)
        tables = 1
        while tables * 128 < len(self.fat) + tables:
            tables += 1
        first = len(self.fat)
        self.fat += [_FAT] * tables
        table = b"".join(item.to_bytes(4, "little") for item in self.fat).ljust(tables * _SECTOR, b"\xff")
        self.sectors += table
        header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
        header += struct.pack("<IIIIIIIII", 0, tables, directory, 0, _CUTOFF, mini_fat, mini_sectors, _END, 0)
        header += b"".join((first + n if n < tables else _FREE).to_bytes(4, "little") for n in range(109))
        return header + bytes(self.sectors)

    def _chain(self, data: bytes) -> int:
        """Store `data` in sectors of its own; the first one's number."""
        first, count = len(self.fat), max(1, -(-len(data) // _SECTOR))
        self.fat += [*range(first + 1, first + count), _END]
        self.sectors += data.ljust(count * _SECTOR, b"\0")
        return first

    def _mini_chain(self, data: bytes) -> int:
        first, count = len(self.mini_fat), max(1, -(-len(data) // _MINI))
        self.mini_fat += [*range(first + 1, first + count), _END]
        self.mini += data.ljust(count * _MINI, b"\0")
        return first

    def _storage(self, tree: Tree) -> int:
        """Entries of a storage's members, each the right sibling of the one before; the first one's number."""
        names = sorted(tree, key=lambda name: (len(name), name.upper()))
        numbers = []
        for name in names:
            numbers.append(len(self.entries))
            self.entries.append(b"")
            node = tree[name]
            if isinstance(node, bytes):
                start = _END if not node else self._chain(node) if len(node) >= _CUTOFF else self._mini_chain(node)
                made = {"kind": 2, "start": start, "size": len(node)}
            else:
                made = {"kind": 1, "child": self._storage(node)}
            self.entries[numbers[-1]] = _entry(name, **made)
        for number, right in pairwise(numbers):
            entry = bytearray(self.entries[number])
            entry[72:76] = right.to_bytes(4, "little")
            self.entries[number] = bytes(entry)
        return numbers[0] if numbers else _FREE


def _entry(name: str, kind: int, child: int = _FREE, start: int = 0, size: int = 0) -> bytes:
    raw = name.encode("utf-16-le")
    length = len(raw) + 2 if name else 0
    links = struct.pack("<III", _FREE, _FREE, child)
    return (
        raw.ljust(64, b"\0")
        + struct.pack("<HBB", length, kind, 1)
        + links
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


Value = str | bytes | int | datetime


def properties(values: Mapping[int, Value], header: int, codec: str = "utf-16-le") -> dict[str, Node]:
    """Streams of a message, recipient or attachment with these properties; text in UTF-16, or in a codepage."""
    tree: dict[str, Node] = {}
    fixed = b""
    for tag, value in values.items():
        kind, entry = 0x0102, 0
        if isinstance(value, datetime):
            kind, entry = 0x0040, int((value - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000
        elif isinstance(value, int):
            kind, entry = 0x0003, value
        else:
            if isinstance(value, str):
                kind = 0x001F if codec == "utf-16-le" else 0x001E
                value = value.encode(codec)
            tree[f"__substg1.0_{tag:04X}{kind:04X}"] = value
            entry = len(value)
        fixed += struct.pack("<HHIQ", kind, tag, 6, entry)
    tree["__properties_version1.0"] = bytes(header) + fixed
    return tree


def message_tree(
    values: Mapping[int, Value],
    *,
    recipients: Sequence[tuple[int, str, str]] = (),
    attachments: Sequence[Mapping[int, Value] | Tree] = (),
    codec: str = "utf-16-le",
    header: int = 32,
) -> dict[str, Node]:
    """A message with recipients (type, name, address) and attachments: properties of a file, or the tree of a message."""
    tree = properties(values, header, codec)
    for number, (kind, name, address) in enumerate(recipients):
        found = properties({0x0C15: kind, 0x3001: name, 0x39FE: address}, 8, codec)
        tree[f"__recip_version1.0_#{number:08X}"] = found
    for number, attachment in enumerate(attachments):
        if "__properties_version1.0" in attachment:
            inner: dict[str, Node] = properties({0x3705: 5, 0x3001: "message"}, 8, codec)
            inner["__substg1.0_3701000D"] = attachment  # type: ignore[assignment]
        else:
            inner = properties({0x3705: 1, **attachment}, 8, codec)  # type: ignore[dict-item]
        tree[f"__attach_version1.0_#{number:08X}"] = inner
    return tree
