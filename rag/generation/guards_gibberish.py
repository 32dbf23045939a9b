"""The guard against gibberish: random tokens, broken characters, a mixture of scripts that no text has."""

from __future__ import annotations

from collections import deque
from functools import lru_cache

from rag.generation.guards_scripts import LETTERS, Script, script_of

_SPAN = 256
"""Characters that are looked at together."""
_BROKEN = 8
"""Replacement, control and unassigned characters among them; a text about encodings shows a few."""
_LATIN_1 = 0.4
"""Share of U+0080 to U+00FF: UTF-8 that was read as Latin-1 has more than half, French one in twenty."""
_FEW = 20
_SYMBOLS = 0.8
_DISTINCT_SYMBOLS = 16
"""Regular expressions have up to 0.75 of symbols; rulers and drawings have few different ones."""
_SWITCHES = 12
"""Changes of script inside words that no language has (`的ably`, `ный에`)."""
_RARE = 0.3
_RARE_LEAST = 24
"""Share of Hangul syllables outside the 2,350 of KS X 1001, which hold more than 99 % of Korean texts; random ones: 79 %."""

_CJK = frozenset({Script.HAN, Script.HIRAGANA, Script.KATAKANA})
_BESIDE = {
    Script.LATIN: _CJK | {Script.HANGUL, Script.GREEK},  # API를, 使用API的, Δt
    Script.HANGUL: _CJK - {Script.HIRAGANA} | {Script.LATIN, Script.GREEK},
    Script.HAN: _CJK | {Script.LATIN, Script.GREEK},
    Script.HIRAGANA: _CJK | {Script.LATIN, Script.GREEK},
    Script.KATAKANA: _CJK | {Script.LATIN, Script.GREEK},
    Script.GREEK: _CJK | {Script.LATIN},
}
"""What may follow within a word, by script. Hangul may follow anything: its particles do (`Россия는`)."""


@lru_cache(maxsize=16_384)
def _is_rare(syllable: str) -> bool:
    if not "가" <= syllable <= "힣":
        return False
    # The codec spells the others out in their letters, in eight bytes.
    return len(syllable.encode("euc_kr")) != 2


class GibberishWatch:
    """Looks at the last characters: each enters and leaves a handful of counts, so work per character is constant."""

    name = "gibberish"

    def __init__(self) -> None:
        self._last: deque[tuple[str, Script, bool]] = deque()
        self._scripts = [0] * (max(Script) + 1)
        self._symbols: dict[str, int] = {}
        self._switches = 0
        self._rare = 0
        self._before = Script.SPACE

    @property
    def held(self) -> int:
        """Characters and counts in memory."""
        return len(self._last) + len(self._scripts) + len(self._symbols)

    def feed(self, text: str) -> int | None:
        """Characters of `text` up to the one that makes it gibberish; None while it is none."""
        last, scripts = self._last, self._scripts
        before = self._before
        for position, char in enumerate(text):
            script = script_of(char)
            switched = script is not before and _is_odd(before, script)
            before = script
            last.append((char, script, switched))
            scripts[script] += 1
            self._count(char, script, switched, 1)
            if len(last) > _SPAN:
                char, script, switched = last.popleft()
                scripts[script] -= 1
                self._count(char, script, switched, -1)
            if self._is_gibberish():
                return position + 1
        self._before = before
        return None

    def _count(self, char: str, script: Script, switched: bool, change: int) -> None:
        if switched:
            self._switches += change
        if script is Script.HANGUL:
            if _is_rare(char):
                self._rare += change
        elif script is Script.SYMBOL:
            count = self._symbols.get(char, 0) + change
            if count:
                self._symbols[char] = count
            else:
                del self._symbols[char]

    def _is_gibberish(self) -> bool:
        count = self._scripts
        if count[Script.BROKEN] >= _BROKEN or self._switches >= _SWITCHES:
            return True
        if self._rare >= _RARE_LEAST and self._rare > _RARE * count[Script.HANGUL]:
            return True
        if count[Script.LATIN_1] < _FEW and len(self._symbols) < _DISTINCT_SYMBOLS:
            return False
        length = len(self._last)
        visible = length - count[Script.SPACE]
        if length >= _SPAN // 2 and count[Script.LATIN_1] > _LATIN_1 * visible:
            return True
        return length >= _SPAN and len(self._symbols) >= _DISTINCT_SYMBOLS and count[Script.SYMBOL] > _SYMBOLS * visible


def _is_odd(before: Script, script: Script) -> bool:
    """Whether no language goes from one script to the other within a word."""
    return (
        script is not Script.HANGUL
        and script in LETTERS
        and before in LETTERS
        and script not in _BESIDE.get(before, ())
    )
