"""What a file is, by its content. The extension is only asked which kind of text a text is.

Container formats are looked into (`containers.py`): a DOCX and a ZIP of holiday pictures begin alike. That work is as long
as a file wishes it to be, so the service asks a child of the sandbox (`ParseSandbox.identify`). Nothing here
depends on libmagic: the library is absent on many servers, and its answers change with its version.
"""

from __future__ import annotations

import re
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified
from ingest.parsing.charset import SAMPLE_BYTES, declared_in_page, detect_charset, is_mostly_plain
from ingest.parsing.containers import is_tar, ole_media_type, zip_media_type
from ingest.parsing.mail_kind import mail_media_type
from ingest.parsing.separated import is_separated
from ingest.parsing.xml_data import is_prose
from rag.domain.errors import EmptyFile, FileEncrypted, UnsupportedFormat

_PDF_HEADER_WITHIN = 1024
"""Readers accept junk before `%PDF-` up to here (PDF 1.7, annex H, note 13)."""

_DRM_HEADS = (b"\x9b DRMONE", b"SCDSA00", b"<## NASCA DRM FILE")
"""How files begin that Korean document-security products (Fasoo, SoftCamp, NASCA) have locked, as users report."""

_ZIP_HEADS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE_HEAD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CONTAINER_HEADS = (*_ZIP_HEADS, _OLE_HEAD)
_IN_REPOSITORIES = frozenset({media_types.HTML, media_types.JSON, media_types.JSONL, media_types.XML})
"""Kinds of text that are documents where somebody uploads them, and source code in a repository."""

_HTML_START = re.compile(r"<(?:!doctype\s+html|html[\s>]|head[\s>]|body[\s>])", re.I)
_FRAGMENT_START = re.compile(
    r"<(?:!doctype\s+html|(?:html|head|body|meta|title|style|script|link|table|thead|tbody|tr|td|div|span|p|br|center|font|h[1-6])"
    r"[\s>/])",
    re.I,
)
"""How the pages begin that a program calls `.xls` or `.doc`."""

_OFFICE_2003 = (
    (re.compile(r"<(?:\w{1,20}:)?Workbook\s"), "urn:schemas-microsoft-com:office:spreadsheet", media_types.XLS_XML),
    (
        re.compile(r"<\w{1,20}:wordDocument\s"),
        "http://schemas.microsoft.com/office/word/2003/wordml",
        media_types.DOC_XML,
    ),
)
_FLAT_ODF = re.compile(r"<\w{1,20}:document\s")
_ODF_NAMESPACE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_ODF_KIND = re.compile(r"\s\w{1,20}:mimetype=[\"'](application/vnd\.oasis\.opendocument\.[a-z]{1,30})")
_SEPARATED = {"csv": media_types.CSV, "tsv": media_types.TSV, "tab": media_types.TSV}
_FIRST_LINES = 50
_TEXT_LOOKED_AT = 65_536
_MAIL_HEADER = re.compile(
    r"(?:^|\n)(from|to|cc|subject|date|message-id|received|mime-version|content-type|return-path):", re.I
)
_MAIL_START = re.compile(r"(?:From [^\n]+\n)?[A-Za-z][A-Za-z0-9-]*:[ \t]")
_MIN_MAIL_HEADERS = 3
_MAX_COMMENTS = 20
"""Saved pages have one or two before the first tag."""


