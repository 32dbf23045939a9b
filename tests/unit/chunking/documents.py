"""Parsed documents whose line anchors say which line it is, and a budget that counts words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count

from ingest.chunking.base import Budget, TokenCounter
from rag.domain.anchor import Anchor, LineAnchor
from rag.domain.document import Chunk, Element, ElementKind, ParsedDocument
from rag.domain.language import Language

Block = tuple[ElementKind, int, str]
"""Kind, level, text."""


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def count_characters(texts: Sequence[str]) -> list[int]:
    return [len("".join(text.split())) for text in texts]


class Limit:
    """The same budget for every language."""

    def __init__(self, limit: int, counter: TokenCounter = count_words) -> None:
        self._budget = Budget(limit, counter)

    def __call__(self, language: Language, /) -> Budget:
        return self._budget


def document(*blocks: Block, title: str = "") -> ParsedDocument:
    """A document of these blocks, one after the other; every line has an anchor of its own."""
    elements: list[Element] = []
    line = 1
    for kind, level, text in blocks:
        lines = [LineAnchor(number, number) for number in range(line, line + text.count("\n") + 1)]
        elements.append(Element(kind, text, LineAnchor(line, lines[-1].last), level, tuple(lines)))
        line += len(lines)
    return ParsedDocument(title, "text/plain", "test/1", tuple(elements))


def source_lines(parsed: ParsedDocument) -> dict[int, str]:
    """The text of every line, by its number."""
    texts = (line for element in parsed.elements for line in element.text.split("\n"))
    return dict(enumerate(texts, start=1))


def misplaced_lines(parsed: ParsedDocument, chunks: Sequence[Chunk]) -> list[tuple[str, Anchor]]:
    """Lines of chunks whose anchor is not the one line that holds their words; empty when all is well."""
    source, wrong = source_lines(parsed), []
    for chunk in chunks:
        start = 0
        for line in chunk.text.split("\n"):
            end = start + len(line)
            anchor = chunk.anchor_of(start, max(end, start + 1))
            if line.strip() and not _holds(source, anchor, line):
                wrong.append((line, anchor))
            start = end + 1
    return wrong


def _holds(source: dict[int, str], anchor: Anchor, line: str) -> bool:
    if not isinstance(anchor, LineAnchor) or anchor.first != anchor.last:
        return False
    return set(line.split()) <= set(source[anchor.first].split())


def numbered(blocks: Sequence[Block]) -> list[Block]:
    """The blocks with a number on every word, so that none occurs twice."""
    numbers = count()
    return [
        (kind, level, re.sub(r"[^\s|-]+", lambda word: f"{word[0]}{next(numbers)}", text))
        for kind, level, text in blocks
    ]


def heading(level: int, text: str) -> Block:
    return (ElementKind.HEADING, level, text)


def prose(text: str) -> Block:
    return (ElementKind.TEXT, 0, text)


def code(text: str) -> Block:
    return (ElementKind.CODE, 0, text)


def table(*rows: Sequence[str]) -> Block:
    """A Markdown table; the first row is its header."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return (ElementKind.TABLE, 0, "\n".join([lines[0], "| " + " | ".join(["---"] * len(rows[0])) + " |", *lines[1:]]))
