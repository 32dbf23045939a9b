"""The default chunker: headings first, then whole elements packed under the budget, the rest cut by separators."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from uuid import UUID

from ingest.chunking.base import Budget, Budgets, Piece
from ingest.chunking.splitting import separators_for, split_element
from rag.domain.anchor import Anchor, merge_anchors
from rag.domain.document import Chunk, Element, ElementKind, ParsedDocument, chunk_id
from rag.domain.language import Language
from rag.text.language import detect_language


class StructureChunker:
    """Cuts at headings; a chunk never crosses one. Small elements of a section share a chunk."""

    name = "structure/1"

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets

    def chunk(self, document: ParsedDocument, version_id: UUID, source_key: str) -> list[Chunk]:
        """Chunks in document order, ordinals from 0."""
        recipe = f"{document.parser}+{self.name}"
        root = document.title or PurePosixPath(source_key).stem
        chunks: list[Chunk] = []
        for path, elements in _sections(document.elements, root):
            language = _language(elements)
            for pieces in self._packed(elements, path, language, source_key):
                chunks.append(_chunk(version_id, recipe, len(chunks), path, language, pieces))
        return chunks

    def _packed(
        self, elements: Sequence[Element], path: Sequence[str], language: Language, source_key: str
    ) -> list[list[Piece]]:
        budget = self._budgets(language)
        *counts, path_tokens = budget.count([*(element.text for element in elements), "\n".join(path)])
        room = Budget(max(budget.limit // 2, budget.limit - path_tokens), budget.count)
        packed: list[list[Piece]] = []
        used = 0
        for element, tokens in zip(elements, counts, strict=True):
            for piece in split_element(element, tokens, room, separators_for(element.kind, source_key)):
                if packed and used + piece.tokens <= room.limit and packed[-1][-1].joins(piece):
                    packed[-1].append(piece)
                    used += piece.tokens
                elif piece.text.strip():
                    packed.append([piece])
                    used = piece.tokens
        return packed


def _sections(elements: Sequence[Element], root: str) -> list[tuple[tuple[str, ...], list[Element]]]:
    """Runs of elements under one heading path. A heading with nothing below it becomes a text of its own."""
    sections: list[tuple[tuple[str, ...], list[Element]]] = [((root,), [])]
    open_headings: list[Element] = []
    for element in elements:
        if element.kind is not ElementKind.HEADING:
            sections[-1][1].append(element)
            continue
        if open_headings and not sections[-1][1] and element.level <= open_headings[-1].level:
            sections[-1][1].append(open_headings[-1])
        open_headings = [item for item in open_headings if item.level < element.level] + [element]
        sections.append((_path(root, open_headings), []))
    if open_headings and not sections[-1][1]:
        sections[-1][1].append(open_headings[-1])
    return [section for section in sections if section[1]]


def _path(root: str, headings: Sequence[Element]) -> tuple[str, ...]:
    texts = [" ".join(item.text.split()) for item in headings]
    return tuple(texts) if texts and texts[0] == root else (root, *texts)


def _language(elements: Sequence[Element]) -> Language:
    """One language per section: cutting at every English word of a Korean section would leave crumbs."""
    prose = [element.text for element in elements if element.kind is not ElementKind.CODE]
    return detect_language("\n".join(prose)) if prose else Language.CODE


def _chunk(
    version_id: UUID, recipe: str, ordinal: int, path: tuple[str, ...], language: Language, pieces: Sequence[Piece]
) -> Chunk:
    lines: list[Anchor] = []
    for number, piece in enumerate(pieces):
        # The blank line between two pieces belongs to the one before it.
        lines.extend(([lines[-1]] if number else []) + list(piece.anchors))
    kinds = {piece.kind for piece in pieces}
    return Chunk(
        id=chunk_id(version_id, recipe, ordinal),
        ordinal=ordinal,
        text="\n\n".join(piece.text for piece in pieces),
        anchor=merge_anchors(lines),
        heading_path=path,
        language=language,
        kind=kinds.pop() if len(kinds) == 1 else ElementKind.TEXT,
        tokens=sum(piece.tokens for piece in pieces),
        line_anchors=tuple(lines) if len(set(lines)) > 1 else (),
    )
