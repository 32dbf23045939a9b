"""How much of Hangul documents our parsers read, against what Hancom Office itself exported.

    python -m benchmarks.parsing_hwp [--missed] [--json]

Text: the set `parser_hwp`, HWP 5 and HWPX files with the text of Hancom's HTML export, and `unhwp` on the same files in the same
run. The export breaks words at the ends of lines and of character formats, prints page numbers, and sets what stands apart from
the flow (notes, captions, page headers, boxes) where it lies on the page, which need not be where it is read. So three figures:
  strict    share of the expected words, in order, as they stand in the export (`word_recall.in_order`); page numbers apart
  unspaced  the same, but a word counts where its letters stand together in what was read, wherever spaces are
  apart     the same, but each text apart from the flow is a sequence of its own: found whole, at any place, or left in it
Bar: `apart` >= .98 on every file with text; exit status 1 where one stays below.

Tables: cells of the HWPX files placed by counting rows and spans as HTML does, without the addresses that our reader goes by;
each must be in the same row and column of our table, in the HWPX file and in the HWP 5 file of the same document.
And tables with merged cells made up here, written in both formats, read back.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from benchmarks.data import DataMissing, unpacked
from benchmarks.word_recall import in_any_order, in_order, words
from ingest.parsing.base import SourceFile
from ingest.parsing.hwp5 import Hwp5Parser
from ingest.parsing.hwp_assembly import Assembler
from ingest.parsing.hwpx import HwpxParser
from ingest.parsing.identify import identify
from ingest.parsing.media_types import HWP
from rag.domain.document import Element, ElementKind
from rag.domain.errors import NoTextFound, SeogoError
from tests.support.hwp5 import hwp5_file
from tests.support.hwp_content import Cell, Paragraph, Table, paragraphs
from tests.support.hwpx import hwpx_file

BAR = 0.98
_PAGE_NUMBER = re.compile(r"^[ \t]*- \d+ -[ \t]*$", re.M)
_CELL = re.compile(r"(?<!\\)\|")
_MADE_UP = 400


@dataclass(slots=True)
class FileReport:
    """One file; shares of its expected words."""

    name: str
    words: int
    strict: float = 0.0
    any_order: float = 0.0
    unspaced: float = 0.0
    apart: float = 0.0
    error: str = ""
    missed: list[str] = field(default_factory=list)
    peer_strict: float = 0.0
    peer_any_order: float = 0.0
    peer_unspaced: float = 0.0


def found_words(expected: Sequence[str], found: Sequence[str]) -> list[bool]:
    """For each expected word whether its letters stand together in what was found, in order, wherever spaces are."""
    from rapidfuzz.distance import LCSseq

    alignment = LCSseq.opcodes("".join(expected), "".join(found))
    equal = [(step.src_start, step.src_end) for step in alignment if step.tag == "equal"]
    marks: list[bool] = []
    at, block = 0, 0
    for word in expected:
        while block < len(equal) and equal[block][1] <= at:
            block += 1
        marks.append(block < len(equal) and equal[block][0] <= at and at + len(word) <= equal[block][1])
        at += len(word)
    return marks


def found_apart(expected: list[str], flow: str, apart: Sequence[str]) -> list[str]:
    """The expected words that are not found, each text of `apart` being a sequence of its own."""
    for text in sorted(set(apart), key=len, reverse=True):
        sought = words(text)
        place = _place(expected, "".join(sought))
        if sought and place is not None:
            expected = expected[: place[0]] + expected[place[1] :]
            flow = flow.replace(text, "\n", 1)
    marks = found_words(expected, words(flow))
    return [word for word, mark in zip(expected, marks, strict=True) if not mark]


def _place(expected: Sequence[str], letters: str) -> tuple[int, int] | None:
    """Where in the expected words these letters stand as whole words."""
    starts = {0: 0}
    at = 0
    for index, word in enumerate(expected, 1):
        at += len(word)
        starts[at] = index
    joined = "".join(expected)
    begin = joined.find(letters)
    while begin >= 0:
        if begin in starts and begin + len(letters) in starts:
            return starts[begin], starts[begin + len(letters)]
        begin = joined.find(letters, begin + 1)
    return None


def read(path: Path) -> tuple[tuple[Element, ...], list[str]]:
    """The elements of a file, and the texts among them that stand apart from the flow.

    Raises:
        SeogoError: as the parser says.
    """
    kept: list[Assembler] = []

    class Watched(Assembler):
        """Remembers itself: what stands apart is not part of a parser's result."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            kept.append(self)

    import ingest.parsing.hwp5 as hwp5
    import ingest.parsing.hwpx as hwpx

    identified = identify(path, path.name)
    module, parser = (hwp5, Hwp5Parser()) if identified.media_type == HWP else (hwpx, HwpxParser())
    own, module.Assembler = module.Assembler, Watched  # type: ignore[attr-defined]
    try:
        document = parser.parse(path, SourceFile(path.name, identified.media_type))
    finally:
        module.Assembler = own  # type: ignore[attr-defined]
    return tuple(document.elements), [element.text for element in kept[0].apart]


