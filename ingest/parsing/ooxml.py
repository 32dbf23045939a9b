"""Reading the parts of an Office Open XML package (ECMA-376): safe XML, relationships, the document's title."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from lxml import etree

from ingest.parsing.characters import one_line
from ingest.parsing.containers import UNREADABLE
from rag.domain.errors import FileDamaged

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_COMMENTS = re.compile(r"^(?:word|ppt|xl)/(?:.*/)?(?:threaded)?comments?\d*/?[^/]*\.xml$")
COMMENTS_LEFT_OUT = "comments_left_out"
"""The file has reviewers' comments; they are not part of the document."""

_STRICT = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
_TRANSITIONAL = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"


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
        data = self.read(part).replace(_STRICT, _TRANSITIONAL)
        try:
            return etree.fromstring(
                data, etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
            )
        except etree.XMLSyntaxError as error:
            raise FileDamaged(name=self._name, detail=part) from error

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

    def has_comments(self) -> bool:
        """Somebody's remarks on the document, which parsers leave out."""
        return any(_COMMENTS.search(name) for name in self._names)

    def title(self) -> str:
        """From the core properties; empty when there is none."""
        properties = self.optional_xml(self.related("", "core-properties") or "docProps/core.xml")
        found = properties.find(f".//{_TITLE}") if properties is not None else None
        return one_line(found.text or "") if found is not None else ""


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
