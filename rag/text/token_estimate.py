"""How many tokens a text has at most, where no tokenizer can be asked."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import ceil

_ASCII_PER_TOKEN = 2.5
"""Letters of English and code; both XLM-RoBERTa and Qwen3 have 3 to 5 in a token of prose, 2.5 to 3 of identifiers."""
_AROUND = 2
"""Tokens that a model puts around a text."""


def estimated_tokens(text: str) -> int:
    """A careful estimate: a token for every character beyond ASCII (Korean prose has 0.5 to 0.8), fewer for ASCII.

    Rare syllables and emoji can take two or three tokens each; the server cuts what is too long all the same.
    """
    ascii_characters = len(text.encode("ascii", "ignore"))
    return _AROUND + len(text) - ascii_characters + -int(-ascii_characters // _ASCII_PER_TOKEN)


def estimated_starts(text: str) -> list[float]:
    """Where each of n characters begins, in tokens by the same estimate and without what stands around the text; then the end of
    all: n + 1 figures."""
    return list(accumulate((1.0 / _ASCII_PER_TOKEN if each.isascii() else 1.0 for each in text), initial=0.0))


def most_characters(tokens: int) -> int:
    """No text of so many estimated tokens has more characters: whoever wants that much of a long text need not look beyond."""
    return ceil(tokens * _ASCII_PER_TOKEN) + 1  # what adding up rounds off is less than a character


def characters_within(starts: Sequence[float], tokens: slice) -> slice:
    """The characters that lie wholly within a slice of the estimated tokens.

    Args:
        starts: see `estimated_starts`.
    """
    return slice(bisect_left(starts, tokens.start), bisect_right(starts, tokens.stop) - 1)
