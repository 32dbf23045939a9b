"""Reasoning that a model wrote into its text, where the engine was not told to take it out."""

from __future__ import annotations

import re
from collections.abc import Mapping

REASONING: Mapping[str, str] = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "[THINK]": "[/THINK]",
}
"""How models mark it: beginning and end."""
_TOKENS = frozenset({"<think>", "[THINK]"})
"""Those that are tokens of a vocabulary: they begin reasoning wherever they stand. The others are words as well."""
_MARK = re.compile("|".join(re.escape(mark) for pair in REASONING.items() for mark in pair))
_BLANK = re.compile(r"\s*")
_END_OF_LINE = re.compile(r"[ \t\r]*(?:\n|\Z)")


def without_reasoning(text: str, *, code: bool = False) -> str:
    """A whole text without its reasoning; where a template began it, only its end is in the text.

    Args:
        code: whether the text holds code, which may speak of the marks: then reasoning stands at the beginning alone, and an
            end without a beginning counts only as the last of its line.
    """
    last_ends = {begin: text.rfind(end) for begin, end in REASONING.items()}
    kept: list[str] = []
    begun, until = 0, ""
    first = _beginning(text, begun)
    spoken_of: set[str] = set()
    for mark in _MARK.finditer(text):
        name = mark.group()
        if until:
            if name == until:
                begun, until = mark.end(), ""
                first = _beginning(text, begun)
        elif name in REASONING:
            leads = mark.start() == first and not kept
            if leads or (not code and (name in _TOKENS or last_ends[name] > mark.start())):
                if mark.start() > first:
                    kept.append(text[begun : mark.start()])
                until = REASONING[name]
            else:
                spoken_of.add(REASONING[name])
        elif code and name in spoken_of:
            spoken_of.discard(name)
        elif not code or _END_OF_LINE.match(text, mark.end()):
            kept.clear()
            begun = mark.end()
            first = _beginning(text, begun)
    return "".join(kept) if until else "".join((*kept, text[begun:]))


def _beginning(text: str, at: int) -> int:
    """Where the first character that is not blank stands, from `at` on."""
    found = _BLANK.match(text, at)
    return found.end() if found is not None else at
