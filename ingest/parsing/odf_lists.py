"""Numbers of OpenDocument lists and headings: like Word, ODF counts only when it shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ingest.parsing.docx_numbering import integer, number_text
from ingest.parsing.odf import STYLE, TEXT

_FORMATS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_KOREAN = {"가": "ganada", "ㄱ": "chosung", "①": "decimalEnclosedCircle", "일": "koreanDigital"}
"""`style:num-format` of other scripts begins with the first of their numbers (20.322)."""


@dataclass(frozen=True, slots=True)
class _Level:
    format: str
    prefix: str
    suffix: str
    start: int
    levels_shown: int


@dataclass
class OdfLists:
    """List styles of a document, and how far each list has been counted."""

    styles: dict[str, dict[int, _Level]] = field(default_factory=dict)
    outline: dict[int, _Level] = field(default_factory=dict)
    counters: dict[str, dict[int, int]] = field(default_factory=dict)

    def add(self, root: Any | None) -> None:
        """Read the list styles of `content.xml` or `styles.xml`."""
        if root is None:
            return
        for style in root.iter(f"{TEXT}list-style"):
            self.styles[style.get(f"{STYLE}name", "")] = _levels(style, f"{TEXT}list-level-style-number")
        for style in root.iter(f"{TEXT}outline-style"):
            self.outline = _levels(style, f"{TEXT}outline-level-style")

    def begin(self, style: str, *, goes_on: bool) -> None:
        """A list begins; one that does not go on counts from its start again."""
        if not goes_on:
            self.counters.pop(style, None)

    def label(self, style: str, depth: int, start: int | None = None) -> str:
        """The number before the next item at `depth` (from 1); empty for a bullet."""
        return _count(self.styles.get(style, {}), self.counters.setdefault(style, {}), depth, start)

    def heading(self, depth: int) -> str:
        """The number before the next heading of this level; empty where headings have none."""
        return _count(self.outline, self.counters.setdefault("\0outline", {}), depth, None)


def _count(levels: dict[int, _Level], counters: dict[int, int], depth: int, start: int | None) -> str:
    level = levels.get(depth)
    first = level.start if level else 1
    for above in [known for known in levels if known < depth]:
        counters.setdefault(above, levels[above].start)  # passed over, it counts as if it stood there, as in Word
    counters[depth] = start if start is not None else counters.get(depth, first - 1) + 1
    for deeper in [known for known in counters if known > depth]:
        del counters[deeper]
    if level is None or not level.format:
        return ""
    shown = range(max(1, depth - level.levels_shown + 1), depth + 1)
    numbers = [number_text(counters.get(at, 1), _name(levels[at].format)) for at in shown if at in levels]
    return level.prefix + ".".join(numbers) + level.suffix


def _name(number_format: str) -> str:
    return _FORMATS.get(number_format) or _KOREAN.get(number_format[:1], "decimal")


def _levels(style: Any, tag: str) -> dict[int, _Level]:
    levels = {}
    for level in style.iter(tag):
        depth = integer(level.get(f"{TEXT}level"))
        if 1 <= depth <= 10:
            levels[depth] = _Level(
                level.get(f"{STYLE}num-format", ""),
                level.get(f"{STYLE}num-prefix", ""),
                level.get(f"{STYLE}num-suffix", ""),
                integer(level.get(f"{TEXT}start-value"), 1),
                integer(level.get(f"{TEXT}display-levels"), 1),
            )
    return levels
