"""How models say in words of their own that the passages do not answer, though they were given a marker for it."""

from __future__ import annotations

import re

from rag.generation.drafting import Piece

_SOURCES_KO = r"(?:자료|문서|내용|정보|본문|출처|근거|규정|passage)"
_KOREAN = re.compile(
    rf"{_SOURCES_KO}[^.]{{0,60}}(?:없습니다|없음|없다|없어요|않습니다|않음|않다|않아요|못했습니다|어렵습니다|불가능합니다)[.\s]*\Z"
    rf"|(?:답변|답|확인|알|찾을)[^.]{{0,10}} 수 없(?:습니다|음|다|어요)[.\s]*\Z"
)
_ENGLISH = re.compile(
    r"(?:sources?|documents?|passages?|context|text|information|excerpts?)\b[^.]{0,80}"
    r"\b(?:not|n't|no|nothing|neither|insufficient|unable)\b"
    r"|\b(?:not|n't|no|nothing|cannot|unable)\b[^.]{0,80}"
    r"\b(?:sources?|documents?|passages?|context|text|information|excerpts?)\b"
    r"|\b(?:cannot|can't|can not|could not|unable to) (?:be )?(?:answer|determine|find)",
    re.IGNORECASE,
)
_LONGEST = 240
"""Characters; a refusal is short, and a longer sentence says something besides."""


def says_nothing(piece: Piece) -> bool:
    """Whether a sentence cites nothing and only says that there is nothing to cite."""
    if piece.numbers or len(piece.text) > _LONGEST:
        return False
    return bool(_KOREAN.search(piece.text.strip()) or _ENGLISH.search(piece.text.replace("’", "'")))
