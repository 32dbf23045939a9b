"""Headings and what stands below them; sections too small for a chunk of their own go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ingest.chunking.base import Block
from rag.domain.document import ElementKind

_MAX_GROUP = 64
"""Sections that may go together; bounds the work where they have hardly any tokens."""


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under the same headings.

    Attributes:
        headings: outermost first.
        known: how many of the headings stand above the section before, too.
        continued: how many of them stand above the section after it.
    """

    headings: tuple[Block, ...]
    body: tuple[Block, ...]
    known: int = 0
    continued: int = 0

    @property
    def is_article(self) -> bool:
        """Whether it is one article of a statute or rule, or an annex."""
        return any(block.article for block in (*self.headings[-1:], *self.body[:1]))


def sections(blocks: Iterable[Block]) -> Iterator[Section]:
    """The sections of a document. A heading with nothing below it becomes a text below the heading above it."""
    last: Section | None = None
    for section in _sections(blocks):
        if last is not None:
            yield replace(last, continued=section.known)
        last = section
    if last is not None:
        yield last


def _sections(blocks: Iterable[Block]) -> Iterator[Section]:
    above: tuple[Block, ...] = ()
    before: tuple[Block, ...] = ()
    body: list[Block] = []
    for block in blocks:
        if block.kind is not ElementKind.HEADING:
            body.append(block)
            continue
        if body or _is_bare(above, block):
            section = _section(above, body, before)
            yield section
            before = section.headings
        above, body = (*(item for item in above if item.element.level < block.element.level), block), []
    if body or above:
        yield _section(above, body, before)


def _is_bare(above: Sequence[Block], following: Block) -> bool:
    return bool(above) and following.element.level <= above[-1].element.level


def _section(above: tuple[Block, ...], body: Sequence[Block], before: Sequence[Block]) -> Section:
    headings = above if body else above[:-1]
    known = next((i for i, (old, new) in enumerate(zip(before, headings, strict=False)) if old is not new), None)
    return Section(headings, tuple(body) or above[-1:], min(len(before), len(headings)) if known is None else known)


@dataclass(frozen=True, slots=True)
class Sized:
    """A section and its size.

    Attributes:
        tokens: of the text and of the headings that are new with it.
        counts: tokens by id of the element, as far as they were counted.
    """

    section: Section
    tokens: int
    counts: dict[int, int]


class Merging:
    """Puts sections together that are too small to stand alone.

    They must have the same parent, or be a parent and its child. An article is what a rule is cited by, so articles only go
    together where all of them are tiny together; other sections go together up to a small size, and a tiny one joins any
    neighbour.
    """

    def __init__(self, small: float, tiny: float) -> None:
        self._small = small
        self._tiny = tiny

    def groups(self, sized: Iterable[Sized], limit: int) -> Iterator[list[Sized]]:
        """Neighbouring sections in groups; most groups are one section."""
        group: list[Sized] = []
        for item in sized:
            if group and (len(group) == _MAX_GROUP or not self._joins(group, item, limit)):
                yield group
                group = []
            group.append(item)
        if group:
            yield group

    def _joins(self, group: Sequence[Sized], item: Sized, limit: int) -> bool:
        together = sum(each.tokens for each in group) + item.tokens
        depth = common_depth([each.section for each in (*group, item)])
        group_depth = common_depth([each.section for each in group])
        if depth < max(group_depth, len(item.section.headings)) - 1 or depth < group[0].section.known:
            return False
        if depth < item.section.continued:  # a heading would stand in this chunk's text and above the next one's
            return False
        if any(each.section.is_article for each in (*group, item)):
            return together <= self._tiny * limit
        return together <= self._small * limit or (
            together <= limit and min(item.tokens, together - item.tokens) <= self._tiny * limit
        )


def common_depth(group: Sequence[Section]) -> int:
    """How many headings all sections of the group have in common."""
    first, last = group[0].headings, min((section.headings for section in group), key=len)
    depth = min(len(first), len(last))
    for section in group[1:]:
        depth = next(
            (i for i, (a, b) in enumerate(zip(first[:depth], section.headings, strict=False)) if a is not b),
            min(depth, len(section.headings)),
        )
    return depth


def flowing(group: Sequence[Section], depth: int) -> Iterator[Block]:
    """The blocks of the group in order, with the headings below `depth` among them, each where it first stands."""
    shown: set[int] = set()
    for section in group:
        for heading in section.headings[depth:]:
            if id(heading) not in shown:
                shown.add(id(heading))
                yield heading
        yield from section.body


def as_text(block: Block) -> Block:
    """A heading that has no place in the heading path, as a text of its section."""
    return replace(block, element=replace(block.element, kind=ElementKind.TEXT, level=0))
