"""Whether any of many patterns may match in a text: one pass of RE2 over it, in place of many of `re`.

The sieve is made from the patterns themselves, each as one that matches whatever it does, and more: without looking around,
without borders of words and lines, with open repetitions. What it lets through is read with the patterns; most texts it does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_MEMORY = 64 << 20
"""Bytes that the states of the sieve may take; beyond, RE2 goes on without them, slower."""
_REPEAT = re.compile(r"\{(\d+),\d*\}")
_LETTERS = r"\w\x{80}-\x{10ffff}"
"""`\\w` of RE2 is ASCII's alone."""


def sieve_of(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether one of these patterns may match somewhere in a text, as `clean_characters` leaves it."""
    return seeker_of("|".join(f"(?:{widened(pattern)})" for pattern in patterns))


def seeker_of(pattern: str) -> Callable[[str], bool]:
    """Whether a pattern of RE2 matches somewhere in a text, as it is."""
    import re2

    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = _MEMORY, False, True
    found = re2.compile(pattern.encode(), options).search
    return lambda text: found(text.encode("utf-8", "replace")) is not None


def widened(pattern: str) -> str:
    """A pattern of RE2 that matches wherever `pattern` does.

    It knows what the rules are written with, and no more: groups, classes, `\\b`, `^`, `$`, looking ahead, repetitions.
    """
    parts: list[str] = []
    place, in_class = 0, False
    while place < len(pattern):
        two = pattern[place : place + 2]
        if not in_class and pattern.startswith(("(?=", "(?!"), place):
            place = _end_of_group(pattern, place)
        elif not in_class and two[0] in "^$":
            place += 1  # whoever asks a part of a text has borders of lines that the whole has not
        elif two in (r"\w", r"\b"):
            parts.append("" if two == r"\b" else _LETTERS if in_class else f"[{_LETTERS}]")
            place += 2
        elif two[0] == "\\":
            parts.append(two)
            place += 2
        elif not in_class and (found := _REPEAT.match(pattern, place)):
            parts.append("+" if int(found[1]) else "*")
            place = found.end()
        else:
            in_class = (in_class or two[0] == "[") and two[0] != "]"
            parts.append(two[0])
            place += 1
    return "".join(parts)


def _end_of_group(pattern: str, place: int) -> int:
    depth = 0
    while True:
        sign = pattern[place]
        depth += (sign == "(") - (sign == ")")
        place += 2 if sign == "\\" else 1
        if not depth:
            return place
