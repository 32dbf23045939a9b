"""Where a source file may be cut: its definitions inside one another, its statements by indentation, its lines by estimate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import numpy as np

from rag.domain.code import CodeOutline, Symbol, SymbolKind
from rag.text.plain import is_plain

_PIECES = re.compile(r"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")
_BLANK, _LETTER, _DIGIT, _MARK = range(4)
_KINDS = np.array(
    [
        _BLANK if char.isspace() else _LETTER if char.isalpha() else _DIGIT if char.isdigit() else _MARK
        for char in map(chr, range(128))
    ],
    np.uint8,
)
"""What `_PIECES` takes each character of ASCII for."""
_TOKENS_PER_PIECE = 1.25
"""The tokenizer of MiniLM takes 1.17 in the median of pieces of 800 characters of Python, at most 1.35 in 19 of 20."""
_BOUND = frozenset((SymbolKind.FIELD, SymbolKind.CONSTANT, SymbolKind.VARIABLE))
_FEW_LINES = 3
"""A field or constant of so many lines is a line of what is around it, not a part of its own."""
_CLOSES = re.compile(r"\s*(?:[)\]}]|(?:end|else|elif|elsif|except|finally|catch|fi|done|esac|then|rescue|ensure)\b)")
_TAB = 4
_DEEPEST = 30

Lines = tuple[int, int]
"""First and last line, from 0, both included."""


@dataclass(slots=True)
class Part:
    """Lines that belong together, with the definitions among them; without a symbol for the file as a whole."""

    first: int
    last: int
    symbol: Symbol | None = None
    parts: list[Part] = field(default_factory=list)

    def stretches(self) -> Iterator[Lines | Part]:
        """Its definitions and the lines between them, in order."""
        line = self.first
        for part in self.parts:
            if line < part.first:
                yield (line, part.first - 1)
            yield part
            line = part.last + 1
        if line <= self.last:
            yield (line, self.last)


def parts_of(outline: CodeOutline, begin: int, count: int) -> Part:
    """The definitions of a file whose text has `count` lines and begins on line `begin`, by where they stand in the text.

    Definitions that share a line are not told apart: the second begins below, or counts as part of the first.
    """
    root = Part(0, count - 1)
    open_parts = [root]
    for symbol in outline.symbols:
        first, last = max(0, symbol.first - begin), min(symbol.last - begin, count - 1)
        if symbol.kind in _BOUND and last - first < _FEW_LINES:
            continue
        while len(open_parts) > 1 and first > open_parts[-1].last:
            open_parts.pop()
        around = open_parts[-1]
        if around.parts:
            first = max(first, around.parts[-1].last + 1)
        last = min(last, around.last)
        if first > last or (around.symbol is not None and (first, last) == (around.first, around.last)):
            continue
        part = Part(first, last, symbol)
        around.parts.append(part)
        open_parts.append(part)
    return root


def _counted_at_once(text: str) -> list[int]:
    """How many of `_PIECES` each line of a plain text has, told from the kinds of its characters: a fifth of the time."""
    codes = np.frombuffer(text.encode("ascii"), np.uint8)
    kinds = _KINDS[codes]
    begins = kinds == _MARK
    begins[1:] |= (kinds[1:] != kinds[:-1]) & (kinds[1:] != _BLANK)
    begins[:1] |= kinds[:1] != _BLANK
    ends = np.append(np.flatnonzero(codes == ord("\n")), len(codes))
    sums = np.concatenate(([0], np.cumsum(begins)))[ends]
    counts: list[int] = np.diff(sums, prepend=0).tolist()
    return counts


class Layout:
    """The lines of a text with what they weigh."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        text = "\n".join(lines)
        counts = _counted_at_once(text) if is_plain(text) else [len(_PIECES.findall(line)) for line in lines]
        self._sums = [0.0, *accumulate([count * _TOKENS_PER_PIECE for count in counts])]

    def weight(self, first: int, last: int) -> float:
        """About how many tokens the lines have."""
        return self._sums[last + 1] - self._sums[first]

    def text(self, first: int, last: int) -> str:
        """The lines as they are."""
        return "\n".join(self.lines[first : last + 1])

    def trimmed(self, first: int, last: int) -> Lines | None:
        """Without empty lines at both ends; None when there are no others."""
        while first <= last and not self.lines[first].strip():
            first += 1
        while last >= first and not self.lines[last].strip():
            last -= 1
        return (first, last) if first <= last else None

    def indent(self, line: int) -> int:
        """Columns before its first character."""
        text = self.lines[line]
        blanks = text[: len(text) - len(text.lstrip(" \t"))]
        return len(blanks) + blanks.count("\t") * (_TAB - 1)

    def statements(self, first: int, last: int, limit: float) -> list[tuple[int, int, int]]:
        """Statements and blocks, each cut again where it is over `limit`: first line, last line, how deep the cut before is.

        A line that is over the limit stands alone. Indentation tells what belongs together: source code has it in every
        language, and where it lies, the cut is only less good.
        """
        done: list[tuple[int, int, int]] = []
        waiting = [(first, last, 0)]
        while waiting:
            begin, end, depth = waiting.pop()
            if self.weight(begin, end) <= limit or begin == end:
                done.append((begin, end, depth))
                continue
            starts = self._starts(begin, end) if depth < _DEEPEST else []
            if not starts:
                done += [(a, b, _DEEPEST) for a, b in self._filled(begin, end, limit)]
                continue
            bounds = [begin, *starts, end + 1]
            inner = [(a, b - 1, depth + 1) for a, b in pairwise(bounds)]
            inner[0] = (*inner[0][:2], depth)
            waiting += reversed(inner)
        return done

    def _starts(self, first: int, last: int) -> list[int]:
        """Lines after the first that begin something at the least indentation there is."""
        candidates = [
            (self.indent(line), line)
            for line in range(first + 1, last + 1)
            if self.lines[line].strip() and not _CLOSES.match(self.lines[line])
        ]
        least = min((indent for indent, _ in candidates), default=0)
        return [line for indent, line in candidates if indent == least]

    def _filled(self, first: int, last: int, limit: float) -> Iterator[Lines]:
        """Runs of lines under the limit."""
        begin = first
        for line in range(first + 1, last + 1):
            if self.weight(begin, line) > limit:
                yield begin, line - 1
                begin = line
        yield begin, last

    def halves(self, first: int, last: int) -> tuple[Lines, Lines]:
        """Two parts of more than one line, cut where the indentation is least around the middle."""
        quarter = max(0, (last - first) // 4)
        middle = range(first + max(1, quarter), last - quarter + 1)
        if not len(middle):
            middle = range(first + 1, last + 1)
        half = self.weight(first, last) / 2

        def badness(line: int) -> tuple[int, float]:
            closing = 100 if _CLOSES.match(self.lines[line]) or not self.lines[line].strip() else 0
            return self.indent(line) + closing, abs(self.weight(first, line - 1) - half)

        cut = min(middle, key=badness)
        return (first, cut - 1), (cut, last)
