"""Tables: cut between rows, the header repeated above each part."""

from __future__ import annotations

from ingest.chunking.base import Block, Room, Unit
from ingest.chunking.packing import INSIDE, ROW
from ingest.chunking.prose import coalesced
from ingest.chunking.splitting import INSIDE_A_SENTENCE, cut_to_size

_RULE = set("|-: ")


def header_lines(block: Block) -> int:
    """How many lines of a table are its header, the rule below it included."""
    starts = block.line_starts
    if len(starts) <= 2:
        return 1
    rule = block.text[starts[1] : starts[2]].strip()
    return 2 if rule and set(rule) <= _RULE else 1


def table_units(block: Block, room: Room) -> list[Unit]:
    """The rows of a table that is longer than the limit, header and first row together where they fit.

    Only a row longer than the limit is cut. A row that has no room under the header stands without it.
    """
    heads = header_lines(block)
    starts = [*block.line_starts, len(block.text)]
    spans = [(starts[0], starts[heads]), *zip(starts[heads:], starts[heads + 1 :], strict=False)]
    counts = room.counts([block.text[start:end] for start, end in spans])
    head = counts[0]
    units: list[Unit] = []
    for number, (span, tokens) in enumerate(zip(spans, counts, strict=True)):
        repeated = head if number and head + tokens <= room.limit else 0
        if tokens <= room.limit:
            units.append(Unit(block, *span, tokens, INSIDE if number == 1 and repeated else ROW, repeated))
            continue
        for part, (piece, size) in enumerate(cut_to_size(block.text, span, room, INSIDE_A_SENTENCE)):
            units.append(Unit(block, *piece, size, INSIDE if part else ROW))
    return [units[0], *coalesced(units[1:], room)]
