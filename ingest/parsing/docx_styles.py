"""Styles of a Word document: what a paragraph or run inherits (ECMA-376 part 1, 17.7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingest.parsing.docx_numbering import integer
from ingest.parsing.ooxml import W

_HEADING_STYLE = re.compile(r"(?:heading|제목|개요)\s*([1-9])$", re.I)
_TITLE_STYLE = re.compile(r"(?:title|제목)$", re.I)
_CONTENTS_STYLE = re.compile(r"(?:toc|목차|table of figures)", re.I)
_MAX_STYLE_CHAIN = 20
_OFF = frozenset({"0", "false", "off", "none"})
_UNSEEN_HALF_POINTS = 3
"""Type of 1.5 points or less can't be read."""


@dataclass(frozen=True, slots=True)
class Look:
    """What character properties say about being seen; None where they say nothing."""

    vanish: bool | None = None
    white: bool | None = None
    shaded: bool | None = None
    tiny: bool | None = None

    def over(self, below: Look) -> Look:
        """These properties on top of inherited ones."""
        pairs = zip((self.vanish, self.white, self.shaded, self.tiny), below.values(), strict=True)
        return Look(*(inherited if own is None else own for own, inherited in pairs))

    def values(self) -> tuple[bool | None, ...]:
        """In the order of the fields."""
        return self.vanish, self.white, self.shaded, self.tiny

    @property
    def hidden(self) -> bool:
        """Surely not to be seen on a white page."""
        return bool(self.vanish or self.tiny or (self.white and not self.shaded))


@dataclass(frozen=True, slots=True)
class Style:
    """One style, without what it inherits."""

    name: str
    based_on: str
    outline: int | None
    number: str
    depth: int
    look: Look


@dataclass
class Styles:
    """All styles of a document."""

    by_id: dict[str, Style] = field(default_factory=dict)
    default: str = "Normal"
    """What a paragraph without a style has."""

    defaults: Look = Look()

    def chain(self, style: str) -> Iterator[Style]:
        """The style and what it is based on, at most as far as Word itself follows."""
        for _ in range(_MAX_STYLE_CHAIN):
            found = self.by_id.get(style)
            if found is None:
                return
            yield found
            style = found.based_on

    def look(self, style: str) -> Look:
        """A style's look with everything that it inherits."""
        look = Look()
        for found in self.chain(style):
            look = look.over(found.look)
        return look

    def is_contents(self, style: str) -> bool:
        """Whether the style is one of a table of contents."""
        return any(_CONTENTS_STYLE.match(found.name) for found in self.chain(style))

    def is_title(self, style: str) -> bool:
        """Whether the style is that of the document's title."""
        return any(_TITLE_STYLE.match(found.name) for found in self.chain(style))

    def level(self, style: str) -> int:
        """Depth of a heading; 0 for body text (outline level 9 says so explicitly)."""
        for found in self.chain(style):
            if found.outline is not None:
                return found.outline + 1 if found.outline < 9 else 0
            if named := _HEADING_STYLE.match(found.name):
                return int(named[1])
            if _TITLE_STYLE.match(found.name):
                return 1
        return 0


def read_styles(root: Any | None) -> Styles:
    """From `styles.xml`."""
    styles = Styles()
    if root is None:
        return styles
    styles.defaults = look_of(root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr"))
    for style in root.iter(f"{W}style"):
        properties = style.find(f"{W}pPr")
        outline = value_of(properties, "outlineLvl")
        numbering = properties.find(f"{W}numPr") if properties is not None else None
        name = style.get(f"{W}styleId", "")
        if style.get(f"{W}type") == "paragraph" and style.get(f"{W}default") in ("1", "true"):
            styles.default = name
        styles.by_id[name] = Style(
            name=value_of(style, "name") or "",
            based_on=value_of(style, "basedOn") or "",
            outline=integer(outline, 9) if outline is not None else None,
            number=value_of(numbering, "numId") or "",
            depth=integer(value_of(numbering, "ilvl")),
            look=look_of(style.find(f"{W}rPr")).over(Look(shaded=_is_shaded(properties))),
        )
    return styles


def look_of(properties: Any | None) -> Look:
    """What character properties (`w:rPr`) say about being seen."""
    if properties is None:
        return Look()
    color, size = value_of(properties, "color"), value_of(properties, "sz")
    shaded = _is_shaded(properties)
    if (highlight := value_of(properties, "highlight")) is not None:
        shaded = highlight not in ("none", "white")
    return Look(
        vanish=_switch(properties, "vanish"),
        white=color.upper() == "FFFFFF" if color is not None else None,
        shaded=shaded,
        tiny=integer(size, 20) <= _UNSEEN_HALF_POINTS if size is not None else None,
    )


def _switch(properties: Any, name: str) -> bool | None:
    found = properties.find(f"{W}{name}")
    return None if found is None else found.get(f"{W}val", "1") not in _OFF


def _is_shaded(properties: Any | None) -> bool | None:
    """Whether the ground is painted in anything but white."""
    shading = properties.find(f"{W}shd") if properties is not None else None
    if shading is None:
        return None
    pattern, fill = shading.get(f"{W}val", "clear"), shading.get(f"{W}fill", "auto").lower()
    return fill not in ("auto", "ffffff") or pattern not in ("clear", "nil") or shading.get(f"{W}themeFill") is not None


def shading_of(paragraph_properties: Any | None) -> Look:
    """The look that a paragraph's own shading gives its runs."""
    return Look(shaded=_is_shaded(paragraph_properties))


def value_of(element: Any | None, name: str) -> str | None:
    """`w:val` of the child `name`; None without one."""
    found = element.find(f"{W}{name}") if element is not None else None
    return found.get(f"{W}val") if found is not None else None
