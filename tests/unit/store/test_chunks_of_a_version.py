"""Chunks as they are read: whole, or as the index wants them."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from uuid import uuid4

from rag.domain.anchor import SheetAnchor
from rag.domain.document import Chunk, ElementKind
from rag.domain.language import Language
from rag.store import chunk as chunks_table
from rag.store.session import Database
from tests.support.stores import add_collection, add_document, add_version

CHUNKS, LINES = 1200, 50


def a_large_table() -> list[Chunk]:
    """Chunks of many lines, each with an anchor of its own."""
    return [
        Chunk(
            id=uuid4(),
            ordinal=ordinal,
            text="\n".join(f"{ordinal} | {line}" for line in range(LINES)),
            anchor=SheetAnchor("표", f"A{ordinal * LINES}:B{ordinal * LINES + LINES}"),
            heading_path=("표",),
            language=Language.KOREAN,
            kind=ElementKind.TABLE,
            tokens=LINES,
            line_anchors=tuple(SheetAnchor("표", f"A{ordinal * LINES + line}:B1") for line in range(LINES)),
            references=("제1조",),
        )
        for ordinal in range(CHUNKS)
    ]


def test_the_index_reads_chunks_without_the_anchors_of_their_lines(database: Database) -> None:
    chunks = a_large_table()
    collection = add_collection(database)
    with database.write() as session:
        version = add_version(session, add_document(session, collection), 1)
        chunks_table.replace_chunks(session, version, chunks)
    with database.read() as session:
        assert chunks_table.of_version(session, version) == chunks
        tracemalloc.start()
        try:
            found = chunks_table.for_index(session, version)
            held, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found == [replace(chunk, line_anchors=()) for chunk in chunks]
    assert most - held < 4 * 2**20  # the rows of all of them together, with their lines, take 30 MB
