"""How deep and how wide a JSON text is, told without parsing it: parsers recurse, and make an object of each value."""

from __future__ import annotations

import re
from itertools import accumulate

from rag.domain.errors import InvalidRequest

# Possessive, and an end of the text ends a string too: without both, a text of escaped quotes costs its length squared.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_STRUCTURE = b"[]{},"
_OTHERS = bytes(set(range(256)) - set(_STRUCTURE))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_PIECE = 1 << 16


def check_shape(text: bytes, *, depth: int, members: int) -> None:
    """Refuse a JSON text that nests deeper than `depth`, or holds more than `members` values. Takes time linear in its length.

    A text that is no JSON passes or is refused, whichever; its parser will say what is wrong with it.

    Raises:
        InvalidRequest: it is too deep or too wide.
    """
    structure = _STRINGS.sub(b"", text).translate(None, _OTHERS)
    opened = structure.count(b"[") + structure.count(b"{")
    if structure.count(b",") + opened > members:
        raise InvalidRequest(
            detail=f"JSON with more than {members} values",
            detail_ko=f"JSON에 든 값이 {members}개를 넘습니다. 여러 요청으로 나누세요",
        )
    if opened <= depth:
        return
    brackets = structure.translate(None, b",")
    level = 0
    for start in range(0, len(brackets), _PIECE):
        levels = list(accumulate((_STEP[byte] for byte in brackets[start : start + _PIECE]), initial=level))
        if max(levels) > depth:
            raise InvalidRequest(
                detail=f"JSON nested deeper than {depth} levels", detail_ko=f"JSON이 {depth}단계보다 깊습니다"
            )
        level = levels[-1]
