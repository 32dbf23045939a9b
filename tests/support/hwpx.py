"""A writer of HWPX files (KS X 6101, OWPML): XML in a ZIP archive, laid out as Hangul lays it out.

`hwpx_file` writes whole documents. `section_xml`, `header_xml` and `hwpx_container` are the pieces, for tests that need
a file with something wrong in it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from tests.support.hwp_content import (
    BULLET,
    LOOKS,
    NUMBER_FORMATS,
    NUMBER_KINDS,
    OUTLINE_FORMATS,
    STYLES,
    AutoNumber,
    Box,
    Cell,
    Deleted,
    Endnote,
    Equation,
    Footer,
    Footnote,
    Header,
    HiddenComment,
    Inserted,
    Link,
    Memo,
    Paragraph,
    Part,
    Picture,
    Ruby,
    Styled,
    Table,
    note_paragraph,
)

MIMETYPE = "application/hwp+zip"
_NAMESPACES = " ".join(
    f'xmlns:{prefix}="{address}"'
    for prefix, address in {
        "ha": "http://www.hancom.co.kr/hwpml/2011/app",
        "hp": "http://www.hancom.co.kr/hwpml/2011/paragraph",
        "hs": "http://www.hancom.co.kr/hwpml/2011/section",
        "hc": "http://www.hancom.co.kr/hwpml/2011/core",
        "hh": "http://www.hancom.co.kr/hwpml/2011/head",
        "hpf": "http://www.hancom.co.kr/schema/2011/hpf",
        "dc": "http://purl.org/dc/elements/1.1/",
        "opf": "http://www.idpf.org/2007/opf/",
        "ocf": "urn:oasis:names:tc:opendocument:xmlns:container",
        "odf": "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0",
    }.items()
)
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>'
_NUMBER_FORMATS = {0: "DIGIT", 1: "CIRCLED_DIGIT", 8: "HANGUL_SYLLABLE"}
_SUBLIST = '<hp:subList id="" textDirection="HORIZONTAL" lineWrap="BREAK" vertAlign="TOP">'
_OBJECT = 'id="1" zOrder="0" textWrap="TOP_AND_BOTTOM" textFlow="BOTH_SIDES" lock="0" dropcapstyle="None"'
_PLACE = (
    '<hp:sz width="41954" widthRelTo="ABSOLUTE" height="2564" heightRelTo="ABSOLUTE" protect="0"/>'
    '<hp:pos treatAsChar="0" affectLSpacing="0" flowWithText="1" allowOverlap="0" holdAnchorAndSO="0" vertRelTo="PARA" '
    'horzRelTo="COLUMN" vertAlign="TOP" horzAlign="LEFT" vertOffset="0" horzOffset="0"/>'
    '<hp:outMargin left="283" right="283" top="283" bottom="283"/>'
)


def hwpx_file(
    *sections: Sequence[Paragraph],
    title: str = "",
    author: str = "",
    created: datetime | None = None,
    encrypted: bool = False,
) -> bytes:
    """A document of these sections.

    With `encrypted` its manifest says that the sections are encrypted, as after 문서 암호 설정.
    """
    parts = {"Contents/header.xml": header_xml(len(sections))}
    for number, content in enumerate(sections):
        parts[f"Contents/section{number}.xml"] = section_xml(content)
    return hwpx_container(parts, title=title, author=author, created=created, encrypted=encrypted)


def hwpx_container(
    parts: Mapping[str, str | bytes],
    *,
    title: str = "",
    author: str = "",
    created: datetime | None = None,
    encrypted: bool = False,
) -> bytes:
    """A ZIP archive around these parts, with the package's own files; parts of the same name replace those."""
    sections = [name for name in parts if name.startswith("Contents/section")]
    files: dict[str, str | bytes] = {
        "version.xml": f'{DECLARATION}<hv:HCFVersion xmlns:hv="http://www.hancom.co.kr/hwpml/2011/version" '
        'tagetApplication="WORDPROCESSOR" major="5" minor="1" micro="0" buildNumber="1" xmlVersion="1.4"/>',
        "META-INF/container.xml": f"{DECLARATION}<ocf:container {_NAMESPACES}><ocf:rootfiles><ocf:rootfile "
        'full-path="Contents/content.hpf" media-type="application/hwpml-package+xml"/></ocf:rootfiles></ocf:container>',
        "META-INF/manifest.xml": _manifest(sections if encrypted else ()),
        "Contents/content.hpf": content_hpf(sections, title, author, created),
    }
    files.update(parts)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("mimetype"), MIMETYPE, zipfile.ZIP_STORED)
        for name, data in files.items():
            archive.writestr(_entry(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def _manifest(encrypted: Sequence[str]) -> str:
    entries = "".join(
        f'<odf:file-entry odf:full-path="{name}" odf:media-type="application/xml" odf:size="100"><odf:encryption-data '
        'odf:checksum-type="SHA256" odf:checksum="AA=="><odf:algorithm '
        'odf:algorithm-name="http://www.w3.org/2001/04/xmlenc#aes256-cbc" odf:initialisation-vector="AA=="/>'
        "</odf:encryption-data></odf:file-entry>"
        for name in encrypted
    )
    return f"{DECLARATION}<odf:manifest {_NAMESPACES}>{entries}</odf:manifest>"


def content_hpf(sections: Sequence[str], title: str = "", author: str = "", created: datetime | None = None) -> str:
    """The package's contents and what it says about itself."""
    names = {"header": "Contents/header.xml", **{f"section{n}": name for n, name in enumerate(sections)}}
    items = "".join(f'<opf:item id="{key}" href="{name}" media-type="application/xml"/>' for key, name in names.items())
    spine = "".join(f'<opf:itemref idref="{key}" linear="yes"/>' for key in names)
    stamp = created.strftime("%Y-%m-%dT%H:%M:%SZ") if created else ""
    meta = "".join(
        f'<opf:meta name="{name}" content="text">{escape(value)}</opf:meta>'
        for name, value in {"creator": author, "CreatedDate": stamp, "ModifiedDate": stamp}.items()
        if value
    )
    head = f"<opf:metadata><opf:title>{escape(title)}</opf:title><opf:language>ko</opf:language>{meta}</opf:metadata>"
    body = f"<opf:manifest>{items}</opf:manifest><opf:spine>{spine}</opf:spine>"
    return f'{DECLARATION}<opf:package {_NAMESPACES} version="" unique-identifier="" id="">{head}{body}</opf:package>'


# --- header ------------------------------------------------------------------------------------------------------


def header_xml(sections: int = 1) -> str:
    """The shapes, styles and numberings that `section_xml` refers to."""
    fills = _border_fill(1, "") + _border_fill(
        2, '<hc:fillBrush><hc:winBrush faceColor="#002060" alpha="0"/></hc:fillBrush>'
    )
    characters = "".join(
        f'<hh:charPr id="{number}" height="{size}" textColor="{colour}" shadeColor="none" borderFillIDRef="1">'
        f"{'<hh:bold/>' if LOOKS[number] == 'bold' else ''}</hh:charPr>"
        for number, (size, colour) in enumerate(
            ((1000, "#000000"), (1600, "#000000"), (1000, "#FFFFFF"), (50, "#000000"))
        )
    )
    numberings = _numbering(1, OUTLINE_FORMATS, (0,) * 7) + _numbering(2, NUMBER_FORMATS, NUMBER_KINDS)
    bullets = f'<hh:bullet id="1" char="{BULLET}" useImage="0"><hh:paraHead level="0" align="LEFT"/></hh:bullet>'
    heads = [("NONE", 0, 0), *(("OUTLINE", 0, level) for level in range(7))]
    heads += [*(("NUMBER", 2, level) for level in range(7)), ("BULLET", 1, 0)]
    shapes = "".join(
        f'<hh:paraPr id="{number}" tabPrIDRef="0"><hh:align horizontal="JUSTIFY" vertical="BASELINE"/>'
        f'<hh:heading type="{kind}" idRef="{reference}" level="{level}"/></hh:paraPr>'
        for number, (kind, reference, level) in enumerate(heads)
    )
    styles = "".join(
        f'<hh:style id="{number}" type="PARA" name="{name}" engName="" '
        f'paraPrIDRef="{number if name.startswith("개요") else 0}" charPrIDRef="0" nextStyleIDRef="{number}"/>'
        for number, name in enumerate(STYLES)
    )
    lists = (
        f'<hh:borderFills itemCnt="2">{fills}</hh:borderFills><hh:charProperties itemCnt="4">{characters}'
        f'</hh:charProperties><hh:numberings itemCnt="2">{numberings}</hh:numberings><hh:bullets itemCnt="1">{bullets}'
        f'</hh:bullets><hh:paraProperties itemCnt="16">{shapes}</hh:paraProperties><hh:styles '
        f'itemCnt="{len(STYLES)}">{styles}</hh:styles>'
    )
    return f'{DECLARATION}<hh:head {_NAMESPACES} version="1.4" secCnt="{sections}"><hh:refList>{lists}</hh:refList></hh:head>'


def _border_fill(number: int, fill: str) -> str:
    return f'<hh:borderFill id="{number}" threeD="0" shadow="0">{fill}</hh:borderFill>'


def _numbering(number: int, formats: Sequence[str], kinds: Sequence[int]) -> str:
    heads = "".join(
        f'<hh:paraHead start="1" level="{level}" align="LEFT" numFormat="{_NUMBER_FORMATS[kind]}">{text}</hh:paraHead>'
        for level, (text, kind) in enumerate(zip(formats, kinds, strict=True), 1)
    )
    return f'<hh:numbering id="{number}" start="0">{heads}</hh:numbering>'


# --- body text ---------------------------------------------------------------------------------------------------


def section_xml(content: Sequence[Paragraph]) -> str:
    """One section; its first paragraph carries the section's definition."""
    definition = (
        '<hp:run charPrIDRef="0"><hp:secPr id="" textDirection="HORIZONTAL" outlineShapeIDRef="1" masterPageCnt="0">'
        '<hp:pagePr landscape="WIDELY" width="59528" height="84188"/></hp:secPr>'
        '<hp:ctrl><hp:colPr id="" type="NEWSPAPER" colCount="1"/></hp:ctrl></hp:run>'
    )
    body = list(content) or [Paragraph()]
    written = "".join(_paragraph(item, definition if index == 0 else "") for index, item in enumerate(body))
    return f"{DECLARATION}<hs:sec {_NAMESPACES}>{written}</hs:sec>"


def _paragraph(paragraph: Paragraph, before: str = "") -> str:
    shape = 0
    if paragraph.outline:
        shape = paragraph.outline
    elif paragraph.number:
        shape = 7 + paragraph.number
    elif paragraph.bullet:
        shape = 15
    style = STYLES.index(f"개요 {paragraph.outline}" if paragraph.outline else paragraph.style)
    look = LOOKS.index(paragraph.look)
    runs = "".join(_part(part, look) for part in paragraph.parts)
    return (
        f'<hp:p id="0" paraPrIDRef="{shape}" styleIDRef="{style}" pageBreak="0" columnBreak="0" merged="0">'
        f'{before}{runs}<hp:linesegarray><hp:lineseg textpos="0" vertpos="0" vertsize="1000" flags="393216"/>'
        "</hp:linesegarray></hp:p>"
    )


def _list(content: Sequence[Paragraph]) -> str:
    return f"{_SUBLIST}{''.join(map(_paragraph, content or (Paragraph(),)))}</hp:subList>"


def _run(look: int, inner: str) -> str:
    return f'<hp:run charPrIDRef="{look}">{inner}</hp:run>'


def _text(text: str) -> str:
    written = escape(text).replace("\t", '<hp:tab width="4000" leader="0" type="1"/>').replace("\n", "<hp:lineBreak/>")
    return f"<hp:t>{written}</hp:t>"


def _part(part: Part, look: int) -> str:
    match part:
        case str():
            return _run(look, _text(part))
        case Styled():
            return _run(LOOKS.index(part.look), _text(part.text))
        case Inserted():
            return _run(
                look, f'<hp:t><hp:insertBegin Id="1" TcId="1"/>{escape(part.text)}<hp:insertEnd Id="1"/></hp:t>'
            )
        case Deleted():
            return _run(
                look, f'<hp:t><hp:deleteBegin Id="2" TcId="2"/>{escape(part.text)}<hp:deleteEnd Id="2"/></hp:t>'
            )
        case Link():
            path = f'<hp:stringParam name="Path">{escape(part.target)}</hp:stringParam>'
            path = f'<hp:stringParam name="Path">{escape(part.target)}</hp:stringParam>'
            return _run(look, _field("HYPERLINK", f'<hp:parameters cnt="1">{path}</hp:parameters>', part.text))
        case Memo():
            return _run(look, _field("MEMO", _list((Paragraph(part.note),)), part.text))
        case Table():
            return _run(look, _table(part) + "<hp:t/>")
        case Box() | Picture():
            return _run(look, _drawing(part) + "<hp:t/>")
        case Equation():
            comment = "<hp:shapeComment>수식입니다.</hp:shapeComment>"
            return _run(
                look,
                f"<hp:equation {_OBJECT}>{_PLACE}{comment}<hp:script>{escape(part.script)}</hp:script></hp:equation>",
            )
        case Ruby():
            texts = f"<hp:mainText>{escape(part.text)}</hp:mainText><hp:subText>{escape(part.above)}</hp:subText>"
            return _run(look, f'<hp:dutmal posType="TOP" szRatio="0" option="0">{texts}</hp:dutmal>')
        case _:
            return _run(look, f"<hp:ctrl>{_control(part)}</hp:ctrl><hp:t/>")


def _control(part: Part) -> str:
    match part:
        case Footnote():
            return f"<hp:footNote>{_list((note_paragraph(part),))}</hp:footNote>"
        case Endnote():
            return f"<hp:endNote>{_list((note_paragraph(part),))}</hp:endNote>"
        case Header():
            return f'<hp:header id="1" applyPageType="BOTH">{_list((Paragraph(part.text),))}</hp:header>'
        case Footer():
            return f'<hp:footer id="1" applyPageType="BOTH">{_list((Paragraph(part.text),))}</hp:footer>'
        case HiddenComment():
            return f"<hp:hiddenComment>{_list((Paragraph(part.text),))}</hp:hiddenComment>"
        case AutoNumber():
            suffix = ")" if part.kind in ("footnote", "endnote") else ""
            shape = f'<hp:autoNumFormat type="DIGIT" userChar="" prefixChar="" suffixChar="{suffix}" supscript="0"/>'
            return f'<hp:autoNum num="{part.number}" numType="{part.kind.upper()}">{shape}</hp:autoNum>'
        case _:
            raise TypeError(f"no way to write {part!r}")


def _field(kind: str, inner: str, text: str) -> str:
    begin = f'<hp:ctrl><hp:fieldBegin id="7" type="{kind}" name="" editable="0" fieldid="7">{inner}</hp:fieldBegin></hp:ctrl>'
    return f'{begin}{_text(text)}<hp:ctrl><hp:fieldEnd beginIDRef="7" fieldid="7"/></hp:ctrl>'


def _caption(text: str, side: str) -> str:
    return (
        f'<hp:caption side="{side}" fullSz="0" width="8504" gap="850">{_list((Paragraph(text),))}</hp:caption>'
        if text
        else ""
    )


def _drawing(part: Box | Picture) -> str:
    caption = _caption(part.caption, "BOTTOM")
    if isinstance(part, Picture):
        comment = f"<hp:shapeComment>{escape(part.description)}</hp:shapeComment>" if part.description else ""
        return f"<hp:pic {_OBJECT}>{_PLACE}{caption}{comment}</hp:pic>"
    text = f'<hp:drawText lastWidth="100" name="" editable="0">{_list(part.paragraphs)}</hp:drawText>'
    common = _OBJECT.replace("TOP_AND_BOTTOM", "BEHIND_TEXT") if part.behind else _OBJECT
    return f"<hp:rect {common}>{text}{_PLACE}{caption}<hp:shapeComment>사각형입니다.</hp:shapeComment></hp:rect>"


def _table(table: Table) -> str:
    caption = _caption(table.caption, "BOTTOM" if table.caption_below else "TOP")
    rows: dict[int, list[Cell]] = {}
    for cell in table.cells:
        rows.setdefault(cell.row, []).append(cell)
    body = "".join(f"<hp:tr>{''.join(map(_cell, rows[row]))}</hp:tr>" for row in sorted(rows))
    place = _PLACE.replace('treatAsChar="0"', f'treatAsChar="{int(table.inline)}"')
    place = place.replace('vertOffset="0"', f'vertOffset="{table.offset & 0xFFFFFFFF}"')
    size = f"rowCnt={quoteattr(str(table.rows))} colCnt={quoteattr(str(table.columns))}"
    return (
        f'<hp:tbl {_OBJECT} repeatHeader="1" {size} cellSpacing="0" borderFillIDRef="1">{place}{caption}{body}</hp:tbl>'
    )


def _cell(cell: Cell) -> str:
    return (
        f'<hp:tc name="" header="0" borderFillIDRef="{2 if cell.filled else 1}">{_list(cell.paragraphs)}'
        f'<hp:cellAddr colAddr="{cell.column}" rowAddr="{cell.row}"/>'
        f'<hp:cellSpan colSpan="{cell.columns}" rowSpan="{cell.rows}"/><hp:cellSz width="1000" height="1000"/></hp:tc>'
    )
