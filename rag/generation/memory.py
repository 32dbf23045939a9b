"""What an answer is told of the conversation before it: the latest turns as they were, older ones in a line each.

Condensing costs no model call: the question itself was made to stand alone before the search (`rag.retrieval.rewriting`), so the
turns only say what it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from rag.generation.chat import ChatMessage
from rag.generation.marks import without_marks
from rag.text.template_tokens import neutralised
from rag.text.token_estimate import estimated_tokens

_LATEST = 4
"""Turns that are kept as they were: two questions and their answers, where the rest of the budget allows."""
_LONGEST_TURN = 4000
"""Characters of one turn; more of an answer helps nobody to understand the next question."""
_ASKED, _ANSWERED = 200, 160
"""Characters of an older question and of an older answer's beginning."""
_TURN_TOKENS = 8
"""What a template puts around a turn, at most."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is left of a conversation.

    Attributes:
        turns: the latest, user and assistant in turn, the user first and the assistant last, as every template can take them.
        older: question and beginning of the answer of what went before those, oldest first.
        forgotten: turns that are in neither.
        tokens: estimate of it all.
    """

    turns: tuple[ChatMessage, ...] = ()
    older: tuple[tuple[str, str], ...] = ()
    forgotten: int = 0
    tokens: int = 0


NO_MEMORY = Memory()


def remembered(history: Sequence[ChatMessage], budget: int) -> Memory:
    """As much of the conversation as fits into `budget` tokens, the latest first; marks of earlier answers are left out.

    Turns of the role `system` are no part of a conversation and count as forgotten.
    """
    pairs = _pairs(item for item in history if item.role != "system" and item.content.strip())
    kept: list[tuple[str, str]] = []
    older: list[tuple[str, str]] = []
    spent = known = 0
    for asked, answered, count in reversed(pairs):
        whole = (_clipped(asked, _LONGEST_TURN), _clipped(answered, _LONGEST_TURN))
        cost = sum(estimated_tokens(text) + _TURN_TOKENS for text in whole)
        if not older and 2 * len(kept) < _LATEST and spent + cost <= budget:
            kept.append(whole)
            spent, known = spent + cost, known + count
            continue
        short = (_clipped(_line(asked), _ASKED), _clipped(_line(answered), _ANSWERED))
        cost = sum(estimated_tokens(text) + _TURN_TOKENS for text in short)
        if spent + cost > budget:
            break
        older.append(short)
        spent, known = spent + cost, known + count
    turns = tuple(
        turn
        for asked, answered in reversed(kept)
        for turn in (ChatMessage("user", asked), ChatMessage("assistant", answered))
    )
    return Memory(turns, tuple(reversed(older)), len(history) - known, spent)


def _pairs(history: Iterable[ChatMessage]) -> list[tuple[str, str, int]]:
    """Questions with their answers, and how many turns those are. A side that is missing is a dash."""
    pairs: list[tuple[str, str, int]] = []
    asked, waiting = "", 0
    for role, group in groupby(history, key=lambda item: item.role):
        turns = [item.content.strip() for item in group]
        if role == "user":
            asked, waiting = neutralised("\n\n".join(turns)).text, len(turns)
        else:
            answered = neutralised(without_marks("\n\n".join(turns))).text
            pairs.append((asked or "–", answered or "–", waiting + len(turns)))
            asked, waiting = "", 0
    return [*pairs, (asked, "–", waiting)] if asked else pairs


def _line(text: str) -> str:
    return " ".join(text.split())


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest].rstrip()} …"
