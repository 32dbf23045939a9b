"""Files of code in a library: one chunk for each definition, with its symbols on record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID, uuid5

from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeContext, CodeOutline, Symbol, SymbolKind
from rag.domain.document import Chunk, ElementKind
from rag.domain.language import CollectionKind, Language
from rag.index.base import IndexPoint
from rag.store import chunk as chunks_table
from rag.store.base import utc_now
from rag.store.code_symbol import put_outlines
from rag.store.collection import Collection
from rag.store.version import DocumentVersion, VersionState
from tests.support.questions import Library
from tests.support.stores import add_collection, add_document, add_version

_HEAD = re.compile(r"(?P<indent> *)(?P<what>class|def) (?P<name>\w+)")


def code_collection(library: Library, name: str = "결제-코드", tenant: str = "default") -> Collection:
    """An empty collection of code."""
    row = add_collection(library.database, name, tenant)
    with library.database.write() as session:
        session.get_one(Collection, row.id).kind = CollectionKind.CODE
    return row


def put_file(library: Library, collection: Collection, path: str, text: str, *, pending: bool = False) -> UUID:
    """A file of Python, cut before each definition; returns its document. `pending`: its points have no dense vectors yet."""
    symbols = _symbols(text)
    with library.database.write() as session:
        document = add_document(session, collection, path)
        version = add_version(session, document, 1, VersionState.ACTIVE)
        document.current_version_id = version
        row = session.get_one(DocumentVersion, version)
        row.valid_from, row.dense_pending = utc_now(), pending
        chunks = list(_chunks(version, path, text, symbols))
        chunks_table.replace_chunks(session, version, chunks)
        put_outlines(session, [(version, collection.id, CodeOutline("python", tuple(symbols)))])
        document_id = document.id
    vectors = library.space.embed_chunks(chunks)
    library.index.upsert(
        [
            IndexPoint(
                chunk.id, collection.tenant_id, collection.id, document_id, version, item.sparse,
                None if pending else item.dense,
            )
            for chunk, item in zip(chunks, vectors, strict=True)
        ]
    )  # fmt: skip
    return document_id


def _symbols(text: str) -> list[Symbol]:
    """Definitions by their heads; each reaches to the next one. A `def` that is indented is of the class before it."""
    lines = text.split("\n")
    heads = [(number, match) for number, line in enumerate(lines, start=1) if (match := _HEAD.match(line))]
    found: list[Symbol] = []
    outer = ""
    for (number, match), following in pairwise([*heads, (len(lines) + 1, None)]):
        assert match is not None
        name = match["name"]
        if match["what"] == "class":
            outer = name
        path = f"{outer}.{name}" if match["indent"] else name
        kind = SymbolKind.CLASS if match["what"] == "class" else SymbolKind.FUNCTION
        found.append(Symbol(name, path, kind, lines[number - 1].strip(), number, following[0] - 1))
    return found


def _chunks(version: UUID, path: str, text: str, symbols: list[Symbol]) -> Iterator[Chunk]:
    lines = text.split("\n")
    for ordinal, symbol in enumerate(symbols):
        yield Chunk(
            id=uuid5(version, str(ordinal)),
            ordinal=ordinal,
            text="\n".join(lines[symbol.first - 1 : symbol.last]),
            anchor=LineAnchor(symbol.first, symbol.last),
            heading_path=(path,),
            language=Language.CODE,
            kind=ElementKind.CODE,
            code=CodeContext("python", symbol.path, symbol.kind, symbol.signature, "", (symbol.path,)),
        )
