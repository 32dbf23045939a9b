"""Check the bundled samples: every expected answer is where questions.yaml says, and the code agrees with the workbook.

Needs python-docx, openpyxl, pypdfium2, lxml and PyYAML:

    python docs/samples/check.py
"""

from __future__ import annotations

import datetime as dt
import re
import sys
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pypdfium2
import yaml
from docx.table import Table
from lxml import etree

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parent.parent / "ingest" / "samples"
HEADING_RE = re.compile(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", re.MULTILINE)


def docx_sections(path: Path) -> dict[str, str]:
    """Text of every article or annex, by its heading."""
    sections: dict[str, str] = {}
    current = ""
    for block in docx.Document(str(path)).iter_inner_content():
        if isinstance(block, Table):
            text = "\n".join(" | ".join(cell.text for cell in row.cells) for row in block.rows)
        elif block.style is not None and block.style.name == "Heading 2":
            current, text = block.text, block.text
        else:
            text = block.text
        sections[current] = sections.get(current, "") + text + "\n"
    return sections


def hwpx_sections(path: Path) -> dict[str, str]:
    """Text of every article or annex, by its heading, which has a style named 개요."""
    with zipfile.ZipFile(path) as archive:
        styles = etree.fromstring(archive.read("Contents/header.xml")).iter("{*}style")
        headings = {style.get("id") for style in styles if style.get("name").startswith("개요")}
        section = etree.fromstring(archive.read("Contents/section0.xml"))
    sections: dict[str, str] = {}
    current = ""
    for paragraph in section:
        text = "\n".join(run.text or "" for run in paragraph.iter("{*}t"))
        current = text if paragraph.get("styleIDRef") in headings else current
        sections[current] = sections.get(current, "") + text + "\n"
    return sections


def md_sections(path: Path) -> dict[str, str]:
    """Text of every numbered section, by ``section N`` or ``section N.M``."""
    text = path.read_text(encoding="utf-8")
    marks = list(HEADING_RE.finditer(text))
    starts = [mark.start() for mark in marks] + [len(text)]
    return {f"section {mark[1]}": text[starts[i] : starts[i + 1]] for i, mark in enumerate(marks)}


def pdf_pages(path: Path) -> dict[str, str]:
    """Text of every page, by ``page N``."""
    document = pypdfium2.PdfDocument(str(path))
    return {f"page {index + 1}": page.get_textpage().get_text_range() for index, page in enumerate(document)}


def shown(value: Any) -> str:
    """A cell as a reader sees it."""
    if isinstance(value, int | float):
        return f"{value:,}"
    return "" if value is None else str(value)


def xlsx_sheets(path: Path) -> dict[str, str]:
    """Text of every sheet, by its name."""
    book = openpyxl.load_workbook(path)
    return {
        sheet.title: "\n".join(" | ".join(map(shown, row)) for row in sheet.iter_rows(values_only=True))
        for sheet in book.worksheets
    }


def code_range(where: str) -> str:
    """The lines named by ``path:first-last``."""
    name, _, span = where.rpartition(":")
    first, last = (int(number) for number in span.split("-"))
    return "\n".join((SAMPLES / name).read_text(encoding="utf-8").splitlines()[first - 1 : last])


def check_questions() -> Iterator[str]:
    """Yield one line for every question whose expected answer is not at the stated place."""
    questions = yaml.safe_load((HERE / "questions.yaml").read_text(encoding="utf-8"))["questions"]
    readers = {
        ".docx": docx_sections,
        ".hwpx": hwpx_sections,
        ".pdf": pdf_pages,
        ".xlsx": xlsx_sheets,
        ".md": md_sections,
    }
    places = {path.name: readers[path.suffix](path) for path in SAMPLES.iterdir() if path.suffix in readers}
    if len({question["id"] for question in questions}) != len(questions):
        yield "question ids are not unique"
    for question in questions:
        if question["expected"] is None:
            continue
        if question["file"].endswith(".py"):
            text = code_range(question["where"])
        else:
            text = places[question["file"]].get(question["where"], "")
        if question["expected"] not in text:
            yield f"{question['id']}: {question['expected']!r} is not at {question['where']}"


def check_limits() -> Iterator[str]:
    """Yield one line for every constant of limits_engine that differs from the workbook."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(SAMPLES))
    from limits_engine import bizcalendar, limits, rules

    sheet = openpyxl.load_workbook(SAMPLES / "거래한도표.xlsx")["비대면 이체한도"]
    rows = {str(row[0]): row for row in sheet.iter_rows(values_only=True) if row[0]}
    table = {row.code: row for row in (*limits.LIMITS, limits.RESTRICTED)}
    if set(table) != {code for code in rows if code.startswith("TRF-")}:
        yield "limits_engine and the workbook do not hold the same limit codes"
    for code, row in table.items():
        mine = (row.currency.value, row.per_transfer, row.daily, row.effective)
        cells = rows[code][4:8]
        effective = cells[3].date() if isinstance(cells[3], dt.datetime) else cells[3]
        if mine != (cells[0], Decimal(str(cells[1])), Decimal(str(cells[2])), effective):
            yield f"{code}: {mine} is not {cells}"
    controls = {
        "CTL-CLOSE": (rules.CLOSE_START, rules.CLOSE_END),
        "CTL-NIGHT": (float(rules.NIGHT_RATIO), None),
        "CTL-STEPUP": (int(rules.STEP_UP_AMOUNT), None),
        "CTL-HOLD": (int(rules.HOLD_AMOUNT), rules.HOLD_HOURS),
        "CTL-FXCUT": (bizcalendar.FX_CUTOFF, None),
        "CTL-FXYEAR": (int(rules.FX_YEARLY_LIMIT_USD), None),
        "CTL-RAISE": (limits.RAISE_WAIT_HOURS, None),
    }
    for code, values in controls.items():
        if rows[code][5:7] != values:
            yield f"{code}: {values} is not {rows[code][5:7]}"


def main() -> int:
    """Print every problem; return 1 if there is any."""
    problems = [*check_questions(), *check_limits()]
    print("\n".join(problems) or "samples are consistent")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
