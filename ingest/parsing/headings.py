"""Headings that Korean rules, contracts and reports write by number: 제1장, 제2조(목적), 1.2, Ⅰ., 별표 1."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUTE_LEVELS = {"편": 1, "장": 2, "절": 3, "관": 4, "조": 5}
"""Order of the parts of a Korean statute (법령 입안·심사 기준, Ministry of Government Legislation)."""

_PART = re.compile(r"제\s?\d{1,4}\s?(편|장|절|관)(?:의\s?\d+)?(?:\s+|\s*[(:.]|$)")
_ARTICLE = re.compile(r"(제\s?\d{1,4}\s?조(?:의\s?\d{1,3})?\s?[(\[【][^()\[\]【】\n]{1,60}[)\]】])(?=\s|$|[①-⑳])")
_BARE_ARTICLE = re.compile(r"제\s?\d{1,4}\s?조(?:의\s?\d{1,3})?(?:\s+[^.。]{1,40})?$")
_NOT_A_TITLE = re.compile(r"\s*(?:및|또는|내지|부터|까지|그|중|에|의|를|을|와|과|각|제\d)")
"""What follows an article's number where it is cited, not where it begins."""

_ANNEX = re.compile(
    r"[\[<〈【(]?\s?(?:별표|별지|부록|붙임|서식)\s?(?:제\s?)?\d*(?:호)?(?:의\s?\d+)?\s?(?:서식)?\s?[\]>〉】)]?(?:\s+\S.{0,50})?$"
)
_SUPPLEMENT = re.compile(r"부\s*칙\s*(?:[<(〈].{1,60}[)>〉])?$")
_DECIMAL = re.compile(r"\d{1,2}(?:\.\d{1,2}){1,4}\.?\s+\S")
_UNIT = re.compile(r"(?:[억만천백]|원|배|년|개월|주|일|시간|분|초|건|명|개|회|점|퍼센트|프로|[%℃])")
"""1.5 억원 is an amount, not section 1.5."""

_ROMAN = re.compile(r"(?:[Ⅰ-Ⅻ]|[IVX]{1,5})\.\s*\S")
_CHAPTER = re.compile(r"(?:chapter|section|part|article|appendix)\s+(?:\d+|[ivxlc]+|[a-z])\b[.:]?", re.I)
_SENTENCE_END = re.compile(
    "(?:[.!?。;,:]|[가-힣](?:다|까|됨)"
    "|[세어아여해예에지네군나까려져돼데게와워]요"  # 하세요, 되나요; not 개요, 수요, 필요
    "|[있없였었았했됐않]음|(?:것|예정|대상)임|[을를] .{0,30}함|야 ?함"  # 있음, 예정임, 서류를 제출함; not 처음, 운임, 보관함
    ")$"
)
"""Many nouns end in the syllables that verbs end in, so it takes more than the last syllable to tell."""

_LEADERS = re.compile(r"(?:\.{3,}|…{2,}|·{3,}|\s\.\s\.)\s*\d*$|…\s*\d+$|\s{2,}\d{1,4}$")
"""A line of a table of contents: dot leaders and a page number."""

MAX_HEADING_CHARACTERS = 80
"""Longer than any chapter title in the sample rules; a paragraph that begins with a number is not a heading."""


@dataclass(frozen=True, slots=True)
class NumberedHeading:
    """A heading recognised by its number.

    Attributes:
        rest: text that follows on the same line, as after `제1조(목적)`; empty for most.
        sure: by its form; otherwise only a number and no sentence, which the first line of a longer text may be too.
    """

    title: str
    level: int
    rest: str = ""
    sure: bool = False


def ends_sentence(text: str) -> bool:
    """Whether a line ends as sentences do, or goes on after a comma or a colon; titles don't."""
    return _SENTENCE_END.search(text) is not None


def may_be_heading(text: str) -> bool:
    """Short and no sentence: heading styles are much used for the items of a list."""
    return len(text) <= MAX_HEADING_CHARACTERS and "\n" not in text and not ends_sentence(text)


def numbered_heading(text: str) -> NumberedHeading | None:
    """The heading that `text` (one cleaned paragraph or line) is or begins with, None if it is none."""
    text = text.strip()
    if not text or _LEADERS.search(text[-MAX_HEADING_CHARACTERS:]):
        return None
    if article := _article(text):
        return article
    if len(text) > MAX_HEADING_CHARACTERS or "\n" in text:
        return None
    if found := _PART.match(text):
        follows = text[found.end() :]
        is_title = not ends_sentence(text) and not _NOT_A_TITLE.match(follows)
        return NumberedHeading(text, _STATUTE_LEVELS[found[1]]) if is_title else None
    if _SUPPLEMENT.match(text) or _ANNEX.match(text):
        return NumberedHeading(text, 2) if not ends_sentence(text) else None
    return _by_number(text)


def _article(text: str) -> NumberedHeading | None:
    if found := _ARTICLE.match(text):
        rest = text[found.end() :].strip()
        if not _NOT_A_TITLE.match(rest) or rest[:1] in "①":
            return NumberedHeading(found[1], _STATUTE_LEVELS["조"], rest, sure=True)
    if _BARE_ARTICLE.match(text) and not ends_sentence(text):
        after = re.sub(r"^제\s?\d+\s?조(?:의\s?\d+)?\s*", "", text)
        if not _NOT_A_TITLE.match(after):
            return NumberedHeading(text, _STATUTE_LEVELS["조"])
    return None


def _by_number(text: str) -> NumberedHeading | None:
    """1.2 Scope, Ⅱ. 추진 배경, Chapter 3: no sentence, and more than a number."""
    if ends_sentence(text):
        return None
    if _DECIMAL.match(text):
        number, _, title = text.partition(" ")
        letters = sum(character.isalpha() for character in title)
        if letters < 2 or letters * 2 < len(title.replace(" ", "")) or _UNIT.match(title.strip()):
            return None
        return NumberedHeading(text, number.rstrip(".").count(".") + 1)
    if _ROMAN.match(text) or _CHAPTER.match(text):
        return NumberedHeading(text, 1)
    return None
