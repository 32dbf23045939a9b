"""From lines to paragraphs: repeated headers out, headings guessed."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ingest.parsing.headings import MAX_HEADING_CHARACTERS, NumberedHeading, numbered_heading
from ingest.parsing.pdf_page import Line, rounded, union
from ingest.parsing.pdf_seam import Seam
from rag.domain.anchor import PageAnchor
from rag.domain.document import Element, ElementKind

_EDGE_LINES = 2
"""How many lines at the top and at the bottom of a page may be a header or a footer."""

_DEEPEST_EDGE = 4
"""How many, where all lines between them and the edge of the page are headers or footers themselves and stand close by."""

_REPEATED_PAGES = 3
_REPEATED_SHARE = 0.25
"""Odd and even pages have headers of their own, and so have chapters."""

_REPEATED_BEHIND = 0.8
"""Of the pages that begin with the same lines of a header, so many have a third and a fourth one in common, and of all pages so
many a label and its value; what fewer have in common is what some forms say of several people."""

_LABELLED = re.compile(r"[^:：]{1,30}[:：](?!//)")
"""`Department: Sales` is a value, on however many pages it is the same."""

_MIN_TITLE_LETTERS = 4
_DIGITS = re.compile(r"\d+")
_OUTER_NUMBER = re.compile(r"^\d{1,4}(?=\s)|(?<=\s)\d{1,4}$")
_PAGE_NUMBER = re.compile(
    r"[-–—\s]*(?:page|p\.|쪽|페이지)?\s*(\d{1,4})\s*(?:(?:/|of)\s*\d{1,4})?\s*(?:쪽|페이지)?[-–—\s]*$", re.I
)

_PARAGRAPH_GAP = 0.75
"""A gap of more line heights than this between two lines ends a paragraph (single to 1.5-fold spacing stays below)."""

_COLUMN_INDENT = 3
_COLUMN_LINES = 4
"""So many lines that begin within so many line heights of each other make a column."""

_CELL_LINES = 4
"""A cell of a table without rules rarely has more lines; a column of running text has."""

_SIZE_STEP = 1.12
"""A line this much taller than the body is a heading; the smallest step in word processors' themes is 12 to 13.5 pt."""

_SCANNED_STEP = 1.3
_SCANNED_CHARACTERS = 40
_SAME_SCANNED_SIZE = 0.3
"""Of lines read by OCR: the height of one depends on its letters, so that lines of one paragraph differ by a fifth."""

_SIZE_LEVELS = 3
_SAME_SIZE = 0.12
_SHORT_OF_MARGIN = 4.0
"""A line that ends this many line heights before the right margin ends its paragraph."""

_SYMBOL = re.compile(r"[-–•·▪◦○●■□▶▷※❍◾➢\uf000-\uf0ff]\s")
_BULLET = re.compile(r"(?:[-–•·▪◦○●■□▶▷※❍◾➢\uf000-\uf0ff]\s|\(?\d{1,2}[.)]\s|[가-하][.)]\s|[①-⑳]|[a-z][.)]\s)")
_OUTLINE_NUMBER = re.compile(r"(\d{1,2})((?:\.\d{1,2})*)\.?\s")
_CAPTION = re.compile(r"[\[<〈]?\s?(?:표|그림|사진|table|figure|fig\.)\s*[\dⅠ-Ⅻ]", re.I)
"""A caption belongs to one table or picture; as a heading it would claim all that follows."""

_SENTENCE_END = re.compile(r"(?:[.!?。:;,]|[다요]\.?)[\"'”’)\]]*$")


@dataclass(frozen=True, slots=True)
class PageLines:
    """What stands on one page outside of tables."""

    number: int
    height: float
    lines: tuple[Line, ...]


def without_running_lines(pages: Sequence[PageLines], seam: Seam) -> list[PageLines]:
    """Pages without headers, footers and page numbers. The first copy of a header stays: it may be the only title."""
    edges = [_edge_lines(page) for page in pages]
    needed = max(_REPEATED_PAGES, _REPEATED_SHARE * len(pages))
    seen = set(seam.running)
    seam.running |= _repeated(pages, edges, needed) | _counting(pages, needed)
    offsets = Counter(
        offset
        for page, lines in zip(pages, edges, strict=True)
        for offset in {_number_offset(line, page) for line in lines} - {None}
    )
    offset, count = offsets.most_common(1)[0] if offsets else (None, 0)
    if count >= min(needed, len(pages)) and len(pages) > 1:
        seam.numbering = offset
    for depth in range(_EDGE_LINES, _DEEPEST_EDGE):
        deeper = [_behind(page, lines, depth, seam) for page, lines in zip(pages, edges, strict=True)]
        repeated = _repeated_behind(deeper, needed)
        edges = [
            lines
            + [one.line for one in more if one.key in repeated or (one.may_run and one.key.pattern in seam.running)]
            for lines, more in zip(edges, deeper, strict=True)
        ]
        seam.running |= {key.pattern for key in repeated}
    return [_without(page, set(lines), seam, seen) for page, lines in zip(pages, edges, strict=True)]


