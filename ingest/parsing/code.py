"""Source code and configuration: the file as it is, every line with its number, and what its syntax says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.charset import SAMPLE_BYTES, detect_charset
from ingest.parsing.code_languages import language_of
from ingest.parsing.code_outline import outlined
from ingest.parsing.text import decoded_lines
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument

_NAME = "code/2"


class CodeParser:
    """One CODE element for the file, and its outline: where to cut is for a chunker that knows the language.

    Lines are kept whole, indentation and trailing blanks included; empty lines at the start and the end are left out.
    """

    name = _NAME
    media_types = (media_types.SOURCE_CODE,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.SOURCE_CODE else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        return read_code(path.read_bytes(), source.name, source.charset)


def read_code(content: bytes, name: str, charset: str = "") -> ParsedDocument:
    """A source file as a document with an outline, by its bytes alone: no process, no file.

    Args:
        name: path or name of the file; the language is told by it.
        charset: Python codec name; found out when empty.

    Raises:
        NoTextFound: nothing but white space.
    """
    charset = charset or detect_charset(content[:SAMPLE_BYTES]) or "utf-8"
    lines, warnings = decoded_lines(content, charset, name)
    text = "\n".join(lines)
    outline, remarks = outlined(text, name, language_of(name, text))
    title = name.replace("\\", "/").rpartition("/")[2]
    return ParsedDocument(
        title, media_types.SOURCE_CODE, _NAME, (code_element(lines),), warnings=warnings + remarks, outline=outline
    )


@lru_cache(maxsize=1 << 14)
def _line(number: int) -> LineAnchor:
    """One for all files: most are shorter."""
    return LineAnchor(number, number)


def code_element(lines: Sequence[str]) -> Element:
    """The file's lines, of which some are not empty, as one element with an anchor for each of them."""
    first = next(number for number, line in enumerate(lines, start=1) if line.strip())
    last = next(number for number in range(len(lines), 0, -1) if lines[number - 1].strip())
    anchors = tuple(map(_line, range(first, last + 1)))
    return Element(ElementKind.CODE, "\n".join(lines[first - 1 : last]), LineAnchor(first, last), line_anchors=anchors)
