"""What a terminal gets of texts that others wrote: names of files, words of documents, questions of other people.

A terminal obeys what it is shown: escapes clear it, name its window, put a link behind a word or answer for whoever sits at it
(CWE-150), and characters that turn the direction show another name than the one that is there. Rich reads brackets in what it
prints as its own markup, links among it.
"""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from rag.text.invisible import visible


def heard(value: Any) -> Any:
    """JSON of a service with its texts as a reader sees them; keys of objects are ours and stay."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {name: heard(item) for name, item in value.items()}
    if isinstance(value, list):
        return [heard(item) for item in value]
    return value


def shown(text: object) -> str:
    """A text as a part of what Rich prints: seen as it is, and no markup."""
    return escape(visible(str(text)))
