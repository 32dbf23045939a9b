"""Characters that nobody sees: taken out of texts in one place, at ingest, in prompts and when an answer is rendered.

They are how a document tells a model what no reader of it has read: zero-width characters and tag characters spell out hidden
words, variation selectors carry a byte each, direction marks show a text in another order than it is stored in
(CVE-2021-42574). What goes is everything that Unicode calls default-ignorable (DerivedCoreProperties 17) and control
characters. What stays, because a text reads otherwise without it, and only right where it does its work:

- ZWJ inside emoji and both joiners between letters of scripts that join (Arabic, Indic, Khmer, Mongolian);
- VS15 and VS16, one, right behind a symbol: text or emoji presentation (Unicode TS51);
- an ideographic variation selector, alone, right behind a Hanja: it tells two spellings of a family name apart (Unicode TS37). A
  text with more than `_MOST_VARIANTS` of them is no list of names that anybody has shown us and loses them all: each carries
  bits;
- Hangul fillers between conjoining jamo, without which old Hangul falls apart. `U+3164`, a blank that counts as a letter,
  becomes a blank;
- the three flags that are written with tag characters.

Look-alikes are not touched: a Cyrillic `а` is a letter that a reader sees.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

from rag.text.plain import is_plain

_MOST_VARIANTS = 8
"""Ideographic variation selectors of one text (an element, a title) that are kept."""


class Unseen(StrEnum):
    """Kinds of characters that are taken out. A soft hyphen marks where a word may break, and hides nothing by itself."""

    ZERO_WIDTH = "zero_width"
    BIDI = "bidi"
    TAG = "tag"
    VARIATION = "variation"
    FILLER = "filler"
    SOFT_HYPHEN = "soft_hyphen"
    CONTROL = "control"


_KINDS: dict[Unseen, str] = {
    Unseen.SOFT_HYPHEN: "\u00ad",
    Unseen.BIDI: "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f",
    Unseen.TAG: "\U000e0000-\U000e00ff",
    Unseen.VARIATION: "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef",
    Unseen.FILLER: "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0",
    Unseen.ZERO_WIDTH: (
        "\u034f\u180e\u200b-\u200d\u2060-\u2065\ufeff\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
        "\U000e01f0-\U000e0fff"
    ),
    Unseen.CONTROL: "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff",
}
_UNSEEN = re.compile("|".join(f"(?P<{kind}>[{characters}])" for kind, characters in _KINDS.items()))
_ANY = re.compile("[" + "".join(_KINDS.values()) + "]")
_FLAG = re.compile("\U0001f3f4(?:\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|"
                   "\U000e0077\U000e006c\U000e0073))\U000e007f")  # fmt: skip
_ZWNJ, _ZWJ = "\u200c", "\u200d"
_PRESENTATION = "\ufe0e\ufe0f"
_IDEOGRAPHIC = re.compile("[\U000e0100-\U000e011f]")
"""As far as the registered collections go (Adobe-Japan1, Hanyo-Denshi, Moji_Joho, KRName)."""
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003fffd]")
_JOINING = re.compile("[\u0600-\u0dff\u1000-\u109f\u1780-\u17d3\u1820-\u18af]")
_BLANKS = frozenset("\u2800\u3164\uffa0")
_TALLY: ContextVar[Counter[Unseen] | None] = ContextVar("unseen_characters", default=None)


@contextmanager
def counting() -> Iterator[Counter[Unseen]]:
    """Counts what `visible` takes out in the block, by kind."""
    tally: Counter[Unseen] = Counter()
    token = _TALLY.set(tally)
    try:
        yield tally
    finally:
        _TALLY.reset(token)


def visible(text: str) -> str:
    """`text` without what nobody sees. Lines stay lines; doing it twice does no more than once."""
    if is_plain(text):
        return text
    if _ANY.search(text) is None:
        return text
    shown, taken = _shown(text, keep_variants=True)
    if len(_IDEOGRAPHIC.findall(shown)) > _MOST_VARIANTS:
        shown, taken = _shown(text, keep_variants=False)
    tally = _TALLY.get()
    if tally is not None:
        tally.update(taken)
    return shown


def written_out(text: str) -> str:
    """`text` with what a terminal would obey and what nobody sees as escapes, for who has to see that it is there (CWE-150)."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _shown(text: str, *, keep_variants: bool) -> tuple[str, Counter[Unseen]]:
    taken: Counter[Unseen] = Counter()
    parts: list[str] = []
    last = 0
    before = ""
    flag_until = -1
    for found in _UNSEEN.finditer(text):
        start, end = found.span()
        if start > last:
            parts.append(text[last:start])
            before = text[start - 1]
        last = end
        if before == "\U0001f3f4" and (flag := _FLAG.match(text, start - 1)) is not None:
            flag_until = flag.end()
        character = found[0]
        after = text[end : end + 1]
        alone = text[start - 1 : start] == before and _ANY.match(after) is None
        if start < flag_until or _is_kept(character, before, after, keep_variants=keep_variants and alone):
            parts.append(character)
            before = character
            continue
        taken[Unseen(str(found.lastgroup))] += 1
        if character in _BLANKS:
            parts.append(" ")
            before = " "
    parts.append(text[last:])
    return "".join(parts), taken


def _is_kept(character: str, before: str, after: str, *, keep_variants: bool) -> bool:
    """Whether it does its work between these two neighbours."""
    if not before:
        return character == "\u115f" and "\u1161" <= after <= "\u11a7"
    if character in (_ZWNJ, _ZWJ):
        joins = _JOINING.match(before) is not None and _JOINING.match(after) is not None
        return joins or (character == _ZWJ and _is_symbol(before) and _is_symbol(after))
    if character in _PRESENTATION:
        return (_is_symbol(before) and before not in _PRESENTATION) or (before in "0123456789#*" and after == "\u20e3")
    if character == "\u115f":
        return "\u1161" <= after <= "\u11a7"
    if character == "\u1160":
        return "\u1100" <= before <= "\u115e"
    return keep_variants and _IDEOGRAPHIC.match(character) is not None and _HAN.match(before) is not None


def _is_symbol(character: str) -> bool:
    """Whether it may stand in an emoji, or have an emoji presentation."""
    if not character:
        return False
    return character in "\u203c\u2049\u3030\ufe0f" or unicodedata.category(character) in ("So", "Sm", "Sk")
