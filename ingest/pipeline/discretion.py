"""What source code says of itself beside its text, without what its readers are not to see.

A chunk knows the head and the documentation of the definition around it, which stand in another chunk, and symbols are shown
without their chunk being looked at: neither is masked when it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.orm import Session

from ingest.pipeline.hidden_names import FileLines, hidden_names
from rag.domain.code import CodeOutline, Import, Reference, ReferenceRole, Symbol, SymbolKind
from rag.domain.document import Chunk
from rag.domain.findings import ChunkFindings
from rag.domain.personal_data import PersonalDataRecord
from rag.store import chunk as chunks_table
from rag.store import code_symbol
from rag.store.code_symbol import CodeReference, CodeSymbol


def discreet(
    chunks: Sequence[Chunk], found: Sequence[ChunkFindings], record: PersonalDataRecord, outline: CodeOutline | None
) -> tuple[list[Chunk], CodeOutline | None]:
    """The chunks of a file without the prose of definitions, and its outline without that of definitions which hold something
    hidden; both as they are where nothing is. A name that is itself hidden, such as a token that is a key, is masked in both."""
    if not record.hidden:
        return list(chunks), outline
    plain = [chunk.without_prose() for chunk in chunks]
    if outline is None:
        return plain, None
    lines = FileLines.of(chunks, found, record)
    names = hidden_names(outline, lines)
    shown = [item if item.code is None else replace(item, code=names.context(item.code)) for item in plain]
    return shown, names.outline(_discreet(outline, lines.hidden))


def withdraw_words(
    session: Session,
    version_id: UUID,
    chunks: Sequence[Chunk],
    found: Sequence[ChunkFindings],
    record: PersonalDataRecord,
) -> bool:
    """Take from the record of a version what `discreet` leaves out of a new one; what was taken is not made again here, as it is
    no text that anybody cites. Returns whether its chunks say less of themselves now than their vectors were made of."""
    if not record.hidden:
        return False
    lines = FileLines.of(chunks, found, record)
    symbols, references = code_symbol.of_version(session, version_id)
    names = hidden_names(_outline(symbols, references), lines)
    contexts = {chunk.id: chunk.code for chunk in chunks if chunk.code is not None}
    prose = {key: plain for key, code in contexts.items() if (plain := names.context(code.without_prose())) != code}
    chunks_table.set_contexts(session, prose)
    for symbol in symbols:
        code_symbol.rename(symbol, names.word(symbol.name, range(symbol.first_line, symbol.last_line + 1)))
        symbol.path = names.path(symbol.path)
    for use in references:
        code_symbol.rename(use, names.word(use.name, use.lines))
        use.qualifier, use.enclosing = names.word(use.qualifier, use.lines), names.path(use.enclosing)
    session.flush()
    code_symbol.forget_words(session, version_id, lines.hidden)
    return bool(prose)


def _outline(symbols: Sequence[CodeSymbol], references: Sequence[CodeReference]) -> CodeOutline:
    """What is on record of a file, as far as names go; an import with what it takes is one use for each."""
    return CodeOutline(
        "",
        tuple(Symbol(s.name, s.path, SymbolKind(s.kind), s.signature, s.first_line, s.last_line) for s in symbols),
        tuple(Reference(r.name, ReferenceRole(r.role), tuple(r.lines), r.enclosing, r.qualifier) for r in references),
        tuple(Import(r.qualifier, r.lines[0]) for r in references if r.role == ReferenceRole.IMPORT and r.lines),
    )


def _discreet(outline: CodeOutline, hidden: frozenset[int]) -> CodeOutline:
    """The outline without the words of definitions on such lines: symbols are shown without their chunk being looked at."""
    symbols = tuple(
        replace(symbol, signature=symbol.name, doc="")
        if any(symbol.first <= line <= symbol.last for line in hidden)
        else symbol
        for symbol in outline.symbols
    )
    return replace(outline, symbols=symbols)
