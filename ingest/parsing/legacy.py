"""Formats of Office 97-2003 (and RTF, XLSB) that are read through a conversion by LibreOffice, outside the parsing child.

A parsing child can start nothing and write nothing, so this parser only says what is needed, by raising `ConverterMissing`;
the service's side (`sandbox.py`) converts, if it can, and has the result parsed. Without LibreOffice the error stands.
"""

from __future__ import annotations

from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.converter import CONVERSIONS, find_converter
from ingest.parsing.ole import is_encrypted, ole_facts
from rag.domain.document import ParsedDocument
from rag.domain.errors import ConverterMissing, FileEncrypted

_LAST_RESORT = 10
"""Without LibreOffice: only where no other parser reads the format, so that its message says what to install."""


class LegacyParser:
    """DOC, PPT, RTF, XLSB and the XML of Word 2003."""

    name = "legacy/1"
    media_types = tuple(CONVERSIONS)

    def __init__(self) -> None:
        self._available = find_converter() is not None

    def bid(self, identified: Identified) -> int:
        """Made for them where LibreOffice is installed."""
        if identified.media_type not in self.media_types:
            return 0
        return 100 if self._available else _LAST_RESORT

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """Always raises.

        Raises:
            FileEncrypted: a password is needed.
            ConverterMissing: with the media type, and the warnings that only the original can give.
        """
        if is_encrypted(path):
            raise FileEncrypted(name=source.name)
        facts = ole_facts(path)
        raise ConverterMissing(
            name=source.name,
            **media_types.named(source.media_type),
            media_type=source.media_type,
            warnings=" ".join(sorted(facts.warnings)),
        )
