"""The default chunker: headings first, then whole elements packed under the budget, the rest cut by separators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
        root = _root(document, source_key)
        chunks: list[Chunk] = []
        for headings, body in _sections([element for element in document.elements if element.text.strip()]):
            language = _language(body)
            path, elements = _fitting_path(root, headings, body, self._budgets(language))
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


def _root(document: ParsedDocument, source_key: str) -> str:
    """What stands above all headings: the path of source code, the title of everything else."""
    if all(element.kind is ElementKind.CODE for element in document.elements):
        return source_key
    return document.title or PurePosixPath(source_key).stem


def _sections(elements: Sequence[Element]) -> list[tuple[list[Element], list[Element]]]:
    """Runs of elements with the headings above them. A heading with nothing below it becomes a text of its own."""
    sections: list[tuple[list[Element], list[Element]]] = [([], [])]
    for element in elements:
        if element.kind is not ElementKind.HEADING:
            sections[-1][1].append(element)
            continue
        above, body = sections[-1]
        if above and not body and element.level <= above[-1].level:
            body.append(above[-1])
        sections.append(([item for item in above if item.level < element.level] + [element], []))
    above, body = sections[-1]
    if above and not body:
        body.append(above[-1])
    return [section for section in sections if section[1]]


def _fitting_path(
    root: str, headings: Sequence[Element], body: Sequence[Element], budget: Budget
) -> tuple[tuple[str, ...], list[Element]]:
    """The heading path in at most half of the budget. Headings that it has no room for become text of the section."""
    texts = [" ".join(item.text.split()) for item in headings]
    names = texts if texts and texts[0] == root else [root, *texts]
    for dropped in range(len(names) + 1):
        path = tuple(names[dropped:])
        if not path or budget.count(["\n".join(path)])[0] <= budget.limit // 2:
            break
    spilled = len(headings) - min(len(headings), len(path))
    return path, [*(replace(item, kind=ElementKind.TEXT) for item in headings[:spilled]), *body]


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
