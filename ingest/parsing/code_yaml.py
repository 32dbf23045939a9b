"""YAML, by its indentation: the keys of the two outer levels of mappings.

tree-sitter's grammar for it is not used: its scanner writes beyond its buffer when sequences nest some hundred levels deep.
"""

from __future__ import annotations

import re

from ingest.parsing.code_text_outline import TextOutline
from rag.domain.code import CodeOutline, SymbolKind

_KEY = re.compile(r"( *)(\"[^\"\n]*\"|'[^'\n]*'|[^\s#\-?:,\[\]{}&*!|>'\"%@`][^#\n]*?|-[^\s#][^#\n]*?)\s*:(?=\s|$)")
_BLOCK = re.compile(r":\s*(?:[&!]\S+\s+)*[|>][+-]?\d*[+-]?\s*(?:#.*)?$")
_LEVELS = 2


def yaml_outline(text: str) -> CodeOutline:
    """The outline of a stream of documents."""
    reader = _Reader()
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        reader.take(number, line)
    reader.found.end_all(len(lines))
    return reader.found.outline()


class _Reader:
    """Goes through the lines of one file.

    `_levels` are the columns of the mappings that are open, `_items` that of the sequence around, `_literal` that of the key of
    a block of text; -1 where there is none.
    """

    def __init__(self) -> None:
        self.found = TextOutline("yaml")
        self._levels: list[int] = []
        self._comments: list[str] = []
        self._literal = self._items = -1

    def take(self, number: int, line: str) -> None:
        """The next line."""
        stripped = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if self._literal >= 0 and (not stripped or indent > self._literal):
            return
        self._literal = -1
        if not stripped or stripped.startswith("#"):
            self._comments = [*self._comments, stripped.lstrip("# ")] if stripped else []
            return
        if stripped in ("---", "..."):
            self.found.end_all(number - 1)
            self._levels, self._items = [], -1
        else:
            self._mapped(number, line, stripped, indent)
            self._literal = indent if _BLOCK.search(line) else -1
        self._comments = []

    def _mapped(self, number: int, line: str, stripped: str, indent: int) -> None:
        """A line with a key of a mapping, or an item of a sequence, in which keys are none of ours."""
        if stripped == "-" or stripped.startswith("- "):
            self._items = indent if self._items < 0 else min(self._items, indent)
        elif indent <= self._items:
            self._items = -1
        levels = self._levels
        while levels and indent < levels[-1]:
            levels.pop()
        key = _KEY.match(line) if self._items < 0 else None
        if key is None:
            return
        if (not levels or indent > levels[-1]) and len(levels) < _LEVELS:
            levels.append(indent)
        if levels[-1] == indent:
            first, doc = number - len(self._comments), "\n".join(self._comments)
            name = key[2].strip("\"'")
            self.found.begin(len(levels), SymbolKind.KEY, name, stripped, first, line=number, doc=doc)
