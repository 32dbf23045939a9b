"""A line of a log as detection reads it: addresses escape their characters, and programs write texts as literals.

`%ED%99%8D900101` is a name with a number behind it, `%E2%80%8B` a blank of no width inside of one, `\\uff19` a digit: what was
escaped is undone, bytes of UTF-8 together and escapes of escapes too, and read as any text is. How often a line was escaped it
does not say, and a `%` may be one: `LIKE '%900101-1234567'` escapes nothing, so each depth is a reading of its own. Findings keep
the places of the line as it was.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from rag.access.personal_data.readable import Readable, readable

_MOST_ROUNDS = 3
"""Times that an escape is looked for in what escapes stood for: `%25ED` is `%ED`."""
_SHORT_ESCAPES = r"\\u(?P<short>[0-9A-Fa-f]{4})|\\U(?P<long>000[0-9A-Fa-f]{5})|\\(?P<blank>[nrt])"
_LITERAL = re.compile(rf"(?P<bytes>(?:\\x[0-9A-Fa-f]{{2}})+)|{_SHORT_ESCAPES}")
_ESCAPE = re.compile(rf"(?P<bytes>(?:%[0-9A-Fa-f]{{2}})+|(?:\\x[0-9A-Fa-f]{{2}})+)|{_SHORT_ESCAPES}")
_LONGEST_CHARACTER = 4
"""Bytes of a character in UTF-8."""


@dataclass(frozen=True, slots=True)
class _Round:
    """Where a text with its escapes undone once differs from the one before.

    Attributes:
        places: in the new text, of each character that was escaped, in order.
        starts, ends: of its escape in the text before.
    """

    places: list[int]
    starts: list[int]
    ends: list[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters before the round behind `start`..`end` of those after it; escapes whole."""
        return self._of(start)[0], self._of(end - 1)[1]

    def _of(self, place: int) -> tuple[int, int]:
        found = bisect_right(self.places, place) - 1
        if found < 0:
            return place, place + 1
        behind = self.ends[found] + place - self.places[found]
        return (self.starts[found], behind) if place == self.places[found] else (behind - 1, behind)


@dataclass(frozen=True, slots=True)
class EscapedLine:
    """A line with its escapes undone, as detection reads it.

    Attributes:
        read: what is left when all rounds are undone.
        rounds: what was undone, the first one first.
    """

    read: Readable
    rounds: tuple[_Round, ...] = ()

    @property
    def text(self) -> str:
        """Plain text, without what nobody sees."""
        return self.read.text

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The line's characters behind `start`..`end` of `text`; escapes whole."""
        start, end = self.read.span(start, end)
        for undone in reversed(self.rounds):
            start, end = undone.span(start, end)
        return start, end


def unescaped(
    line: str, *, rounds: int = _MOST_ROUNDS, per_cent: bool = True, plus_is_blank: bool = False
) -> EscapedLine:
    """`line` with its escapes undone, without what nobody sees.

    Args:
        rounds: times that they are undone; 0 reads the line as it stands.
        per_cent: whether `%` escapes too, or only what literals of programs escape with.
        plus_is_blank: read `+` as the blank that it stands for in what a form sends.
    """
    line, done = _without_escapes(line, rounds, per_cent=per_cent)
    read = readable(line)
    if plus_is_blank:
        read = Readable(read.text.replace("+", " "), read.starts, read.shifts)
    return EscapedLine(read, tuple(done))


def depth(line: str, *, per_cent: bool) -> int:
    """How many times escapes of `line` can be undone, up to three."""
    return len(_without_escapes(line, _MOST_ROUNDS, per_cent=per_cent)[1])


def _without_escapes(line: str, rounds: int, *, per_cent: bool) -> tuple[str, list[_Round]]:
    done: list[_Round] = []
    while len(done) < rounds and ("\\" in line or (per_cent and "%" in line)):
        line, undone = _undone(line, _ESCAPE if per_cent else _LITERAL)
        if not undone.places:
            break
        done.append(undone)
    return line, done


def _undone(text: str, escapes: re.Pattern[str]) -> tuple[str, _Round]:
    """`text` with its escapes undone once."""
    parts: list[str] = []
    undone = _Round([], [], [])
    last = length = 0
    for escape in escapes.finditer(text):
        plain = text[last : escape.start()]
        last = escape.end()
        parts.append(plain)
        length += len(plain)
        for character, start, end in _characters(escape):
            parts.append(character)
            undone.places.append(length)
            undone.starts.append(start)
            undone.ends.append(end)
            length += 1
    parts.append(text[last:])
    return "".join(parts), undone


def _characters(escape: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """What the escapes that stand together mean: each character with its start and end in the text."""
    if escape["bytes"]:
        yield from _decoded(escape["bytes"], escape.start())
        return
    code = escape["short"] or escape["long"]
    character = chr(min(int(code, 16), 0x10FFFF)) if code else "\n" if escape["blank"] != "t" else " "
    yield character, *escape.span()


def _decoded(escapes: str, start: int) -> Iterator[tuple[str, int, int]]:
    """The characters of a run of escaped bytes, of UTF-8 where they are that."""
    sign = r"\x" if escapes[0] == "\\" else "%"
    width = len(sign) + 2
    values = bytes.fromhex(escapes.replace(sign, ""))
    place = 0
    while place < len(values):
        taken, character = _first_of(values[place : place + _LONGEST_CHARACTER])
        yield character, start + place * width, start + (place + taken) * width
        place += taken


def _first_of(values: bytes) -> tuple[int, str]:
    """Bytes of the first character, and the character; one byte of what is no UTF-8."""
    if values[0] < 0x80:
        return 1, chr(values[0])
    for taken in range(2, len(values) + 1):
        try:
            return taken, values[:taken].decode()
        except UnicodeDecodeError:
            continue
    return 1, "\ufffd"
