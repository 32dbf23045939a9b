"""How many of the expected words a text holds: in their order, and in any order.

Word recall is the measure that parsers are compared by: it needs no agreement about markup, spacing or line ends.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Runs of letters and digits, NFKC, lower case, in reading order."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def in_order(expected: Sequence[str], found: Sequence[str]) -> float:
    """Length of the longest common subsequence as a share of `expected`; 1.0 when nothing is expected."""
    from rapidfuzz.distance import LCSseq

    return LCSseq.similarity(expected, found) / len(expected) if expected else 1.0


def in_any_order(expected: Sequence[str], found: Sequence[str]) -> float:
    """Size of the common multiset as a share of `expected`; 1.0 when nothing is expected."""
    common = Counter(expected) & Counter(found)
    return common.total() / len(expected) if expected else 1.0
