"""What a text is written in, by the share of its scripts and a few function words: microseconds, no model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from rag.domain.language import Language

_SAMPLE = 4000
"""Characters looked at; the first ones decide, a chunk is seldom longer."""
_LETTERS_PER_SYLLABLE = 2.5
"""Latin letters that carry as much as one Hangul syllable or Hanja: a Korean text is some 2.5 times shorter in characters."""
_KOREAN_SHARE = 0.08
"""From this weighted share of Hangul on, a text without English function words is Korean with foreign terms in it."""
_KOREAN_SHARE_IN_ENGLISH = 0.4
"""The same for a text that has English function words: an English sentence about a Korean term stays English."""
_MIN_FUNCTION_WORDS = 2
_MAX_HANJA_PHRASE = 16
"""Han characters alone up to this length are taken for a Korean's Hanja (勤勞基準法); longer ones are Chinese."""
_FOREIGN_LETTERS = 0.02
_MIN_FOREIGN_WORDS = 3

_HANGUL = re.compile("[가-힣ㄱ-ㆎ\u1100-\u11ff]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN = re.compile("[A-Za-zＡ-Ｚａ-ｚ]")
_ACCENTED = re.compile("[\u00c0-\u024f\u1e00-\u1eff]")
_OTHER_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile("[A-Za-zÀ-ɏ']+")
_ENGLISH = """
a an and any are as at be been but by can could did do does for from had has have how i if in into is it its may no not of on or
our shall should so than that the their there these this those to was we were what when where which who whose why will with
would you your
"""
_FOREIGN = """
aber als auch auf aus bei das dem den der des die durch ein eine einen für ist mit nach nicht oder sich sie sind und von wie
werden wird zu zum zur au aux avec ce cette dans du elle est et il la le les leur mais ne nous ou où par pas pour qui sont sur
une vous con como del el ella en esta este las lo los más para pero por que se sin sobre su un y ao com da dos em foi na não nas
nos os pela pelo um uma che di è gli nel non per sono della delle dei een het niet van voor zijn och att det som med är jest nie
się że
"""
_ENGLISH_WORDS = frozenset(_ENGLISH.split())
_FOREIGN_WORDS = frozenset(_FOREIGN.split())
"""Function words of German, French, Spanish, Portuguese, Italian, Dutch, Swedish, Polish that are no English words."""

_CODE_CONSTRUCTS = tuple(
    re.compile(pattern, re.MULTILINE | re.ASCII)
    for pattern in (
        r"```",
        r"\b[A-Za-z_]\w*\([\w\s,.='\"*&\[\]]*\)",  # f(), f(a, b=1)
        r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\(",  # a.b(
        r"\b[A-Za-z_]\w*(?:::|->)[A-Za-z_]\w*",
        r"(?:^|\s)(?:[=!<>]=|=>|&&|\|\||\+=|-=|:=)(?:\s|$)",
        r"^\s*(?:def|class|import|from|func|fn|public|private|static|const|let|var|return|#include|package|struct)\s+\w+.*[:;{(]",
        r"^\s*(?:import\s+[\w.]+|from\s+[\w.]+\s+import\s+\w+)",
        r"\b(?:SELECT\b.+\bFROM|INSERT\s+INTO|UPDATE\b.+\bSET)\b",
        r"[;{}]\s*$",
        r"\b[a-z][a-z0-9]+(?:_[a-z0-9]+)+\b",  # snake_case
        r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b",  # MAX_LENGTH
        r"\b[a-z]{2,}[a-z0-9]*(?:[A-Z][a-z0-9]+)+\b",  # camelCase, but not iPhone
        r"\b(?:[A-Z][a-z0-9]+){3,}\b",  # HttpServletRequest, but not JavaScript
    )
)


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))


def _function_words(words: Iterable[str], known: frozenset[str]) -> int:
    return sum(word in known for word in words)


def _latin_language(sample: str, latin: int, accented: int) -> Language:
    """English unless accents and function words of another European language say otherwise."""
    words = [word.lower() for word in islice(_WORD.findall(sample), 400)]
    english = _function_words(words, _ENGLISH_WORDS)
    foreign = _function_words(words, _FOREIGN_WORDS)
    if accented > _FOREIGN_LETTERS * (latin + accented) and foreign >= max(english, 1):
        return Language.OTHER
    return Language.OTHER if foreign >= _MIN_FOREIGN_WORDS and foreign > 2 * english else Language.ENGLISH


def _is_korean(sample: str, hangul: int, latin: int) -> bool:
    weighted = hangul * _LETTERS_PER_SYLLABLE
    words = {word.lower() for word in islice(_WORD.findall(sample), 400)}
    is_english_sentence = _function_words(words, _ENGLISH_WORDS) >= _MIN_FUNCTION_WORDS
    needed = _KOREAN_SHARE_IN_ENGLISH if is_english_sentence else _KOREAN_SHARE
    return weighted >= needed * (weighted + latin)


def detect_language(text: str) -> Language:
    """Language of `text`, judged by its first 4,000 characters; never `CODE`, which only the file's name can tell.

    A Korean sentence full of English terms is Korean; an English sentence that names a Korean term is English; text
    without letters, and text in any other script, is `OTHER`. About 10 µs for a question.
    """
    sample = text[:_SAMPLE]
    if sample.isascii():
        latin = _count(_LATIN, sample)
        return _latin_language(sample, latin, 0) if latin else Language.OTHER
    hangul, han, latin, accented = (_count(pattern, sample) for pattern in (_HANGUL, _HAN, _LATIN, _ACCENTED))
    if hangul and _is_korean(sample, hangul, latin + accented):
        return Language.KOREAN
    other = _count(_OTHER_LETTER, sample) - hangul - han - latin - accented
    if han and not other and latin + accented < han * _LETTERS_PER_SYLLABLE:
        return Language.KOREAN if han <= _MAX_HANJA_PHRASE else Language.OTHER
    if latin + accented == 0 or other + han * _LETTERS_PER_SYLLABLE > latin + accented:
        return Language.OTHER
    return _latin_language(sample, latin, accented)


def looks_like_code(text: str) -> bool:
    """Whether a question quotes code: a call, an operator, a statement, or an identifier nobody writes in prose."""
    return any(pattern.search(text[:_SAMPLE]) for pattern in _CODE_CONSTRUCTS)
