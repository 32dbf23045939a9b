"""A line of a log as detection reads it: addresses escape their characters, and programs write texts as literals.

`%ED%99%8D900101` is a name with a number behind it, `%E2%80%8B` a blank of no width inside of one, `\\uff19` a digit: what was
escaped is undone, bytes of UTF-8 together and escapes of escapes too, and read as any text is. Findings keep the places of
the line as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rag.access.personal_data.readable import LEFT_OUT, Readable, plain_characters, readable

_ROUNDS = 3
"""Times that an escape is looked for in what escapes stood for: `%25ED` is `%ED`."""
_ESCAPE = re.compile(
    r"(?P<bytes>(?:%[0-9A-Fa-f]{2})+|(?:\\x[0-9A-Fa-f]{2})+)|\\u(?P<short>[0-9A-Fa-f]{4})|\\U(?P<long>000[0-9A-Fa-f]{5})"
    r"|\\(?P<blank>[nrt])"
)
_LONGEST_CHARACTER = 4
"""Bytes of a character in UTF-8."""
_Piece = tuple[str, int, int]
"""A character, and its start and end in the line."""


@dataclass(frozen=True, slots=True)
class EscapedLine:
    """Plain text, and where each of its characters stood.

    Attributes:
        spans: start and end of each character in the line as it was.
    """

    text: str
    spans: tuple[tuple[int, int], ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The line's characters behind `start`..`end` of `text`; escapes whole."""
        return self.spans[start][0], self.spans[end - 1][1]


def unescaped(line: str, *, plus_is_blank: bool = False) -> EscapedLine | Readable:
    """`line` with its escapes undone, without what nobody sees.

    Args:
        plus_is_blank: read `+` as the blank that it stands for in what a form sends.
    """
    if "%" not in line and "\\" not in line:  # most lines
        return readable(line.replace("+", " ") if plus_is_blank else line)
    pieces: list[_Piece] = [(character, place, place + 1) for place, character in enumerate(line)]
    for _ in range(_ROUNDS):
        text = "".join(character for character, _, _ in pieces)
        found = list(_ESCAPE.finditer(text))
        if not found:
            break
        pieces = list(_undone(pieces, found))
    plain = plain_characters("".join(character for character, _, _ in pieces))
    kept = [
        (" " if plus_is_blank and character == "+" else character, start, end)
        for character, (_, start, end) in zip(plain, pieces, strict=True)
        if not LEFT_OUT.match(character)
    ]
    return EscapedLine("".join(character for character, _, _ in kept), tuple((start, end) for _, start, end in kept))


def _undone(pieces: list[_Piece], found: Iterable[re.Match[str]]) -> Iterator[_Piece]:
    last = 0
    for escape in found:
        yield from pieces[last : escape.start()]
        last = escape.end()
        if escape["bytes"]:
            width = len(r"\x00") if escape["bytes"][0] == "\\" else len("%00")
            yield from _decoded(escape["bytes"], width, pieces[escape.start() : last])
            continue
        code = escape["short"] or escape["long"]
        character = chr(min(int(code, 16), 0x10FFFF)) if code else "\n" if escape["blank"] != "t" else " "
        yield character, pieces[escape.start()][1], pieces[last - 1][2]
    yield from pieces[last:]


def _decoded(escapes: str, width: int, pieces: list[_Piece]) -> Iterator[_Piece]:
    """The characters of a run of escaped bytes, of UTF-8 where they are that."""
    values = bytes(int(escapes[place + width - 2 : place + width], 16) for place in range(0, len(escapes), width))
    place = 0
    while place < len(values):
        taken, character = _first_of(values[place : place + _LONGEST_CHARACTER])
        yield character, pieces[place * width][1], pieces[(place + taken) * width - 1][2]
        place += taken


def _first_of(values: bytes) -> tuple[int, str]:
    """Bytes of the first character, and the character; one byte of what is no UTF-8."""
    for taken in range(1, len(values) + 1):
        try:
            return taken, values[:taken].decode()
        except UnicodeDecodeError:
            continue
    return 1, "\ufffd"
