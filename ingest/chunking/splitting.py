"""Cutting one element that is longer than the budget, langchain-text-splitters underneath."""

from __future__ import annotations

import math
from collections.abc import Sequence

from langchain_text_splitters import Language as SyntaxName
from langchain_text_splitters import RecursiveCharacterTextSplitter

from ingest.chunking.base import Budget, Piece
from rag.domain.anchor import Anchor
from rag.domain.document import Element, ElementKind

_PROSE = ("\n\n", "\n", "다. ", "요. ", ". ", "? ", "! ", "; ", ", ", " ", "")
_SYNTAX: dict[str, SyntaxName] = {
    "py": SyntaxName.PYTHON, "pyi": SyntaxName.PYTHON, "js": SyntaxName.JS, "mjs": SyntaxName.JS, "jsx": SyntaxName.JS,
    "ts": SyntaxName.TS, "tsx": SyntaxName.TS, "java": SyntaxName.JAVA, "kt": SyntaxName.KOTLIN, "go": SyntaxName.GO,
    "rs": SyntaxName.RUST, "c": SyntaxName.C, "h": SyntaxName.C, "cc": SyntaxName.CPP, "cpp": SyntaxName.CPP,
    "hpp": SyntaxName.CPP, "cs": SyntaxName.CSHARP, "php": SyntaxName.PHP, "rb": SyntaxName.RUBY,
    "scala": SyntaxName.SCALA, "swift": SyntaxName.SWIFT, "lua": SyntaxName.LUA, "proto": SyntaxName.PROTO,
    "cob": SyntaxName.COBOL, "cbl": SyntaxName.COBOL, "ps1": SyntaxName.POWERSHELL, "html": SyntaxName.HTML,
}  # fmt: skip
_MAX_ROUNDS = 6


def separators_for(kind: ElementKind, source_key: str) -> Sequence[str]:
    """Where to cut, best place first: syntax for code of a known language, sentence ends for prose."""
    syntax = _SYNTAX.get(source_key.rpartition(".")[2].lower()) if kind is ElementKind.CODE else None
    if syntax is None:
        return _PROSE if kind is not ElementKind.CODE else ("\n\n", "\n", " ", "")
    return RecursiveCharacterTextSplitter.get_separators_for_language(syntax)


def split_element(element: Element, tokens: int, budget: Budget, separators: Sequence[str]) -> list[Piece]:
    """Pieces of `element` (which has `tokens` tokens), each within the budget, together its whole text."""
    if tokens <= budget.limit:
        return [Piece(element.text, line_anchors(element), element.kind, tokens)]
    if element.kind is ElementKind.TABLE:
        return _split_table(element, budget, separators)
    return _split_text(element.text, line_anchors(element), element.kind, tokens, budget, separators)


def line_anchors(element: Element) -> tuple[Anchor, ...]:
    """One anchor per line of the element's text."""
    lines = element.text.count("\n") + 1
    return element.line_anchors if len(element.line_anchors) == lines else (element.anchor,) * lines


def _split_text(
    text: str, anchors: Sequence[Anchor], kind: ElementKind, tokens: int, budget: Budget, separators: Sequence[str]
) -> list[Piece]:
    """Cut by characters at the text's own tokens-per-character rate, then measure; what is still too long is cut again.

    Asking the tokenizer for the length of every candidate piece would cost more than embedding them.
    """
    spans, rate = [(0, len(text))], tokens / max(1, len(text))
    counts = [tokens]
    for round_number in range(_MAX_ROUNDS):
        if max(counts) <= budget.limit:
            break
        size = max(1, math.floor(budget.limit / rate * 0.9 ** (round_number + 1)))
        spans = [
            part
            for span, n in zip(spans, counts, strict=True)
            for part in _cut(text, span, n, budget, size, separators)
        ]
        counts = budget.count([text[start:end] for start, end in spans])
    return [_piece(text, anchors, kind, span, n) for span, n in zip(spans, counts, strict=True)]


def _cut(
    text: str, span: tuple[int, int], tokens: int, budget: Budget, size: int, separators: Sequence[str]
) -> list[tuple[int, int]]:
    if tokens <= budget.limit:
        return [span]
    splitter = RecursiveCharacterTextSplitter(
        separators=list(separators), chunk_size=size, chunk_overlap=0, keep_separator="end", strip_whitespace=False
    )
    parts, start = [], span[0]
    for part in splitter.split_text(text[span[0] : span[1]]):
        # The splitter drops nothing but may repeat separators' white space: find keeps the offsets exact.
        found = text.find(part, start, span[1])
        begin = found if found >= 0 else start
        parts.append((begin, begin + len(part)))
        start = begin + len(part)
    return parts


def _piece(text: str, anchors: Sequence[Anchor], kind: ElementKind, span: tuple[int, int], tokens: int) -> Piece:
    start, end = span
    part = text[start:end]
    lead = len(part) - len(part.lstrip("\n"))
    body = part.strip("\n")
    first = text.count("\n", 0, start + lead)
    return Piece(body, tuple(anchors[first : first + body.count("\n") + 1]), kind, tokens)


def _split_table(element: Element, budget: Budget, separators: Sequence[str]) -> list[Piece]:
    """Groups of whole rows, each under the repeated header; only a row longer than the budget is cut."""
    lines, anchors = element.text.split("\n"), line_anchors(element)
    heads = 2 if len(lines) > 2 and set(lines[1]) <= set("|-: ") else 1
    counts = budget.count(lines)
    head_tokens = sum(counts[:heads])
    if head_tokens > budget.limit // 2:
        return _split_text(element.text, anchors, element.kind, sum(counts), budget, separators)
    pieces: list[Piece] = []
    group: list[int] = []
    for row in range(heads, len(lines)):
        if group and head_tokens + sum(counts[i] for i in group) + counts[row] > budget.limit:
            pieces.append(_rows(lines, anchors, heads, group, counts))
            group = []
        if head_tokens + counts[row] > budget.limit:
            pieces.extend(_split_text(lines[row], [anchors[row]], element.kind, counts[row], budget, separators))
            continue
        group.append(row)
    return [*pieces, _rows(lines, anchors, heads, group, counts)] if group else pieces


def _rows(
    lines: Sequence[str], anchors: Sequence[Anchor], heads: int, rows: Sequence[int], counts: Sequence[int]
) -> Piece:
    chosen = [*range(heads), *rows]
    text = "\n".join(lines[i] for i in chosen)
    return Piece(text, tuple(anchors[i] for i in chosen), ElementKind.TABLE, sum(counts[i] for i in chosen))
