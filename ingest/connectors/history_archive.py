"""Reads the members of a `.tar.gz` that are wanted, in one pass, without unpacking anything to disk.

Such an archive has no directory to look at first, so what comes out is counted while it comes: an export holds the whole
repository and all uploads beside the few files that are read here.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Self, cast

from rag.domain.errors import RepositoryNotRead

_RATIO = 200
"""Bytes for each packed one, on the whole. Lines of JSON pack to a tenth or twentieth, gzip's utmost is a thousandth."""
_RATIO_MATTERS = 64 << 20
"""Bytes that come out of even the smallest archive."""
_LONGEST_HEADER = 1 << 20
"""Bytes of a long name or other extended header, which is read into memory as a whole."""
_EXTENDED = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)
_DAMAGED = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an archive may be.

    Attributes:
        members: how many files, folders and links.
        unpacked: bytes of all together.
    """

    members: int
    unpacked: int


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive. `content` can be read until the next one is asked for."""

    path: PurePath
    size: int
    content: IO[bytes]


def members_of(archive: Path, wanted: Callable[[PurePath], bool], bounds: Bounds, name: str) -> Iterator[Member]:
    """The regular files whose paths are wanted, in the order of the archive; links and devices are passed over.

    Raises:
        RepositoryNotRead: it is damaged, larger than `bounds`, packs more than honest files do, or has a name that leads out.
    """
    told = {"name": name, "file": archive.name}
    try:
        with archive.open("rb") as packed, gzip.GzipFile(fileobj=packed) as unpacked:
            stream = _Counted(cast("IO[bytes]", unpacked), archive.stat().st_size, bounds.unpacked, told)
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as tar:  # type: ignore[call-overload]
                for number, entry in enumerate(tar, start=1):
                    tar.members = []  # or it would keep every header in memory
                    if number > bounds.members:
                        raise RepositoryNotRead.because("archive_members", **told, limit=bounds.members)
                    safe = tarfile.data_filter(entry, str(archive)) if entry.isfile() or entry.isdir() else None
                    path = None if safe is None else PurePosixPath(safe.name)
                    if path is not None and entry.isfile() and wanted(path):
                        content = tar.extractfile(entry)
                        if content is not None:
                            yield Member(path, entry.size, cast("IO[bytes]", _Content(content, told)))
                stream.require_end(tar.offset)
    except tarfile.FilterError:
        raise RepositoryNotRead.because("archive_unsafe", **told) from None
    except _DAMAGED:
        raise RepositoryNotRead.because("archive_damaged", **told) from None


class _Header(tarfile.TarInfo):
    """A header that asks for no more memory than an honest one."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """See `TarInfo.frombuf`.

        Raises:
            tarfile.ReadError: it is larger, or of a file with holes, whose map is read into memory.
        """
        found = super().frombuf(buf, encoding, errors)
        if found.type == tarfile.GNUTYPE_SPARSE or (found.type in _EXTENDED and found.size > _LONGEST_HEADER):
            raise tarfile.ReadError("a header that no export has")
        return found


class _Content:
    """What a member holds, for whoever reads it while the archive is open."""

    def __init__(self, content: IO[bytes], told: dict[str, str]) -> None:
        self._content, self._told = content, told

    def read(self) -> bytes:
        """All of it.

        Raises:
            RepositoryNotRead: it is not all there.
        """
        return self._checked(self._content.read)

    def readline(self, size: int) -> bytes:
        """The next line, up to `size` bytes of it; see `read`."""
        return self._checked(lambda: self._content.readline(size))

    def _checked(self, reading: Callable[[], bytes]) -> bytes:
        try:
            return reading()
        except _DAMAGED:
            raise RepositoryNotRead.because("archive_damaged", **self._told) from None


class _Counted:
    """A stream that ends with an error where an honest archive of this size would have ended."""

    def __init__(self, file: IO[bytes], packed: int, most: int, told: dict[str, str]) -> None:
        self._file, self._told = file, told
        self._left = min(most, max(_RATIO_MATTERS, _RATIO * packed))
        self._came = 0
        self._before, self._last = b"", b""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes.

        Raises:
            RepositoryNotRead: more came out than may.
        """
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise RepositoryNotRead.because("archive_size", **self._told)
        self._came += len(data)
        self._before, self._last = self._last, data
        return data

    def require_end(self, offset: int) -> None:
        """Read to the end, so that the checksum is looked at, and see that nothing came after `offset` but zeros: at a header
        that is none tarfile ends without a word. It has read one buffer ahead at most.

        Raises:
            RepositoryNotRead: something did.
        """
        rest = (self._before + self._last)[offset - self._came :] if offset < self._came else b""
        while not rest.strip(b"\0"):
            rest = self.read(1 << 20)
            if not rest:
                return
        raise RepositoryNotRead.because("archive_damaged", **self._told)
