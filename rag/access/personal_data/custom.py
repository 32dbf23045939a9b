"""Patterns that a collection brings. RE2 runs them: in linear time, whatever they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.access.personal_data.numbers import Candidate
from rag.domain.errors import InvalidRequest
from rag.domain.personal_data import MAX_PATTERN_LENGTH, MAX_PATTERNS, PATTERN_NAME, CustomPattern

_MOST_MEMORY = 1 << 20
"""Bytes of a compiled pattern and its states; beyond, RE2 refuses it."""
_SCORE = 0.99


class CompiledPatterns:
    """Patterns of one collection, ready to run. Thread-safe."""

    def __init__(self, patterns: Sequence[CustomPattern]) -> None:
        self._compiled = [(item.kind, _compiled(item.pattern)) for item in patterns]

    def find(self, text: str) -> Iterator[Candidate]:
        """What they match in `text`; where a pattern has a group, what the first one matched."""
        for kind, pattern in self._compiled:
            group = 1 if pattern.groups else 0
            for found in pattern.finditer(text):
                start, end = found.span(group)
                if end > start:
                    yield Candidate(start, end, kind, _SCORE)


def checked_patterns(patterns: Sequence[CustomPattern]) -> tuple[CustomPattern, ...]:
    """`patterns`, if they can be run.

    Raises:
        InvalidRequest: too many, a name or a pattern that is none, or one that matches nothing at all places.
    """
    if len(patterns) > MAX_PATTERNS or len({item.name for item in patterns}) != len(patterns):
        raise InvalidRequest(
            detail=f"patterns: at most {MAX_PATTERNS}, each name once",
            detail_ko=f"patterns: {MAX_PATTERNS}개까지이며, 이름이 겹치면 안 됩니다",
        )
    for item in patterns:
        if PATTERN_NAME.fullmatch(item.name) is None or not 0 < len(item.pattern) <= MAX_PATTERN_LENGTH:
            raise InvalidRequest(
                detail=f"patterns: {item.name[:40]}: name or length is not valid",
                detail_ko=f"patterns: {item.name[:40]}: 이름이나 길이가 올바르지 않습니다",
            )
        if _compiled(item.pattern).fullmatch("") is not None:
            raise InvalidRequest(
                detail=f"patterns: {item.name}: matches the empty text",
                detail_ko=f"patterns: {item.name}: 빈 텍스트에도 맞는 패턴입니다",
            )
    return tuple(patterns)


def _compiled(pattern: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - RE2 has no types
    import re2

    options = re2.Options()
    options.max_mem, options.log_errors = _MOST_MEMORY, False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise InvalidRequest(
            detail=f"patterns: {error}", detail_ko=f"patterns: 패턴이 올바르지 않습니다: {error}"
        ) from error
