"""Passages that are too long to be read beside the question: one rule for models in this process and for servers.

A passage that does not fit is read in windows, and its best window counts: a rule that answers in its last sentence is as good as
one that answers in its first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rag.domain.errors import ConfigurationError
from rag.text.token_estimate import characters_within, estimated_starts, estimated_tokens, most_characters

OVERLAP = 0.2
"""Share of a window that the next one repeats: of 1,024 tokens some 200, so that a sentence on the edge is whole in one."""
QUESTION_SHARE = 0.75
"""Of the room that a row leaves beside what every row has, what a question may take; as FlagEmbedding's `query_max_length`."""
FEWEST_TOKENS = 32
"""Room for question and passage below which a model's prompt does not fit the setting."""
MOST_TOKENS = 20_000
"""By the careful estimate, of one text for a server: more than any passage of the index has (`embedding.max_tokens`, at most
8,192, of Korean twice as many by the estimate). A document of megabytes, which `/v1/rerank` may be given, would be thousands of
windows."""
MOST_WINDOWS = 64
"""Of one text, where a long question leaves little room for each."""


def question_limit(max_tokens: int, prompt: int) -> int:
    """Tokens that a question may take.

    Args:
        max_tokens: of a row.
        prompt: what every row has of them, question and passage aside.

    Raises:
        ConfigurationError: the prompt leaves no room in `max_tokens`.
    """
    room = max_tokens - prompt
    if room < FEWEST_TOKENS:
        raise ConfigurationError(
            detail=f"reranking.max_tokens: {max_tokens} leaves {room} beside the model's prompt",
            detail_ko=f"reranking.max_tokens: {max_tokens}에서 모델의 프롬프트를 빼면 {room}만 남습니다",
        )
    return int(room * QUESTION_SHARE)


def windows(length: int, room: int) -> list[slice]:
    """Slices of at most `room` that cover `length` items, evenly spread, each overlapping the next by `OVERLAP` or more."""
    if length <= room:
        return [slice(0, length)]
    step = _step(room)
    count = 1 + -(-(length - room) // step)
    starts = [round(i * (length - room) / (count - 1)) for i in range(count)]
    return [slice(start, start + room) for start in starts]


def windows_reach(room: int) -> int:
    """Tokens of a text that are read in windows of `room` tokens."""
    return max(room, min(MOST_TOKENS, room + (MOST_WINDOWS - 1) * _step(room)))


def _step(room: int) -> int:
    return max(1, int(room * (1.0 - OVERLAP)))


def text_windows(text: str, room: int) -> list[str]:
    """`text` in windows of at most `room` tokens by the careful estimate, where no tokenizer is at hand.

    There are so many, and for so many tokens, at most: what lies beyond them is not read.
    """
    reach = windows_reach(room)
    text = text[: most_characters(reach)]  # before anything is made for each character
    if estimated_tokens(text) - estimated_tokens("") <= room:
        return [text]
    starts = estimated_starts(text)
    return [text[characters_within(starts, part)] for part in windows(min(reach, math.ceil(starts[-1])), room)]


def shortened(text: str, limit: int) -> str:
    """The beginning of `text`, of at most `limit` tokens by the careful estimate."""
    text = text[: most_characters(limit)]
    return text[characters_within(estimated_starts(text), slice(0, limit))]


def best_of(scores: Sequence[float], owners: Sequence[int], count: int) -> list[float]:
    """For each of `count` passages the best score of its windows; `owners` says whose each is."""
    best = [0.0] * count
    for owner, score in zip(owners, scores, strict=True):
        best[owner] = max(best[owner], score)
    return best
