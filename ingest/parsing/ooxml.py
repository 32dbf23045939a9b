"""Reading the parts of an Office Open XML package (ECMA-376): safe XML, relationships, what the file says of itself.

Nothing outside the package is ever opened: relationships with an external target (a template on somebody's server, a
linked picture) are not followed, only counted.
"""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any

from lxml import etree

from ingest.parsing.characters import one_line
from ingest.parsing.containers import UNREADABLE
from rag.domain.document import DocumentMetadata
from rag.domain.errors import FileDamaged

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_DC = "{http://purl.org/dc/elements/1.1/}"
_TERMS = "{http://purl.org/dc/terms/}"
_CORE = "{http://schemas.openxmlformats.org/package/2006/metadata/core-properties}"
_EXTENDED = "{http://schemas.openxmlformats.org/officeDocument/2006/extended-properties}"
_ATTRIBUTES = (
    ("subject", f"{_DC}subject"),
    ("description", f"{_DC}description"),
    ("keywords", f"{_CORE}keywords"),
    ("category", f"{_CORE}category"),
    ("last_modified_by", f"{_CORE}lastModifiedBy"),
)
"""Names of attributes, and the core properties (ECMA-376 part 2, 11) that they come from."""

_MOMENT = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?)?)?")
"""A W3CDTF moment, as core properties hold it; what is none is left out."""

_MAX_VALUE_CHARACTERS = 500

HAS_MACROS = "has_macros"
"""The file carries macros. They were neither run nor read."""

EMBEDDED_NOT_READ = "embedded_not_read"
"""Files embedded in this one were not read; the attribute `embedded_files` says how many."""

EXTERNAL_CONTENT = "external_content"
"""Parts of the document lie elsewhere (a template, a linked picture or object) and were not fetched."""

_MACRO_PART = re.compile(r"(?:^|/)(?:vbaproject[^/]*\.bin|macrosheets/[^/]+\.xml)$", re.I)
_EMBEDDED_PART = re.compile(r"^(?:word|ppt|xl)/(?:embeddings|activeX)/[^/]+\.(?!rels$|xml$)\w+$", re.I)
_RELATIONSHIPS_PART = re.compile(r"\.rels$", re.I)
_CHART_DATA = re.compile(r"(?:^|/)charts/_rels/[^/]+\.rels$", re.I)
_HARMLESS_LINKS = ("/hyperlink", "/externalLinkPath", "/slideUpdateUrl")
"""Links that a reader follows by hand, or that Excel's cached values stand for."""

_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/"
"""Strict documents differ from the usual ones in nothing that parsers read but these names."""


