"""Patterns on paths, in the syntax of `.gitignore`: the one that everybody who works with repositories knows.

They come from people and from files in repositories, so they are matched by RE2, in linear time: with Python's `re` the
pattern `a*a*a*…b` (14 stars) took nine seconds on one name of 30 characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pathspec import GitIgnoreSpec

LONGEST = 500
"""Characters of one pattern."""
_SETS = re.compile(r"\[[^\]]*(?:\[|--|&&|~~|\|\|)")
"""Brackets that Python's `re` means to read otherwise some day, and warns of."""


class PathPatterns:
    """Patterns as lines of a `.gitignore`; a later one weighs more than an earlier one, `!` takes back.

    Raises:
        ValueError: a line is no pattern; says which.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        for line in lines:
            if problem := problem_of(line):
                raise ValueError(problem)
        self._spec = _compiled(lines)

    def matches(self, path: str) -> bool:
        """Whether a path (`src/login.py`), or a folder that it lies in, is meant."""
        return bool(self._spec.match_file(path))

    def verdict(self, path: str) -> bool | None:
        """True when the path is meant, False when it is taken back, None when no pattern says anything of it."""
        return self._spec.check_file(path).include


def lenient(lines: Iterable[str]) -> PathPatterns:
    """The lines that are patterns; git passes over the others without a word too."""
    return PathPatterns([line for line in lines if not problem_of(line)])


def problem_of(line: str) -> str:
    """Why a line is no pattern; empty when it is one (or blank, or a comment)."""
    if len(line) > LONGEST or "\x00" in line or "\n" in line:
        return f"{line[:60]!r} is no pattern: one line of at most {LONGEST} characters is needed"
    if _SETS.search(line):
        return f"{line!r} is no pattern: nested brackets"
    try:
        _compiled([line])
    except Exception as error:  # pathspec's, re's and RE2's own, which have no common class
        return f"{line!r} is no pattern: {error}"
    return ""


def _compiled(lines: Sequence[str]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(lines, backend="re2")
