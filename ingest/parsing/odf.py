"""Reading an OpenDocument package (OASIS ODF 1.3): safe XML, styles, the text of paragraphs, what the file says of itself.

ODF keeps what is shown: automatic text, cell values and dates stand in the content as a reader sees them. Numbers of
lists do not, and are counted here.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ingest.parsing.characters import one_line
from ingest.parsing.containers import UNREADABLE, open_zip
from ingest.parsing.ooxml import EMBEDDED_NOT_READ, EXTERNAL_CONTENT, HAS_MACROS, safe_xml
from ingest.parsing.remarks import comment_text, picture_text
from rag.domain.document import DocumentMetadata
from rag.domain.errors import FileDamaged, FileEncrypted

_NS = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE, TEXT, TABLE = f"{{{_NS}office:1.0}}", f"{{{_NS}text:1.0}}", f"{{{_NS}table:1.0}}"
DRAW, STYLE, META = f"{{{_NS}drawing:1.0}}", f"{{{_NS}style:1.0}}", f"{{{_NS}meta:1.0}}"
PRESENTATION, SVG = f"{{{_NS}presentation:1.0}}", f"{{{_NS}svg-compatible:1.0}}"
_FO, _MANIFEST = f"{{{_NS}xsl-fo-compatible:1.0}}", f"{{{_NS}manifest:1.0}}"
_CHART = f"{{{_NS}chart:1.0}}chart"
_XLINK = "{http://www.w3.org/1999/xlink}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_MATH = "{http://www.w3.org/1998/Math/MathML}"

HIDDEN_TEXT = "hidden_text"
MAX_DEPTH = 100
MAX_SPACES = 100
"""`text:s` can ask for any number of spaces."""

_MAX_STYLE_CHAIN = 20
_MAX_VALUE_CHARACTERS = 500
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?")
_FRACTION = re.compile(r"\.\d+")
_MACROS = re.compile(r"^(?:Basic|Scripts)/.+\.(?:xml|py|js|bsh|java)$")
_LIBRARY_LISTS = ("script-lc.xml", "script-lb.xml")
_NO_OBJECTS = ("META-INF/", "Pictures/", "media/", "Thumbnails/", "ObjectReplacements/", "Configurations2/", "Fonts/")
_FILE_HEADS = (b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"%PDF")
"""How an OLE object or another file begins."""

_PICTURE_BYTES = re.compile(rb"(<(?:[\w.-]{1,40}:)?binary-data(?:\s[^<>]{0,200})?>)[A-Za-z0-9+/=\s]+")
_OUTSIDE = re.compile(r"(?:[a-z][a-z0-9+.-]*:|//|\.\./|/)", re.I)
_LINKING = frozenset({f"{DRAW}image", f"{DRAW}object", f"{DRAW}object-ole", f"{DRAW}plugin", f"{TEXT}section-source"})
_SKIPPED = frozenset(
    {f"{TEXT}tracked-changes", f"{TEXT}ruby-text", f"{OFFICE}forms", f"{TEXT}hidden-text", f"{TEXT}note-citation"}
)
_BLANKS = {f"{TEXT}tab": " ", f"{TEXT}line-break": "\n"}


class OdfPackage:
    """An opened package whose directory has been checked (`containers.open_zip`).

    Raises:
        FileEncrypted: its manifest says that the content is encrypted.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self._names = frozenset(archive.namelist())
        self._name = name
        manifest = self.xml("META-INF/manifest.xml") if self.has("META-INF/manifest.xml") else None
        if manifest is not None and next(manifest.iter(f"{_MANIFEST}encryption-data"), None) is not None:
            raise FileEncrypted(name=name)
        entries = manifest.iter(f"{_MANIFEST}file-entry") if manifest is not None else ()
        self._types = {e.get(f"{_MANIFEST}full-path", ""): e.get(f"{_MANIFEST}media-type", "") for e in entries}

    def has(self, part: str) -> bool:
        """Whether there is such a part."""
        return part in self._names

    def read(self, part: str) -> bytes:
        """The part's bytes.

        Raises:
            FileDamaged: it is missing or can't be unpacked.
        """
        try:
            return self._archive.read(part)
        except UNREADABLE as error:
            raise FileDamaged(name=self._name, detail=part) from error

    def open(self, part: str) -> IO[bytes]:
        """The part as a stream, for what is too large for a tree.

        Raises:
            FileDamaged: it is missing.
        """
        try:
            return self._archive.open(part)
        except UNREADABLE as error:
            raise FileDamaged(name=self._name, detail=part) from error

    def xml(self, part: str) -> Any:
        """The part's root element.

        Raises:
            FileDamaged: it is missing or no XML.
        """
        return safe_xml(self.read(part), self._name, part)

    def optional_xml(self, part: str) -> Any | None:
        """As `xml`, None when the part is missing."""
        return self.xml(part) if self.has(part) else None

    def object(self, reference: str) -> Any | None:
        """The content of an embedded object, such as a chart or a formula, by its `xlink:href`."""
        folder = reference.removeprefix("./").rstrip("/")
        return self.optional_xml(f"{folder}/content.xml") if folder and not _OUTSIDE.match(folder) else None

    def title(self) -> str:
        """From the metadata; empty when there is none."""
        return _text_of(self._meta(), f"{_DC}title")

    def metadata(self) -> DocumentMetadata:
        """Author, dates and further properties."""
        meta = self._meta()
        attributes = [(name, _text_of(meta, f"{_DC}{name}")) for name in ("subject", "description")]
        attributes.append(("keywords", ", ".join(_texts(meta, f"{META}keyword"))))
        first, last = _text_of(meta, f"{META}initial-creator"), _text_of(meta, f"{_DC}creator")
        if first and last and first != last:
            attributes.append(("last_modified_by", last))
        if embedded := len(self._embedded()):
            attributes.append(("embedded_files", str(embedded)))
        created, modified = (_moment(_text_of(meta, tag)) for tag in (f"{META}creation-date", f"{_DC}date"))
        kept = tuple((name, value[:_MAX_VALUE_CHARACTERS]) for name, value in attributes if value)
        return DocumentMetadata(first or last, created, modified, kept)

    def warnings(self, content: Any | None) -> set[str]:
        """What the package holds that no parser reads or runs."""
        found: set[str] = set()
        if any(_MACROS.match(name) and not name.endswith(_LIBRARY_LISTS) for name in self._names):
            found.add(HAS_MACROS)
        if self._embedded():
            found.add(EMBEDDED_NOT_READ)
        linking = content.iter(*_LINKING) if content is not None else ()
        if any(_OUTSIDE.match(element.get(f"{_XLINK}href", "").removeprefix("./")) for element in linking):
            found.add(EXTERNAL_CONTENT)
        return found

    def _embedded(self) -> set[str]:
        """OLE objects, and documents inside this one that are neither chart nor formula."""
        known = ("chart", "formula", "graphics")
        declared = {
            path
            for path, kind in self._types.items()
            if kind == "application/vnd.sun.star.oleobject"
            or (path.endswith("/") and path != "/" and "opendocument." in kind and not kind.endswith(known))
        }
        return declared | {name for name in self._names if self._is_file(name)}

    def _is_file(self, part: str) -> bool:
        """Whether a part is an OLE object or a whole file: Office declares such ones as plain bytes, or not at all."""
        if part.startswith(_NO_OBJECTS) or part.endswith(("/", ".xml")):
            return False
        try:
            with self._archive.open(part) as stream:
                return stream.read(8).startswith(_FILE_HEADS)
        except UNREADABLE:
            return False  # of a part that nobody read

    def _meta(self) -> Any | None:
        """Properties are claims about the document: damaged ones are worth no failure."""
        try:
            return self.optional_xml("meta.xml")
        except FileDamaged:
            return None