class Package:
    """An opened package whose directory has been checked (`containers.open_zip`)."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self._names = {entry.lower(): entry for entry in archive.namelist()}
        self._name = name

    def has(self, part: str) -> bool:
        """Part names differ in case between writers and are equal all the same (ECMA-376 part 2, 6.2.2.3)."""
        return part.lower() in self._names

    def read(self, part: str) -> bytes:
        """The part's bytes.

        Raises:
            FileDamaged: it is missing or can't be unpacked.
        """
        try:
            return self._archive.read(self._names[part.lower()])
        except UNREADABLE as error:
            raise FileDamaged(name=self._name, detail=part) from error

    def xml(self, part: str) -> Any:
        """The part's root element: entities unresolved, no network, the parser's own limits on depth and size in force.

        Raises:
            FileDamaged: it is missing or no XML.
        """
        return safe_xml(_STRICT.sub(_TRANSITIONAL, self.read(part)), self._name, part)

    def optional_xml(self, part: str) -> Any | None:
        """As `xml`, None when the part is missing."""
        return self.xml(part) if self.has(part) else None

    def related(self, part: str, kind: str) -> str | None:
        """The first part that `part` (empty for the package) points to by a relationship whose type ends in `kind`."""
        return next(iter(self.all_related(part, kind)), None)

    def all_related(self, part: str, kind: str) -> list[str]:
        """As `related`, all of them."""
        return [target for key, target in self._targets(part) if key.endswith("/" + kind)]

    def relationships(self, part: str) -> dict[str, str]:
        """Relationship id to part."""
        return dict(self._targets(part, "Id"))

    def _targets(self, part: str, key: str = "Type") -> Iterator[tuple[str, str]]:
        """An attribute of each internal relationship of `part`, with the part that it points to."""
        folder, _, file = part.rpartition("/")
        relationships = self.optional_xml(f"{folder}/_rels/{file}.rels".lstrip("/"))
        for relationship in relationships.iter(_RELATIONSHIP) if relationships is not None else ():
            if relationship.get("TargetMode") != "External":
                yield relationship.get(key, ""), _resolve(folder, relationship.get("Target", ""))

    def open(self, part: str) -> IO[bytes]:
        """The part as a stream, for what is too large for a tree. Strict names are not translated in it.

        Raises:
            FileDamaged: it is missing.
        """
        try:
            return self._archive.open(self._names[part.lower()])
        except UNREADABLE as error:
            raise FileDamaged(name=self._name, detail=part) from error

    def parts(self, pattern: re.Pattern[str]) -> list[str]:
        """Names of the parts that the pattern is found in."""
        return [name for name in self._names.values() if pattern.search(name)]

    def title(self) -> str:
        """From the core properties; empty when there is none."""
        return _text_of(self._core_properties(), f"{_DC}title")

    def metadata(self) -> DocumentMetadata:
        """Author, dates and further properties."""
        core = self._core_properties()
        attributes = [(name, _text_of(core, tag)) for name, tag in _ATTRIBUTES]
        extended = self._properties("extended-properties", "docProps/app.xml")
        attributes.append(("company", _text_of(extended, f"{_EXTENDED}Company")))
        if embedded := len(self._embedded()):
            attributes.append(("embedded_files", str(embedded)))
        created, modified = (_moment(_text_of(core, f"{_TERMS}{name}")) for name in ("created", "modified"))
        kept = tuple((name, value) for name, value in attributes if value)
        return DocumentMetadata(_text_of(core, f"{_DC}creator"), created, modified, kept)

    def warnings(self) -> set[str]:
        """What the package holds that no parser reads or runs."""
        found = set()
        if self.parts(_MACRO_PART):
            found.add(HAS_MACROS)
        if self._embedded():
            found.add(EMBEDDED_NOT_READ)
        if self._reaches_outside():
            found.add(EXTERNAL_CONTENT)
        return found

    def _embedded(self) -> list[str]:
        """Embedded files, without the workbooks behind charts, whose values stand in the chart."""
        behind_charts = set()
        for relationships in self.parts(_CHART_DATA):
            with contextlib.suppress(FileDamaged):
                chart = relationships.replace("_rels/", "").removesuffix(".rels")
                behind_charts |= {target.lower() for _, target in self._targets(chart)}
        return [part for part in self.parts(_EMBEDDED_PART) if part.lower() not in behind_charts]

    def _reaches_outside(self) -> bool:
        for part in self.parts(_RELATIONSHIPS_PART):
            with contextlib.suppress(FileDamaged):  # of a part that nobody read
                for relationship in self.xml(part).iter(_RELATIONSHIP):
                    kind = relationship.get("Type", "")
                    if relationship.get("TargetMode") == "External" and not kind.endswith(_HARMLESS_LINKS):
                        return True
        return False

    def _core_properties(self) -> Any | None:
        return self._properties("core-properties", "docProps/core.xml")

    def _properties(self, kind: str, usual: str) -> Any | None:
        """Properties are claims about the document: damaged ones are worth no failure."""
        try:
            return self.optional_xml(self.related("", kind) or usual)
        except FileDamaged:
            return None


def safe_xml(data: bytes, name: str, part: str) -> Any:
    """The root element of an XML text in the file called `name`: entities unresolved, no network, libxml2's own limits.

    Raises:
        FileDamaged: it is no XML.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True)
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise FileDamaged(name=name, detail=part) from error


def _text_of(properties: Any | None, tag: str) -> str:
    found = properties.find(f".//{tag}") if properties is not None else None
    return one_line(found.text or "")[:_MAX_VALUE_CHARACTERS] if found is not None else ""


def _moment(text: str) -> str:
    return text if _MOMENT.fullmatch(text) else ""


def _resolve(folder: str, target: str) -> str:
    if target.startswith("/"):
        return target.lstrip("/")
    parts: list[str] = []
    for piece in PurePosixPath(folder, target).parts:
        if piece == "..":
            parts = parts[:-1]
        else:
            parts.append(piece)
    return "/".join(parts)
