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
    """A parser that has not been imported yet.

    Attributes:
        fallback: only for files that the parser made for them has failed on.
    """

    media_types: tuple[str, ...]
    factory: Callable[[], Parser]
    fallback: bool = False


def candidates(identified: Identified, name: str, parsers: Mapping[str, ParserEntry]) -> tuple[str, ...]:
    """Keys of the parsers that may be offered such a file, those for files that others failed on left out.

    Raises:
        UnsupportedFormat: there are none.
    """
    keys = tuple(
        key for key, entry in parsers.items() if identified.media_type in entry.media_types and not entry.fallback
    )
    if not keys:
        raise UnsupportedFormat(name=name, **media_types.named(identified.media_type))
    return keys


def second_reader(identified: Identified, parsers: Mapping[str, ParserEntry]) -> str:
    """Key of the parser to try once the one made for such a file has failed on it; empty where there is none."""
    fitting = (key for key, entry in parsers.items() if entry.fallback and identified.media_type in entry.media_types)
    return next(fitting, "")


def best(identified: Identified, name: str, offered: Mapping[str, Parser]) -> Parser:
    """The parser with the highest bid; on a tie the one registered first.

    Raises:
        UnsupportedFormat: none of them can read it.
    """
    bids = [(parser.bid(identified), parser) for parser in offered.values()]
    highest = max((bid for bid, _ in bids), default=0)
    if highest <= 0:
        raise UnsupportedFormat(name=name, **media_types.named(identified.media_type))
    return next(parser for bid, parser in bids if bid == highest)


def _pdf() -> Parser:
    from ingest.parsing.pdf import PdfParser

    return PdfParser()


def _picture() -> Parser:
    from ingest.parsing.picture import PictureParser

    return PictureParser()


def _docx() -> Parser:
    from ingest.parsing.docx import DocxParser

    return DocxParser()


def _pptx() -> Parser:
    from ingest.parsing.pptx import PptxParser

    return PptxParser()


def _xlsx() -> Parser:
    from ingest.parsing.xlsx import XlsxParser

    return XlsxParser()


def _unstructured_office() -> Parser:
    from ingest.parsing.unstructured_office import UnstructuredOfficeParser

    return UnstructuredOfficeParser()


def _hwp3() -> Parser:
    from ingest.parsing.hwp3 import Hwp3Parser

    return Hwp3Parser()


def _hwp5() -> Parser:
    from ingest.parsing.hwp5 import Hwp5Parser

    return Hwp5Parser()


def _hwpx() -> Parser:
    from ingest.parsing.hwpx import HwpxParser

    return HwpxParser()


def _xls() -> Parser:
    from ingest.parsing.xls import XlsParser

    return XlsParser()


def _spreadsheet_xml() -> Parser:
    from ingest.parsing.spreadsheet_xml import SpreadsheetXmlParser

    return SpreadsheetXmlParser()


def _xlsb() -> Parser:
    from ingest.parsing.xlsb import XlsbParser

    return XlsbParser()


def _rtf() -> Parser:
    from ingest.parsing.rtf import RtfParser

    return RtfParser()


def _legacy() -> Parser:
    from ingest.parsing.legacy import LegacyParser

    return LegacyParser()


def _odt() -> Parser:
    from ingest.parsing.odt import OdtParser

    return OdtParser()


def _ods() -> Parser:
    from ingest.parsing.ods import OdsParser

    return OdsParser()


def _odp() -> Parser:
    from ingest.parsing.odp import OdpParser

    return OdpParser()


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


def _mhtml() -> Parser:
    from ingest.parsing.mhtml import MhtmlParser

    return MhtmlParser()


def _epub() -> Parser:
    from ingest.parsing.epub import EpubParser

    return EpubParser()


def _asciidoc() -> Parser:
    from ingest.parsing.asciidoc import AsciiDocParser

    return AsciiDocParser()


def _rst() -> Parser:
    from ingest.parsing.rst import RstParser

    return RstParser()


def _json() -> Parser:
    from ingest.parsing.json_records import JsonParser

    return JsonParser()


def _xml() -> Parser:
    from ingest.parsing.xml_data import XmlParser

    return XmlParser()


def _subtitles() -> Parser:
    from ingest.parsing.subtitles import SubtitlesParser

    return SubtitlesParser()


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
    "picture": ParserEntry(
        (media_types.PNG, media_types.JPEG, media_types.TIFF, media_types.WEBP, media_types.BMP), _picture
    ),
    "docx": ParserEntry((media_types.DOCX,), _docx),
    "pptx": ParserEntry((media_types.PPTX,), _pptx),
    "xlsx": ParserEntry((media_types.XLSX,), _xlsx),
    "unstructured": ParserEntry(
        (media_types.DOCX, media_types.PPTX, media_types.XLSX), _unstructured_office, fallback=True
    ),
    "hwp3": ParserEntry((media_types.HWP3,), _hwp3),
    "hwp5": ParserEntry((media_types.HWP,), _hwp5),
    "hwpx": ParserEntry((media_types.HWPX,), _hwpx),
    "xls": ParserEntry((media_types.XLS,), _xls),
    "spreadsheet_xml": ParserEntry((media_types.XLS_XML,), _spreadsheet_xml),
    "xlsb": ParserEntry((media_types.XLSB,), _xlsb),
    "rtf": ParserEntry((media_types.RTF,), _rtf),
    "legacy": ParserEntry(
        (media_types.DOC, media_types.DOC_XML, media_types.RTF, media_types.PPT, media_types.XLSB), _legacy
    ),
    "odt": ParserEntry((media_types.ODT,), _odt),
    "ods": ParserEntry((media_types.ODS,), _ods),
    "odp": ParserEntry((media_types.ODP,), _odp),
    "html": ParserEntry((media_types.HTML,), _html),
    "markdown": ParserEntry((media_types.MARKDOWN,), _markdown),
    "csv": ParserEntry((media_types.CSV, media_types.TSV), _csv),
    "mhtml": ParserEntry((media_types.MHTML,), _mhtml),
    "epub": ParserEntry((media_types.EPUB,), _epub),
    "asciidoc": ParserEntry((media_types.ASCIIDOC,), _asciidoc),
    "rst": ParserEntry((media_types.RST,), _rst),
    "json": ParserEntry((media_types.JSON, media_types.JSONL), _json),
    "xml": ParserEntry((media_types.XML,), _xml),
    "subtitles": ParserEntry((media_types.VTT, media_types.SRT), _subtitles),
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
