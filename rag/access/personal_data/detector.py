"""The detector: all kinds together, each character of a text in one finding at most."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache, partial

from rag.access.personal_data.custom import CompiledPatterns
from rag.access.personal_data.escaped import EscapedLine, depth, unescaped
from rag.access.personal_data.names import FORMS as LABELS
from rag.access.personal_data.names import PASSPORTS, named
from rag.access.personal_data.numbers import FORM as NUMBERS
from rag.access.personal_data.numbers import THRESHOLD, Candidate, numbers
from rag.access.personal_data.readable import Readable, readable
from rag.access.personal_data.secrets import FORMS as SECRETS
from rag.access.personal_data.secrets import secrets
from rag.access.personal_data.tables import labels_of
from rag.domain.findings import Finding, masked
from rag.domain.personal_data import CustomPattern
from rag.text.plain import is_plain
from rag.text.sieve import sieve_of

VERSION = 4
"""Goes up with every change of what is found, or of what is hidden with it: documents are then looked through again."""
_MARKS = re.compile("[0-9@]")
_SUSPICIOUS = ("-----", "://", "pass", "secret", "token", "key", "pwd")
_CUT = "…"
"""Ends the signatures in headings that were too long."""
_MOST_ROUNDS = 8


class Detector:
    """Finds personal data and secrets. Thread-safe; the time grows linearly with the text."""

    def __init__(self, patterns: Sequence[CustomPattern] = (), *, code: bool = False) -> None:
        """Prepare.

        Args:
            patterns: of the collection.
            code: whether texts are programs, in which secrets are assigned to names.
        """
        self._custom = CompiledPatterns(patterns) if patterns else None
        self._code = code

    def find(self, text: str) -> tuple[Finding, ...]:
        """What stands in `text`, in its order, without overlaps."""
        text = _with_one_line_end(text)
        if self._custom is None and _holds_nothing(text):
            return ()
        return self._until_clean(text, readable)

    def find_in_line(self, text: str) -> tuple[Finding, ...]:
        """`find` for a line of a log, in which addresses and literals have their characters escaped, and blanks are a `+`.

        What is found stands in the order of the text. Findings may overlap: a `%` need not escape anything, and nothing says how
        often a line was escaped, so that there are several readings, and what any of them shows is hidden.
        """
        text = _with_one_line_end(text)
        reads = _readings(text)
        found = {item for read in reads for item in self._until_clean(text, read)}
        if "+" in text:
            left = masked(text, found)
            found |= {item for read in reads for item in self._until_clean(left, partial(read, plus_is_blank=True))}
        return tuple(sorted(found))

    def _until_clean(self, text: str, read: Callable[[str], Readable | EscapedLine]) -> tuple[Finding, ...]:
        """Hiding one thing can uncover another, which a longer one had covered: look again until nothing is left."""
        found: list[Finding] = []
        left = text
        for _ in range(_MOST_ROUNDS):
            new = [item for item in self._round(read(left)) if _hides(left, item)]
            if not new:
                break
            left = masked(left, new)
            found += new
        return tuple(sorted(found))

    def _round(self, plain: Readable | EscapedLine) -> Iterable[Finding]:
        if self._custom is None and not _is_suspicious(plain.text):
            return []
        labels = labels_of(plain.text)
        wordy = not is_plain(plain.text) or _sieve()(plain.text)
        candidates = [item for item in numbers(plain.text, labels) if item.score >= THRESHOLD]
        candidates += [item for item in named(plain.text, labels, labelled=wordy) if item.score >= THRESHOLD]
        if wordy:
            candidates += secrets(plain.text, code=self._code)
        if self._custom is not None:
            candidates += self._custom.find(plain.text)
        return [Finding(*plain.span(one.start, one.end), one.kind) for one in _apart(candidates)]


def _readings(text: str) -> list[partial[EscapedLine]]:
    """The ways to read a line of a log: most have one, as they escape nothing."""
    reads = [partial(unescaped, rounds=0)]
    if "\\" in text:
        reads += [partial(unescaped, rounds=times + 1, per_cent=False) for times in range(depth(text, per_cent=False))]
    if "%" in text:
        reads += [partial(unescaped, rounds=times + 1) for times in range(depth(text, per_cent=True))]
    return reads


@cache
def _sieve() -> Callable[[str], bool]:
    """Whether a plain text may hold a secret or a label: one pass in place of some sixty, and most texts hold none."""
    return sieve_of((*SECRETS, *LABELS))


@cache
def _whole_sieve() -> Callable[[str], bool]:
    """Whether a plain text may hold anything, an address, a number, a passport as well: one pass in place of two."""
    return sieve_of(("@", NUMBERS, PASSPORTS, *SECRETS, *LABELS))


def _with_one_line_end(text: str) -> str:
    """`text` with the line end that all patterns know; its length stays."""
    return text.replace("\r", "\n") if "\r" in text else text


def _holds_nothing(text: str) -> bool:
    """Whether a text can be told to hold nothing without reading it: one that is plain, but for what stands for a cut."""
    if is_plain(text):
        return not _whole_sieve()(text)
    if not is_plain(text.replace(_CUT, "")):
        return False
    # To the sieve, as to the patterns, neither letter nor mark nor blank.
    return not _whole_sieve()(text.replace(_CUT, "\x01"))


def _is_suspicious(text: str) -> bool:
    """False where nothing can be found. Most texts that can hold something have a digit."""
    if _MARKS.search(text) is not None or not text.isascii():
        return True
    plain = text.lower()
    return bool([sign for sign in _SUSPICIOUS if sign in plain])


def _hides(text: str, item: Finding) -> bool:
    """Whether anything of it is still to be hidden."""
    value = text[item.start : item.end]
    return masked(value, [Finding(0, len(value), item.kind)]) != value


def _apart(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The best of candidates that overlap: by score, then the longer one, then the first."""
    kept: list[Candidate] = []
    cluster: list[Candidate] = []
    reach = -1
    for item in sorted(candidates):
        if item.start >= reach:
            kept += _best(cluster)
            cluster = []
        cluster.append(item)
        reach = max(reach, item.end)
    return kept + _best(cluster)


def _best(cluster: Sequence[Candidate]) -> list[Candidate]:
    taken: list[Candidate] = []
    if len(cluster) == 1:
        return list(cluster)
    for item in sorted(cluster, key=lambda one: (-one.score, one.start - one.end, one.start)):
        if all(item.end <= other.start or item.start >= other.end for other in taken[-_MOST_ROUNDS:]):
            taken.append(item)
    return sorted(taken)


def counted(findings: Iterable[Finding]) -> Counter[str]:
    """How many of each kind."""
    return Counter(item.kind for item in findings)


@lru_cache(maxsize=256)
def detector_for(patterns: tuple[CustomPattern, ...] = (), *, code: bool = False) -> Detector:
    """The detector with these patterns; compiled once."""
    return Detector(patterns, code=code)