def _repeated(pages: Sequence[PageLines], edges: Sequence[Sequence[Line]], needed: float) -> set[str]:
    """Patterns of lines at the edges of so many pages; of nearly all of them where a line is a label and its value, and then not
    if its number is another one on every form."""
    found: dict[str, dict[int, str]] = {}
    for page, lines in zip(pages, edges, strict=True):
        for line in lines:
            found.setdefault(_pattern(line), {})[page.number] = line.text
    nearly_all = max(needed, _REPEATED_BEHIND * len(pages))
    labelled = {pattern: texts for pattern, texts in found.items() if _LABELLED.match(pattern)}
    return {pattern for pattern, texts in found.items() if pattern not in labelled and len(texts) >= needed} | {
        pattern for pattern, texts in labelled.items() if len(texts) >= nearly_all and not _is_data(texts)
    }


def _counting(pages: Sequence[PageLines], needed: float) -> set[str]:
    """Patterns of outermost lines that name a chapter and the page: their number counts pages as on many others, whatever
    chapters those name. A chapter has few pages; two with the same name are enough."""
    found: dict[int, dict[str, set[int]]] = {}
    for page in pages:
        by_height = sorted(page.lines, key=lambda line: line.box[1])
        for line in {*by_height[:1], *by_height[-1:]}:
            for number in _OUTER_NUMBER.findall(line.text):
                found.setdefault(int(number) - page.number, {}).setdefault(_pattern(line), set()).add(page.number)
    patterns = max(found.values(), key=lambda patterns: len(set().union(*patterns.values())), default={})
    if len(set().union(*patterns.values())) < needed:
        return set()
    return {
        pattern
        for pattern, numbers in patterns.items()
        if len(numbers) > 1 and sum(map(str.isalpha, pattern)) >= _MIN_TITLE_LETTERS
    }


def _is_data(texts: Mapping[int, str]) -> bool:
    """Whether numbers of the same line, by page, neither stay the same nor count pages, on nearly all pages."""
    numbers = [(page, tuple(map(int, _DIGITS.findall(text)))) for page, text in texts.items()]
    for place in range(len(numbers[0][1])):
        same = Counter(values[place] for _, values in numbers).most_common(1)[0][1]
        counted = Counter(values[place] - page for page, values in numbers).most_common(1)[0][1]
        if max(same, counted) < _REPEATED_BEHIND * len(numbers):
            return True
    return False


class _Below(NamedTuple):
    """What stands behind which lines: those of the header or footer from the edge inwards, as patterns."""

    is_foot: bool
    block: tuple[str, ...]
    pattern: str


@dataclass(frozen=True, slots=True)
class _Behind:
    """The line below a header, or above a footer; `may_run`: as far as the page tells, it may be one more line of it."""

    key: _Below
    line: Line
    may_run: bool


def _behind(page: PageLines, edge: Sequence[Line], depth: int, seam: Seam) -> list[_Behind]:
    """What stands behind a header and a footer of `depth` lines. A number or the value of a label is data, and none of them."""
    by_height = sorted(page.lines, key=lambda line: line.box[1])
    if len(by_height) <= 2 * depth:
        return []
    known = {line for line in edge if _is_running(line, page, seam)}
    found = []
    for is_foot, lines in ((False, by_height), (True, by_height[::-1])):
        nearer, line = lines[:depth], lines[depth]
        if not known.issuperset(nearer):
            continue
        is_data = _DIGITS.search(line.text) or _LABELLED.match(line.text)
        may_run = not is_data and all(itertools.starmap(_is_close, itertools.pairwise((*nearer, line))))
        found.append(_Behind(_Below(is_foot, tuple(map(_pattern, nearer)), _pattern(line)), line, may_run))
    return found


def _repeated_behind(pages: Sequence[Sequence[_Behind]], needed: float) -> set[_Below]:
    """What stands on so many pages behind a header or footer, and on nearly all that have that one."""
    behind = [one for page in pages for one in page]
    having = Counter(one.key[:2] for one in behind)
    counts = Counter(one.key for one in behind if one.may_run)
    return {key for key, count in counts.items() if count >= max(needed, _REPEATED_BEHIND * having[key[:2]])}


