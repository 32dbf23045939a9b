"""Paragraphs and lists: where a long one may be cut, and what belongs to what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice, pairwise

from ingest.chunking.base import Block, Room, Unit
from ingest.chunking.packing import CAPTION, INSIDE, ITEM, LEAD_IN, SENTENCE
from ingest.chunking.splitting import INSIDE_A_SENTENCE, cut_to_size
from rag.domain.document import ElementKind
from rag.domain.language import Language
from rag.text.sentences import split_sentences

_ITEM_RANKS = (
    re.compile(r"[\s*_]*(?:\d{1,3}\\?\.(?:\s|$)(?!\s*\d{1,2}\.)|\d{1,3}의\d{1,2}\\?\.\s|[-*+•▪■□○●◦·※◇◆▶▷►☞]\s)"),
    re.compile(r"[\s*_]*(?:[가-하]\\?\.\s|[A-Za-z][.)]\s|\d{1,3}\)\s|\(\d{1,3}\)\s)"),
    re.compile(r"[\s*_]*(?:[가-하]\)\s|\([가-하]\)\s|[㉠-㉻ⓐ-ⓩ]|[ivx]{1,4}[.)]\s)"),
)
"""Marks of list items, outermost level first, as 호, 목 and what stands below them are written."""
_ALONE = re.compile(r"[\s*_]*[①-⑳㉑-㉟㊱-㊿]")
"""A paragraph (항) of an article begins something of its own."""
_MAX_CAPTION = 120
_MAX_LEAD = 80
_SENTENCE_END = re.compile(r"(?:[.!?。…,;]|[다요])[\"'”’)\]]*$")
_SOURCE_LINE = re.compile(r"\s*(?:자료|출처|주|비고|source|note)\s*[:：)]", re.IGNORECASE)
_MAX_WINDOW = 8000
"""Characters that the sentence splitter sees at once, so that its time and memory don't depend on the paragraph's length."""
_LONGEST_WORD = 100
"""Mean characters a word from which on a text is no prose; analysing it for sentences would take seconds."""
_MANY_LINES = 5_000
"""Of one block; what comes from the sandbox has at most 10,000 in each. No text that is read has so many lines without an empty
one between them: half a million lines of a letter each took 25 s to be packed with every line end weighed up against 256 others
(`ingest.chunking.packing`)."""
_TOGETHER = 2048
"""Sentences that are counted at once."""
_WINDOW_END = re.compile(r"(?:[.!?。]\s|\n)")


def item_rank(text: str) -> int:
    """How deep the list item that `text` begins with lies, from 1; 0 when it begins with none."""
    return next((rank for rank, pattern in enumerate(_ITEM_RANKS, start=1) if pattern.match(text)), 0)


def cut_between(before: Block, after: Block) -> float:
    """What a cut between two blocks costs."""
    if before.kind is ElementKind.HEADING or (after.kind is ElementKind.TABLE and _is_caption(before)):
        return CAPTION
    if before.kind is ElementKind.TEXT and after.kind is ElementKind.TEXT and _leads(before.text, after.text):
        return LEAD_IN
    if before.kind is ElementKind.TABLE:
        return LEAD_IN if _SOURCE_LINE.match(after.text) else 0.0
    return _cut_at(_last_rank(before), _rank(after))


def _rank(block: Block) -> int:
    return max(item_rank(block.text[:40]), int(block.kind is ElementKind.LIST_ITEM and not _ALONE.match(block.text)))


def _last_rank(block: Block) -> int:
    """Of the last item in the block: one element may hold a whole list."""
    last = block.text.rfind("\n") + 1
    return item_rank(block.text[last : last + 40]) or _rank(block)


def _is_caption(block: Block) -> bool:
    return block.kind is not ElementKind.TABLE and len(block.text) <= _MAX_CAPTION and "\n" not in block.text.strip()


def _cut_at(before: int, after: int) -> float:
    """Between a text of list depth `before` and one of depth `after`; 0 is no item."""
    return LEAD_IN if after > before else ITEM * after


def _leads(before: str, after: str) -> bool:
    """Whether `before` looks like an unmarked heading of `after`: a short line that is no sentence, above a longer one."""
    line = before.strip()
    return (
        len(line) <= _MAX_LEAD < len(after.partition("\n")[0]) and "\n" not in line and not _SENTENCE_END.search(line)
    )


def prose_units(block: Block, room: Room, language: Language) -> list[Unit]:
    """The sentences of a block that is longer than the limit; a sentence that is longer itself is cut once more."""
    return coalesced(_sentences(block, room, language), room, everywhere=len(block.line_starts) > _MANY_LINES)


def _sentences(block: Block, room: Room, language: Language) -> Iterator[Unit]:
    """Some at a time: half a million take 200 MB with all that is made on the way to them."""
    text = block.text
    spans = pairwise(chain((0,), _sentence_starts(text, language), (len(text),)))
    before: int | None = None
    while together := list(islice(spans, _TOGETHER)):
        counts = room.counts([text[start:end] for start, end in together])
        for span, tokens in zip(together, counts, strict=True):
            cut = 0.0 if before is None else _cut_before(text, before, span[0])
            if tokens <= room.limit:
                before = span[0]
                yield Unit(block, *span, tokens, cut)
                continue
            for number, (part, size) in enumerate(cut_to_size(text, span, room, INSIDE_A_SENTENCE)):
                before = part[0]
                yield Unit(block, *part, size, INSIDE if number else cut)


def coalesced(units: Iterable[Unit], room: Room, *, everywhere: bool = False) -> list[Unit]:
    """Neighbours of one block together that have less than a sixteenth of the limit: fewer places to weigh up.

    Args:
        everywhere: also where a cut costs nothing, as between two lines; else it stays possible there.
    """
    kept: list[Unit] = []
    joined: set[int] = set()
    for unit in units:
        if (
            kept
            and (unit.cut or everywhere)
            and kept[-1].tokens + unit.tokens <= room.limit // 16
            and kept[-1].head == unit.head
        ):
            last = kept.pop()
            unit = Unit(last.block, last.start, unit.end, last.tokens + unit.tokens, last.cut, last.head)
            joined.add(len(kept))
        kept.append(unit)
    # Two halves of one word are two tokens apart and one together.
    places = sorted(joined)
    for place, tokens in zip(places, room.counts([kept[place].text for place in places]), strict=True):
        kept[place] = replace(kept[place], tokens=tokens)
    return kept


def _cut_before(text: str, previous: int, start: int) -> float:
    """What a cut at `start` costs; the unit before begins at `previous`."""
    gap = text[max(previous, start - 4) : start]
    if "\n" not in gap:
        return SENTENCE
    if "\n\n" in gap and not item_rank(text[start : start + 40]):
        return 0.0
    return _cut_at(item_rank(text[previous : previous + 40]), item_rank(text[start : start + 40]))


def _sentence_starts(text: str, language: Language) -> Iterator[int]:
    """Offsets where a sentence begins, the first one left out."""
    for start, end in _windows(text):
        if len(text[start:end].split()) * _LONGEST_WORD < end - start:
            yield from [start] * bool(start)  # no sentences: base64, dotted lines
            continue
        found = [start + first for first, _ in split_sentences(text[start:end], language)]
        yield from (offset for offset in (found if start else found[1:]) if offset)


def _windows(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while len(text) - start > _MAX_WINDOW:
        ends = [match.end() for match in _WINDOW_END.finditer(text, start + _MAX_WINDOW // 2, start + _MAX_WINDOW)]
        stop = ends[-1] if ends else text.rfind(" ", start + 1, start + _MAX_WINDOW) + 1 or start + _MAX_WINDOW
        yield start, stop
        start = stop
    yield start, len(text)
