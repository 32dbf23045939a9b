"""Build the bundled sample documents (docx, pdf, xlsx) from the text sources beside this file.

Needs reportlab, python-docx, openpyxl and PyYAML. The PDF embeds a subset of a Korean TrueType font whose
path is an argument; any OFL font with Hangul will do, the committed file was made with NanumGothic:

    python docs/samples/build.py --font NanumGothic.ttf --bold-font NanumGothicBold.ttf

Two runs with the same library versions and fonts give byte-identical files: every date inside them is fixed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import docx
import yaml
from docx.document import Document as DocxDocument
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from docx.table import Table as DocxTable
from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet
from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents

HERE = Path(__file__).resolve().parent
DEFAULT_OUT = HERE.parent.parent / "ingest" / "samples"
FIXED_TIME = dt.datetime(2025, 8, 1, 9, 0, 0)
AUTHOR = "Seogo project (fictional sample)"
OFFICE_FONT = "맑은 고딕"
NAVY = "1F3864"
PALE = "DCE6F1"

ITEM_RE = re.compile(r"^\d+\. ")
SUBITEM_RE = re.compile(r"^[가-하]\. ")
CLAUSE_RE = re.compile(r"^(\d+\.\d+\.\d+) (.*)$")
CAPTION_RE = re.compile(r"^표( \d+\.|:) ")
TIME_RE = re.compile(r"^(\d{2}):(\d{2})$")
PERCENT_RE = re.compile(r"^(\d+(?:\.\d+)?)%$")


# --- the shared text format --------------------------------------------------------------------------------------


@dataclass
class Block:
    """One block of a source text: a heading, paragraph, bullet, table caption or table."""

    kind: str
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)


def read_source(path: Path) -> tuple[dict[str, str], list[Block]]:
    """Split a source file into its front matter (all values as strings) and its blocks."""
    _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
    meta = {key: str(value) for key, value in yaml.safe_load(head).items()}
    return meta, list(parse_blocks(body.splitlines()))


def parse_blocks(lines: Sequence[str]) -> Iterator[Block]:
    """Yield the blocks of a body; consecutive ``|`` lines become one table."""
    table: list[list[str]] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not all(set(cell) <= {"-"} for cell in cells):
                table.append(cells)
            continue
        if table:
            yield Block("table", rows=table)
            table = []
        if line.strip():
            yield parse_line(line.strip())


def parse_line(line: str) -> Block:
    """Classify one line that is not part of a table."""
    for prefix, kind in (("### ", "h2"), ("## ", "h1"), ("- ", "bullet")):
        if line.startswith(prefix):
            return Block(kind, line[len(prefix) :])
    if CAPTION_RE.match(line):
        return Block("caption", line.removeprefix("표: "))
    if ITEM_RE.match(line):
        return Block("item", line)
    if SUBITEM_RE.match(line):
        return Block("subitem", line)
    return Block("para", line)


def column_widths(rows: list[list[str]], total: float) -> list[float]:
    """Share the width between columns by their longest cells, within sensible bounds."""
    longest = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    weights = [min(max(length, 9), 26) for length in longest]
    return [total * weight / sum(weights) for weight in weights]


def normalise_zip(data: bytes) -> bytes:
    """Rewrite an OOXML package with fixed time stamps so that equal content gives equal bytes."""
    stamp = FIXED_TIME.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as src, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as dst:
        for name in src.namelist():
            body = src.read(name)
            if name == "docProps/core.xml":
                body = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, body)
            info = zipfile.ZipInfo(name, FIXED_TIME.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 0
            dst.writestr(info, body)
    return out.getvalue()


# --- docx --------------------------------------------------------------------------------------------------------


def set_style_font(style: Any, size: float, bold: bool = False, color: str | None = None) -> None:
    """Give a Word style the office font for Latin and East Asian text alike."""
    style.font.name = OFFICE_FONT
    style.font.size = Pt(size)
    style.font.bold = bold
    style.font.italic = False
    if color:
        style.font.color.rgb = RGBColor.from_string(color)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        fonts.attrib.pop(qn(f"w:{theme}"), None)
    fonts.set(qn("w:eastAsia"), OFFICE_FONT)


def prepare_docx_styles(document: DocxDocument) -> None:
    """Set page size, fonts, spacing and the indented styles for items (호) and subitems (목)."""
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.3)
    section.top_margin = section.bottom_margin = Cm(2.4)
    styles = document.styles
    set_style_font(styles["Normal"], 10)
    styles["Normal"].paragraph_format.space_after = Pt(4)
    styles["Normal"].paragraph_format.line_spacing = 1.25
    set_style_font(styles["Title"], 26, bold=True, color=NAVY)
    set_style_font(styles["Heading 1"], 15, bold=True, color=NAVY)
    set_style_font(styles["Heading 2"], 11.5, bold=True, color="000000")
    set_style_font(styles["Caption"], 9.5, bold=True, color="404040")
    for name, indent in (("호", 0.9), ("목", 1.6)):
        style = styles.add_style(name, 1)
        style.base_style = styles["Normal"]
        style.paragraph_format.left_indent = Cm(indent)
        style.paragraph_format.first_line_indent = Cm(-0.5)


def add_field(paragraph: Any, code: str) -> None:
    """Append a Word field such as PAGE to a paragraph."""
    for kind, text in (("begin", None), (None, code), ("end", None)):
        run = paragraph.add_run()
        if kind:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        else:
            element = OxmlElement("w:instrText")
            element.text = text
        run._r.append(element)


def fill_docx_table(table: DocxTable, rows: list[list[str]], header: bool) -> None:
    """Write rows into a ruled table; with ``header`` the first row is bold, shaded and repeated on each page."""
    for row_index, row in enumerate(rows):
        for col_index, text in enumerate(row):
            cell = table.cell(row_index, col_index)
            paragraph = cell.paragraphs[0]
            paragraph.paragraph_format.space_after = Pt(1)
            run = paragraph.add_run(text)
            run.font.size = Pt(9)
            run.bold = row_index == 0 if header else col_index == 0
            if run.bold:
                shade = OxmlElement("w:shd")
                shade.set(qn("w:val"), "clear")
                shade.set(qn("w:fill"), PALE)
                cell._tc.get_or_add_tcPr().append(shade)
    for row_index, docx_row in enumerate(table.rows):
        for tag in ("w:cantSplit", "w:tblHeader") if header and row_index == 0 else ("w:cantSplit",):
            docx_row._tr.get_or_add_trPr().append(OxmlElement(tag))


def add_docx_table(document: DocxDocument, rows: list[list[str]], header: bool = True) -> None:
    """Append one ruled table, its columns sized by their content, and a small gap after it."""
    table = document.add_table(rows=len(rows), cols=len(rows[0]))
    table.style = "Table Grid"
    table.autofit = False
    for column, width in zip(table.columns, column_widths(rows, 16.4), strict=True):
        column.width = Cm(width)
        for cell in column.cells:
            cell.width = Cm(width)
    fill_docx_table(table, rows, header)
    document.add_paragraph().paragraph_format.space_after = Pt(2)


def add_docx_front(document: DocxDocument, meta: dict[str, str]) -> None:
    """Title block with the document control table, plus page header and footer."""
    document.add_paragraph(meta["title"], style="Title").alignment = WD_ALIGN_PARAGRAPH.CENTER
    subtitle = document.add_paragraph(meta["company"])
    subtitle.alignment = WD_ALIGN_PARAGRAPH.CENTER
    labels = [("문서번호", "number"), ("소관부서", "owner"), ("제정일", "enacted")]
    labels += [("최근 개정일", "revised"), ("시행일", "effective"), ("개정 차수", "revision")]
    add_docx_table(document, [[label, meta[key]] for label, key in labels], header=False)
    section = document.sections[0]
    section.header.paragraphs[0].text = f"{meta['company']} {meta['title']} ({meta['number']})"
    footer = section.footer.paragraphs[0]
    footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
    add_field(footer, "PAGE")


def build_docx(source: Path, target: Path) -> None:
    """Build the rule book: chapters are Heading 1, articles Heading 2, tables are real tables."""
    meta, blocks = read_source(source)
    document = docx.Document()
    prepare_docx_styles(document)
    add_docx_front(document, meta)
    names = {"h1": "Heading 1", "h2": "Heading 2", "caption": "Caption", "item": "호", "subitem": "목"}
    for block in blocks:
        if block.kind == "table":
            add_docx_table(document, block.rows)
            continue
        paragraph = document.add_paragraph(block.text, style=names.get(block.kind, "Normal"))
        if block.kind == "caption":
            paragraph.paragraph_format.keep_with_next = True
    props = document.core_properties
    props.title, props.author, props.last_modified_by = meta["title"], AUTHOR, AUTHOR
    props.comments, props.subject, props.language = "", meta["number"], "ko-KR"
    props.created = props.modified = FIXED_TIME
    props.revision = 1
    buffer = io.BytesIO()
    document.save(buffer)
    target.write_bytes(normalise_zip(buffer.getvalue()))


# --- pdf ---------------------------------------------------------------------------------------------------------


def pdf_styles() -> dict[str, ParagraphStyle]:
    """Paragraph styles of the policy; the fonts are registered as Body and Body-Bold."""
    base = ParagraphStyle("base", fontName="Body", fontSize=9.6, leading=15.4, spaceAfter=3.2)
    made = {
        "para": base,
        "clause": ParagraphStyle("clause", base, leftIndent=13 * mm, bulletFontName="Body", bulletFontSize=9.6),
        "bullet": ParagraphStyle("bullet", base, leftIndent=18 * mm, bulletIndent=14 * mm),
        "h1": ParagraphStyle("h1", base, fontName="Body-Bold", fontSize=15, leading=22, spaceBefore=10, spaceAfter=5),
        "h2": ParagraphStyle("h2", base, fontName="Body-Bold", fontSize=11, leading=17, spaceBefore=6),
        "caption": ParagraphStyle("caption", base, fontName="Body-Bold", fontSize=9, leading=14, spaceBefore=4),
        "cell": ParagraphStyle("cell", base, fontSize=8.2, leading=11.5, spaceAfter=0),
        "head": ParagraphStyle("head", base, fontName="Body-Bold", fontSize=8.2, leading=11.5, spaceAfter=0),
        "title": ParagraphStyle("title", base, fontName="Body-Bold", fontSize=30, leading=40, alignment=TA_CENTER),
        "subtitle": ParagraphStyle("subtitle", base, fontSize=14, leading=22, alignment=TA_CENTER),
    }
    for name in ("h1", "h2", "caption"):
        made[name].keepWithNext = 1
    for name in ("h1", "title"):
        made[name].textColor = colors.HexColor(f"#{NAVY}")
    return made


class Heading(Paragraph):
    """A heading that appears in the table of contents and the PDF outline."""

    def __init__(self, text: str, style: ParagraphStyle, level: int) -> None:
        super().__init__(escape(text), style)
        self.level = level


class PolicyTemplate(BaseDocTemplate):
    """A4 template with a cover, a running header, page numbers, bookmarks and a table of contents."""

    def __init__(self, target: Path, meta: dict[str, str]) -> None:
        super().__init__(str(target), pagesize=A4, title=meta["title"], author=AUTHOR, invariant=1)
        self.meta = meta
        self.total = 0
        frame = Frame(20 * mm, 20 * mm, A4[0] - 40 * mm, A4[1] - 44 * mm, 0, 0, 0, 0)
        self.addPageTemplates(
            [
                PageTemplate("cover", [frame]),
                PageTemplate("body", [frame], onPage=self.draw_header, onPageEnd=self.draw_footer),
            ]
        )

    def draw_header(self, canvas: Canvas, doc: BaseDocTemplate) -> None:
        """Company, title and document number over a rule, drawn before the body text."""
        canvas.setFont("Body", 8)
        canvas.drawString(20 * mm, A4[1] - 15 * mm, f"{self.meta['company']} {self.meta['title']}")
        number = f"{self.meta['number']} v{self.meta['version']}"
        canvas.drawRightString(A4[0] - 20 * mm, A4[1] - 15 * mm, number)
        canvas.line(20 * mm, A4[1] - 17 * mm, A4[0] - 20 * mm, A4[1] - 17 * mm)

    def draw_footer(self, canvas: Canvas, doc: BaseDocTemplate) -> None:
        """Classification and page number, drawn after the body text to keep the reading order."""
        canvas.setFont("Body", 8)
        canvas.drawString(20 * mm, 12 * mm, self.meta["classification"])
        canvas.drawRightString(A4[0] - 20 * mm, 12 * mm, f"{doc.page} / {self.total}")

    def afterFlowable(self, flowable: Flowable) -> None:
        """Register headings for the table of contents and the PDF outline."""
        if not isinstance(flowable, Heading):
            return
        text, level = flowable.getPlainText(), flowable.level
        key = f"sec-{text.split(' ')[0]}"
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(text, key, level, closed=level == 0)
        self.notify("TOCEntry", (level, text, self.page, key))

    def afterPage(self) -> None:
        """Remember the page count; the last pass of ``multiBuild`` prints the count of the pass before."""
        self.total = max(self.total, self.page)


def pdf_table(rows: list[list[str]], styles: dict[str, ParagraphStyle], header: bool = True) -> Table:
    """A ruled table; with ``header`` the first row is shaded and repeated after a page break."""
    width = A4[0] - 40 * mm if header else 110 * mm
    cells = [
        [Paragraph(escape(text), styles["head" if header and index == 0 else "cell"]) for text in row]
        for index, row in enumerate(rows)
    ]
    rules: list[Any] = [
        ("GRID", (0, 0), (-1, -1), 0.6, colors.HexColor("#7F7F7F")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("BACKGROUND", (0, 0), (-1, 0) if header else (0, -1), colors.HexColor(f"#{PALE}")),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
    ]
    table = Table(cells, colWidths=column_widths(rows, width), repeatRows=1 if header else 0)
    table.setStyle(TableStyle(rules))
    return table


def pdf_front(meta: dict[str, str], styles: dict[str, ParagraphStyle]) -> list[Flowable]:
    """Cover page and table of contents."""
    labels = [("문서번호", "number"), ("버전", "version"), ("소관부서", "owner"), ("승인", "approver")]
    labels += [("승인일", "approved"), ("시행일", "effective"), ("문서 등급", "classification")]
    toc = TableOfContents()
    toc.dotsMinLevel = -1
    toc.tableStyle = TableStyle([("TOPPADDING", (0, 0), (-1, -1), 0.4), ("BOTTOMPADDING", (0, 0), (-1, -1), 0.4)])
    toc.levelStyles = [
        ParagraphStyle("toc1", styles["para"], fontName="Body-Bold", leading=13, spaceBefore=4, spaceAfter=1),
        ParagraphStyle("toc2", styles["para"], leftIndent=8 * mm, fontSize=8.8, leading=12.4, spaceAfter=0),
    ]
    heading = ParagraphStyle("toc-title", styles["h1"])
    return [
        Spacer(1, 55 * mm),
        Paragraph(escape(meta["company"]), styles["subtitle"]),
        Spacer(1, 6 * mm),
        Paragraph(escape(meta["title"]), styles["title"]),
        Spacer(1, 60 * mm),
        pdf_table([[label, meta[key]] for label, key in labels], styles, header=False),
        NextPageTemplate("body"),
        PageBreak(),
        Paragraph("목차", heading),
        toc,
        PageBreak(),
    ]


def pdf_block(block: Block, styles: dict[str, ParagraphStyle]) -> list[Flowable]:
    """The flowables of one source block."""
    if block.kind == "table":
        return [pdf_table(block.rows, styles), Spacer(1, 4 * mm)]
    clause = CLAUSE_RE.match(block.text)
    if clause:
        return [Paragraph(escape(clause[2]), styles["clause"], bulletText=clause[1])]
    if block.kind == "bullet":
        return [Paragraph(escape(block.text), styles["bullet"], bulletText="-")]
    if block.kind in ("h1", "h2"):
        return [Heading(block.text, styles[block.kind], 0 if block.kind == "h1" else 1)]
    return [Paragraph(escape(block.text), styles[block.kind])]


def build_pdf(source: Path, target: Path, font: Path, bold_font: Path) -> None:
    """Build the policy PDF with an embedded subset of the given fonts."""
    os.environ["SOURCE_DATE_EPOCH"] = str(int(FIXED_TIME.replace(tzinfo=dt.UTC).timestamp()))
    rl_config.useA85 = 0
    pdfmetrics.registerFont(TTFont("Body", str(font)))
    pdfmetrics.registerFont(TTFont("Body-Bold", str(bold_font)))
    meta, blocks = read_source(source)
    styles = pdf_styles()
    story = pdf_front(meta, styles)
    for block in blocks:
        if block.kind == "caption":
            story[-1].keepWithNext = 1
        story.extend(pdf_block(block, styles))
    PolicyTemplate(target, meta).multiBuild(story)


# --- xlsx --------------------------------------------------------------------------------------------------------


def typed_value(value: Any, kind: str) -> tuple[Any, str]:
    """Turn a source value into a typed cell value and its number format."""
    if isinstance(value, str) and kind != "text":
        clock = TIME_RE.match(value)
        if clock:
            return dt.time(int(clock[1]), int(clock[2])), "hh:mm"
        percent = PERCENT_RE.match(value)
        if percent:
            return round(float(percent[1]) / 100, 6), "0.00%" if kind == "percent" else "0%"
    if isinstance(value, dt.date):
        return value, "yyyy-mm-dd"
    if isinstance(value, int):
        return value, "#,##0"
    return value, "General"


def style_cell(cell: Cell, header: bool) -> None:
    """Ruled cell in the office font; header cells are bold on navy."""
    edge = Side(style="thin", color="A6A6A6")
    cell.border = Border(left=edge, right=edge, top=edge, bottom=edge)
    cell.font = Font(name=OFFICE_FONT, size=10, bold=header, color="FFFFFF" if header else "000000")
    centred = header or isinstance(cell.value, dt.date | dt.time)
    cell.alignment = Alignment(horizontal="center" if centred else None, vertical="center", wrap_text=header)
    if header:
        cell.fill = PatternFill("solid", fgColor=NAVY)


def write_table(sheet: Worksheet, table: dict[str, Any], top: int) -> int:
    """Write a caption, a header row and the typed rows from row ``top``; return the next free row."""
    caption = sheet.cell(top, 1, table["caption"])
    caption.font = Font(name=OFFICE_FONT, size=11, bold=True)
    for index, column in enumerate(table["columns"], start=1):
        style_cell(sheet.cell(top + 1, index, column["name"]), header=True)
        if "width" in column:
            sheet.column_dimensions[get_column_letter(index)].width = column["width"]
    for row_index, row in enumerate(table["rows"], start=top + 2):
        for index, (column, value) in enumerate(zip(table["columns"], row, strict=True), start=1):
            typed, number_format = typed_value(value, column["kind"])
            cell = sheet.cell(row_index, index, typed)
            cell.number_format = number_format
            style_cell(cell, header=False)
    return top + 2 + len(table["rows"])


def write_sheet(sheet: Worksheet, spec: dict[str, Any], book: dict[str, Any]) -> None:
    """Fill one sheet: title lines, its tables, print setup and frozen header."""
    sheet["A1"] = f"{book['title']} - {spec['heading']}"
    sheet["A1"].font = Font(name=OFFICE_FONT, size=14, bold=True, color=NAVY)
    for column, value in enumerate(("문서번호", book["number"], "소관부서", book["owner"], "기준일"), start=1):
        sheet.cell(2, column, value).font = Font(name=OFFICE_FONT, size=9, color="595959")
    date_cell = sheet.cell(2, 6, book["effective"])
    date_cell.number_format = "yyyy-mm-dd"
    date_cell.font = Font(name=OFFICE_FONT, size=9, color="595959")
    top = 4
    for table in spec["tables"]:
        top = write_table(sheet, table, top) + 1
    sheet.freeze_panes = "B6"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = "5:5"


def build_xlsx(source: Path, target: Path) -> None:
    """Build the workbook of limits with typed numbers, dates, times and percentages."""
    book = yaml.safe_load(source.read_text(encoding="utf-8"))
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for spec in book["sheets"]:
        write_sheet(workbook.create_sheet(spec["name"]), spec, book)
    props = workbook.properties
    props.title, props.creator, props.lastModifiedBy = book["title"], AUTHOR, AUTHOR
    props.created = props.modified = FIXED_TIME
    buffer = io.BytesIO()
    workbook.save(buffer)
    target.write_bytes(normalise_zip(buffer.getvalue()))


def main(argv: Sequence[str] | None = None) -> None:
    """Command line entry point."""
    parser = argparse.ArgumentParser(description="Build the bundled sample documents.")
    parser.add_argument("--font", type=Path, required=True, help="regular Korean TrueType font (OFL)")
    parser.add_argument("--bold-font", type=Path, required=True, help="bold Korean TrueType font (OFL)")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="output folder")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    build_docx(HERE / "employment-rules.md", args.out / "취업규칙.docx")
    build_pdf(HERE / "security-policy.md", args.out / "정보보호_정책.pdf", args.font, args.bold_font)
    build_xlsx(HERE / "limits.yaml", args.out / "거래한도표.xlsx")


if __name__ == "__main__":
    main()
