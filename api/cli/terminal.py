"""What a terminal gets of texts that others wrote: names of files, words of documents, questions of other people.

A terminal obeys what it is shown: escapes clear it, name its window, put a link behind a word or answer for whoever sits at it
(CWE-150), and characters that turn the direction show another name than the one that is there. Rich reads brackets in what it
prints as its own markup, links among it. An end of line in a name makes a line that nobody said, and a carriage return writes
over the one before.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from rich.markup import escape

from rag.text.invisible import visible

_ENDS_OF_LINE = re.compile("\r\n|[\r\x85\u2028\u2029]")
"""Those that are not `\\n`, which a terminal obeys otherwise or shows as nothing."""

_BETWEEN_LINES = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def heard(value: Any) -> Any:
    """JSON of a service with its texts as a reader sees them; keys of objects are ours and stay."""
    if isinstance(value, str):
        return _ENDS_OF_LINE.sub(lambda found: "\n" if found[0] == "\r\n" else " ", visible(value))
    if isinstance(value, dict):
        return {name: heard(item) for name, item in value.items()}
    if isinstance(value, list):
        return [heard(item) for item in value]
    return value


def one_line(text: object) -> str:
    """A name or a remark as a part of a line: whatever ends a line in it is a blank, and the other blanks are its own."""
    return _BETWEEN_LINES.sub(" ", visible(str(text)))


def shown(text: object) -> str:
    """A text as a part of what Rich prints: seen as it is, and no markup."""
    return escape(heard(str(text)))


def put_out(value: Any) -> Any:
    """What goes to standard output to be given back later: as it is, unless a terminal shows it."""
    return heard(value) if _is_terminal() else value


def _is_terminal() -> bool:
    return sys.stdout.isatty()
