"""The last cut, langchain-text-splitters underneath: for a sentence, a table row or a source file longer than the budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from langchain_text_splitters import RecursiveCharacterTextSplitter

from ingest.chunking.base import Room

Span = tuple[int, int]
Keep = Literal["start", "end"]
"""Which side of a cut its separator stays on."""

INSIDE_A_SENTENCE = ("; ", ", ", "\n", " ", "")
"""Where to cut a sentence that is too long, best place first."""
_MAX_ROUNDS = 24
_MAX_CHARACTERS = 1 << 16
"""A longer text is cut without asking for its length first, so that the tokenizer never sees all of a file at once."""


def cut_to_size(
    text: str, span: Span, room: Room, separators: Sequence[str], *, keep: Keep = "end"
) -> list[tuple[Span, int]]:
    """Parts of `text[span]` that follow each other without a gap, each within the limit, with their tokens.

    Cuts by characters at each part's own tokens-per-character rate, then measures; what is still too long is cut again.
    Asking the tokenizer for the length of every candidate piece would cost more than embedding them.
    """
    spans = _parts(text, span, _MAX_CHARACTERS, separators, keep) if span[1] - span[0] > _MAX_CHARACTERS else [span]
    counts = room.counts([text[start:end] for start, end in spans])
    for round_number in range(_MAX_ROUNDS):
        if max(counts) <= room.limit:
            break
        share = 0.9 ** (round_number + 1)
        measured = [
            (part, tokens if part == whole else None)
            for whole, tokens in zip(spans, counts, strict=True)
            for part in _cut(text, whole, tokens, room.limit, share, separators, keep)
        ]
        fresh = iter(room.counts([text[slice(*part)] for part, tokens in measured if tokens is None]))
        spans = [part for part, _ in measured]
        counts = [next(fresh) if tokens is None else tokens for _, tokens in measured]
    return list(zip(spans, counts, strict=True))


def parts_by_size(text: str, size: int, separators: Sequence[str], *, keep: Keep = "end") -> Iterator[Span]:
    """Parts of at most `size` characters that follow each other without a gap; nothing is counted."""
    for start in range(0, len(text), _MAX_CHARACTERS):
        # By windows: a splitter takes a text apart at every separator before it puts anything together.
        yield from _parts(text, (start, min(start + _MAX_CHARACTERS, len(text))), size, separators, keep)


def _cut(
    text: str, span: Span, tokens: int, limit: int, share: float, separators: Sequence[str], keep: Keep
) -> list[Span]:
    """Parts of the span, which has `tokens` tokens, of about `share` of the limit each; it alone when it fits."""
    start, stop = span
    if tokens <= limit or stop - start <= 1:
        return [span]
    size = max(1, min(math.floor((stop - start) * limit / tokens * share), stop - start - 1))
    return _parts(text, span, size, separators, keep)


def _parts(text: str, span: Span, size: int, separators: Sequence[str], keep: Keep) -> list[Span]:
    """Parts of at most `size` characters."""
    start, stop = span
    parts: list[Span] = []
    for part in _pieces(text[start:stop], size, separators, keep):
        # With white space kept and no overlap the parts follow one another; what a splitter drops goes to the part before.
        begin = max(start, text.find(part, start, stop))
        if parts and begin > start:
            parts[-1] = (parts[-1][0], begin)
        parts.append((begin if parts else start, begin + len(part)))
        start = begin + len(part)
    if not parts:
        return [span]
    parts[-1] = (parts[-1][0], stop)
    return parts


def _pieces(text: str, size: int, separators: Sequence[str], keep: Keep) -> Iterator[str]:
    """The pieces of the splitter. What has no separator inside is cut here, as the splitter would by its last one, the empty: it
    takes such a text apart into characters, and puts them together in time that grows with the square of `size`."""
    named = [separator for separator in separators if separator]
    splitter = RecursiveCharacterTextSplitter(
        separators=named, chunk_size=size, chunk_overlap=0, keep_separator=keep, strip_whitespace=False
    )
    for piece in splitter.split_text(text) if named else [text]:
        if len(named) == len(separators):
            yield piece
        else:
            yield from (piece[at : at + size] for at in range(0, len(piece), size))