def _is_close(one: Line, other: Line) -> bool:
    """They are lines of one block."""
    upper, lower = sorted((one, other), key=lambda line: line.box[1])
    return lower.box[1] - upper.box[3] <= _PARAGRAPH_GAP * max(one.height, other.height)


def _is_running(line: Line, page: PageLines, seam: Seam) -> bool:
    is_number = seam.numbering is not None and _number_offset(line, page) == seam.numbering
    return is_number or _pattern(line) in seam.running


def _edge_lines(page: PageLines) -> list[Line]:
    """The lines nearest to the top and to the bottom, wherever those are: the foot follows the text in many exports."""
    by_height = sorted(page.lines, key=lambda line: line.box[1])
    return by_height[:_EDGE_LINES] + by_height[_EDGE_LINES:][-_EDGE_LINES:]


def _pattern(line: Line) -> str:
    return _DIGITS.sub("#", line.text)


def _number_offset(line: Line, page: PageLines) -> int | None:
    """Printed page number minus counted one, for a line that may be a page number."""
    found = _PAGE_NUMBER.match(line.text)
    return int(found[1]) - page.number if found else None


def _without(page: PageLines, edge: set[Line], seam: Seam, seen: set[str]) -> PageLines:
    kept = []
    middle = page.height / 2
    for line in page.lines:
        if line in edge:
            if seam.numbering is not None and _number_offset(line, page) == seam.numbering:
                continue
            pattern = _pattern(line)
            if pattern in seam.running:
                letters = sum(map(str.isalpha, pattern))
                is_first = pattern not in seen and letters >= _MIN_TITLE_LETTERS and line.box[1] < middle
                seen.add(pattern)
                if not is_first:
                    continue
        kept.append(line)
    return replace(page, lines=tuple(kept))


def line_heights(lines: Iterable[Line]) -> Counter[float]:
    """Characters by the height of their line, in half points."""
    heights: Counter[float] = Counter()
    for line in lines:
        heights[round(line.height * 2) / 2] += len(line.text)
    return heights


def paragraphs(lines: Sequence[Line], body: float) -> list[list[Line]]:
    """Lines of one page grouped into paragraphs, headings alone."""
    groups: list[list[Line]] = []
    for line in lines:
        if groups and _continues(groups[-1], line, _right_margin(groups[-1][-1], lines), body):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _right_margin(line: Line, lines: Sequence[Line]) -> float:
    """How far to the right the lines of this line's column reach; nine in ten, as a table may be wider."""
    column = [other.box[2] for other in lines if abs(other.box[0] - line.box[0]) <= _COLUMN_INDENT * line.height]
    rights = column if len(column) >= _COLUMN_LINES else [other.box[2] for other in lines]
    return sorted(rights)[int(len(rights) * 0.9)]


def _continues(group: list[Line], line: Line, right: float, body: float) -> bool:
    before = group[-1]
    gap = line.box[1] - before.box[3]
    if _is_next_cell(before, line):
        return True
    if gap > _PARAGRAPH_GAP * max(before.height, line.height) or gap < -before.height:
        return False  # far below, or back up: another column
    same_size = _SAME_SCANNED_SIZE if before.scanned and line.scanned else _SAME_SIZE
    if abs(before.height - line.height) > same_size * max(before.height, line.height) or before.bold != line.bold:
        return False
    if before.divided:
        return True  # no paragraph ends inside a word, whatever the next line begins with
    if before.wide_gaps and line.wide_gaps:
        return True  # rows of a table without rules, or of a table of contents, stay together
    ends_early = right - before.box[2] > _SHORT_OF_MARGIN * before.height
    if _BULLET.match(line.text) or numbered_heading(line.text) or (ends_early and _is_numbered(group)):
        return False
    longer = line.box[2] > before.box[2] + _SHORT_OF_MARGIN * body
    return not (ends_early and (longer or _SENTENCE_END.search(before.text)))


def _is_numbered(group: Sequence[Line]) -> bool:
    """The group is a heading with a number, which ends here."""
    found = numbered_heading(" ".join(line.text for line in group))
    return found is not None and not found.rest


def _is_next_cell(before: Line, line: Line) -> bool:
    """A few lines up and to the right: the next cell in a row of cells with several lines each."""
    back_up = before.box[3] - line.box[1]
    return before.height < back_up <= _CELL_LINES * before.height and line.box[0] >= before.box[2]


