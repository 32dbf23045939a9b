"""HWP 5: records in compressed streams in a compound file (OLE), by Hancom's published specification 5.0 (1.3).

Read here rather than by a library: the ones with a licence that fits lose text boxes, captions, footnotes and headers
(`benchmarks/parsing_hwp.py` compares). What is left out on purpose: struck-out text of change tracking, hidden comments
and text that nobody can see (flagged), addresses of links, the pictures themselves, macros.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.hwp5_body import BodyReader
from ingest.parsing.hwp5_distribution import readable
from ingest.parsing.hwp5_records import StreamDamaged, StreamTooLarge, inflate, u32
from ingest.parsing.hwp5_shapes import read_shapes
from ingest.parsing.hwp_assembly import HIDDEN_TEXT, Assembler
from ingest.parsing.hwp_model import Paragraph, Shapes
from ingest.parsing.hwp_summary import read_summary
from ingest.parsing.titles import document_title
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound, ParseLimitExceeded

DAMAGED_PARTS = "damaged_parts"
"""A part of the document could not be read; the rest is whole."""

_COMPRESSED, _DISTRIBUTION = 0x1, 0x4
_LOCKED = 0x2 | 0x10 | 0x100 | 0x400
"""Password, DRM, encryption by certificate, DRM by certificate (specification 1.3, table 3)."""

_SUMMARY = "\x05HwpSummaryInformation"
_SECTION = re.compile(r"Section(\d{1,5})", re.I)
_SMALLEST_COMPOUND_FILE = 1536


class Hwp5Parser:
    """Hangul documents from 2002 to now (.hwp, and templates .hwt)."""

    name = "hwp5/2"
    media_types = (media_types.HWP,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.HWP else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        data = path.read_bytes()
        if len(data) < _SMALLEST_COMPOUND_FILE:
            raise FileDamaged(name=source.name, detail="OLE")
        container = _Container(data, source.name)
        try:
            return self._read(container, source)
        except StreamTooLarge as error:
            raise ParseLimitExceeded(name=source.name, resource="unpacked size") from error

    def _read(self, container: _Container, source: SourceFile) -> ParsedDocument:
        sections = container.sections()
        shapes = container.shapes()
        assembler = Assembler(shapes, source.name)
        body = BodyReader(shapes, source.name)
        whole = 0
        for section in sections:
            reading = _Section(body, container, section)
            assembler.section(reading.paragraphs())
            whole += reading.whole
        if not whole:
            raise FileDamaged(name=source.name, detail=sections[0] if sections else "BodyText")
        elements = assembler.elements()
        if not elements:
            raise NoTextFound(name=source.name)
        title, metadata = read_summary(container.optional(_SUMMARY))
        damaged = whole < len(sections) or container.damaged_shapes
        warnings = (DAMAGED_PARTS,) * damaged + (HIDDEN_TEXT,) * assembler.hidden
        title = document_title(title, elements, styled=assembler.title)
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings, metadata=metadata)


class _Section:
    """Reads one section as far as it goes."""

    def __init__(self, body: BodyReader, container: _Container, stream: str) -> None:
        self._body = body
        self._container = container
        self._stream = stream
        self.whole = False

    def paragraphs(self) -> Iterator[Paragraph]:
        """What can be read; `whole` says afterwards whether that was all."""
        try:
            data, complete = self._container.unpacked(self._stream)
            yield from self._body.section(data)
        except StreamDamaged:
            return
        self.whole = complete and bool(data)


class _Container:
    """The streams of a document."""

    def __init__(self, data: bytes, name: str) -> None:
        import olefile

        self._name = name
        self.damaged_shapes = False
        try:
            self._ole: Any = olefile.OleFileIO(io.BytesIO(data))
            names = ["/".join(parts) for parts in self._ole.listdir()]
        except Exception as error:  # olefile lets IndexError, struct.error and others through on damaged directories
            raise FileDamaged(name=name, detail="OLE") from error
        self._names = {stream.lower(): stream for stream in names}
        header = self.optional("FileHeader")
        if len(header) < 40:
            raise FileDamaged(name=name, detail="FileHeader")
        self._flags = u32(header, 36)
        if self._flags & _LOCKED:
            raise FileEncrypted(name=name)

    def sections(self) -> list[str]:
        """The streams with the text, in order."""
        folder = "viewtext/" if self._flags & _DISTRIBUTION else "bodytext/"
        numbered = [
            (int(found[1]), stream)
            for key, stream in self._names.items()
            if key.startswith(folder) and (found := _SECTION.fullmatch(stream.split("/")[-1]))
        ]
        return [stream for _, stream in sorted(numbered)]

    def shapes(self) -> Shapes:
        """What DocInfo defines; nothing when it is damaged, which costs headings and numbers but no text."""
        try:
            data, complete = self.unpacked("DocInfo")
            self.damaged_shapes = not complete
            return read_shapes(data)
        except StreamDamaged:
            self.damaged_shapes = True
            return Shapes()

    def unpacked(self, stream: str) -> tuple[bytes, bool]:
        """A stream decrypted and decompressed, and whether it is complete."""
        data = self.optional(stream)
        if stream.lower().startswith("viewtext/"):
            data = readable(data)
        return inflate(data) if self._flags & _COMPRESSED else (data, True)

    def optional(self, stream: str) -> bytes:
        """A stream's bytes; empty when it is missing or can't be read."""
        if stream.lower() not in self._names:
            return b""
        try:
            data: bytes = self._ole.openstream(self._names[stream.lower()]).read()
        except Exception:  # as above
            return b""
        return data