class FlatOdf(OdfPackage):
    """A document that is one XML text (ODF 1.3 part 3, 3.1.2): all parts are below one root.

    Raises:
        FileDamaged: no XML.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._names = frozenset()
        # A photograph in base64 is longer than the texts that libxml2 takes, and its limits are to stay.
        self._data = _PICTURE_BYTES.sub(rb"\1", data)
        self._name = name
        self._root = safe_xml(self._data, name, "XML")

    def has(self, part: str) -> bool:
        """The parts that every package has."""
        return part in ("content.xml", "styles.xml")

    def read(self, part: str) -> bytes:
        """The whole text, less the bytes of pictures."""
        return self._data

    def open(self, part: str) -> IO[bytes]:
        """The same as a stream."""
        return io.BytesIO(self._data)

    def xml(self, part: str) -> Any:
        """The root, in which readers find what they look for in each part."""
        return self._root

    def object(self, reference: str) -> None:
        """Objects stand in the text itself and are not read."""

    def warnings(self, content: Any | None) -> set[str]:
        """As of a package."""
        found = super().warnings(self._root)
        return found | {HAS_MACROS} if next(self._root.iter("{*}module"), None) is not None else found

    def _embedded(self) -> set[str]:
        return {str(number) for number, _ in enumerate(self._root.iter(f"{DRAW}object", f"{DRAW}object-ole"))}

    def _meta(self) -> Any | None:
        return self._root.find(f"{OFFICE}meta")


@contextmanager
def open_odf(path: Path, name: str) -> Iterator[OdfPackage]:
    """The document at `path`, a package or a flat text, while the block lasts.

    Raises:
        FileEncrypted: its content is encrypted.
        FileDamaged, ParseLimitExceeded: as `open_zip`.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"PK"
    if not packed:
        yield FlatOdf(path.read_bytes(), name)
        return
    with open_zip(path, name) as archive:
        yield OdfPackage(archive, name)


