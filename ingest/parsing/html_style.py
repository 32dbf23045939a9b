"""What a browser would not show: enough of CSS to find hidden, white-on-white and sizeless text, and no more.

Read are `style` attributes, the old `color` and `bgcolor` attributes, and rules of `<style>` blocks whose selector is one
tag, class or id. Combined selectors, `@media` blocks and linked style sheets are not: guessing wrongly loses text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_SHEET_CHARACTERS = 500_000
_MAX_RULES = 5_000
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.S)
_RULE = re.compile(r"([^{}]*)\{([^{}]*)\}")
_SELECTOR = re.compile(r"(?:[a-zA-Z][\w-]*)?[.#][\w-]+|[a-zA-Z][\w-]*")
_ZERO = re.compile(r"[+-]?0*\.?0*(?:[a-z]+|%)?$", re.I)
_ALMOST_ZERO = re.compile(r"(?:0?\.\d+|1(?:\.0+)?)(?:px|pt)$", re.I)
_FAR_AWAY = re.compile(r"-\d{3,}(?:\.\d+)?(?:px|em|rem|pt|%)$", re.I)
_CLIPPED = re.compile(
    r"rect\(\s*(?:0(?:px)?|1px)[\s,]+(?:0(?:px)?|1px)[\s,]+(?:0(?:px)?|1px)[\s,]+(?:0(?:px)?|1px)\s*\)"
)
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]+%?))?\s*\)")
_HEX = re.compile(r"#?([0-9a-f]{3,8})$")
_NAMED = {
    "white": (255, 255, 255), "black": (0, 0, 0), "red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 128, 0),
    "gray": (128, 128, 128), "grey": (128, 128, 128), "yellow": (255, 255, 0), "snow": (255, 250, 250),
    "whitesmoke": (245, 245, 245), "ivory": (255, 255, 240), "ghostwhite": (248, 248, 255), "navy": (0, 0, 128),
    "floralwhite": (255, 250, 240), "silver": (192, 192, 192), "orange": (255, 165, 0),
}  # fmt: skip
_SAME_COLOUR = 24
"""Sum of the differences of red, green and blue below which a reader sees nothing: #fff on #f8f8f8 is 21."""

Colour = tuple[int, int, int]
Declarations = dict[str, str]
WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a page says about its looks.

    Attributes:
        rules: declarations by simple selector: `p`, `.note`, `p.note`, `#note`.
        complete: whether these are all that set a background; otherwise white text may well stand on black.
    """

    rules: Mapping[str, Declarations] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """What an element inherits.

    Attributes:
        colour: of the text; None while nobody has set it: the browser's own, which is seen on the browser's own white.
        background: of the nearest element that has one; None for a picture or gradient, which can't be compared.
    """

    colour: Colour | None = None
    background: Colour | None = WHITE
    sizeless: bool = False
    invisible: bool = False
    sheet: Sheet = field(default=Sheet(), repr=False, compare=False)

    @property
    def shows(self) -> bool:
        """Whether text directly in the element can be seen, as far as is known."""
        return not (self.sizeless or self.invisible or self.is_background)

    @property
    def surely_hidden(self) -> bool:
        """Whether nothing that was not read could make it seen."""
        return self.sizeless or self.invisible or (self.is_background and self.sheet.complete)

    @property
    def is_background(self) -> bool:
        """White on white, and its like."""
        if self.colour is None or self.background is None:
            return False
        return sum(abs(a - b) for a, b in zip(self.colour, self.background, strict=True)) <= _SAME_COLOUR

    def inside(self, node: Any) -> Look | None:
        """The look of a child element; None when nothing below it is ever shown."""
        style = self._declared(node)
        if style is None:
            return None
        if not style:
            return self
        if _hides(style):
            return None
        look = self
        if (size := style.get("font-size")) is not None:
            look = replace(look, sizeless=_is_nothing(size) or _ALMOST_ZERO.match(size) is not None)
        if (visibility := style.get("visibility")) is not None:
            look = replace(look, invisible=visibility in ("hidden", "collapse"))
        if "background" in style:
            look = replace(look, background=_background(style["background"], look.background))
        if colour := _colour(style.get("color", "")):
            look = replace(look, colour=colour)
        return look

    def _declared(self, node: Any) -> Declarations | None:
        """The declarations that apply to `node`, weakest first; None for the `hidden` attribute."""
        attributes, rules = node.attrib, self.sheet.rules
        if not attributes and node.tag not in rules:
            return {}
        if "hidden" in attributes or attributes.get("aria-hidden", "").strip().lower() == "true":
            return None
        style: Declarations = {}
        if background := attributes.get("bgcolor"):
            style["background"] = background.strip().lower()
        if colour := attributes.get("color") or (attributes.get("text") if node.tag == "body" else None):
            style["color"] = colour.strip().lower()
        for key in _keys(node.tag, attributes) if rules else ():
            style |= rules.get(key, {})
        if inline := attributes.get("style"):
            style |= declarations(inline)
        return style


def read_sheets(sheets: Iterable[str], *, complete: bool) -> Sheet:
    """What the `<style>` blocks of a page say; `complete` when there are no other sheets."""
    rules: dict[str, Declarations] = {}
    left = _SHEET_CHARACTERS
    for sheet in sheets:
        text, left = sheet[: max(left, 0)], left - len(sheet)
        for selectors, body in _RULE.findall(_without_conditional_blocks(_COMMENT.sub(" ", text))):
            style = declarations(body)
            if not style:
                continue
            for selector in selectors.split(","):
                if _SELECTOR.fullmatch(selector.strip()) and len(rules) < _MAX_RULES:
                    rules.setdefault(selector.strip(), {}).update(style)
                elif "background" in style:
                    complete = False
        complete = complete and "@import" not in text
    return Sheet(rules, complete)


def _without_conditional_blocks(sheet: str) -> str:
    """The sheet without `@media { … }` and its like, whose rules hold for other devices and moments."""
    kept: list[str] = []
    at = 0
    while (start := sheet.find("@", at)) >= 0:
        kept.append(sheet[at:start])
        at = _end_of_at_rule(sheet, start)
    return "".join([*kept, sheet[at:]])


def _end_of_at_rule(sheet: str, start: int) -> int:
    depth = 0
    for found in re.finditer(r"[{};]", sheet[start:]):
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            depth -= 1
        if depth <= 0:
            return start + found.end()
    return len(sheet)


_RELEVANT = frozenset({
    "display", "visibility", "opacity", "font-size", "color", "background", "background-color", "text-indent",
    "position", "left", "top", "clip", "width", "height", "overflow",
})  # fmt: skip


def declarations(style: str) -> Declarations:
    """The relevant declarations of a `style` attribute or of a rule's body, names and values in lower case."""
    found: Declarations = {}
    for part in style[:10_000].split(";"):
        name, colon, value = part.partition(":")
        name = name.strip().lower()
        if colon and name in _RELEVANT:
            name = "background" if name == "background-color" else name
            found[name] = value.replace("!important", "").strip().lower()
    return found


