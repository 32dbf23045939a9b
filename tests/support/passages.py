"""Chunks and passages for tests, with everything that a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid5

from rag.domain.anchor import Anchor, LineAnchor, ParagraphAnchor
from rag.domain.document import NAMESPACE, Chunk, ElementKind
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import Passage, Source


def make_chunk(
    text: str,
    *,
    headings: Sequence[str] = (),
    language: Language = Language.KOREAN,
    kind: ElementKind = ElementKind.TEXT,
    line_anchors: Sequence[Anchor] = (),
) -> Chunk:
    """A chunk with this text."""
    return Chunk(
        id=uuid5(NAMESPACE, text),
        ordinal=0,
        text=text,
        anchor=line_anchors[0] if line_anchors else ParagraphAnchor(1, 1),
        heading_path=tuple(headings),
        language=language,
        kind=kind,
        line_anchors=tuple(line_anchors),
    )


def make_passage(
    text: str,
    *,
    rank: int = 1,
    headings: Sequence[str] = (),
    language: Language = Language.KOREAN,
    kind: ElementKind = ElementKind.TEXT,
) -> Passage:
    """A passage with this text, each line with an anchor of its own."""
    lines = [LineAnchor(number, number) for number in range(1, text.count("\n") + 2)]
    chunk = make_chunk(text, headings=headings, language=language, kind=kind, line_anchors=lines)
    return Passage(rank=rank, score=1.0 / rank, chunk=chunk, source=SOURCE)


SOURCE = Source(
    document_id=UUID(int=1),
    version_id=UUID(int=2),
    version_number=1,
    collection_id=UUID(int=3),
    collection_name="규정",
    collection_kind=CollectionKind.DOCUMENTS,
    source_key="취업규칙.docx",
    title="취업규칙",
    media_type="text/plain",
)
"""Where every passage of `make_passage` comes from."""
