"""What an answer quotes of source code: the head of a definition (its comment, signature and documentation), and the lines that
matter. Always whole lines, never a sentence of a comment cut out of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from rag.domain.passage import Passage

TermsOf = Callable[[str], Mapping[str, float]]

WINDOW = 14
"""Lines that are quoted of a passage that is longer."""
_HEAD = 8
"""Lines of them that a head may take where what matters stands below it."""
_LEAST = 4
"""Lines of what matters elsewhere that are worth showing beside a whole definition."""
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|;|'|@|\*>)")
ENDS_HEAD = re.compile(r"[{:;]\s*(?:#.*|//.*|--.*|/\*.*)?$|\b(?:IS|AS|BEGIN|then|do)\s*$")
DOCSTRING = re.compile(r"\s*[rRuUbB]?(\"\"\"|''')")
_INSIDE = (" ", "\t", "}", ")", "]")
"""How a line begins that belongs to something begun above it."""

LineRange = tuple[int, int]
"""First line and the one after the last, from 0."""


def quoted_lines(passage: Passage, weights: Mapping[str, float], terms_of: TermsOf) -> list[LineRange]:
    """The lines to quote, in reading order, for a question whose terms weigh so: one range, or head and window."""
    lines = passage.chunk.text.split("\n")
    if len(lines) <= WINDOW:
        return [_trimmed(lines, 0, len(lines))]
    scores = [sum(weights[term] for term in terms_of(line).keys() & weights.keys()) for line in lines]
    head = _head(lines, _name(passage))
    if not head:
        return [_window(lines, scores, WINDOW)]
    if not any(scores[head:]):
        return [_trimmed(lines, 0, WINDOW)]  # the head tells all, so the lines after it come along
    below = _below(scores, head)
    first, last = _window(lines, below, WINDOW - head)
    block = _block(lines, head)
    if head < block <= WINDOW and sum(scores[:block]) >= sum(below[first:last]):
        head, below = block, _below(scores, block)  # what is asked about is this definition, and its body has room
        if WINDOW - head < _LEAST or not any(below):
            return [_trimmed(lines, 0, head)]
        first, last = _window(lines, below, WINDOW - head)
    return [_trimmed(lines, 0, max(head, last))] if first <= head + 1 else [_trimmed(lines, 0, head), (first, last)]


def _below(scores: Sequence[float], head: int) -> list[float]:
    """The scores without those of the head."""
    return [0.0 if number < head else score for number, score in enumerate(scores)]


def _block(lines: Sequence[str], head: int) -> int:
    """The line after the block that stands below a head, by its indentation, with what closes it."""
    signature = next((line for line in lines[:head] if line.strip() and not _COMMENT.match(line)), "")
    outside = len(signature) - len(signature.lstrip())
    for number in range(head, len(lines)):
        text = lines[number].strip()
        if text and len(lines[number]) - len(lines[number].lstrip()) <= outside:
            return number + 1 if text[0] in "})]" or text == "end" else number
    return len(lines)


def _name(passage: Passage) -> str:
    """The name of the definition that a passage is, or is a part of; empty where nothing is known of it."""
    code = passage.chunk.code
    return code.symbol.rpartition(".")[2] if code is not None and code.signature else ""


def _head(lines: Sequence[str], name: str) -> int:
    """How many lines the comment, signature and docstring of the definition of `name` take; 0 where it does not begin here, or
    its signature has no end in sight."""
    number = 0
    while number < len(lines) and (not lines[number].strip() or _COMMENT.match(lines[number])):
        number += 1
    for end in range(number, min(len(lines), number + _HEAD)):
        if ENDS_HEAD.search(lines[end]):
            if not name or not any(name in line for line in lines[number : end + 1]):
                return 0
            return min(_with_docstring(lines, end + 1), _HEAD)
    return 0


def _with_docstring(lines: Sequence[str], number: int) -> int:
    """The line after the docstring that begins at a line; the line itself where none does."""
    opened = DOCSTRING.match(lines[number]) if number < len(lines) else None
    if opened is None:
        return number
    if opened[1] in lines[number][opened.end() :]:
        return number + 1
    for end in range(number + 1, len(lines)):
        if opened[1] in lines[end]:
            return end + 1
    return number + 1


def _window(lines: Sequence[str], scores: Sequence[float], size: int) -> LineRange:
    """The run of lines that holds the most of the question's weight, from a line that begins something."""
    starts = range(len(lines) - size + 1)
    best = max(starts, key=lambda i: (sum(scores[i : i + size]) + _beginning(lines[i]), -i))
    return _trimmed(lines, best, best + size)


def _beginning(line: str) -> float:
    """What a window gains that begins with this line: most at a definition, least in the middle of something."""
    if re.match(r"\s*(def|class|@)", line):
        return 0.5
    return -0.5 if line[:1] in _INSIDE else 0.0


def _trimmed(lines: Sequence[str], first: int, last: int) -> LineRange:
    """Without blank lines around; one line is always left."""
    while first < last - 1 and not lines[first].strip():
        first += 1
    while last > first + 1 and not lines[last - 1].strip():
        last -= 1
    return first, last
