"""Server-sent events, read as bytes come: lean, and bounded in memory.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

from collections.abc import Iterator

LONGEST_EVENT = 4 * 2**20
"""Bytes. Ollama sends the arguments of a tool call in one piece, a whole file among them; no token comes near."""


class EventTooLong(ValueError):
    """A line or an event that does not end."""


class EventReader:
    """Splits a stream into the payloads of its events.

    A payload is the text behind `data:`; several such lines of one event are joined by line feeds. A line that begins with
    `{`, or with `error:`, is taken for a payload as well: Ollama and older releases of llama.cpp tell errors so.
    """

    def __init__(self, longest: int = LONGEST_EVENT) -> None:
        self._longest = longest
        self._rest: list[bytes] = []
        self._held = 0
        self._data: list[bytes] = []
        self._after_cr = False

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The payloads that are complete with these bytes.

        Raises:
            EventTooLong: what is not complete yet is longer than `longest` bytes.
        """
        if self._after_cr and received[:1] == b"\n":  # the line feed of a pair that was split
            received = received[1:]
        self._after_cr = received[-1:] == b"\r" if received else self._after_cr
        if b"\r" in received:
            received = received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = received.split(b"\n")
        if lines:
            lines[0] = b"".join(self._rest) + lines[0]
            self._rest.clear()
            self._held = sum(map(len, self._data))
        for line in lines:
            yield from self._line(line)
        if rest:
            self._rest.append(rest)
            self._held += len(rest)
        if self._held > self._longest:
            raise EventTooLong(f"an event of more than {self._longest} bytes")

    def finish(self) -> Iterator[bytes]:
        """What an engine left without its closing empty line; strictly it is no event, but some end so."""
        rest = b"".join(self._rest)
        self._rest.clear()
        yield from self._line(rest)
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[bytes]:
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            self._held += len(line)
        elif not line:
            if self._data:
                payload = b"\n".join(self._data) if len(self._data) > 1 else self._data[0]
                self._data.clear()
                self._held = 0
                yield payload
        elif line.startswith(b"{"):
            yield line
        elif line.startswith(b"error:"):
            yield b'{"error":' + line[6:] + b"}"
