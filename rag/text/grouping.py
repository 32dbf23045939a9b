"""Texts in groups of bounded size, for whatever takes several at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def grouped(texts: Sequence[str], most: int, characters: int) -> Iterator[list[str]]:
    """`texts` in order, in lists of at most `most` texts and `characters` characters; a longer one stands alone."""
    group: list[str] = []
    size = 0
    for text in texts:
        if group and (len(group) == most or size + len(text) > characters):
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text)
    if group:
        yield group
