"""Patterns on paths, in the syntax of `.gitignore`: the one that everybody who works with repositories knows.

They come from people and from files in repositories, so they are matched by RE2, in linear time: with Python's `re` the
pattern `a*a*a*…b` (14 stars) took nine seconds on one name of 30 characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

LONGEST = 500
"""Characters of one pattern."""
_TOGETHER = 100
"""Lines in one set of RE2, whose memory is bounded: 2,000 did not fit."""
_PROBE = "/\x01probe"
"""Means a path that there is none of."""
_SETS = re.compile(r"\[[^\]]*(?:\[|--|&&|~~|\|\|)")
"""Brackets that Python's `re` means to read otherwise some day, and warns of."""


class PathPatterns:
    """Patterns as lines of a `.gitignore`; a later one weighs more than an earlier one, `!` takes back.

    Raises:
        ValueError: a line is no pattern; says which.
    """

    def __init__(self, lines: Sequence[str], *, lenient: bool = False) -> None:
        """Compile the lines; `lenient` passes over what is no pattern without a word, as git does."""
        kept = [line for line in lines if not (lenient and _malformed(line))]
        groups = [kept[start : start + _TOGETHER] for start in range(0, len(kept), _TOGETHER)]
        self._last_first = [spec for group in reversed(groups) for spec in _compiled(group, lenient)]

    def matches(self, path: str) -> bool:
        """Whether a path (`src/login.py`), or a folder that it lies in, is meant."""
        return bool(self.verdict(path))

    def verdict(self, path: str) -> bool | None:
        """True when the path is meant, False when it is taken back, None when no pattern says anything of it."""
        for spec in self._last_first:
            found = spec.check_file(path).include
            if found is not None:
                return found
        return None


def problem_of(line: str) -> str:
    """Why a line is no pattern; empty when it is one (or blank, or a comment)."""
    try:
        PathPatterns([line])
    except ValueError as error:
        return str(error)
    return ""


def _malformed(line: str) -> str:
    """What is wrong with a line at first sight."""
    if len(line) > LONGEST or "\x00" in line or "\n" in line:
        return f"{line[:60]!r} is no pattern: one line of at most {LONGEST} characters is needed"
    return f"{line!r} is no pattern: nested brackets" if _SETS.search(line) else ""


def _compiled(lines: Sequence[str], lenient: bool) -> list[GitIgnoreSpec]:
    """The lines in as many sets as RE2's memory wants, the last first.

    Raises:
        ValueError: one is no pattern, or too much for a set of its own, unless that is passed over.
    """
    if problem := next(filter(None, map(_malformed, lines)), ""):
        raise ValueError(problem)
    try:
        spec = GitIgnoreSpec.from_lines([_PROBE, *lines], backend="re2")
        if not spec.match_file(_PROBE[1:]):  # a set that runs out of memory says that nothing matches
            raise ValueError("too large")
    except Exception as error:  # pathspec's, re's and RE2's own, which have no common class
        if len(lines) < 2:
            if lenient:
                return []
            raise ValueError(f"{lines[0]!r} is no pattern: {error}") from None
        half = len(lines) // 2
        return [*_compiled(lines[half:], lenient), *_compiled(lines[:half], lenient)]
    return [spec]
