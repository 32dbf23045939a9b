"""EPUB 2 and 3: the pages of an e-book in reading order, each through the HTML reader."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lxml import etree

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line
from ingest.parsing.charset import decode
from ingest.parsing.containers import UNREADABLE, open_zip
from ingest.parsing.hidden_text import HIDDEN_TEXT
from ingest.parsing.html import declared_charset, read_page
from ingest.parsing.iso_dates import iso_date
from ingest.parsing.titles import document_title
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import DocumentMetadata, Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_ROOTFILE = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_NCX = "{http://www.daisy.org/z3986/2005/ncx/}"
_XHTML = "{http://www.w3.org/1999/xhtml}"
_EPUB_TYPE = "{http://www.idpf.org/2007/ops}type"
_CIPHER = "{http://www.w3.org/2001/04/xmlenc#}"
_FONT_MANGLING = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
"""Fonts are made unusable outside their book; nothing of the text is (EPUB 3.3, section 4.4)."""

_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})
_MAX_PAGES = 5_000


@dataclass
class _Book:
    """What the package document says.

    Attributes:
        pages: paths of the pages in the archive, in reading order.
        labels: what the table of contents calls a page, by path.
    """

    title: str = ""
    metadata: DocumentMetadata = field(default_factory=DocumentMetadata)
    pages: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)


class EpubParser:
    """Headings are the pages' own; a page without any gets its name in the table of contents."""

    name = "epub/2"
    media_types = (media_types.EPUB,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.EPUB else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_zip(path, source.name) as archive:
            if _is_locked(archive, source.name):
                raise FileEncrypted(name=source.name)
            book = _read_package(archive, source.name)
            elements, hidden = _read_pages(archive, book, source.name)
        if not elements:
            raise NoTextFound(name=source.name)
        title = document_title(book.title, elements)
        warnings = (HIDDEN_TEXT,) * hidden
        return ParsedDocument(
            title, source.media_type, self.name, tuple(elements), warnings=warnings, metadata=book.metadata
        )


def _read_pages(archive: zipfile.ZipFile, book: _Book, name: str) -> tuple[list[Element], bool]:
    elements: list[Element] = []
    paragraphs, hidden = 0, False
    for page_path in book.pages:
        data = _read(archive, page_path, name)
        text, _ = decode(data, declared_charset(data))
        page = read_page(text, name, paragraphs, xhtml=True)
        hidden = hidden or page.hidden
        label = book.labels.get(page_path, "")
        if label and page.elements and not any(item.kind is ElementKind.HEADING for item in page.elements[:3]):
            first = page.elements[0].anchor
            number = first.first if isinstance(first, ParagraphAnchor) else paragraphs + 1
            elements.append(Element(ElementKind.HEADING, label, ParagraphAnchor(number, number), level=1))
        elements += page.elements
        paragraphs = page.paragraphs
    return elements, hidden


def _is_locked(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether digital rights management keeps anything but fonts locked."""
    if _ENCRYPTION not in archive.NameToInfo:
        return False
    root = _xml(_read(archive, _ENCRYPTION, name), name, _ENCRYPTION)
    for item in root.iter(f"{_CIPHER}EncryptedData"):
        method = item.find(f"{_CIPHER}EncryptionMethod")
        if method is None or method.get("Algorithm") not in _FONT_MANGLING:
            return True
    return False


def _read_package(archive: zipfile.ZipFile, name: str) -> _Book:
    package_path = _package_path(archive, name)
    package = _xml(_read(archive, package_path, name), name, package_path)
    folder = posixpath.dirname(package_path)
    book = _Book(_said(package, "title"), _metadata(package))
    items = {item.get("id", ""): item for item in package.iter(f"{_OPF}item")}
    navigation = [item for item in items.values() if "nav" in item.get("properties", "").split()]
    for reference in package.iter(f"{_OPF}itemref"):
        item = items.get(reference.get("idref", ""))
        if item is None or item in navigation or item.get("media-type", "") not in _PAGES:
            continue
        page = _resolved(folder, item.get("href", ""))
        if page in archive.NameToInfo and len(book.pages) < _MAX_PAGES:
            book.pages.append(page)
    contents = navigation or [i for i in items.values() if i.get("media-type") == "application/x-dtbncx+xml"]
    for item in contents[:1]:
        contents_path = _resolved(folder, item.get("href", ""))
        if contents_path in archive.NameToInfo:
            root = _xml(_read(archive, contents_path, name), name, contents_path, forgiving=True)
            for target, label in _labels(root):
                book.labels.setdefault(_resolved(posixpath.dirname(contents_path), target), label)
    return book


def _package_path(archive: zipfile.ZipFile, name: str) -> str:
    root = _xml(_read(archive, _CONTAINER, name), name, _CONTAINER)
    for rootfile in root.iter(_ROOTFILE):
        if path := rootfile.get("full-path", ""):
            return str(path)
    raise FileDamaged(name=name, detail=_CONTAINER)


def _labels(root: Any) -> Iterator[tuple[str, str]]:
    """Target and name of every entry of the table of contents: EPUB 3's `nav`, EPUB 2's `navMap`."""
    for point in root.iter(f"{_NCX}navPoint"):
        content, text = point.find(f"{_NCX}content"), point.find(f"{_NCX}navLabel/{_NCX}text")
        if content is not None and text is not None and text.text:
            yield content.get("src", ""), one_line(text.text)
    for nav in root.iter(f"{_XHTML}nav"):
        if nav.get(_EPUB_TYPE, "toc") == "toc":
            for link in nav.iter(f"{_XHTML}a"):
                if label := one_line("".join(link.itertext())):
                    yield link.get("href", ""), label


def _metadata(package: Any) -> DocumentMetadata:
    modified = next(
        (m.text or "" for m in package.iter(f"{_OPF}meta") if m.get("property") == "dcterms:modified"),
        "",
    )
    names = ("publisher", "language", "identifier", "subject")
    attributes = tuple((key, value) for key in names if (value := _said(package, key)))
    authors = [one_line(item.text or "") for item in package.iter(f"{_DC}creator")][:10]
    return DocumentMetadata(
        author=", ".join(author for author in authors if author),
        created_at=iso_date(_said(package, "date")),
        modified_at=iso_date(modified),
        attributes=attributes,
    )


def _said(package: Any, name: str) -> str:
    return next((text for item in package.iter(f"{_DC}{name}") if (text := one_line(item.text or "")[:300])), "")


def _resolved(folder: str, target: str) -> str:
    """An entry of the archive; a path that leads out of it is the name of no entry."""
    return posixpath.normpath(posixpath.join(folder, unquote(target.partition("#")[0])))


def _read(archive: zipfile.ZipFile, part: str, name: str) -> bytes:
    try:
        return archive.read(part)
    except (*UNREADABLE, KeyError) as error:
        raise FileDamaged(name=name, detail=part) from error


def _xml(data: bytes, name: str, part: str, *, forgiving: bool = False) -> Any:
    """The root element, entities unresolved, no network."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, recover=forgiving)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise FileDamaged(name=name, detail=part) from error
    if root is None:
        raise FileDamaged(name=name, detail=part)
    return root
