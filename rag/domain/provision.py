"""Where a text stands in a statute or a company rule: 조, 항, 호, 목, and the labels that they are cited by."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

Path = tuple[str, ...]
"""Parts of a provision, widest first: `("제24조", "제1항", "제2호", "가목")`, `("부칙", "제1조")`, `("별표 1",)`."""


class ProvisionMark(NamedTuple):
    """From character `start` of a text on, up to the next mark, the text belongs to the provision at `path`."""

    start: int
    path: Path


def provision_label(path: Sequence[str]) -> str:
    """`제24조제1항제2호`, as statutes cite themselves; `부칙 제1조`, `별표 1 제2호` with a blank."""
    label = ""
    for part in path:
        label += part if not label or _closes_up(label) else f" {part}"
    return label


def _closes_up(label: str) -> bool:
    """Whether the next part follows without a blank: only after the numbered parts of an article."""
    return label.rpartition(" ")[2].startswith("제") and not label.endswith(("편", "장", "절", "관", "서식"))


def covering_label(paths: Sequence[Path]) -> str:
    """The narrowest label that covers all of `paths` (in document order): `제24조제1항`, `제24조제1항–제3항`, `제3조–제4조`.

    Empty when none of them has a part. A text outside all provisions among them is not covered.
    """
    known = [path for path in paths if path]
    if not known:
        return ""
    common = _common(known)
    first, last = known[0], known[-1]
    if any(len(path) == len(common) for path in known) or first[: len(common) + 1] == last[: len(common) + 1]:
        return provision_label(common or first[:1])
    return f"{provision_label(first[: len(common) + 1])}–{last[len(common)]}"


def marks_between(marks: Sequence[ProvisionMark], start: int, end: int) -> list[ProvisionMark]:
    """The marks that hold for some of the characters `start`..`end`."""
    stops = [*(mark.start for mark in marks[1:]), end]
    return [mark for mark, stop in zip(marks, stops, strict=False) if mark.start < end and stop > start]


def path_at(marks: Sequence[ProvisionMark], offset: int) -> Path:
    """The provision of the character at `offset`."""
    index = bisect_right(marks, offset, key=lambda mark: mark.start)
    return marks[index - 1].path if index else ()


def _common(paths: Sequence[Path]) -> Path:
    low, high = min(paths), max(paths)
    length = 0
    while length < min(len(low), len(high)) and low[length] == high[length]:
        length += 1
    return low[:length]
