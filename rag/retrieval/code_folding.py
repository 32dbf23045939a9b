"""Files cut down to what a task needs: bodies of other definitions become one line that says which lines stood there.

Pure functions on lines and definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rag.domain.code import SymbolKind
from rag.store.code_query import SymbolRow

_LEAST = 4
"""Lines of a body below which folding saves nothing."""
_HEAD = 12
"""Lines that a head may go over."""
_WITH_BODY = {SymbolKind.FUNCTION, SymbolKind.METHOD, SymbolKind.PROCEDURE}
_CONTAINING = {
    SymbolKind.CLASS, SymbolKind.INTERFACE, SymbolKind.STRUCT, SymbolKind.ENUM, SymbolKind.TRAIT, SymbolKind.MODULE
}  # fmt: skip
_CLOSING = frozenset("}]);,")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Folded:
    """A file as it is shown.

    Attributes:
        text: its lines, and `… lines 40–88` where some are left out.
        shown, left_out: spans of lines, counted from 1.
    """

    text: str
    shown: tuple[Span, ...]
    left_out: tuple[Span, ...]


def folded(lines: Mapping[int, str], spans: Sequence[Span]) -> Folded:
    """The lines of a file without these spans, and without those that were not read."""
    hidden = {number for first, last in spans for number in range(first, last + 1)}
    last = max(lines, default=0)
    out: list[str] = []
    shown: list[Span] = []
    left_out: list[Span] = []
    number = 1
    while number <= last:
        end = number
        visible = number in lines and number not in hidden
        while end < last and (end + 1 in lines and end + 1 not in hidden) == visible:
            end += 1
        if visible:
            out += [lines[place] for place in range(number, end + 1)]
            shown.append((number, end))
        else:
            out.append(f"{_indent(lines, number)}… {_span(number, end)}")
            left_out.append((number, end))
        number = end + 1
    return Folded("\n".join(out), tuple(shown), tuple(left_out))


def foldable(lines: Mapping[int, str], rows: Sequence[SymbolRow], needed: Callable[[SymbolRow], bool]) -> list[Span]:
    """Bodies of definitions that are not needed, each without its head; what holds something needed is looked into."""
    spans: list[Span] = []
    open_rows = [row for row in rows if row.kind in _WITH_BODY or row.kind in _CONTAINING]
    for row in sorted(open_rows, key=lambda item: (item.first, -item.last)):
        if any(first <= row.first and row.last <= last for first, last in spans):
            continue  # inside of one that is folded
        inner = [item for item in open_rows if item is not row and row.first <= item.first and item.last <= row.last]
        if needed(row) or (inner and row.kind in _CONTAINING) or any(needed(item) for item in inner):
            continue
        span = _body(lines, row)
        if span is not None:
            spans.append(span)
    return spans


def _body(lines: Mapping[int, str], row: SymbolRow) -> Span | None:
    """The lines of a definition behind its head, without a closing bracket."""
    first = _head_end(lines, row) + 1
    last = row.last
    closing = lines.get(last, "").strip()
    if closing == "end" or (closing and set(closing) <= _CLOSING):
        last -= 1
    return (first, last) if last - first + 1 >= _LEAST else None


def _head_end(lines: Mapping[int, str], row: SymbolRow) -> int:
    """The last line of a definition's head: where the brackets behind its name are closed again."""
    start = next((number for number in range(row.first, row.last + 1) if row.name in lines.get(number, "")), row.first)
    depth = 0
    for number in range(start, min(row.last, start + _HEAD) + 1):
        for sign in lines.get(number, ""):
            depth += (sign in "([") - (sign in ")]")
        if depth <= 0:
            return number
    return start


def _indent(lines: Mapping[int, str], number: int) -> str:
    """White space before a line that is left out, or before the nearest that has any text."""
    for place in (number, number + 1, number - 1):
        text = lines.get(place, "")
        if text.strip():
            return text[: len(text) - len(text.lstrip())]
    return ""


def _span(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}–{last}"
