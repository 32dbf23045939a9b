"""Terms of what isn't Hangul: words, numbers, identifiers, paths, versions. Pure functions, no model."""

from __future__ import annotations

import re
from functools import lru_cache

_CJK = "가-힣ㄱ-ㆎ\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_CHARACTER = rf"[^\W{_CJK}]"
_THOUSANDS = r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?"
_DATE = r"(?<![\d.])(?:19|20)\d\d(?:\s?년\s?|\.\s?|-|/)\d{1,2}(?:\s?월\s?|\.\s?|-|/)\d{1,2}(?![\d])"
_ARTICLE = r"제\s?\d+\s?[조항호장절편관](?:\s?의\s?\d+)?|\d+\s?[조항호]\s?의\s?\d+"
_CHUNK = rf"{_CHARACTER}+(?:(?:[-._/:@#+&'\\]|::|->|://){_CHARACTER}+)*(?:\+\+|\#(?!\w))?"
CHUNKS = re.compile(f"(?P<thousands>{_THOUSANDS})|(?P<date>{_DATE})|(?P<article>{_ARTICLE})|(?P<chunk>{_CHUNK})")
"""Where the terms that are not Korean morphemes stand. Named groups: thousands, date, article, chunk."""

_PIECES = re.compile(rf"{_CHARACTER}+")
_HUMPS = re.compile(
    r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+"
)  # getHTTPResponse2 -> get HTTP Response 2
_DIGITS = re.compile(r"\d+")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)$", re.IGNORECASE)
_POSSESSIVE = re.compile(r"'s?$|'(?=t$)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\W_]+")
_MAX_TERM = 64
"""Longer runs (base64, minified code) are no words: only their first characters count."""
_CACHE = 1 << 16


def _version(text: str) -> list[str]:
    """`1.2.3` and its shorter forms of at least two numbers: `1.2`."""
    numbers = text.split(".")
    return [".".join(numbers[:count]) for count in range(len(numbers), 1, -1)]


def date_term(text: str) -> str:
    """`2026. 3. 1.`, `2026-03-01` and `2026년 3월 1일` as one term."""
    year, month, day = (int(number) for number in _DIGITS.findall(text))
    return f"{year:04d}-{month:02d}-{day:02d}"


def article_term(text: str) -> str:
    """`제12조의2`, `제 12 조의 2` and `12조의2` as one term."""
    compact = "".join(text.split())
    return compact if compact.startswith("제") else f"제{compact}"


@lru_cache(maxsize=_CACHE)
def chunk_terms(chunk: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Terms of one run of letters, digits and joining punctuation.

    Returns:
        What stands for the whole, and the parts when there are several. `getUserById`, `get_user_by_id` and
        `get-user-by-id` have the same whole, `getuserbyid`; plain words have no parts.
    """
    chunk = _POSSESSIVE.sub("", chunk)
    version = _VERSION.match(chunk)
    if version:
        return tuple(_version(version[1])), ()
    if chunk.endswith(("++", "#")):
        return (chunk.lower()[:_MAX_TERM],), ()
    pieces = _PIECES.findall(chunk)
    parts = [hump.lower() for piece in pieces for hump in _HUMPS.findall(piece)]
    whole = _SEPARATORS.sub("", chunk).lower()[:_MAX_TERM]
    if not whole:
        return (), ()
    if len(parts) <= 1:
        return (whole,), ()
    wholes = [whole]
    if "/" in chunk or "." in chunk or "@" in chunk or ":" in chunk:  # app.py of src/app.py, user@host, a::b
        wholes += [
            joined for piece in re.split(r"[/\\@:]+|->", chunk) if (joined := _SEPARATORS.sub("", piece).lower())
        ]
    inner = [piece.lower() for piece in pieces if piece.lower() not in parts] if len(pieces) > 1 else []
    return tuple(dict.fromkeys(wholes)), tuple(dict.fromkeys(inner)) + tuple(part[:_MAX_TERM] for part in parts)
