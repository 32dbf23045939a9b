"""Names of code in a question: identifiers as they are written there, and names that its words would make."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rag.text.code import LANGUAGE_NAMES

_PART = r"[A-Za-z_$][A-Za-z0-9_$]*"
_WRITTEN = re.compile(rf"(?<![\w$@/]){_PART}(?:(?:\.|::|->|#){_PART})*(?P<called>\()?", re.ASCII)
_JOINS = re.compile(r"\.|::|->|#")
_HUMP = re.compile(r"[a-z0-9][A-Z]")
_UNDERSCORED = re.compile(r"[A-Za-z0-9]_+[A-Za-z0-9]|^_+[A-Za-z]")
_HUMPS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_HANGUL = re.compile("[가-힣]")
_WORDS = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_MOST_IDENTIFIERS = 8
_MOST_WORDS = 24
_MOST_TOGETHER = 4
_SHORTEST = 3
_EMPTY_WORDS = """
a an the is are was be do does did can could will would should has have had what which who whom whose when where why how
of in on at to for from by with about into as it its this that these those there i you we they my your our their me us
and or not no if any tell explain describe show give please use used using python java javascript code function method class
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())
"""Words of a question that names are seldom made of, and names of languages."""


class Identifier(NamedTuple):
    """A name that is written in a question as code has it.

    Attributes:
        path: its parts, outermost first: `PaymentService.approve` has two.
        sure: whether nothing else is written like that; a capitalised word may also be just a name.
    """

    path: tuple[str, ...]
    sure: bool

    @property
    def key(self) -> str:
        """The last part, as the symbol index compares names."""
        return self.path[-1].lower()


def written_identifiers(question: str) -> list[Identifier]:
    """The identifiers in a question, each once: `a.b`, `A::b`, `snake_case`, `camelCase`, `f()`, between backticks, and
    capitalised words, but not one that only begins an English sentence."""
    korean = _HANGUL.search(question) is not None
    found: dict[tuple[str, ...], bool] = {}
    for match in _WRITTEN.finditer(question):
        text = match[0].removesuffix("(")
        path = tuple(_JOINS.split(text))
        if len(path) > 1 and path[-1].lower() in LANGUAGE_NAMES:
            continue  # the name of a file
        ticked = question[match.start() - 1 : match.start()] == "`"
        sure = bool(len(path) > 1 or match["called"] or ticked or _UNDERSCORED.search(text) or _HUMP.search(text))
        if sure or ((korean or match.start() > 0) and text[0].isupper() and len(text) >= _SHORTEST):
            found[path] = sure or found.get(path, False)
    return [Identifier(path, sure) for path, sure in found.items()][:_MOST_IDENTIFIERS]


def name_words(name: str) -> list[str]:
    """The words that a name is made of, in lower case: `get`, `http`, `response` of `getHTTPResponse`."""
    return [hump.lower() for hump in _HUMPS.findall(name)]


def names_of_words(text: str) -> dict[str, int]:
    """Names that neighbouring words of an English text would make (`readfile` and `read_file` of "read a file"), in the form in
    which names are compared, and of how many words each is."""
    words = [word.lower() for word in _WORDS.findall(text)]
    telling = [word for word in words if word not in _EMPTY][:_MOST_WORDS]
    found: dict[str, int] = {}
    for count in range(1, _MOST_TOGETHER + 1):
        for start in range(len(telling) - count + 1):
            for name in _joined(telling[start : start + count]):
                if len(name) >= _SHORTEST:
                    found.setdefault(name, count)
    return found


def _joined(words: Sequence[str]) -> set[str]:
    return {"".join(words), "_".join(words)}
