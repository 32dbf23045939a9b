"""What of a server's complaint may stand in the log: never a key, never the texts that it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_LONGEST = 300
_WINDOW_ASCII = 12
"""Characters that are taken for a quotation: shorter runs, such as ` length is`, stand in many English texts."""
_WINDOW_OTHER = 5
"""Hangul carries more per character."""
WITHHELD = "(message withheld: it repeats the request)"


def loggable(message: object, sent: Any, secret: str | None) -> str:
    """`message` on one line and cut, the secret masked; withheld when it quotes a text of the request `sent`."""
    text = " ".join(str(message).split())[:_LONGEST]
    if secret:
        text = text.replace(secret, "***")
    if "\\u" in text or "\\x" in text:  # escapes hide what they quote
        return WITHHELD
    return WITHHELD if any(_quotes(text, " ".join(one.split())) for one in _strings(sent)) else text


def _quotes(message: str, text: str) -> bool:
    if len(text) > 1 and text in message:
        return True
    for start in range(len(message)):
        window = message[start : start + _WINDOW_OTHER]
        if window.isascii():
            window = message[start : start + _WINDOW_ASCII]
            if len(window) < _WINDOW_ASCII:
                continue
        if len(window) >= _WINDOW_OTHER and window in text:
            return True
    return False


def _strings(sent: Any) -> Iterator[str]:
    """The texts in a request body; names of models and the like are values of one-word fields at its top."""
    if isinstance(sent, str):
        if not sent.startswith("data:"):  # pictures and sound; no complaint quotes them
            yield sent
    elif isinstance(sent, list | tuple):
        for item in sent:
            yield from _strings(item)
    elif isinstance(sent, dict):
        for key, item in sent.items():
            if key not in _NOT_TEXT:
                yield from _strings(item)


_NOT_TEXT = frozenset({"model", "role", "task", "encoding_format"})
