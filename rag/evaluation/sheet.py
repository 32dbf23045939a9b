"""A customer's question sheet: xlsx, csv or tsv, with Korean or English column names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

from rag.domain.messages import UiLanguage
from rag.evaluation.questions import Expected, Problem, Question, QuestionSet

MAX_ROWS = 20_000
_ROWS_BEFORE = 10
"""Rows in which the names of the columns are looked for: above them a sheet may have its title, its department, a date."""
_COLUMNS: dict[str, str] = {
    "id": "id no number 번호 문항번호 문항id",
    "question": "question questions query 질문 질의 문항 물음",
    "document": (
        "document documents expecteddocument expecteddocuments expected file files source sourcekey "
        "문서 기대문서 정답문서 근거문서 파일 파일명 문서명 출처"
    ),
    "place": "place where page article section provision 위치 쪽 페이지 조항 조문 장소",
    "quote": "quote passage evidence 인용 인용문 문구 문단 정답문단 근거 근거문장 근거문단",
    "answer": "answer answers expectedanswer 답 답변 정답 기대답변 모범답안",
    "collection": "collection 컬렉션 문서함",
    "reviewed": "reviewed review checked 검토 검토됨 검토여부 확인",
}
"""What a column may be called, without blanks and marks, in lower case."""
_NAMES = {alias: column for column, aliases in _COLUMNS.items() for alias in aliases.split()}
_TITLES: dict[str, tuple[str, str]] = {
    "question": ("질문", "question"),
    "document": ("기대 문서", "expected document"),
    "place": ("위치", "place"),
    "quote": ("인용문", "quote"),
    "answer": ("정답", "answer"),
    "collection": ("컬렉션", "collection"),
    "note": ("참고", "note"),
    "reviewed": ("검토", "reviewed"),
}
"""Columns that are written; `note` is for the reviewer alone."""
_YES = frozenset(["y", "yes", "ok", "o", "○", "v", "✓", "✔", "true", "1", "예", "네", "확인", "완료", "채택", "검토함"])
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is run as a formula by spreadsheet programs (OWASP, CSV injection)."""
_WIDTHS = {"question": 60, "document": 30, "quote": 80, "answer": 60, "note": 60}


class _Table(NamedTuple):
    """Rows that are filled in and, where somebody has to review them, reviewed: number and cells by column."""

    rows: list[tuple[int, dict[str, str]]]
    left_out: int
    problems: list[Problem]


def read(path: Path) -> tuple[QuestionSet, list[Problem]]:
    """The questions of a sheet, and what is wrong with its rows. Blank rows are passed over."""
    table = _table(path, "question", "document")
    problems = table.problems
    questions: list[Question] = []
    seen: set[str] = set()
    for number, row in table.rows:
        question, found = _question(row, number, seen)
        problems += found
        questions += [question] if question is not None else []
    return QuestionSet(path.name, tuple(questions), table.left_out), problems


def asked(path: Path) -> tuple[list[tuple[str, list[str]]], list[Problem]]:
    """Questions with the documents that they name, if any, and what is wrong with the sheet: for who compares two rankings, to
    whom a question without an answer says something too."""
    table = _table(path, "question")
    found = [(row["question"], _parts(row.get("document", ""))) for _, row in table.rows if row.get("question")]
    if not found and not table.problems:
        return [], [Problem(None, "not_reviewed" if table.left_out else "no_rows")]
    return found, table.problems


