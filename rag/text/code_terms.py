"""What Koreans call things of software, and the English words that names in code are made of."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

from rag.text.kiwi import shared_kiwi

_COMMENT = "#"
_SEPARATOR = ","
_NOUN, _VERB = "N", "V"


class CodeTerms(NamedTuple):
    """The shipped table: English words, the usual one first, by Korean noun and by the stem of a verb.

    Attributes:
        longest: syllables of the longest noun, blanks included.
    """

    nouns: dict[str, tuple[str, ...]]
    verbs: dict[str, tuple[str, ...]]
    longest: int


class Translated(NamedTuple):
    """A term that stands in a text.

    Attributes:
        start, end: where.
        words: what it may be called in English, the usual one first.
    """

    start: int
    end: int
    words: tuple[str, ...]


@cache
def code_terms() -> CodeTerms:
    """The table of `code_terms.txt`, read once."""
    nouns: dict[str, tuple[str, ...]] = {}
    verbs: dict[str, tuple[str, ...]] = {}
    text = resources.files("rag.text").joinpath("code_terms.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.strip() or line.startswith(_COMMENT):
            continue
        term, _, words = line.partition("=")
        term, found = term.strip(), tuple(word.strip() for word in words.split(_SEPARATOR))
        if term.endswith("다"):
            verbs[term[:-1]] = found
        else:
            nouns[term] = found
    return CodeTerms(nouns, verbs, max(map(len, nouns)))


def translated_terms(text: str) -> list[Translated]:
    """The terms of the table in `text`, in order, the longest at each place; no two overlap.

    A noun begins and ends where a morpheme does (`재시도하면` holds `재시도`), a verb is met in all its forms (`지워진` is of
    `지우다`), and a noun of one syllable only where Kiwi reads it as a noun.
    """
    table = code_terms()
    tokens = shared_kiwi().tokenize(text)
    ends = {token.start + token.len for token in tokens}
    found: list[Translated] = []
    covered = 0
    for token in tokens:
        if token.start < covered:
            continue
        match = _noun_at(text, token.start, ends, table)
        if match is None and token.tag.startswith(_VERB) and token.form in table.verbs:
            match = Translated(token.start, token.start + token.len, table.verbs[token.form])
        if match is None and token.tag.startswith(_NOUN) and token.form in table.nouns:
            match = Translated(token.start, token.start + token.len, table.nouns[token.form])
        if match is not None:
            found.append(match)
            covered = match.end
    return found


def _noun_at(text: str, start: int, ends: set[int], table: CodeTerms) -> Translated | None:
    """The longest noun of at least two syllables that stands at `start`."""
    for end in range(min(len(text), start + table.longest), start + 1, -1):
        if end in ends and text[start:end] in table.nouns:
            return Translated(start, end, table.nouns[text[start:end]])
    return None
