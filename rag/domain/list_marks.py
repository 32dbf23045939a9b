"""Marks of list items: `3)`, `(3)`, `가.`, `①`, `ii)` in front of what is said number it, and state nothing."""

from __future__ import annotations

import re

BULLET = r"[-*+•·▪※○●□■][ \t]+"
"""A bullet, which states nothing either; as a pattern."""
_BOLD = r"(?:\*\*|__)?+"
_DAY = (
    r"[ \t]+\d{1,2}(?:\.|(?:자|부터|까지)(?![가-힣])|[ \t]*\(|[ \t]*[~∼\-–][ \t]*\d{1,2}\."
    r"|[ \t]+[~∼–][ \t]*\d|[ \t]*[~∼–][ \t]*\d{1,2}(?![\d가-힣]))"
)
"""What makes a month of `12.`: `12. 31.`, `12. 25 (목)`, `9. 1자`, `5. 1 ~ 5. 10`; not `1. 3~5일`."""
_NUMBER = rf"\(\d{{1,3}}\)|\d{{1,3}}\)|\d{{1,3}}\.(?!{_DAY})"
_MEASURED = (
    r"(?:개월|년|명|개|원|회|호|항|%)(?![가-힣])"
    r"|(?:시간|일|주|개월|년|명|개|원|회|%)[ \t]*(?:동안|이내|이상|이하|미만|초과|안에|내에"
    r"|(?:전|후|뒤)(?:에|까지|부터)?(?![가-힣]))"
)
"""A unit makes an amount of the number: `(17) 시간 동안`. `시간을`, `일 한도` and `주 1회` are what items begin with."""
_LETTER = r"\(?[가나다라마바사아자차카타파하][.)]|\(?[a-zA-Z][.)]|[⑴-⒛ⓐ-ⓩ㉠-㉻]"
_ROMAN = r"\(?(?:[ivx]{1,5}|[IVX]{1,5}|[ⅰ-ⅻⅠ-Ⅻ])[.)]"
_PARAGRAPH = (
    r"\s*(?:[항호,~·\-]|내지|및|또는)|[은는이가을를과와의도만에]\s|에서|부터|까지|처럼|[①-⑳]"
    r"|(?:번(?:[은는이가을를과와의도만에]|으로)?|으?로(?:는|도|만|서)?|보다는?|중(?:에|에서)?)(?![가-힣])"
)
_RING = rf"[①-⑳]{_BOLD}(?!{_PARAGRAPH})"
_MARK = re.compile(
    rf"^(?P<before>[ \t]*(?:{BULLET})?){_BOLD}(?:(?:{_NUMBER}|{_LETTER}|{_ROMAN}){_BOLD}[ \t]++(?!{_MEASURED})|{_RING}[ \t]*)",
    re.M,
)
"""In front of a line. `12. 31.` is a date, `3.1` a number, `(갑)` a party; `①항`, `①로` and `①, ②` name paragraphs."""
_CODE = ("```", "~~~")


def without_list_marks(text: str) -> str:
    """`text` without the numbers of its list items, whose bullets stay; code as it is."""
    return text if text.lstrip().startswith(_CODE) else _MARK.sub(r"\g<before>", text)
