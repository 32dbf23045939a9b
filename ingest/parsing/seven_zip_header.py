"""The directory of a 7z archive (7zFormat.txt of the LZMA SDK, which is in the public domain): what lies where, packed how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

MAGIC = b"7z\xbc\xaf\x27\x1c"
START_BYTES = 32

_END, _HEADER, _ARCHIVE, _MAIN_STREAMS, _FILES = 0x00, 0x01, 0x02, 0x04, 0x05
_PACK, _UNPACK, _SUB, _SIZE, _CRC, _FOLDER = 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B
_UNPACK_SIZE, _NUM_UNPACK, _EMPTY_STREAM, _EMPTY_FILE = 0x0C, 0x0D, 0x0E, 0x0F
_NAMES, _ATTRIBUTES, ENCODED_HEADER = 0x11, 0x15, 0x17
_MAX_CODERS = 8
_MAX_STREAMS = 32


class DamagedHeader(ValueError):
    """The directory is not as the format says."""


class TooMany(ValueError):
    """The directory names more than may be."""


@dataclass(frozen=True, slots=True)
class Coder:
    """One step of the packing of a folder."""

    method: bytes
    properties: bytes
    inputs: int = 1
    outputs: int = 1


@dataclass(slots=True)
class Folder:
    """Files packed together.

    Attributes:
        chain: the coders in the order in which unpacking runs through them; empty when they are no chain.
        sizes: bytes that each coder gives, by its place in `coders`.
        files: size and checksum of each file in the unpacked bytes, one after the other.
    """

    coders: list[Coder]
    chain: list[int]
    packed_streams: int
    sizes: list[int] = field(default_factory=list)
    unpacked: int = 0
    crc: int | None = None
    files: list[tuple[int, int | None]] = field(default_factory=list)
    offset: int = 0
    packed: int = 0


@dataclass(slots=True)
class File:
    """An entry. `folder` is -1 for what has no bytes."""

    name: str = ""
    folder: int = -1
    size: int = 0
    crc: int | None = None
    directory: bool = False
    attributes: int = 0


class Header:
    """Reads the directory in `data`; at most `most` entries.

    Raises:
        DamagedHeader, TooMany, IndexError: see there; the last when it is cut off.
    """

    def __init__(self, data: bytes, most: int) -> None:
        self._data = data
        self._at = 0
        self._most = most
        self.folders: list[Folder] = []
        self.files: list[File] = []
        self.kind = self._byte()
        if self.kind == ENCODED_HEADER:
            self._streams()
        elif self.kind == _HEADER:
            self._sections({_ARCHIVE: self._refuse, _MAIN_STREAMS: self._streams, _FILES: self._entries})
        else:
            raise DamagedHeader("no header")

    def _refuse(self) -> None:
        raise DamagedHeader("archive properties")

    def _sections(self, readers: dict[int, Callable[[], None]]) -> None:
        while (kind := self._byte()) != _END:
            if kind not in readers:
                raise DamagedHeader(f"section {kind}")
            readers[kind]()

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise DamagedHeader("cut off")
        self._at += size
        return self._data[self._at - size : self._at]

    def _number(self) -> int:
        """One byte whose leading ones say how many bytes follow."""
        first, value, mask = self._byte(), 0, 0x80
        for place in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * place)
            value |= self._byte() << (8 * place)
            mask >>= 1
        return value

    def _count(self) -> int:
        found = self._number()
        if found > self._most:
            raise TooMany(str(found))
        return found

    def _bits(self, count: int) -> list[bool]:
        data = self._take(-(-count // 8))
        return [bool(data[place // 8] & 0x80 >> place % 8) for place in range(count)]

    def _checksums(self, count: int) -> list[int | None]:
        defined = [True] * count if self._byte() else self._bits(count)
        return [int.from_bytes(self._take(4), "little") if known else None for known in defined]

    def _streams(self) -> None:
        packed: list[int] = []
        position = 0

        def pack_info() -> None:
            nonlocal position
            position = self._number()
            count = self._count()
            self._sections(
                {
                    _SIZE: lambda: packed.extend(self._number() for _ in range(count)),
                    _CRC: lambda: void(self._checksums(count)),
                }
            )

        def void(_found: object) -> None:
            return None

        self._sections({_PACK: pack_info, _UNPACK: self._folders, _SUB: self._substreams})
        self._place(position, packed)

    def _place(self, position: int, packed: list[int]) -> None:
        """Where the bytes of each folder are."""
        sizes = iter(packed)
        for folder in self.folders:
            own = [next(sizes, 0) for _ in range(folder.packed_streams)]
            folder.offset, folder.packed = START_BYTES + position, own[0] if own else 0
            position += sum(own)
            if not folder.files:
                folder.files = [(folder.unpacked, folder.crc)]

    def _folders(self) -> None:
        def folders() -> None:
            count = self._count()
            if self._byte():
                raise DamagedHeader("external folders")
            self.folders = [self._folder() for _ in range(count)]

        def sizes() -> None:
            for folder in self.folders:
                folder.sizes = [self._number() for coder in folder.coders for _ in range(coder.outputs)]
                last = folder.chain[-1] if folder.chain else 0
                folder.unpacked = folder.sizes[last] if last < len(folder.sizes) else 0

        def checksums() -> None:
            for folder, crc in zip(self.folders, self._checksums(len(self.folders)), strict=True):
                folder.crc = crc

        self._sections({_FOLDER: folders, _UNPACK_SIZE: sizes, _CRC: checksums})

    def _folder(self) -> Folder:
        coders = [self._coder() for _ in range(self._small(_MAX_CODERS))]
        inputs, outputs = sum(coder.inputs for coder in coders), sum(coder.outputs for coder in coders)
        if not outputs:
            raise DamagedHeader("no coder")
        pairs = [(self._number(), self._number()) for _ in range(outputs - 1)]
        packed = inputs - len(pairs)
        if packed < 1:
            raise DamagedHeader("no input")
        if packed > 1:
            for _ in range(packed):
                self._number()
        simple = all(coder.inputs == coder.outputs == 1 for coder in coders)
        return Folder(coders, _chain(len(coders), pairs) if simple else [], packed)

    def _small(self, most: int) -> int:
        found = self._number()
        if found > most:
            raise DamagedHeader(f"{found} where {most} is much")
        return found

    def _coder(self) -> Coder:
        flags = self._byte()
        method = self._take(flags & 15)
        inputs, outputs = (self._small(_MAX_STREAMS), self._small(_MAX_STREAMS)) if flags & 0x10 else (1, 1)
        properties = self._take(self._number()) if flags & 0x20 else b""
        if flags & 0x80:
            raise DamagedHeader("alternative methods")
        return Coder(method, properties, inputs, outputs)

    def _substreams(self) -> None:
        counts = [1] * len(self.folders)
        kind = self._byte()
        if kind == _NUM_UNPACK:
            counts = [self._count() for _ in self.folders]
            kind = self._byte()
        if sum(counts) > self._most:
            raise TooMany(str(sum(counts)))
        sizes = [
            self._file_sizes(folder, count, stated=kind == _SIZE)
            for folder, count in zip(self.folders, counts, strict=True)
        ]
        if kind == _SIZE:
            kind = self._byte()
        known = [len(own) == 1 and folder.crc is not None for folder, own in zip(self.folders, sizes, strict=True)]
        unknown = sum(len(own) for own, is_known in zip(sizes, known, strict=True) if not is_known)
        checksums: Iterator[int | None] = iter(self._checksums(unknown) if kind == _CRC else [None] * unknown)
        for folder, own, is_known in zip(self.folders, sizes, known, strict=True):
            folder.files = [(size, folder.crc if is_known else next(checksums)) for size in own]
        if kind == _CRC:
            kind = self._byte()
        if kind != _END:
            raise DamagedHeader("substreams")

    def _file_sizes(self, folder: Folder, count: int, *, stated: bool) -> list[int]:
        if count == 0:
            return []
        if not stated:
            if count > 1:
                raise DamagedHeader("sizes missing")
            return [folder.unpacked]
        sizes = [self._number() for _ in range(count - 1)]
        last = folder.unpacked - sum(sizes)
        if last < 0:
            raise DamagedHeader("sizes")
        return [*sizes, last]

    def _entries(self) -> None:
        count = self._count()
        names, attributes = [""] * count, [0] * count
        no_stream, empty_file = [False] * count, [False] * count
        while (kind := self._byte()) != _END:
            end = self._number() + self._at
            if end > len(self._data):
                raise DamagedHeader("cut off")
            if kind == _EMPTY_STREAM:
                no_stream = self._bits(count)
            elif kind == _EMPTY_FILE:
                empty_file = self._bits(sum(no_stream))
            elif kind == _NAMES and not self._byte():
                found = self._take(end - self._at).decode("utf-16-le", errors="replace").split("\0")
                names = (found + names)[:count]
            elif kind == _ATTRIBUTES:
                attributes = self._file_attributes(count)
            self._at = end
        self._join(names, attributes, no_stream, empty_file)

    def _file_attributes(self, count: int) -> list[int]:
        defined = [True] * count if self._byte() else self._bits(count)
        if self._byte():
            return [0] * count
        return [int.from_bytes(self._take(4), "little") if known else 0 for known in defined]

    def _join(self, names: list[str], attributes: list[int], no_stream: list[bool], empty_file: list[bool]) -> None:
        streams = ((place, size, crc) for place, folder in enumerate(self.folders) for size, crc in folder.files)
        empties = iter(empty_file)
        for name, attribute, is_empty in zip(names, attributes, no_stream, strict=True):
            if is_empty:
                self.files.append(File(name, directory=not next(empties, False), attributes=attribute))
                continue
            found = next(streams, None)
            if found is None:
                raise DamagedHeader("more files than streams")
            self.files.append(File(name, *found, attributes=attribute))


def _chain(count: int, pairs: list[tuple[int, int]]) -> list[int]:
    """Coders of one input and output each, from the one that reads the packed bytes on; empty when they form no chain."""
    feeds = {source: target for target, source in pairs}
    fed = {target for target, _ in pairs}
    start = [place for place in range(count) if place not in fed]
    chain: list[int] = start[:1]
    while chain and len(chain) < count and (following := feeds.get(chain[-1])) is not None and following < count:
        chain.append(following)
    return chain if len(chain) == count == len(set(chain)) else []