def _texts(meta: Any | None, tag: str) -> list[str]:
    return [one_line(found.text or "") for found in meta.iter(tag)] if meta is not None else []


def _text_of(meta: Any | None, tag: str) -> str:
    return next(iter(_texts(meta, tag)), "")[:_MAX_VALUE_CHARACTERS]


def _moment(text: str) -> str:
    """A moment to the second (LibreOffice writes nanoseconds); what is none is left out."""
    return _FRACTION.sub("", text) if _MOMENT.fullmatch(text) else ""


@dataclass(frozen=True, slots=True)
class OdfStyle:
    """One style, without what it inherits; None where it says nothing."""

    parent: str = ""
    display_name: str = ""
    list_style: str = ""
    outline: int = 0
    hidden: bool | None = None
    white: bool | None = None
    painted: bool | None = None
    shown: bool = True
    """Of a sheet: whether it is displayed. Of a slide: whether it is in the show."""


@dataclass
class OdfStyles:
    """All styles of a document, by family and name."""

    by_name: dict[tuple[str, str], OdfStyle] = field(default_factory=dict)

    def add(self, root: Any | None) -> None:
        """Read the styles of `content.xml` or `styles.xml`."""
        for style in root.iter(f"{STYLE}style") if root is not None else ():
            self.add_style(style)

    def add_style(self, style: Any) -> None:
        """Read one."""
        text = style.find(f"{STYLE}text-properties")
        paragraph = style.find(f"{STYLE}paragraph-properties")
        cell = style.find(f"{STYLE}table-cell-properties")
        sheet, page = style.find(f"{STYLE}table-properties"), style.find(f"{STYLE}drawing-page-properties")
        outline = style.get(f"{STYLE}default-outline-level", "")
        shown = (sheet is None or sheet.get(f"{TABLE}display") != "false") and (
            page is None or page.get(f"{PRESENTATION}visibility") != "hidden"
        )
        self.by_name[style.get(f"{STYLE}family", ""), style.get(f"{STYLE}name", "")] = OdfStyle(
            parent=style.get(f"{STYLE}parent-style-name", ""),
            display_name=style.get(f"{STYLE}display-name", ""),
            list_style=style.get(f"{STYLE}list-style-name", ""),
            outline=int(outline) if outline.isdecimal() and len(outline) < 3 else 0,
            hidden=None if text is None or text.get(f"{TEXT}display") is None else text.get(f"{TEXT}display") == "none",
            white=None if text is None or text.get(f"{_FO}color") is None else text.get(f"{_FO}color") == "#ffffff",
            painted=_painted(text)
            or _painted(paragraph)
            or _painted(cell)
            or style.find(f"{STYLE}map") is not None
            or None,
            shown=shown,
        )

    def chain(self, family: str, name: str) -> Iterator[tuple[str, OdfStyle]]:
        """The style and its parents, with their names."""
        for _ in range(_MAX_STYLE_CHAIN):
            found = self.by_name.get((family, name))
            if found is None:
                return
            yield name, found
            name = found.parent

    def is_shown(self, family: str, name: str) -> bool:
        """Whether a sheet or slide with this style is displayed."""
        return all(style.shown for _, style in self.chain(family, name))

    def is_named(self, name: str, *wanted: str) -> bool:
        """Whether a paragraph style is one of these or based on one."""
        chain = list(self.chain("paragraph", name))
        return any(known in wanted for own, style in chain for known in (own, style.display_name, style.parent))

    def look(self, family: str, name: str, below: Look) -> Look:
        """What a style makes of the look around it."""
        hidden = white = painted = None
        for _, style in self.chain(family, name):
            hidden = style.hidden if hidden is None else hidden
            white = style.white if white is None else white
            painted = style.painted if painted is None else painted
        return Look(
            below.hidden if hidden is None else hidden,
            below.white if white is None else white,
            below.painted or bool(painted),
        )


