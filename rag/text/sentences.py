"""Sentence boundaries as character offsets: Korean by Kiwi, everything else by rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from rag.domain.language import Language
from rag.text.kiwi import is_read_apart, shared_kiwi

Span = tuple[int, int]

_NUMBER_SIGN = "[①-⑳㉠-㉻ⓐ-ⓩ❶-❿]"
_BULLET = (
    r"(?:[-*+•▪■□○●◦·ㆍ※◇◆▶▷►☞]|\d{1,3}\\?[.)]|\(\d{1,3}\)|[가-하]\\?[.)]|\([가-하]\)|[A-Za-z][.)]"
    rf"|{_NUMBER_SIGN})"
)
_LIST_ITEM = re.compile(rf"\s*{_BULLET}(?:\s|(?<={_NUMBER_SIGN}))")
_BLOCK_LINE = re.compile(r"\s*(?:\||#{1,6}\s|>|```|~~~|={3,}\s*$|-{3,}\s*$|\*{3,}\s*$)")
_ARTICLE_LINE = re.compile(r"\s*제\s?\d+\s?[조장절편관](?:\s?의\s?\d+)?(?:\s|\(|\.|$)")
_MARKER_ONLY = re.compile(rf"(?:{_BULLET}|제\s?\d+\s?[조항호장절편관](?:\s?의\s?\d+)?\.?|[IVXⅠ-Ⅻ]+\.)\s*$")
_CLOSED_LINE = re.compile(r"[.?!:;。？！…][\"'”’)\]」』》]*\s*$")
_MIN_WRAPPED = 24
"""Characters; a shorter line was not broken by a page's width (a Korean page holds some 35 syllables, an English one 70)."""
_WRAPPED_SHARE = 0.7
"""Nor was one much shorter than the longest line around it."""

_CITATION = r"(?:[ \u00a0]?(?:\[\^?\d{1,3}(?:[, \u2013-]+\d{1,3})*\]|【\d{1,3}(?:†[^】\s]{0,40})?】))"
"""A mark of a source, `[1]`, `[1, 3]`, `[^2]`, `【3】`: after a stop it belongs to the sentence before."""
_CLOSING = r"[\"'”’)\]»]*+"
_BOUNDARY = re.compile(
    rf"(?:\.(?:\s\.)++|(?<![.!?…])[.!?…]++{_CLOSING}{_CITATION}*+(?=\s)|(?<![。！？])[。！？]++[」』”’）]*+{_CITATION}*+)\s*"
)
_ONLY_CITATIONS = re.compile(rf"\s*{_CITATION}+(?=\s|$)")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_OPEN, _CLOSE = r"\"“‘「『《〈", r"\"”’」』》〉"
_OPENING_WORD = re.compile(
    rf"(?:\((?:주|유|사|재|학|합)\)|[{_OPEN}][^{_OPEN}{_CLOSE}]{{0,40}}[^{_CLOSE}.?!][{_CLOSE}])$"
)
"""`(주)서고는`, `"회사"란`: what a sentence begins with, and not what the one before ends with."""
_ABBREVIATED = """
al approx art ave bros ca cf ch chap co col corp dept dr ed eds eg e.g eq eqs esp est et etc fig figs ft gen gov hon hr ie i.e inc
jr ltd max min misc mr mrs ms mt no nos nr op p para pp prof pt ref refs rep rev sec sect sen sr st tab tel univ v ver vol vols vs
viz jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k u.n a.m p.m ph.d
"""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())
_MAY_END = frozenset(("etc", "al", "inc", "ltd", "corp", "co", "jr", "sr", "dept", "bros"))
"""Abbreviations that also stand at the end of a sentence: there the next word decides."""
_DAY = re.compile(r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])$")
_GERMAN_MONTHS = "Januar Jänner Februar Feber März April Mai Juni Juli August September Oktober November Dezember"
_MONTHS = "January February March May June July October December"
_MONTH = re.compile(
    rf"(?:{'|'.join(_GERMAN_MONTHS.split())})(?!\w)|(?:Jan|Feb|Mär|Mrz|Apr|Jun|Jul|Aug|Sept?|Okt|Nov|Dez)\.\s*\d"
    rf"|(?:{'|'.join(_MONTHS.split())}),?\s+(?:19|20)\d\d(?!\d)"
)
"""What follows the day in a date, as in `18. Oktober 2017`. English puts no stop there, and `May` begins sentences."""
_DIGIT_END = re.compile(r"\d\\?\.$")
"""`2026. 3. 1.` and `제1.`: in Korean a number followed by a period hardly ever ends a sentence."""
_INLINE_NUMBER = re.compile(rf"[.?!>」)]\s*(?={_NUMBER_SIGN}\s)")
_LOOKED_AT = 60
"""Characters around a possible end that decide about it, so that the time grows with the text and not with its square."""
_UNREADABLE = re.compile(r"[\s\ud800-\udfff]")
_CACHED_BLOCKS = 4096
"""Kiwi needs 12 µs a character; the same passages come back with many questions. At most some 10 MB."""
_CACHED_CHARACTERS = 1_500
"""Blocks of passages are shorter; a whole document without a line end must not stay here."""
_LAST_WORD = re.compile(r"([A-Za-z][A-Za-z.]*|\d+)$")
_STARTING = """
a all also an and as at but by for from he his how however i if in it its many most no on she since so some such that the their
there these they this those to we what when where which while who why with you then after before
"""
_STARTERS = frozenset(_STARTING.split())


