"""Reviewers' comments and pictures' descriptions as text: a reader sees them, but they are not the document's own words."""

from __future__ import annotations

import re

from ingest.parsing.characters import one_line, squeeze

_HANGUL = re.compile("[가-힣]")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def comment_text(text: str, author: str = "", written: str = "") -> str:
    """`[메모: 김감사, 2026-03-01] 근거가 필요합니다`, in English for an English comment; empty without a text."""
    text = squeeze(text)
    if not text:
        return ""
    day = _DAY.match(written)
    details = ", ".join(filter(None, (one_line(author), day[0] if day else "")))
    word = "메모" if _HANGUL.search(text + author) else "Comment"
    return f"[{word}: {details}] {text}" if details else f"[{word}] {text}"


def picture_text(description: str) -> str:
    """`[그림: 조직도]`; empty for none, and for a file's name, which says nothing that a reader could see."""
    text = one_line(description)
    if not text or re.fullmatch(r"\S+\.(?:png|jpe?g|gif|bmp|emf|wmf|tiff?|svg)", text, re.I):
        return ""
    return f"[{'그림' if _HANGUL.search(text) else 'Picture'}: {text}]"
