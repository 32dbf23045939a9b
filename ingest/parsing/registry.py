"""Every parser, by name. To add a format: one file with its parser, one entry here.

A factory imports what its parser needs, which can take seconds and hundreds of megabytes; the entry's media types tell
whether that is necessary. An entry's key must be stable: operators switch parsers off by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ingest.parsing import media_types
from ingest.parsing.base import Identified, Parser
from rag.domain.errors import UnsupportedFormat


@dataclass(frozen=True, slots=True)
class ParserEntry:
    """A parser that has not been imported yet."""

    media_types: tuple[str, ...]
    factory: Callable[[], Parser]


def candidates(identified: Identified, name: str, parsers: Mapping[str, ParserEntry]) -> tuple[str, ...]:
    """Keys of the parsers that may be offered such a file.

    Raises:
        UnsupportedFormat: there are none.
    """
    keys = tuple(key for key, entry in parsers.items() if identified.media_type in entry.media_types)
    if not keys:
        raise UnsupportedFormat(name=name, found=media_types.format_name(identified.media_type))
    return keys


def best(identified: Identified, name: str, offered: Mapping[str, Parser]) -> Parser:
    """The parser with the highest bid; on a tie the one registered first.

    Raises:
        UnsupportedFormat: none of them can read it.
    """
    bids = [(parser.bid(identified), parser) for parser in offered.values()]
    highest = max((bid for bid, _ in bids), default=0)
    if highest <= 0:
        raise UnsupportedFormat(name=name, found=media_types.format_name(identified.media_type))
    return next(parser for bid, parser in bids if bid == highest)


def _pdf() -> Parser:
    from ingest.parsing.pdf import PdfParser

    return PdfParser()


def _docx() -> Parser:
    from ingest.parsing.docx import DocxParser

    return DocxParser()


def _pptx() -> Parser:
    from ingest.parsing.pptx import PptxParser

    return PptxParser()


def _xlsx() -> Parser:
    from ingest.parsing.xlsx import XlsxParser

    return XlsxParser()


def _html() -> Parser:
    from ingest.parsing.html import HtmlParser

    return HtmlParser()


def _markdown() -> Parser:
    from ingest.parsing.markdown import MarkdownParser

    return MarkdownParser()


def _csv() -> Parser:
    from ingest.parsing.csv import CsvParser

    return CsvParser()


def _text() -> Parser:
    from ingest.parsing.text import TextParser

    return TextParser()


def _code() -> Parser:
    from ingest.parsing.code import CodeParser

    return CodeParser()


def _mail() -> Parser:
    from ingest.parsing.mail import MailParser

    return MailParser()


def _outlook() -> Parser:
    from ingest.parsing.outlook import OutlookParser

    return OutlookParser()


def _tnef() -> Parser:
    from ingest.parsing.tnef import TnefParser

    return TnefParser()


def _mbox() -> Parser:
    from ingest.parsing.mbox import MboxParser

    return MboxParser()


def _zip() -> Parser:
    from ingest.parsing.zip import ZipParser

    return ZipParser()


def _seven_zip() -> Parser:
    from ingest.parsing.seven_zip import SevenZipParser

    return SevenZipParser()


def _tar() -> Parser:
    from ingest.parsing.tar import TarParser

    return TarParser()


PARSERS: dict[str, ParserEntry] = {
    "pdf": ParserEntry((media_types.PDF,), _pdf),
    "docx": ParserEntry((media_types.DOCX,), _docx),
    "pptx": ParserEntry((media_types.PPTX,), _pptx),
    "xlsx": ParserEntry((media_types.XLSX,), _xlsx),
    "html": ParserEntry((media_types.HTML,), _html),
    "markdown": ParserEntry((media_types.MARKDOWN,), _markdown),
    "csv": ParserEntry((media_types.CSV, media_types.TSV), _csv),
    "mail": ParserEntry((media_types.EMAIL,), _mail),
    "outlook": ParserEntry((media_types.OUTLOOK,), _outlook),
    "tnef": ParserEntry((media_types.TNEF,), _tnef),
    "mbox": ParserEntry((media_types.MBOX,), _mbox),
    "zip": ParserEntry((media_types.ZIP,), _zip),
    "7z": ParserEntry((media_types.SEVEN_ZIP,), _seven_zip),
    "tar": ParserEntry((media_types.TAR, media_types.GZIP, media_types.BZIP2, media_types.XZ), _tar),
    "text": ParserEntry((media_types.TEXT,), _text),
    "code": ParserEntry((media_types.SOURCE_CODE,), _code),
}
"""Name to parser."""