def _blocks(text: str) -> Iterator[tuple[Span, bool]]:
    """Paragraphs, list items, table rows, headings: stretches that no sentence leaves. True for a line of fenced code."""
    start: int | None = None
    lines = [(match.start(), match.end()) for match in re.finditer(r"[^\n\r\f\v\x1c-\x1e\x85\u2028\u2029]+", text)]
    lines = [(first, last) for first, last in lines if text[first:last].strip()]
    fenced = _fenced(text, lines)
    widest = 0
    for index, (first, last) in enumerate(lines):
        if start is None:
            start, widest = first, 0
        widest = max(widest, last - first)
        following = lines[index + 1] if index + 1 < len(lines) else None
        if fenced[index] or following is None or not _continues(text, (first, last), following, widest):
            yield (start, last), fenced[index]
            start = None


def _fenced(text: str, lines: list[Span]) -> list[bool]:
    """Which lines are code between fences, the fences included. A fence that is never closed is none."""
    marks = [match[1] if (match := _FENCE.match(text, *span)) else "" for span in lines]
    found = [False] * len(lines)
    opened: int | None = None
    for index, mark in enumerate(marks):
        if not mark:
            continue
        if opened is None:
            opened = index
        elif mark[0] == marks[opened][0] and len(mark) >= len(marks[opened]):
            found[opened : index + 1] = [True] * (index + 1 - opened)
            opened = None
    return found


def _continues(text: str, line: Span, following: Span, widest: int) -> bool:
    """Whether the line break between two lines is only the page's width."""
    if len(re.findall(r"\r\n|[\n\r\f\v\x1c-\x1e\x85\u2028\u2029]", text[line[1] : following[0]])) != 1:
        return False
    this, after = text[slice(*line)], text[slice(*following)]
    if any(pattern.match(after) for pattern in (_LIST_ITEM, _BLOCK_LINE, _ARTICLE_LINE)):
        return False
    if _BLOCK_LINE.match(this) or _CLOSED_LINE.search(this):
        return False
    return len(this) >= _MIN_WRAPPED and len(this) >= _WRAPPED_SHARE * max(widest, len(after) * _WRAPPED_SHARE)


def _strip(text: str, span: Span) -> Span:
    piece = text[slice(*span)]
    start = span[0] + len(piece) - len(piece.lstrip())
    return (start, start + len(piece.strip()))


def _cuts_to_spans(text: str, block: Span, cuts: list[int]) -> list[Span]:
    """The block cut at these offsets, pieces stripped, empty ones left out."""
    edges = [block[0], *cuts, block[1]]
    spans = (_strip(text, (first, last)) for first, last in pairwise(edges))
    return [span for span in spans if span[0] < span[1]]


def _ends_with_abbreviation(before: str, after: str) -> bool:
    """Whether the period after `before` belongs to its last word and not to a sentence that ends here."""
    word = _LAST_WORD.search(before)
    if not word:
        return False
    last = word[1].rstrip(".")
    following = re.match(r"[\"'“‘(\[]*(\w+)", after)
    starter = bool(following) and following is not None and following[1].lower() in _STARTERS
    if last == "I":
        return bool(re.search(r"[A-Z][a-z]+ I$", before)) and not starter
    if len(last) == 1 and last.isupper():
        return not starter
    key = last.lower()
    if "." in key and key.replace(".", "").isalpha() and all(len(part) == 1 for part in key.split(".")):
        return not starter
    if key not in _ABBREVIATIONS:
        return False
    return not (key in _MAY_END and starter) and not (key == "no" and not after[:1].isdigit())


