"""The default chunker: headings first, small sections together, then units packed under the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import PurePosixPath
from uuid import UUID

from ingest.chunking.assembly import assembled
from ingest.chunking.base import Block, Budgets, Room, Unit, go_on
from ingest.chunking.code import code_units
from ingest.chunking.code_syntax import CodeChunker
from ingest.chunking.packing import pack
from ingest.chunking.prose import cut_between, prose_units
from ingest.chunking.provisions import annotated
from ingest.chunking.sections import Merging, Section, Sized, as_text, common_depth, flowing, sections
from ingest.chunking.table import table_units
from rag.domain.document import Chunk, ElementKind, ParsedDocument, chunk_id, recipe_of
from rag.domain.language import Language
from rag.text.language import detect_language

_SMALL = 0.3
"""Share of the limit up to which sections go together."""
_TINY = 0.1
"""Share of the limit under which a section that is no article joins a larger neighbour."""
_SURELY_LONG = 12
"""Characters a token; a text with more than that for each token of the limit is cut without being counted as a whole."""
_LANGUAGE_SAMPLE = 4000


class StructureChunker:
    """Cuts at headings; sections of a few words share a chunk with their neighbour, whose headings then stand in the text.

    Source code whose syntax was read goes to `CodeChunker`.
    """

    name = "structure/5"

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._merging = Merging(_SMALL, _TINY)
        self._code = CodeChunker(budgets)

    def chunk(
        self, document: ParsedDocument, version_id: UUID, source_key: str, pause: Callable[[], None] = go_on
    ) -> list[Chunk]:
        """Chunks in document order, ordinals from 0; see `Chunker.chunk`."""
        if document.outline is not None:
            return self._code.chunk(document, version_id, source_key)
        recipe = recipe_of(document.parser, self.name)
        root = _root(document, source_key)
        chunks: list[Chunk] = []
        for path, language, units in self._packed(document, root, source_key, pause):
            ordinal = len(chunks)
            chunk = assembled(chunk_id(version_id, recipe, ordinal), ordinal, path, language, units)
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def _packed(
        self, document: ParsedDocument, root: str, source_key: str, pause: Callable[[], None]
    ) -> Iterator[tuple[tuple[str, ...], Language, list[Unit]]]:
        filled = (element for element in document.elements if element.text.strip())
        found = sections(annotated(filled, document.title))
        for language, run in groupby(found, key=_language):
            budget = self._budgets(language).pausing(pause)
            [special] = budget.count([""])
            whole = Room(budget.limit, special, budget.count)
            for group in self._merging.groups((_sized(section, whole) for section in run), budget.limit):
                path, room, blocks = _below_path(root, [item.section for item in group], whole)
                counts = {key: tokens for item in group for key, tokens in item.counts.items()}
                units = list(_units(blocks, counts, room, language, source_key))
                yield from ((path, language, packed) for packed in pack(units, room.limit))


def _root(document: ParsedDocument, source_key: str) -> str:
    """What stands above all headings: the path of source code, the title of everything else."""
    if all(element.kind is ElementKind.CODE for element in document.elements):
        return source_key
    return document.title or PurePosixPath(source_key).stem


def _language(section: Section) -> Language:
    """One language per section: cutting at every English word of a Korean section would leave crumbs."""
    sample, has_prose = "", False
    for block in section.body:
        if block.kind is not ElementKind.CODE:
            has_prose = True
            sample += "\n" + block.text[:_LANGUAGE_SAMPLE]
            if len(sample) > _LANGUAGE_SAMPLE:
                break
    return detect_language(sample) if has_prose else Language.CODE


def _sized(section: Section, whole: Room) -> Sized:
    """The section with its tokens, those of its blocks counted once and for all; one that is surely long is not counted."""
    blocks = (*section.headings[section.known :], *section.body)
    if sum(len(block.text) for block in blocks) > whole.limit * _SURELY_LONG:
        return Sized(section, whole.limit, {})
    counts = whole.counts([block.text for block in blocks])
    return Sized(section, sum(counts), dict(zip(map(id, (block.element for block in blocks)), counts, strict=True)))


def _below_path(root: str, group: Sequence[Section], whole: Room) -> tuple[tuple[str, ...], Room, list[Block]]:
    """The heading path that the group has in common, in at most half of the budget; the room and the blocks below it.

    Headings that the path has no room for, outermost first, become text of the group.
    """
    depth = common_depth(group)
    headings = group[0].headings[:depth]
    texts = [" ".join(item.text.split()) for item in headings]
    names = texts if texts and texts[0] == root else [root, *texts]
    path: tuple[str, ...] = ()
    above = 0
    for dropped in range(len(names)):
        [tokens] = whole.counts(["\n".join(names[dropped:])])
        if tokens + whole.special <= whole.limit // 2:
            path, above = tuple(names[dropped:]), tokens
            break
    spilled = len(headings) - min(len(headings), len(path))
    limit = max(whole.limit // 2, whole.limit - whole.special - above)
    return path, replace(whole, limit=limit), [*map(as_text, headings[:spilled]), *flowing(group, depth)]


def _units(
    blocks: Sequence[Block], known: Mapping[int, int], room: Room, language: Language, source_key: str
) -> Iterator[Unit]:
    """The units of all blocks; each block's first one knows what a cut before it costs. `known`: tokens by id of the element."""
    counts = dict(known)
    fresh = [b for b in blocks if id(b.element) not in counts and len(b.text) <= room.limit * _SURELY_LONG]
    counts |= zip(map(id, (b.element for b in fresh)), room.counts([b.text for b in fresh]), strict=True)
    before: Block | None = None
    for block in blocks:
        first, *rest = _block_units(block, counts.get(id(block.element), room.limit + 1), room, language, source_key)
        yield replace(first, cut=cut_between(before, block)) if before is not None else first
        yield from rest
        before = block


def _block_units(block: Block, tokens: int, room: Room, language: Language, source_key: str) -> list[Unit]:
    if tokens <= room.limit:
        return [Unit(block, 0, len(block.text), tokens)]
    if block.kind is ElementKind.TABLE:
        return table_units(block, room)
    if block.kind is ElementKind.CODE:
        return code_units(block, room, source_key)
    return prose_units(block, room, language)