def _keys(tag: str, attributes: Any) -> list[str]:
    """Selectors that mean an element, weakest first (CSS Selectors 3, 9)."""
    classes = attributes.get("class", "").split()
    keys = [tag, *(f".{name}" for name in classes), *(f"{tag}.{name}" for name in classes)]
    if name := attributes.get("id", "").strip():
        keys += [f"#{name}", f"{tag}#{name}"]
    return keys


def _hides(style: Declarations) -> bool:
    """Whether an element with these declarations takes everything in it out of sight."""
    if style.get("display") == "none":
        return True
    opacity = style.get("opacity", "")
    if opacity and _is_nothing(opacity):
        return True
    if style.get("position") in ("absolute", "fixed"):
        if _CLIPPED.match(style.get("clip", "")):
            return True
        if any(_FAR_AWAY.match(style.get(side, "")) for side in ("left", "top")):
            return True
    if style.get("overflow") == "hidden":
        if _FAR_AWAY.match(style.get("text-indent", "")):
            return True
        return any(_is_nothing(style.get(side, "")) for side in ("width", "height"))
    return False


def _is_nothing(value: str) -> bool:
    return bool(value) and any(character == "0" for character in value) and _ZERO.match(value) is not None


def _background(value: str, behind: Colour | None) -> Colour | None:
    """The colour behind the text; that of the parent where it is transparent; None for a picture."""
    if "url(" in value or "gradient" in value:
        return None
    if value in ("", "none", "transparent", "inherit", "initial", "unset"):
        return behind
    found = _RGB.search(value)
    if found and found[4] and _is_nothing(found[4]):
        return behind
    words = [found[0]] if found else value.split()
    return next((colour for word in words if (colour := _colour(word))), behind)


def _colour(value: str) -> Colour | None:
    value = value.strip()
    if value in _NAMED:
        return _NAMED[value]
    if found := _RGB.fullmatch(value):
        return min(int(found[1]), 255), min(int(found[2]), 255), min(int(found[3]), 255)
    if found := _HEX.match(value):
        digits = found[1]
        if len(digits) in (3, 4):
            digits = "".join(digit * 2 for digit in digits)
        if len(digits) in (6, 8):
            return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
    return None
