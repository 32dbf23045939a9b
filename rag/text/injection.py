"""How much a text looks as if it spoke to a model and not to a reader: a score for a curator to look at, 0 to 1.

Rules in Korean and English (`injection_rules.py`), each for one thing that texts for readers hardly do; what they find in one
stretch of text adds up (noisy or). The rules are about what such a text wants of a model, not about what it is about: a plain
task that happens to stand in a document ("Explain photosynthesis.") can't be told from the document's own words and is not
found. Shares found and false alarms: `benchmarks/injection.py`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from rag.text.injection_rules import SAID, WEIGHTS, Sign, is_said, may_be_said
from rag.text.invisible import Unseen
from rag.text.normalize import clean_characters
from rag.text.plain import is_plain
from rag.text.sieve import seeker_of, sieve_of
from rag.text.template_tokens import holds_template_token

__all__ = ["InjectionScore", "Sign", "injection_score"]

_STRETCH, _OVERLAP = 1500, 300
"""Characters of a stretch, some paragraphs, and of the one before that it begins with. What stands further apart is not taken
together."""
_LONGEST_BLOB = 4000
_BLOB = re.compile(
    r"(?<![A-Za-z0-9+/=])(?:[A-Za-z0-9+/]{4}){6,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?![A-Za-z0-9+/=])"
)
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){16,}(?![0-9a-fA-F])")


@cache
def _may_be_encoded() -> Callable[[str], bool]:
    """Whether there is a run as long as either of the two needs it."""
    return sieve_of((r"[A-Za-z0-9+/]{24}",))


@cache
def _is_encoded() -> Callable[[str], bool]:
    """Whether one of the two is there: most long runs are names and paths, of which every fourth is as long as base64 is."""
    return seeker_of(
        r"(?:^|[^A-Za-z0-9+/=])(?:[A-Za-z0-9+/]{4}){6,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?:$|[^A-Za-z0-9+/=])|"
        r"[0-9a-fA-F]{32}|[A-Za-z0-9+/]{300}"  # which a stretch may begin in
    )


@cache
def _may_be_hexadecimal() -> Callable[[str], bool]:
    return sieve_of((r"[0-9a-fA-F]{32}",))


@dataclass(frozen=True, slots=True)
class InjectionScore:
    """What a document looks like.

    Attributes:
        value: 0 to 1.
        signs: what was found in its worst stretch, and in the file as a whole.
    """

    value: float = 0.0
    signs: tuple[Sign, ...] = ()


def injection_score(
    texts: Iterable[str], *, hidden_text: bool = False, unseen: Mapping[Unseen, int] | None = None
) -> InjectionScore:
    """How much a document looks as if it spoke to a model.

    Args:
        texts: its texts in reading order, title and name included.
        hidden_text: whether its parser left out text that a reader does not see.
        unseen: characters that were taken out of it.
    """
    told = list(texts)
    possible = _possible("\n".join(told)) if sum(map(len, told)) <= _AT_ONCE else _Possible()
    worst: set[Sign] = set()
    for stretch in _stretches(told) if any(possible) else ():
        worst = max(worst, set(_signs_of(stretch, possible)), key=_value)
    signs = worst.union(_of_file(hidden_text, unseen or {}))
    return InjectionScore(round(_value(signs), 3), tuple(sign for sign in Sign if sign in signs))


def _value(signs: Iterable[Sign]) -> float:
    left = 1.0
    for sign in signs:
        left *= 1.0 - WEIGHTS[sign]
    return 1.0 - left


def _of_file(hidden_text: bool, unseen: Mapping[Unseen, int]) -> Iterator[Sign]:
    if hidden_text:
        yield Sign.HIDDEN_TEXT
    # One or two may come from a web page; words spelt with them take more.
    smuggled = unseen.get(Unseen.TAG, 0) >= 4 or unseen.get(Unseen.VARIATION, 0) >= 8
    if smuggled or unseen.get(Unseen.ZERO_WIDTH, 0) >= 32 or unseen.get(Unseen.BIDI, 0) >= 16:
        yield Sign.HIDDEN_CHARACTERS


_AT_ONCE = 8_000_000
"""Characters that are looked at in one piece, of which there are copies then; what is longer is read a stretch at a time."""


class _Possible(NamedTuple):
    """What some stretch of a text may hold: words that tell a sign, tokens of templates, something encoded."""

    words: bool = True
    tokens: bool = True
    encoded: bool = True


def _possible(text: str) -> _Possible:
    """Told in a few passes over all of a text, in place of as many over each stretch of it.

    Asked of plain texts alone: there every stretch is read as it stands in the whole. The sieves pass over borders of lines,
    of which a stretch has two that the whole has not; what is encoded and short lies whole in a stretch.
    """
    if not is_plain(text):
        return _Possible()
    encoded = _may_be_encoded()(text) and _is_encoded()(text)
    return _Possible(may_be_said(text.lower()), holds_template_token(text), encoded)


def _stretches(texts: Iterable[str]) -> Iterator[str]:
    """The texts, a line each, in stretches that overlap."""
    rest = ""
    for text in texts:
        rest = f"{rest}\n{text}" if rest else text
        start = 0
        while len(rest) - start > _STRETCH:
            yield rest[start : start + _STRETCH]
            start += _STRETCH - _OVERLAP
        rest = rest[start:]
    if rest:
        yield rest


def _signs_of(text: str, possible: _Possible) -> Iterator[Sign]:
    if possible.words or possible.tokens:
        plain = clean_characters(text).lower()
        said = possible.words and may_be_said(plain)
        for sign in SAID:
            if (said and is_said(sign, plain)) or (
                sign is Sign.TURNS and possible.tokens and holds_template_token(text)
            ):
                yield sign
    if possible.encoded and any(_gives_orders(decoded) for decoded in _decoded(text)):
        yield Sign.ENCODED


def _gives_orders(text: str) -> bool:
    plain = clean_characters(text).lower()
    return (may_be_said(plain) and any(is_said(sign, plain) for sign in SAID)) or holds_template_token(text)


def _decoded(text: str) -> Iterator[str]:
    """What stands in base64 or hexadecimal, where that is text."""
    if not _may_be_encoded()(text):
        return
    for found in _BLOB.finditer(text):
        blob = found[0][:_LONGEST_BLOB]
        try:
            yield base64.b64decode(blob[: len(blob) // 4 * 4]).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
    if not _may_be_hexadecimal()(text):
        return
    for found in _HEX.finditer(text):
        try:
            yield bytes.fromhex(found[0][:_LONGEST_BLOB]).decode("utf-8")
        except (ValueError, UnicodeDecodeError):
            continue
