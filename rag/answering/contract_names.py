"""Names in a sentence that its passages must hold: codes, addresses, paths, functions, Latin names, Hanja."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from rag.domain.answer import occurs
from rag.domain.fact_reading import plain
from rag.text.hanja import HAN_RUN
from rag.text.normalize import clean_characters, normalize_text

_SPELLED = re.compile(
    r"""[\w.+-]+@[\w-]+(?:\.[\w-]+)+                          # mail@bank.example
    |(?:https?|ftp)://[^\s)\]}>"'가-힣]+
    |(?<![\w/.])(?:~|\.{1,2})?(?:/[A-Za-z0-9_.{}-]+){1,}/?    # /etc/hosts
    |\b[A-Za-z]:\\[^\s"']+
    |\b[A-Za-z_][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+                # round_amount
    |\b[A-Za-z]+(?:::|\.|->)[A-Za-z_]\w*\(?
    |\b[A-Za-z_]\w*(?=\(\))
    |\b[a-z]+(?:[A-Z][a-z0-9]+)+                              # getUserById
    |(?=[A-Za-z_.-]*[0-9])[A-Za-z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*""",
    re.VERBOSE | re.ASCII,
)
_LATIN = re.compile(r"[A-Za-zÀ-ɏ][A-Za-zÀ-ɏ0-9&+.'-]*[A-Za-zÀ-ɏ0-9+]")
_CAPITALS = re.compile(r"(?<![A-Za-z0-9])[A-Z][A-Z0-9&]+(?![a-z])")
_PROPER = re.compile(r"(?<=[a-z,;:] )[A-Z][a-z]+(?:[A-Z][a-z]+)*")
"""A word with a capital that does not begin a sentence."""
_HANGUL = re.compile("[가-힣]")
_LETTER = re.compile("[A-Za-z가-힣]")
_UNIT_NAMES = (
    "kb mb gb tb kib mib gib ms sec min km cm mm kg mg ml kw usd krw eur jpy won percent am pm to or and vs etc eg ie"
)
_UNITS = frozenset(_UNIT_NAMES.split())
_TRAILING = re.compile(r"(?:'s|[.'-])+$")


def is_korean(text: str) -> bool:
    """Whether a text is mostly in Hangul."""
    letters = len(_LETTER.findall(text))
    return bool(letters) and len(_HANGUL.findall(text)) >= 0.3 * letters


def names_of(text: str) -> tuple[str, ...]:
    """What is spelled and not said: addresses, paths, functions, codes; and in Korean every Latin name."""
    read = plain(text)
    found = [match[0].rstrip(".(") for match in _SPELLED.finditer(read)]
    rest = _SPELLED.sub(" ", read)
    found += _CAPITALS.findall(rest)
    if is_korean(text):
        found += [_TRAILING.sub("", word) for word in _LATIN.findall(rest)]
    return tuple(dict.fromkeys(name for name in found if len(name) > 1 and name.lower().replace(".", "") not in _UNITS))


def missing_names(text: str, evidence: Sequence[str]) -> list[str]:
    """Names of `text` that the evidence does not hold. Reading a Hanja name in Hangul, or writing it so, changes nothing."""
    whole = "\n".join(evidence)
    known = plain(whole).lower()
    missing = [name for name in names_of(text) if not _known(name.lower(), known)]
    if not is_korean(text) and not is_korean(whole):
        missing += [name for name in dict.fromkeys(_PROPER.findall(plain(text))) if not _known(name.lower(), known)]
    return [*missing, *_missing_hanja(text, whole)]


def _known(name: str, known: str) -> bool:
    return occurs(name, known) or (name.endswith("s") and occurs(name[:-1], known)) or occurs(f"{name}s", known)


def _missing_hanja(text: str, evidence: str) -> list[str]:
    runs: Collection[str] = dict.fromkeys(HAN_RUN.findall(clean_characters(text)))
    if not runs:
        return []
    read = normalize_text(evidence)
    return [run for run in runs if run not in evidence and normalize_text(run) not in read]
