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
    found = TextOutline("yaml")
    levels: list[int] = []
    literal = items = -1
    comments: list[str] = []
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if literal >= 0 and (not stripped or indent > literal):
            continue
        literal = -1
        if not stripped or stripped.startswith("#"):
            comments = [*comments, stripped.lstrip("# ")] if stripped else []
            continue
        first, doc, comments = number - len(comments), "\n".join(comments), []
        if stripped in ("---", "..."):
            found.end_all(number - 1)
            levels, items = [], -1
            continue
        while levels and indent < levels[-1]:
            levels.pop()
        if stripped == "-" or stripped.startswith("- "):
            items = indent if items < 0 else min(items, indent)
        elif indent <= items:
            items = -1
        if items < 0 and (key := _KEY.match(line)):
            if (not levels or indent > levels[-1]) and len(levels) < _LEVELS:
                levels.append(indent)
            if levels[-1] == indent:
                name = key[2].strip("\"'")
                found.begin(len(levels), SymbolKind.KEY, name, stripped, first, line=number, doc=doc)
        literal = indent if _BLOCK.search(line) else -1
    found.end_all(len(lines))
    return found.outline()
