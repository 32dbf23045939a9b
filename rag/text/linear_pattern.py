"""Regular expressions that people give us, run by RE2: in linear time, whatever they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rag.domain.errors import PatternRefused

MAX_PATTERN = 1000
"""Characters of a pattern."""
_MOST_MEMORY = 8 << 20
"""Bytes of a compiled pattern with its states; beyond, RE2 refuses it."""
_LEAST_LITERAL = 2
_IGNORES_CASE = re.compile(r"\(\?[a-zA-Z]*i")
_SPANS_LINES = re.compile(r"(?<!\\)(?:\\\\)*(?:\\n|\\x0[aA]|\n|\(\?[a-zA-Z]*s)")
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_FLAGS = re.compile(r"\?(?:P?<\w+>|[a-zA-Z]*(?:-[a-zA-Z]+)?:)")
_FLAGS_ALONE = re.compile(r"\(\?[a-zA-Z]*(?:-[a-zA-Z]+)?\)")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LinearPattern:
    """A compiled pattern. Thread-safe.

    Attributes:
        spans_lines: whether a match may go over several lines: the pattern says `\\n` or `(?s)`.
        ignores_case: whether letters match in either case, in a part of it at least.
        literals: a text that it matches holds at least one of these (in any case, where it ignores that); empty where nothing
            is known.
    """

    pattern: str
    spans_lines: bool
    ignores_case: bool
    literals: tuple[str, ...]
    _compiled: Any

    @classmethod
    def of(cls, pattern: str, *, ignore_case: bool = False) -> LinearPattern:
        """The pattern, ready to run. `^` and `$` stand at the ends of lines.

        Raises:
            PatternRefused: it is too long, no pattern of RE2, or needs too much memory.
        """
        import re2

        if not 0 < len(pattern) <= MAX_PATTERN:
            raise PatternRefused(
                detail=f"1 to {MAX_PATTERN} characters are allowed", detail_ko=f"1~{MAX_PATTERN}자여야 합니다"
            )
        spans = _SPANS_LINES.search(pattern) is not None
        options = re2.Options()
        options.max_mem, options.log_errors = _MOST_MEMORY, False
        options.case_sensitive, options.never_nl = not ignore_case, not spans
        try:
            compiled = re2.compile(f"(?m:{pattern})", options)
        except re2.error as error:
            raise PatternRefused(detail=_said(error), detail_ko=f"RE2 패턴이 아닙니다: {_said(error)}") from error
        ignores = ignore_case or _IGNORES_CASE.search(pattern) is not None
        return cls(pattern, spans, ignores, required_literals(pattern, ignores), compiled)

    @staticmethod
    def literal(text: str) -> str:
        """A pattern that matches exactly `text`."""
        return re.sub(r"([^\w/-]|_)", lambda found: "\\" + found[0] if found[0].isascii() else found[0], text)

    @property
    def matches_empty(self) -> bool:
        """Whether the empty text matches: then every place does."""
        return self._compiled.fullmatch("") is not None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each match that is not empty, in order."""
        for found in self._compiled.finditer(text):
            start, end = found.span()
            if end > start:
                yield start, end

    def holds(self, text: str) -> bool:
        """Whether all of `text` matches."""
        return self._compiled.fullmatch(text) is not None


def _said(error: Exception) -> str:
    given = error.args[0] if error.args else error
    return (given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given))[:200]


def required_literals(pattern: str, ignores_case: bool) -> tuple[str, ...]:
    """Texts of which every match holds at least one; empty where that can't be told without running it.

    It reads what is certain and gives up on anything else: nothing may be lost by it.
    """
    if "\\Q" in pattern or "\\C" in pattern:
        return ()
    try:
        found, end = _alternatives(pattern, 0, ignores_case)
    except IndexError:
        return ()
    return found if end == len(pattern) else ()


def _alternatives(pattern: str, place: int, fold: bool) -> tuple[tuple[str, ...], int]:
    """Of `a|b|c` up to its end: the literals of all, or none when one has none."""
    parts: list[tuple[str, ...]] = []
    while True:
        found, place = _sequence(pattern, place, fold)
        parts.append(found)
        if place < len(pattern) and pattern[place] == "|":
            place += 1
            continue
        known = all(parts)
        return (tuple(dict.fromkeys(item for part in parts for item in part)) if known else ()), place


def _sequence(pattern: str, place: int, fold: bool) -> tuple[tuple[str, ...], int]:
    """Of one alternative: its longest run of plain characters, or the best of its groups."""
    best: tuple[str, ...] = ()
    run = ""
    while place < len(pattern) and pattern[place] not in "|)":
        atom, group, place = _atom(pattern, place, fold)
        least, once, place = _repeated(pattern, place)
        if least and atom:
            run += atom
        if not (least and atom) or not once:  # what follows a repetition does not follow its first round
            best, run = _better(best, (run,)), (atom if least and atom and not once else "")
        if least and group:
            best = _better(best, group)
    return _better(best, (run,)), place


def _atom(pattern: str, place: int, fold: bool) -> tuple[str, tuple[str, ...], int]:
    """One character as it is (empty when it is not certain), the literals of a group, and where it ends."""
    sign = pattern[place]
    if sign == "(":
        if alone := _FLAGS_ALONE.match(pattern, place):
            return "", (), alone.end()
        head = _FLAGS.match(pattern, place + 1)
        group, end = _alternatives(pattern, head.end() if head else place + 1, fold)
        if pattern[end] != ")":
            raise IndexError
        return "", group, end + 1
    if sign == "[":
        found = _CLASS.match(pattern, place)
        if found is None:
            raise IndexError
        return "", (), found.end()
    if sign == "\\":
        escaped = pattern[place + 1]
        if escaped.isalnum():
            if escaped in "pPx0123456789" and escaped not in "dD":
                raise IndexError  # `\pL`, `\x{41}`, `\101`: their length is not worth reading
            return "", (), place + 2
        return _certain(escaped, fold), (), place + 2
    if sign in ".^$":
        return "", (), place + 1
    return _certain(sign, fold), (), place + 1


def _certain(character: str, fold: bool) -> str:
    """The character, unless its case is open and more than two characters are the same letter then (`k`, `s`), or it isn't
    ASCII."""
    if character == "\n" or (fold and (character in "kKsS" or not character.isascii())):
        return ""
    return character


def _repeated(pattern: str, place: int) -> tuple[bool, bool, int]:
    """Whether what stands before occurs at all, whether exactly once, and where its quantifiers end."""
    least, once = True, True
    while place < len(pattern):
        if pattern[place] in "*?+":
            if pattern[place] != "+":
                least = False
            once = False
            place += 1
        elif found := _REPEAT.match(pattern, place):
            least, once = least and int(found[1]) > 0, False
            place = found.end()
        else:
            break
    return least, once, place


def _better(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Which of two rules out more: the one whose shortest literal is longer."""
    usable = [item for item in (one, other) if item and min(map(len, item)) >= _LEAST_LITERAL]
    return max(usable, key=lambda item: (min(map(len, item)), -len(item)), default=())
