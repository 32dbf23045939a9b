"""RTF where there is no LibreOffice: striprtf's text, line by line. Tables, styles and notes are lost on this way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import squeeze
from ingest.parsing.headings import numbered_heading
from ingest.parsing.titles import document_title
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound, ParseLimitExceeded

_MAX_BYTES = 64 << 20
_PICTURES = re.compile(rb"\{\\\*?\\?(?:pict|objdata|bin)[^{}]{0,33554432}\}")
_FALLBACK_BID = 50


class RtfParser:
    """Rich text, as a fallback."""

    name = "rtf/1"
    media_types = (media_types.RTF,)

    def bid(self, identified: Identified) -> int:
        """Behind a conversion that keeps the structure."""
        return _FALLBACK_BID if identified.media_type == media_types.RTF else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        from striprtf.striprtf import rtf_to_text

        data = path.read_bytes()
        if len(data) > _MAX_BYTES:
            raise ParseLimitExceeded(name=source.name, resource="memory")
        try:
            text = rtf_to_text(_PICTURES.sub(b"", data).decode("latin-1"), encoding="cp949", errors="ignore")
        except (ValueError, KeyError, IndexError, LookupError, RecursionError) as error:
            raise FileDamaged(name=source.name, detail="RTF") from error
        elements = tuple(_elements(text))
        if not elements:
            raise NoTextFound(name=source.name)
        return ParsedDocument(document_title("", elements), source.media_type, self.name, elements)


def _elements(text: str) -> Iterator[Element]:
    for number, line in enumerate(text.split("\n"), start=1):
        shown = squeeze(line.strip("| "))
        if not shown:
            continue
        anchor = ParagraphAnchor(number, number)
        if heading := numbered_heading(shown):
            yield Element(ElementKind.HEADING, heading.title, anchor, level=heading.level)
            shown = heading.rest
        if shown:
            yield Element(ElementKind.TEXT, shown, anchor)
