"""Source code and configuration: the file as it is, every line with its number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.text import read_lines
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument


class CodeParser:
    """One CODE element for the file: where to cut is for a chunker that knows the language.

    Lines are kept whole, indentation and trailing blanks included; empty lines at the start and the end are left out.
    """

    name = "code/1"
    media_types = (media_types.SOURCE_CODE,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.SOURCE_CODE else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        return ParsedDocument(source.name, source.media_type, self.name, (code_element(lines),), warnings=warnings)


def code_element(lines: Sequence[str]) -> Element:
    """The file's lines, of which some are not empty, as one element."""
    filled = [number for number, line in enumerate(lines, start=1) if line.strip()]
    first, last = filled[0], filled[-1]
    anchors = tuple(LineAnchor(number, number) for number in range(first, last + 1))
    return Element(ElementKind.CODE, "\n".join(lines[first - 1 : last]), LineAnchor(first, last), line_anchors=anchors)