def heading_sizes(groups: Iterable[Sequence[Line]], body: float, known: Mapping[float, int]) -> dict[float, int]:
    """Levels of the heights that headings have, tallest first; at most three.

    Args:
        known: of the pages before; those stay.
    """
    levels = dict(known)
    heights = {_size(group) for group in groups if _looks_like_heading(group, body)}
    for height in sorted(heights - levels.keys(), reverse=True):
        level = 1 + max((levels[other] for other in levels if other > height), default=0)
        if level <= _SIZE_LEVELS:
            levels[height] = level
    return levels


def _size(group: Sequence[Line]) -> float:
    return round(max(line.height for line in group))


def _looks_like_heading(group: Sequence[Line], body: float) -> bool:
    text = " ".join(line.text for line in group)
    letters = sum(character.isalpha() for character in text)
    return (
        len(group) <= 2
        and len(text) <= 1.5 * MAX_HEADING_CHARACTERS
        and letters >= 2
        and letters >= 0.4 * len(text.replace(" ", ""))
        and not any(line.wide_gaps for line in group)
        and not _CAPTION.match(text)
        and not _SYMBOL.match(text)
        and not _SENTENCE_END.search(text)
        and min(line.height for line in group) >= _SIZE_STEP * body
        and (not group[0].scanned or _is_scanned_heading(group, text, body))
    )


def _is_scanned_heading(group: Sequence[Line], text: str, body: float) -> bool:
    """Surely one: a line of a text that is taken for a heading is missing from its sentence, which then says something else."""
    return (
        len(group) == 1
        and len(text) <= _SCANNED_CHARACTERS
        and group[0].height >= _SCANNED_STEP * body
        and _BULLET.match(text) is None
        and ":" not in text
    )


def group_elements(group: Sequence[Line], page: int, sizes: dict[float, int], body: float) -> list[Element]:
    """The element or, for an article that begins with its title, the two elements that a paragraph is."""
    text = "\n".join(line.text for line in group)
    anchors = tuple(_line_anchor(line, page) for line in group)
    anchor = PageAnchor(page, page, ((page, rounded(union([line.box for line in group]))),))
    found = None if group[0].wide_gaps else numbered_heading(group[0].text)
    if found and (len(group) == 1 or found.sure):
        return _numbered(found, group, anchor, anchors)
    if _looks_like_heading(group, body) and _size(group) in sizes:
        return [Element(ElementKind.HEADING, text.replace("\n", " "), anchor, level=sizes[_size(group)])]
    if _is_bold_heading(group):
        return [Element(ElementKind.HEADING, text, anchor, level=max(sizes.values(), default=0) + 1)]
    kind = ElementKind.LIST_ITEM if _BULLET.match(text) else ElementKind.TEXT
    return [Element(kind, text, anchor, line_anchors=anchors)]


def _numbered(
    found: NumberedHeading, group: Sequence[Line], anchor: PageAnchor, anchors: tuple[PageAnchor, ...]
) -> list[Element]:
    heading = Element(ElementKind.HEADING, found.title, anchors[0], level=found.level)
    texts = [line.text for line in group]
    texts[0] = found.rest
    if not found.rest:
        texts, anchors = texts[1:], anchors[1:]
    if not texts:
        return [heading]
    return [heading, Element(ElementKind.TEXT, "\n".join(texts), anchor, line_anchors=anchors)]


def _is_bold_heading(group: Sequence[Line]) -> bool:
    if len(group) != 1 or not group[0].bold or group[0].wide_gaps:
        return False
    text = group[0].text
    letters = sum(character.isalpha() for character in text)
    return (
        letters >= max(2, 0.5 * len(text.replace(" ", "")))
        and len(text) <= MAX_HEADING_CHARACTERS
        and text[0] not in "([<"
        and not _CAPTION.match(text)
        and not _SENTENCE_END.search(text)
    )


def _line_anchor(line: Line, page: int) -> PageAnchor:
    return PageAnchor(page, page, ((page, rounded(line.box)),))


def nested(elements: Sequence[Element], chapters: dict[str, int]) -> list[Element]:
    """Headings such as 1.2 put below the chapter 1 they belong to, at whatever level its size has given that.

    Args:
        chapters: levels by number, of the pages before; those of these are added.
    """
    result = []
    for element in elements:
        if element.kind is ElementKind.HEADING and (found := _OUTLINE_NUMBER.match(element.text)):
            number, dots = found[1], found[2].count(".")
            if not dots:
                chapters[number] = element.level
            elif number in chapters:
                element = replace(element, level=chapters[number] + dots)
        result.append(element)
    return result
