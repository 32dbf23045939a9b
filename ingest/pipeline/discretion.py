"""What source code says of itself beside its text, without what its readers are not to see.

A chunk knows the head and the documentation of the definition around it, which stand in another chunk, and symbols are shown
without their chunk being looked at: neither is masked when it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeOutline
from rag.domain.document import Chunk
from rag.domain.findings import IN_TEXT, ChunkFindings
from rag.domain.personal_data import PersonalDataRecord
from rag.store import chunk as chunks_table
from rag.store import code_symbol


def discreet(
    chunks: Sequence[Chunk], found: Sequence[ChunkFindings], record: PersonalDataRecord, outline: CodeOutline | None
) -> tuple[list[Chunk], CodeOutline | None]:
    """The chunks of a file without the prose of definitions, and its outline without that of definitions which hold something
    hidden; both as they are where nothing is."""
    if not record.hidden:
        return list(chunks), outline
    plain = [chunk.without_prose() for chunk in chunks]
    return plain, None if outline is None else _discreet(outline, _hidden_lines(chunks, found, record))


def withdraw_words(
    session: Session,
    version_id: UUID,
    chunks: Sequence[Chunk],
    found: Sequence[ChunkFindings],
    record: PersonalDataRecord,
) -> None:
    """Take from the record of a version what `discreet` leaves out of a new one; what was taken is not made again here, as it is
    no text that anybody cites."""
    if not record.hidden:
        return
    contexts = {chunk.id: chunk.code for chunk in chunks if chunk.code is not None}
    prose = {key: plain for key, code in contexts.items() if (plain := code.without_prose()) != code}
    chunks_table.set_contexts(session, prose)
    code_symbol.forget_words(session, version_id, _hidden_lines(chunks, found, record))


def _hidden_lines(
    chunks: Sequence[Chunk], found: Sequence[ChunkFindings], record: PersonalDataRecord
) -> frozenset[int]:
    """Lines of the file on which something stands that readers are not to see."""
    lines: set[int] = set()
    for chunk, one in zip(chunks, found, strict=True):
        for item in one.only(record.hidden).of(IN_TEXT):
            anchor = chunk.anchor_of(item.start, item.end)
            if isinstance(anchor, LineAnchor):
                lines.update(range(anchor.first, anchor.last + 1))
    return frozenset(lines)


def _discreet(outline: CodeOutline, hidden: frozenset[int]) -> CodeOutline:
    """The outline without the words of definitions on such lines: symbols are shown without their chunk being looked at."""
    symbols = tuple(
        replace(symbol, signature=symbol.name, doc="")
        if any(symbol.first <= line <= symbol.last for line in hidden)
        else symbol
        for symbol in outline.symbols
    )
    return replace(outline, symbols=symbols)
