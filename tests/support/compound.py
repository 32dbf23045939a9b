"""A writer of OLE compound files ([MS-CFB], version 3), small enough to read in one sitting."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTOR = 512
MINI_SECTOR = 64
CUTOFF = 4096
"""Streams below this stand in the mini stream ([MS-CFB] 2.2)."""

FREE, END, FAT_SECTOR = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
NO_ENTRY = 0xFFFFFFFF
MAX_FAT_SECTORS = 109
"""More would need a DIFAT; with these a file holds 7 MB."""


@dataclass
class _Entry:
    name: str
    kind: int  # 1 storage, 2 stream, 5 root
    data: bytes = b""
    children: list[int] = field(default_factory=list)
    left: int = NO_ENTRY
    right: int = NO_ENTRY
    child: int = NO_ENTRY
    start: int = 0
    size: int = 0


def compound_file(streams: Mapping[str, bytes]) -> bytes:
    """A compound file with these streams; `/` in a name parts storages.

    Raises:
        ValueError: they take more than 7 MB.
    """
    entries = _directory(streams)
    mini, mini_fat = _mini_stream(entries)
    big = [entry for entry in entries if entry.kind == 2 and len(entry.data) >= CUTOFF]
    directory_bytes = _padded(b"".join(bytes(128) for _ in entries), SECTOR)
    mini_fat_bytes = _padded(struct.pack(f"<{len(mini_fat)}I", *mini_fat), SECTOR, b"\xff")
    bodies = [directory_bytes, mini_fat_bytes, _padded(mini, SECTOR), *(_padded(e.data, SECTOR) for e in big)]
    sectors = sum(len(body) // SECTOR for body in bodies)
    fat_sectors = 1
    while fat_sectors * (SECTOR // 4) < sectors + fat_sectors:
        fat_sectors += 1
    if fat_sectors > MAX_FAT_SECTORS:
        raise ValueError("too large for this writer")
    fat = [FAT_SECTOR] * fat_sectors
    starts = []
    for body in bodies:
        count = len(body) // SECTOR
        starts.append(len(fat) if count else END)
        fat += [len(fat) + step + 1 for step in range(count - 1)] + ([END] if count else [])
    fat += [FREE] * (fat_sectors * (SECTOR // 4) - len(fat))
    entries[0].start, entries[0].size = starts[2], len(mini)
    for entry, start in zip(big, starts[3:], strict=True):
        entry.start, entry.size = start, len(entry.data)
    bodies[0] = _padded(b"".join(map(_packed, entries)), SECTOR)
    header = _header(fat_sectors, starts[0], starts[1], len(bodies[1]) // SECTOR)
    return header + struct.pack(f"<{len(fat)}I", *fat) + b"".join(bodies)


def _header(fat_sectors: int, directory: int, mini_fat: int, mini_fat_sectors: int) -> bytes:
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIII", 0, fat_sectors, directory, 0, CUTOFF)
    head += struct.pack("<IIII", mini_fat, mini_fat_sectors, END, 0)
    difat = list(range(fat_sectors)) + [FREE] * (MAX_FAT_SECTORS - fat_sectors)
    return head + struct.pack(f"<{MAX_FAT_SECTORS}I", *difat)


def _directory(streams: Mapping[str, bytes]) -> list[_Entry]:
    entries = [_Entry("Root Entry", 5)]
    storages = {"": 0}
    for path, data in streams.items():
        folder, _, name = path.rpartition("/")
        if folder not in storages:
            storages[folder] = len(entries)
            entries[0].children.append(len(entries))
            entries.append(_Entry(folder, 1))
        entries[storages[folder]].children.append(len(entries))
        entries.append(_Entry(name, 2, data))
    for entry in entries:
        # The order of [MS-CFB] 2.6.4: shorter names first, then by upper case.
        order = sorted(entry.children, key=lambda index: (len(entries[index].name), entries[index].name.upper()))
        entry.child = _tree(entries, order)
    return entries


def _tree(entries: list[_Entry], order: list[int]) -> int:
    """The root of a balanced search tree over the entries in `order`."""
    if not order:
        return NO_ENTRY
    middle = len(order) // 2
    entries[order[middle]].left = _tree(entries, order[:middle])
    entries[order[middle]].right = _tree(entries, order[middle + 1 :])
    return order[middle]


def _mini_stream(entries: list[_Entry]) -> tuple[bytes, list[int]]:
    mini = b""
    mini_fat: list[int] = []
    for entry in entries:
        if entry.kind == 2 and len(entry.data) < CUTOFF:
            body = _padded(entry.data, MINI_SECTOR)
            count = len(body) // MINI_SECTOR
            entry.start, entry.size = (len(mini_fat) if count else END), len(entry.data)
            mini_fat += [len(mini_fat) + step + 1 for step in range(count - 1)] + ([END] if count else [])
            mini += body
    return mini, mini_fat


def _packed(entry: _Entry) -> bytes:
    name = entry.name.encode("utf-16-le")
    start = entry.start if entry.kind != 1 else 0
    black = 1
    return (
        name.ljust(64, b"\0")
        + struct.pack("<HBB", len(name) + 2, entry.kind, black)
        + struct.pack("<III", entry.left, entry.right, entry.child)
        + bytes(36)
        + struct.pack("<IQ", start, entry.size)
    )


def _padded(data: bytes, unit: int, filler: bytes = b"\0") -> bytes:
    return data + filler * (-len(data) % unit)