def identify(path: Path, name: str) -> Identified:
    """Media type, extension and charset of the file at `path` that was uploaded as `name`.

    A format that no parser reads is not an error here (`registry.candidates` refuses it).

    Raises:
        EmptyFile: 0 bytes.
        FileEncrypted: a protected Office file, an encrypted ZIP, or a document locked by a DRM product.
        FileDamaged: a container whose directory can't be read.
        ParseLimitExceeded: a ZIP that must not be unpacked.
        UnsupportedFormat: neither a known format nor text.
    """
    extension = extension_of(name)
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    if not head:
        raise EmptyFile(name=name)
    media_type = _binary_media_type(path, name, head)
    if media_type == media_types.PDF and _only_names_pdf(head, extension):
        media_type = ""
    if media_type:
        return Identified(media_type, extension)
    charset = _charset_of(head, extension)
    if mail := mail_media_type(head, extension, is_text=charset is not None):
        return Identified(mail, extension, charset or "")
    if charset is None:
        raise UnsupportedFormat(name=name, **media_types.named(media_types.BINARY))
    text = head[:_TEXT_LOOKED_AT].decode(charset, errors="replace").lstrip("\ufeff")
    return Identified(_text_media_type(text, extension, name), extension, charset)


def is_source_code(content: bytes, name: str) -> bool:
    """Whether a file of a repository is program text or configuration: whatever `identify` takes for source code, and pages and
    data, which elsewhere are documents."""
    head = content[:SAMPLE_BYTES]
    extension = extension_of(name)
    signature = _signature(head)
    if signature and _only_names_pdf(head, extension):
        signature = ""
    if not head or head.startswith((*_CONTAINER_HEADS, *_DRM_HEADS)) or signature:
        return False
    charset = _charset_of(head, extension)
    if charset is None or mail_media_type(head, extension, is_text=True):
        return False
    kind = _text_media_type(head[:_TEXT_LOOKED_AT].decode(charset, errors="replace").lstrip("\ufeff"), extension, name)
    written = extension in media_types.CODE_EXTENSIONS or extension in media_types.HTML_EXTENSIONS
    return kind == media_types.SOURCE_CODE or (written and kind in _IN_REPOSITORIES)


