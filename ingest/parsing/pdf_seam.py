"""What the pages of one part of a document tell of the next ones, which another process reads.

A long scan is read by several children of the sandbox (`parts.py`). Without this, each would take its pages for a document of its
own: the level of a heading, the running lines and the head of a table that goes on would depend on where a part ends.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ingest.parsing.pdf_tables import FoundTable
from rag.domain.anchor import Box, PageAnchor

_MOST_HEIGHTS = 50
_MOST_CHAPTERS = 100
_MOST_CHARACTERS = 2_000
"""Of running lines, and of the head of a table: both go into one message to the zygote, escaped to six bytes a letter."""


@dataclass(slots=True)
class Seam:
    """It is read by the layout of a part, and changed for the next one.

    Attributes:
        heights: characters by the height of their line; the most frequent is that of the body.
        levels: of headings, by the height of their letters.
        chapters: levels by the number of a chapter.
        below_bookmark: a heading with a bookmark has begun.
        running: headers and footers, digits as `#`.
        numbering: printed page number minus counted one; None where pages have no number.
        table: the one that ended the last page; only its head and its columns are handed on.
        table_page: the page that it ended.
    """

    heights: Counter[float] = field(default_factory=Counter)
    levels: dict[float, int] = field(default_factory=dict)
    chapters: dict[str, int] = field(default_factory=dict)
    below_bookmark: bool = False
    running: set[str] = field(default_factory=set)
    numbering: int | None = None
    table: FoundTable | None = None
    table_page: int = 0

    @classmethod
    def read(cls, text: str) -> Self:
        """The inverse of `written`. What can't be read tells nothing: another child wrote it, which had read the file."""
        try:
            data = json.loads(text, parse_float=_finite, parse_constant=_finite) if text else {}
            return cls._of(data) if data else cls()
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError, RecursionError):
            return cls()

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            Counter({float(height): int(count) for height, count in data["heights"]}),
            {float(height): int(level) for height, level in data["levels"]},
            {str(number): int(level) for number, level in data["chapters"]},
            data["below_bookmark"] is True,
            {str(pattern) for pattern in data["running"]},
            None if data["numbering"] is None else int(data["numbering"]),
            None if data["table"] is None else _table_from_list(data["table"]),
            int(data["table_page"]),
        )

    def written(self) -> str:
        """As JSON, short enough for a message."""
        data = {
            "heights": self.heights.most_common(_MOST_HEIGHTS),
            "levels": list(self.levels.items()),
            "chapters": list(self.chapters.items())[-_MOST_CHAPTERS:],
            "below_bookmark": self.below_bookmark,
            "running": list(_within(sorted(self.running, key=len))),
            "numbering": self.numbering,
            "table": None if self.table is None else _table_to_list(self.table),
            "table_page": self.table_page,
        }
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))

    @property
    def body(self) -> float:
        """The height that most characters have."""
        return self.heights.most_common(1)[0][0] if self.heights else 10.0


def _finite(number: str) -> float:
    """JSON as Python reads it has `NaN` and `Infinity`, and `1e999` is one."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


def _within(texts: Iterable[str]) -> Iterable[str]:
    left = _MOST_CHARACTERS
    for text in texts:
        left -= len(text)
        if left < 0:
            return
        yield text


def _table_to_list(table: FoundTable) -> list[Any] | None:
    anchor = table.head_anchor
    if anchor is None or sum(map(len, table.head)) > _MOST_CHARACTERS:
        return None
    return [table.box, table.head, [anchor.page, anchor.last_page, anchor.boxes], table.columns, table.head_rows]


def _table_from_list(item: Any) -> FoundTable:
    box, head, (page, last_page, boxes), columns, head_rows = item
    anchor = PageAnchor(int(page), int(last_page), tuple((int(number), _box(sides)) for number, sides in boxes))
    edges = tuple((float(left), float(right)) for left, right in columns)
    return FoundTable(_box(box), tuple(str(cell) for cell in head), anchor, (), edges, int(head_rows))


def _box(sides: Any) -> Box:
    left, top, right, bottom = sides
    return float(left), float(top), float(right), float(bottom)
