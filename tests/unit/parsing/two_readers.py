"""A parser that fails as its file's name says, and a second reader for what it fails on: a registry for the sandbox's tests."""

from __future__ import annotations

import os
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.registry import ParserEntry
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound, ParseLimitExceeded

ERRORS = {
    "damaged": FileDamaged(name="", detail="first"),
    "encrypted": FileEncrypted(name=""),
    "empty": NoTextFound(name=""),
    "limit": ParseLimitExceeded(name="", resource="table size"),
    "bug": KeyError("missing"),
    "memory": MemoryError(),
}
"""By the first word of a file's name."""

SECOND_ERRORS = {
    "damaged": FileDamaged(name="", detail="second"),
    "empty": NoTextFound(name=""),
    "limit": ParseLimitExceeded(name="", resource="table size"),
    "bug": ValueError("second"),
}
"""By the second word."""


class FirstParser:
    name = "first/1"
    media_types = (media_types.TEXT,)

    def bid(self, identified: Identified) -> int:
        return 100

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        return _read(self.name, source, ERRORS.get(source.name.split(".")[0].split("-")[0]))


class SecondParser:
    name = "second/1"
    media_types = (media_types.TEXT,)

    def bid(self, identified: Identified) -> int:
        return 50

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        then = source.name.split(".")[0].partition("-")[2]
        if then == "dies":
            os.abort()
        if then == "allocates":
            bytearray(3 << 30)
        while then == "spins":
            pass
        return _read(self.name, source, SECOND_ERRORS.get(then))


def _read(parser: str, source: SourceFile, error: Exception | None) -> ParsedDocument:
    if error:
        raise error
    return ParsedDocument("", source.media_type, parser, (Element(ElementKind.TEXT, parser, LineAnchor(1, 1)),))


PARSERS = {
    "first": ParserEntry((media_types.TEXT,), FirstParser),
    "second": ParserEntry((media_types.TEXT,), SecondParser, fallback=True),
}
