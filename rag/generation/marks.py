"""Citation marks as models write them: `[1]`, `[1][3]`, `[1, 3]`, `[1-3]`, `【1】`, `[^1]`, `(출처 1)`, `[Source 2]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_GAP = r"\s{0,2}"
"""White space inside a mark. All repetitions have a bound: these patterns read what users and models write, at any length."""
_BLANKS = r"[ \t]{0,3}"
_ONE = rf"\^?[1-9]\d{{0,2}}(?:{_GAP}[-–~]{_GAP}\^?[1-9]\d{{0,2}})?"
_NUMBERS = rf"{_ONE}(?:{_GAP}(?:[,;·、，&]|and|및|와|과){_GAP}{_ONE})*"
_NAME = rf"(?:출처|자료|근거|참고|문서|sources?|refs?|references?|passages?){_GAP}[:：#]?{_GAP}"
_MARK = (
    rf"(?:[\[［]{_GAP}(?:{_NAME})?{_NUMBERS}{_GAP}번?{_GAP}[\]］](?:\([^()\s]*\))?"
    rf"|【{_GAP}(?:{_NAME})?{_NUMBERS}[^】\n]{{0,30}}】"
    rf"|[(（]{_GAP}{_NAME}[\[［]?{_GAP}{_NUMBERS}{_GAP}[\]］]?{_GAP}번?{_GAP}[)）])"
)
_RUN = rf"{_MARK}(?:{_BLANKS}[,;]?{_BLANKS}{_MARK})*"
_INLINE = re.compile(rf"(?P<code>`[^`\n]*`)|(?:(?<![ \t])[ \t]+)?(?P<marks>{_RUN})", re.IGNORECASE)
_RUNS = re.compile(rf"{_RUN}[ \t]*", re.IGNORECASE)
_WHOLE_LINE = re.compile(rf"[ \t]*(?P<marks>{_RUN})[ \t]*[.。]?[ \t]*(?:\n|\Z)", re.IGNORECASE)
_LINE_START = re.compile(rf"[ \t]*{_RUN}", re.IGNORECASE)
_OPEN_END = re.compile(
    rf"(?:{_BLANKS}{_MARK}{_BLANKS}[,;]?)*{_BLANKS}(?:[\[【［(（][^\]】］)）\n]{{0,60}})?\Z", re.IGNORECASE
)
_TAIL = 600
"""Characters at the end of a line in which marks that are not complete are looked for."""
_ANY = re.compile(_MARK, re.IGNORECASE)
_OTHERS = str.maketrans("[［]］【】(（)）", "⟦⟦⟧⟧⟦⟧⦅⦅⦆⦆")
_LINKED = re.compile(r"\]\([^()\s]*\)")
_RANGE = re.compile(rf"([1-9]\d{{0,2}})(?:{_GAP}[-–~]{_GAP}\^?([1-9]\d{{0,2}}))?")
_BY_SOURCE_KO = re.compile(
    rf"(?:(?:자료|문서|출처|근거)[ ]?)?{_RUN}[ ]?번?[ ]?(?:자료|문서|출처)?[ ]?"
    r"(?:에[ ]?(?:따르면|의하면|근거하면)|에서는)[ ]*,?[ ]*"
)
_BY_SOURCE_EN = re.compile(
    r"(?P<inside>(?<=\w[ ,]))?\b(?:according[ ]to|based[ ]on|as[ ](?:stated|described|noted|specified|mentioned)[ ]in|in|per)[ ]"
    rf"(?:the[ ])?(?:(?:sources?|documents?|passages?)[ ])?{_RUN}[ ]*,[ ]*(?P<next>\w)",
    re.IGNORECASE,
)
_AS_NOUN_KO = re.compile(rf"(?:^|(?<=\s)){_RUN}(?P<particle>은|는|의|과|와|에는)(?=\s)")
_AFTER_VOWEL = {"은": "는", "과": "와"}
_AS_NOUN_EN = re.compile(rf"^{_RUN}(?P<verb>[ ](?:states?|says?|specif(?:y|ies)|defines?|requires?|limits?|sets?)\b)")
_STRAY = r"(?:\[\^?\d{1,3}(?:[, \u2013-]+\d{1,3})*\]|【\d{1,3}(?:†[^】]{0,40})?】)"
_STRAYS = re.compile(rf"[ \u00a0]?(?<![A-Za-z0-9_\])]){_STRAY}+|{_STRAY}+(?=[.!?。]?\s*$)")
_LONGEST_RANGE = 50
"""Passages of one answer, at most; a longer range names none of them."""
_ENDERS = ".!?…。！？\"'”’)」』"


class Unmarked(NamedTuple):
    """A text without its marks.

    Attributes:
        marks: offset in `text` at which each run of marks stood, and its numbers.
        cuts: offset in `text`, and how many characters were taken out (or put in, where negative) before it.
    """

    text: str
    marks: list[tuple[int, tuple[int, ...]]]
    cuts: list[tuple[int, int]]

    def raw(self, offset: int) -> int:
        """Where the character at `offset` stood before."""
        return offset + sum(removed for place, removed in self.cuts if place <= offset)


def numbers_of(mark: str) -> tuple[int, ...]:
    """The numbers of a run of marks, each once, in order."""
    return tuple(dict.fromkeys(_numbers(_LINKED.sub("]", mark))))


def _numbers(mark: str) -> Iterator[int]:
    for found in _RANGE.finditer(mark.partition("†")[0] if "【" in mark and mark.count("【") == 1 else mark):
        first, last = int(found[1]), int(found[2] or found[1])
        if first <= last < first + _LONGEST_RANGE:
            yield from range(first, last + 1)
        else:
            yield from (first, last)


def unmarked(text: str) -> Unmarked:
    """`text` without its marks and the blanks before them; what stands between backticks is left alone."""
    parts: list[str] = []
    marks: list[tuple[int, tuple[int, ...]]] = []
    cuts: list[tuple[int, int]] = []
    length = last = 0
    for found in _INLINE.finditer(text):
        if found["code"] is not None:
            continue
        parts.append(text[last : found.start()])
        length += found.start() - last
        last = found.end()
        marks.append((length, numbers_of(found["marks"])))
        # "…이다.[1]다음": what the mark kept apart stays apart.
        apart = text[: found.start()][-1:] in tuple(_ENDERS) and text[last : last + 1].isalnum()
        parts.append(" " * apart)
        cuts.append((length, found.end() - found.start() - apart))
        length += apart
    return Unmarked("".join((*parts, text[last:])), marks, cuts)


def worded(text: str) -> str:
    """A sentence as it reads without marks, also where it names its source by one: `[1]에 따르면`, `According to [2],`."""
    text = _BY_SOURCE_KO.sub("", text)
    text = _BY_SOURCE_EN.sub(lambda found: found["next"] if found["inside"] else found["next"].upper(), text)
    text = _AS_NOUN_EN.sub(r"The source\g<verb>", _AS_NOUN_KO.sub(_named, text))
    return unmarked(text).text.rstrip()


def sentence_start(text: str, first: int) -> int:
    """Where the sentence begins whose words begin at `first`: before a mark that is a word of it, as in `[1]에 따르면`."""
    for run in _RUNS.finditer(text, 0, first):
        named = text[run.start() :]
        if run.end() == first and (_BY_SOURCE_KO.match(named) or _AS_NOUN_KO.match(named)):
            return run.start()
    return first


def _named(found: re.Match[str]) -> str:
    """A name in the place of a mark, with the particle that its vowel takes."""
    return f"해당 자료{_AFTER_VOWEL.get(found['particle'], found['particle'])}"


def without_marks(text: str) -> str:
    """`text` as it reads without marks, for a model to look back on."""
    lines = (unmarked(line).text.rstrip() for line in text.split("\n"))
    return "\n".join(lines).strip()


def without_stray_marks(text: str) -> str:
    """A whole proposal without what a reader would take for a mark of the answer; `a[1]`, which is code, stays."""
    return _STRAYS.sub("", text)


def marks_alone(text: str) -> tuple[tuple[int, ...], int] | None:
    """Numbers of the marks that are the whole of the first line, and the line's length; None when there is more in it."""
    found = _WHOLE_LINE.match(text)
    return (numbers_of(found["marks"]), found.end()) if found else None


def may_be_marks_alone(text: str) -> bool:
    """Whether what has come of a line is nothing but marks, or the beginning of one."""
    return not _LINE_START.sub("", finished_part(text)).strip(" \t.。")


def finished_part(text: str) -> str:
    """What has come of a line, without marks at its end, which may not be complete, and without code that is still open."""
    if text.count("`") % 2:
        text = text[: text.rindex("`")]
    found = _OPEN_END.search(text, max(0, len(text) - _TAIL))
    return text[: found.start()] if found else text


def marks_as_text(text: str) -> tuple[str, dict[str, str]]:
    """`text` with what looks like a mark in other brackets, so that no number of a source is taken for one of ours.

    Returns:
        The text, and what stands for each that was changed.
    """
    written: dict[str, str] = {}

    def other(found: re.Match[str]) -> str:
        shown = found[0].translate(_OTHERS)
        written[shown] = found[0]
        return shown

    return _ANY.sub(other, text), written
