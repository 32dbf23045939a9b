"""Hyphens at line ends: the mark of a divided word, which goes, or a hyphen of the text, which stays.

PDFium reports both alike. Word processors divide no words as they come, so that a line ends at the hyphen of `third-party`
or `13a-15`; typesetters divide everywhere. The document's own lines tell which, and for each word what it is elsewhere.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.parsing.pdf_page import DIVIDED, Line

_DIVIDING_SHARE = 0.08
"""If more of the line ends are hyphens, words are divided, where the words themselves do not tell. Business and scientific
English set in 45 to 110 characters ends 1 % of its lines at hyphens of its own (one document in a hundred: 8 %), and 24 % if
words are divided (one in ten: under 14 %)."""

_BLANKS = re.compile(r"(\s+)")
_ADDRESS = re.compile(r"[/@]|www\.", re.I)
_LETTERS_AT_END = re.compile(r"[^\W\d_]{2,}$")
_LETTERS_AT_START = re.compile(r"[^\W\d_]{2,}")
_MARKS = ".,;:()[]\"'“”‘’"


@dataclass(frozen=True, slots=True)
class Hyphens:
    """What a document's lines say about hyphens.

    Attributes:
        words: those inside lines, in lower case, compounds with their hyphens, and the parts of these.
        divides: the writer divides words.
    """

    words: frozenset[str]
    divides: bool

    @classmethod
    def of(cls, groups: Sequence[Sequence[Line]]) -> Hyphens:
        """From all paragraphs of a document."""
        inside = {
            _bare(word.text)
            for group in groups
            for line in group
            for word in line.words[1:]
            if not word.text.endswith(DIVIDED)
        }
        parts = {part for word in inside if "-" in word for part in word.split("-")}
        words = frozenset(inside | parts)
        return cls(words, _divides(groups, words))

    def mended(self, text: str) -> str:
        """A text of several lines with its words whole; a hyphen at its end stays."""
        if DIVIDED not in text:
            return text
        first, *rest = _BLANKS.split(text)
        whole = [first]
        for blank, word in zip(rest[::2], rest[1::2], strict=True):
            if word and whole[-1].endswith(DIVIDED):
                head = whole[-1].removesuffix(DIVIDED)
                whole[-1] = head + self.joint(head, word.removesuffix(DIVIDED)) + word  # which may be cut again
            else:
                whole += [blank, word]
        return "".join(whole).replace(DIVIDED, "-")

    def joint(self, head: str, tail: str) -> str:
        """`-` where the hyphen between the last word of a line and the first of the next is the text's own; else nothing."""
        compound, whole = _bare(f"{head}-{tail}"), _bare(head + tail)
        if (whole in self.words) != (compound in self.words):
            return "-" if compound in self.words else ""
        first, last = _LETTERS_AT_END.search(_bare(head)), _LETTERS_AT_START.match(_bare(tail))
        if not self.divides or first is None or last is None or _ADDRESS.search(head):
            return "-"
        if tail[0].isupper() and not head.isupper():
            return "-"
        return "-" if first[0] in self.words and last[0] in self.words and first[0] + last[0] not in self.words else ""


def _bare(text: str) -> str:
    return text.strip(_MARKS).lower()


def _divides(groups: Iterable[Sequence[Line]], words: frozenset[str]) -> bool:
    """Most hyphens at line ends divide words that the document has whole; a single one tells nothing by itself."""
    lines = divided = known = apart = 0
    for group in groups:
        lines += len(group)
        for before, after in itertools.pairwise(group):
            if not before.divided:
                continue
            divided += 1
            head, tail = _bare(before.words[-1].text.removesuffix(DIVIDED)), _bare(after.words[0].text)
            known += head + tail in words
            apart += f"{head}-{tail}" in words or (head in words and tail in words and head + tail not in words)
    return known > apart if known != apart else divided > max(1, _DIVIDING_SHARE * lines)
