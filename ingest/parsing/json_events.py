"""JSON as a stream of values with their paths and lines: no tree is built, so a large file costs little more than itself.

`json` has no line numbers, and it recurses: both are needed otherwise here.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # C code that the stubs leave out

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity")
MAX_DEPTH = 200


class NotJson(ValueError):
    """The text is no JSON, or is nested deeper than any real file."""


@dataclass(frozen=True, slots=True)
class Value:
    """One scalar.

    Attributes:
        path: member names and places from the root, places from 0.
        text: a string as it is, everything else as written; empty for `null` and for empty containers.
        line: where it stands, from 1.
    """

    path: tuple[str | int, ...]
    text: str
    line: int


def values(text: str, first_line: int = 1) -> Iterator[Value]:
    """All scalars of the one JSON value in `text`, in order.

    Raises:
        NotJson: as soon as it shows.
    """
    scanner = _Scanner(text, first_line)
    yield from scanner.values()


class _Scanner:
    """Walks the text once, with a stack of its own."""

    def __init__(self, text: str, first_line: int) -> None:
        self._text = text
        self._at = 0
        self._line = first_line
        self._counted = 0
        self._path: list[str | int] = []

    def values(self) -> Iterator[Value]:
        while True:
            opened = yield from self._value()
            if not opened and not self._next_member():
                break
        self._skip()
        if self._at != len(self._text):
            raise NotJson

    def _value(self) -> Generator[Value, None, bool]:
        """A scalar, or the beginning of a container; returns whether a container was opened."""
        character = self._peek()
        if character == '"':
            yield Value(tuple(self._path), self._string(), self._line_now())
            return False
        if character in ("{", "["):
            return (yield from self._open(character))
        found = _SCALAR.match(self._text, self._at)
        if found is None:
            raise NotJson
        line = self._line_now()
        self._at = found.end()
        yield Value(tuple(self._path), "" if found[0] == "null" else found[0], line)
        return False

    def _open(self, character: str) -> Generator[Value, None, bool]:
        if len(self._path) >= MAX_DEPTH:
            raise NotJson
        self._at += 1
        closing = "}" if character == "{" else "]"
        if self._peek() == closing:
            self._at += 1
            yield Value(tuple(self._path), "", self._line_now())
            return False
        self._path.append(self._name() if character == "{" else 0)
        return True

    def _next_member(self) -> bool:
        """Go to the next member, out of as many containers as end here; False when the root has ended."""
        while self._path:
            character = self._peek()
            self._at += 1
            last = self._path[-1]
            if character == ",":
                self._path[-1] = last + 1 if isinstance(last, int) else self._name()
                return True
            if character != ("]" if isinstance(last, int) else "}"):
                raise NotJson
            self._path.pop()
        return False

    def _name(self) -> str:
        if self._peek() != '"':
            raise NotJson
        name = self._string()
        if self._peek() != ":":
            raise NotJson
        self._at += 1
        return name

    def _string(self) -> str:
        try:
            text, self._at = scanstring(self._text, self._at + 1, False)
        except ValueError as error:
            raise NotJson from error
        return str(text)

    def _peek(self) -> str:
        self._skip()
        return self._text[self._at] if self._at < len(self._text) else ""

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _line_now(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line