def _table(path: Path, *needed: str) -> _Table:
    try:
        rows = _xlsx(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _csv(path)
    except (OSError, ValueError, KeyError, BadZipFile, csv.Error) as error:
        return _Table([], 0, [Problem(None, "unreadable", str(error))])
    if len(rows) > MAX_ROWS + 1:
        return _Table([], 0, [Problem(None, "too_many_rows", str(MAX_ROWS))])
    head = _place_of_header(rows, needed)
    columns, problems = _header(rows[head] if rows else (), needed, head + 1)
    found = _Table([], 0, problems)
    for number, cells in enumerate([] if problems else rows[head + 1 :], start=head + 2):
        row = {name: cells[i].strip() for name, i in columns.items() if i < len(cells)}
        if not any(row.values()):
            continue
        if "reviewed" in columns and row.get("reviewed", "").lower() not in _YES:
            found = found._replace(left_out=found.left_out + 1)
            continue
        found.rows.append((number, row))
    return found


def write(path: Path, rows: Sequence[Mapping[str, str]], language: UiLanguage) -> None:
    """A sheet of drafted questions for a reviewer; the columns are those that `rows` have."""
    names = [name for name in _TITLES if any(name in row for row in rows)] or list(_TITLES)
    titles = [_TITLES[name][0 if language == "ko" else 1] for name in names]
    body = [[row.get(name, "") for name in names] for row in rows]
    if path.suffix.lower() != ".xlsx":
        with path.open("w", encoding="utf-8-sig", newline="") as out:
            csv.writer(out).writerows([titles, *([_harmless(cell) for cell in row] for row in body)])
        return
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    page = book.active
    page.freeze_panes = "A2"
    for line, cells in enumerate([titles, *body], start=1):
        for column, value in enumerate(cells, start=1):
            cell = page.cell(line, column)
            cell.value, cell.data_type = _printable(value), "s"  # never a formula
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.font = Font(bold=line == 1)
    for column, name in enumerate(names, start=1):
        page.column_dimensions[get_column_letter(column)].width = _WIDTHS.get(name, 14)
    book.save(path)


def _printable(value: str) -> str:
    """Without the control characters that a workbook can't hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", value)


def _harmless(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value


def _place_of_header(rows: Sequence[Sequence[str]], needed: Sequence[str]) -> int:
    """Which of the first rows names the columns: of those that name the needed ones the one that names most, the first of them,
    since a title may read like a column. The first of all where none does, so that the message is about that one."""
    named = [_header(cells, needed)[0].keys() for cells in rows[:_ROWS_BEFORE]]
    fitting = [place for place, columns in enumerate(named) if set(needed) <= columns]
    return max(fitting, key=lambda place: len(named[place]), default=0)


def _header(cells: Sequence[str], needed: Sequence[str], row: int = 1) -> tuple[dict[str, int], list[Problem]]:
    columns: dict[str, int] = {}
    problems: list[Problem] = []
    for position, cell in enumerate(cells):
        name = _column(cell)
        if name in columns:
            problems.append(Problem(row, "column_twice", cell))
        elif name is not None:
            columns[name] = position
    if not problems and not set(needed) <= columns.keys():
        problems.append(Problem(row, "no_header"))
    return columns, problems


def _column(cell: str) -> str | None:
    """The column that a cell names; None for other texts."""
    return _NAMES.get(re.sub(r"[\W_]+", "", cell.lower()))


def _question(row: Mapping[str, str], number: int, seen: set[str]) -> tuple[Question | None, list[Problem]]:
    text, documents = row.get("question", ""), _parts(row.get("document", ""))
    problems = [Problem(number, "no_question")] if not text else []
    problems += [Problem(number, "no_document")] if not documents else []
    identity = row.get("id") or f"row-{number}"
    if identity in seen:
        problems.append(Problem(number, "id_twice", identity))
    seen.add(identity)
    places, quote = _parts(row.get("place", "")), row.get("quote", "")
    quote = quote[1:] if quote.startswith("'") and quote[1:].startswith(_FORMULA) else quote
    if quote and (len(documents) > 1 or len(places) > 1):
        problems.append(Problem(number, "quote_needs_one_document"))
    if len(documents) > 1 and places and len(places) != len(documents):
        problems.append(Problem(number, "places_do_not_fit", f"{len(places)} / {len(documents)}"))
    if problems:
        return None, problems
    if len(documents) == 1:
        expected = [Expected((documents[0],), place, quote) for place in places or [""]]
    else:
        expected = [
            Expected((name,), place) for name, place in zip(documents, places or [""] * len(documents), strict=True)
        ]
    answers = tuple(_lines(row.get("answer", "")))
    return Question(identity, text, tuple(expected), number, row.get("collection", ""), answers), []


def _lines(cell: str) -> list[str]:
    """Several wordings in one cell, one a line."""
    return [line.strip() for line in cell.split("\n") if line.strip()]


def _parts(cell: str) -> list[str]:
    """Several names or places in one cell, one a line or parted by semicolons."""
    return [part.strip() for part in re.split(r"[\n;]", cell) if part.strip()]


def _csv(path: Path) -> list[list[str]]:
    """Rows of a file in UTF-8, or in the code page that Korean Excel writes."""
    raw = path.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        body = raw.decode("utf-16")
    else:
        try:
            body = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            body = raw.decode("cp949")
    return [list(row) for row in csv.reader(io.StringIO(body, newline=""), delimiter=_delimiter(body))]


def _delimiter(body: str) -> str:
    """What parts the cells of the first line that names a column of questions; of the first line where none does."""
    lines = body.split("\n", _ROWS_BEFORE)[:_ROWS_BEFORE]
    named = (mark for line in lines for mark in ",\t;" if mark in line and "question" in map(_column, line.split(mark)))
    return next(named, max(",\t;", key=lines[0].count))


def _xlsx(path: Path) -> list[list[str]]:
    """Rows of the first sheet, as their cells read."""
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True, data_only=True)
    try:
        rows: list[list[str]] = []
        cells: Iterable[object]
        for cells in book.worksheets[0].iter_rows(values_only=True, max_row=MAX_ROWS + 2):
            rows.append(["" if cell is None else _shown(cell) for cell in cells])
        return rows
    finally:
        book.close()


def _shown(cell: object) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