def _rule_cuts(text: str, block: Span) -> list[int]:
    """Offsets inside `block` where a new sentence starts, by punctuation."""
    piece = text[slice(*block)]
    cuts = []
    last = 0
    for match in _BOUNDARY.finditer(piece):
        before = piece[max(last, match.start() - _LOOKED_AT) : match.start()]
        after = piece[match.end() : match.end() + _LOOKED_AT]
        mark = match[0].strip()
        if not after:
            break
        short = match.end() - last <= _LOOKED_AT
        if after[0].islower() or (short and _MARKER_ONLY.fullmatch(piece[last : match.end()].strip())):
            continue
        if mark.startswith(".") and not mark.startswith("..") and _ends_with_abbreviation(before, after):
            continue
        if mark == "." and _DAY.search(before) and _MONTH.match(after):
            continue
        last = match.end()
        cuts.append(block[0] + last)
    return cuts


def _after_citations(piece: str, start: int) -> int:
    """Where the sentence really begins that seems to begin at `start`: after the marks of the one before."""
    marks = _ONLY_CITATIONS.match(piece, start)
    return marks.end() if marks and _CLOSED_LINE.search(piece[max(0, start - _LOOKED_AT) : start]) else start


def _kiwi_starts(piece: str) -> tuple[int, ...]:
    """Offsets where Kiwi sees a sentence begin."""
    return _remembered_starts(piece) if len(piece) <= _CACHED_CHARACTERS else _starts(piece)


@lru_cache(maxsize=_CACHED_BLOCKS)
def _remembered_starts(piece: str) -> tuple[int, ...]:
    return _starts(piece)


def _starts(piece: str) -> tuple[int, ...]:
    if is_read_apart(piece):
        [found] = shared_kiwi().split_into_sents([piece], return_sub_sents=False)
    else:
        found = shared_kiwi().split_into_sents(piece, return_sub_sents=False)
    return tuple(sentence.start for sentence in found)


def _korean_cuts(text: str, block: Span) -> list[int]:
    """Offsets inside `block` where a new sentence starts, by Kiwi, without those inside dates and after markers."""
    piece = _UNREADABLE.sub(" ", text[slice(*block)])
    marker = _LIST_ITEM.match(piece)
    if marker:
        piece = " " * marker.end() + piece[marker.end() :]
    cuts: list[int] = []
    last = 0
    numbered = (match.end() for match in _INLINE_NUMBER.finditer(piece))
    for found in sorted({*_kiwi_starts(piece), *numbered}):
        start = _after_citations(piece, found)
        before = piece[max(last, start - _LOOKED_AT) : start].strip()
        opening = _OPENING_WORD.search(before) if not piece[start - 1].isspace() else None
        if opening:
            start = piece.rfind(opening[0], last, start)
            before = before[: opening.start()].strip()
            if not _CLOSED_LINE.search(before):
                continue
        short = start - last <= _LOOKED_AT
        if not before or (short and _MARKER_ONLY.fullmatch(before)) or _DIGIT_END.search(before):
            continue
        last = start
        cuts.append(block[0] + last)
    return cuts


def split_sentences(text: str, language: Language) -> list[Span]:
    """Where the sentences of `text` stand.

    Returns:
        Character offsets (start, end), in order, without the blanks around; together they cover everything but blanks.
        No sentence crosses a blank line, or leaves its list item or table row. In code each line is one.
    """
    if language is Language.CODE:
        lines = (_strip(text, match.span()) for match in re.finditer(r"[^\n\r]+", text))
        return [span for span in lines if span[0] < span[1]]
    spans: list[Span] = []
    for block, is_code in _blocks(text):
        if is_code or _BLOCK_LINE.match(text, block[0]):
            cuts: list[int] = []
        else:
            cuts = _korean_cuts(text, block) if language is Language.KOREAN else _rule_cuts(text, block)
        spans += _cuts_to_spans(text, block, cuts)
    return spans