def measure(path: Path, expected_text: str) -> FileReport:
    """Both readers on one file."""
    expected = words(_PAGE_NUMBER.sub("", expected_text))
    report = FileReport(path.name.split("-", 1)[1], len(expected))
    try:
        elements, apart = read(path)
        text = "\n".join(element.text for element in elements)
        found = words(text)
        report.strict, report.any_order = in_order(expected, found), in_any_order(expected, found)
        report.unspaced = sum(found_words(expected, found)) / max(1, len(expected))
        report.missed = found_apart(expected, text, apart)
        report.apart = 1 - len(report.missed) / max(1, len(expected))
    except NoTextFound as error:
        report.error = error.code
        report.strict = report.any_order = report.unspaced = report.apart = float(not expected)
        report.missed = expected
    except SeogoError as error:
        report.error = error.code
    peer = words(_peer(path))
    report.peer_strict, report.peer_any_order = in_order(expected, peer), in_any_order(expected, peer)
    report.peer_unspaced = sum(found_words(expected, peer)) / max(1, len(expected))
    return report


def _peer(path: Path) -> str:
    """What `unhwp` reads; empty when it is not installed or fails."""
    try:
        import unhwp

        return str(unhwp.to_markdown(path))
    except Exception as error:
        print(f"unhwp on {path.name}: {error}", file=sys.stderr)
        return ""


# --- tables ------------------------------------------------------------------------------------------------------

Grid = dict[tuple[int, int], str]


def tables_of(elements: Sequence[Element]) -> list[Grid]:
    """Cells of our Markdown tables by row and column."""
    grids = []
    for element in elements:
        if element.kind is ElementKind.TABLE:
            lines = element.text.split("\n")
            rows = [[_plain(cell) for cell in _CELL.split(line)[1:-1]] for line in (lines[0], *lines[2:])]
            grids.append({(row, column): text for row, cells in enumerate(rows) for column, text in enumerate(cells)})
    return grids


def tables_by_counting(path: Path) -> list[Grid]:
    """Cells of an HWPX file's tables, placed as HTML places them; without those inside other tables' cells."""
    grids = []
    with zipfile.ZipFile(path) as archive:
        for part in sorted(name for name in archive.namelist() if re.fullmatch(r"Contents/section\d+\.xml", name)):
            root = etree.fromstring(archive.read(part))
            for table in root.iter("{*}tbl"):
                if not any(etree.QName(above).localname == "tc" for above in table.iterancestors()):
                    cells = list(_counted(table))
                    if len(cells) > 1 and any(text for *_, text in cells):
                        grids.append(_squeezed(cells))
    return grids


def _counted(table: Any) -> Iterator[tuple[int, int, int, str]]:
    """Row, column, covered rows and text of each cell."""
    taken: set[tuple[int, int]] = set()
    for row, line in enumerate(table.findall("{*}tr")):
        column = 0
        for cell in line.findall("{*}tc"):
            while (row, column) in taken:
                column += 1
            span = cell.find("{*}cellSpan")
            width, height = int(span.get("colSpan")), int(span.get("rowSpan"))
            taken |= {(row + down, column + right) for down in range(height) for right in range(width)}
            texts = [text for node in cell.iter("{*}t", "{*}mainText") for text in node.itertext()]
            yield row, column, height, " ".join("".join(texts).split())
            column += width


def _squeezed(cells: Sequence[tuple[int, int, int, str]]) -> Grid:
    """Without empty columns, with the text of covered rows, as our tables are."""
    grid: Grid = {}
    filled = {row for row, *_ in cells}
    for row, column, height, text in cells:
        for down in range(height):
            if row + down in filled and text:
                grid[row + down, column] = _plain(text)
    rows = {row: place for place, row in enumerate(sorted({row for row, _ in grid}))}
    columns = {column: place for place, column in enumerate(sorted({column for _, column in grid}))}
    return {(rows[row], columns[column]): text for (row, column), text in grid.items()}


def _plain(text: str) -> str:
    return "".join(words(text))


def compare(expected: Sequence[Grid], found: Sequence[Grid]) -> tuple[int, int]:
    """Cells with text, and how many of them our table of the same number has in the same row and column."""
    total = sum(len(grid) for grid in expected)
    right = sum(_right(grid, theirs) for grid, theirs in zip(expected, found, strict=False))
    return total, right


def _right(grid: Grid, found: Grid) -> int:
    """How many cells stand where they should. By as many rows as ours is shorter, its first row is a heading put together."""
    together = max((row for row, _ in grid), default=0) - max((row for row, _ in found), default=0)
    right = 0
    for (row, column), text in grid.items():
        ours = found.get((max(row - together, 0), column), "")
        right += text in ours if together > 0 and row <= together else _holds(ours, text)
    return right


def _holds(found: str, expected: str) -> bool:
    """The letters of a cell in order; between them there may be numbers of lists, which the file does not spell out."""
    letters = iter(found)
    return all(letter in letters for letter in expected) and len(found) <= len(expected) * 1.1


