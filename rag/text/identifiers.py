"""Terms of what isn't Hangul: words, numbers, identifiers, paths, versions. Pure functions, no model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from threading import Lock

import snowballstemmer

_CJK = "가-힣ㄱ-ㆎ\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_CHARACTER = rf"[^\W{_CJK}]"
_THOUSANDS = r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])"
_DATE = r"(?<![\d.])(?:19|20)\d\d(?:\s?년\s?|\.\s?|-|/)\d{1,2}(?:\s?월\s?|\.\s?|-|/)\d{1,2}(?!\d)"
_ARTICLE = r"제\s?\d+\s?[조항호장절편관](?:\s?의\s?\d+)?|\d+\s?[조항호]\s?의\s?\d+"
_CHUNK = rf"{_CHARACTER}+(?:(?:[-._/:@#+&'\\]|::|->|://){_CHARACTER}+)*(?:\+\+|\#(?!\w))?"
_MATCHES = re.compile(f"(?P<thousands>{_THOUSANDS})|(?P<date>{_DATE})|(?P<article>{_ARTICLE})|(?P<chunk>{_CHUNK})")

_ASCII_MATCHES = re.compile(
    rf"(?P<thousands>{_THOUSANDS})|(?P<date>(?<![\d.])(?:19|20)\d\d(?:\.\s?|-|/)\d{{1,2}}(?:\.\s?|-|/)\d{{1,2}}(?!\d))|"
    r"(?P<chunk>\w+(?:(?:[-._/:@#+&'\\]|::|->|://)\w+)*(?:\+\+|\#(?!\w))?)",
    re.ASCII,
)
"""`_MATCHES` for a text of ASCII alone, in which no article is: program text takes two thirds of the time."""
_PLAIN_MATCHES = re.compile(_THOUSANDS + r"|\w+(?:(?:[-._/:@#+&'\\]|::|->|://)\w+)*(?:\+\+|\#(?!\w))?", re.ASCII)
"""`_ASCII_MATCHES` where no date can be: then what was found tells of which kind it is."""
_NAMES = re.compile(r"\w++(?:(?:->|:(?://|:)?|[-._/@#+&'\\])\w++)*+(?:\+\+|\#(?!\w))?", re.ASCII)
"""`_PLAIN_MATCHES` where no thousands are, in half the time: a run never gives back what it has taken."""
_MAY_BE_DATE = re.compile(r"(?:19|20)\d\d[-./]", re.ASCII)
_MAY_BE_THOUSANDS = re.compile(r",\d{3}", re.ASCII)
_PIECES = re.compile(rf"{_CHARACTER}+")
_HUMPS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")
"""`getHTTPResponse2` is get, HTTP, Response, 2."""
_DIGITS = re.compile(r"\d+")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)$", re.IGNORECASE)
_POSSESSIVE = re.compile(r"'s?$", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\W_]+")
_SEGMENTS = re.compile(r"->|[/\\@:]+")
_MAX_TERM = 64
"""Longer runs (base64, digests) are no words: only their first characters count, in all and of each part."""
_MAX_CHUNK = 256
_CACHE = 1 << 13
"""Words and names that are remembered. Four times as many made 54 MB of program text no faster, and took 17 MB."""
_SHORT_NUMBER = 4
"""Digits, as of a year: up to here a number comes back."""
_CACHED_CHARACTERS = 40
"""Words and usual names. Longer runs hardly come back, and 65,536 of 256 characters with their parts took 400 MB."""

_STEMMER = snowballstemmer.stemmer("english")
_STEMMER.maxCacheSize = 0  # `_stem` remembers; what PyStemmer remembers by itself made a new word four times as dear
_STEMMER_LOCK = Lock()
"""A Snowball stemmer keeps its word in itself, so it is not thread-safe."""


@lru_cache(maxsize=_CACHE)
def _stem(term: str) -> str:
    """English stem of a word. Worth 2.5 points of nDCG@10 on en_scifact_train and code_cosqa_dev (BM25 alone)."""
    if not (term.isascii() and term.isalpha()):
        return term
    with _STEMMER_LOCK:
        return str(_STEMMER.stemWord(term))


def _date_terms(text: str) -> list[str]:
    """`2026. 3. 1.`, `2026-03-01` and `2026년 3월 1일` as one term, and the three numbers."""
    year, month, day = (int(number) for number in _DIGITS.findall(text))
    return [f"{year}-{month:02d}-{day:02d}", str(year), str(month), str(day)]


def _article_terms(text: str) -> list[str]:
    """`제12조의2`, `제 12 조의 2` and `12조의2` as one term; the article without its branch; the numbers."""
    compact = "".join(text.split()).removeprefix("제")
    stem = compact.split("의")[0]
    return list(dict.fromkeys((f"제{compact}", f"제{stem}", *_DIGITS.findall(compact))))


def _version_terms(text: str) -> list[str]:
    """`1.2.3` and its shorter forms of at least two numbers."""
    numbers = text.split(".")
    return [".".join(numbers[:count]) for count in range(len(numbers), 1, -1)]


def chunk_terms(chunk: str) -> tuple[str, ...]:
    """Terms of one run of letters, digits and joining punctuation: the whole, its segments, its parts.

    `getUserById`, `get_user_by_id` and `get-user-by-id` all give `getuserbyid`, `get`, `user`, `by`, `id`. English words
    are stemmed. Nothing occurs twice unless the text says it twice.
    """
    return _TERMS[chunk]


class _Terms(dict[str, tuple[str, ...]]):
    """`chunk_terms` by chunk, those of usual length remembered; of a number with thousands, the number.

    Long numbers are their own term and come back seldom: half a million in a table would push the words out.
    """

    def __missing__(self, chunk: str) -> tuple[str, ...]:
        if len(chunk) > _SHORT_NUMBER and chunk.isascii() and chunk.isdigit():
            return (chunk[:_MAX_TERM],)
        terms = (chunk.replace(",", ""),) if "," in chunk else _terms(chunk[:_MAX_CHUNK])
        if len(chunk) <= _CACHED_CHARACTERS:
            if len(self) >= _CACHE:
                self.clear()
            self[chunk] = terms
        return terms


_TERMS = _Terms()


def _terms(chunk: str) -> tuple[str, ...]:
    if "'" in chunk:
        chunk = _POSSESSIVE.sub("", chunk)
    if chunk.isascii() and chunk.isidentifier():  # as below, for the most frequent kind
        whole, parts = _named(chunk)
        return parts if whole in parts or not whole else (whole, *parts)
    if "." in chunk:
        if chunk[-1].isdigit() and (version := _VERSION.match(chunk)):
            return tuple(_version_terms(version[1]))
        joined = chunk.replace(".", "").replace("_", "")
        if joined.isascii() and joined.isalnum():  # `self.name`, as below
            return _of_pieces(chunk.split("."), (_stem(joined.lower()[:_MAX_TERM]),))
    if chunk.endswith(("++", "#")):
        return (chunk.lower()[:_MAX_TERM],)
    segments = _SEGMENTS.split(chunk)
    return _of_pieces(_PIECES.findall(chunk), map(_whole, (chunk, *segments) if len(segments) > 1 else (chunk,)))


def _of_pieces(pieces: Iterable[str], wholes: Iterable[str]) -> tuple[str, ...]:
    """Terms of a run: it as a whole, and its segments, before the names in it."""
    named = [_named(piece) for piece in pieces]
    parts = [part for _, parts in named for part in parts]
    terms = dict.fromkeys((*wholes, *[whole for whole, _ in named]))
    return (*[term for term in terms if term and term not in parts], *parts)


@lru_cache(maxsize=_CACHE)
def _named(piece: str) -> tuple[str, tuple[str, ...]]:
    """A name without anything but lines between its letters, as one term, and the words in it: `self`, `connection` come back in
    one name after the other."""
    if piece.isascii() and piece.isalpha() and piece.islower():
        whole = _stem(piece[:_MAX_TERM])
        return whole, (whole,)
    whole = _stem(piece.replace("_", "").lower()[:_MAX_TERM])
    return whole, tuple([_stem(hump.lower()[:_MAX_TERM]) for hump in _HUMPS.findall(piece)])


def _whole(name: str) -> str:
    return _stem(_SEPARATORS.sub("", name).lower()[:_MAX_TERM])


def forget_terms() -> None:
    """Empty what is remembered of words and names; it fills again with the next texts."""
    _TERMS.clear()
    _stem.cache_clear()
    _named.cache_clear()


def remembered_terms() -> int:
    """How many words and names are remembered."""
    return len(_TERMS)


def identifier_terms(text: str) -> list[str]:
    """Terms of everything in `text` that isn't Hangul, Hanja or kana, one entry per occurrence.

    Args:
        text: as `clean_characters` leaves it.
    """
    terms: list[str] = []
    for match in (_ASCII_MATCHES if text.isascii() else _MATCHES).finditer(text):
        found = match[0]
        kind = match.lastgroup
        if kind == "chunk":
            terms.extend(chunk_terms(found[:_MAX_CHUNK]))
        elif kind == "thousands":
            terms.append(found.replace(",", ""))
        elif kind == "date":
            terms.extend(_date_terms(found))
        else:
            terms.extend(_article_terms(found))
    return terms


def identifier_counts(text: str) -> dict[str, int]:
    """How often each of `identifier_terms` occurs, in the order of their first ones."""
    if not text.isascii() or (("19" in text or "20" in text) and _MAY_BE_DATE.search(text) is not None):
        return Counter(identifier_terms(text))
    matches = _PLAIN_MATCHES if _MAY_BE_THOUSANDS.search(text) is not None else _NAMES
    return Counter(chain.from_iterable(map(_TERMS.__getitem__, matches.findall(text))))