def extension_of(name: str) -> str:
    """Lower case, without the dot; the whole name for names such as `Dockerfile` and `.gitignore`."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1].lower()
    return base.rsplit(".", 1)[-1]


def _charset_of(head: bytes, extension: str) -> str | None:
    """The charset of a text: what a page declares, if it is so, else what it looks like. A program with bytes that no encoding
    explains is read as UTF-8, which marks them: a wrong byte in a comment is no reason to do without the rest."""
    found = detect_charset(head)
    found = declared_in_page(head, found or "") or found
    if found is None and extension in media_types.CODE_EXTENSIONS and is_mostly_plain(head):
        return "utf-8"
    return found


def _binary_media_type(path: Path, name: str, head: bytes) -> str:
    """The media type, empty when the content may be text."""
    if head.startswith(_ZIP_HEADS):
        return zip_media_type(path, name)
    if head.startswith(_OLE_HEAD):
        return ole_media_type(path, name)
    if head.startswith(_DRM_HEADS):
        raise FileEncrypted(name=name)
    return _signature(head)


def _signature(head: bytes) -> str:
    """The media type of what begins as only one format does; empty when it may be text."""
    if b"%PDF-" in head[:_PDF_HEADER_WITHIN]:
        return media_types.PDF
    for offset, magic, media_type in media_types.MAGIC:
        if head[offset : offset + len(magic)] == magic:
            if magic in media_types.LOOKS_LIKE_WORDS and detect_charset(head) is not None:
                continue
            return media_type
    return media_types.TAR if is_tar(head) else ""


def _only_names_pdf(head: bytes, extension: str) -> bool:
    """Whether a text of program code has `%PDF-` somewhere, as this file does, and does not begin with it."""
    return (
        extension in media_types.CODE_EXTENSIONS and not head.startswith(b"%PDF-") and detect_charset(head) is not None
    )


def _text_media_type(text: str, extension: str, name: str) -> str:
    """Which kind of text: by how it begins where that is sure, else by extension."""
    if text.startswith("WEBVTT"):
        return media_types.VTT
    if mail := _mail_media_type(text, extension):
        return mail
    if office := _flat_odf(text) or _office_text(text, extension):
        return office
    if _begins_html(text) and extension not in media_types.TEMPLATE_EXTENSIONS:
        return media_types.HTML
    if (kind := media_types.TEXT_EXTENSIONS.get(extension)) and not _is_settings(kind, text, name):
        return kind
    if extension in media_types.CODE_EXTENSIONS:
        return media_types.SOURCE_CODE
    if extension in media_types.MARKDOWN_EXTENSIONS:
        return media_types.MARKDOWN
    if extension in media_types.HTML_EXTENSIONS:
        return media_types.HTML
    return _SEPARATED.get(extension) or _unnamed(text)


def _unnamed(text: str) -> str:
    """Which kind a text is whose name says nothing, or no more than that it is a text."""
    if text.lstrip().startswith("<?xml "):
        return media_types.XML if is_prose(text) else media_types.SOURCE_CODE
    lines = text.splitlines()
    whole = lines if len(text) < _TEXT_LOOKED_AT else lines[:-1]  # the last one may be cut off
    return media_types.CSV if is_separated(whole) else media_types.TEXT


def _flat_odf(text: str) -> str:
    """The media type of an OpenDocument file that is one XML text and no package; empty for anything else."""
    at = _first_tag(text)
    if not _FLAT_ODF.match(text, at):
        return ""
    tag = text[at : text.find(">", at)]
    kind = _ODF_KIND.search(tag)
    return kind[1] if kind and _ODF_NAMESPACE in tag else ""


def _office_text(text: str, extension: str) -> str:
    """The media type of what a program wrote as text for Office to open; empty for anything else."""
    at = _first_tag(text)
    for root, namespace, media_type in _OFFICE_2003:
        is_theirs = root.match(text, at) and namespace in text[at : text.find(">", at)]
        if is_theirs and (media_type == media_types.XLS_XML or extension in media_types.OFFICE_EXTENSIONS):
            return media_type
    if extension not in media_types.OFFICE_EXTENSIONS:
        return ""
    if _FRAGMENT_START.match(text, at):
        return media_types.HTML
    lines = [line for line in text.split("\n", _FIRST_LINES)[:_FIRST_LINES] if line.strip()]
    tabs = sum("\t" in line.strip() for line in lines)
    return media_types.TSV if extension.startswith("xl") and 2 * tabs >= max(len(lines), 1) else ""


def _begins_html(text: str) -> bool:
    """Whether a page begins, after an XML declaration and comments."""
    return _HTML_START.match(text, _first_tag(text)) is not None


def _first_tag(text: str) -> int:
    """Where the text begins after an XML declaration, what it says to Office, and comments; the end if they never end.

    One look at each: a pattern for all of it tries every way to part a row of comments, on a text that nobody trusts.
    """
    at = _after_blanks(text, 0)
    for opening, closing in (("<?xml", "?>"), ("<?mso-", "?>"), *[("<!--", "-->")] * _MAX_COMMENTS):
        if text.startswith(opening, at):
            end = text.find(closing, at)
            if end < 0:
                return len(text)
            at = _after_blanks(text, end + len(closing))
    return at


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _is_settings(kind: str, text: str, name: str) -> bool:
    """Whether JSON or XML is part of a program rather than something to read."""
    if kind == media_types.JSON:
        base = name.replace("\\", "/").rsplit("/", 1)[-1].lower()
        return base in media_types.JSON_SETTINGS or base.startswith(".")
    return kind == media_types.XML and not is_prose(text)


def _mail_media_type(text: str, extension: str) -> str:
    """E-mail or a web page saved as MHTML: a block of mail headers comes first; empty when it is neither."""
    if not _MAIL_START.match(text):
        return ""
    headers = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    known = {found.lower() for found in _MAIL_HEADER.findall(headers)}
    if len(known) < _MIN_MAIL_HEADERS:
        return ""
    saved = "snapshot-content-location" in headers.lower() or extension in media_types.MHTML_EXTENSIONS
    return media_types.MHTML if saved and "multipart/" in headers.lower() else media_types.EMAIL
