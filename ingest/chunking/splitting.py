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
_MAX_ROUNDS = 24


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
    """Cut by characters at each part's own tokens-per-character rate, then measure; what is still too long is cut again.

    Asking the tokenizer for the length of every candidate piece would cost more than embedding them.
    """
    spans, counts = [(0, len(text))], [tokens]
    for round_number in range(_MAX_ROUNDS):
        if max(counts) <= budget.limit:
            break
        share = 0.9 ** (round_number + 1)
        spans = [
            part
            for span, count in zip(spans, counts, strict=True)
            for part in _cut(text, span, count, budget.limit, share, separators, kind)
        ]
        counts = budget.count([text[start:end] for start, end in spans])
    return [_piece(text, anchors, kind, span, count) for span, count in zip(spans, counts, strict=True)]


def _cut(
    text: str,
    span: tuple[int, int],
    tokens: int,
    limit: int,
    share: float,
    separators: Sequence[str],
    kind: ElementKind,
) -> list[tuple[int, int]]:
    """Parts of the span `span`, which has `tokens` tokens, of about `share` of the limit each; it alone when it fits."""
    start, stop = span
    if tokens <= limit or stop - start <= 1:
        return [span]
    size = max(1, min(math.floor((stop - start) * limit / tokens * share), stop - start - 1))
    splitter = RecursiveCharacterTextSplitter(
        separators=list(separators),
        chunk_size=size,
        chunk_overlap=0,
        # A sentence's end belongs to the sentence; a definition's keyword to the definition.
        keep_separator="start" if kind is ElementKind.CODE else "end",
        strip_whitespace=False,
    )
    parts = []
    for part in splitter.split_text(text[start:stop]):
        # With white space kept and no overlap the parts follow one another; find guards against a splitter that drops some.
        begin = max(start, text.find(part, start, stop))
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
    """Groups of whole rows, under the repeated header where it leaves room; only a row longer than the budget is cut."""
    lines, anchors = element.text.split("\n"), line_anchors(element)
    heads = 2 if len(lines) > 2 and set(lines[1]) <= set("|-: ") else 1
    counts = budget.count(lines)
    head = sum(counts[:heads])
    above = list(range(heads)) if any(head + counts[row] <= budget.limit for row in range(heads, len(lines))) else []
    pieces: list[Piece] = []
    for group in _groups(counts, heads if above else 0, sum(counts[i] for i in above), budget.limit):
        rows = [*above, *group] if sum(counts[i] for i in [*above, *group]) <= budget.limit else group
        if len(rows) == 1 and counts[rows[0]] > budget.limit:
            row = rows[0]
            pieces += _split_text(lines[row], [anchors[row]], element.kind, counts[row], budget, separators)
        else:
            pieces.append(_rows(lines, anchors, rows, counts))
    return pieces


def _groups(counts: Sequence[int], first: int, head: int, limit: int) -> list[list[int]]:
    """Row numbers from `first` on in groups that fit under a header of `head` tokens; what does not fit stands alone."""
    groups: list[list[int]] = []
    used = 0
    for row in range(first, len(counts)):
        if groups and head + used + counts[row] <= limit:
            groups[-1].append(row)
            used += counts[row]
        else:
            groups.append([row])
            used = counts[row]
    return groups


def _rows(lines: Sequence[str], anchors: Sequence[Anchor], rows: Sequence[int], counts: Sequence[int]) -> Piece:
    text = "\n".join(lines[i] for i in rows)
    return Piece(text, tuple(anchors[i] for i in rows), ElementKind.TABLE, sum(counts[i] for i in rows))
