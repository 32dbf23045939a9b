"""The guard against loops: a model that writes the same words again and again.

The longest earlier occurrence of the last characters gives the period (as LZ77 finds its matches, Ziv and Lempel 1977); a
period that goes on for long enough is a loop. Work per character is constant, memory is one window.
"""

from __future__ import annotations

import re

_WINDOW = 4096
"""Characters kept; the longest period that is seen."""
_GRAM = 12
"""Characters that must have occurred before to begin a match."""
_LEAST = 200
"""Repeated characters below which nothing is a loop, whatever is repeated."""
_DIGITS = re.compile(r"\d")
_MARKUP = frozenset("|<>{}[]\t")
_STRUCTURE = _MARKUP | frozenset("();\"'=")
_FOLDED_LETTERS = 24


class RepetitionWatch:
    """Looks for a tail that repeats itself.

    Args:
        fold_digits: take all digits for the same one, so that loops with a counter are seen; they need to be far longer,
            for lists of dates and of numbers are made like that too.
    """

    name = "repetition"

    def __init__(self, *, fold_digits: bool = False) -> None:
        self._fold = fold_digits
        self._chars: list[str] = []
        self._grams: dict[str, int] = {}
        self._recent = ""
        self._total = 0
        self._period = 0
        self._run = 0
        self._need: int | None = None

    @property
    def held(self) -> int:
        """Characters and positions in memory."""
        return len(self._chars) + len(self._grams)

    def feed(self, text: str) -> int | None:
        """Characters of `text` up to the one that makes it a loop; None while there is none."""
        if self._fold:
            text = _DIGITS.sub("0", text)
        chars, grams, recent = self._chars, self._grams, self._recent
        for position, char in enumerate(text):  # all in one loop: it runs for every character that is written
            chars.append(char)
            self._total += 1
            recent = recent[1 - _GRAM :] + char
            if self._period:
                if chars[-1 - self._period] == char:
                    self._run += 1
                else:
                    self._period = 0
            if self._total >= _GRAM:
                seen = grams.get(recent)
                grams[recent] = self._total
                if not self._period and seen is not None and self._total - seen <= _WINDOW:
                    self._period, self._run, self._need = self._total - seen, _GRAM, None
            if len(chars) > 2 * _WINDOW:
                self._forget()
                grams = self._grams
            if self._run >= _LEAST and self._period and self._is_loop():
                return position + 1
        self._recent = recent
        return None

    def _forget(self) -> None:
        """Drop what lies before the window: once per window, so that it costs nothing per character."""
        del self._chars[: -_WINDOW - 1]
        oldest = self._total - _WINDOW
        self._grams = {gram: at for gram, at in self._grams.items() if at >= oldest}

    def _is_loop(self) -> bool:
        if self._need is None:
            if self._run < self._period:
                return False
            self._need = self._needed("".join(self._chars[-self._period :]))
        return self._run >= self._need

    def _needed(self, period: str) -> int:
        """Repeated characters from which a period is a loop: prose soon, rows of tables and rulers late."""
        length = len(period)
        letters = sum(char.isalpha() for char in period)
        if self._fold:
            plain = letters >= _FOLDED_LETTERS and _STRUCTURE.isdisjoint(period)
            return 6000 + 20 * length if plain else 40_000 + 20 * length
        if not letters:
            return 4000 + 6 * length
        if letters < 0.3 * length or not _MARKUP.isdisjoint(period):
            return 2000 + 6 * length
        if any(char == "\n" or char == "," or char.isdigit() for char in period):
            return 600 + 3 * length
        return _LEAST + 3 * length