def _painted(properties: Any | None) -> bool:
    ground = properties.get(f"{_FO}background-color", "") if properties is not None else ""
    return ground not in ("", "transparent", "#ffffff")


@dataclass(frozen=True, slots=True)
class Look:
    """Whether a text can be seen."""

    hidden: bool = False
    white: bool = False
    painted: bool = False

    @property
    def unseen(self) -> bool:
        """Surely not to be seen on a white page."""
        return self.hidden or (self.white and not self.painted)


@dataclass
class Found:
    """The text of one paragraph, and what hangs on it."""

    text: str = ""
    notes: list[Any] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    frames: list[Any] = field(default_factory=list)
    """Text boxes, shapes and objects, to be read after the paragraph."""

    hidden: bool = False


def collect(element: Any, styles: OdfStyles, look: Look, found: Found, nesting: int = 0) -> Found:
    """Read a `text:p` or `text:h`; `look` is what its own style gives it."""
    if nesting > MAX_DEPTH:
        return found
    _add(element.text, look, found)
    for child in element:
        if isinstance(child.tag, str) and child.tag not in _SKIPPED:
            _collect_child(child, styles, look, found, nesting)
        _add(child.tail, look, found)
    return found


def _collect_child(child: Any, styles: OdfStyles, look: Look, found: Found, nesting: int) -> None:
    tag = child.tag
    if tag == f"{TEXT}s":
        count = child.get(f"{TEXT}c", "1")
        _add(" " * min(int(count) if count.isdecimal() and len(count) < 9 else 1, MAX_SPACES), look, found)
    elif tag in _BLANKS:
        _add(_BLANKS[tag], look, found)
    elif tag == f"{TEXT}note":
        found.notes.append(child)
    elif tag == f"{OFFICE}annotation":
        found.comments.append(annotation_text(child))
    elif tag.startswith(DRAW) and tag != f"{DRAW}a":
        found.frames.append(child)
    elif tag == f"{TEXT}span":
        own = styles.look("text", child.get(f"{TEXT}style-name", ""), look)
        collect(child, styles, own, found, nesting + 1)
    elif tag == f"{TEXT}hidden-paragraph" and child.get(f"{TEXT}is-hidden") == "true":
        found.hidden = True
    else:
        collect(child, styles, look, found, nesting + 1)


def _add(text: str | None, look: Look, found: Found) -> None:
    """White space in ODF is one space, as in HTML (6.1.2); more is written as `text:s`."""
    if not text:
        return
    if look.unseen:
        found.hidden = found.hidden or bool(text.strip())
    elif text.isspace() and "\n" in text and text != "\n":
        found.text += " "
    else:
        found.text += text if text == "\n" else text.replace("\n", " ")


def annotation_text(annotation: Any) -> str:
    """An `office:annotation` as a marked comment."""
    creator, written = annotation.find(f"{_DC}creator"), annotation.find(f"{_DC}date")
    body = "\n".join("".join(line.itertext()) for line in annotation.iter(f"{TEXT}p"))
    author, when = (found.text or "" if found is not None else "" for found in (creator, written))
    return comment_text(body, author, when)


def description(frame: Any) -> str:
    """The description of a picture, marked; empty without one."""
    for tag in (f"{SVG}desc", f"{SVG}title"):
        found = frame.find(tag)
        if found is not None and (text := picture_text(found.text or "")):
            return text
    return ""


def formula_text(root: Any) -> str:
    """The visible text of an embedded formula (MathML); empty for another object."""
    if not root.tag.startswith(_MATH):
        return ""
    shown = (leaf.text or "" for leaf in root.iter(*(f"{_MATH}{name}" for name in ("mi", "mn", "mo", "mtext"))))
    return one_line("".join(shown))


def chart_of(root: Any) -> Any | None:
    """The chart in an embedded object's content; None for another object."""
    return next(root.iter(_CHART), None)


def href(element: Any) -> str:
    """`xlink:href`."""
    return element.get(f"{_XLINK}href") or ""
