"""Marks of list items: `3)`, `(3)`, `가.`, `①`, `ii)` in front of what is said number it, and state nothing."""

from __future__ import annotations

import re

_BULLET = r"[-*+•·▪※○●□■][ \t]+"
_BOLD = r"(?:\*\*|__)?"
_NUMBER = r"\(\d{1,3}\)|\d{1,3}\)|\d{1,3}\.(?![ \t]+\d{1,2}\.)"
_LETTER = r"\(?[가나다라마바사아자차카타파하][.)]|\(?[a-zA-Z][.)]|[⑴-⒛ⓐ-ⓩ㉠-㉻]"
_ROMAN = r"\(?(?:[ivx]{1,5}|[IVX]{1,5}|[ⅰ-ⅻⅠ-Ⅻ])[.)]"
_PARAGRAPH = r"\s*(?:[항호,~·\-]|내지|및|또는)|[은는이가을를과와의도만에]\s|에서|부터|까지"
_RING = rf"[①-⑳]{_BOLD}(?!{_PARAGRAPH})"
_MARK = re.compile(
    rf"^(?P<before>[ \t]*(?:{_BULLET})?){_BOLD}(?:(?:{_NUMBER}|{_LETTER}|{_ROMAN}){_BOLD}[ \t]+|{_RING}[ \t]*)", re.M
)
"""In front of a line. `12. 31.` is a date, `3.1` a number, `(갑)` a party; `①항`, `①은` and `①, ②` name paragraphs."""
_CODE = ("```", "~~~")


def without_list_marks(text: str) -> str:
    """`text` without the numbers of its list items, whose bullets stay; code as it is."""
    return text if text.lstrip().startswith(_CODE) else _MARK.sub(r"\g<before>", text)