def made_up_tables(folder: Path) -> tuple[int, int]:
    """Tables with merged cells, written in both formats and read back."""
    dice = random.Random(5)
    total = right = 0
    for number in range(_MADE_UP):
        table, cells = _made_up(dice)
        if len(cells) == 1:  # a frame, not a table
            continue
        for suffix, writer in (("hwp", hwp5_file), ("hwpx", hwpx_file)):
            path = folder / f"{number}.{suffix}"
            path.write_bytes(writer([Paragraph(table)]))
            elements, _ = read(path)
            here, good = compare([_squeezed(cells)], tables_of(elements))
            total, right = total + here, right + good
    return total, right


def _made_up(dice: random.Random) -> tuple[Table, list[tuple[int, int, int, str]]]:
    """A grid of 2 to 8 rows and columns in which some cells cover others."""
    height, width = dice.randint(2, 8), dice.randint(2, 8)
    taken: set[tuple[int, int]] = set()
    cells = []
    for row in range(height):
        for column in range(width):
            if (row, column) in taken:
                continue
            down, right = dice.choice((1, 1, 1, 2, 3)), dice.choice((1, 1, 1, 2, 3))
            covered = {(row + y, column + x) for y in range(down) for x in range(right)}
            if covered & taken or row + down > height or column + right > width:
                covered, down, right = {(row, column)}, 1, 1
            taken |= covered
            text = f"값{row}{column}" if dice.random() < 0.9 else ""
            cells.append(Cell(row, column, paragraphs(text), down, right))
    flat = [(cell.row, cell.column, cell.rows, str(cell.paragraphs[0].parts[0])) for cell in cells]
    return Table(height, width, tuple(cells)), flat


# --- report ------------------------------------------------------------------------------------------------------


def run(folder: Path) -> tuple[list[FileReport], dict[str, tuple[int, int]]]:
    """Measure everything."""
    reports = []
    tables = {"HWPX": (0, 0), "HWP 5": (0, 0)}
    references: dict[str, list[Grid]] = {}
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: (not row["file"].endswith("x"), row["file"].split("-", 1)[1]))
    for row in rows:
        path = folder / row["file"]
        text = (folder / row["expected"][0]["file"]).read_text(encoding="utf-8-sig")
        reports.append(measure(path, text))
        document = path.stem.split("-", 1)[1]
        if path.suffix == ".hwpx":
            references[document] = tables_by_counting(path)
        if references.get(document):
            kind = "HWPX" if path.suffix == ".hwpx" else "HWP 5"
            total, right = compare(references[document], tables_of(read(path)[0]))
            tables[kind] = (tables[kind][0] + total, tables[kind][1] + right)
    with tempfile.TemporaryDirectory(prefix="seogo-tables-") as made:
        tables["made up"] = made_up_tables(Path(made))
    return reports, tables


def main() -> int:
    """Command line; the exit status says whether the bars are met."""
    parser = argparse.ArgumentParser(description="Text and tables of HWP 5 and HWPX against Hancom's own export.")
    parser.add_argument("--missed", action="store_true", help="list the words that were not found")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    started = time.process_time()
    try:
        with unpacked("parser_hwp") as folder:
            reports, tables = run(folder)
    except DataMissing as error:
        print(error)
        return 2
    if arguments.json:
        print(json.dumps({"files": [asdict(report) for report in reports], "tables": tables}, ensure_ascii=False))
    else:
        _print(reports, tables, missed=arguments.missed)
        print(f"CPU: {time.process_time() - started:.1f} s")
    right = all(good == total for total, good in tables.values())
    return 0 if right and not below(reports) else 1


def below(reports: Sequence[FileReport]) -> list[FileReport]:
    """Files under the bar."""
    return [report for report in reports if report.words and report.apart < BAR]


def _print(reports: Sequence[FileReport], tables: dict[str, tuple[int, int]], *, missed: bool) -> None:
    readable = [report for report in reports if report.words]
    total = sum(report.words for report in readable)
    print(f"{len(reports)} files, {len(readable)} with text, {total} words; weighted by words")
    for label, ours, peer in (
        ("strict", "strict", "peer_strict"),
        ("any order", "any_order", "peer_any_order"),
        ("unspaced", "unspaced", "peer_unspaced"),
        ("apart", "apart", ""),
    ):
        shares = [sum(getattr(r, name) * r.words for r in readable) / total if name else None for name in (ours, peer)]
        files = [sum(getattr(r, name) >= BAR for r in readable) if name else None for name in (ours, peer)]
        theirs = f"   unhwp {shares[1]:.4f} {files[1]:3} files" if peer else ""
        print(f"  {label:10} seogo {shares[0]:.4f} {files[0]:3} files >= {BAR}{theirs}")
    for report in below(reports):
        print(f"  below: {report.name} {report.apart:.3f} {report.error} {' '.join(report.missed[:12])}")
    if missed:
        for report in readable:
            if report.missed:
                print(f"  missed in {report.name}: {' '.join(report.missed)}")
    for kind, (cells, good) in tables.items():
        print(f"  table cells in the right row and column, {kind}: {good} of {cells}")


if __name__ == "__main__":
    sys.exit(main())
