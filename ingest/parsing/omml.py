"""Office's equations (OMML) on one line: `(-b±√(b^(2)-4ac))/(2a)`, `∑_(k=0)^(n) x^(k)`."""

from __future__ import annotations

from typing import Any

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_MAX_DEPTH = 60

_MARKS = {
    "num": ("(", ")"),
    "den": ("/(", ")"),
    "sup": ("^(", ")"),
    "sub": ("_(", ")"),
    "lim": ("_(", ")"),
    "deg": ("[", "]"),
    "rad": ("√(", ")"),
    "fName": ("", " "),
    "mr": ("", "; "),
}
"""What keeps the parts apart, by element."""

_OPERATOR = "∫"
_BRACKETS = ("(", ")")
"""What an n-ary operator and delimiters are when their properties don't say (ECMA-376 part 1, 22.1.2)."""


def equation_text(element: Any, nesting: int = 0) -> str:
    """The text of an `m:oMath` or a part of one."""
    if nesting > _MAX_DEPTH:
        return ""
    text = ""
    for child in element:
        tag = child.tag
        if not isinstance(tag, str) or tag.endswith("Pr"):
            continue
        name = tag.rpartition("}")[2]
        if name == "t":
            text += child.text or ""
            continue
        inner = equation_text(child, nesting + 1)
        if name == "nary":
            text += _property(child, "naryPr", "chr", _OPERATOR) + inner
        elif name == "d":
            text += _property(child, "dPr", "begChr", _BRACKETS[0]) + inner
            text += _property(child, "dPr", "endChr", _BRACKETS[1])
        elif inner:
            before, after = _MARKS.get(name, ("", ""))
            text += before + inner + after
    return text


def _property(element: Any, properties: str, name: str, default: str) -> str:
    found = element.find(f"{M}{properties}/{M}{name}")
    return found.get(f"{M}val", "") if found is not None else default
