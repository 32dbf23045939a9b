"""HWPX: XML in a ZIP archive (KS X 6101, OWPML), the format that Korean ministries exchange.

Read as a stream of events and not as a tree: half a megabyte of it can unpack to a hundred. What is left out on purpose
is the same as in HWP 5 (`hwp5.py`).
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line
from ingest.parsing.containers import UNREADABLE, open_zip
from ingest.parsing.hwp5 import DAMAGED_PARTS
from ingest.parsing.hwp_assembly import HIDDEN_TEXT, Assembler
from ingest.parsing.hwp_model import Paragraph, Shapes
from ingest.parsing.hwp_summary import metadata
from ingest.parsing.hwpx_body import BodyHandler
from ingest.parsing.hwpx_shapes import ShapesHandler
from ingest.parsing.hwpx_xml import PartDamaged, read_part
from ingest.parsing.titles import document_title
from rag.domain.document import DocumentMetadata, ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound

_SECTION = re.compile(r"(?:.*/)?section(\d{1,5})\.xml", re.I)
_MASTER_PAGE = re.compile(r"(?:.*/)?masterpage(\d{1,5})\.xml", re.I)
_PACKAGE = "Contents/content.hpf"
_HEADER = "Contents/header.xml"
_MANIFEST_BYTES = 4 << 20
_MAX_META = 4_000


class HwpxParser:
    """Hangul documents in XML (.hwpx, and templates .hwtx)."""

    name = "hwpx/2"
    media_types = (media_types.HWPX,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.HWPX else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_zip(path, source.name) as archive:
            if _encrypted(archive):
                raise FileEncrypted(name=source.name)
            return _Document(archive, source).read(self.name)


class _Document:
    """An opened package."""

    def __init__(self, archive: zipfile.ZipFile, source: SourceFile) -> None:
        self._archive = archive
        self._source = source
        self._names = set(archive.namelist())
        self._package = _PackageHandler()
        self._damaged = False

    def read(self, parser: str) -> ParsedDocument:
        """Everything in it."""
        name = self._source.name
        if _PACKAGE in self._names:
            self._all(_PACKAGE, self._package)
        shapes = self._shapes()
        assembler = Assembler(shapes, name)
        body = BodyHandler(shapes, name)
        sections = self._sections()
        whole = 0
        for section in sections:
            reading = _Section(self._archive, section, body, name)
            assembler.section(reading.paragraphs())
            whole += reading.whole
        if not whole:
            raise FileDamaged(name=name, detail=sections[0] if sections else "Contents/section0.xml")
        elements = assembler.elements()
        if not elements:
            raise NoTextFound(name=name)
        warnings = (DAMAGED_PARTS,) * (self._damaged or whole < len(sections)) + (HIDDEN_TEXT,) * assembler.hidden
        title = document_title(self._package.title, elements, styled=assembler.title)
        media_type = self._source.media_type
        about = self._package.metadata()
        return ParsedDocument(title, media_type, parser, elements, warnings=warnings, metadata=about)

    def _shapes(self) -> Shapes:
        handler = ShapesHandler()
        self._all(_HEADER, handler)
        return handler.finished()

    def _all(self, part: str, handler: ShapesHandler | _PackageHandler) -> None:
        """Read a part that costs no text when it is damaged."""
        try:
            for _ in read_part(self._archive, part, handler, self._source.name):
                pass
        except PartDamaged:
            self._damaged = True

    def _sections(self) -> list[str]:
        """Parts with text in the order of the package's spine; by their numbers where it names none."""
        listed = [part for part in self._package.spine() if _SECTION.fullmatch(part)]
        # The manifest's paths begin at the package's root in most files, at its own folder in some.
        listed = [part if part in self._names else posixpath.join("Contents", part) for part in listed]
        ordered = list(dict.fromkeys(part for part in listed if part in self._names))
        # Other folders may hold copies; they count where there is nothing else.
        others = [part for part in self._numbered(_SECTION) if part not in ordered]
        missing = [part for part in others if part.startswith("Contents/")] if ordered else others
        return self._numbered(_MASTER_PAGE) + ordered + missing

    def _numbered(self, pattern: re.Pattern[str]) -> list[str]:
        matches = [match for part in self._names if (match := pattern.fullmatch(part))]
        return [match[0] for match in sorted(matches, key=lambda match: (int(match[1]), match[0]))]


class _Section:
    """Reads one section as far as it goes."""

    def __init__(self, archive: zipfile.ZipFile, part: str, body: BodyHandler, name: str) -> None:
        self._archive = archive
        self._part = part
        self._body = body
        self._name = name
        self.whole = False

    def paragraphs(self) -> Iterator[Paragraph]:
        """What can be read; `whole` says afterwards whether that was all."""
        self._body.begin()
        try:
            for _ in read_part(self._archive, self._part, self._body, self._name):
                yield from self._body.take()
        except PartDamaged:
            yield from self._body.take()
            return
        self.whole = True


class _PackageHandler:
    """content.hpf: what the document says about itself, and the order of its parts."""

    def __init__(self) -> None:
        self.title = ""
        self._meta: dict[str, str] = {}
        self._items: dict[str, str] = {}
        self._order: list[str] = []
        self._into = ""
        self._text = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """See `Handler`."""
        if name == "meta":
            self._into, self._text = attributes.get("name", ""), ""
        elif name == "title":
            self._into, self._text = name, ""
        elif name == "item":
            self._items[attributes.get("id", "")] = attributes.get("href", "")
        elif name == "itemref":
            self._order.append(attributes.get("idref", ""))

    def end(self, name: str) -> None:
        """See `Handler`."""
        if name == "title":
            self.title = one_line(self._text)
        elif name == "meta":
            self._meta[self._into] = one_line(self._text)
        self._into = ""

    def text(self, text: str) -> None:
        """See `Handler`."""
        if self._into and len(self._text) < _MAX_META:
            self._text += text

    def spine(self) -> list[str]:
        """Paths of the parts, in reading order."""
        return [self._items[item] for item in self._order if item in self._items]

    def metadata(self) -> DocumentMetadata:
        """Author and dates."""
        return metadata(
            author=self._meta.get("creator", ""),
            created=_date(self._meta.get("CreatedDate", "")),
            modified=_date(self._meta.get("ModifiedDate", "")),
            subject=self._meta.get("subject", ""),
            keywords=self._meta.get("keyword", ""),
            last_author=self._meta.get("lastsaveby", ""),
        )


def _date(text: str) -> str:
    """An ISO 8601 date and time with `+00:00`; empty for anything else."""
    found = re.match(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d+)?(Z|[+-]\d{2}:\d{2})?$", text)
    return found[1] + ("+00:00" if found[2] in (None, "Z") else found[2]) if found else ""


def _encrypted(archive: zipfile.ZipFile) -> bool:
    """Whether the manifest says that parts are encrypted (OpenDocument's scheme, which the format borrows)."""
    if "META-INF/manifest.xml" not in archive.NameToInfo:
        return False
    try:
        with archive.open("META-INF/manifest.xml") as stream:
            return b"encryption-data" in stream.read(_MANIFEST_BYTES)
    except UNREADABLE:
        return False
