"""JSON and JSON Lines as records: tables where the records are alike and short, lines of `path: value` otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import clean, one_line
from ingest.parsing.code import code_element
from ingest.parsing.csv import ROWS_PER_ELEMENT
from ingest.parsing.json_events import NotJson, Value, values
from ingest.parsing.tables import Row, table_element
from ingest.parsing.text import read_lines
from ingest.parsing.titles import usable_title
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

_CELL_CHARACTERS = 120
"""A longer value is prose, which a table would squeeze into one line."""

_MAX_COLUMNS = 30
_LINES_TOGETHER = 200
_TITLES = ("title", "name", "제목", "이름", "명칭")
SKIPPED_LINES = "damaged_lines"
"""Some lines of a JSON Lines file are no JSON; they are kept as they are."""


@dataclass
class _Record:
    """One item of the top-level array, one member of the top-level object, or one line of JSON Lines.

    Attributes:
        fields: path within the record, and the value with its line.
    """

    first: int
    last: int
    fields: list[tuple[str, Value]] = field(default_factory=list)

    @property
    def is_row(self) -> bool:
        """Whether it fits into a row of a table."""
        return 1 < len(self.fields) <= _MAX_COLUMNS and all(
            name and "[" not in name and len(value.text) <= _CELL_CHARACTERS and "\n" not in value.text
            for name, value in self.fields
        )


class JsonParser:
    """Values keep the line they stand on. What is no JSON after all, such as one with comments, is read as code."""

    name = "json/1"
    media_types = (media_types.JSON, media_types.JSONL)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type in self.media_types else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        try:
            if source.media_type == media_types.JSONL:
                records, damaged = _lines_records(lines)
                warnings += (SKIPPED_LINES,) * damaged
            else:
                records = _records(list(values("\n".join(lines))))
        except NotJson:
            return ParsedDocument(source.name, source.media_type, self.name, (code_element(lines),), warnings=warnings)
        elements = tuple(_elements(records))
        if not elements:
            raise NoTextFound(name=source.name)
        return ParsedDocument(_title(records), source.media_type, self.name, elements, warnings=warnings)


def _lines_records(lines: Sequence[str]) -> tuple[list[_Record], bool]:
    """A record a line; whether some lines were damaged.

    Raises:
        NotJson: no line is JSON.
    """
    records: list[_Record] = []
    damaged = good = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = list(values(line, number))
            good += 1
        except NotJson:
            found = [Value((), line, number)]
            damaged += 1
        records.append(_Record(number, number, [(path_text(value.path), value) for value in found if value.text]))
    if not good:
        raise NotJson
    return [record for record in records if record.fields], damaged > 0


def _records(found: Sequence[Value]) -> list[_Record]:
    """Values of one document by their first step: items of an array, members of an object.

    In an object whose only large member is an array, as in `{"count": 2, "items": […]}`, its items are the records.
    """
    depth = _record_depth(found)
    records: dict[tuple[str | int, ...], _Record] = {}
    for value in found:
        if not value.text:
            continue
        key = value.path[:depth]
        if not all(isinstance(step, int) for step in key[-1:]):
            key = value.path[:1]
        record = records.setdefault(key, _Record(value.line, value.line))
        record.last = max(record.last, value.line)
        # An item of a list is known by its place in the file; a member is known by its name.
        start = len(key) if key and isinstance(key[-1], int) else 0
        record.fields.append((path_text(value.path[start:]), value))
    return list(records.values())


def _record_depth(found: Sequence[Value]) -> int:
    """How many steps lead to a record: 1, or 2 where most values lie in arrays of the top-level object."""
    if not found or not found[-1].path or isinstance(found[0].path[:1][0] if found[0].path else 0, int):
        return 1
    inside = sum(len(value.path) > 2 and isinstance(value.path[1], int) for value in found)
    return 2 if inside * 2 > len(found) else 1


def path_text(path: Sequence[str | int]) -> str:
    """`a.b[0].c`, places from 0 as programs count them."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{one_line(step)[:200]}" for step in path)
    return text.removeprefix(".")


def _elements(records: Sequence[_Record]) -> Iterator[Element]:
    """Runs of alike records as tables, everything else as text."""
    start = 0
    while start < len(records):
        end = start
        while end < len(records) and records[end].is_row and end - start < ROWS_PER_ELEMENT:
            end += 1
        if end - start > 1 and (table := _table(records[start:end])):
            yield table
            start = end
            continue
        for record in records[start : max(end, start + 1)]:
            yield from _text_elements(record)
        start = max(end, start + 1)


def _table(records: Sequence[_Record]) -> Element | None:
    """A table of records; None when they have too little in common."""
    columns = list(dict.fromkeys(name for record in records for name, _ in record.fields))
    filled = sum(len(record.fields) for record in records)
    if len(columns) > _MAX_COLUMNS or filled * 2 < len(columns) * len(records):
        return None
    rows: list[Row] = [(tuple(columns), LineAnchor(records[0].first, records[0].last))]
    for record in records:
        cells = dict.fromkeys(columns, "")
        cells |= {name: clean(value.text) for name, value in record.fields}
        rows.append((tuple(cells.values()), LineAnchor(record.first, record.last)))
    return table_element(rows, LineAnchor(records[0].first, records[-1].last))


def _text_elements(record: _Record) -> Iterator[Element]:
    """`path: value`, a line each; a value of several lines keeps them."""
    for start in range(0, len(record.fields), _LINES_TOGETHER):
        lines: list[str] = []
        anchors: list[LineAnchor] = []
        for name, value in record.fields[start : start + _LINES_TOGETHER]:
            shown = [line.rstrip() for line in clean(value.text).strip("\n").split("\n")]
            label = f"{name}: " if name else ""
            lines += [label + shown[0], *shown[1:]]
            anchors += [LineAnchor(value.line, value.line)] * len(shown)
        if any(line.strip() for line in lines):
            yield Element(
                ElementKind.TEXT,
                "\n".join(lines),
                LineAnchor(anchors[0].first, anchors[-1].last),
                line_anchors=tuple(anchors),
            )


def _title(records: Sequence[_Record]) -> str:
    """The document's own `title` or `name`; a list of records has none."""
    for record in records[:20]:
        for name, value in record.fields:
            if len(value.path) == 1 and name.lower() in _TITLES:
                return usable_title(value.text[:300])
    return ""
